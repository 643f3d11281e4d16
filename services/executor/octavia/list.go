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

// query is a list of load balancers by tags, all of which must be there, and of
// just the fields that are asked for (Octavia API reference, "Filtering and
// column selection").
type query struct{ tags, fields []string }

// ToLoadBalancerListQuery implements [loadbalancers.ListOptsBuilder].
func (q query) ToLoadBalancerListQuery() (string, error) {
	v := url.Values{"tags": {strings.Join(q.tags, ",")}, "fields": q.fields}
	return "?" + v.Encode(), nil
}

// Summaries are the load balancers of the fleet, without what is below them, in
// one list call.
func (c *Client) Summaries(ctx context.Context, fleet string) ([]plan.LoadBalancer, error) {
	found, err := c.list(ctx, "list the load balancers of fleet "+fleet, query{tags: []string{loadbalancer.FleetTag + fleet}})
	return slices.DeleteFunc(found, func(lb plan.LoadBalancer) bool { return !slices.Contains(lb.Tags, loadbalancer.FleetTag+fleet) }), err
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
	found, err := c.list(ctx, "find the load balancer of "+o.Key.String(), query{tags: o.Tags()})
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

// FloatingIPs are those that carry an owner's description.
func (c *Client) FloatingIPs(ctx context.Context, description string) ([]plan.FloatingIP, error) {
	found, err := all(ctx, floatingips.List(c.network, floatingips.ListOpts{Description: description}), floatingips.ExtractFloatingIPs)
	if err != nil {
		return nil, classify("find floating IPs described "+description, err)
	}
	var out []plan.FloatingIP
	for _, f := range found {
		if f.Description == description && c.own(f.ProjectID) {
			out = append(out, floatingIP(f))
		}
	}
	return out, nil
}

// AllFloatingIPs are those of the project that carry the fleet's mark, by description.
func (c *Client) AllFloatingIPs(ctx context.Context, fleet string) (map[string][]plan.FloatingIP, error) {
	found, err := all(ctx, floatingips.List(c.network, floatingips.ListOpts{}), floatingips.ExtractFloatingIPs)
	if err != nil {
		return nil, classify("list floating IPs", err)
	}
	out := map[string][]plan.FloatingIP{}
	for _, f := range found {
		if strings.HasPrefix(f.Description, loadbalancer.FleetTag+fleet+" ") && c.own(f.ProjectID) {
			out[f.Description] = append(out[f.Description], floatingIP(f))
		}
	}
	return out, nil
}

func floatingIP(f floatingips.FloatingIP) plan.FloatingIP {
	return plan.FloatingIP{ID: f.ID, Address: f.FloatingIP, NetworkID: f.FloatingNetworkID, PortID: f.PortID}
}

// all follows the pages of a list.
func all[T any](ctx context.Context, p pagination.Pager, extract func(pagination.Page) ([]T, error)) ([]T, error) {
	page, err := p.AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return extract(page)
}
