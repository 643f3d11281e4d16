package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"drawbridge.dev/services/sandbox/l7"
)

// proxy is the HTTP listener: it routes by the L7 table and forwards as
// HAProxy does, with the client's Host header and path untouched.
type proxy struct {
	f       *front
	forward *httputil.ReverseProxy
}

// A member's connection is used again for other clients, unless its PROXY
// header names one.
const (
	shared = iota
	encrypted
	private
)

// trip is what a request needs on its way to a member.
type trip struct {
	settings *settings
	balancer *balancer
	source   netip.AddrPort
	sticky   string
	member   string // that took it
	backend  backend
	route    route
}

func (t *trip) way() int {
	switch {
	case t.backend.proxy > 0:
		return private
	case t.backend.encrypted != nil:
		return encrypted
	}
	return shared
}

type tripKey struct{}

func newProxy(f *front) *proxy {
	ways := &redispatch{}
	for way := range ways.transports {
		transport := &http.Transport{
			DisableCompression: true, MaxIdleConnsPerHost: 64, DisableKeepAlives: way == private,
			DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return f.reach(ctx, addr) },
		}
		ways.transports[way] = transport
		context.AfterFunc(f.ctx, transport.CloseIdleConnections)
	}
	return &proxy{f: f, forward: &httputil.ReverseProxy{
		Transport: ways, Rewrite: rewrite, ModifyResponse: bind, ErrorHandler: refuse, FlushInterval: -1,
	}}
}

// reach opens a connection to a member for the request of ctx.
func (f *front) reach(ctx context.Context, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	t := ctx.Value(tripKey{}).(*trip)
	conn, err := f.p.dial(ctx, "tcp", to, t.settings.connect)
	if err != nil {
		return nil, err
	}
	return t.backend.greet(ctx, conn, t.route, t.settings.connect)
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := p.f.settings.Load()
	s.counters.in.Add(max(0, r.ContentLength))
	d := s.table.Route(l7.Request{Host: r.Host, Path: rawPath(r), Query: r.URL.RawQuery, Header: r.Header})
	switch {
	case d.Location != "":
		w.Header().Set("Location", d.Location)
		w.Header().Set("Cache-Control", "no-cache")
		w.WriteHeader(d.Status)
		return
	case d.Status != 0:
		s.page(w, d.Status)
		return
	}
	t := &trip{settings: s, balancer: s.pools[d.Pool], backend: s.backends[d.Pool]}
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		t.source = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	t.route = p.f.route(s, t.source)
	if r.TLS != nil {
		t.route.name = r.TLS.ServerName
	}
	if c, err := r.Cookie(t.cookie()); err == nil {
		t.sticky = c.Value
	}
	p.forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tripKey{}, t)))
}

// rawPath is the path as the client sent it.
func rawPath(r *http.Request) string {
	if path, _, _ := strings.Cut(r.RequestURI, "?"); strings.HasPrefix(path, "/") {
		return path
	}
	return r.URL.EscapedPath()
}

// cookie is the one that binds a client to a member.
func (t *trip) cookie() string {
	t.balancer.mu.Lock()
	defer t.balancer.mu.Unlock()
	switch sp := t.balancer.persist; {
	case sp == nil:
		return ""
	case sp.Type == "HTTP_COOKIE":
		return haproxyCookie
	default:
		return sp.Cookie
	}
}

// haproxyCookie is the name in Octavia's template, "cookie SRV insert indirect nocache".
const haproxyCookie = "SRV"

// page is an error page of HAProxy.
func (s *settings) page(w http.ResponseWriter, status int) {
	s.counters.errors.Add(1)
	text := map[int]string{
		403: "Request forbidden by administrative rules.",
		502: "The server returned an invalid or incomplete response.",
		503: "No server is available to handle this request.",
		504: "The server didn't respond in time.",
	}[status]
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html><body><h1>%d %s</h1>\n%s\n</body></html>\n", status, http.StatusText(status), text)
}

var errNoMember = errors.New("no member is up")

// redispatch sends a request to a member of the balancer's choice, and to
// another one if that takes no connection.
type redispatch struct{ transports [private + 1]*http.Transport }

func (d *redispatch) RoundTrip(r *http.Request) (*http.Response, error) {
	t := r.Context().Value(tripKey{}).(*trip)
	tried := map[string]bool{}
	err := errNoMember
	for len(tried) < maxTries {
		m, ok := t.balancer.pick(t.source, t.sticky, tried)
		if !ok {
			return nil, err
		}
		resp, e := d.send(r, t, m)
		if e == nil {
			return resp, nil
		}
		err = e
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" {
			return nil, err
		}
		tried[m.id] = true
	}
	return nil, err
}

// send tries one member. It has the listener's timeout_member_data to answer.
func (d *redispatch) send(r *http.Request, t *trip, m target) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	late := time.AfterFunc(t.settings.data, func() { cancel(context.DeadlineExceeded) })
	out := r.Clone(ctx)
	out.URL.Host = m.address.String()
	m.active.Add(1)
	resp, err := d.transports[t.way()].RoundTrip(out)
	if !late.Stop() && err != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		m.active.Add(-1)
		cancel(nil)
		return nil, err
	}
	t.member = m.id
	body := &counted{body: resp.Body, n: &t.settings.counters.out, done: func() { m.active.Add(-1); cancel(nil) }}
	if both, ok := resp.Body.(io.Writer); ok { // the protocol was changed: the body is the connection
		resp.Body = upgraded{body, both}
	} else {
		resp.Body = body
	}
	return resp, nil
}

// upgraded is the connection to a member after 101.
type upgraded struct {
	*counted
	io.Writer
}

// counted counts a body's bytes and the end of its connection.
type counted struct {
	body io.ReadCloser
	n    *atomic.Int64
	done func()
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.body.Read(b)
	c.n.Add(int64(n))
	return n, err
}

func (c *counted) Close() error {
	if c.done != nil {
		c.done()
		c.done = nil
	}
	return c.body.Close()
}

// bind sets or learns the cookie of a pool with session persistence.
func bind(r *http.Response) error {
	t := r.Request.Context().Value(tripKey{}).(*trip)
	if t.settings.hsts != "" {
		r.Header.Set("Strict-Transport-Security", t.settings.hsts)
	}
	switch name := t.cookie(); {
	case name == "":
	case name == haproxyCookie && t.sticky != t.member:
		r.Header.Add("Set-Cookie", haproxyCookie+"="+t.member+"; path=/")
		r.Header.Add("Cache-Control", "private")
	case name != haproxyCookie:
		for _, c := range r.Cookies() {
			if c.Name == name {
				t.balancer.learn(c.Value, t.member)
			}
		}
	}
	return nil
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	t := r.Context().Value(tripKey{}).(*trip)
	var op *net.OpError
	switch {
	case errors.Is(err, errNoMember), errors.As(err, &op) && op.Op == "dial":
		t.settings.page(w, http.StatusServiceUnavailable)
	case errors.Is(err, context.DeadlineExceeded):
		t.settings.page(w, http.StatusGatewayTimeout)
	default:
		t.settings.page(w, http.StatusBadGateway)
	}
}
