package octavia

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/l7policies"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
)

// Apply sends one step: one request, for a secret after a look whether it is
// there, and for a load balancer that ends TLS whether its certificates are. It returns when the cloud has taken it, which is before it has
// settled. Removing what is gone already is done.
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
	case plan.DeleteLoadBalancer, plan.DeletePool, plan.DeleteMonitor, plan.DeleteListener, plan.DeletePolicy,
		plan.DeleteFloatingIP, plan.ReleaseFloatingIP, plan.DeleteSecret:
		return true
	}
	return false
}

func (c *Client) apply(ctx context.Context, s plan.Step) (plan.Result, error) {
	switch s := s.(type) {
	case plan.CreateLoadBalancer:
		return c.createLoadBalancer(ctx, s)
	case plan.UpdateLoadBalancer:
		return c.update(ctx, "loadbalancer", object{"name": s.Name, "description": s.Description, "tags": append([]string{}, s.Tags...),
			"admin_state_up": true}, "loadbalancers", s.ID)
	case plan.DeleteLoadBalancer:
		return plan.Result{}, c.deleteLoadBalancer(ctx, s)
	case plan.CreateSecret:
		return c.createSecret(ctx, s)
	case plan.DeleteSecret:
		return plan.Result{}, c.deleteSecret(ctx, s)
	case plan.CreateFloatingIP, plan.BindFloatingIP, plan.ReleaseFloatingIP, plan.DeleteFloatingIP:
		return c.applyFloatingIP(ctx, s)
	case plan.CreatePool, plan.UpdatePool, plan.DeletePool, plan.SetMembers, plan.CreateMonitor, plan.UpdateMonitor, plan.DeleteMonitor:
		return c.applyPool(ctx, s)
	}
	return c.applyListener(ctx, s)
}

// create sends a body below the root of the API, and answers the id of what it made.
func (c *Client) create(ctx context.Context, kind string, o object, path ...string) (plan.Result, error) {
	var answer map[string]struct {
		ID string `json:"id"`
	}
	if err := c.post(ctx, kind, o, &answer, path...); err != nil {
		return plan.Result{}, err
	}
	return plan.Result{ID: answer[kind].ID}, nil
}

func (c *Client) post(ctx context.Context, kind string, o object, answer any, path ...string) error {
	resp, err := c.lb.Post(ctx, c.lbURL(path), object{kind: o}, answer, nil)
	return answered(resp, err)
}

func (c *Client) update(ctx context.Context, kind string, o object, path ...string) (plan.Result, error) {
	resp, err := c.lb.Put(ctx, c.lbURL(path), object{kind: o}, nil, &gophercloud.RequestOpts{OkCodes: []int{200, 202}})
	return plan.Result{}, answered(resp, err)
}

// answered is the end of a request whose answer gophercloud has read.
func answered(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (c *Client) lbURL(path []string) string {
	return c.lb.ServiceURL(append([]string{"lbaas"}, path...)...)
}

func (c *Client) applyFloatingIP(ctx context.Context, s plan.Step) (plan.Result, error) {
	switch s := s.(type) {
	case plan.CreateFloatingIP:
		f, err := floatingips.Create(ctx, c.network, floatingips.CreateOpts{
			FloatingNetworkID: s.NetworkID, SubnetID: s.SubnetID, PortID: s.PortID, FixedIP: s.FixedIP, Description: s.Description}).Extract()
		if err != nil {
			return plan.Result{}, err
		}
		x := floatingIP(*f)
		x.SubnetID = s.SubnetID
		return plan.Result{ID: f.ID, FloatingIP: &x}, nil
	case plan.BindFloatingIP:
		_, err := floatingips.Update(ctx, c.network, s.ID, floatingips.UpdateOpts{PortID: &s.PortID, FixedIP: s.FixedIP}).Extract()
		return plan.Result{}, err
	case plan.ReleaseFloatingIP:
		var o floatingips.UpdateOpts
		if s.Description != "" {
			o.Description = &s.Description
		}
		if s.Unbind {
			o.PortID = new(string) // gophercloud writes null
		}
		_, err := floatingips.Update(ctx, c.network, s.ID, o).Extract()
		return plan.Result{}, err
	case plan.DeleteFloatingIP:
		return plan.Result{}, floatingips.Delete(ctx, c.network, s.ID).ExtractErr()
	}
	return plan.Result{}, fmt.Errorf("step %T is unknown", s)
}

func (c *Client) applyPool(ctx context.Context, s plan.Step) (plan.Result, error) {
	switch s := s.(type) {
	case plan.CreatePool:
		o := c.body().pool(s.Pool)
		o["loadbalancer_id"] = s.LoadBalancerID
		o.setIf(len(s.Tags) > 0, "tags", s.Tags)
		return c.create(ctx, "pool", o, "pools")
	case plan.UpdatePool:
		return c.update(ctx, "pool", c.body().poolUpdate(s.Pool), "pools", s.ID)
	case plan.DeletePool:
		return plan.Result{}, pools.Delete(ctx, c.lb, s.ID).ExtractErr()
	case plan.SetMembers:
		resp, err := c.lb.Put(ctx, c.lbURL([]string{"pools", s.PoolID, "members"}), object{"members": c.body().batch(s.Members)}, nil,
			&gophercloud.RequestOpts{OkCodes: []int{202}})
		return plan.Result{}, answered(resp, err)
	case plan.CreateMonitor:
		o := c.body().monitor(s.Monitor)
		o["pool_id"] = s.PoolID
		return c.create(ctx, "healthmonitor", o, "healthmonitors")
	case plan.UpdateMonitor:
		return c.update(ctx, "healthmonitor", c.body().monitorUpdate(s.Monitor), "healthmonitors", s.ID)
	case plan.DeleteMonitor:
		return plan.Result{}, monitors.Delete(ctx, c.lb, s.ID).ExtractErr()
	}
	return plan.Result{}, fmt.Errorf("step %T is unknown", s)
}

func (c *Client) applyListener(ctx context.Context, s plan.Step) (plan.Result, error) {
	switch s := s.(type) {
	case plan.CreateListener:
		o := c.body().listener(s.Listener, s.Refs, s.Tags)
		o["loadbalancer_id"] = s.LoadBalancerID
		o.setIf(s.DefaultPoolID != "", "default_pool_id", s.DefaultPoolID)
		r, err := c.create(ctx, "listener", o, "listeners")
		if err == nil {
			c.displays.change(s.LoadBalancerID, r.ID, s.Refs)
		}
		return r, err
	case plan.UpdateListener:
		c.displays.change("", s.ID, s.Refs)
		return c.update(ctx, "listener", c.body().listenerUpdate(s), "listeners", s.ID)
	case plan.DeleteListener:
		return plan.Result{}, listeners.Delete(ctx, c.lb, s.ID).ExtractErr()
	case plan.CreatePolicy:
		o := c.body().policy(s.Policy)
		o["listener_id"], o["position"], o["admin_state_up"] = s.ListenerID, s.Position, !s.Down
		o.setIf(s.PoolID != "", "redirect_pool_id", s.PoolID)
		return c.create(ctx, "l7policy", o, "l7policies")
	case plan.CreateRule:
		return c.create(ctx, "rule", rule(s.Rule), "l7policies", s.PolicyID, "rules")
	case plan.UpdatePolicy:
		o := object{"position": s.Position, "admin_state_up": true}
		c.body().action(o, s.Policy)
		o.setIf(s.PoolID != "", "redirect_pool_id", s.PoolID)
		return c.update(ctx, "l7policy", o, "l7policies", s.ID)
	case plan.DeletePolicy:
		return plan.Result{}, l7policies.Delete(ctx, c.lb, s.ID).ExtractErr()
	}
	return plan.Result{}, fmt.Errorf("step %T is unknown", s)
}

func (c *Client) body() bodies { return bodies{c.minor} }

func (c *Client) createLoadBalancer(ctx context.Context, s plan.CreateLoadBalancer) (plan.Result, error) {
	var answer json.RawMessage
	if err := c.post(ctx, "loadbalancer", c.body().loadBalancer(s), &answer, "loadbalancers"); err != nil {
		return plan.Result{}, err
	}
	g, err := wholeAnswer(answer)
	if err != nil {
		return plan.Result{}, err
	}
	for name, ref := range s.Refs {
		c.secrets.store(ref, name)
	}
	c.nameKnown(g)
	c.displays.set(g)
	g.Fresh = true
	for i := range g.Pools { // the answer has no monitors, they are made after it is written
		for _, p := range s.LoadBalancer.Pools {
			if p.Name == g.Pools[i].Name && p.Monitor != nil && g.Pools[i].Monitor == nil {
				g.Pools[i].Monitor = &plan.Monitor{Status: "PENDING_CREATE", Monitor: *p.Monitor}
			}
		}
	}
	return plan.Result{ID: g.ID, LoadBalancer: g}, nil
}
