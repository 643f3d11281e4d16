package compose

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
)

// addPools makes the backends of an exposure pools, and answers their names. A
// backend that others of the group have too is one pool: where their members
// differ, as while a change of nodes makes its way, it has those of all. One
// that is another thing under the same name gets a name of its own.
func (c *composer) addPools(e events.Exposure) map[string]string {
	names := map[string]string{}
	for _, b := range e.Backends {
		p := c.pool(b)
		if c.clusters {
			p.Name = e.Key.Cluster + "/" + p.Name
		}
		have, taken := c.pools[p.Name]
		if taken && !alike(have, p) {
			p.Name += " (" + e.Key.String() + ")"
			taken = false
		}
		p.Name = short(p.Name)
		if taken {
			p.Members = union(have.Members, p.Members)
		}
		c.pools[p.Name], names[b.Name] = p, p.Name
	}
	return names
}

// alike says whether two pools differ in nothing but their members.
func alike(a, b loadbalancer.Pool) bool {
	a.Members, b.Members = nil, nil
	return reflect.DeepEqual(a, b)
}

// union has every address once; who drains for one drains for all.
func union(a, b []loadbalancer.Member) []loadbalancer.Member {
	out := slices.Concat(a, b)
	slices.SortStableFunc(out, func(a, b loadbalancer.Member) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Weight, b.Weight))
	})
	return slices.CompactFunc(out, func(a, b loadbalancer.Member) bool { return a.Address == b.Address && a.Port == b.Port })
}

func (c *composer) pool(b events.Backend) loadbalancer.Pool {
	p := loadbalancer.Pool{Name: b.Name, Protocol: string(b.Protocol), TLS: b.TLS, DrainDelay: c.d.DrainDelay,
		Algorithm: cmp.Or(b.Algorithm, algorithm(c.d.Provider))}
	if b.DrainDelay != nil {
		p.DrainDelay = *b.DrainDelay
	}
	if !weighs(c.d.Provider) {
		p.DrainDelay = 0
	}
	if s := b.Persistence; s != nil {
		p.Persistence = &loadbalancer.Persistence{Type: s.Type, Cookie: s.Cookie, Timeout: s.Timeout}
	}
	for _, m := range b.Members {
		x := loadbalancer.Member{Name: m.Name[:min(len(m.Name), loadbalancer.MaxName)], Address: canonical(m.Address), Port: m.Port,
			Weight: 1, SubnetID: c.d.MemberSubnetID, MonitorPort: m.MonitorPort}
		if m.Draining {
			x.Weight = 0
		}
		p.Members = append(p.Members, x)
	}
	if m := b.Monitor; m != nil {
		p.Monitor = &loadbalancer.Monitor{Type: m.Type, Delay: m.Delay, Timeout: m.Timeout,
			MaxRetries: m.MaxRetries, MaxRetriesDown: m.MaxRetriesDown}
		if m.Type == "HTTP" || m.Type == "HTTPS" {
			p.Monitor.Method, p.Monitor.Path = cmp.Or(m.Method, "GET"), cmp.Or(m.Path, "/")
			p.Monitor.Codes, p.Monitor.Host = cmp.Or(m.Codes, "200"), m.Host
		}
	}
	return p
}

// canonical writes an address as Octavia answers it.
func canonical(address string) string {
	if a, err := netip.ParseAddr(address); err == nil {
		return a.String()
	}
	return address
}

// short cuts a name that Octavia would not take, so that it stays another one
// than that of any other thing.
func short(name string) string {
	if len(name) > loadbalancer.MaxName {
		return name[:loadbalancer.MaxName-20] + events.Digest(name)[7:27]
	}
	return name
}
