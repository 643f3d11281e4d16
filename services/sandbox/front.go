package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// front is one open port on one address.
type front struct {
	p        *plane
	settings atomic.Pointer[settings]
	real     netip.AddrPort
	err      error // why it is not open
	ctx      context.Context
	cancel   context.CancelFunc
	tcp      *net.TCPListener
	udp      *net.UDPConn
	http     *http.Server
	conns    *connections
	gate     *gate
}

// unprivileged is what is added to a port that may not be opened.
const unprivileged = 10000

// listenAt opens a port, or a higher one where that needs root.
func listenAt[T any](a netip.Addr, port int, listen func(netip.AddrPort) (T, error)) (T, error) {
	if a.Is6() && !a.IsLoopback() { // loopback has one address of IPv6 for all
		return listen(netip.AddrPortFrom(netip.IPv6Loopback(), 0))
	}
	l, err := listen(netip.AddrPortFrom(a, uint16(port)))
	if !errors.Is(err, fs.ErrPermission) {
		return l, err
	}
	l, err = listen(netip.AddrPortFrom(a, uint16(port+unprivileged)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return listen(netip.AddrPortFrom(a, 0))
	}
	return l, err
}

func (p *plane) open(key frontKey, s *settings) *front {
	f := &front{p: p, conns: newConnections(), gate: newGate()}
	f.gate.set(s.limit)
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.settings.Store(s)
	if key.transport == "UDP" {
		f.udp, f.err = listenAt(key.address, key.port, func(a netip.AddrPort) (*net.UDPConn, error) {
			return net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
		})
		if f.err == nil {
			f.real = f.udp.LocalAddr().(*net.UDPAddr).AddrPort()
			p.wg.Go(f.servePackets)
		}
		return f
	}
	f.tcp, f.err = listenAt(key.address, key.port, func(a netip.AddrPort) (*net.TCPListener, error) {
		return net.ListenTCP("tcp", net.TCPAddrFromAddrPort(a))
	})
	if f.err != nil {
		return f
	}
	f.real = f.tcp.Addr().(*net.TCPAddr).AddrPort()
	switch s.protocol {
	case "HTTP", "TERMINATED_HTTPS":
		f.http = &http.Server{Handler: newProxy(f), ReadHeaderTimeout: time.Minute, ConnState: f.connState, ErrorLog: log.New(io.Discard, "", 0)}
		var l net.Listener = &screened{f.tcp, f}
		if s.offload != nil {
			l = &offloading{l, f}
		}
		p.wg.Go(func() { _ = f.http.Serve(l) }) // ends by close only
	default:
		p.wg.Go(f.serveStreams)
	}
	return f
}

func (f *front) close() {
	f.cancel()
	if f.err != nil {
		return
	}
	if f.udp != nil {
		_ = f.udp.Close()
		return
	}
	_ = f.tcp.Close()
	f.gate.close()
	if f.http != nil {
		_ = f.http.Close()
	}
	f.conns.close()
}

// allowed: a listener with allowed_cidrs takes nothing from elsewhere.
func (s *settings) allowed(a netip.Addr) bool {
	return len(s.sources) == 0 || slices.ContainsFunc(s.sources, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

func sourceOf(conn net.Conn) netip.AddrPort {
	a, _ := conn.RemoteAddr().(*net.TCPAddr)
	if a == nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
}

// screened accepts only from allowed sources. A real cloud drops the others'
// packets; here they see the connection closed.
type screened struct {
	*net.TCPListener
	f *front
}

func (s *screened) Accept() (net.Conn, error) {
	for {
		s.f.gate.wait()
		conn, err := s.AcceptTCP()
		if err != nil {
			return nil, err
		}
		if s.f.settings.Load().allowed(sourceOf(conn).Addr()) {
			return s.f.gate.enter(conn), nil
		}
		_ = conn.Close()
	}
}

// offloading terminates TLS with what the front's settings say at the handshake.
type offloading struct {
	net.Listener
	f *front
}

func (o *offloading) Accept() (net.Conn, error) {
	conn, err := o.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(conn, &tls.Config{ //nolint:gosec // GetConfigForClient has the versions
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return o.f.settings.Load().offload.config(), nil },
	}), nil
}

// route is a client's connection to the front.
func (f *front) route(s *settings, source netip.AddrPort) route {
	return route{from: source, to: netip.AddrPortFrom(s.address, uint16(s.port))}
}

func (f *front) connState(_ net.Conn, state http.ConnState) {
	n := f.settings.Load().counters
	switch state {
	case http.StateNew:
		n.total.Add(1)
		n.active.Add(1)
	case http.StateClosed, http.StateHijacked:
		n.active.Add(-1)
	}
}

// dial reaches a member: a node of Config.Nodes, or a loopback address. The
// sandbox never leaves the machine.
func (p *plane) dial(ctx context.Context, network string, to netip.AddrPort, timeout time.Duration) (net.Conn, error) {
	at, ok := p.c.cfg.Nodes.resolve(network, to)
	if !ok {
		if !to.Addr().IsLoopback() {
			return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(to), Err: errors.New("no such node in the sandbox")}
		}
		at = to
	}
	d := net.Dialer{Timeout: timeout}
	return d.DialContext(ctx, network, at.String())
}

// connect dials members until one takes the connection, as HAProxy's
// redispatch does.
func (f *front) connect(s *settings, b *balancer, source netip.AddrPort) (net.Conn, target, error) {
	tried := map[string]bool{}
	err := errors.New("no member is up")
	for len(tried) < maxTries {
		t, ok := b.pick(source, "", tried)
		if !ok {
			break
		}
		var conn net.Conn
		if conn, err = f.p.dial(f.ctx, "tcp", t.address, s.connect); err == nil {
			conn, err = s.backends[s.fallback].greet(f.ctx, conn, f.route(s, source), s.connect)
		}
		if err == nil {
			return conn, t, nil
		}
		tried[t.id] = true
	}
	return nil, target{}, err
}

// maxTries is HAProxy's "retries 3".
const maxTries = 3

func (f *front) serveStreams() {
	l := &screened{f.tcp, f}
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		f.p.wg.Go(func() {
			if f.conns.add(conn) {
				defer f.conns.remove(conn)
				f.stream(conn)
			}
		})
	}
}

// stream carries one TCP connection.
func (f *front) stream(client net.Conn) {
	s := f.settings.Load()
	s.counters.total.Add(1)
	s.counters.active.Add(1)
	defer s.counters.active.Add(-1)
	b := s.pools[s.fallback]
	if b == nil {
		s.counters.errors.Add(1)
		return
	}
	server, t, err := f.connect(s, b, sourceOf(client))
	if err != nil {
		s.counters.errors.Add(1)
		return
	}
	if !f.conns.add(server) {
		return
	}
	defer f.conns.remove(server)
	t.active.Add(1)
	defer t.active.Add(-1)
	var both sync.WaitGroup
	both.Go(func() { s.counters.in.Add(pass(server, client)) })
	both.Go(func() { s.counters.out.Add(pass(client, server)) })
	both.Wait()
}

// pass copies one direction and passes its end on. An error ends both.
func pass(to, from net.Conn) int64 {
	n, err := io.Copy(to, from)
	if w, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = w.CloseWrite()
	} else {
		_ = to.Close()
		_ = from.Close()
	}
	return n
}
