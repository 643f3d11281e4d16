package executor

import (
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/nats-io/nkeys"

	"drawbridge.dev/events"
)

// verify says why a decision is not to be carried out: its digest is not that
// of its content, or its signature is not of a key that is trusted.
func verify(k events.Key, d events.Decided, trusted []string) error {
	if sealed := d.Seal(k); sealed.Digest != d.Digest {
		return fmt.Errorf("the decision says digest %s, its content has %s: it was changed after it was signed", d.Digest, sealed.Digest)
	}
	if !slices.Contains(trusted, d.Signature.Key) {
		return fmt.Errorf("the decision is signed by %q, which is not in trusted-keys: add the public key of policy there, or find out who decided", d.Signature.Key)
	}
	key, err := nkeys.FromPublicKey(d.Signature.Key)
	if err != nil {
		return fmt.Errorf("the decision's signature names %q: %w", d.Signature.Key, err)
	}
	signature, err := base64.StdEncoding.DecodeString(d.Signature.Value)
	if err != nil {
		return fmt.Errorf("the decision's signature is no base64: %w", err)
	}
	if err := key.Verify([]byte(d.Digest), signature); err != nil {
		return fmt.Errorf("the decision's signature does not fit its digest: %w", err)
	}
	return nil
}
