package seal_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drawbridge.dev/services/internal/seal"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// issued is a certificate with its key.
type issued struct {
	cert, key []byte // PEM
	parsed    *x509.Certificate
	signer    crypto.Signer
}

// issue signs a certificate for names by a parent, or by itself.
func issue(by *issued, signer crypto.Signer, cn string, adjust ...func(*x509.Certificate)) issued {
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: cn}, NotBefore: begin, NotAfter: begin.AddDate(0, 3, 0),
		BasicConstraintsValid: true}
	for _, f := range adjust {
		f(template)
	}
	parent, with := template, signer
	if by != nil {
		parent, with = by.parsed, by.signer
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, signer.Public(), with))
	return issued{pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(signer))), must(x509.ParseCertificate(der)), signer}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// body is the first line of what a PEM text holds.
func body(text []byte) []byte { return bytes.Split(text, []byte("\n"))[1] }

func authority(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }

func named(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

var (
	rsaKey     = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey      = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, edKey   = must2(ed25519.GenerateKey(rand.Reader))
	root       = issue(nil, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "root", authority)
	middle     = issue(&root, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "middle", authority)
	pairs      = map[string]issued{"rsa": issue(&middle, rsaKey, "", named("shop.example.org")), "ec": issue(nil, ecKey, "", named("a.example.org")), "ed": issue(nil, edKey, "ed.example.org")}
	names      = []string{"rsa", "ec", "ed"}
	stranger   = issue(nil, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "stranger", authority)
	shop       = pairs["rsa"]
	joined     = func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	ecSEC1     = pemOf("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecKey)))
	rsaPKCS1   = pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))
	parameters = []byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n")
)

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

func TestParseOneForm(t *testing.T) {
	want, info, err := seal.Parse(joined(shop.cert, middle.cert, root.cert), shop.key)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(seal.Info{Hosts: []string{"shop.example.org"}, NotBefore: begin, NotAfter: begin.AddDate(0, 3, 0)}, info); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	if !bytes.Equal(want.Certificates, joined(shop.cert, middle.cert, root.cert)) {
		t.Error("what is in order already is changed")
	}
	if got, _, err := seal.Parse(shop.cert, rsaPKCS1); err != nil || !bytes.Equal(got.Key, want.Key) {
		t.Errorf("the key as PKCS #1: %v", err)
	}
	if got, _, err := seal.Parse(pairs["ec"].cert, joined(parameters, ecSEC1)); err != nil || !bytes.Equal(got.Key, pairs["ec"].key) {
		t.Errorf("the key as SEC 1 behind its parameters: %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		parts := [][]byte{shop.cert, middle.cert, root.cert}
		parts = append(parts, rapid.SliceOfN(rapid.SampledFrom(parts), 0, 3).Draw(t, "twice")...)
		text := joined(rapid.Permutation(parts).Draw(t, "order")...)
		noise := rapid.SampledFrom([]string{"", "subject=/CN=x\r\n", "\n\n"}).Draw(t, "between")
		got, gotInfo, err := seal.Parse(append([]byte(noise), text...), shop.key)
		if err != nil || got.Digest() != want.Digest() || !cmp.Equal(gotInfo, info) {
			t.Fatalf("%s, %+v, %v; want %s", got, gotInfo, err, want)
		}
	})
	aside, _, err := seal.Parse(joined(stranger.cert, shop.cert, middle.cert), shop.key)
	if err != nil || !bytes.Equal(aside.Certificates, joined(shop.cert, middle.cert, stranger.cert)) {
		t.Errorf("what signed nothing here does not go last: %v", err)
	}
	if other, _, err := seal.Parse(shop.cert, shop.key); err != nil || other.Digest() == want.Digest() {
		t.Errorf("without its chain it has the same digest: %v", err)
	}
}

func TestParseHosts(t *testing.T) {
	for name, tt := range map[string]struct {
		cert issued
		want []string
	}{
		"names":        {issue(nil, ecKey, "cn.example.org", named("B.example.org", "*.a.example.org", "b.example.org")), []string{"*.a.example.org", "b.example.org"}},
		"common name":  {issue(nil, ecKey, "CN.example.org"), []string{"cn.example.org"}},
		"no host":      {issue(nil, ecKey, "Example Inc."), nil},
		"address":      {issue(nil, ecKey, "x", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("192.0.2.1")} }), []string{"192.0.2.1"}},
		"no host name": {issue(nil, ecKey, "x", named("a b\n", "ok.example.org")), []string{"ok.example.org"}},
	} {
		if _, info, err := seal.Parse(tt.cert.cert, tt.cert.key); err != nil || !slices.Equal(info.Hosts, tt.want) {
			t.Errorf("%s: %v, %v; want %v", name, info.Hosts, err, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak := issue(nil, must(rsa.GenerateKey(rand.Reader, 1024)), "", named("weak.example.org"))
	p224 := issue(nil, must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), "", named("p224.example.org"))
	x25519 := pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(must(ecdh.X25519().GenerateKey(rand.Reader)))))
	many := bytes.Buffer{}
	for range 17 {
		many.Write(issue(nil, ecKey, "many").cert)
	}
	for name, tt := range map[string]struct {
		cert, key []byte
		want      string
	}{
		"nothing":           {nil, nil, "no certificate in PEM"},
		"no key":            {shop.cert, nil, "no private key in PEM"},
		"no PEM":            {[]byte("MIIB"), shop.key, "no certificate in PEM"},
		"swapped":           {shop.key, shop.cert, "block 1 among the certificates is no CERTIFICATE"},
		"another's key":     {shop.cert, ecSEC1, "does not belong"},
		"cut certificate":   {pemOf("CERTIFICATE", shop.parsed.Raw[:100]), shop.key, "certificate 1 cannot be parsed"},
		"key as one":        {pemOf("CERTIFICATE", x509.MarshalPKCS1PrivateKey(rsaKey)), shop.key, "certificate 1 cannot be parsed"},
		"cut key":           {shop.cert, pemOf("PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)[:80]), "key cannot be parsed"},
		"encrypted":         {shop.cert, pemOf("ENCRYPTED PRIVATE KEY", []byte("xx")), "without a passphrase"},
		"encrypted, older":  {shop.cert, []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"), "without a passphrase"},
		"no key for TLS":    {shop.cert, x25519, "no kind for TLS"},
		"short RSA":         {weak.cert, weak.key, "1024 bits, at least 2048"},
		"P-224":             {p224.cert, p224.key, "P-224"},
		"many certificates": {many.Bytes(), ecSEC1, "more than 16"},
		"long":              {bytes.Repeat([]byte("\n"), 128<<10+1), shop.key, "at most 131072"},
		"long key":          {shop.cert, bytes.Repeat([]byte("\n"), 128<<10+1), "at most 131072"},
	} {
		_, _, err := seal.Parse(tt.cert, tt.key)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", name, err, tt.want)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("%s: says more than it needs: %v", name, err)
		}
	}
}

// FuzzParse holds that nothing of a key is ever said, whatever stands where,
// and that what is read stays what it is when it is read again.
func FuzzParse(f *testing.F) {
	for _, n := range names {
		f.Add(pairs[n].cert, pairs[n].key)
		f.Add(pairs[n].key, pairs[n].cert)
	}
	f.Add(joined(root.cert, shop.cert, middle.cert), rsaPKCS1)
	f.Add(pemOf("CERTIFICATE", x509.MarshalPKCS1PrivateKey(rsaKey)), rsaPKCS1)
	f.Add(shop.cert, pemOf("EC PRIVATE KEY", []byte("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ")))
	f.Add([]byte("-----BEGIN MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw-----\n-----END MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw-----\n"), []byte{})
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		m, info, err := seal.Parse(cert, key)
		if err != nil {
			for _, given := range [][]byte{cert, key} {
				for i := 0; i+24 <= len(given); i++ {
					if strings.Contains(err.Error(), string(given[i:i+24])) && strings.ContainsAny(string(given[i:i+24]), "0123456789+/") {
						t.Fatalf("%q of what was given stands in %q", given[i:i+24], err)
					}
				}
			}
			return
		}
		again, sameInfo, err := seal.Parse(m.Certificates, m.Key)
		if err != nil || again.Digest() != m.Digest() || !cmp.Equal(info, sameInfo) {
			t.Fatalf("read again it is %s, %v; was %s", again, err, m)
		}
	})
}

// FuzzOpen holds that no text of a stranger breaks the executor.
func FuzzOpen(f *testing.F) {
	seed, public, err := seal.NewKey()
	if err != nil {
		f.Fatal(err)
	}
	m, _, err := seal.Parse(shop.cert, shop.key)
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := m.Seal(public)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:60])
	f.Add([]byte(strings.Repeat("\n", 56) + "xkv1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := seal.Open(text, seed); err == nil && got.Digest() != m.Digest() {
			t.Fatalf("%s from a text that nobody sealed", got)
		}
	})
}
