package policy

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/seal"
)

// signer signs decisions. The seed stays in it.
type signer struct {
	pair   nkeys.KeyPair
	public string
}

// PublicKey is the public nkey of the seed in c.KeyFile, which an executor must
// trust. With c.GenerateKey the seed is made if the file is not there.
func PublicKey(c Config) (string, error) {
	s, err := loadSigner(c.KeyFile, c.GenerateKey)
	if err != nil {
		return "", err
	}
	return s.public, nil
}

func loadSigner(path string, generate bool) (*signer, error) {
	fail := func(err error) (*signer, error) { return nil, fmt.Errorf("policy.key-file %q: %w", path, err) }
	fresh := freshSeed
	if !generate {
		fresh = nil
	}
	seed, err := seal.SeedFile(path, fresh)
	if err != nil {
		return fail(err)
	}
	prefix, _, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return fail(fmt.Errorf("holds no nkeys seed (make one with `nk -gen account`): %w", err))
	}
	if prefix != nkeys.PrefixByteAccount && prefix != nkeys.PrefixByteUser {
		return fail(fmt.Errorf("holds a %s seed, want one of an account (SA...) or a user (SU...)", prefix))
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return fail(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return fail(err)
	}
	return &signer{pair, public}, nil
}

func freshSeed() ([]byte, error) {
	pair, err := nkeys.CreateAccount()
	if err != nil {
		return nil, err
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	return bytes.Clone(seed), err // Wipe clears what the pair holds
}

// sign returns d, which is sealed, with its signature.
func (s *signer) sign(d events.Decided) (events.Decided, error) {
	sig, err := s.pair.Sign([]byte(d.Digest))
	if err != nil {
		return d, fmt.Errorf("sign decision %s: %w", d.Digest, err)
	}
	d.Signature = events.Signature{Key: s.public, Value: base64.StdEncoding.EncodeToString(sig)}
	return d, nil
}

// trust is who may sign decisions, by public key.
type trust map[string]nkeys.KeyPair

// trustIn trusts the signer itself and further keys.
func trustIn(s *signer, keys []string) (trust, error) {
	t := trust{}
	for i, k := range append([]string{s.public}, keys...) {
		pair, err := nkeys.FromPublicKey(k)
		if err != nil {
			return nil, fmt.Errorf("policy.trusted-keys[%d]: %q is no public nkey: %w", i-1, k, err)
		}
		t[k] = pair
	}
	return t, nil
}

// verify says why d is no decision about k of somebody who is trusted.
func (t trust) verify(k events.Key, d events.Decided) error {
	pair := t[d.Signature.Key]
	if pair == nil {
		return fmt.Errorf("it is signed with key %q, which is not trusted", d.Signature.Key)
	}
	if d.Seal(k).Digest != d.Digest {
		return errors.New("its digest does not fit what it says")
	}
	sig, err := base64.StdEncoding.DecodeString(d.Signature.Value)
	if err != nil {
		return fmt.Errorf("its signature is no base64: %w", err)
	}
	if err := pair.Verify([]byte(d.Digest), sig); err != nil {
		return fmt.Errorf("its signature does not hold: %w", err)
	}
	return nil
}
