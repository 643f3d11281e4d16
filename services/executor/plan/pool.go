package plan

import (
	"cmp"
	"slices"

	"drawbridge.dev/services/executor/loadbalancer"
)

func (d *differ) pools() {
	have := slices.DeleteFunc(slices.Clone(d.lb.Pools), func(p Pool) bool { return !d.owns(p.Tags) })
	slices.SortFunc(have, func(a, b Pool) int { return cmp.Compare(a.ID, b.ID) })
	for _, want := range d.desired.Pools {
		i := slices.IndexFunc(have, func(p Pool) bool { return p.Name == want.Name && p.Protocol == want.Protocol })
		if i < 0 && d.adopted {
			i = d.byRole(want, have)
		}
		if i < 0 {
			d.add(CreatePool{LoadBalancerID: d.lb.ID, Pool: want, Tags: d.ownerTags()})
			d.pool(want, Pool{})
			continue
		}
		p := have[i]
		have = slices.Delete(have, i, i+1)
		d.poolID[want.Name] = p.ID
		if p.Down || p.Algorithm != want.Algorithm || p.TLS != want.TLS || p.Status == Error || !samePersistence(want.Persistence, p.Persistence) {
			d.add(UpdatePool{ID: p.ID, Pool: want})
		}
		d.pool(want, p)
	}
	for _, p := range have {
		d.last = append(d.last, DeletePool{ID: p.ID, Name: p.Name})
	}
}

// ownerTags mark what is the owner's on a load balancer that is not.
func (d *differ) ownerTags() []string {
	if !d.given {
		return nil
	}
	return d.owner.Tags()
}

// byRole finds the pool of an adopted load balancer that does what is wanted of
// one: a listener or a policy that is to send to the wanted one sends there.
func (d *differ) byRole(want loadbalancer.Pool, have []Pool) int {
	ids := map[string]bool{}
	for _, w := range d.desired.Listeners {
		i := slices.IndexFunc(d.lb.Listeners, func(l Listener) bool { return l.Protocol == w.Protocol && l.Port == w.Port })
		if i < 0 {
			continue
		}
		l := d.lb.Listeners[i]
		ids[l.DefaultPoolID] = ids[l.DefaultPoolID] || w.DefaultPool == want.Name
		for _, x := range w.Policies {
			for _, p := range l.Policies {
				ids[p.PoolID] = ids[p.PoolID] || x.Pool == want.Name && d.is(p, x)
			}
		}
	}
	return slices.IndexFunc(have, func(p Pool) bool { return ids[p.ID] && p.Protocol == want.Protocol })
}

func samePersistence(want, have *loadbalancer.Persistence) bool {
	if want == nil || have == nil {
		return want == have
	}
	return want.Type == have.Type && want.Cookie == have.Cookie && (want.Timeout == 0 || want.Timeout == have.Timeout)
}

// pool compares what is below a pool; have is empty for one that is about to be created.
func (d *differ) pool(want loadbalancer.Pool, have Pool) {
	if s := d.members(want, have); s.Added+s.Changed+s.Removed > 0 {
		d.add(s)
	}
	m := have.Monitor
	if m != nil && (want.Monitor == nil || m.Type != want.Monitor.Type) {
		d.add(DeleteMonitor{ID: m.ID, Pool: want.Name})
		m = nil
	}
	switch {
	case want.Monitor == nil:
	case m == nil:
		d.add(CreateMonitor{PoolID: have.ID, Pool: want.Name, Monitor: *want.Monitor})
	case m.Down || m.Status == Error || m.Monitor != *want.Monitor:
		d.add(UpdateMonitor{ID: m.ID, Pool: want.Name, Monitor: *want.Monitor})
	}
}
