package executor

import (
	"fmt"
	"net/netip"
	"slices"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
)

// vip is where the address of the load balancer comes from.
func (o offer) vip(w wishes, group []events.Exposure) (loadbalancer.VIP, error) {
	p := w.e.Placement
	if p.Port != "" {
		return loadbalancer.VIP{}, fmt.Errorf("%w: the project has no port %q: correct %s", errPlacement, p.Port, asker("placement.port"))
	}
	switch subnet, network := nearest([][2]setting{
		{exposures("placement.subnet", p.Subnet), exposures("placement.network", p.Network)},
		{w.classes("vip-subnet", w.class.VIPSubnet), w.classes("vip-network", w.class.VIPNetwork)},
		{executors("vip-subnet", w.cfg.VIPSubnet), executors("vip-network", w.cfg.VIPNetwork)},
	}); {
	case subnet.value != "":
		return o.vipSubnet(subnet, p)
	case network.value != "":
		return o.vipNetwork(network, p)
	}
	own := slices.DeleteFunc(slices.Clone(o.subnets), func(s octavia.Subnet) bool {
		return len(p.Families) > 0 && family(s) != p.Families[0] ||
			slices.ContainsFunc(o.external, func(n octavia.Network) bool { return n.ID == s.NetworkID })
	})
	if len(own) == 1 {
		return loadbalancer.VIP{SubnetID: own[0].ID, NetworkID: own[0].NetworkID, Address: p.Address}, nil
	}
	holding := slices.DeleteFunc(slices.Clone(own), func(s octavia.Subnet) bool { return !holds(s.CIDR, group, p.Address) })
	if len(holding) == 1 {
		return loadbalancer.VIP{SubnetID: holding[0].ID, NetworkID: holding[0].NetworkID, Address: p.Address}, nil
	}
	var names []string
	for _, s := range own {
		names = append(names, fmt.Sprintf("%s (%s)", s.Name, s.CIDR))
	}
	return loadbalancer.VIP{}, fmt.Errorf("%w: %d subnets of the project hold the members' addresses: set the executor's vip-subnet to one of %s",
		errPlacement, len(holding), list(names))
}

func (o offer) vipSubnet(s setting, p events.Placement) (loadbalancer.VIP, error) {
	i, err := named("subnet", s, o.subnets, subnetNames)
	if err != nil {
		return loadbalancer.VIP{}, err
	}
	subnet := o.subnets[i]
	if len(p.Families) > 0 && family(subnet) != p.Families[0] {
		return loadbalancer.VIP{}, fmt.Errorf("%w: %s begin with %s, but %s %q is %s: name a subnet of %s, or put %s first",
			errPlacement, asker("placement.families"), p.Families[0], s.where, s.value, family(subnet), p.Families[0], family(subnet))
	}
	return loadbalancer.VIP{SubnetID: subnet.ID, NetworkID: subnet.NetworkID, Address: p.Address}, nil
}

// vipNetwork leaves the subnet to Octavia, unless a family is asked for.
func (o offer) vipNetwork(s setting, p events.Placement) (loadbalancer.VIP, error) {
	i, err := named("network", s, o.networks, networkNames)
	if err != nil {
		return loadbalancer.VIP{}, err
	}
	v := loadbalancer.VIP{NetworkID: o.networks[i].ID, Address: p.Address}
	if len(p.Families) > 0 {
		v.SubnetID, err = o.ofFamily(v.NetworkID, p.Families[0])
	}
	return v, err
}

// additional are the further VIPs: of the subnets that are named, and of the second family.
func (o offer) additional(p events.Placement, vip loadbalancer.VIP) (out []loadbalancer.VIP, err error) {
	covered := false
	for i, name := range p.AdditionalSubnets {
		j, err := named("subnet", exposures(fmt.Sprintf("placement.additionalSubnets[%d]", i), name), o.subnets, subnetNames)
		if err != nil {
			return nil, err
		}
		covered = covered || len(p.Families) > 1 && family(o.subnets[j]) == p.Families[1]
		out = append(out, loadbalancer.VIP{SubnetID: o.subnets[j].ID, NetworkID: o.subnets[j].NetworkID})
	}
	if len(p.Families) < 2 || covered {
		return out, nil
	}
	if vip.NetworkID == "" {
		return nil, fmt.Errorf("%w: %s ask for a second address, but of port %s the network is not known: name its %s subnet in %s",
			errPlacement, asker("placement.families"), vip.PortID, p.Families[1], asker("placement.additionalSubnets"))
	}
	id, err := o.ofFamily(vip.NetworkID, p.Families[1])
	return append(out, loadbalancer.VIP{SubnetID: id, NetworkID: vip.NetworkID}), err
}

// ofFamily is the one subnet of a network that has a family.
func (o offer) ofFamily(networkID, want string) (string, error) {
	var ids, names []string
	for _, s := range o.subnets {
		if s.NetworkID == networkID && family(s) == want {
			ids, names = append(ids, s.ID), append(names, s.Name)
		}
	}
	if len(ids) == 1 {
		return ids[0], nil
	}
	return "", fmt.Errorf("%w: %s ask for %s, but the VIP's network has %d such subnets: %s; add one, or name the subnet",
		errPlacement, asker("placement.families"), want, len(ids), list(names))
}

func family(s octavia.Subnet) string {
	if s.CIDR.Addr().Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// six says whether a subnet is known to be IPv6.
func (o offer) six(id string) bool {
	return slices.ContainsFunc(o.subnets, func(s octavia.Subnet) bool { return s.ID == id && family(s) == "IPv6" })
}

// holds says whether the VIP's address is in the prefix, or if none is given any member's.
func holds(p netip.Prefix, group []events.Exposure, vip string) bool {
	if vip != "" {
		a, err := netip.ParseAddr(vip)
		return err == nil && p.Contains(a)
	}
	for _, e := range group {
		for _, b := range e.Backends {
			for _, m := range b.Members {
				if a, err := netip.ParseAddr(m.Address); err == nil && p.Contains(a) {
					return true
				}
			}
		}
	}
	return false
}
