package sandbox

import (
	"net/netip"
	"slices"
)

// placeVIP finds port, subnet and network of a VIP from what was given.
func (c *Cloud) placeVIP(r *request, lb *loadBalancer, in map[string]any) error {
	set(in, "vip_port_id", &lb.Port)
	set(in, "vip_subnet_id", &lb.Subnet)
	set(in, "vip_network_id", &lb.Network)
	set(in, "vip_address", &lb.VIP)
	switch {
	case lb.Port == "" && lb.Network == "" && lb.Subnet == "":
		return invalid("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")
	case lb.Port != "":
		p := c.state.Ports[lb.Port]
		if p == nil || p.Project != r.token.project {
			return bad("Port %s not found.", lb.Port)
		}
		if p.Device != "" {
			return invalid("Port %s is already used by device %s ", p.ID, p.Device)
		}
		lb.Network, lb.Subnet, lb.VIP = p.Network, p.Subnet, p.Address
	case lb.Network != "":
		n := c.state.Networks[lb.Network]
		if n == nil || !n.usable(r.token.project) {
			return bad("Network %s not found.", lb.Network)
		}
		if lb.Subnet == "" {
			if len(n.Subnets) == 0 {
				return invalid("Supplied network does not contain a subnet.")
			}
			lb.Subnet = n.Subnets[0]
		} else if !slices.Contains(n.Subnets, lb.Subnet) {
			return bad("Subnet %s not found.", lb.Subnet)
		}
	default:
		s := c.state.Subnets[lb.Subnet]
		if s == nil || !c.state.Networks[s.Network].usable(r.token.project) {
			return bad("Subnet %s not found.", lb.Subnet)
		}
		lb.Network = s.Network
	}
	return nil
}

// allocateVIP makes the VIP's port, as Octavia does in Neutron.
func (c *Cloud) allocateVIP(r *request, lb *loadBalancer) error {
	device := "lb-" + lb.ID
	if lb.Port != "" {
		p := c.state.Ports[lb.Port]
		p.Device, p.Owner, p.Updated = device, "Octavia", neutronStamp(r.now)
		return nil
	}
	s := c.state.Subnets[lb.Subnet]
	addr := netip.Addr{}
	if lb.VIP != "" {
		addr, _ = netip.ParseAddr(lb.VIP)
		if !s.CIDR.Contains(addr) {
			return broken("Provider '%s' reports error: IP address %s is not a valid IP for the specified subnet.\nNeutron server returns request_ids: ['req-%s']", lb.Provider, addr, newID())
		}
		if c.taken(addr) {
			return broken("Provider '%s' reports error: IP address %s already allocated in subnet %s\nNeutron server returns request_ids: ['req-%s']", lb.Provider, addr, s.ID, newID())
		}
	} else {
		var ok bool
		if addr, ok = c.free(s); !ok {
			return broken("Provider '%s' reports error: No more IP addresses available on network %s.\nNeutron server returns request_ids: ['req-%s']", lb.Provider, s.Network, newID())
		}
	}
	p := c.newPort(r, lb.Project, s, addr)
	p.Name, p.Device, p.Owner = "octavia-lb-"+lb.ID, device, "Octavia"
	lb.Port, lb.VIP, lb.OwnsPort = p.ID, addr.String(), true
	return nil
}
