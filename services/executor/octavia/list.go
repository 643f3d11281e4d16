package octavia

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// query is a list of load balancers by name and by tags, all of which must be
// there, and of just the fields that are asked for (Octavia API reference, "Filtering and
// column selection").
type query struct {
	name         string
	tags, fields []string // tags: all of them
	anyTag       []string
}

// ToLoadBalancerListQuery implements [loadbalancers.ListOptsBuilder].
func (q query) ToLoadBalancerListQuery() (string, error) {
	v := url.Values{"fields": q.fields}
	if len(q.tags) > 0 {
		v.Set("tags", strings.Join(q.tags, ","))
	}
	if len(q.anyTag) > 0 {
		v.Set("tags-any", strings.Join(q.anyTag, ","))
	}
	if q.name != "" {
		v.Set("name", q.name)
	}
	return "?" + v.Encode(), nil
}

// Summaries are the load balancers of the fleet, without what is below them, in
// one list call.
func (c *Client) Summaries(ctx context.Context, fleet string) ([]plan.LoadBalancer, error) {
	found, err := c.list(ctx, "list the load balancers of fleet "+fleet, query{tags: []string{loadbalancer.FleetTag + fleet}})
	return slices.DeleteFunc(found, func(lb plan.LoadBalancer) bool { return !slices.Contains(lb.Tags, loadbalancer.FleetTag+fleet) }), err
}

// LoadBalancers are all of the project, whoever made them, without what is below
// them: for adoption.
func (c *Client) LoadBalancers(ctx context.Context) ([]plan.LoadBalancer, error) {
	return c.list(ctx, "list the load balancers of the project", query{})
}

// Statuses are id, status and time of change of all load balancers of the
// fleet, in one list call.
func (c *Client) Statuses(ctx context.Context, fleet string) ([]plan.LoadBalancer, error) {
	return c.list(ctx, "poll the statuses of fleet "+fleet, query{tags: []string{loadbalancer.FleetTag + fleet},
		fields: []string{"id", "provisioning_status", "operating_status", "updated_at"}})
}

// Find lists what carries all tags of an owner. That the cloud was asked for
// them proves nothing: its database may compare without regard to case.
func (c *Client) Find(ctx context.Context, o loadbalancer.Owner) ([]plan.LoadBalancer, error) {
	found, err := c.list(ctx, "find the load balancer of "+o.String(), query{tags: o.Tags()})
	return slices.DeleteFunc(found, func(lb plan.LoadBalancer) bool { return !o.Owns(lb.Tags) }), err
}

func (c *Client) list(ctx context.Context, op string, q query) ([]plan.LoadBalancer, error) {
	found, err := all(ctx, loadbalancers.List(c.lb, q), loadbalancers.ExtractLoadBalancers)
	if err != nil {
		return nil, classify(op, err)
	}
	out := make([]plan.LoadBalancer, 0, len(found))
	for _, lb := range found {
		if s := summary(lb); s.Status != plan.Deleted && c.own(lb.ProjectID) {
			out = append(out, s)
		}
	}
	return out, nil
}

// own says whether something is of our project. An administrator is listed
// what is of every project, and anyone can write our tags on his own things. A
// project is empty where the field was not asked for.
func (c *Client) own(project string) bool {
	return project == "" || c.project == "" || project == c.project
}

// FloatingIPQuery says which floating IPs are looked for: those with any of what
// is set.
type FloatingIPQuery struct {
	Description string // an owner's
	Address     string // of a given one
	PortID      string // that it is bound to
}

// FindFloatingIPs lists floating IPs of the project, each once.
func (c *Client) FindFloatingIPs(ctx context.Context, q FloatingIPQuery) ([]plan.FloatingIP, error) {
	var out []plan.FloatingIP
	for _, o := range []floatingips.ListOpts{{Description: q.Description}, {FloatingIP: q.Address}, {PortID: q.PortID}} {
		if o == (floatingips.ListOpts{}) {
			continue
		}
		found, err := c.floatingIPs(ctx, "find floating IPs", o)
		if err != nil {
			return nil, err
		}
		for _, f := range found { // a cloud that does not know a filter answers all
			asked := q.Description != "" && f.Description == q.Description || q.Address != "" && f.Address == canonical(q.Address) || q.PortID != "" && f.PortID == q.PortID
			if asked && !slices.ContainsFunc(out, func(x plan.FloatingIP) bool { return x.ID == f.ID }) {
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// FloatingIPs are those that carry an owner's description.
func (c *Client) FloatingIPs(ctx context.Context, description string) ([]plan.FloatingIP, error) {
	return c.FindFloatingIPs(ctx, FloatingIPQuery{Description: description})
}

// AllFloatingIPs are those of the project that carry the fleet's mark, by description.
func (c *Client) AllFloatingIPs(ctx context.Context, fleet string) (map[string][]plan.FloatingIP, error) {
	found, err := c.ProjectFloatingIPs(ctx)
	out := map[string][]plan.FloatingIP{}
	for _, f := range found {
		if strings.HasPrefix(f.Description, loadbalancer.FleetTag+fleet+" ") {
			out[f.Description] = append(out[f.Description], f)
		}
	}
	return out, err
}

// ProjectFloatingIPs are all of the project, whoever made them.
func (c *Client) ProjectFloatingIPs(ctx context.Context) ([]plan.FloatingIP, error) {
	return c.floatingIPs(ctx, "list floating IPs", floatingips.ListOpts{})
}

func (c *Client) floatingIPs(ctx context.Context, op string, o floatingips.ListOpts) ([]plan.FloatingIP, error) {
	found, err := all(ctx, floatingips.List(c.network, o), floatingips.ExtractFloatingIPs)
	if err != nil {
		return nil, classify(op, err)
	}
	var out []plan.FloatingIP
	for _, f := range found {
		if c.own(f.ProjectID) {
			out = append(out, floatingIP(f))
		}
	}
	return out, nil
}

func floatingIP(f floatingips.FloatingIP) plan.FloatingIP {
	return plan.FloatingIP{ID: f.ID, Address: canonical(f.FloatingIP), NetworkID: f.FloatingNetworkID, PortID: f.PortID, Description: f.Description}
}

// all follows the pages of a list.
func all[T any](ctx context.Context, p pagination.Pager, extract func(pagination.Page) ([]T, error)) ([]T, error) {
	page, err := p.AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return extract(page)
}
