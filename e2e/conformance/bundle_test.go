package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// keypair makes a self-signed certificate.
func keypair(t testing.TB, host string) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// bundles makes what the script stores: {p12a} and {p12b} in base64, {pem} and
// {pemkey} as the inside of a JSON string.
func (c *cloud) bundles() {
	c.t.Helper()
	for _, host := range []string{"a", "b"} {
		key, cert := keypair(c.t, host+".example.org")
		data, err := pkcs12.Modern.Encode(key, cert, nil, "")
		if err != nil {
			c.t.Fatal(err)
		}
		c.vars["p12"+host] = base64.StdEncoding.EncodeToString(data)
	}
	key, cert := keypair(c.t, "c.example.org")
	inside := func(kind string, der []byte) string {
		text, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
		if err != nil {
			c.t.Fatal(err)
		}
		return strings.Trim(string(text), `"`)
	}
	c.vars["pem"] = inside("CERTIFICATE", cert.Raw)
	c.vars["pemkey"] = inside("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	c.vars["absent"] = c.sessions[""].urls["key-manager"] + "/v1/secrets/" + missing
}
