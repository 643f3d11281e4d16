// Package seal carries certificates with their keys from a watcher to an
// executor, so that nobody between them can read any: sealed to the executor's
// X25519 key, under the digest that the events name.
//
// A sealed text is the public key of a pair made for it alone, then the box of
// that pair for the receiver (nkeys "xkv1": X25519, XSalsa20, Poly1305). It says
// nothing about who sealed it: compare the digest of what [Open] gives with the
// one that a signed decision names.
//
// No error of this package has anything of a key in it.
package seal

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"

	"drawbridge.dev/events"
)

// Material is a certificate with its key.
type Material struct {
	Certificates []byte // PEM, the leaf first, then what it is signed by
	Key          []byte // PEM, PKCS #8
}

// String keeps a material out of logs.
func (m Material) String() string { return "certificate " + m.Digest() }

// GoString does it for %#v.
func (m Material) GoString() string { return m.String() }

// content is a material as it is digested and sealed.
type content struct {
	Certificates []byte `json:"certificates"`
	Key          []byte `json:"key"`
}

// Digest is "sha256:..." of certificates and key: equal materials have one digest.
func (m Material) Digest() string { return events.Digest(content(m)) }

// NewKey makes the pair of a receiver: the seed is the secret (SX...), the
// public key is what senders seal to (X...).
func NewKey() (seed []byte, public string, err error) {
	pair, err := nkeys.CreateCurveKeys()
	if err != nil {
		return nil, "", fmt.Errorf("make an X25519 key: %w", err)
	}
	defer pair.Wipe()
	if seed, err = pair.Seed(); err != nil {
		return nil, "", fmt.Errorf("make an X25519 key: %w", err)
	}
	public, err = pair.PublicKey()
	return seed, public, err
}

// Public is the public key of a seed.
func Public(seed []byte) (string, error) {
	pair, err := nkeys.FromCurveSeed(seed)
	if err != nil {
		return "", errSeed
	}
	defer pair.Wipe()
	return pair.PublicKey()
}

var errSeed = errors.New("is no seed of an X25519 key (SX...): make one with `nk -gen x25519`")

// publicLength is that of every public key in its text form.
const publicLength = 56

// CheckPublic refuses what is no public X25519 key.
func CheckPublic(public string) error {
	if _, err := nkeys.Decode(nkeys.PrefixByteCurve, []byte(public)); err != nil || len(public) != publicLength {
		return errors.New("is no public X25519 key (X...): the executor of the cloud says its own when it starts")
	}
	return nil
}

// Seal encloses m so that only who has the seed of the public key to can open it.
func (m Material) Seal(to string) ([]byte, error) {
	if err := CheckPublic(to); err != nil {
		return nil, fmt.Errorf("seal to %.8q: %w", to, err)
	}
	inner, err := json.Marshal(content(m))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", m.Digest(), err)
	}
	pair, err := nkeys.CreateCurveKeys()
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", m.Digest(), err)
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", m.Digest(), err)
	}
	box, err := pair.Seal(inner, to)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", m.Digest(), err)
	}
	return append([]byte(public), box...), nil
}

// ErrSealed says that a text was not sealed to this key, or is not as it was sealed.
var ErrSealed = errors.New("cannot be opened: it was sealed to another key, or altered; check that the watcher's seal-keys name the public key of this executor's seed")

// Open gives back what was sealed to the public key of seed.
func Open(sealed, seed []byte) (Material, error) {
	pair, err := nkeys.FromCurveSeed(seed)
	if err != nil {
		return Material{}, fmt.Errorf("the key that is to open: %w", errSeed)
	}
	defer pair.Wipe()
	if len(sealed) <= publicLength {
		return Material{}, ErrSealed
	}
	inner, err := pair.Open(sealed[publicLength:], string(sealed[:publicLength]))
	if err != nil {
		return Material{}, ErrSealed
	}
	var c content
	if err := json.Unmarshal(inner, &c); err != nil {
		return Material{}, errors.New("holds no certificate and key")
	}
	m, _, err := Parse(c.Certificates, c.Key)
	return m, err
}
