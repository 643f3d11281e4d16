package octavia

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"drawbridge.dev/services/internal/seal"
	"software.sslmate.com/src/go-pkcs12"
)

// bundle is the material of a digest as Octavia takes it. One that cannot be had
// may come, one that is not fit for Octavia never is.
func (c *Client) bundle(ctx context.Context, op, digest string) ([]byte, error) {
	if c.Materials == nil {
		return nil, &Error{Op: op, local: true, err: errors.New("this executor has no seed to open certificates with: set seal-seed-file")}
	}
	m, err := c.Materials(ctx, digest)
	if err != nil {
		return nil, &Error{Op: op, local: true, err: err}
	}
	if d := m.Digest(); d != digest {
		return nil, &Error{Op: op, local: true, err: fmt.Errorf("what is sealed under %s is %s", digest, d)}
	}
	out, err := bundle(m)
	if err != nil {
		return nil, &Error{Op: op, Class: Permanent, local: true, err: err}
	}
	return out, nil
}

// bundle is PKCS #12 without a password, which is the one form that Octavia
// takes certificate, chain and key in together. The algorithms are those of
// OpenSSL 3, which 1.1.1 reads too. Its errors say nothing of the key.
func bundle(m seal.Material) ([]byte, error) {
	var chain []*x509.Certificate
	for rest := m.Certificates; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		x, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(chain)+1, err)
		}
		chain = append(chain, x)
	}
	block, _ := pem.Decode(m.Key)
	if len(chain) == 0 || block == nil {
		return nil, errors.New("the material lacks a certificate or a key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the key of the material is not PKCS #8")
	}
	if _, ok := key.(ed25519.PrivateKey); ok { // octavia/certificates/common/pkcs12.py writes it in a form that has none
		return nil, errors.New("the key is of the kind Ed25519, which Octavia does not take: use RSA or ECDSA")
	}
	return pkcs12.Modern2023.Encode(key, chain[0], chain[1:], "")
}
