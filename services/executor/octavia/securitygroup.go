package octavia

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
)

// SecurityGroup is what lets one load balancer reach its members: rules, and
// the addresses whose ports get them.
type SecurityGroup struct {
	Rules     []SecurityRule
	Addresses []string // of members
	SubnetIDs []string // that the members are in; empty: any of the project
}

// SecurityRule lets something in.
type SecurityRule struct {
	Protocol string       // tcp, udp, sctp
	Ports    PortRange    // of the member
	Source   netip.Prefix // where the load balancer speaks from
}

// PortRange is closed on both ends.
type PortRange struct{ From, To int }

// SecurityGroupOf is the group of a load balancer that speaks to its members
// from some prefixes: a rule for every port that a member serves at or is
// checked at, from every prefix of the member's family.
func SecurityGroupOf(d loadbalancer.LoadBalancer, sources []netip.Prefix) SecurityGroup {
	var g SecurityGroup
	for _, p := range d.Pools {
		for _, m := range p.Members {
			a, err := netip.ParseAddr(m.Address)
			if err != nil {
				continue
			}
			g.Addresses = append(g.Addresses, a.String())
			for _, s := range sources {
				if s.Addr().Is4() != a.Is4() {
					continue
				}
				g.Rules = append(g.Rules, SecurityRule{transport(p.Protocol), PortRange{m.Port, m.Port}, s.Masked()})
				if at := cmp.Or(m.MonitorPort, m.Port); p.Monitor != nil && p.Monitor.Type != "PING" {
					g.Rules = append(g.Rules, SecurityRule{probe(p), PortRange{at, at}, s.Masked()})
				}
			}
		}
	}
	g.Addresses = sorted(g.Addresses)
	slices.SortFunc(g.Rules, compareRules)
	g.Rules = slices.Compact(g.Rules)
	return g
}

func transport(protocol string) string { return strings.ToLower(loadbalancer.Family(protocol)) }

// probe is the transport of a pool's monitor. A UDP or SCTP pool may be checked by TCP.
func probe(p loadbalancer.Pool) string {
	switch p.Monitor.Type {
	case "UDP-CONNECT":
		return "udp"
	case "SCTP":
		return "sctp"
	}
	return "tcp"
}

func compareRules(a, b SecurityRule) int {
	return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Ports.From, b.Ports.From), cmp.Compare(a.Ports.To, b.Ports.To),
		cmp.Compare(a.Source.String(), b.Source.String()))
}

// standingGroup is a security group as it stands, with the ports that have it
// and those that shall.
type standingGroup struct {
	id    string // empty: it does not stand
	tags  []string
	rules []standingRule // of ingress; those of egress are Neutron's
	ports []standingPort
}

// standingRule is a rule as it stands. foreign: it says something that ours never do.
type standingRule struct {
	id      string
	foreign bool
	SecurityRule
}

type standingPort struct {
	id                 string
	addresses, subnets []string // address i is of subnet i
	groups             []string
	revision           int
}

// groupChange leads from a standing group to what is desired, in this order, so
// that nothing which stays reachable is unreachable in between.
type groupChange struct {
	create bool
	tag    bool
	add    []SecurityRule
	bind   []standingPort
	unbind []standingPort
	drop   []standingRule
	remove bool
}

func (c groupChange) empty() bool {
	return !c.create && !c.tag && len(c.add)+len(c.bind)+len(c.unbind)+len(c.drop) == 0 && !c.remove
}

// diffGroup says what is to be changed; desired nil: nothing of the group may stand.
func diffGroup(desired *SecurityGroup, tags []string, have standingGroup) groupChange {
	var c groupChange
	if desired == nil || len(desired.Rules) == 0 || len(desired.Addresses) == 0 {
		for _, p := range have.ports {
			if have.id != "" && slices.Contains(p.groups, have.id) {
				c.unbind = append(c.unbind, p)
			}
		}
		c.remove = have.id != ""
		return c
	}
	c.create = have.id == ""
	for _, t := range tags {
		c.tag = c.tag || !slices.Contains(have.tags, t)
	}
	stands := map[SecurityRule]bool{}
	for _, r := range have.rules {
		if r.foreign || stands[r.SecurityRule] || !slices.Contains(desired.Rules, r.SecurityRule) {
			c.drop = append(c.drop, r)
			continue
		}
		stands[r.SecurityRule] = true
	}
	for _, r := range desired.Rules {
		if !stands[r] {
			c.add = append(c.add, r)
			stands[r] = true
		}
	}
	for _, p := range have.ports {
		switch has := have.id != "" && slices.Contains(p.groups, have.id); {
		case desired.covers(p) && !has:
			c.bind = append(c.bind, p)
		case !desired.covers(p) && has:
			c.unbind = append(c.unbind, p)
		}
	}
	return c
}

// covers says whether a port is that of a member.
func (g SecurityGroup) covers(p standingPort) bool {
	for i, a := range p.addresses {
		if slices.Contains(g.Addresses, a) && (len(g.SubnetIDs) == 0 || slices.Contains(g.SubnetIDs, p.subnets[i])) {
			return true
		}
	}
	return false
}
