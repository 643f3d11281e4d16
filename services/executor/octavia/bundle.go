package octavia

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"drawbridge.dev/services/internal/seal"
	"software.sslmate.com/src/go-pkcs12"
)

// bundle is the material of a digest as Octavia takes it.
func (c *Client) bundle(ctx context.Context, digest string) ([]byte, error) {
	if c.Materials == nil {
		return nil, errors.New("this executor has no seed to open certificates with: set seal-seed-file")
	}
	m, err := c.Materials(ctx, digest)
	if err != nil {
		return nil, err
	}
	if d := m.Digest(); d != digest {
		return nil, fmt.Errorf("what is sealed under %s is %s", digest, d)
	}
	return bundle(m)
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
	return pkcs12.Modern2023.Encode(key, chain[0], chain[1:], "")
}
