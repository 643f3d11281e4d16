package sandbox

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// maxPacket is the largest UDP datagram.
const maxPacket = 64 << 10

// sessions are the clients of a UDP port, each with a socket to its member.
type sessions struct {
	mu  sync.Mutex
	all map[netip.AddrPort]*session
}

type session struct {
	conn   net.Conn
	member target
}

// servePackets carries UDP: the packets of a client go to one member until it
// has been silent for the client timeout.
func (f *front) servePackets() {
	all := &sessions{all: map[netip.AddrPort]*session{}}
	defer all.close()
	buf := make([]byte, maxPacket)
	for {
		n, from, err := f.udp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		s := f.settings.Load()
		client := netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if !s.allowed(client.Addr()) {
			continue
		}
		ses := f.session(all, s, client)
		if ses == nil {
			s.counters.errors.Add(1)
			continue
		}
		s.counters.in.Add(int64(n))
		_ = ses.conn.SetReadDeadline(time.Now().Add(s.client))
		_, _ = ses.conn.Write(buf[:n]) // a packet may be lost
	}
}

// session is the client's, unless its member is not to serve any more.
func (f *front) session(all *sessions, s *settings, client netip.AddrPort) *session {
	b := s.pools[s.fallback]
	if b == nil {
		return nil
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if ses := all.all[client]; ses != nil {
		if b.serves(ses.member.id) {
			return ses
		}
		delete(all.all, client)
		_ = ses.conn.Close()
	}
	t, ok := b.pick(client, "", nil)
	if !ok {
		return nil
	}
	conn, err := f.p.dial(f.ctx, "udp", t.address, s.connect)
	if err != nil {
		return nil
	}
	ses := &session{conn, t}
	all.all[client] = ses
	s.counters.total.Add(1)
	_ = conn.SetReadDeadline(time.Now().Add(s.client))
	f.p.wg.Go(func() { f.answers(all, ses, client) })
	return ses
}

// answers brings what a member sends back to the client.
func (f *front) answers(all *sessions, ses *session, client netip.AddrPort) {
	defer all.end(client, ses)
	buf := make([]byte, maxPacket)
	for {
		n, err := ses.conn.Read(buf)
		if err != nil {
			return
		}
		s := f.settings.Load()
		s.counters.out.Add(int64(n))
		_ = ses.conn.SetReadDeadline(time.Now().Add(s.client))
		_, _ = f.udp.WriteToUDPAddrPort(buf[:n], client) // a packet may be lost
	}
}

func (a *sessions) end(client netip.AddrPort, ses *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all[client] == ses {
		delete(a.all, client)
	}
	_ = ses.conn.Close()
}

func (a *sessions) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ses := range a.all {
		_ = ses.conn.Close()
	}
}

// serves: the member is still there, and up.
func (b *balancer) serves(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := byID(b.usable(nil), id)
	return ok
}
