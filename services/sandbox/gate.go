package sandbox

import (
	"net"
	"sync"
)

// gate lets a limited number of connections in. Who comes later waits in the
// kernel's queue, as with HAProxy's maxconn.
type gate struct {
	mu     sync.Mutex
	moved  sync.Cond
	inside int
	limit  int // 0 and less: none
	closed bool
}

func newGate() *gate {
	g := &gate{}
	g.moved.L = &g.mu
	return g
}

func (g *gate) set(limit int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = limit
	g.moved.Broadcast()
}

// wait returns when one more may come in, or the gate is closed for good.
func (g *gate) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.closed && g.limit > 0 && g.inside >= g.limit {
		g.moved.Wait()
	}
}

func (g *gate) enter(conn *net.TCPConn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside++
	return &guest{TCPConn: conn, gate: g}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.moved.Signal()
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.moved.Broadcast()
}

// guest is a connection that leaves the gate when it is closed.
type guest struct {
	*net.TCPConn
	gate *gate
	once sync.Once
}

func (g *guest) Close() error {
	g.once.Do(g.gate.leave)
	return g.TCPConn.Close()
}
