package plan_test

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"drawbridge.dev/events"
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
	wish     *loadbalancer.LoadBalancer // that a read looks for a given address for
}

var owner = loadbalancer.Owner{Fleet: "f", Key: events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: "web"}}

// theirs is a floating IP that the project has and that is not ours.
func theirs() plan.FloatingIP {
	return plan.FloatingIP{ID: "given", Address: "198.51.100.1", NetworkID: "ext", Description: "theirs"}
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
		c.unbind(lb.PortID)
		c.state.LoadBalancer = nil
		return
	}
	lb.Status = c.settling
}

func (c *octavia) unbind(port string) {
	for i := range c.state.FloatingIPs {
		if c.state.FloatingIPs[i].PortID == port {
			c.state.FloatingIPs[i].PortID = ""
		}
	}
}

// observe is a deep read: of floating IPs those that a read finds.
func (c *octavia) observe() plan.Observed { return c.seen(copyOf(c.state)) }

// seen leaves out floating IPs that are none of an exposure's business.
func (c *octavia) seen(o plan.Observed) plan.Observed {
	o.FloatingIPs = slices.DeleteFunc(o.FloatingIPs, func(f plan.FloatingIP) bool {
		bound := false
		for _, lb := range []*plan.LoadBalancer{o.LoadBalancer, o.Old} {
			bound = bound || lb != nil && f.PortID == lb.PortID
		}
		return f.Description != owner.Description() && !bound && (c.wish == nil || f.Address != c.wish.FloatingAddress)
	})
	return o
}

func copyOf(o plan.Observed) plan.Observed {
	o.FloatingIPs, o.Secrets = slices.Clone(o.FloatingIPs), slices.Clone(o.Secrets)
	o.LoadBalancer, o.Old = copyOfOne(o.LoadBalancer), copyOfOne(o.Old)
	return o
}

func copyOfOne(in *plan.LoadBalancer) *plan.LoadBalancer {
	if in == nil {
		return nil
	}
	lb := *in
	lb.Tags, lb.Pools, lb.Listeners = slices.Clone(lb.Tags), slices.Clone(lb.Pools), slices.Clone(lb.Listeners)
	for i := range lb.Pools {
		lb.Pools[i].Members = slices.Clone(lb.Pools[i].Members)
		if m := lb.Pools[i].Monitor; m != nil {
			n := *m
			lb.Pools[i].Monitor = &n
		}
	}
	for i := range lb.Listeners {
		l := &lb.Listeners[i]
		l.Tags, l.Certificates, l.Refs = slices.Clone(l.Tags), slices.Clone(l.Certificates), slices.Clone(l.Refs)
		l.Policies = slices.Clone(l.Policies)
		for j := range l.Policies {
			l.Policies[j].Rules = slices.Clone(l.Policies[j].Rules)
		}
	}
	return &lb
}

// apply takes a step, or says with which of Octavia's rules it collides.
func (c *octavia) apply(s plan.Step) (plan.Result, error) {
	c.writes = append(c.writes, s.Describe())
	lb := c.state.LoadBalancer
	switch s := s.(type) {
	case plan.CreateFloatingIP, plan.BindFloatingIP, plan.DeleteFloatingIP, plan.ReleaseFloatingIP:
		return c.changeFloatingIP(s)
	case plan.CreateSecret, plan.DeleteSecret:
		return c.changeSecret(s)
	case plan.CreateLoadBalancer:
		if lb != nil && c.state.Old != nil {
			return plan.Result{}, fmt.Errorf("a third load balancer")
		}
		if lb != nil {
			c.state.Old = lb
		}
		return c.create(s)
	case plan.DeleteLoadBalancer:
		if old := c.state.Old; old != nil && old.ID == s.ID {
			c.unbind(old.PortID)
			c.state.Old = nil
			return plan.Result{}, nil
		}
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

func (c *octavia) changeFloatingIP(s plan.Step) (plan.Result, error) {
	lb := c.state.LoadBalancer
	i := -1
	find := func(id string) {
		i = slices.IndexFunc(c.state.FloatingIPs, func(f plan.FloatingIP) bool { return f.ID == id })
	}
	free := func(port string) error {
		if lb == nil || port != lb.PortID || port == "" {
			return fmt.Errorf("404: no port %q", port)
		}
		if slices.ContainsFunc(c.state.FloatingIPs, func(f plan.FloatingIP) bool { return f.PortID == port }) {
			return fmt.Errorf("409: port %q has a floating IP", port)
		}
		return nil
	}
	switch s := s.(type) {
	case plan.CreateFloatingIP:
		if err := free(s.PortID); err != nil {
			return plan.Result{}, err
		}
		f := plan.FloatingIP{ID: c.id("fip"), Address: "203.0.113.1", NetworkID: s.NetworkID, PortID: s.PortID, Description: s.Description}
		c.state.FloatingIPs = append(c.state.FloatingIPs, f)
		return plan.Result{ID: f.ID, FloatingIP: &f}, nil
	case plan.BindFloatingIP:
		if find(s.ID); i < 0 {
			return plan.Result{}, fmt.Errorf("404: no floating IP %q", s.ID)
		}
		if err := free(s.PortID); err != nil {
			return plan.Result{}, err
		}
		c.state.FloatingIPs[i].PortID = s.PortID
	case plan.DeleteFloatingIP:
		if find(s.ID); i < 0 || c.state.FloatingIPs[i].Description != owner.Description() {
			return plan.Result{}, fmt.Errorf("floating IP %q is not there, or not ours", s.ID)
		}
		c.state.FloatingIPs = slices.Delete(c.state.FloatingIPs, i, i+1)
	case plan.ReleaseFloatingIP:
		if find(s.ID); i < 0 {
			return plan.Result{}, fmt.Errorf("404: no floating IP %q", s.ID)
		}
		f := &c.state.FloatingIPs[i]
		if s.Description != "" && f.Description != owner.Description() {
			return plan.Result{}, fmt.Errorf("floating IP %q is described though it is not ours", s.ID)
		}
		if s.Description != "" {
			f.Description = s.Description
		}
		if s.Unbind {
			f.PortID = ""
		}
	}
	return plan.Result{}, nil
}

func (c *octavia) changeSecret(s plan.Step) (plan.Result, error) {
	switch s := s.(type) {
	case plan.CreateSecret:
		if s.Name != owner.SecretName(s.Digest) {
			return plan.Result{}, fmt.Errorf("secret %q of digest %q is not ours", s.Name, s.Digest)
		}
		ref := "https://keys/" + c.id("secret")
		c.state.Secrets = append(c.state.Secrets, plan.Secret{Ref: ref, Name: s.Name})
		return plan.Result{ID: ref}, nil
	case plan.DeleteSecret:
		for _, lb := range []*plan.LoadBalancer{c.state.LoadBalancer, c.state.Old} {
			if lb != nil && slices.ContainsFunc(lb.Listeners, func(l plan.Listener) bool { return slices.Contains(l.Refs, s.Ref) }) {
				return plan.Result{}, fmt.Errorf("secret %q is in use", s.Name)
			}
		}
		n := len(c.state.Secrets)
		c.state.Secrets = slices.DeleteFunc(c.state.Secrets, func(x plan.Secret) bool { return x.Ref == s.Ref })
		if len(c.state.Secrets) == n {
			return plan.Result{}, fmt.Errorf("404: no secret %q", s.Ref)
		}
	}
	return plan.Result{}, nil
}

func (c *octavia) create(s plan.CreateLoadBalancer) (plan.Result, error) {
	d := s.LoadBalancer
	lb := &plan.LoadBalancer{ID: c.id("lb"), Status: "PENDING_CREATE", Name: d.Name, Description: d.Description,
		Tags: d.Tags, PortID: c.id("port"), FlavorID: d.FlavorID, Fresh: true}
	c.state.LoadBalancer, c.settling = lb, plan.Active
	if c.fails {
		c.settling, c.fails = plan.Error, false
	}
	if s.Whole {
		if err := c.below(lb, d, s.Refs); err != nil {
			return plan.Result{}, err
		}
	}
	answer := copyOf(c.state).LoadBalancer
	return plan.Result{ID: lb.ID, LoadBalancer: answer}, nil
}

func (c *octavia) below(lb *plan.LoadBalancer, d loadbalancer.LoadBalancer, refs map[string]string) error {
	status := plan.Active
	if c.breaks {
		status = "PENDING_CREATE"
	}
	ids := map[string]string{}
	for _, p := range d.Pools {
		x := plan.Pool{ID: c.id("pool"), Status: status, Name: p.Name, Protocol: p.Protocol, Algorithm: p.Algorithm, TLS: p.TLS, Persistence: p.Persistence}
		ids[p.Name] = x.ID
		for _, m := range p.Members {
			x.Members = append(x.Members, plan.Member{Status: status, Member: m, UpdatedAt: c.state.Now})
		}
		if p.Monitor != nil {
			x.Monitor = &plan.Monitor{ID: c.id("monitor"), Status: status, Monitor: *p.Monitor}
		}
		lb.Pools = append(lb.Pools, x)
	}
	for _, l := range d.Listeners {
		x := plan.Listener{ID: c.id("listener"), Protocol: l.Protocol, Port: l.Port}
		var have []string
		for _, name := range l.Certificates {
			have = append(have, cmp.Or(refs[name], name))
		}
		if err := c.settings(&x, l, ids[l.DefaultPool], have, l.SetTags()); err != nil {
			return err
		}
		x.Status = status
		for _, p := range l.Policies {
			y := plan.Policy{ID: c.id("policy"), Status: status, Name: p.Name, Action: p.Action, PoolID: ids[p.Pool], Redirect: p.Redirect, Code: p.Code}
			for _, r := range p.Rules {
				y.Rules = append(y.Rules, plan.Rule{ID: c.id("rule"), Status: status, Rule: r})
			}
			x.Policies = append(x.Policies, y)
		}
		lb.Listeners = append(lb.Listeners, x)
	}
	return nil
}

// settings gives a listener what a request says of it; what that leaves out stays.
func (c *octavia) settings(l *plan.Listener, w loadbalancer.Listener, pool string, refs, tags []string) error {
	l.Name, l.DefaultPoolID, l.AllowedCIDRs, l.Down, l.Status, l.Tags = w.Name, pool, w.AllowedCIDRs, false, plan.Active, tags
	if (l.Protocol == "TERMINATED_HTTPS") != (len(refs) > 0) {
		return fmt.Errorf("400: listener of %s with certificates %v", l.Protocol, refs)
	}
	names := map[string]string{"https://theirs/container": "https://theirs/container"}
	for _, s := range c.state.Secrets {
		names[s.Ref] = s.Name
	}
	l.Refs, l.Certificates = nil, nil
	if len(refs) > 0 {
		l.Refs = append(refs[:1:1], slices.Sorted(slices.Values(refs[1:]))...)
	}
	for _, r := range l.Refs {
		if names[r] == "" {
			return fmt.Errorf("400: no secret %q", r)
		}
		l.Certificates = append(l.Certificates, names[r])
	}
	l.HSTS, l.Headers = w.HSTS, w.Headers
	if w.Timeouts.ClientData != nil {
		l.Timeouts.ClientData = w.Timeouts.ClientData
	}
	if w.Timeouts.TCPInspect != nil {
		l.Timeouts.TCPInspect = w.Timeouts.TCPInspect
	}
	if w.ConnectionLimit != nil {
		l.ConnectionLimit = w.ConnectionLimit
	}
	if w.TLSVersions != nil {
		l.TLSVersions = w.TLSVersions
	}
	if w.TLSCiphers != "" {
		l.TLSCiphers = w.TLSCiphers
	}
	return nil
}

// back gives settings back to the operator.
func (c *octavia) back(l *plan.Listener, names []string) {
	for _, n := range names {
		switch n {
		case "timeout_client_data":
			l.Timeouts.ClientData = nil
		case "timeout_tcp_inspect":
			l.Timeouts.TCPInspect = nil
		case "connection_limit":
			l.ConnectionLimit = nil
		case "tls_versions":
			l.TLSVersions = nil
		case "tls_ciphers":
			l.TLSCiphers = ""
		}
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
		p := plan.Pool{ID: c.id("pool"), Status: plan.Active, Name: s.Pool.Name, Tags: s.Tags, Protocol: s.Pool.Protocol, Algorithm: s.Pool.Algorithm, TLS: s.Pool.TLS, Persistence: s.Pool.Persistence}
		lb.Pools = append(lb.Pools, p)
		return plan.Result{ID: p.ID}, nil
	case plan.UpdatePool:
		p, err := pool(s.ID)
		if err == nil {
			p.Algorithm, p.TLS, p.Persistence, p.Down, p.Status = s.Pool.Algorithm, s.Pool.TLS, s.Pool.Persistence, false, plan.Active
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
		return plan.Result{}, c.batch(p, s.Members)
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

// batch replaces the members of a pool. The subnet of one that stands is not changed.
func (c *octavia) batch(p *plan.Pool, members []loadbalancer.Member) error {
	have := p.Members
	p.Members = nil
	for _, m := range members {
		x := plan.Member{Status: plan.Active, Member: m, UpdatedAt: c.state.Now}
		i := slices.IndexFunc(have, func(h plan.Member) bool { return h.Address == m.Address && h.Port == m.Port })
		if i >= 0 && have[i].SubnetID != m.SubnetID {
			return fmt.Errorf("the subnet of member %s:%d cannot be changed", m.Address, m.Port)
		}
		if i >= 0 && have[i].Member == m && !have[i].Foreign {
			x.UpdatedAt = have[i].UpdatedAt
		}
		p.Members = append(p.Members, x)
	}
	return c.drained(p.Name, have, p.Members)
}

// drained says whether a member that serves went without having been at weight 0
// for the delay of its pool.
func (c *octavia) drained(pool string, before, after []plan.Member) error {
	if c.wish == nil {
		return nil
	}
	i := slices.IndexFunc(c.wish.Pools, func(p loadbalancer.Pool) bool { return p.Name == pool })
	if i < 0 || c.wish.Pools[i].DrainDelay == 0 {
		return nil
	}
	want := c.wish.Pools[i]
	for _, m := range before {
		same := func(o loadbalancer.Member) bool { return o.Address == m.Address && o.Port == m.Port }
		stays := slices.ContainsFunc(after, func(o plan.Member) bool { return same(o.Member) }) || slices.ContainsFunc(want.Members, same)
		delay := time.Duration(want.DrainDelay) * time.Second
		if !stays && !m.Foreign && (m.Weight > 0 || c.state.Now.Sub(m.UpdatedAt) < delay) {
			return fmt.Errorf("member %s:%d of pool %q goes undrained", m.Address, m.Port, pool)
		}
	}
	return nil
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
		l := plan.Listener{ID: c.id("listener"), Protocol: s.Listener.Protocol, Port: s.Listener.Port}
		if err := c.settings(&l, s.Listener, s.DefaultPoolID, s.Refs, s.Tags); err != nil {
			return plan.Result{}, err
		}
		lb.Listeners = append(lb.Listeners, l)
		return plan.Result{ID: l.ID}, defaultPool(s.Listener.DefaultPool, s.DefaultPoolID)
	case plan.UpdateListener:
		l, err := listener(s.ID)
		if err != nil {
			return plan.Result{}, err
		}
		c.back(l, s.Reset)
		if err := c.settings(l, s.Listener, s.DefaultPoolID, s.Refs, s.Tags); err != nil {
			return plan.Result{}, err
		}
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
		p := plan.Policy{ID: c.id("policy"), Status: plan.Active, Down: s.Down, Name: s.Policy.Name, Action: s.Policy.Action, PoolID: s.PoolID, Redirect: s.Policy.Redirect, Code: s.Policy.Code}
		l.Policies = slices.Insert(l.Policies, min(s.Position-1, len(l.Policies)), p)
		return plan.Result{ID: p.ID}, leads(p, pool)
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
		p.Action, p.PoolID, p.Redirect, p.Code = s.Policy.Action, s.PoolID, s.Policy.Redirect, s.Policy.Code
		p.Down, p.Status = false, plan.Active
		l.Policies = slices.Delete(l.Policies, i, i+1)
		l.Policies = slices.Insert(l.Policies, min(s.Position-1, len(l.Policies)), p)
		return plan.Result{}, leads(p, pool)
	case plan.DeletePolicy:
		l, i, err := policy(s.ID)
		if err == nil {
			l.Policies = slices.Delete(l.Policies, i, i+1)
		}
		return plan.Result{}, err
	}
	return plan.Result{}, fmt.Errorf("unknown step %T", s)
}

// leads says whether a policy has what its action needs, and nothing else.
func leads(p plan.Policy, pool func(string) (*plan.Pool, error)) error {
	switch p.Action {
	case "REDIRECT_TO_POOL":
		_, err := pool(p.PoolID)
		return err
	case "REDIRECT_PREFIX":
		if p.PoolID == "" && p.Redirect != "" && p.Code != 0 {
			return nil
		}
	}
	return fmt.Errorf("400: policy %+v", p)
}
