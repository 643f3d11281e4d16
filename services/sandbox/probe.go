package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// probe is the health of one member: its checks, and how many connections it has.
type probe struct {
	p      *plane
	member string
	status atomic.Pointer[string] // nil: not checked yet
	active atomic.Int64
	cancel context.CancelFunc // of the checks; nil: none
	now    examination
}

// examination is what is checked, and how.
type examination struct {
	loadBalancer  string
	to            netip.AddrPort
	kind          string
	every, within time.Duration
	rise, fall    int
	method, path  string
	codes, domain string
	version       float64
	proxy         int  // version of the PROXY protocol that a check begins with
	encrypted     bool // a check speaks TLS
}

func newProbe(p *plane, member string) *probe { return &probe{p: p, member: member} }

func (pr *probe) stop() {
	if pr.cancel != nil {
		pr.cancel()
		pr.cancel = nil
	}
}

// watch checks a member as a monitor says; without a monitor it is up.
// Cloud.mu is held.
func (pr *probe) watch(lb string, mon *monitor, m *member, to netip.AddrPort, b backend) {
	if mon == nil {
		pr.stop()
		pr.now = examination{}
		pr.status.Store(nil)
		return
	}
	if a, err := netip.ParseAddr(m.MonitorAddress); err == nil {
		to = netip.AddrPortFrom(a, to.Port())
	}
	if m.MonitorPort != nil {
		to = netip.AddrPortFrom(to.Addr(), uint16(*m.MonitorPort))
	}
	next := examination{
		loadBalancer: lb, to: to, kind: mon.Type, every: seconds(mon.Delay), within: seconds(mon.Timeout), rise: mon.Retries, fall: mon.RetriesDown,
		method: mon.Method, path: mon.Path, codes: mon.Codes, domain: mon.Domain,
	}
	if mon.HTTPVersion != nil {
		next.version = *mon.HTTPVersion
	}
	if m.MonitorAddress == "" && m.MonitorPort == nil { // HAProxy checks as it sends, unless it checks elsewhere
		next.proxy, next.encrypted = b.proxy, b.encrypted != nil
	}
	if pr.cancel != nil && next == pr.now {
		return
	}
	pr.stop()
	pr.now = next
	var ctx context.Context
	ctx, pr.cancel = context.WithCancel(context.Background())
	pr.p.wg.Go(func() { pr.run(ctx, next) })
}

// seconds is a time of a monitor; one of 0 is a tenth of a second.
func seconds(n int) time.Duration {
	if n == 0 {
		return 100 * time.Millisecond
	}
	return time.Duration(n) * time.Second
}

// run checks until it is stopped. The first result counts at once; after that
// it takes as many as the monitor says to go up or down.
func (pr *probe) run(ctx context.Context, e examination) {
	row := 0
	for {
		attempt, done := context.WithTimeout(ctx, e.within)
		got := online
		if pr.check(attempt, e) != nil {
			got = Error
		}
		done()
		if ctx.Err() != nil {
			return
		}
		was := pr.status.Load()
		switch {
		case was != nil && *was == got:
			row = 0
		case was == nil, got == online && row+1 >= e.rise, got == Error && row+1 >= e.fall:
			row = 0
			pr.turn(ctx, e.loadBalancer, got)
		default:
			row++
		}
		t := time.NewTimer(e.every)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// turn tells the cloud of a member that went up or down.
func (pr *probe) turn(ctx context.Context, lb, status string) {
	c := pr.p.c
	c.mu.Lock()
	if ctx.Err() != nil || c.closed {
		c.mu.Unlock()
		return
	}
	pr.status.Store(&status)
	o := c.state.LoadBalancers[lb]
	if o == nil {
		c.mu.Unlock()
		return
	}
	c.operate(o)
	version := c.changed()
	c.mu.Unlock()
	c.persist(version)
}

func (pr *probe) check(ctx context.Context, e examination) error {
	switch e.kind {
	case "UDP-CONNECT":
		return pr.checkUDP(ctx, e)
	case "HTTP", "HTTPS":
		return pr.checkHTTP(ctx, e)
	case "SCTP":
		return nil // Go has no SCTP: taken for good
	case "PING":
		if !e.to.Addr().IsLoopback() && !pr.p.c.cfg.Nodes.known(e.to.Addr()) {
			return errors.New("no such node in the sandbox")
		}
		return nil
	}
	conn, err := pr.open(ctx, e)
	if err != nil {
		return err
	}
	if e.kind == "TLS-HELLO" {
		err = tls.Client(conn, unverified).HandshakeContext(ctx)
	}
	return errors.Join(err, conn.Close())
}

// open is the connection of a check, which begins as those of traffic do.
func (pr *probe) open(ctx context.Context, e examination) (net.Conn, error) {
	conn, err := pr.p.dial(ctx, "tcp", e.to, e.within)
	if err != nil {
		return nil, err
	}
	b := backend{proxy: e.proxy}
	if e.encrypted && e.kind != "TLS-HELLO" && e.kind != "HTTPS" {
		b.encrypted = unverified
	}
	return b.greet(ctx, conn, route{}, e.within)
}

// unverified is HAProxy's "check-ssl verify none".
var unverified = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // as Octavia has it

// silence is how long a UDP port is listened to for an ICMP "unreachable".
const silence = 200 * time.Millisecond

func (pr *probe) checkUDP(ctx context.Context, e examination) error {
	conn, err := pr.p.dial(ctx, "udp", e.to, e.within)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(min(silence, e.within)))
	if _, err = conn.Write([]byte("check")); err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return nil
}

func (pr *probe) checkHTTP(ctx context.Context, e examination) error {
	scheme := strings.ToLower(e.kind)
	req, err := http.NewRequestWithContext(ctx, e.method, scheme+"://"+e.to.String()+e.path, nil)
	if err != nil {
		return err
	}
	if e.domain != "" {
		req.Host = e.domain
	}
	transport := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: unverified,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return pr.open(ctx, e) },
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // only the status counts
	err = resp.Body.Close()
	if !expected(e.codes, resp.StatusCode) {
		return errors.New(resp.Status)
	}
	return err
}

// expected reads "200", "200,204" or "200-299".
func expected(codes string, got int) bool {
	if from, to, ok := strings.Cut(codes, "-"); ok {
		a, _ := strconv.Atoi(from)
		b, _ := strconv.Atoi(to)
		return a <= got && got <= b
	}
	for _, c := range strings.Split(codes, ",") {
		if n, _ := strconv.Atoi(strings.TrimSpace(c)); n == got {
			return true
		}
	}
	return false
}
