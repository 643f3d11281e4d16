package plan

import (
	"cmp"
	"slices"

	"drawbridge.dev/services/executor/loadbalancer"
)

// Diff is the steps that lead from observed to desired (nil: nothing may
// stand), in the order in which they must be taken: what is referred to comes
// before what refers to it, and goes after it. No steps: nothing is to be done.
// None of them may be sent while the load balancer is pending. Where [Blocked]
// speaks, no step leads there and Diff answers none.
func Diff(desired *loadbalancer.LoadBalancer, o Observed) []Step {
	lb := o.LoadBalancer
	switch {
	case desired == nil:
		return remove(o)
	case Blocked(desired, o) != "":
		return nil
	case lb == nil:
		return append([]Step{CreateLoadBalancer{LoadBalancer: *desired, Whole: !o.Stepwise}}, floatingIP(desired, o, "")...)
	case lb.Status == Error || o.Stuck():
		why := "its creation failed"
		if lb.Status != Error {
			why = "its creation got stuck"
		}
		o.LoadBalancer = nil
		return append([]Step{DeleteLoadBalancer{ID: lb.ID, Name: lb.Name, Why: why}}, Diff(desired, o)...)
	}
	d := &differ{desired: desired, lb: lb, poolID: map[string]string{}}
	d.loadBalancer()
	d.pools()
	d.listeners()
	return slices.Concat(d.steps, d.last, floatingIP(desired, o, lb.PortID))
}

func remove(o Observed) (steps []Step) {
	for _, f := range o.FloatingIPs {
		steps = append(steps, DeleteFloatingIP{ID: f.ID, Address: f.Address})
	}
	if o.LoadBalancer != nil {
		steps = append(steps, DeleteLoadBalancer{ID: o.LoadBalancer.ID, Name: o.LoadBalancer.Name, Why: "it is not wanted any more"})
	}
	return steps
}

// floatingIP keeps one floating IP, if one is wanted. Its address is never
// changed: that another external network is configured since changes nothing.
func floatingIP(desired *loadbalancer.LoadBalancer, o Observed, port string) (steps []Step) {
	have := slices.Clone(o.FloatingIPs)
	slices.SortFunc(have, func(a, b FloatingIP) int {
		return cmp.Or(-cmp.Compare(bit(a.PortID == port), bit(b.PortID == port)), cmp.Compare(a.ID, b.ID))
	})
	if desired.FloatingNetworkID != "" {
		if len(have) == 0 {
			return []Step{CreateFloatingIP{NetworkID: desired.FloatingNetworkID, PortID: port, Description: desired.FloatingIPDescription}}
		}
		if have[0].PortID != port || port == "" {
			steps = append(steps, BindFloatingIP{ID: have[0].ID, Address: have[0].Address, PortID: port})
		}
		have = have[1:]
	}
	for _, f := range have {
		steps = append(steps, DeleteFloatingIP{ID: f.ID, Address: f.Address})
	}
	return steps
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// differ collects the steps below one load balancer.
type differ struct {
	desired *loadbalancer.LoadBalancer
	lb      *LoadBalancer
	poolID  map[string]string // of desired pools that exist, by name
	steps   []Step
	last    []Step // removals of what others referred to
}

func (d *differ) add(s Step) { d.steps = append(d.steps, s) }

func (d *differ) loadBalancer() {
	tags := slices.Clone(d.lb.Tags)
	for _, t := range d.desired.Tags {
		if !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	if d.lb.Down || d.lb.Name != d.desired.Name || d.lb.Description != d.desired.Description || len(tags) != len(d.lb.Tags) {
		d.add(UpdateLoadBalancer{ID: d.lb.ID, Name: d.desired.Name, Description: d.desired.Description, Tags: tags})
	}
}

func (d *differ) pools() {
	have := slices.Clone(d.lb.Pools)
	slices.SortFunc(have, func(a, b Pool) int { return cmp.Compare(a.ID, b.ID) })
	for _, want := range d.desired.Pools {
		i := slices.IndexFunc(have, func(p Pool) bool { return p.Name == want.Name && p.Protocol == want.Protocol })
		if i < 0 {
			d.add(CreatePool{LoadBalancerID: d.lb.ID, Pool: want})
			d.pool(want, Pool{})
			continue
		}
		p := have[i]
		have = slices.Delete(have, i, i+1)
		d.poolID[want.Name] = p.ID
		if p.Down || p.Algorithm != want.Algorithm || p.Status == Error {
			d.add(UpdatePool{ID: p.ID, Pool: want})
		}
		d.pool(want, p)
	}
	for _, p := range have {
		d.last = append(d.last, DeletePool{ID: p.ID, Name: p.Name})
	}
}

// pool compares what is below a pool; have is empty for one that is about to be created.
func (d *differ) pool(want loadbalancer.Pool, have Pool) {
	if s := members(want, have); s.Added+s.Changed+s.Removed > 0 {
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

func members(want loadbalancer.Pool, have Pool) SetMembers {
	type address struct {
		ip   string
		port int
	}
	s := SetMembers{PoolID: have.ID, Pool: want.Name, Members: want.Members}
	old := map[address]Member{}
	for _, m := range have.Members {
		old[address{m.Address, m.Port}] = m
	}
	s.Removed = len(have.Members) - len(old)
	for _, m := range want.Members {
		a := address{m.Address, m.Port}
		switch o, ok := old[a]; {
		case !ok:
			s.Added++
		case o.Foreign || o.Status == Error || o.Member != m:
			s.Changed++
		}
		delete(old, a)
	}
	s.Removed += len(old)
	return s
}

func (d *differ) listeners() {
	have := slices.Clone(d.lb.Listeners)
	slices.SortFunc(have, func(a, b Listener) int { return cmp.Compare(a.ID, b.ID) })
	type pair struct {
		want loadbalancer.Listener
		have Listener
	}
	var pairs []pair
	for _, want := range d.desired.Listeners {
		i := slices.IndexFunc(have, func(l Listener) bool { return l.Protocol == want.Protocol && l.Port == want.Port })
		if i < 0 {
			pairs = append(pairs, pair{want: want})
			continue
		}
		pairs = append(pairs, pair{want, have[i]})
		have = slices.Delete(have, i, i+1)
	}
	for _, l := range have {
		d.add(DeleteListener{ID: l.ID, Name: l.Name})
	}
	for _, p := range pairs {
		pool := d.poolID[p.want.DefaultPool]
		switch {
		case p.have.ID == "":
			d.add(CreateListener{LoadBalancerID: d.lb.ID, Listener: p.want, DefaultPoolID: pool})
		case p.have.Down || p.have.Status == Error || p.have.Name != p.want.Name ||
			p.have.DefaultPoolID != pool || p.want.DefaultPool != "" && pool == "" ||
			!slices.Equal(p.have.AllowedCIDRs, p.want.AllowedCIDRs):
			d.add(UpdateListener{ID: p.have.ID, Listener: p.want, DefaultPoolID: pool})
		}
		d.policies(p.want, p.have)
	}
}
