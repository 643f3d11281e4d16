package sandbox

import (
	"slices"
)

// showWhole is the answer to a create: with everything below it in full.
func (c *Cloud) showWhole(lb *loadBalancer) object {
	o := c.showLoadBalancer(lb)
	listeners, pools := []object{}, []object{}
	for _, id := range lb.Listeners {
		l := c.state.Listeners[id]
		lo := c.showListener(l)
		delete(lo, "loadbalancers")
		policies := []object{}
		for _, id := range l.Policies {
			p := c.state.Policies[id]
			po := c.showPolicy(p)
			rules := []object{}
			for _, rule := range p.Rules {
				rules = append(rules, c.showRule(c.state.Rules[rule]))
			}
			po["rules"] = rules
			policies = append(policies, po)
		}
		lo["l7policies"] = policies
		listeners = append(listeners, lo)
	}
	for _, id := range lb.Pools {
		p := c.state.Pools[id]
		po := c.showPool(p)
		delete(po, "loadbalancers")
		delete(po, "healthmonitor_id")
		members := []object{}
		for _, m := range p.Members {
			members = append(members, c.showMember(c.state.Members[m]))
		}
		po["members"] = members
		po["healthmonitor"] = nil
		pools = append(pools, po)
	}
	o["listeners"], o["pools"] = listeners, pools
	return o
}

func (c *Cloud) statusTree(lb *loadBalancer) object {
	status := func(m *meta) object {
		return object{"id": m.ID, "name": m.Name, "provisioning_status": m.Provisioning, "operating_status": m.Operating}
	}
	out := status(&lb.meta)
	listeners := []object{}
	for _, id := range lb.Listeners {
		l := c.state.Listeners[id]
		lo := status(&l.meta)
		pools := []object{}
		for _, id := range lb.Pools {
			p := c.state.Pools[id]
			if !slices.Contains(c.state.listenersOf(p), l.ID) {
				continue
			}
			po := status(&p.meta)
			if m := c.state.Monitors[p.Monitor]; m != nil {
				mo := status(&m.meta)
				mo["type"] = m.Type
				po["health_monitor"] = mo
			}
			members := []object{}
			for _, id := range p.Members {
				m := c.state.Members[id]
				mo := status(&m.meta)
				mo["address"], mo["protocol_port"] = m.Address, m.Port
				members = append(members, mo)
			}
			po["members"] = members
			pools = append(pools, po)
		}
		lo["pools"] = pools
		listeners = append(listeners, lo)
	}
	out["listeners"] = listeners
	return out
}
