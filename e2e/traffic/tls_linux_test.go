package traffic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge.dev/e2e/harness"
)

// tls: HTTP is redirected, and a certificate that is replaced under load costs
// no request.
func (w *world) tls(t *testing.T) func(*testing.T) {
	const host = "secure.example.org"
	secret, _ := harness.TLSSecret(t, namespace, "secure", host)
	secure := harness.Ingress(namespace, "secure", nil, harness.Path{Host: host, Path: "/", Service: "web", Port: 80})
	secure["spec"].(map[string]any)["tls"] = []any{map[string]any{"hosts": []any{host}, "secretName": "secure"}}
	w.Source.Apply(t, secret, secure)
	return func(t *testing.T) {
		ip := w.applied(t, secure).Outcome.Addresses[0].IP
		plain, encrypted := net.JoinHostPort(ip, "80"), net.JoinHostPort(ip, "443")
		w.answering(t, encrypted)
		resp, err := w.client().Get("http://" + plain + "/") // the Host is an address: no rule takes it
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a host that nobody names is answered with %s", resp.Status)
		}
		if to := w.redirect(t, plain, host, "/a?b=c"); to != "https://"+host+"/a?b=c" {
			t.Errorf("http is redirected to %q", to)
		}

		var asked, failed atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				asked.Add(1)
				if _, body, err := w.secure(encrypted, host); err != nil || body != "web" {
					failed.Add(1)
					t.Logf("a request failed while the certificate was replaced: %q %v", body, err)
				}
			}
		}()
		for range 2 {
			secret, fresh := harness.TLSSecret(t, namespace, "secure", host)
			w.Source.Apply(t, secret)
			harness.Eventually(t, "the new certificate is shown", func() error {
				shown, _, err := w.secure(encrypted, host)
				if err == nil && shown.PeerCertificates[0].SerialNumber.Cmp(fresh.SerialNumber) != 0 {
					err = errors.New("another certificate is shown")
				}
				return err
			})
		}
		w.applied(t, secure)
		stop()
		<-done
		t.Logf("%d requests over TLS while the certificate was replaced twice, %d failed", asked.Load(), failed.Load())
		if failed.Load() > 0 || asked.Load() == 0 {
			t.Error("the replacement of a certificate must cost no request")
		}
	}
}

func (w *world) client() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: w.cloud.Dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// redirect answers where a request is sent to.
func (w *world) redirect(t *testing.T, address, host, target string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := w.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Header.Get("Location")
}

// secure sends one request over TLS, and answers what the server showed.
func (w *world) secure(address, host string) (tls.ConnectionState, string, error) {
	c, err := w.cloud.Dial(context.Background(), "tcp", address)
	if err != nil {
		return tls.ConnectionState{}, "", err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return tls.ConnectionState{}, "", err
	}
	s := tls.Client(c, &tls.Config{ServerName: host, InsecureSkipVerify: true}) //nolint:gosec // compared by its serial number
	if err := s.Handshake(); err != nil {
		return tls.ConnectionState{}, "", fmt.Errorf("handshake: %w", err)
	}
	status, body, err := speak(s, host, "/")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	return s.ConnectionState(), body, err
}
