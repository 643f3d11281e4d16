package executor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/seal"
	"drawbridge.dev/services/sandbox"
)

// certificate makes one for a host, and puts it on the bus for the executor.
func (w *world) certificate(host string) (m seal.Material, publish func()) {
	w.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.Fatal(err)
	}
	x := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, x, x, &key.PublicKey, key)
	if err != nil {
		w.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.Fatal(err)
	}
	m, _, err = seal.Parse(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	if err != nil {
		w.Fatal(err)
	}
	_, public, err := seal.ReadSeed(w.cfg.SealSeedFile, false)
	if err != nil {
		w.Fatal(err)
	}
	return m, func() {
		sealed, err := m.Seal(public)
		if err != nil {
			w.Fatal(err)
		}
		if err := w.bus.PutSecret(w.Context(), "default", "c1", m.Digest(), sealed); err != nil {
			w.Fatal(err)
		}
	}
}

// withSeed gives the executor a seed.
func (w *world) withSeed() {
	w.Helper()
	w.cfg.SealSeedFile = filepath.Join(w.TempDir(), "seal.nk")
	if _, _, err := seal.ReadSeed(w.cfg.SealSeedFile, true); err != nil {
		w.Fatal(err)
	}
}

// secure is an ingress that ends TLS with a certificate.
func secure(name, group, digest string) *events.Exposure {
	e := member(group, name, "10.0.0.11")
	l := &e.Listeners[0]
	l.Protocol, l.Port = events.TerminatedHTTPS, 443
	l.TLS = &events.TLS{Certificates: []events.Certificate{{Digest: digest, Hosts: []string{name + ".example.org"}}}}
	return e
}

// secrets are the names of those in the key manager.
func (w *world) secrets() (names []string) {
	w.Helper()
	for _, x := range w.api().do("GET", "/key-manager/v1/secrets", nil)["secrets"].([]any) {
		names = append(names, x.(map[string]any)["name"].(string))
	}
	return names
}

// TestCertificates: a certificate is uploaded, shown, rotated and removed; no
// moment is without one, and nothing of it is left.
func TestCertificates(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.withSeed()
	w.run()
	k := key("web")
	first, publish := w.certificate("web.example.org")
	publish()
	o := w.applied(k, w.decide(k, events.Approved, secure("web", "", first.Digest())))
	if s := w.secrets(); len(s) != 1 || !strings.HasSuffix(s[0], first.Digest()) {
		t.Errorf("secrets are %q after %q", s, o.Steps)
	}
	second, publish := w.certificate("web.example.org")
	publish()
	o = w.applied(k, w.decide(k, events.Approved, secure("web", "", second.Digest())))
	order := []string{"create secret", "update listener", "delete secret"}
	for i, s := range o.Steps {
		if len(o.Steps) != 3 || !strings.HasPrefix(s, order[i]) {
			t.Fatalf("a rotation takes %q", o.Steps)
		}
	}
	if s := w.secrets(); len(s) != 1 || !strings.HasSuffix(s[0], second.Digest()) {
		t.Errorf("secrets are %q", s)
	}
	w.removed(k, w.decide(k, events.Approved, nil))
	if s := w.secrets(); len(s) != 0 {
		t.Errorf("left: %q", s)
	}
}

// TestCertificateNotThere: what is not on the bus is waited for, and nothing is
// written meanwhile; what is sealed to another is said.
func TestCertificateNotThere(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.withSeed()
	w.run()
	w.warm()
	k := key("web")
	m, publish := w.certificate("web.example.org")
	d := w.decide(k, events.Approved, secure("web", "", m.Digest()))
	if o := w.failed(k, d, "is not on the bus (yet)"); !o.Retry {
		t.Errorf("outcome is %+v", o)
	}
	if writes, _, text := w.calls(); writes != 0 {
		t.Errorf("it is written:%s", text)
	}
	_, public, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := m.Seal(public)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.bus.PutSecret(t.Context(), "default", "c1", m.Digest(), sealed); err != nil {
		t.Fatal(err)
	}
	w.failed(k, d, "seal-keys")
	publish()
	w.applied(k, d)
}

// TestCertificateRefused: without a key manager, or without a seed, TLS is refused
// before anything is written.
func TestCertificateRefused(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		cloud      sandbox.Config
		seed       bool
	}{
		{"no key manager", "has no key manager", sandbox.Config{WithoutBarbican: true}, true},
		{"no seed", "seal-seed-file", sandbox.Config{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.cloud)
			if tt.seed {
				w.withSeed()
			}
			w.run()
			w.warm()
			k := key("web")
			o := w.failed(k, w.decide(k, events.Approved, secure("web", "", "sha256:"+strings.Repeat("a", 64))), tt.want)
			if writes, _, text := w.calls(); writes != 0 || o.Retry {
				t.Errorf("outcome is %+v, writes:%s", o, text)
			}
		})
	}
}

// TestCertificateOfLoadBalancerGone: who ends between the removal of a load
// balancer and that of its certificates goes on with the certificates.
func TestCertificateOfLoadBalancerGone(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.withSeed()
	stop := w.run()
	k := key("web")
	m, publish := w.certificate("web.example.org")
	publish()
	w.applied(k, w.decide(k, events.Approved, secure("web", "", m.Digest())))
	if err := w.cloud.Inject(sandbox.Fault{Method: "DELETE", PathPattern: "/secrets/", Status: 503}); err != nil {
		t.Fatal(err)
	}
	d := w.decide(k, events.Approved, nil)
	w.stands(0)
	stop()
	w.cloud.ClearFaults()
	w.run()
	w.removed(k, d)
	if s := w.secrets(); len(s) != 0 {
		t.Errorf("left: %q", s)
	}
}

// TestNoSecretInTheOpen: nothing of a key stands in an event or a log line.
func TestNoSecretInTheOpen(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.withSeed()
	log := w.logged()
	w.run()
	k := key("web")
	m, publish := w.certificate("web.example.org")
	publish()
	w.applied(k, w.decide(k, events.Approved, secure("web", "", m.Digest())))
	seed, err := os.ReadFile(w.cfg.SealSeedFile)
	if err != nil {
		t.Fatal(err)
	}
	records, err := w.bus.Table(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := log()
	for _, r := range records {
		text += string(r.Data)
	}
	if !strings.Contains(text, "step taken") {
		t.Fatal("nothing is logged")
	}
	secret := slices.Collect(strings.Lines(string(m.Key)))[1]
	for _, s := range []string{strings.TrimSpace(secret), strings.TrimSpace(string(seed)), "PRIVATE KEY"} {
		if strings.Contains(text, s) {
			t.Errorf("%.10s... stands in the open", s)
		}
	}
}

// TestGroupCertificates: exposures of a group show a certificate each on one
// listener, and who leaves takes only its own along.
func TestGroupCertificates(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.withSeed()
	w.run()
	a, b := key("a"), key("b")
	ma, publish := w.certificate("a.example.org")
	publish()
	mb, publish := w.certificate("b.example.org")
	publish()
	w.applied(a, w.decide(a, events.Approved, secure("a", "one", ma.Digest())))
	w.applied(b, w.decide(b, events.Approved, secure("b", "one", mb.Digest())))
	if s := w.secrets(); len(s) != 2 {
		t.Errorf("secrets are %q", s)
	}
	w.removed(a, w.decide(a, events.Approved, nil))
	if s := w.secrets(); len(s) != 1 || !strings.HasSuffix(s[0], mb.Digest()) {
		t.Errorf("secrets are %q", s)
	}
}
