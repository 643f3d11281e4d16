// Package compose turns exposures into the load balancer that serves them.
// It is pure: same exposures, same load balancer, in one canonical order.
package compose

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
)

// Defaults are what an exposure does not say: the cloud's and the operator's choices.
type Defaults struct {
	Provider          string
	FlavorID          string // resolved for this group; empty: none
	AvailabilityZone  string
	VIP               loadbalancer.VIP // with the port and the address that are asked for
	AdditionalVIPs    []loadbalancer.VIP
	MemberSubnetID    string // empty: that of the VIP, by Octavia's own choice
	FloatingNetworkID string // for exposures that are not internal
	FloatingSubnetID  string // empty: any of the network
	DrainDelay        int    // seconds, of backends that do not say
	MaxPolicies       int    // L7 policies a listener may have; 0: no limit
	APIMinor          int    // of the cloud's Octavia: 12 is API 2.12
}

// First Octavia API 2.x with what not every exposure needs (octavia API version history).
const (
	allowedCIDRsMinor = 12
	zonesMinor        = 14
)

// NoBackend is the pool without members that answers 503 to requests of a host
// that no path of it takes, where an exposure has no default backend.
const NoBackend = "no-backend"

// Conflict is something that cannot be served as it is asked for.
type Conflict struct {
	Key     events.Key
	Field   string // JSON path in the exposure
	Message string
	// Fatal: serving the rest would send requests where they must not go, so
	// nothing is changed. Otherwise the load balancer decides as Message says.
	Fatal bool
}

// String is the conflict as one line for a person.
func (c Conflict) String() string { return fmt.Sprintf("%s: %s: %s", c.Key, c.Field, c.Message) }

// LoadBalancer composes what serves the exposures of an owner: one, or with a
// group all of that group, which share a load balancer. There is at least one.
func LoadBalancer(owner loadbalancer.Owner, group []events.Exposure, d Defaults) (loadbalancer.LoadBalancer, []Conflict) {
	group = slices.Clone(group)
	slices.SortFunc(group, func(a, b events.Exposure) int { return cmp.Compare(a.Key.String(), b.Key.String()) })
	lb := loadbalancer.LoadBalancer{
		Name: owner.Name(), Tags: owner.Tags(),
		Description: "Made by Drawbridge for " + group[0].Key.String(),
		Provider:    d.Provider, FlavorID: d.FlavorID, AvailabilityZone: d.AvailabilityZone, VIP: d.VIP,
	}
	lb.Description = lb.Description[:min(len(lb.Description), loadbalancer.MaxName)]
	if !group[0].Internal {
		lb.FloatingNetworkID, lb.FloatingIPDescription = d.FloatingNetworkID, owner.Description()
	}
	var conflicts []Conflict
	if d.AvailabilityZone != "" && d.APIMinor < zonesMinor {
		conflicts = append(conflicts, Conflict{Key: group[0].Key, Field: "availabilityZone", Fatal: true, Message: fmt.Sprintf(
			"this cloud's Octavia API 2.%d has no availability zones (2.%d has): take the executor's availability-zone away", d.APIMinor, zonesMinor)})
	}
	for _, e := range group {
		conflicts = append(conflicts, add(&lb, e.Normalize(), d)...)
	}
	slices.SortFunc(lb.Listeners, func(a, b loadbalancer.Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	slices.SortFunc(lb.Pools, func(a, b loadbalancer.Pool) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Protocol, b.Protocol))
	})
	return lb, conflicts
}

// add puts one exposure onto the load balancer.
func add(lb *loadbalancer.LoadBalancer, e events.Exposure, d Defaults) (conflicts []Conflict) {
	refuse := func(field, format string, args ...any) {
		conflicts = append(conflicts, Conflict{Key: e.Key, Field: field, Message: fmt.Sprintf(format, args...), Fatal: true})
	}
	used := map[string]bool{}
	for i, l := range e.Listeners {
		field := fmt.Sprintf("listeners[%d]", i)
		if j := slices.IndexFunc(lb.Listeners, func(o loadbalancer.Listener) bool {
			return o.Port == l.Port && loadbalancer.Family(o.Protocol) == l.Protocol.Family()
		}); j >= 0 {
			refuse(field, "%s port %d is taken by another exposure of the group: choose another port or group", l.Protocol.Family(), l.Port)
			continue
		}
		if len(l.AllowedSources) > 0 && d.APIMinor < allowedCIDRsMinor {
			refuse(field+".allowedSources", "this cloud's Octavia API 2.%d has no allowed_cidrs (2.%d has): it would be open to everyone", d.APIMinor, allowedCIDRsMinor)
		}
		r := route(l)
		for _, c := range r.conflicts {
			c.Key, c.Field = e.Key, field+"."+c.Field
			conflicts = append(conflicts, c)
		}
		if d.MaxPolicies > 0 && len(r.policies) > d.MaxPolicies {
			refuse(field+".routes", "%d L7 policies are needed, at most %d are configured (max-policies): split the object", len(r.policies), d.MaxPolicies)
		}
		if r.noBackend {
			lb.Pools = append(lb.Pools, loadbalancer.Pool{Name: NoBackend, Protocol: string(l.Protocol), Algorithm: algorithm(d.Provider)})
		}
		used[r.defaultPool] = true
		for _, p := range r.policies {
			used[p.Pool] = true
		}
		lb.Listeners = append(lb.Listeners, loadbalancer.Listener{
			Name: fmt.Sprintf("%s-%d", l.Protocol, l.Port), Protocol: string(l.Protocol), Port: l.Port,
			DefaultPool: r.defaultPool, AllowedCIDRs: l.AllowedSources, Policies: r.policies,
		})
	}
	lb.Pools = slices.CompactFunc(lb.Pools, func(a, b loadbalancer.Pool) bool { return a.Name == b.Name && a.Protocol == b.Protocol })
	for _, b := range e.Backends {
		if used[b.Name] {
			lb.Pools = append(lb.Pools, pool(b, d.Provider))
		}
	}
	return conflicts
}

func pool(b events.Backend, provider string) loadbalancer.Pool {
	p := loadbalancer.Pool{Name: b.Name, Protocol: string(b.Protocol), Algorithm: algorithm(provider)}
	for _, m := range b.Members {
		p.Members = append(p.Members, loadbalancer.Member{
			Name: m.Name[:min(len(m.Name), loadbalancer.MaxName)], Address: canonical(m.Address), Port: m.Port, Weight: 1})
	}
	if m := b.Monitor; m != nil {
		p.Monitor = &loadbalancer.Monitor{Type: m.Type, Delay: m.Delay, Timeout: m.Timeout,
			MaxRetries: m.MaxRetries, MaxRetriesDown: m.MaxRetriesDown}
		if m.Type == "HTTP" {
			p.Monitor.Path, p.Monitor.Codes = cmp.Or(m.Path, "/"), cmp.Or(m.Codes, "200")
		}
	}
	return p
}

// canonical writes an address as Octavia answers it.
func canonical(address string) string {
	if a, err := netip.ParseAddr(address); err == nil {
		return a.String()
	}
	return address
}

// algorithm is the one that every member shares alike; the OVN provider knows
// no other than SOURCE_IP_PORT (ovn-octavia-provider, "Limitations").
func algorithm(provider string) string {
	if provider == "ovn" {
		return "SOURCE_IP_PORT"
	}
	return "ROUND_ROBIN"
}
