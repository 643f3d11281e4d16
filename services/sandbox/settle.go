package sandbox

import (
	"slices"
	"time"
)

// lock takes a load balancer for a change of one of its children, as
// Octavia's test_and_set_lb_and_listeners_prov_status does: only an ACTIVE one
// can be taken; the listeners and parents concerned go to PENDING_UPDATE too.
func (c *Cloud) lock(r *request, lb *loadBalancer, parents ...*meta) error {
	if lb.Provisioning != Active {
		return immutable("Load Balancer", lb.ID)
	}
	lb.Provisioning = PendingUpdate
	lb.touch(r.now)
	for _, p := range parents {
		p.Provisioning = PendingUpdate
		p.touch(r.now)
	}
	c.settleLater(lb.ID)
	return nil
}

// stick is for a change that the real worker never ends when a certificate of
// the load balancer is gone: of a pool, its members or its monitor, a new
// listener, and a cascading delete. The load balancer stays PENDING until an
// operator steps in (SetStatus).
func (c *Cloud) stick(lb *loadBalancer) {
	lb.Stuck = len(c.brokenOf(lb)) > 0
}

// fails: the worker cannot write the rules of a security group that has
// sources of one family for VIPs of two, and gives the load balancer up.
func (c *Cloud) fails(lb *loadBalancer) bool {
	return lb.Provider == amphora && lb.mixed() && slices.ContainsFunc(lb.Listeners, func(id string) bool {
		return len(c.state.Listeners[id].AllowedCIDRs) > 0
	})
}

// settleLater lets the PENDING state of a load balancer end after the
// configured time.
func (c *Cloud) settleLater(id string) {
	if old := c.timers[id]; old != nil {
		old.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(c.cfg.Pending, func() {
		c.mu.Lock()
		if c.closed || c.timers[id] != t { // another change, or SetStatus, took over
			c.mu.Unlock()
			return
		}
		delete(c.timers, id)
		c.settle(id)
		version := c.changed()
		c.mu.Unlock()
		c.persist(version)
	})
	c.timers[id] = t
}

// Settle ends the PENDING states of all load balancers at once, for tests that
// play with a long Pending. What SetStatus made pending stays.
func (c *Cloud) Settle() error {
	c.mu.Lock()
	for id, t := range c.timers {
		t.Stop()
		delete(c.timers, id)
		c.settle(id)
	}
	version := c.changed()
	c.mu.Unlock()
	return c.saver.save(version, c.snapshot)
}

// settle ends every PENDING state of a load balancer and its children, but for
// what is stuck.
func (c *Cloud) settle(id string) {
	lb := c.state.LoadBalancers[id]
	if lb == nil || lb.Stuck {
		return
	}
	if c.fails(lb) && lb.Provisioning != Error {
		c.state.tree(lb, func(_ string, m *meta) {
			if m.Provisioning != Active {
				m.Provisioning = Error
			}
		})
		lb.Provisioning = Error
		lb.touch(c.now())
		return
	}
	if lb.Provisioning == PendingDelete {
		c.state.dropLoadBalancer(id)
		c.plane.remove(id)
		return
	}
	now := c.now()
	stick := lb.Whole && c.cfg.WholeCreateBroken
	lb.Whole = false
	var gone []func()
	c.state.tree(lb, func(kind string, m *meta) {
		switch {
		case m.Stuck || m.Provisioning != PendingCreate && m.Provisioning != PendingUpdate && m.Provisioning != PendingDelete:
			return
		case stick:
			m.Stuck = true
			return
		case m.Provisioning == PendingDelete:
			gone = append(gone, func() { c.drop(kind, m.ID) })
			return
		}
		m.Provisioning = Active
		m.touch(now)
	})
	for _, drop := range gone {
		drop()
	}
	if lb.Provisioning == PendingCreate || lb.Provisioning == PendingUpdate {
		lb.Provisioning = Active
		lb.touch(now)
	}
	c.operate(lb)
	c.plane.apply(id, true)
}

func (c *Cloud) drop(kind, id string) {
	switch kind {
	case "pool":
		c.state.dropPool(id)
	case "healthmonitor":
		c.state.dropMonitor(id)
	case "member":
		c.state.dropMember(id)
	case "listener":
		c.state.dropListener(id)
	case "l7policy":
		c.state.dropPolicy(id)
	case "l7rule":
		c.state.dropRule(id)
	}
}

// operate works out the operating states as a health manager does from an
// amphora's heartbeat. Who is told apart from a member's own state, which the
// health checks of the data plane set.
func (c *Cloud) operate(lb *loadBalancer) {
	now := c.now()
	to := func(m *meta, status string) {
		if !m.Enabled {
			status = offline
		}
		if m.Operating != status {
			m.Operating = status
			m.touch(now)
			lb.touch(now)
		}
	}
	whole := online
	for _, id := range lb.Pools {
		p := c.state.Pools[id]
		if p.Monitor != "" {
			to(&c.state.Monitors[p.Monitor].meta, online)
		}
		up, down := 0, 0
		for _, m := range p.Members {
			m := c.state.Members[m]
			to(&m.meta, c.memberStatus(p, m))
			switch m.Operating {
			case Error:
				down++
			case online, noMonitor:
				up++
			}
		}
		status := online
		switch {
		case len(c.state.listenersOf(p)) == 0:
			status = offline
		case down > 0 && up == 0:
			status = Error
		case down > 0:
			status = degraded
		}
		to(&p.meta, status)
		if status == Error || status == degraded {
			whole = degraded
		}
	}
	for _, id := range lb.Listeners {
		l := c.state.Listeners[id]
		status := online
		if p := c.state.Pools[l.DefaultPool]; p != nil && (p.Operating == Error || p.Operating == degraded) {
			status = degraded
		}
		to(&l.meta, status)
		for _, policy := range l.Policies {
			to(&c.state.Policies[policy].meta, online)
			for _, rule := range c.state.Policies[policy].Rules {
				to(&c.state.Rules[rule].meta, online)
			}
		}
	}
	to(&lb.meta, whole)
}

// memberStatus is what a heartbeat says of a member: the data plane's check
// where there is one, else the best.
func (c *Cloud) memberStatus(p *pool, m *member) string {
	switch {
	case p.Monitor == "":
		return noMonitor
	case !c.cfg.DataPlane:
		if m.Weight == 0 {
			return draining
		}
		return online
	}
	status := c.plane.health(m.ID)
	if status == online && m.Weight == 0 {
		return draining
	}
	return status
}

// insertAt puts an id at a position counted from 1; 0 or beyond the end appends.
func insertAt(list []string, id string, position int) []string {
	if position < 1 || position > len(list) {
		return append(list, id)
	}
	return slices.Insert(list, position-1, id)
}
