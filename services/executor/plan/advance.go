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

func (lb *LoadBalancer) advanceListener(s Step, r Result) {
	listener := func(id string) *Listener {
		if i := slices.IndexFunc(lb.Listeners, func(l Listener) bool { return l.ID == id }); i >= 0 {
			return &lb.Listeners[i]
		}
		return &Listener{}
	}
	switch s := s.(type) {
	case CreateListener:
		l := Listener{ID: r.ID, Status: Active, Protocol: s.Listener.Protocol, Port: s.Listener.Port}
		l.set(s.Listener, s.DefaultPoolID, s.Refs, s.Tags)
		lb.Listeners = append(lb.Listeners, l)
	case UpdateListener:
		l := listener(s.ID)
		l.reset(s.Reset)
		l.set(s.Listener, s.DefaultPoolID, s.Refs, s.Tags)
	case DeleteListener:
		lb.Listeners = slices.DeleteFunc(lb.Listeners, func(l Listener) bool { return l.ID == s.ID })
	case CreatePolicy:
		l := listener(s.ListenerID)
		l.Policies = slices.Insert(l.Policies, min(s.Position-1, len(l.Policies)), Policy{ID: r.ID, Status: Active, Down: s.Down,
			Name: s.Policy.Name, Action: action(s.Policy), PoolID: s.PoolID, Redirect: s.Policy.Redirect, Code: s.Policy.Code})
	case CreateRule:
		for i := range lb.Listeners {
			for j := range lb.Listeners[i].Policies {
				if p := &lb.Listeners[i].Policies[j]; p.ID == s.PolicyID {
					p.Rules = append(p.Rules, Rule{ID: r.ID, Status: Active, Rule: s.Rule})
				}
			}
		}
	case UpdatePolicy:
		for i := range lb.Listeners {
			lb.Listeners[i].movePolicy(s)
		}
	case DeletePolicy:
		for i := range lb.Listeners {
			l := &lb.Listeners[i]
			l.Policies = slices.DeleteFunc(l.Policies, func(p Policy) bool { return p.ID == s.ID })
		}
	}
}

// set gives a listener what a step says. What is left to the operator stays.
func (l *Listener) set(want loadbalancer.Listener, pool string, refs, tags []string) {
	l.Name, l.DefaultPoolID, l.AllowedCIDRs, l.Tags, l.Down, l.Status = want.Name, pool, want.AllowedCIDRs, tags, false, Active
	l.Certificates, l.Refs = shown(want.Certificates, refs)
	l.HSTS, l.Headers = want.HSTS, want.Headers
	if len(want.TLSVersions) > 0 {
		l.TLSVersions = want.TLSVersions
	}
	l.TLSCiphers = cmp.Or(want.TLSCiphers, l.TLSCiphers)
	l.Timeouts = loadbalancer.Timeouts{
		ClientData:    cmp.Or(want.Timeouts.ClientData, l.Timeouts.ClientData),
		MemberConnect: cmp.Or(want.Timeouts.MemberConnect, l.Timeouts.MemberConnect),
		MemberData:    cmp.Or(want.Timeouts.MemberData, l.Timeouts.MemberData),
		TCPInspect:    cmp.Or(want.Timeouts.TCPInspect, l.Timeouts.TCPInspect),
	}
	l.ConnectionLimit = cmp.Or(want.ConnectionLimit, l.ConnectionLimit)
}

// reset gives settings back to the operator: what they are then is not known.
func (l *Listener) reset(names []string) {
	for _, name := range names {
		switch name {
		case loadbalancer.ClientData:
			l.Timeouts.ClientData = nil
		case loadbalancer.MemberConnect:
			l.Timeouts.MemberConnect = nil
		case loadbalancer.MemberData:
			l.Timeouts.MemberData = nil
		case loadbalancer.TCPInspect:
			l.Timeouts.TCPInspect = nil
		case loadbalancer.ConnectionLimit:
			l.ConnectionLimit = nil
		case loadbalancer.TLSVersions:
			l.TLSVersions = nil
		case loadbalancer.TLSCiphers:
			l.TLSCiphers = ""
		}
	}
}

func (l *Listener) movePolicy(s UpdatePolicy) {
	i := slices.IndexFunc(l.Policies, func(p Policy) bool { return p.ID == s.ID })
	if i < 0 {
		return
	}
	p := l.Policies[i]
	p.Action, p.PoolID, p.Redirect, p.Code = action(s.Policy), s.PoolID, s.Policy.Redirect, s.Policy.Code
	p.Down, p.Status = false, Active
	l.Policies = slices.Delete(l.Policies, i, i+1)
	l.Policies = slices.Insert(l.Policies, min(s.Position-1, len(l.Policies)), p)
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
