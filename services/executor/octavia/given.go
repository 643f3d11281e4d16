package octavia

import (
	"context"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
)

// Guests are the tags of the fleet's listeners on load balancers that another
// made, by the load balancer's id, in one list call. Those on the fleet's own
// carry no tag that says whose they are.
func (c *Client) Guests(ctx context.Context, fleet string) (map[string][]string, error) {
	tag := loadbalancer.FleetTag + fleet
	found, err := all(ctx, listeners.List(c.lb, listeners.ListOpts{Tags: []string{tag}}), listeners.ExtractListeners)
	if err != nil {
		return nil, classify("list the listeners of fleet "+fleet, err)
	}
	out := map[string][]string{}
	for _, l := range found {
		if !c.own(l.ProjectID) || !slices.Contains(l.Tags, tag) {
			continue
		}
		for _, lb := range l.Loadbalancers {
			out[lb.ID] = append(out[lb.ID], l.Tags...)
		}
	}
	return out, nil
}

// Named are the load balancers of the project that have one of the names, or a
// tag that is one. It takes one read, and one more for each name.
func (c *Client) Named(ctx context.Context, names ...string) ([]plan.LoadBalancer, error) {
	if len(names) == 0 {
		return nil, nil
	}
	found, err := c.list(ctx, "find load balancers tagged "+strings.Join(names, " or "), query{anyTag: names})
	for _, n := range names {
		if err != nil {
			return nil, err
		}
		var more []plan.LoadBalancer
		more, err = c.list(ctx, "find load balancers named "+n, query{name: n})
		found = append(found, more...)
	}
	return found, err
}
