package octavia

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
)

// Adopt makes a load balancer that another made the owner's: it writes the
// owner's tags beside those that are there, and the owner's description on the
// floating IP of its VIP, that first, so that nobody takes the address for
// another's once the load balancer is ours; and nothing else. What is written already is not
// written again. It answers what it wrote. What is somebody's is refused. A floating
// IP of the address given, which the exposure names, stays whose it is.
func (c *Client) Adopt(ctx context.Context, o loadbalancer.Owner, id, given string) ([]string, error) {
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
		if err := Takeable(o, f, given); err != nil {
			return nil, &Error{Op: op, Class: Permanent, local: true, err: err}
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
		if f.Description == o.Description() || f.Address == given {
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

// Takeable says why a floating IP on the VIP of a load balancer that is adopted
// can neither become the owner's nor stay as the one given: then its load
// balancer cannot be adopted, because the floating IP would be taken off.
func Takeable(o loadbalancer.Owner, f plan.FloatingIP, given string) error {
	switch {
	case strings.HasPrefix(f.Description, loadbalancer.FleetTag) && f.Description != o.Description():
		return fmt.Errorf("its floating IP %s is owned by another: %s", f.Address, f.Description)
	case f.Description == o.Description() || f.Address == given || peersFloatingIP(o.Key, f.Description):
		return nil
	}
	return fmt.Errorf("its floating IP %s was made by somebody else (its description is %q), and would be deleted with the object if it were ours: "+
		"annotate drawbridge.dev/floating-ip: %s, which binds it and never deletes it (with drawbridge.dev/internal: \"false\" where the object is internal), or detach it", f.Address, f.Description, f.Address)
}

// peersFloatingIP says whether a description is the one that the
// octavia-ingress-controller or the openstack-cloud-controller-manager gives to
// a floating IP that it creates for the object, whatever it calls the cluster.
func peersFloatingIP(k events.Key, description string) bool {
	about := fmt.Sprintf("Floating IP for Kubernetes ingress %s in namespace %s from cluster ", k.Name, k.Namespace)
	if k.Kind == events.KindService {
		about = fmt.Sprintf("Floating IP for Kubernetes external service %s/%s from cluster ", k.Namespace, k.Name)
	}
	return strings.HasPrefix(description, about)
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
