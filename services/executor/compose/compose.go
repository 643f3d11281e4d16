// Package compose turns exposures into the load balancer that serves them.
// It is pure: same exposures, same load balancer, in one canonical order.
package compose

import (
	"cmp"
	"fmt"
	"slices"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
)

// Defaults are what an exposure does not say: the cloud's and the operator's
// choices, and what the exposure names, resolved to ids. For a group they are
// those of its first exposure.
type Defaults struct {
	Provider          string // of Octavia; empty: the cloud's default, which is taken for amphora
	FlavorID          string // empty: none
	AvailabilityZone  string
	VIP               loadbalancer.VIP // with the port and the address that are asked for
	AdditionalVIPs    []loadbalancer.VIP
	MemberSubnetID    string // empty: Octavia's own choice
	FloatingNetworkID string // for exposures that are not internal
	FloatingSubnetID  string // empty: any of the network
	DrainDelay        int    // seconds, of backends that do not say
	MaxPolicies       int    // L7 policies a listener may have; 0: no limit
	APIMinor          int    // of the cloud's Octavia: 12 is API 2.12
}

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
// Where they contradict each other the first in order of keys wins; that the
// older one does is for policy to see to, by denying the younger.
func LoadBalancer(owner loadbalancer.Owner, group []events.Exposure, d Defaults) (loadbalancer.LoadBalancer, []Conflict) {
	group = slices.Clone(group)
	slices.SortFunc(group, func(a, b events.Exposure) int { return cmp.Compare(a.Key.String(), b.Key.String()) })
	c := &composer{owner: owner, d: d, ports: map[string]*port{}, pools: map[string]loadbalancer.Pool{}, used: map[string]bool{}}
	for i, e := range group {
		group[i] = c.able(e.Normalize())
		c.clusters = c.clusters || e.Key.Cluster != group[0].Key.Cluster
	}
	c.whole(group)
	for _, e := range group {
		c.add(e)
	}
	c.finish()
	return c.lb, c.conflicts
}

// composer gathers one load balancer.
type composer struct {
	owner     loadbalancer.Owner
	d         Defaults
	clusters  bool // the group spans clusters: names carry them
	lb        loadbalancer.LoadBalancer
	ports     map[string]*port // by family and number
	pools     map[string]loadbalancer.Pool
	used      map[string]bool // pools that a listener sends to
	conflicts []Conflict
}

func (c *composer) refuse(key events.Key, field, format string, args ...any) {
	c.conflicts = append(c.conflicts, Conflict{Key: key, Field: field, Message: fmt.Sprintf(format, args...), Fatal: true})
}

func (c *composer) warn(key events.Key, field, format string, args ...any) {
	c.conflicts = append(c.conflicts, Conflict{Key: key, Field: field, Message: fmt.Sprintf(format, args...)})
}

// whole sets what belongs to the load balancer as a whole.
func (c *composer) whole(group []events.Exposure) {
	first, d, owner := group[0], c.d, c.owner
	about := "Made by Drawbridge for " + owner.String()
	c.lb = loadbalancer.LoadBalancer{
		ID: first.Placement.LoadBalancer, Name: owner.Name(), Description: about[:min(len(about), loadbalancer.MaxName)],
		Provider: d.Provider, FlavorID: d.FlavorID, AvailabilityZone: d.AvailabilityZone, VIP: d.VIP, AdditionalVIPs: d.AdditionalVIPs,
		Asked: asked(first, d), Tags: owner.Tags(),
	}
	var tags []string
	for _, e := range group {
		c.agree(first, e)
		tags = append(tags, e.Tags...)
		c.lb.Replace = c.lb.Replace || e.Replace
		c.lb.KeepFloatingIP = c.lb.KeepFloatingIP || e.FloatingIP.Keep
		if e.Protected {
			tags = append(tags, loadbalancer.ProtectTag)
		}
		if e.FloatingIP.Keep {
			tags = append(tags, loadbalancer.KeepTag)
		}
	}
	slices.Sort(tags)
	c.lb.Tags = append(c.lb.Tags, slices.Compact(tags)...)
	if !first.Internal {
		c.lb.FloatingNetworkID, c.lb.FloatingSubnetID, c.lb.FloatingAddress = d.FloatingNetworkID, d.FloatingSubnetID, first.FloatingIP.Address
		c.lb.FloatingIPDescription = owner.Description()
	}
}

// asked is what the exposure itself says of what Octavia cannot change.
func asked(e events.Exposure, d Defaults) (a loadbalancer.Asked) {
	p := e.Placement
	if e.Flavor != "" {
		a.FlavorID = d.FlavorID
	}
	if p.AvailabilityZone != "" {
		a.AvailabilityZone = d.AvailabilityZone
	}
	switch {
	case p.Port != "":
		a.VIP.PortID = d.VIP.PortID
	case p.Subnet != "" || p.Class != "" && d.VIP.SubnetID != "":
		a.VIP.SubnetID = d.VIP.SubnetID
	case p.Network != "" || p.Class != "":
		a.VIP.NetworkID = d.VIP.NetworkID
	}
	if p.Address != "" {
		a.VIP.Address = d.VIP.Address
	}
	if len(p.AdditionalSubnets) > 0 || len(p.Families) > 1 {
		for _, v := range d.AdditionalVIPs {
			a.AdditionalSubnetIDs = append(a.AdditionalSubnetIDs, v.SubnetID)
		}
		slices.Sort(a.AdditionalSubnetIDs)
	}
	if f := e.FloatingIP; !e.Internal && f.Address == "" {
		if f.Network != "" || p.Class != "" {
			a.FloatingNetworkID = d.FloatingNetworkID
		}
		if f.Subnet != "" || f.SubnetTags != "" {
			a.FloatingSubnetID = d.FloatingSubnetID
		}
	}
	return a
}

// agree names what an exposure says of the shared load balancer otherwise than
// the first of its group.
func (c *composer) agree(first, e events.Exposure) {
	for _, x := range []struct {
		field     string
		want, has any
	}{
		{"internal", first.Internal, e.Internal},
		{"flavor", first.Flavor, e.Flavor},
		{"placement", fmt.Sprintf("%+v", first.Placement), fmt.Sprintf("%+v", e.Placement)},
		{"floatingIP.address", first.FloatingIP.Address, e.FloatingIP.Address},
		{"floatingIP.network", first.FloatingIP.Network, e.FloatingIP.Network},
		{"floatingIP.subnet", first.FloatingIP.Subnet + first.FloatingIP.SubnetTags, e.FloatingIP.Subnet + e.FloatingIP.SubnetTags},
	} {
		if x.want != x.has {
			c.refuse(e.Key, x.field, "%#v differs from %#v of %s, which shares the load balancer: say the same, or leave the group", x.has, x.want, first.Key)
		}
	}
}

// finish routes every port, and puts everything in order.
func (c *composer) finish() {
	for _, p := range c.ports {
		c.lb.Listeners = append(c.lb.Listeners, c.listener(p))
	}
	slices.SortFunc(c.lb.Listeners, func(a, b loadbalancer.Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	for name, p := range c.pools {
		if c.used[name] {
			c.lb.Pools = append(c.lb.Pools, p)
		}
	}
	slices.SortFunc(c.lb.Pools, func(a, b loadbalancer.Pool) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(c.conflicts, func(a, b Conflict) int {
		return cmp.Or(cmp.Compare(a.Key.String(), b.Key.String()), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
	})
}
