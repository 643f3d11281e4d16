package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
)

// Choose says of the load balancers found for one owner, with the one that the
// exposure names, which is to serve, which one it replaces, and which are too
// many. Served is the id that the last outcome named; empty: none.
func Choose(desired *loadbalancer.LoadBalancer, found []LoadBalancer, served string) (current, old *LoadBalancer, extras []LoadBalancer) {
	found = slices.Clone(found)
	slices.SortFunc(found, func(a, b LoadBalancer) int {
		return cmp.Or(-cmp.Compare(bit(a.ID == served), bit(b.ID == served)), cmp.Compare(a.ID, b.ID))
	})
	take := func(match func(LoadBalancer) bool) *LoadBalancer {
		i := slices.IndexFunc(found, match)
		if i < 0 {
			return nil
		}
		lb := found[i]
		found = slices.Delete(found, i, i+1)
		return &lb
	}
	first := func(LoadBalancer) bool { return true }
	if desired != nil && desired.ID != "" {
		current = take(func(lb LoadBalancer) bool { return lb.ID == desired.ID })
		return current, take(first), found
	}
	if current = take(first); current == nil || desired == nil || !desired.Replace || len(differences(desired, current)) == 0 {
		return current, nil, found
	}
	if next := take(func(lb LoadBalancer) bool { return len(differences(desired, &lb)) == 0 }); next != nil {
		return next, current, found
	}
	return current, nil, found
}

// Wake is the time after which a plan has steps again though nothing changes
// meanwhile: a member that drains is to be removed. 0: never. It is of use where
// [Diff] has no steps.
func Wake(desired *loadbalancer.LoadBalancer, o Observed) time.Duration {
	if desired == nil || o.LoadBalancer == nil || Blocked(desired, o) != "" {
		return 0
	}
	d := newDiffer(desired, o)
	d.run()
	return d.wake
}

// takes says whether what is desired needs the very address or port of the load
// balancer that stands, so that both cannot stand beside each other.
func takes(desired *loadbalancer.LoadBalancer, lb *LoadBalancer) bool {
	v := desired.VIP
	return v.PortID != "" && v.PortID == lb.PortID || v.Address != "" && v.Address == lb.Address
}

// differences are what the exposure itself asks for and Octavia cannot change
// on the load balancer that stands.
func differences(desired *loadbalancer.LoadBalancer, lb *LoadBalancer) (out []string) {
	if desired.ID != "" {
		return nil
	}
	a := desired.Asked
	for _, x := range []struct{ what, want, have string }{
		{"flavor", a.FlavorID, lb.FlavorID},
		{"availability zone", a.AvailabilityZone, lb.AvailabilityZone},
		{"port of the VIP", a.VIP.PortID, lb.PortID},
		{"subnet of the VIP", a.VIP.SubnetID, lb.VIP.SubnetID},
		{"network of the VIP", a.VIP.NetworkID, lb.VIP.NetworkID},
		{"address of the VIP", a.VIP.Address, lb.Address},
	} {
		if x.want != "" && x.want != x.have {
			out = append(out, fmt.Sprintf("%s %s is asked for, and %s stands", x.what, x.want, cmp.Or(x.have, "none")))
		}
	}
	var subnets []string
	for _, v := range lb.AdditionalVIPs {
		subnets = append(subnets, v.SubnetID)
	}
	if len(a.AdditionalSubnetIDs) > 0 && !sameSet(a.AdditionalSubnetIDs, subnets) {
		out = append(out, fmt.Sprintf("additional VIPs of subnets %v are asked for, and %v stand", a.AdditionalSubnetIDs, subnets))
	}
	if lb.Status == Error {
		out = append(out, "it is in ERROR")
	}
	return out
}
