package octavia

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
)

// Adopt makes a load balancer that another made the owner's: it writes the
// owner's tags beside those that are there, and the owner's description on the
// floating IP of its VIP, that first, so that nobody takes the address for
// another's once the load balancer is ours; and nothing else. What is written already is not
// written again. It answers what it wrote. What is somebody's is refused.
func (c *Client) Adopt(ctx context.Context, o loadbalancer.Owner, id string) ([]string, error) {
	op := "adopt load balancer " + id
	found, err := loadbalancers.Get(ctx, c.lb, id).Extract()
	if err != nil {
		return nil, classify(op, err)
	}
	lb := summary(*found)
	if err := c.adoptable(o, lb, found.ProjectID); err != nil {
		return nil, &Error{Op: op, Class: Permanent, local: true, err: err}
	}
	floating, err := c.FindFloatingIPs(ctx, FloatingIPQuery{PortID: lb.PortID})
	if err != nil {
		return nil, err
	}
	for _, f := range floating {
		if strings.HasPrefix(f.Description, loadbalancer.FleetTag) && f.Description != o.Description() {
			return nil, &Error{Op: op, Class: Permanent, local: true, err: fmt.Errorf("its floating IP %s is owned by another: %s", f.Address, f.Description)}
		}
	}
	var done []string
	tags := slices.Clone(lb.Tags)
	for _, t := range append(o.Tags(), loadbalancer.AdoptedTag) {
		if !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	for _, f := range floating {
		if f.Description == o.Description() {
			continue
		}
		if _, err := c.Apply(ctx, plan.ReleaseFloatingIP{ID: f.ID, Address: f.Address, Description: o.Description()}); err != nil {
			return done, err
		}
		done = append(done, fmt.Sprintf("description of floating IP %s: %s", f.Address, o.Description()))
	}
	if len(tags) != len(lb.Tags) {
		if _, err := c.update(ctx, "loadbalancer", object{"tags": tags}, "loadbalancers", id); err != nil {
			return done, classify(op, err)
		}
		done = append(done, fmt.Sprintf("tags of load balancer %q: %s", lb.Name, strings.Join(tags[len(lb.Tags):], ", ")))
	}
	return done, nil
}

func (c *Client) adoptable(o loadbalancer.Owner, lb plan.LoadBalancer, project string) error {
	if !c.own(project) {
		return errors.New("it is of another project")
	}
	if lb.Status.Pending() {
		return fmt.Errorf("it is %s: try again when it has settled", lb.Status)
	}
	for _, t := range lb.Tags {
		for _, kind := range []string{loadbalancer.FleetTag, loadbalancer.KeyTag, loadbalancer.GroupTag} {
			if strings.HasPrefix(t, kind) && !slices.Contains(o.Tags(), t) {
				return fmt.Errorf("it is owned by another: tag %s", t)
			}
		}
	}
	return nil
}
