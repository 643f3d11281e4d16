package plan

import (
	"cmp"
	"slices"

	"drawbridge.dev/services/executor/loadbalancer"
)

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
