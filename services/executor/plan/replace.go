package plan

import (
	"cmp"
	"slices"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
)

// Choose says of the load balancers found for one owner which one is to serve,
// which one it replaces, and which are too many. Served is the id that the last
// outcome named; empty: none.
func Choose(desired *loadbalancer.LoadBalancer, found []LoadBalancer, served string) (current, old *LoadBalancer, extras []LoadBalancer) {
	found = slices.Clone(found)
	slices.SortFunc(found, func(a, b LoadBalancer) int {
		return cmp.Or(-cmp.Compare(bit(a.ID == served), bit(b.ID == served)), cmp.Compare(a.ID, b.ID))
	})
	if len(found) == 0 {
		return nil, nil, nil
	}
	if desired != nil && desired.Replace && len(differences(desired, &found[0])) > 0 {
		for i := range found[1:] {
			if n := &found[i+1]; len(differences(desired, n)) == 0 {
				return n, &found[0], append(slices.Clone(found[1:i+1]), found[i+2:]...)
			}
		}
	}
	return &found[0], nil, found[1:]
}

// Wake is the time after which a plan has steps again though nothing changes
// meanwhile: a member that drains is to be removed. 0: never.
func Wake(desired *loadbalancer.LoadBalancer, o Observed) time.Duration {
	return 0
}

// differences are what the exposure itself asks for, and what Octavia cannot
// change on the load balancer that stands.
func differences(desired *loadbalancer.LoadBalancer, lb *LoadBalancer) (out []string) {
	if a := desired.Asked; a.FlavorID != "" && a.FlavorID != lb.FlavorID {
		out = append(out, "flavor "+a.FlavorID+" is asked for")
	}
	return out
}
