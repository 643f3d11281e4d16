package sandbox

import (
	"net/netip"
)

type network struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Project  string   `json:"project"`
	External bool     `json:"external,omitempty"`
	Shared   bool     `json:"shared,omitempty"`
	Subnets  []string `json:"subnets"`
	Tags     []string `json:"tags,omitempty"`
	Created  string   `json:"created"`
}

func (n *network) usable(project string) bool { return n.Shared || n.Project == project }

func (n *network) visible(project string) bool { return n.usable(project) || n.External }

type subnet struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	Project string       `json:"project"`
	Network string       `json:"network"`
	CIDR    netip.Prefix `json:"cidr"`
	Next    netip.Addr   `json:"next"` // where the search for a free address begins
	Created string       `json:"created"`
	Tags    []string     `json:"tags,omitempty"`
}

func (s *subnet) show() object {
	first, last := s.CIDR.Addr().Next(), lastOf(s.CIDR)
	o := object{
		"id": s.ID, "name": s.Name, "tenant_id": s.Project, "project_id": s.Project, "network_id": s.Network, "ip_version": 4,
		"subnetpool_id": nil, "enable_dhcp": true, "ipv6_ra_mode": nil, "ipv6_address_mode": nil, "gateway_ip": first.String(),
		"cidr": s.CIDR.String(), "allocation_pools": []object{{"start": first.Next().String(), "end": last.Prev().String()}},
		"host_routes": []object{}, "dns_nameservers": []string{}, "description": "", "service_types": []string{}, "tags": listOrEmpty(s.Tags),
		"created_at": s.Created, "updated_at": s.Created, "revision_number": 0,
	}
	if s.CIDR.Addr().Is6() {
		o["ip_version"], o["ipv6_ra_mode"], o["ipv6_address_mode"] = 6, "dhcpv6-stateful", "dhcpv6-stateful"
		o["gateway_ip"], o["allocation_pools"] = s.CIDR.Addr().String(), []object{{"start": first.String(), "end": last.String()}}
	}
	return o
}

func (c *Cloud) networks(r *request) (int, any, error) {
	show := func(n *network) object {
		o := object{
			"id": n.ID, "name": n.Name, "tenant_id": n.Project, "project_id": n.Project, "admin_state_up": true, "mtu": 1450, "status": "ACTIVE",
			"subnets": n.Subnets, "shared": n.Shared, "availability_zone_hints": []string{}, "availability_zones": []string{},
			"ipv4_address_scope": nil, "ipv6_address_scope": nil, "router:external": n.External, "description": "",
			"port_security_enabled": true, "qos_policy_id": nil, "tags": listOrEmpty(n.Tags), "created_at": n.Created, "updated_at": n.Created,
			"revision_number": 1,
		}
		if n.External {
			o["is_default"] = false
		}
		return o
	}
	if r.method != "GET" {
		return 0, nil, neutronError(403, "PolicyNotAuthorized", "rule:create_network is disallowed by policy")
	}
	if len(r.path) == 2 {
		n := c.state.Networks[r.path[1]]
		if n == nil || !n.visible(r.token.project) {
			return 0, nil, neutronMissing("network", r.path[1])
		}
		return 200, object{"network": selectFields(show(n), r.query)}, nil
	}
	var all []object
	for _, n := range c.state.Networks {
		if n.visible(r.token.project) {
			all = append(all, show(n))
		}
	}
	return pick(r, "networks", all)
}

func (c *Cloud) subnets(r *request) (int, any, error) {
	if r.method != "GET" {
		return 0, nil, neutronError(403, "PolicyNotAuthorized", "rule:create_subnet is disallowed by policy")
	}
	if len(r.path) == 2 {
		s := c.state.Subnets[r.path[1]]
		if s == nil || !c.state.Networks[s.Network].usable(r.token.project) {
			return 0, nil, neutronMissing("subnet", r.path[1])
		}
		return 200, object{"subnet": selectFields(s.show(), r.query)}, nil
	}
	var all []object
	for _, s := range c.state.Subnets {
		if c.state.Networks[s.Network].usable(r.token.project) {
			all = append(all, s.show())
		}
	}
	return pick(r, "subnets", all)
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
