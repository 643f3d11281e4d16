package sandbox

import (
	"errors"
	"net/netip"
	"slices"
)

// placeVIP finds port, subnet and network of a VIP from what was given, and
// the subnets of the additional ones.
func (c *Cloud) placeVIP(r *request, lb *loadBalancer, in map[string]any) error {
	set(in, "vip_port_id", &lb.Port)
	set(in, "vip_subnet_id", &lb.Subnet)
	set(in, "vip_network_id", &lb.Network)
	set(in, "vip_address", &lb.VIP)
	var err error
	switch {
	case lb.Port == "" && lb.Network == "" && lb.Subnet == "":
		err = invalid("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")
	case lb.Port != "":
		err = c.vipPort(r, lb)
	case lb.Network != "":
		err = c.vipNetwork(r, lb)
	default:
		s := c.state.Subnets[lb.Subnet]
		if s == nil || !c.state.Networks[s.Network].usable(r.token.project) {
			return bad("Subnet %s not found.", lb.Subnet)
		}
		lb.Network = s.Network
	}
	if err != nil {
		return err
	}
	return c.moreVIPs(r, lb, in)
}

func (c *Cloud) vipPort(r *request, lb *loadBalancer) error {
	p := c.state.Ports[lb.Port]
	if p == nil || p.Project != r.token.project {
		return bad("Port %s not found.", lb.Port)
	}
	if p.Device != "" {
		return invalid("Port %s is already used by device %s ", p.ID, p.Device)
	}
	lb.Network = p.Network
	switch at := p.fixed(); {
	case lb.Subnet != "":
		i := slices.IndexFunc(at, func(f fixed) bool { return f.Subnet == lb.Subnet })
		if i < 0 {
			return invalid("No VIP address found on the specified VIP port within the specified subnet.")
		}
		lb.VIP = at[i].Address
	case lb.VIP != "":
		i := slices.IndexFunc(at, func(f fixed) bool { return f.Address == lb.VIP })
		if i < 0 {
			return invalid("Specified VIP address not found on the specified VIP port.")
		}
		lb.Subnet = at[i].Subnet
	case len(at) > 1:
		return invalid("VIP port's subnet could not be determined. Please specify either a VIP subnet or address.")
	default:
		lb.Subnet, lb.VIP = at[0].Subnet, at[0].Address
	}
	return nil
}

// vipNetwork takes the subnet of the address asked for; without one, the first
// of IPv4, else of any.
func (c *Cloud) vipNetwork(r *request, lb *loadBalancer) error {
	n := c.state.Networks[lb.Network]
	if n == nil || !n.usable(r.token.project) {
		return bad("Network %s not found.", lb.Network)
	}
	want, asked := netip.ParseAddr(lb.VIP)
	first := func(fits func(*subnet) bool) int {
		return slices.IndexFunc(n.Subnets, func(id string) bool { return fits(c.state.Subnets[id]) })
	}
	switch {
	case lb.Subnet != "":
		if !slices.Contains(n.Subnets, lb.Subnet) {
			return bad("Subnet %s not found.", lb.Subnet)
		}
	case asked == nil:
		i := first(func(s *subnet) bool { return s.CIDR.Contains(want) })
		if i < 0 {
			return invalid("Supplied network does not contain a subnet for VIP address specified.")
		}
		lb.Subnet = n.Subnets[i]
	case len(n.Subnets) == 0:
		return invalid("Supplied network does not contain a subnet.")
	default:
		lb.Subnet = n.Subnets[max(0, first(func(s *subnet) bool { return s.CIDR.Addr().Is4() }))]
	}
	return nil
}

// moreVIPs checks the additional VIPs: one for a subnet, all on one network.
func (c *Cloud) moreVIPs(r *request, lb *loadBalancer, in map[string]any) error {
	list, _ := in["additional_vips"].([]map[string]any)
	seen := []string{lb.Subnet}
	for _, v := range list {
		f := fixed{}
		set(v, "subnet_id", &f.Subnet)
		set(v, "ip_address", &f.Address)
		if slices.Contains(seen, f.Subnet) {
			return invalid("Duplicate VIP subnet(s) specified. Only one IP can be bound per subnet.")
		}
		seen = append(seen, f.Subnet)
		lb.More = append(lb.More, f)
	}
	for _, f := range lb.More {
		s := c.state.Subnets[f.Subnet]
		if s == nil || !c.state.Networks[s.Network].usable(r.token.project) {
			return broken("subnet not found (subnet id: %s).", f.Subnet)
		}
	}
	for _, f := range lb.More {
		if c.state.Subnets[f.Subnet].Network != lb.Network {
			return invalid("All VIP subnets must belong to the same network.")
		}
	}
	return nil
}

// allocateVIP makes the VIP's port, as Octavia does in Neutron.
func (c *Cloud) allocateVIP(r *request, lb *loadBalancer) error {
	p := c.state.Ports[lb.Port]
	var held []fixed
	if p != nil {
		held = p.fixed()
	} else {
		a, err := c.vipAddress(lb, lb.Subnet, lb.VIP)
		if err != nil {
			return err
		}
		p = c.newPort(r, lb.Project, c.state.Subnets[lb.Subnet], a)
		p.Name = "octavia-lb-" + lb.ID
		lb.Port, lb.VIP, lb.OwnsPort = p.ID, a.String(), true
	}
	p.Device, p.Owner = "lb-"+lb.ID, "Octavia"
	for i, f := range lb.More {
		if at := slices.IndexFunc(held, func(h fixed) bool { return h.Subnet == f.Subnet }); at >= 0 {
			lb.More[i] = held[at]
			continue
		}
		a, err := c.vipAddress(lb, f.Subnet, f.Address)
		if err != nil {
			if lb.OwnsPort {
				c.state.dropPort(p.ID)
			}
			return err
		}
		lb.More[i].Address = a.String()
		p.More = append(p.More, lb.More[i])
	}
	p.touch(r.now)
	return nil
}

// vipAddress is place in the words in which Octavia passes Neutron's refusal on.
func (c *Cloud) vipAddress(lb *loadBalancer, subnet, want string) (netip.Addr, error) {
	a, err := c.place(c.state.Subnets[subnet], want)
	var no *refusal
	if errors.As(err, &no) {
		return a, broken("Provider '%s' reports error: %s\nNeutron server returns request_ids: ['req-%s']", lb.Provider, no.message, newID())
	}
	return a, err
}

// mixed: the load balancer has VIPs of both families.
func (lb *loadBalancer) mixed() bool {
	all := lb.addresses()
	return slices.ContainsFunc(all, netip.Addr.Is4) && slices.ContainsFunc(all, netip.Addr.Is6)
}
