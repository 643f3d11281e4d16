package watcher

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
	"drawbridge.dev/services/internal/seal"
)

const (
	behindManifest = `apiVersion: v1
kind: Service
metadata: {name: app, namespace: shop}
spec: {type: NodePort, ports: [{port: 80, nodePort: %d}]}
`
	ingressManifest = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop%s}
spec:
  %s
  %s
  rules: [{host: a.example.org, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]
`
	ours   = "ingressClassName: drawbridge"
	theirs = "{}" // a class by annotation
	tlsOf  = "tls: [{hosts: [a.example.org], secretName: cert}]"
)

// issued is a self-signed certificate with its key, in PEM.
type issued struct{ cert, key []byte }

func issue(t testing.TB, days int, hosts ...string) issued {
	t.Helper()
	return issueBetween(t, time.Now().AddDate(0, -2, 0), time.Now().AddDate(0, 0, days), hosts...)
}

func issueBetween(t testing.TB, begin, end time.Time, hosts ...string) issued {
	t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, DNSNames: hosts,
		NotBefore: begin, NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pair.Public(), pair)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	return issued{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})}
}

func (i issued) digest(t testing.TB) string {
	t.Helper()
	m, _, err := seal.Parse(i.cert, i.key)
	if err != nil {
		t.Fatal(err)
	}
	return m.Digest()
}

func (i issued) secret(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: %s, namespace: shop}\ndata:\n  tls.crt: %s\n  tls.key: %s\n",
		name, base64.StdEncoding.EncodeToString(i.cert), base64.StdEncoding.EncodeToString(i.key))
}

// tlsWorld is a watcher that may seal, on a folder with a Service behind an Ingress.
type tlsWorld struct {
	*run
	seed []byte
	cfg  Config
}

func startTLS(t *testing.T, files map[string]string) *tlsWorld {
	t.Helper()
	seed, public, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "app.yaml", behindManifest, 30080)
	for name, text := range files {
		write(t, dir, name, "%s", text)
	}
	w := &tlsWorld{seed: seed, cfg: Config{Folder: dir, SealKeys: map[string]string{"default": public}}}
	w.run = startWith(t, bustest.Start(t), w.cfg)
	return w
}

func ingress(class, tls string) string {
	annotations := ""
	if class == theirs {
		class, annotations = "", `, annotations: {kubernetes.io/ingress.class: openstack}`
	}
	return fmt.Sprintf(ingressManifest, annotations, class, tls)
}

var webKey = events.Key{Cluster: "c1", Kind: events.KindIngress, Namespace: "shop", Name: "web"}

// shown is the last wish as "port digest,digest ..." and the last problems.
func (w *tlsWorld) shown() (ports, problems string) {
	w.t.Helper()
	if r, ok, err := w.bus.Last(w.t.Context(), events.StageRequested, "default", webKey); err != nil {
		w.t.Fatal(err)
	} else if x := r.Event.Payload; ok && x.(events.Requested).Exposure != nil {
		for _, l := range x.(events.Requested).Exposure.Listeners {
			ports += fmt.Sprintf(" %d", l.Port)
			for _, route := range l.Routes {
				if route.Redirect != nil {
					ports += " redirect"
				}
			}
			if l.TLS != nil {
				for _, c := range l.TLS.Certificates {
					ports += " " + c.Digest
				}
			}
		}
	}
	if r, ok, err := w.bus.Last(w.t.Context(), events.StageRejected, "default", webKey); err != nil {
		w.t.Fatal(err)
	} else if ok {
		problems = problemsOf(r.Event.Payload.(events.Rejected))
	}
	return strings.TrimSpace(ports), problems
}

func problemsOf(r events.Rejected) string { return r.Reason + ": " + problems(r) }

// await waits for the wish, and for a problem that holds a text.
func (w *tlsWorld) await(ports, problem string) {
	w.t.Helper()
	var got, said string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got, said = w.shown(); got == ports && strings.Contains(said, problem) {
			return
		}
	}
	w.t.Fatalf("the wish shows %q and the problem is %q; want %q and %q\n%s", got, said, ports, problem, w.log)
}

// sealed is what stands on the bus under a digest, opened.
func (w *tlsWorld) sealed(digest string) seal.Material {
	w.t.Helper()
	text, ok, err := w.bus.Secret(w.t.Context(), "default", "c1", digest)
	if err != nil || !ok {
		w.t.Fatalf("certificate %s is not on the bus: %v", digest, err)
	}
	m, err := seal.Open(text, w.seed)
	if err != nil || m.Digest() != digest {
		w.t.Fatalf("certificate %s opens as %s: %v", digest, m, err)
	}
	return m
}

// Certificate and key are there before the wish that names them, nobody but the
// executor can read them, and nothing of the key is anywhere else.
func TestCertificatesTravelSealed(t *testing.T) {
	first := issue(t, 90, "a.example.org")
	w := startTLS(t, map[string]string{"web.yaml": ingress(ours, tlsOf), "cert.yaml": first.secret("cert")})
	w.await("80 redirect 443 "+first.digest(t), "")
	if m := w.sealed(first.digest(t)); !bytes.Equal(m.Key, first.key) || !bytes.Equal(m.Certificates, first.cert) {
		t.Error("what is opened is not what the Secret holds")
	}
	table, err := w.bus.Table(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := w.log.String()
	for _, r := range table {
		text += string(r.Data)
	}
	inside := strings.Split(string(first.key), "\n")[1]
	for _, part := range []string{inside[:40], base64.StdEncoding.EncodeToString(first.key)[:40]} {
		if strings.Contains(text, part) {
			t.Errorf("a part of the key stands in an event or the log: %.20s", part)
		}
	}
}

// The octavia-ingress-controller watches no Secret, and never changes the
// payload of a secret or the references of a listener: a renewed certificate
// came by deleting the Ingress (#1250, pain 9).
func TestOICRenewedCertificateIsSeen(t *testing.T) {
	first, second := issue(t, 30, "a.example.org"), issue(t, 90, "a.example.org")
	w := startTLS(t, map[string]string{"web.yaml": ingress(ours, tlsOf), "cert.yaml": first.secret("cert")})
	w.await("80 redirect 443 "+first.digest(t), "")
	write(t, w.dir, "cert.yaml", "%s", second.secret("cert"))
	w.await("80 redirect 443 "+second.digest(t), "")
	w.sealed(second.digest(t))
	w.sealed(first.digest(t)) // it may still be needed
}

// There, an Ingress that got spec.tls stayed in the clear on port 80, and one
// that lost it stayed at 443.
func TestOICTLSAddedAndRemoved(t *testing.T) {
	for class, tls := range map[string]string{ours: "80 redirect 443 ", theirs: "443 "} {
		first := issue(t, 90, "a.example.org")
		w := startTLS(t, map[string]string{"web.yaml": ingress(class, ""), "cert.yaml": first.secret("cert")})
		w.await("80", "")
		write(t, w.dir, "web.yaml", "%s", ingress(class, tlsOf))
		w.await(tls+first.digest(t), "")
		write(t, w.dir, "web.yaml", "%s", ingress(class, ""))
		w.await("80", "")
		w.stop()
	}
}

// There, Services and their ports were looked at only when the Ingress changed.
func TestOICNodePortChangeIsSeen(t *testing.T) {
	w := startTLS(t, map[string]string{"web.yaml": ingress(ours, ""), "node.yaml": fmt.Sprintf(nodeManifest, "n1", "10.0.0.1")})
	port := func(want int) {
		t.Helper()
		awaitTrue(t, fmt.Sprintf("members are at port %d", want), func() bool {
			r, ok, err := w.bus.Last(t.Context(), events.StageRequested, "default", webKey)
			if err != nil || !ok || r.Event.Payload.(events.Requested).Exposure == nil {
				return false
			}
			m := r.Event.Payload.(events.Requested).Exposure.Backends[0].Members
			return len(m) == 1 && m[0].Port == want
		})
	}
	port(30080)
	write(t, w.dir, "app.yaml", behindManifest, 30099)
	port(30099)
}

// A Secret that is not there is named; when it comes the Ingress is exposed, and
// when it goes, or gets worse, what stands stays and follows everything else.
func TestSecretComesAndGoes(t *testing.T) {
	first := issue(t, 90, "a.example.org")
	w := startTLS(t, map[string]string{"web.yaml": ingress(ours, tlsOf)})
	w.await("", `spec.tls[0].secretName: Secret "shop/cert" is not there`)
	write(t, w.dir, "cert.yaml", "%s", first.secret("cert"))
	stands := "80 redirect 443 " + first.digest(t)
	w.await(stands, "")
	for problem, other := range map[string]issued{
		"expired at":      issue(t, -1, "a.example.org"),
		"is not valid":    issue(t, 90, "b.example.org"),
		"does not belong": {first.cert, issue(t, 90, "x").key},
		"cannot be used":  {[]byte("none"), first.key},
	} {
		write(t, w.dir, "cert.yaml", "%s", other.secret("cert"))
		w.await(stands, problem)
	}
	write(t, w.dir, "cert.yaml", "# none\n")
	w.await(stands, "is not there")
	last, _, err := w.bus.Last(t.Context(), events.StageRequested, "default", webKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w.dir, "node.yaml", nodeManifest, "n9", "10.0.0.9")
	awaitTrue(t, "a node is followed without the Secret", func() bool {
		r, _, err := w.bus.Last(t.Context(), events.StageRequested, "default", webKey)
		return err == nil && r.Sequence > last.Sequence && len(r.Event.Payload.(events.Requested).Exposure.Backends[0].Members) == 1
	})
	w.await(stands, "is not there")
	w.stop() // and after a restart it is the same
	before := history(t, w.bus)
	w.run = startWith(t, w.bus, w.cfg)
	w.awaitReady()
	w.await(stands, "is not there")
	write(t, w.dir, "cert.yaml", "%s", first.secret("cert"))
	write(t, w.dir, "more.yaml", lbManifest, "later", "", 80)
	awaitTrue(t, "a change after the restart", func() bool { return history(t, w.bus) > before })
	w.await(stands, "")
}

// What the bus lost, or what was sealed to a key that was replaced, is stored
// again at the next start; no wish changes for it.
func TestCertificatesAreStoredAgain(t *testing.T) {
	first := issue(t, 90, "a.example.org")
	w := startTLS(t, map[string]string{"web.yaml": ingress(ours, tlsOf), "cert.yaml": first.secret("cert")})
	w.await("80 redirect 443 "+first.digest(t), "")
	w.stop()
	before := history(t, w.bus)
	seed, public, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	w.seed, w.cfg.SealKeys = seed, map[string]string{"default": public}
	w.run = startWith(t, w.bus, w.cfg)
	awaitTrue(t, "sealed to the new key", func() bool {
		text, ok, err := w.bus.Secret(t.Context(), "default", "c1", first.digest(t))
		if err != nil || !ok {
			return false
		}
		m, err := seal.Open(text, seed)
		return err == nil && m.Digest() == first.digest(t)
	})
	if after := history(t, w.bus); after != before {
		t.Errorf("%d events for it", after-before)
	}
}

// Time alone makes a certificate good. It is issued when the watcher is at work,
// which then has all the time until it begins to say so.
func TestCertificateInTime(t *testing.T) {
	w := startTLS(t, map[string]string{"web.yaml": ingress(ours, tlsOf)})
	w.await("", "cert")
	early := issueBetween(t, time.Now().Add(5*time.Second), time.Now().Add(time.Hour), "a.example.org")
	write(t, w.dir, "cert.yaml", "%s", early.secret("cert"))
	w.await("", "is valid only from")
	w.await("80 redirect 443 "+early.digest(t), "is valid only from")
}

func TestTLSWithoutAKey(t *testing.T) {
	first := issue(t, 90, "a.example.org")
	w := startTLS(t, map[string]string{"cert.yaml": first.secret("cert")})
	w.stop()
	w.cfg.SealKeys = nil
	write(t, w.dir, "web.yaml", "%s", ingress(ours, tlsOf))
	w.run = startWith(t, w.bus, w.cfg)
	w.await("", `watcher.seal-keys`)
	write(t, w.dir, "web.yaml", "%s", ingress(ours, ""))
	w.await("80", "")
	if there, err := w.bus.Secrets(t.Context(), "default", "c1"); err != nil || len(there) > 0 {
		t.Errorf("on the bus are %v, %v", there, err)
	}
}

// Services name their Secrets by an annotation.
func TestServiceCertificates(t *testing.T) {
	first, second := issue(t, 30, "a.example.org"), issue(t, 90, "a.example.org")
	w := startTLS(t, map[string]string{"cert.yaml": first.secret("cert")})
	write(t, w.dir, "lb.yaml", lbManifest, "lb", `, annotations: {drawbridge.dev/tls-secrets: "443=cert"}`, 443)
	k := events.Key{Cluster: "c1", Kind: events.KindService, Namespace: "shop", Name: "lb"}
	await := func(digest string) {
		t.Helper()
		awaitTrue(t, "the Service shows "+digest, func() bool {
			r, ok, err := w.bus.Last(t.Context(), events.StageRequested, "default", k)
			if err != nil || !ok {
				return false
			}
			shows := certificatesOf(r.Event.Payload.(events.Requested).Exposure)
			return len(shows) == 1 && shows[0].Digest == digest
		})
		w.sealed(digest)
	}
	await(first.digest(t))
	write(t, w.dir, "cert.yaml", "%s", second.secret("cert"))
	await(second.digest(t))
}

// What nothing names is deleted after the grace time, and not before; what is
// named and lost is put again.
func TestShelf(t *testing.T) {
	b := bustest.Start(t)
	known := map[string]bool{"a": true, "b": true}
	s := newShelf(b, "c1", func(_, digest string) ([]byte, bool) { return []byte("sealed " + digest), known[digest] }, zerolog.Nop())
	wish := func(digests ...string) events.Requested {
		l := events.Listener{TLS: &events.TLS{}}
		for _, d := range digests {
			l.TLS.Certificates = append(l.TLS.Certificates, events.Certificate{Digest: d, Secret: "shop/" + d})
		}
		return events.Requested{Exposure: &events.Exposure{Listeners: []events.Listener{l}}}
	}
	now := time.Unix(1e9, 0)
	tidy := func(after time.Duration, used ...string) {
		t.Helper()
		now = now.Add(after)
		if err := s.tidy(t.Context(), map[string][]string{"default": used}, now); err != nil {
			t.Fatal(err)
		}
	}
	stands := func(want ...string) {
		t.Helper()
		var got []string
		for _, d := range []string{"a", "b", "c"} {
			if _, ok, err := b.Secret(t.Context(), "default", "c1", d); err != nil {
				t.Fatal(err)
			} else if ok {
				got = append(got, d)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("on the bus are %v, want %v", got, want)
		}
	}
	if err := s.put(t.Context(), "default", wish("a", "b", "c")); err != nil { // of c there is no Secret
		t.Fatal(err)
	}
	stands("a", "b")
	tidy(0, "a", "b")
	tidy(2*time.Hour, "a") // b is not named any more
	tidy(59*time.Minute, "a")
	stands("a", "b")
	tidy(0, "a", "b") // named again: the time begins anew
	tidy(time.Minute, "a")
	tidy(59*time.Minute, "a")
	stands("a", "b")
	tidy(time.Minute, "a")
	stands("a")
	if err := s.put(t.Context(), "default", wish("b")); err != nil {
		t.Fatal(err)
	}
	stands("a", "b")
	if err := b.DeleteSecret(t.Context(), "default", "c1", "a"); err != nil {
		t.Fatal(err)
	}
	awaitTrue(t, "a is gone", func() bool {
		there, err := b.Secrets(t.Context(), "default", "c1")
		return err == nil && !slices.Contains(there, "a")
	})
	tidy(0, "a", "b", "c")
	stands("a", "b")
}

// A certificate that the bus does not take keeps the wish back.
func TestNoWishWithoutItsCertificate(t *testing.T) {
	s := newShelf(full{}, "c1", func(string, string) ([]byte, bool) { return []byte("x"), true }, zerolog.Nop())
	wish := events.Requested{Exposure: &events.Exposure{Listeners: []events.Listener{{TLS: &events.TLS{Certificates: []events.Certificate{{Digest: "a", Secret: "shop/cert"}}}}}}}
	if err := s.put(t.Context(), "default", wish); err == nil || !strings.Contains(err.Error(), "shop/cert") {
		t.Errorf("%v; want an error that names the Secret", err)
	}
	if len(s.stored) > 0 {
		t.Error("it counts as stored")
	}
}

// full is a bus without room.
type full struct{ secrets }

func (full) PutSecret(context.Context, string, string, string, []byte) error { return bus.ErrStorage }

func awaitTrue(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not yet: " + what)
		}
	}
}
