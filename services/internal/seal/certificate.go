package seal

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Info is what may be told of a certificate.
type Info struct {
	Hosts     []string // names and addresses that it is valid for, in lower case, sorted; "*.example.org" is one label
	NotBefore time.Time
	NotAfter  time.Time
}

// What is larger is no certificate of a server, and would not fit into a
// message of the bus or a payload of the key manager.
const (
	maxPEM          = 128 << 10 // bytes, of certificates and of a key
	maxCertificates = 16
	minRSA          = 2048 // bits: OpenSSL's security level 2, which load balancers have, takes no less
)

// Parse reads a certificate with what it is signed by, in any order, and its
// key, as a Secret of type kubernetes.io/tls holds them. It gives them in one
// form: the leaf first, each signed by the next, then what has no place, nothing
// twice; the key as PKCS #8. What a load balancer would not load is refused.
func Parse(cert, key []byte) (Material, Info, error) {
	fail := func(err error) (Material, Info, error) { return Material{}, Info{}, err }
	certificates, err := parseCertificates(cert)
	if err != nil {
		return fail(err)
	}
	private, err := parseKey(key)
	if err != nil {
		return fail(err)
	}
	public, ok := private.Public().(interface{ Equal(crypto.PublicKey) bool })
	leaf := slices.IndexFunc(certificates, func(c *x509.Certificate) bool { return ok && public.Equal(c.PublicKey) })
	if leaf < 0 {
		return fail(errors.New("the key does not belong to the certificate: store both as they were issued together"))
	}
	if err := strong(certificates[leaf]); err != nil {
		return fail(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fail(errors.New("the key is of a kind that cannot be stored"))
	}
	m := Material{Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})}
	for _, c := range chain(certificates, leaf) {
		m.Certificates = append(m.Certificates, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	l := certificates[leaf]
	return m, Info{Hosts: hosts(l), NotBefore: l.NotBefore.UTC(), NotAfter: l.NotAfter.UTC()}, nil
}

// parseCertificates reads all certificates of a PEM text, each once.
func parseCertificates(text []byte) (out []*x509.Certificate, err error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("the certificates have %d bytes, at most %d are allowed", len(text), maxPEM)
	}
	for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
		if b.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("block %d among the certificates is no CERTIFICATE: store certificates only there", len(out)+1)
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			// What is in such a block may be anything: nothing of it is said.
			return nil, fmt.Errorf("certificate %d cannot be parsed", len(out)+1)
		}
		if !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
		if len(out) > maxCertificates {
			return nil, fmt.Errorf("there are more than %d certificates: store the one of the server and what it is signed by", maxCertificates)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("there is no certificate in PEM")
	}
	return out, nil
}

// parseKey reads the first private key of a PEM text.
func parseKey(text []byte) (crypto.Signer, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("the key has %d bytes, at most %d are allowed", len(text), maxPEM)
	}
	for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
		var key any
		var err error
		switch {
		case b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "":
			return nil, errors.New("the key is encrypted: store it without a passphrase")
		case b.Type == "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
		case b.Type == "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(b.Bytes)
		case b.Type == "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
		default:
			continue // EC PARAMETERS stand before many keys
		}
		if err != nil {
			return nil, errors.New("the key cannot be parsed") // the cause may hold some of it
		}
		switch k := key.(type) {
		case *rsa.PrivateKey:
			return k, nil
		case *ecdsa.PrivateKey:
			return k, nil
		case ed25519.PrivateKey:
			return k, nil
		}
		return nil, errors.New("the key is of no kind for TLS: RSA, ECDSA and Ed25519 are")
	}
	return nil, errors.New("there is no private key in PEM")
}

// strong refuses a leaf that OpenSSL does not load at its security level 2: the
// load balancer would end up in ERROR.
func strong(c *x509.Certificate) error {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA {
			return fmt.Errorf("the RSA key has %d bits, at least %d are needed", bits, minRSA)
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() {
			return errors.New("the key is on the curve P-224: P-256, P-384 and P-521 are served")
		}
	}
	selfSigned := bytes.Equal(c.RawIssuer, c.RawSubject)
	switch c.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
		if !selfSigned {
			return fmt.Errorf("the certificate is signed with %s, which is not trusted any more", c.SignatureAlgorithm)
		}
	}
	return nil
}

// chain puts the leaf first, and behind each certificate the one it is signed by.
func chain(certificates []*x509.Certificate, leaf int) []*x509.Certificate {
	rest := slices.Clone(certificates)
	out := []*x509.Certificate{}
	for next := leaf; next >= 0; {
		c := rest[next]
		out, rest = append(out, c), slices.Delete(rest, next, next+1)
		next = slices.IndexFunc(rest, func(p *x509.Certificate) bool {
			return bytes.Equal(p.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(p) == nil
		})
	}
	slices.SortFunc(rest, func(a, b *x509.Certificate) int { return bytes.Compare(a.Raw, b.Raw) })
	return append(out, rest...)
}

// hosts are the alternative names of a certificate. One that has none at all is
// valid for its common name, as load balancers choose it by that too.
func hosts(c *x509.Certificate) []string {
	var out []string
	for _, n := range c.DNSNames {
		out = append(out, strings.ToLower(strings.TrimSuffix(n, ".")))
	}
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, a.Unmap().String())
		}
	}
	if len(out) == 0 && hostLike(c.Subject.CommonName) {
		out = append(out, strings.ToLower(c.Subject.CommonName))
	}
	slices.SortFunc(out, cmp.Compare)
	return slices.DeleteFunc(slices.Compact(out), func(h string) bool { return !hostLike(h) })
}

// hostLike keeps out what is no name: it would end up in events and messages.
func hostLike(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._*:", r)
	})
}
