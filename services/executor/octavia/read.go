package octavia

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/l7policies"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"golang.org/x/sync/errgroup"
)

// parallelReads below one load balancer.
const parallelReads = 6

// Read reads a load balancer with everything below it.
func (c *Client) Read(ctx context.Context, id string) (*plan.LoadBalancer, error) {
	op := "read load balancer " + id
	var lb *loadbalancers.LoadBalancer
	var ls []listeners.Listener
	var ps []standingPool
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		lb, err = loadbalancers.Get(gctx, c.lb, id).Extract()
		return err
	})
	g.Go(func() (err error) {
		ls, err = all(gctx, listeners.List(c.lb, listeners.ListOpts{LoadbalancerID: id}), listeners.ExtractListeners)
		return err
	})
	g.Go(func() (err error) {
		ps, err = all(gctx, pools.List(c.lb, pools.ListOpts{LoadbalancerID: id}), extractPools)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, classify(op, err)
	}
	if err := c.readBelow(ctx, ls, ps); err != nil {
		return nil, classify(op, err)
	}
	if !c.own(lb.ProjectID) {
		return nil, &Error{Op: op, Class: Gone, local: true, err: errors.New("it is of another project")}
	}
	lb.Listeners = ls
	out := graph(*lb, ps)
	c.displays.set(out)
	return out, classify(op, c.nameCertificates(ctx, out))
}

// readBelow reads what the lists name by id only.
func (c *Client) readBelow(ctx context.Context, ls []listeners.Listener, ps []standingPool) error {
	g, below := errgroup.WithContext(ctx) // ends with the group, and the rules are read after it
	g.SetLimit(parallelReads)
	for i := range ps {
		p := &ps[i]
		if len(p.Members) > 0 {
			g.Go(func() (err error) {
				p.Members, err = all(below, pools.ListMembers(c.lb, p.ID, nil), pools.ExtractMembers)
				return err
			})
		}
		if p.MonitorID != "" {
			g.Go(func() error {
				m, err := monitors.Get(below, c.lb, p.MonitorID).Extract()
				if err == nil {
					p.Monitor = *m
				}
				return err
			})
		}
	}
	for i := range ls {
		if l := &ls[i]; len(l.L7Policies) > 0 {
			g.Go(func() (err error) {
				l.L7Policies, err = all(below, l7policies.List(c.lb, l7policies.ListOpts{ListenerID: l.ID}), l7policies.ExtractL7Policies)
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return c.readRules(ctx, ls)
}

func (c *Client) readRules(ctx context.Context, ls []listeners.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i := range ls {
		for j := range ls[i].L7Policies {
			if p := &ls[i].L7Policies[j]; len(p.Rules) > 0 {
				g.Go(func() (err error) {
					p.Rules, err = all(ctx, l7policies.ListRules(c.lb, p.ID, l7policies.ListRulesOpts{}), l7policies.ExtractRules)
					return err
				})
			}
		}
	}
	return g.Wait()
}

// Settled reads the status tree of a load balancer, in one read, into what is
// known of it: statuses, and the ids that the answer to a whole create lacks.
func (c *Client) Settled(ctx context.Context, known plan.LoadBalancer) (*plan.LoadBalancer, error) {
	type status struct {
		ID     string      `json:"id"`
		Status plan.Status `json:"provisioning_status"`
	}
	type member struct {
		status
		Address string `json:"address"`
		Port    int    `json:"protocol_port"`
	}
	type pool struct {
		status
		Monitor *status  `json:"health_monitor"`
		Members []member `json:"members"`
	}
	var tree struct {
		Statuses struct {
			LoadBalancer struct {
				status
				Pools     []pool `json:"pools"`
				Listeners []struct {
					status
					Pools []pool `json:"pools"`
				} `json:"listeners"`
			} `json:"loadbalancer"`
		} `json:"statuses"`
	}
	if err := loadbalancers.GetStatuses(ctx, c.lb, known.ID).ExtractInto(&tree); err != nil {
		return nil, classify("read the statuses of load balancer "+known.ID, err)
	}
	root := tree.Statuses.LoadBalancer
	poolByID := map[string]pool{}
	for _, p := range root.Pools {
		poolByID[p.ID] = p
	}
	listenerStatus := map[string]plan.Status{}
	for _, l := range root.Listeners {
		listenerStatus[l.ID] = l.Status
		for _, p := range l.Pools {
			poolByID[p.ID] = p
		}
	}
	known.Status = root.Status
	known.Listeners, known.Pools = slices.Clone(known.Listeners), slices.Clone(known.Pools)
	for i := range known.Listeners {
		l := &known.Listeners[i]
		l.Status = cmp.Or(listenerStatus[l.ID], plan.Active)
		l.Policies = slices.Clone(l.Policies)
		for j := range l.Policies { // the tree has no policies: they go with their listener
			l.Policies[j].Status, l.Policies[j].Rules = l.Status, slices.Clone(l.Policies[j].Rules)
			for k := range l.Policies[j].Rules {
				l.Policies[j].Rules[k].Status = l.Status
			}
		}
	}
	for i := range known.Pools {
		p := &known.Pools[i]
		now := poolByID[p.ID]
		p.Status = cmp.Or(now.Status, plan.Active)
		if p.Monitor != nil {
			m := *p.Monitor
			m.Status = plan.Active
			if now.Monitor != nil {
				m.ID, m.Status = now.Monitor.ID, now.Monitor.Status
			}
			p.Monitor = &m
		}
		p.Members = slices.Clone(p.Members)
		for j := range p.Members {
			p.Members[j].Status = plan.Active
			for _, n := range now.Members {
				if canonical(n.Address) == p.Members[j].Address && n.Port == p.Members[j].Port {
					p.Members[j].ID, p.Members[j].Status = n.ID, n.Status
				}
			}
		}
	}
	return &known, nil
}
