package sandbox

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge.dev/services/sandbox/l7"
)

// plane is the data plane: an open socket for every listener on every address
// of its load balancer, and the health checks. Its maps are guarded by
// Cloud.mu; traffic only reads what fronts and balancers hold.
type plane struct {
	c         *Cloud
	fronts    map[frontKey]*front
	balancers map[string]*balancer // by pool
	probes    map[string]*probe    // by member
	counters  map[string]*counters // by load balancer
	wg        sync.WaitGroup
}

type frontKey struct {
	loadBalancer string
	address      netip.Addr
	port         int
	transport    string // TCP or UDP
}

// counters are a load balancer's statistics.
type counters struct{ in, out, active, total, errors atomic.Int64 }

// settings are what a front does, replaced as a whole when its load balancer
// changes.
type settings struct {
	protocol string
	port     int // of the listener, which is not always that of the socket
	sources  []netip.Prefix
	table    *l7.Table
	pools    map[string]*balancer
	fallback string
	backends map[string]backend // by pool
	offload  *offload           // nil: no TLS
	limit    int                // of connections
	address  netip.Addr         // of the front
	hsts     string
	headers  map[string]string
	connect  time.Duration
	data     time.Duration
	client   time.Duration
	counters *counters
}

func newPlane(c *Cloud) *plane {
	return &plane{c: c, fronts: map[frontKey]*front{}, balancers: map[string]*balancer{}, probes: map[string]*probe{}, counters: map[string]*counters{}}
}

// close ends all traffic and waits for it.
func (p *plane) close() {
	p.c.mu.Lock()
	for _, f := range p.fronts {
		f.close()
	}
	for _, pr := range p.probes {
		pr.stop()
	}
	p.c.mu.Unlock()
	p.wg.Wait()
}

// refresh applies every load balancer, after the floating IPs changed.
func (p *plane) refresh() {
	if !p.c.cfg.DataPlane {
		return
	}
	for id := range p.c.state.LoadBalancers {
		p.apply(id, false)
	}
}

// remove takes a load balancer off the data plane.
func (p *plane) remove(id string) {
	for key, f := range p.fronts {
		if key.loadBalancer == id {
			f.close()
			delete(p.fronts, key)
		}
	}
	delete(p.counters, id)
	p.forget()
}

// forget drops balancers and probes of what is no more.
func (p *plane) forget() {
	for id := range p.balancers {
		if p.c.state.Pools[id] == nil {
			delete(p.balancers, id)
		}
	}
	for id, pr := range p.probes {
		if p.c.state.Members[id] == nil {
			pr.stop()
			delete(p.probes, id)
		}
	}
}

// apply makes the data plane do what a load balancer says. What is pending or
// in error is left as it was. After a change of the load balancer itself, a
// listener whose certificate is gone drops out, as amphora's driver has it; till
// then it serves what it has loaded.
func (p *plane) apply(id string, changed bool) {
	lb := p.c.state.LoadBalancers[id]
	if !p.c.cfg.DataPlane || p.c.closed || lb == nil || lb.Provisioning != Active {
		return
	}
	if p.counters[id] == nil {
		p.counters[id] = &counters{}
	}
	for _, pool := range lb.Pools {
		p.applyPool(p.c.state.Pools[pool])
	}
	want := map[frontKey]*settings{}
	for _, lid := range lb.Listeners {
		l := p.c.state.Listeners[lid]
		kind := transport(l.Protocol)
		if _, whole := p.c.offload(l); changed && l.Protocol == "TERMINATED_HTTPS" && l.Provisioning == Active && !whole {
			l.Provisioning, l.Operating = Error, Error
			l.touch(p.c.now())
		}
		if !lb.Enabled || !l.Enabled || l.Provisioning != Active || kind == "SCTP" || l.Protocol == "PROMETHEUS" {
			continue
		}
		s := p.settings(lb, l)
		for _, a := range p.c.addresses(lb) {
			key := frontKey{id, a, l.Port, kind}
			if own := p.own(s, lb, l, key); own != nil {
				want[key] = own
			}
		}
	}
	for key, f := range p.fronts {
		if key.loadBalancer != id {
			continue
		}
		s, stays := want[key]
		if !stays || f.err != nil || s.kind() != f.settings.Load().kind() {
			f.close()
			delete(p.fronts, key)
			continue
		}
		f.settings.Store(s)
		f.gate.set(s.limit)
	}
	for key, s := range want {
		if p.fronts[key] == nil {
			p.fronts[key] = p.open(key, s)
		}
	}
	p.forget()
}

// own are the settings of one front of a listener; nil: it cannot be opened.
func (p *plane) own(s *settings, lb *loadBalancer, l *listener, key frontKey) *settings {
	out := *s
	out.address = key.address
	if all := lb.addresses(); !slices.Contains(all, key.address) {
		out.address = all[0] // a floating IP leads to the VIP
	}
	if l.Protocol != "TERMINATED_HTTPS" {
		return &out
	}
	tls, whole := p.c.offload(l)
	if old := p.fronts[key]; !whole && old != nil {
		tls, whole = old.settings.Load().offload, true // what was loaded before goes on
	}
	if !whole {
		return nil // it never had a certificate
	}
	out.offload = tls
	return &out
}

// kind tells settings that one front can change between.
func (s *settings) kind() string {
	switch s.protocol {
	case "HTTP", "TERMINATED_HTTPS":
		return s.protocol
	}
	return ""
}

// addresses are the VIPs of a load balancer and the floating IPs of its port:
// of IPv4 those of loopback, of IPv6 all.
func (c *Cloud) addresses(lb *loadBalancer) []netip.Addr {
	var out []netip.Addr
	add := func(s string) {
		if a, err := netip.ParseAddr(s); err == nil && (a.IsLoopback() || a.Is6()) {
			out = append(out, a)
		}
	}
	for _, a := range lb.addresses() {
		add(a.String())
	}
	for _, f := range c.state.Floating {
		if f.Port == lb.Port {
			add(f.Address)
		}
	}
	return out
}

func (p *plane) settings(lb *loadBalancer, l *listener) *settings {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	s := &settings{
		protocol: l.Protocol, port: l.Port, pools: map[string]*balancer{}, backends: map[string]backend{}, headers: l.Headers,
		counters: p.counters[lb.ID], limit: l.Limit, hsts: l.hsts(),
		connect: ms(l.MemberConnect), data: ms(l.MemberData), client: ms(l.ClientData),
	}
	for _, c := range l.AllowedCIDRs {
		if prefix, err := netip.ParsePrefix(c); err == nil {
			s.sources = append(s.sources, prefix)
		}
	}
	use := func(id string) string {
		pool := p.c.state.Pools[id]
		if pool == nil || !pool.Enabled || pool.Provisioning != Active {
			return ""
		}
		s.pools[id], s.backends[id] = p.balancers[id], p.c.backend(pool)
		return id
	}
	s.fallback = use(l.DefaultPool)
	s.table = p.c.table(l, use)
	return s
}

func (p *plane) applyPool(pool *pool) {
	b := p.balancers[pool.ID]
	if b == nil {
		b = newBalancer()
		p.balancers[pool.ID] = b
	}
	var targets []target
	mon := p.c.state.Monitors[pool.Monitor]
	if mon != nil && (!mon.Enabled || mon.Provisioning != Active) {
		mon = nil
	}
	for _, id := range pool.Members {
		m := p.c.state.Members[id]
		a, err := netip.ParseAddr(m.Address)
		if err != nil || !m.Enabled || m.Provisioning != Active {
			if pr := p.probes[id]; pr != nil && m.Provisioning == Active {
				pr.stop()
				delete(p.probes, id)
			}
			continue
		}
		t := target{id: id, address: netip.AddrPortFrom(a, uint16(m.Port)), weight: m.Weight, backup: m.Backup}
		pr := p.probes[id]
		if pr == nil {
			pr = newProbe(p, id)
			p.probes[id] = pr
		}
		pr.watch(pool.LoadBalancer, mon, m, t.address, p.c.backend(pool))
		t.status, t.active = &pr.status, &pr.active
		targets = append(targets, t)
	}
	algorithm := pool.Algorithm
	if algorithm == "SOURCE_IP_PORT" && p.c.state.LoadBalancers[pool.LoadBalancer].Provider != ovn {
		algorithm = "ROUND_ROBIN" // what amphora makes of it in a whole create, which it does not check
	}
	b.update(algorithm, pool.Persistence, targets)
}

// health is a member's operating status by its checks.
func (p *plane) health(id string) string {
	if pr := p.probes[id]; pr != nil {
		if s := pr.status.Load(); s != nil {
			return *s
		}
	}
	return offline
}

func (p *plane) stats(id string) object {
	n := p.counters[id]
	if n == nil {
		n = &counters{}
	}
	return object{
		"bytes_in": n.in.Load(), "bytes_out": n.out.Load(), "active_connections": n.active.Load(),
		"total_connections": n.total.Load(), "request_errors": n.errors.Load(),
	}
}
