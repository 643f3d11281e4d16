package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Backend is one port of a node that shall answer.
type Backend struct {
	Address  netip.AddrPort // of the node and its nodePort
	Protocol string         // TCP (also HTTP) or UDP
	Label    string         // what it says it is, in every answer
}

func (b Backend) network() string {
	if b.Protocol == "UDP" {
		return "udp"
	}
	return "tcp"
}

// Nodes answers in place of the nodes of a cluster, so that traffic through
// the data plane ends somewhere. A loopback address is opened as it is; any
// other address gets a free loopback port, and the data plane knows which
// (Config.Nodes). A TCP port answers HTTP to who speaks HTTP, and otherwise
// its label and then whatever was sent; a UDP port its label and what was sent.
type Nodes struct {
	mu   sync.Mutex
	open map[string]*node // by network and address
	wg   sync.WaitGroup
}

type node struct {
	backend Backend
	real    netip.AddrPort
	close   func() error
}

// NewNodes is a set that answers for nothing yet.
func NewNodes() *Nodes { return &Nodes{open: map[string]*node{}} }

func nodeKey(network string, a netip.AddrPort) string { return network + " " + a.String() }

// Set makes exactly these ports answer: opens what is new, closes what is
// gone. What cannot be opened is in the error; the rest is open nevertheless.
func (n *Nodes) Set(backends []Backend) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	want := map[string]Backend{}
	for _, b := range backends {
		want[nodeKey(b.network(), b.Address)] = b
	}
	var errs []error
	for key, open := range n.open {
		if b, stays := want[key]; !stays || b != open.backend {
			errs = append(errs, open.close())
			delete(n.open, key)
		}
	}
	for key, b := range want {
		if n.open[key] != nil {
			continue
		}
		open, err := n.listen(b)
		if err != nil {
			errs = append(errs, fmt.Errorf("sandbox: node %s (%s): %w", b.Address, b.Label, err))
			continue
		}
		n.open[key] = open
	}
	return errors.Join(errs...)
}

// Close stops answering.
func (n *Nodes) Close() error {
	err := n.Set(nil)
	n.wg.Wait()
	return err
}

// resolve is where the port of a node really is.
func (n *Nodes) resolve(network string, a netip.AddrPort) (netip.AddrPort, bool) {
	if n == nil {
		return netip.AddrPort{}, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	open := n.open[nodeKey(network, a)]
	if open == nil {
		return netip.AddrPort{}, false
	}
	return open.real, true
}

// known: there is a node of the address.
func (n *Nodes) known(a netip.Addr) bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, open := range n.open {
		if open.backend.Address.Addr() == a {
			return true
		}
	}
	return false
}

func (n *Nodes) listen(b Backend) (*node, error) {
	at := b.Address
	if !at.Addr().IsLoopback() {
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	if b.network() == "udp" {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, err
		}
		n.wg.Go(func() { echoPackets(conn, b.Label) })
		return &node{backend: b, real: conn.LocalAddr().(*net.UDPAddr).AddrPort(), close: conn.Close}, nil
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	conns := newConnections()
	n.wg.Go(func() {
		for {
			conn, err := l.AcceptTCP()
			if err != nil {
				conns.close()
				return
			}
			n.wg.Go(func() {
				if conns.add(conn) {
					defer conns.remove(conn)
					echo(conn, b.Label)
				}
			})
		}
	})
	return &node{backend: b, real: l.Addr().(*net.TCPAddr).AddrPort(), close: l.Close}, nil
}

// greeting is how long a client may be silent before it is greeted.
const greeting = 300 * time.Millisecond

var methods = []string{"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "PATCH ", "OPTIONS "}

func echo(conn *net.TCPConn, label string) {
	br := bufio.NewReader(conn)
	_ = conn.SetReadDeadline(time.Now().Add(greeting))
	start, _ := br.Peek(4) // silence is an answer too
	_ = conn.SetReadDeadline(time.Time{})
	if len(start) > 0 && slices.ContainsFunc(methods, func(m string) bool { return strings.HasPrefix(m, string(start)) }) {
		answerHTTP(conn, br, label)
		return
	}
	if _, err := fmt.Fprintln(conn, label); err == nil {
		_, _ = io.Copy(conn, br) // ends with the client
	}
}

func answerHTTP(conn net.Conn, br *bufio.Reader, label string) {
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		body := fmt.Sprintf("%s: %s %s%s\n", label, req.Method, req.Host, req.RequestURI)
		if req.Method == http.MethodHead {
			body = ""
		}
		_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Backend: %s\r\nContent-Length: %d\r\n\r\n%s", label, len(body), body)
		if err != nil || req.Close {
			return
		}
	}
}

func echoPackets(conn *net.UDPConn, label string) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = conn.WriteToUDPAddrPort([]byte(label+": "+string(buf[:n])), from) // a packet may be lost
		}
	}
}

// connections are those that must end when their listener does.
type connections struct {
	mu     sync.Mutex
	all    map[net.Conn]bool
	closed bool
}

func newConnections() *connections { return &connections{all: map[net.Conn]bool{}} }

// add takes a connection in; after close it ends it and says false.
func (c *connections) add(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.Close()
		return false
	}
	c.all[conn] = true
	return true
}

func (c *connections) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, conn)
	_ = conn.Close()
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.all {
		_ = conn.Close()
	}
}
