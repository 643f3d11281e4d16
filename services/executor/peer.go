package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
)

// How the octavia-ingress-controller and the openstack-cloud-controller-manager
// name their load balancers: the prefix, then cluster, namespace and name. The
// latter tags them with the name too, once for every Service that shares one.
const (
	peerIngress = "kube_ingress_"
	peerService = "kube_service_"
	peerDefault = "kubernetes" // the latter's --cluster-name where nobody sets it
)

var errPeer = errors.New("another's load balancer serves this object")

// peerNames are what the load balancer of another for an exposure may be called.
func peerNames(k events.Key, clusters map[string]string) (out []string) {
	prefix := map[string]string{events.KindIngress: peerIngress, events.KindService: peerService}[k.Kind]
	if prefix == "" {
		return nil
	}
	names := []string{k.Cluster}
	if theirs, ok := clusters[k.Cluster]; ok {
		names = []string{theirs}
	} else if k.Kind == events.KindService && k.Cluster != peerDefault {
		names = append(names, peerDefault)
	}
	for _, cluster := range names {
		n := prefix + strings.Join([]string{cluster, k.Namespace, k.Name}, "_")
		out = append(out, n[:min(len(n), loadbalancer.MaxName)])
	}
	return out
}

// peers says whether a load balancer is one that a peer made for one of the names.
func peers(lb plan.LoadBalancer, names []string) bool {
	return slices.Contains(names, lb.Name) || slices.ContainsFunc(lb.Tags, func(t string) bool { return slices.Contains(names, t) })
}

// claimed says whether a load balancer has a tag of ours, of any fleet.
func claimed(lb plan.LoadBalancer) bool {
	return slices.ContainsFunc(lb.Tags, func(t string) bool { return strings.HasPrefix(t, loadbalancer.FleetTag) })
}

// standIns refuses to create a load balancer for an object that a peer's load
// balancer serves: its address would change, and both would stand.
func (t *term) standIns(ctx context.Context, j *job, step plan.Step) error {
	if _, creates := step.(plan.CreateLoadBalancer); !creates || t.cfg.Adopt != AdoptAsk || j.unit.group != "" {
		return nil
	}
	names := peerNames(j.unit.key, t.cfg.PeerClusters)
	found, err := t.client.Named(ctx, names...)
	if err != nil {
		return err
	}
	for _, lb := range found {
		if j.owner.Owns(lb.Tags) { // adopted after what stands was looked for
			return &octavia.Error{Op: "create load balancer", Class: octavia.Stale, Message: fmt.Sprintf("%q (%s) has just been adopted", lb.Name, lb.ID)}
		}
		if !claimed(lb) && peers(lb, names) {
			return fmt.Errorf("%w: %q (%s), which Drawbridge has not made: adopt it first, with its address: drawbridge adopt --apply; or set the executor's adopt to never, to have another one made beside it", errPeer, lb.Name, lb.ID)
		}
	}
	return nil
}
