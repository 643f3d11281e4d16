package plan_test

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
)

// octavia is a cloud with Octavia's rules, as far as a plan can break them:
// what is pending is immutable, ports and references are checked, positions
// shift, nothing below a load balancer is created with things below it.
type octavia struct {
	state    plan.Observed
	next     int
	breaks   bool // a whole create leaves what is below it pending
	fails    bool // the next create of a load balancer ends in ERROR
	settling plan.Status
	writes   []string
}

func (c *octavia) id(kind string) string {
	c.next++
	return fmt.Sprintf("%s-%d", kind, c.next)
}

// settle ends whatever is pending.
func (c *octavia) settle() {
	lb := c.state.LoadBalancer
	if lb == nil || !lb.Status.Pending() {
		return
	}
	if c.settling == plan.Deleted {
		c.state.LoadBalancer = nil
		for i := range c.state.FloatingIPs {
			c.state.FloatingIPs[i].PortID = ""
		}
		return
	}
	lb.Status = c.settling
}

// observe is a deep read.
func (c *octavia) observe() plan.Observed { return copyOf(c.state) }

func copyOf(o plan.Observed) plan.Observed {
	o.FloatingIPs = slices.Clone(o.FloatingIPs)
	if o.LoadBalancer == nil {
		return o
	}
	lb := *o.LoadBalancer
	lb.Tags, lb.Pools, lb.Listeners = slices.Clone(lb.Tags), slices.Clone(lb.Pools), slices.Clone(lb.Listeners)
	for i := range lb.Pools {
		lb.Pools[i].Members = slices.Clone(lb.Pools[i].Members)
		if m := lb.Pools[i].Monitor; m != nil {
			n := *m
			lb.Pools[i].Monitor = &n
		}
	}
	for i := range lb.Listeners {
		lb.Listeners[i].Policies = slices.Clone(lb.Listeners[i].Policies)
		for j := range lb.Listeners[i].Policies {
			lb.Listeners[i].Policies[j].Rules = slices.Clone(lb.Listeners[i].Policies[j].Rules)
		}
	}
	o.LoadBalancer = &lb
	return o
}

// apply takes a step, or says with which of Octavia's rules it collides.
func (c *octavia) apply(s plan.Step) (plan.Result, error) {
	c.writes = append(c.writes, s.Describe())
	lb := c.state.LoadBalancer
	switch s := s.(type) {
	case plan.CreateFloatingIP:
		if lb == nil || s.PortID != lb.PortID {
			return plan.Result{}, fmt.Errorf("404: no port %q", s.PortID)
		}
		f := plan.FloatingIP{ID: c.id("fip"), Address: "203.0.113.1", NetworkID: s.NetworkID, PortID: s.PortID}
		c.state.FloatingIPs = append(c.state.FloatingIPs, f)
		return plan.Result{ID: f.ID, FloatingIP: &f}, nil
	case plan.BindFloatingIP:
		i := slices.IndexFunc(c.state.FloatingIPs, func(f plan.FloatingIP) bool { return f.ID == s.ID })
		if i < 0 || lb == nil || s.PortID != lb.PortID {
			return plan.Result{}, fmt.Errorf("404: no floating IP %q or no port %q", s.ID, s.PortID)
		}
		c.state.FloatingIPs[i].PortID = s.PortID
		return plan.Result{}, nil
	case plan.DeleteFloatingIP:
		n := len(c.state.FloatingIPs)
		c.state.FloatingIPs = slices.DeleteFunc(c.state.FloatingIPs, func(f plan.FloatingIP) bool { return f.ID == s.ID })
		if len(c.state.FloatingIPs) == n {
			return plan.Result{}, fmt.Errorf("404: no floating IP %q", s.ID)
		}
		return plan.Result{}, nil
	case plan.CreateLoadBalancer:
		if lb != nil {
			return plan.Result{}, fmt.Errorf("a second load balancer")
		}
		return c.create(s), nil
	}
	if lb == nil || lb.Status.Pending() || lb.Status == plan.Error && !isDelete(s) {
		return plan.Result{}, fmt.Errorf("409: the load balancer is immutable")
	}
	before := copyOf(c.state)
	r, err := c.change(s)
	if err != nil {
		c.state = before
		return r, err
	}
	lb.Status, c.settling = "PENDING_UPDATE", plan.Active
	if isDelete(s) {
		lb.Status, c.settling = "PENDING_DELETE", plan.Deleted
	}
	return r, nil
}

func isDelete(s plan.Step) bool { _, ok := s.(plan.DeleteLoadBalancer); return ok }

func (c *octavia) create(s plan.CreateLoadBalancer) plan.Result {
	d := s.LoadBalancer
	lb := &plan.LoadBalancer{ID: c.id("lb"), Status: "PENDING_CREATE", Name: d.Name, Description: d.Description,
		Tags: d.Tags, PortID: c.id("port"), Fresh: true}
	c.state.LoadBalancer, c.settling = lb, plan.Active
	if c.fails {
		c.settling, c.fails = plan.Error, false
	}
	if s.Whole {
		c.below(lb, d)
	}
	answer := copyOf(c.state).LoadBalancer
	return plan.Result{ID: lb.ID, LoadBalancer: answer}
}

func (c *octavia) below(lb *plan.LoadBalancer, d loadbalancer.LoadBalancer) {
	status := plan.Active
	if c.breaks {
		status = "PENDING_CREATE"
	}
	ids := map[string]string{}
	for _, p := range d.Pools {
		x := plan.Pool{ID: c.id("pool"), Status: status, Name: p.Name, Protocol: p.Protocol, Algorithm: p.Algorithm}
		ids[p.Name] = x.ID
		for _, m := range p.Members {
			x.Members = append(x.Members, plan.Member{Status: status, Member: m})
		}
		if p.Monitor != nil {
			x.Monitor = &plan.Monitor{ID: c.id("monitor"), Status: status, Monitor: *p.Monitor}
		}
		lb.Pools = append(lb.Pools, x)
	}
	for _, l := range d.Listeners {
		x := plan.Listener{ID: c.id("listener"), Status: status, Name: l.Name, Protocol: l.Protocol, Port: l.Port,
			DefaultPoolID: ids[l.DefaultPool], AllowedCIDRs: l.AllowedCIDRs}
		for _, p := range l.Policies {
			y := plan.Policy{ID: c.id("policy"), Status: status, Name: p.Name, Action: loadbalancer.RedirectToPool, PoolID: ids[p.Pool]}
			for _, r := range p.Rules {
				y.Rules = append(y.Rules, plan.Rule{ID: c.id("rule"), Status: status, Rule: r})
			}
			x.Policies = append(x.Policies, y)
		}
		lb.Listeners = append(lb.Listeners, x)
	}
}

func (c *octavia) change(s plan.Step) (plan.Result, error) {
	lb := c.state.LoadBalancer
	pool := func(id string) (*plan.Pool, error) {
		for i := range lb.Pools {
			if lb.Pools[i].ID == id {
				return &lb.Pools[i], nil
			}
		}
		return nil, fmt.Errorf("404: no pool %q", id)
	}
	monitorOf := func(id string) (*plan.Pool, error) {
		for i := range lb.Pools {
			if m := lb.Pools[i].Monitor; m != nil && m.ID == id {
				return &lb.Pools[i], nil
			}
		}
		return nil, fmt.Errorf("404: no monitor %q", id)
	}
	switch s := s.(type) {
	case plan.DeleteLoadBalancer:
		if s.ID != lb.ID {
			return plan.Result{}, fmt.Errorf("404: no load balancer %q", s.ID)
		}
		return plan.Result{}, nil
	case plan.UpdateLoadBalancer:
		lb.Name, lb.Description, lb.Tags, lb.Down = s.Name, s.Description, s.Tags, false
		return plan.Result{}, nil
	case plan.CreatePool:
		p := plan.Pool{ID: c.id("pool"), Status: plan.Active, Name: s.Pool.Name, Protocol: s.Pool.Protocol, Algorithm: s.Pool.Algorithm}
		lb.Pools = append(lb.Pools, p)
		return plan.Result{ID: p.ID}, nil
	case plan.UpdatePool:
		p, err := pool(s.ID)
		if err == nil {
			p.Algorithm, p.Down, p.Status = s.Pool.Algorithm, false, plan.Active
		}
		return plan.Result{}, err
	case plan.DeletePool:
		if _, err := pool(s.ID); err != nil {
			return plan.Result{}, err
		}
		for i, l := range lb.Listeners {
			if l.DefaultPoolID == s.ID {
				return plan.Result{}, fmt.Errorf("pool %q is the default of listener %q", s.ID, lb.Listeners[i].ID)
			}
			for _, p := range l.Policies {
				if p.PoolID == s.ID {
					return plan.Result{}, fmt.Errorf("409: pool %q is in use by L7 policy %q", s.ID, p.ID)
				}
			}
		}
		lb.Pools = slices.DeleteFunc(lb.Pools, func(p plan.Pool) bool { return p.ID == s.ID })
		return plan.Result{}, nil
	case plan.SetMembers:
		p, err := pool(s.PoolID)
		if err != nil {
			return plan.Result{}, err
		}
		p.Members = nil
		for _, m := range s.Members {
			p.Members = append(p.Members, plan.Member{Status: plan.Active, Member: m})
		}
		return plan.Result{}, nil
	case plan.CreateMonitor:
		p, err := pool(s.PoolID)
		if err == nil && p.Monitor != nil {
			err = fmt.Errorf("409: pool %q has a monitor", p.ID)
		}
		if err != nil {
			return plan.Result{}, err
		}
		p.Monitor = &plan.Monitor{ID: c.id("monitor"), Status: plan.Active, Monitor: s.Monitor}
		return plan.Result{ID: p.Monitor.ID}, nil
	case plan.UpdateMonitor:
		p, err := monitorOf(s.ID)
		if err == nil && p.Monitor.Type != s.Monitor.Type {
			err = fmt.Errorf("400: the type of a monitor is immutable")
		}
		if err != nil {
			return plan.Result{}, err
		}
		p.Monitor = &plan.Monitor{ID: s.ID, Status: plan.Active, Monitor: s.Monitor}
		return plan.Result{}, nil
	case plan.DeleteMonitor:
		p, err := monitorOf(s.ID)
		if err == nil {
			p.Monitor = nil
		}
		return plan.Result{}, err
	}
	return c.changeListener(s, pool)
}

func (c *octavia) changeListener(s plan.Step, pool func(string) (*plan.Pool, error)) (plan.Result, error) {
	lb := c.state.LoadBalancer
	listener := func(id string) (*plan.Listener, error) {
		for i := range lb.Listeners {
			if lb.Listeners[i].ID == id {
				return &lb.Listeners[i], nil
			}
		}
		return nil, fmt.Errorf("404: no listener %q", id)
	}
	policy := func(id string) (*plan.Listener, int, error) {
		for i := range lb.Listeners {
			for j, p := range lb.Listeners[i].Policies {
				if p.ID == id {
					return &lb.Listeners[i], j, nil
				}
			}
		}
		return nil, 0, fmt.Errorf("404: no policy %q", id)
	}
	defaultPool := func(name, id string) error {
		if name == "" && id == "" {
			return nil
		}
		_, err := pool(id)
		return err
	}
	switch s := s.(type) {
	case plan.CreateListener:
		for _, l := range lb.Listeners {
			if l.Port == s.Listener.Port && loadbalancer.Family(l.Protocol) == loadbalancer.Family(s.Listener.Protocol) {
				return plan.Result{}, fmt.Errorf("409: port %d is taken", l.Port)
			}
		}
		l := plan.Listener{ID: c.id("listener"), Status: plan.Active, Name: s.Listener.Name, Protocol: s.Listener.Protocol,
			Port: s.Listener.Port, DefaultPoolID: s.DefaultPoolID, AllowedCIDRs: s.Listener.AllowedCIDRs}
		lb.Listeners = append(lb.Listeners, l)
		return plan.Result{ID: l.ID}, defaultPool(s.Listener.DefaultPool, s.DefaultPoolID)
	case plan.UpdateListener:
		l, err := listener(s.ID)
		if err != nil {
			return plan.Result{}, err
		}
		l.Name, l.DefaultPoolID, l.AllowedCIDRs, l.Down, l.Status = s.Listener.Name, s.DefaultPoolID, s.Listener.AllowedCIDRs, false, plan.Active
		return plan.Result{}, defaultPool(s.Listener.DefaultPool, s.DefaultPoolID)
	case plan.DeleteListener:
		_, err := listener(s.ID)
		lb.Listeners = slices.DeleteFunc(lb.Listeners, func(l plan.Listener) bool { return l.ID == s.ID })
		return plan.Result{}, err
	case plan.CreatePolicy:
		l, err := listener(s.ListenerID)
		if err != nil {
			return plan.Result{}, err
		}
		p := plan.Policy{ID: c.id("policy"), Status: plan.Active, Down: s.Down, Name: s.Policy.Name, Action: loadbalancer.RedirectToPool, PoolID: s.PoolID}
		l.Policies = slices.Insert(l.Policies, min(s.Position-1, len(l.Policies)), p)
		_, err = pool(s.PoolID)
		return plan.Result{ID: p.ID}, err
	case plan.CreateRule:
		l, i, err := policy(s.PolicyID)
		if err != nil {
			return plan.Result{}, err
		}
		p := &l.Policies[i]
		if !p.Down && len(p.Rules) > 0 {
			return plan.Result{}, fmt.Errorf("policy %q routes while its rules change", p.ID)
		}
		p.Rules = append(p.Rules, plan.Rule{ID: c.id("rule"), Status: plan.Active, Rule: s.Rule})
		return plan.Result{ID: p.Rules[len(p.Rules)-1].ID}, nil
	case plan.UpdatePolicy:
		l, i, err := policy(s.ID)
		if err != nil {
			return plan.Result{}, err
		}
		p := l.Policies[i]
		p.PoolID, p.Down, p.Status = s.PoolID, false, plan.Active
		l.Policies = slices.Delete(l.Policies, i, i+1)
		l.Policies = slices.Insert(l.Policies, min(s.Position-1, len(l.Policies)), p)
		_, err = pool(s.PoolID)
		return plan.Result{}, err
	case plan.DeletePolicy:
		l, i, err := policy(s.ID)
		if err == nil {
			l.Policies = slices.Delete(l.Policies, i, i+1)
		}
		return plan.Result{}, err
	}
	return plan.Result{}, fmt.Errorf("unknown step %T", s)
}

// serves says in which way the cloud is not what is desired; it reads the
// state plainly, without package plan.
func (c *octavia) serves(d *loadbalancer.LoadBalancer) string {
	lb := c.state.LoadBalancer
	if d == nil {
		if lb != nil || len(c.state.FloatingIPs) > 0 {
			return "something stands"
		}
		return ""
	}
	if lb == nil || lb.Status != plan.Active {
		return "there is no active load balancer"
	}
	if want := bool2int(d.FloatingNetworkID != ""); len(c.state.FloatingIPs) != want || want == 1 && c.state.FloatingIPs[0].PortID != lb.PortID {
		return fmt.Sprintf("floating IPs are %v", c.state.FloatingIPs)
	}
	names := map[string]string{"": ""}
	var have, want []string
	for _, p := range lb.Pools {
		names[p.ID] = p.Name
		members := []string{}
		for _, m := range p.Members {
			members = append(members, fmt.Sprint(m.Foreign, m.Member))
		}
		slices.Sort(members)
		monitor := "none"
		if p.Monitor != nil {
			monitor = fmt.Sprint(p.Monitor.Down, p.Monitor.Monitor)
		}
		have = append(have, fmt.Sprint("pool ", p.Name, p.Protocol, p.Algorithm, p.Down, members, monitor))
	}
	for _, p := range d.Pools {
		members := []string{}
		for _, m := range p.Members {
			members = append(members, fmt.Sprint(false, m))
		}
		slices.Sort(members)
		monitor := "none"
		if p.Monitor != nil {
			monitor = fmt.Sprint(false, *p.Monitor)
		}
		want = append(want, fmt.Sprint("pool ", p.Name, p.Protocol, p.Algorithm, false, members, monitor))
	}
	for _, l := range lb.Listeners {
		line := fmt.Sprint("listener ", l.Protocol, l.Port, names[l.DefaultPoolID], l.AllowedCIDRs, l.Down)
		for _, p := range l.Policies {
			line += fmt.Sprint(" policy ", names[p.PoolID], p.Down, ruleSet(p.Rules))
		}
		have = append(have, line)
	}
	for _, l := range d.Listeners {
		line := fmt.Sprint("listener ", l.Protocol, l.Port, l.DefaultPool, l.AllowedCIDRs, false)
		for _, p := range l.Policies {
			rules := []string{}
			for _, r := range p.Rules {
				rules = append(rules, fmt.Sprint(r))
			}
			slices.Sort(rules)
			line += fmt.Sprint(" policy ", p.Pool, false, rules)
		}
		want = append(want, line)
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		return "stands:\n" + strings.Join(have, "\n") + "\nwanted:\n" + strings.Join(want, "\n")
	}
	return ""
}

func ruleSet(rules []plan.Rule) []string {
	out := []string{}
	for _, r := range rules {
		out = append(out, fmt.Sprint(r.Rule))
	}
	slices.Sort(out)
	return out
}

func bool2int(b bool) int {
	if b {
		return 1
	}
	return 0
}
