package plan

import (
	"cmp"
	"slices"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
)

// Result is what the cloud answered to a step.
type Result struct {
	ID           string        // of what was created
	LoadBalancer *LoadBalancer // the answer to CreateLoadBalancer, with all below it
	FloatingIP   *FloatingIP   // the answer to CreateFloatingIP
}

// Advance is what stands once a step is done and has settled. It spares a deep
// read after every step; what it cannot know (a change that another made
// meanwhile) moves the load balancer's UpdatedAt and is read then. The argument
// is not changed.
func Advance(o Observed, s Step, r Result) Observed {
	o = o.clone()
	lb := o.LoadBalancer
	switch s := s.(type) {
	case CreateSecret:
		o.Secrets = append(slices.Clone(o.Secrets), Secret{Ref: r.ID, Name: s.Name})
	case DeleteSecret:
		o.Secrets = slices.DeleteFunc(slices.Clone(o.Secrets), func(x Secret) bool { return x.Ref == s.Ref })
	case CreateLoadBalancer:
		if lb != nil {
			o.Old = lb
		}
		o.LoadBalancer = r.LoadBalancer
	case UpdateLoadBalancer:
		lb.Name, lb.Description, lb.Tags, lb.Down = s.Name, s.Description, s.Tags, false
	case DeleteLoadBalancer:
		o.delete(s.ID)
	case CreateFloatingIP:
		o.FloatingIPs = append(o.FloatingIPs, *r.FloatingIP)
	case BindFloatingIP, DeleteFloatingIP, ReleaseFloatingIP:
		o.advanceFloatingIP(s)
	case CreatePool, UpdatePool, DeletePool, SetMembers, CreateMonitor, UpdateMonitor, DeleteMonitor:
		o.below(s).advancePool(s, r, o.Now)
	default:
		o.below(s).advanceListener(s, r)
	}
	return o
}

// delete takes a load balancer away, and its port with it.
func (o *Observed) delete(id string) {
	which := &o.LoadBalancer
	if o.Old != nil && o.Old.ID == id {
		which = &o.Old
	}
	port := (*which).PortID
	for i := range o.FloatingIPs {
		if o.FloatingIPs[i].PortID == port {
			o.FloatingIPs[i].PortID = ""
		}
	}
	*which = nil
}

// below is the load balancer that a step changes something of: the one that
// serves, unless what is removed is on the one that it replaces.
func (o *Observed) below(s Step) *LoadBalancer {
	old := false
	if o.Old != nil {
		switch s := s.(type) {
		case DeleteListener:
			old = slices.ContainsFunc(o.Old.Listeners, func(l Listener) bool { return l.ID == s.ID })
		case DeletePool:
			old = slices.ContainsFunc(o.Old.Pools, func(p Pool) bool { return p.ID == s.ID })
		}
	}
	if old {
		return o.Old
	}
	return o.LoadBalancer
}

func (o *Observed) advanceFloatingIP(s Step) {
	find := func(id string) *FloatingIP {
		if i := slices.IndexFunc(o.FloatingIPs, func(f FloatingIP) bool { return f.ID == id }); i >= 0 {
			return &o.FloatingIPs[i]
		}
		return &FloatingIP{}
	}
	switch s := s.(type) {
	case BindFloatingIP:
		find(s.ID).PortID = s.PortID
	case DeleteFloatingIP:
		o.FloatingIPs = slices.DeleteFunc(o.FloatingIPs, func(f FloatingIP) bool { return f.ID == s.ID })
	case ReleaseFloatingIP:
		f := find(s.ID)
		f.Description = cmp.Or(s.Description, f.Description)
		if s.Unbind {
			o.FloatingIPs = slices.DeleteFunc(o.FloatingIPs, func(f FloatingIP) bool { return f.ID == s.ID })
		}
	}
}

func (lb *LoadBalancer) advancePool(s Step, r Result, now time.Time) {
	pool := func(match func(Pool) bool) *Pool {
		if i := slices.IndexFunc(lb.Pools, match); i >= 0 {
			return &lb.Pools[i]
		}
		return &Pool{}
	}
	byID := func(id string) *Pool { return pool(func(p Pool) bool { return p.ID == id }) }
	byMonitor := func(id string) *Pool {
		return pool(func(p Pool) bool { return p.Monitor != nil && p.Monitor.ID == id })
	}
	switch s := s.(type) {
	case CreatePool:
		lb.Pools = append(lb.Pools, Pool{ID: r.ID, Status: Active, Name: s.Pool.Name, Tags: s.Tags, Protocol: s.Pool.Protocol,
			TLS: s.Pool.TLS, Algorithm: s.Pool.Algorithm, Persistence: s.Pool.Persistence})
	case UpdatePool:
		p := byID(s.ID)
		p.Algorithm, p.TLS, p.Persistence, p.Down, p.Status = s.Pool.Algorithm, s.Pool.TLS, s.Pool.Persistence, false, Active
	case DeletePool:
		lb.Pools = slices.DeleteFunc(lb.Pools, func(p Pool) bool { return p.ID == s.ID })
	case SetMembers:
		p := byID(s.PoolID)
		p.Members = advanceMembers(p.Members, s.Members, now)
	case CreateMonitor:
		byID(s.PoolID).Monitor = &Monitor{ID: r.ID, Status: Active, Monitor: s.Monitor}
	case UpdateMonitor:
		byMonitor(s.ID).Monitor = &Monitor{ID: s.ID, Status: Active, Monitor: s.Monitor}
	case DeleteMonitor:
		byMonitor(s.ID).Monitor = nil
	}
}

func advanceMembers(have []Member, set []loadbalancer.Member, now time.Time) (out []Member) {
	for _, m := range set {
		x := Member{Status: Active, UpdatedAt: now, Member: m}
		i := slices.IndexFunc(have, func(h Member) bool { return h.Address == m.Address && h.Port == m.Port })
		if i >= 0 {
			x.ID = have[i].ID
		}
		if i >= 0 && !have[i].Foreign && have[i].Member == m {
			x.UpdatedAt = have[i].UpdatedAt
		}
		out = append(out, x)
	}
	return out
}

// clone copies what Advance changes.
func (o Observed) clone() Observed {
	o.FloatingIPs = slices.Clone(o.FloatingIPs)
	o.LoadBalancer, o.Old = o.LoadBalancer.clone(), o.Old.clone()
	return o
}

func (lb *LoadBalancer) clone() *LoadBalancer {
	if lb == nil {
		return nil
	}
	out := *lb
	out.Pools = slices.Clone(out.Pools)
	out.Listeners = slices.Clone(out.Listeners)
	for i := range out.Listeners {
		l := &out.Listeners[i]
		l.Policies = slices.Clone(l.Policies)
		for j := range l.Policies {
			l.Policies[j].Rules = slices.Clone(l.Policies[j].Rules)
		}
	}
	return &out
}
