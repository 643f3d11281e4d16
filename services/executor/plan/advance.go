package plan

import (
	"slices"

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
	case CreateLoadBalancer:
		o.LoadBalancer = r.LoadBalancer
	case UpdateLoadBalancer:
		lb.Name, lb.Description, lb.Tags, lb.Down = s.Name, s.Description, s.Tags, false
	case DeleteLoadBalancer:
		o.LoadBalancer = nil
		for i := range o.FloatingIPs { // the port went with the load balancer
			o.FloatingIPs[i].PortID = ""
		}
	case CreateFloatingIP:
		o.FloatingIPs = append(o.FloatingIPs, *r.FloatingIP)
	case BindFloatingIP:
		for i := range o.FloatingIPs {
			if o.FloatingIPs[i].ID == s.ID {
				o.FloatingIPs[i].PortID = s.PortID
			}
		}
	case DeleteFloatingIP:
		o.FloatingIPs = slices.DeleteFunc(o.FloatingIPs, func(f FloatingIP) bool { return f.ID == s.ID })
	case CreatePool, UpdatePool, DeletePool, SetMembers, CreateMonitor, UpdateMonitor, DeleteMonitor:
		lb.advancePool(s, r)
	default:
		lb.advanceListener(s, r)
	}
	return o
}

func (lb *LoadBalancer) advancePool(s Step, r Result) {
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
		lb.Pools = append(lb.Pools, Pool{ID: r.ID, Status: Active, Name: s.Pool.Name, Protocol: s.Pool.Protocol, Algorithm: s.Pool.Algorithm})
	case UpdatePool:
		p := byID(s.ID)
		p.Algorithm, p.Down, p.Status = s.Pool.Algorithm, false, Active
	case DeletePool:
		lb.Pools = slices.DeleteFunc(lb.Pools, func(p Pool) bool { return p.ID == s.ID })
	case SetMembers:
		p := byID(s.PoolID)
		p.Members = nil
		for _, m := range s.Members {
			p.Members = append(p.Members, Member{Status: Active, Member: m})
		}
	case CreateMonitor:
		byID(s.PoolID).Monitor = &Monitor{ID: r.ID, Status: Active, Monitor: s.Monitor}
	case UpdateMonitor:
		byMonitor(s.ID).Monitor = &Monitor{ID: s.ID, Status: Active, Monitor: s.Monitor}
	case DeleteMonitor:
		byMonitor(s.ID).Monitor = nil
	}
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
		lb.Listeners = append(lb.Listeners, Listener{ID: r.ID, Status: Active, Name: s.Listener.Name, Protocol: s.Listener.Protocol,
			Port: s.Listener.Port, DefaultPoolID: s.DefaultPoolID, AllowedCIDRs: s.Listener.AllowedCIDRs})
	case UpdateListener:
		l := listener(s.ID)
		l.Name, l.DefaultPoolID, l.AllowedCIDRs, l.Down, l.Status = s.Listener.Name, s.DefaultPoolID, s.Listener.AllowedCIDRs, false, Active
	case DeleteListener:
		lb.Listeners = slices.DeleteFunc(lb.Listeners, func(l Listener) bool { return l.ID == s.ID })
	case CreatePolicy:
		l := listener(s.ListenerID)
		l.Policies = slices.Insert(l.Policies, min(s.Position-1, len(l.Policies)), Policy{ID: r.ID, Status: Active, Down: s.Down,
			Name: s.Policy.Name, Action: loadbalancer.RedirectToPool, PoolID: s.PoolID})
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

func (l *Listener) movePolicy(s UpdatePolicy) {
	i := slices.IndexFunc(l.Policies, func(p Policy) bool { return p.ID == s.ID })
	if i < 0 {
		return
	}
	p := l.Policies[i]
	p.PoolID, p.Down, p.Status = s.PoolID, false, Active
	l.Policies = slices.Delete(l.Policies, i, i+1)
	l.Policies = slices.Insert(l.Policies, min(s.Position-1, len(l.Policies)), p)
}

// clone copies what Advance changes.
func (o Observed) clone() Observed {
	o.FloatingIPs = slices.Clone(o.FloatingIPs)
	if o.LoadBalancer == nil {
		return o
	}
	lb := *o.LoadBalancer
	lb.Pools = slices.Clone(lb.Pools)
	lb.Listeners = slices.Clone(lb.Listeners)
	for i := range lb.Listeners {
		l := &lb.Listeners[i]
		l.Policies = slices.Clone(l.Policies)
		for j := range l.Policies {
			l.Policies[j].Rules = slices.Clone(l.Policies[j].Rules)
		}
	}
	o.LoadBalancer = &lb
	return o
}
