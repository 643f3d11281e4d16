package scenarios

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
)

// certifying is a certificate's trip: from a Secret, past everyone between, into
// the key manager, to clients; then its replacement under load, and its end.
func certifying(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	w.backend(t, ns, "web")
	host, _ := hosts(ns)
	plain := harness.Ingress(ns, "secure", nil, harness.Path{Host: host, Path: "/", Service: "web", Port: 80})
	site := harness.Ingress(ns, "secure", nil, harness.Path{Host: host, Path: "/", Service: "web", Port: 80})
	site["spec"].(map[string]any)["tls"] = []any{map[string]any{"hosts": []any{host}, "secretName": "cert"}}
	w.Source.Apply(t, site)
	harness.Eventually(t, "a Secret that is not there is named", func() error {
		if log := w.Process("watcher").Log(); !strings.Contains(log, `is not there, or not of type kubernetes.io/tls`) {
			return fmt.Errorf("the log does not say so")
		}
		return nil
	})
	secret, first := harness.TLSSecret(t, ns, "cert", host)
	trip := w.Change(t, site, func() { w.Source.Apply(t, secret) })
	wantState(t, trip, events.Approved, events.Applied)
	w.exposed = append(w.exposed, site)
	w.Stands(site, true)
	before := w.certified(t, site)
	w.secured(t, trip, host, first)

	renewed, second := harness.TLSSecret(t, ns, "cert", host)
	stop := w.load(t, trip, host, first, second)
	now := w.Change(t, site, func() { w.Source.Apply(t, renewed) })
	wantState(t, now, events.Approved, events.Applied)
	after := w.certified(t, site)
	w.secured(t, now, host, second)
	stop()
	if before == after {
		t.Errorf("the certificate is another, and the key manager holds %s as before", before)
	}
	if lb := now.Outcome.LoadBalancer; lb == nil || lb.ID != trip.Outcome.LoadBalancer.ID {
		t.Errorf("a rotation went from %+v to %+v", trip.Outcome.LoadBalancer, lb)
	}

	now = w.update(t, plain)
	w.listens(t, plain, map[int]string{80: "HTTP"})
	w.Exact(t) // nothing is left in the key manager
	w.answers(t, now, 80, host, "/", "web")

	now = w.update(t, site)
	w.certified(t, site)
	w.secured(t, now, host, second)
	w.unknown(t, secret, renewed)
}

// certified checks that the object is served at 443, redirected from 80, and
// answers the name of the only certificate that is kept for it.
func (w *world) certified(t *testing.T, o harness.Object) string {
	t.Helper()
	w.listens(t, o, map[int]string{80: "HTTP", 443: "TERMINATED_HTTPS"})
	w.Exact(t)
	all, err := w.Cloud.Secrets("drawbridge.dev/" + w.Name + "/")
	if err != nil || len(all) != 1 {
		t.Fatalf("the key manager has %q of the fleet, want one: %v", all, err)
	}
	return slices.Collect(maps.Values(all))[0]
}

// listens checks the listeners of an object's load balancer: their protocols, by port.
func (w *world) listens(t *testing.T, o harness.Object, want map[int]string) {
	t.Helper()
	lb, err := w.LoadBalancer(o)
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.Cloud.Children("listeners", lb.ID)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int]string{}
	for _, l := range list {
		got[l.Port] = l.Protocol
	}
	if len(list) != len(want) || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s listens at %v, want %v", harness.Key(o), got, want)
	}
}

// unknown checks that no log holds a part of a Secret's key.
func (w *world) unknown(t *testing.T, secrets ...harness.Object) {
	t.Helper()
	for _, o := range secrets {
		key := string(o["data"].(map[string]any)["tls.key"].([]byte))[40:90]
		for _, s := range harness.Services {
			if strings.Contains(w.Process(s).Log(), key) {
				t.Errorf("the log of %s has a part of a key", s)
			}
		}
	}
}

// secured waits until clients of a host are shown a certificate and answered, and
// redirected from the clear.
func (w *world) secured(t *testing.T, trip harness.Trip, host string, want *x509.Certificate) {
	t.Helper()
	if w.Cloud.Sandbox == nil {
		return
	}
	harness.Eventually(t, "the certificate is shown", func() error { return w.greet(host, w.reach(t, trip), want) })
	address, err := w.Cloud.Sandbox.Endpoint("TCP", w.reach(t, trip), 80)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/a?b=c", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if to := a.Header.Get("Location"); a.StatusCode != http.StatusPermanentRedirect || to != "https://"+host+"/a?b=c" {
		t.Errorf("in the clear it answers %s to %q", a.Status, to)
	}
}

// greet asks for a page over a connection of its own, which must show one of
// the certificates.
func (w *world) greet(host, ip string, certificates ...*x509.Certificate) error {
	roots := x509.NewCertPool()
	for _, c := range certificates {
		roots.AddCert(c)
	}
	address, err := w.Cloud.Sandbox.Endpoint("TCP", ip, 443)
	if err != nil {
		return err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	c, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	if _, body, _ := strings.Cut(string(answer), "\r\n\r\n"); !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") || body != "web" {
		return fmt.Errorf("answered %q", answer)
	}
	return nil
}

// load asks without a pause until it is stopped. No request may fail, and there
// must have been some.
func (w *world) load(t *testing.T, trip harness.Trip, host string, certificates ...*x509.Certificate) (stop func()) {
	t.Helper()
	if w.Cloud.Sandbox == nil {
		return func() {}
	}
	ip, done := w.reach(t, trip), make(chan struct{})
	var clients sync.WaitGroup
	clients.Go(func() {
		n := 0
		for ; ; n++ {
			select {
			case <-done:
				if n == 0 {
					t.Error("nothing was asked meanwhile")
				}
				t.Logf("%d requests during the rotation", n)
				return
			default:
			}
			if err := w.greet(host, ip, certificates...); err != nil {
				t.Errorf("request %d during the rotation: %v", n, err)
				return
			}
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { close(done); clients.Wait() }) }
	t.Cleanup(stop)
	return stop
}
