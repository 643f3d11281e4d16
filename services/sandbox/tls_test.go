package sandbox

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"
)

// bundle makes a self-signed certificate for host names, as PKCS#12 in base64.
func bundle(t testing.TB, hosts ...string) (string, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	data, err := pkcs12.Modern.Encode(key, cert, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(data), cert
}

func (cl *client) vault(method, path string, body any) (int, object) {
	cl.t.Helper()
	status, out, _ := cl.send(method, "/key-manager"+path, body)
	return status, out
}

// store puts a bundle into Barbican and answers with its reference.
func (cl *client) store(data string) string {
	cl.t.Helper()
	status, out := cl.vault("POST", "/v1/secrets", object{"name": "x", "payload": data, "payload_content_type": "application/octet-stream", "payload_content_encoding": "base64", "secret_type": "opaque"})
	if status != 201 {
		cl.t.Fatalf("store a secret: %d %v", status, out)
	}
	return out["secret_ref"].(string)
}

// shown is the certificate that a port shows for a name.
func shown(t testing.TB, at, name string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, ServerName: name})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// over asks by TLS and does not follow redirects.
func over(t testing.TB, at, host, path string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "https://"+at+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	tr := &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: host}}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	resp.Status = string(body)
	return resp
}

func TestTerminatedTLS(t *testing.T) {
	got := make(chan *http.Request, 1)
	member := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
	defer member.Close()
	address := netip.MustParseAddrPort(strings.TrimPrefix(member.URL, "http://"))
	c := start(t, Config{DataPlane: true, APIVersion: "2.27"})
	cl := logIn(t, c, "sandbox")
	one, _ := bundle(t, "one.example.org")
	two, _ := bundle(t, "two.example.org")
	wild, _ := bundle(t, "x.example.net", "*.example.net")
	lb := cl.expose(object{"listeners": []object{
		{
			"protocol": "TERMINATED_HTTPS", "protocol_port": 8443, "default_tls_container_ref": cl.store(one), "sni_container_refs": []string{cl.store(two), cl.store(wild)},
			"insert_headers": object{"X-Forwarded-For": "true", "X-Forwarded-Port": "true", "X-Forwarded-Proto": "true", "X-SSL-Client-Has-Cert": "true"},
			"hsts_max_age":   3600, "hsts_include_subdomains": true, "hsts_preload": true,
			"default_pool": poolOf("p", "HTTP", object{"address": address.Addr().String(), "protocol_port": address.Port()}),
			"l7policies":   []object{{"action": "REJECT", "rules": []object{{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/no"}}}},
		},
		{"protocol": "HTTP", "protocol_port": 8080, "l7policies": []object{
			{"action": "REDIRECT_PREFIX", "redirect_prefix": "https://one.example.org", "redirect_http_code": 308, "rules": []object{{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/"}}},
		}},
	}})
	id := lb["id"].(string)
	at, ok := c.Endpoint(id, 8443)
	if !ok {
		t.Fatalf("no endpoint: %+v", c.Endpoints())
	}
	for name, want := range map[string]string{
		"one.example.org": "one.example.org", "TWO.example.org": "two.example.org", "a.example.net": "x.example.net", "a.b.example.net": "one.example.org",
		"else.example.org": "one.example.org", "": "one.example.org",
	} {
		if got := shown(t, at.String(), name); got != want {
			t.Errorf("for %q the port shows %s, want %s", name, got, want)
		}
	}
	resp := over(t, at.String(), "one.example.org", "/a?b=c")
	r := <-got
	want := map[string]string{
		"host": "one.example.org", "uri": "/a?b=c", "for": "127.0.0.1", "port": "8443", "proto": "https", "cert": "0", "hsts": "max-age=3600; includeSubDomains; preload;", "version": "HTTP/2.0",
	}
	have := map[string]string{
		"host": r.Host, "uri": r.RequestURI, "for": r.Header.Get("X-Forwarded-For"), "port": r.Header.Get("X-Forwarded-Port"), "proto": r.Header.Get("X-Forwarded-Proto"),
		"cert": r.Header.Get("X-SSL-Client-Has-Cert"), "hsts": resp.Header.Get("Strict-Transport-Security"), "version": resp.Proto,
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("through TLS (-want +got):\n%s", diff)
	}
	if no := over(t, at.String(), "one.example.org", "/no"); no.StatusCode != http.StatusForbidden || no.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("rejected: %d %v", no.StatusCode, no.Header)
	}
	status, _, header := get(t, c, id, 8080, "one.example.org", "/a?b=c")
	if status != 308 || header.Get("Location") != "https://one.example.org/a?b=c" {
		t.Errorf("redirect: %d %v", status, header)
	}
}

// A rotation under load fails no request, whether its connection is a new one
// or stands; afterwards the new certificate is shown.
func TestRotationUnderLoad(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"), nodeAt(2, 30080, "TCP"))})
	cl := logIn(t, c, "sandbox")
	first, _ := bundle(t, "first.example.org")
	ref := cl.store(first)
	lb := cl.expose(object{"listeners": []object{{
		"protocol": "TERMINATED_HTTPS", "protocol_port": 8443, "default_tls_container_ref": ref,
		"default_pool": poolOf("p", "HTTP", memberOf(1, 30080, nil), memberOf(2, 30080, nil)),
	}}})
	id, listener := lb["id"].(string), lb["listeners"].([]any)[0].(object)["id"].(string)
	at, _ := c.Endpoint(id, 8443)
	ctx, stop := context.WithCancel(t.Context())
	var sent, failed atomic.Int64
	var load sync.WaitGroup
	for worker := range 4 {
		load.Go(func() {
			tr := &http.Transport{DisableKeepAlives: worker%2 == 0, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			defer tr.CloseIdleConnections()
			for ctx.Err() == nil {
				resp, err := (&http.Client{Transport: tr}).Get("https://" + at.String())
				sent.Add(1)
				if err != nil {
					failed.Add(1)
					t.Error(err)
					return
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
					failed.Add(1)
					t.Errorf("%d %v", resp.StatusCode, err)
				}
				resp.Body.Close()
			}
		})
	}
	last := ""
	for i := range 10 {
		last = fmt.Sprintf("rotated-%d.example.org", i)
		data, _ := bundle(t, last)
		next := cl.store(data)
		cl.must(200, "PUT", "/listeners/"+listener, object{"listener": object{"default_tls_container_ref": next}})
		cl.settled(id)
		if status, _ := cl.vault("DELETE", strings.TrimPrefix(ref, c.URL()+"/key-manager"), nil); status != 204 {
			t.Errorf("delete the old secret: %d", status)
		}
		ref = next
		before := sent.Load()
		eventually(t, "some more requests", func() bool { return sent.Load() >= before+8 || failed.Load() > 0 })
	}
	stop()
	load.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), sent.Load())
	}
	if got := shown(t, at.String(), "x"); got != last {
		t.Errorf("after the last rotation the port shows %s", got)
	}
	if gone := c.BrokenReferences(); len(gone) != 0 {
		t.Errorf("broken references: %+v", gone)
	}
}

// A certificate that is deleted too early: traffic goes on with what was
// loaded, but the next change takes the listener out, and one of a member is
// never done with.
func TestBrokenReferences(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"))})
	cl := logIn(t, c, "sandbox")
	data, _ := bundle(t, "a.example.org")
	ref := cl.store(data)
	lb := cl.expose(object{"listeners": []object{{
		"protocol": "TERMINATED_HTTPS", "protocol_port": 8443, "sni_container_refs": []string{ref}, "default_pool": poolOf("p", "HTTP", memberOf(1, 30080, nil)),
	}}})
	id, listener, pool := lb["id"].(string), lb["listeners"].([]any)[0].(object)["id"].(string), lb["pools"].([]any)[0].(object)["id"].(string)
	cl.vault("DELETE", strings.TrimPrefix(ref, c.URL()+"/key-manager"), nil)
	want := []BrokenReference{{LoadBalancer: id, Listener: listener, Ref: ref, Why: "there is no such secret"}}
	if diff := cmp.Diff(want, c.BrokenReferences()); diff != "" {
		t.Errorf("broken references (-want +got):\n%s", diff)
	}
	at, _ := c.Endpoint(id, 8443)
	if resp := over(t, at.String(), "a.example.org", "/"); resp.StatusCode != http.StatusOK {
		t.Errorf("with what was loaded: %d", resp.StatusCode)
	}
	cl.must(200, "PUT", "/loadbalancers/"+id, object{"loadbalancer": object{"name": "x"}})
	cl.settled(id)
	if _, open := c.Endpoint(id, 8443); open {
		t.Error("the listener has no certificate, and is open")
	}
	if got := cl.must(200, "GET", "/listeners/"+listener, nil)["listener"].(object)["provisioning_status"]; got != Error {
		t.Errorf("the listener without a certificate is %v", got)
	}
	cl.must(200, "PUT", "/listeners/"+listener, object{"listener": object{"sni_container_refs": []string{cl.store(data)}}})
	cl.settled(id)
	at, _ = c.Endpoint(id, 8443)
	if resp := over(t, at.String(), "a.example.org", "/"); resp.StatusCode != http.StatusOK {
		t.Errorf("with another certificate: %d", resp.StatusCode)
	}
	cl.vault("DELETE", strings.TrimPrefix(c.state.Listeners[listener].SNIRefs[0], c.URL()+"/key-manager"), nil)
	cl.must(202, "PUT", "/pools/"+pool+"/members", object{"members": []object{memberOf(1, 30080, object{"weight": 2})}})
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	if got := cl.must(200, "GET", "/loadbalancers/"+id, nil)["loadbalancer"].(object)["provisioning_status"]; got != PendingUpdate {
		t.Errorf("the load balancer is %v", got)
	}
	if err := c.SetStatus("loadbalancer", id, Error); err != nil {
		t.Fatal(err)
	}
	cl.must(204, "DELETE", "/loadbalancers/"+id+"?cascade=true", nil)
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	if got := cl.must(200, "GET", "/loadbalancers/"+id, nil)["loadbalancer"].(object)["provisioning_status"]; got != PendingDelete {
		t.Errorf("deleted, the load balancer is %v", got)
	}
}

// hearing is a member that reads a PROXY header and then speaks HTTP.
func hearing(t testing.TB) (netip.AddrPort, <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 4)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			br := bufio.NewReader(conn)
			head, _ := br.Peek(12)
			text := ""
			if string(head) == proxySignature {
				head, _ = br.Peek(16)
				all := make([]byte, 16+int(head[14])<<8+int(head[15]))
				_, _ = io.ReadFull(br, all)
				text = fmt.Sprintf("v2 %x", all[12:])
			} else {
				text, _ = br.ReadString('\n')
			}
			if req, err := http.ReadRequest(br); err == nil {
				text += " for=" + req.Header.Get("X-Forwarded-For") + " proto=" + req.Header.Get("X-Forwarded-Proto")
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
			heard <- text
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return netip.MustParseAddrPort(l.Addr().String()), heard
}

// Members of PROXY pools hear of the client first, by TCP and by HTTP.
func TestProxyProtocol(t *testing.T) {
	for _, protocol := range []string{"PROXY", "PROXYV2"} {
		for _, listener := range []string{"TCP", "HTTP"} {
			t.Run(protocol+" for "+listener, func(t *testing.T) {
				at, heard := hearing(t)
				c := start(t, Config{DataPlane: true})
				cl := logIn(t, c, "sandbox")
				l := object{"protocol": listener, "protocol_port": 8080, "default_pool": poolOf("p", protocol, object{"address": at.Addr().String(), "protocol_port": at.Port()})}
				if listener == "HTTP" {
					l["insert_headers"] = object{"X-Forwarded-For": "true", "X-Forwarded-Proto": "true"}
				}
				lb := cl.expose(object{"listeners": []object{l}})
				if status, body, _ := get(t, c, lb["id"].(string), 8080, "x", "/"); status != http.StatusOK {
					t.Fatalf("%d %s", status, body)
				}
				vip := netip.MustParseAddr(lb["vip_address"].(string))
				want := "PROXY TCP4 127.0.0.1 " + vip.String()
				if protocol == "PROXYV2" {
					want = fmt.Sprintf("v2 2111000c7f000001%x", vip.AsSlice())
				}
				got := <-heard
				if !strings.HasPrefix(got, want) {
					t.Errorf("the member heard %q, want %q...", got, want)
				}
				if tail := " for= proto="; listener == "HTTP" && !strings.HasSuffix(got, tail+"http") {
					t.Errorf("headers: %q; with PROXY Octavia inserts X-Forwarded-Proto only", got)
				}
			})
		}
	}
}

// A check of a PROXY pool begins as its traffic does, but for nobody.
func TestProxyProtocolOfChecks(t *testing.T) {
	for protocol, want := range map[string]string{"PROXY": "PROXY UNKNOWN\r\n", "PROXYV2": "v2 20000000"} {
		at, heard := hearing(t)
		c := start(t, Config{DataPlane: true})
		p := poolOf("p", protocol, object{"address": at.Addr().String(), "protocol_port": at.Port()})
		p["healthmonitor"] = object{"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 1}
		logIn(t, c, "sandbox").expose(object{"listeners": []object{{"protocol": "TCP", "protocol_port": 8080, "default_pool": p}}})
		if got := <-heard; got != want {
			t.Errorf("%s: the member heard %q, want %q", protocol, got, want)
		}
	}
}

// A pool with TLS speaks it to its members, without looking at their names,
// and so do its checks.
func TestReencryption(t *testing.T) {
	member := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS.ServerName) }))
	defer member.Close()
	at := netip.MustParseAddrPort(member.Listener.Addr().String())
	c := start(t, Config{DataPlane: true})
	cl := logIn(t, c, "sandbox")
	data, _ := bundle(t, "a.example.org")
	p := poolOf("p", "HTTP", object{"address": at.Addr().String(), "protocol_port": at.Port()})
	p["tls_enabled"], p["tls_ciphers"], p["tls_versions"], p["alpn_protocols"] = true, nil, nil, nil
	p["healthmonitor"] = object{"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1}
	lb := cl.expose(object{"listeners": []object{{"protocol": "TERMINATED_HTTPS", "protocol_port": 8443, "default_tls_container_ref": cl.store(data), "default_pool": p}}})
	front, _ := c.Endpoint(lb["id"].(string), 8443)
	if resp := over(t, front.String(), "a.example.org", "/"); resp.StatusCode != http.StatusOK || resp.Status != "a.example.org" {
		t.Errorf("%d %q", resp.StatusCode, resp.Status)
	}
	eventually(t, "the member is up", func() bool {
		return cl.must(200, "GET", "/pools", nil)["pools"].([]any)[0].(object)["operating_status"] == online
	})
}
