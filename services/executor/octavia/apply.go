package octavia

import (
	"context"
	"fmt"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/l7policies"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
)

// Apply sends one step: one request. It returns when the cloud has taken it,
// which is before it has settled. Removing what is gone already is done.
func (c *Client) Apply(ctx context.Context, s plan.Step) (plan.Result, error) {
	r, err := c.apply(ctx, s)
	err = classify(s.Describe(), err)
	if err != nil && removes(s) && ClassOf(err) == Gone {
		return r, nil
	}
	return r, err
}

func removes(s plan.Step) bool {
	switch s.(type) {
	case plan.DeleteLoadBalancer, plan.DeletePool, plan.DeleteMonitor, plan.DeleteListener, plan.DeletePolicy, plan.DeleteFloatingIP:
		return true
	}
	return false
}

func (c *Client) apply(ctx context.Context, s plan.Step) (plan.Result, error) {
	switch s := s.(type) {
	case plan.CreateLoadBalancer:
		return c.createLoadBalancer(ctx, s)
	case plan.UpdateLoadBalancer:
		_, err := loadbalancers.Update(ctx, c.lb, s.ID, loadbalancers.UpdateOpts{
			Name: &s.Name, Description: &s.Description, Tags: &s.Tags, AdminStateUp: &up}).Extract()
		return plan.Result{}, err
	case plan.DeleteLoadBalancer:
		return plan.Result{}, loadbalancers.Delete(ctx, c.lb, s.ID, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr()
	case plan.CreateFloatingIP:
		f, err := floatingips.Create(ctx, c.network, floatingips.CreateOpts{
			FloatingNetworkID: s.NetworkID, PortID: s.PortID, Description: s.Description}).Extract()
		if err != nil {
			return plan.Result{}, err
		}
		x := floatingIP(*f)
		return plan.Result{ID: f.ID, FloatingIP: &x}, nil
	case plan.BindFloatingIP:
		_, err := floatingips.Update(ctx, c.network, s.ID, floatingips.UpdateOpts{PortID: &s.PortID}).Extract()
		return plan.Result{}, err
	case plan.DeleteFloatingIP:
		return plan.Result{}, floatingips.Delete(ctx, c.network, s.ID).ExtractErr()
	case plan.CreatePool, plan.UpdatePool, plan.DeletePool, plan.SetMembers, plan.CreateMonitor, plan.UpdateMonitor, plan.DeleteMonitor:
		return c.applyPool(ctx, s)
	}
	return c.applyListener(ctx, s)
}

var up = true

func (c *Client) applyPool(ctx context.Context, s plan.Step) (plan.Result, error) {
	switch s := s.(type) {
	case plan.CreatePool:
		p, err := pools.Create(ctx, c.lb, pools.CreateOpts{LoadbalancerID: s.LoadBalancerID, Name: s.Pool.Name,
			Protocol: pools.Protocol(s.Pool.Protocol), LBMethod: pools.LBMethod(s.Pool.Algorithm)}).Extract()
		if err != nil {
			return plan.Result{}, err
		}
		return plan.Result{ID: p.ID}, nil
	case plan.UpdatePool:
		_, err := pools.Update(ctx, c.lb, s.ID, pools.UpdateOpts{LBMethod: pools.LBMethod(s.Pool.Algorithm), AdminStateUp: &up}).Extract()
		return plan.Result{}, err
	case plan.DeletePool:
		return plan.Result{}, pools.Delete(ctx, c.lb, s.ID).ExtractErr()
	case plan.SetMembers:
		var opts []pools.BatchUpdateMemberOpts
		for _, m := range s.Members {
			opts = append(opts, pools.BatchUpdateMemberOpts{Address: m.Address, ProtocolPort: m.Port, Name: &m.Name, Weight: &m.Weight, AdminStateUp: &up, Backup: new(bool)})
		}
		return plan.Result{}, pools.BatchUpdateMembers(ctx, c.lb, s.PoolID, opts).ExtractErr()
	case plan.CreateMonitor:
		m := s.Monitor
		x, err := monitors.Create(ctx, c.lb, monitors.CreateOpts{PoolID: s.PoolID, Type: m.Type, Delay: m.Delay, Timeout: m.Timeout,
			MaxRetries: m.MaxRetries, MaxRetriesDown: m.MaxRetriesDown, URLPath: m.Path, ExpectedCodes: m.Codes}).Extract()
		if err != nil {
			return plan.Result{}, err
		}
		return plan.Result{ID: x.ID}, nil
	case plan.UpdateMonitor:
		m := s.Monitor
		_, err := monitors.Update(ctx, c.lb, s.ID, monitors.UpdateOpts{Delay: m.Delay, Timeout: m.Timeout, MaxRetries: m.MaxRetries,
			MaxRetriesDown: m.MaxRetriesDown, URLPath: m.Path, ExpectedCodes: m.Codes, AdminStateUp: &up}).Extract()
		return plan.Result{}, err
	case plan.DeleteMonitor:
		return plan.Result{}, monitors.Delete(ctx, c.lb, s.ID).ExtractErr()
	}
	return plan.Result{}, fmt.Errorf("step %T is unknown", s)
}

func (c *Client) applyListener(ctx context.Context, s plan.Step) (plan.Result, error) {
	switch s := s.(type) {
	case plan.CreateListener:
		l, err := listeners.Create(ctx, c.lb, listeners.CreateOpts{LoadbalancerID: s.LoadBalancerID, Name: s.Listener.Name,
			Protocol: listeners.Protocol(s.Listener.Protocol), ProtocolPort: s.Listener.Port, DefaultPoolID: s.DefaultPoolID,
			AllowedCIDRs: s.Listener.AllowedCIDRs}).Extract()
		if err != nil {
			return plan.Result{}, err
		}
		return plan.Result{ID: l.ID}, nil
	case plan.UpdateListener:
		_, err := listeners.Update(ctx, c.lb, s.ID, c.listenerUpdate(s)).Extract()
		return plan.Result{}, err
	case plan.DeleteListener:
		return plan.Result{}, listeners.Delete(ctx, c.lb, s.ID).ExtractErr()
	case plan.CreatePolicy:
		down := !s.Down
		p, err := l7policies.Create(ctx, c.lb, l7policies.CreateOpts{ListenerID: s.ListenerID, Name: s.Policy.Name, Action: l7policies.ActionRedirectToPool,
			RedirectPoolID: s.PoolID, Position: int32(s.Position), AdminStateUp: &down}).Extract()
		if err != nil {
			return plan.Result{}, err
		}
		return plan.Result{ID: p.ID}, nil
	case plan.CreateRule:
		r, err := l7policies.CreateRule(ctx, c.lb, s.PolicyID, l7policies.CreateRuleOpts{RuleType: l7policies.RuleType(s.Rule.Type),
			CompareType: l7policies.CompareType(s.Rule.Compare), Value: s.Rule.Value}).Extract()
		if err != nil {
			return plan.Result{}, err
		}
		return plan.Result{ID: r.ID}, nil
	case plan.UpdatePolicy:
		_, err := l7policies.Update(ctx, c.lb, s.ID, l7policies.UpdateOpts{Action: l7policies.ActionRedirectToPool, RedirectPoolID: &s.PoolID,
			Position: int32(s.Position), AdminStateUp: &up}).Extract()
		return plan.Result{}, err
	case plan.DeletePolicy:
		return plan.Result{}, l7policies.Delete(ctx, c.lb, s.ID).ExtractErr()
	}
	return plan.Result{}, fmt.Errorf("step %T is unknown", s)
}

// listenerUpdate leaves out what an older cloud does not know.
func (c *Client) listenerUpdate(s plan.UpdateListener) listeners.UpdateOpts {
	o := listeners.UpdateOpts{Name: &s.Listener.Name, DefaultPoolID: &s.DefaultPoolID, AdminStateUp: &up}
	if c.minor >= allowedCIDRsMinor {
		cidrs := append([]string{}, s.Listener.AllowedCIDRs...)
		o.AllowedCIDRs = &cidrs
	}
	return o
}

const allowedCIDRsMinor = 12

func (c *Client) createLoadBalancer(ctx context.Context, s plan.CreateLoadBalancer) (plan.Result, error) {
	d := s.LoadBalancer
	lb, err := loadbalancers.Create(ctx, c.lb, wholeCreate{s}).Extract()
	if err != nil {
		return plan.Result{}, err
	}
	g := graph(*lb)
	g.Fresh = true
	for i := range g.Pools { // the answer has no monitors, they are made after it is written
		for _, p := range d.Pools {
			if p.Name == g.Pools[i].Name && p.Monitor != nil && g.Pools[i].Monitor == nil {
				g.Pools[i].Monitor = &plan.Monitor{Status: "PENDING_CREATE", Monitor: *p.Monitor}
			}
		}
	}
	return plan.Result{ID: lb.ID, LoadBalancer: g}, nil
}

// wholeCreate is the body of a create: gophercloud's, and below it what its
// types cannot say (a policy that names a pool of the same request).
type wholeCreate struct{ plan.CreateLoadBalancer }

// ToLoadBalancerCreateMap implements [loadbalancers.CreateOptsBuilder].
func (w wholeCreate) ToLoadBalancerCreateMap() (map[string]any, error) {
	d := w.LoadBalancer
	opts := loadbalancers.CreateOpts{Name: d.Name, Description: d.Description, Tags: d.Tags, Provider: d.Provider,
		FlavorID: d.FlavorID, AvailabilityZone: d.AvailabilityZone, VipSubnetID: d.VIP.SubnetID}
	if d.VIP.SubnetID == "" {
		opts.VipNetworkID = d.VIP.NetworkID
	}
	body, err := opts.ToLoadBalancerCreateMap()
	if err != nil || !w.Whole {
		return body, err
	}
	type object = map[string]any
	lb := body["loadbalancer"].(map[string]any)
	var ls, ps []object
	for _, p := range d.Pools {
		ps = append(ps, poolBody(p))
	}
	for _, l := range d.Listeners {
		o := object{"name": l.Name, "protocol": l.Protocol, "protocol_port": l.Port}
		if l.DefaultPool != "" {
			o["default_pool"] = object{"name": l.DefaultPool}
		}
		if len(l.AllowedCIDRs) > 0 {
			o["allowed_cidrs"] = l.AllowedCIDRs
		}
		var policies []object
		for _, p := range l.Policies {
			policies = append(policies, policyBody(p))
		}
		if len(policies) > 0 {
			o["l7policies"] = policies
		}
		ls = append(ls, o)
	}
	if len(ls) > 0 {
		lb["listeners"] = ls
	}
	if len(ps) > 0 {
		lb["pools"] = ps
	}
	return body, nil
}

func poolBody(p loadbalancer.Pool) map[string]any {
	o := map[string]any{"name": p.Name, "protocol": p.Protocol, "lb_algorithm": p.Algorithm}
	var members []map[string]any
	for _, m := range p.Members {
		members = append(members, map[string]any{"name": m.Name, "address": m.Address, "protocol_port": m.Port, "weight": m.Weight})
	}
	if len(members) > 0 {
		o["members"] = members
	}
	if m := p.Monitor; m != nil {
		h := map[string]any{"type": m.Type, "delay": m.Delay, "timeout": m.Timeout, "max_retries": m.MaxRetries}
		if m.MaxRetriesDown > 0 {
			h["max_retries_down"] = m.MaxRetriesDown
		}
		if m.Path != "" {
			h["url_path"] = m.Path
		}
		if m.Codes != "" {
			h["expected_codes"] = m.Codes
		}
		o["healthmonitor"] = h
	}
	return o
}

func policyBody(p loadbalancer.Policy) map[string]any {
	var rules []map[string]any
	for _, r := range p.Rules {
		rules = append(rules, map[string]any{"type": r.Type, "compare_type": r.Compare, "value": r.Value})
	}
	return map[string]any{"name": p.Name, "action": loadbalancer.RedirectToPool, "redirect_pool": map[string]any{"name": p.Pool}, "rules": rules}
}
