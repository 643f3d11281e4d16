package sandbox

import (
	"net/netip"
)

type networkPort struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Project string   `json:"project"`
	Network string   `json:"network"`
	Subnet  string   `json:"subnet"`
	Address string   `json:"address"`
	MAC     string   `json:"mac"`
	Device  string   `json:"device"`
	Owner   string   `json:"owner"`
	Tags    []string `json:"tags,omitempty"`
	Created string   `json:"created"`
	Updated string   `json:"updated"`
}

type securityGroup struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Project string `json:"project"`
	Created string `json:"created"`
}

func (c *Cloud) taken(a netip.Addr) bool {
	want := a.String()
	for _, p := range c.state.Ports {
		if p.Address == want {
			return true
		}
	}
	for _, f := range c.state.Floating {
		if f.Address == want {
			return true
		}
	}
	return false
}

// free takes the next free address of a subnet: round and round, so that an
// address is not used again at once.
func (c *Cloud) free(s *subnet) (netip.Addr, bool) {
	used := map[string]bool{}
	for _, p := range c.state.Ports {
		used[p.Address] = true
	}
	for _, f := range c.state.Floating {
		used[f.Address] = true
	}
	first, last := s.CIDR.Addr().Next().Next(), lastOf(s.CIDR)
	a := s.Next
	for tries := 1 << (32 - s.CIDR.Bits()); tries > 0; tries-- {
		if !a.IsValid() || a.Less(first) || !a.Less(last) {
			a = first
		}
		if !used[a.String()] {
			s.Next = a.Next()
			return a, true
		}
		a = a.Next()
	}
	return a, false
}

func (c *Cloud) newPort(r *request, project string, s *subnet, a netip.Addr) *networkPort {
	h := newHex()
	p := &networkPort{
		ID: newID(), Project: project, Network: s.Network, Subnet: s.ID, Address: a.String(), MAC: "fa:16:3e:" + h[:2] + ":" + h[2:4] + ":" + h[4:6],
		Created: neutronStamp(r.now), Updated: neutronStamp(r.now),
	}
	c.state.Ports[p.ID] = p
	return p
}

func (c *Cloud) showPort(p *networkPort) object {
	var groups []string
	for _, g := range c.state.Groups {
		if g.Project == p.Project {
			groups = append(groups, g.ID)
		}
	}
	return object{
		"id": p.ID, "name": p.Name, "network_id": p.Network, "tenant_id": p.Project, "project_id": p.Project, "mac_address": p.MAC,
		"admin_state_up": p.Owner != "Octavia", "status": "DOWN", "device_id": p.Device, "device_owner": p.Owner,
		"fixed_ips":             []object{{"subnet_id": p.Subnet, "ip_address": p.Address}},
		"allowed_address_pairs": []object{}, "extra_dhcp_opts": []object{}, "security_groups": listOrEmpty(groups), "description": "",
		"binding:vnic_type": "normal", "port_security_enabled": true, "qos_policy_id": nil, "qos_network_policy_id": nil,
		"tags": listOrEmpty(p.Tags), "created_at": p.Created, "updated_at": p.Updated, "revision_number": 1,
	}
}

func (c *Cloud) ports(r *request) (int, any, error) {
	if len(r.path) == 1 {
		switch r.method {
		case "POST":
			return c.createPort(r)
		case "GET":
			var all []object
			for _, p := range c.state.Ports {
				if p.Project == r.token.project {
					all = append(all, c.showPort(p))
				}
			}
			return pick(r, "ports", all)
		}
		return 0, nil, neutronNoRoute()
	}
	p := c.state.Ports[r.path[1]]
	if p == nil || p.Project != r.token.project {
		return 0, nil, neutronMissing("port", r.path[1])
	}
	switch r.method {
	case "GET":
		return 200, object{"port": selectFields(c.showPort(p), r.query)}, nil
	case "DELETE":
		c.state.dropPort(p.ID)
		c.plane.refresh()
		return 204, nil, nil
	}
	return 0, nil, neutronNoRoute()
}

func (c *Cloud) createPort(r *request) (int, any, error) {
	in, err := neutronBody(r, "port", "network_id", "name", "admin_state_up", "fixed_ips", "description")
	if err != nil {
		return 0, nil, err
	}
	id, _ := in["network_id"].(string)
	if id == "" {
		return 0, nil, neutronError(400, "HTTPBadRequest", "Failed to parse request. Required attribute 'network_id' not specified")
	}
	n := c.state.Networks[id]
	if n == nil || !n.usable(r.token.project) {
		return 0, nil, neutronMissing("network", id)
	}
	if err := c.networkQuota(r.token.project, "port"); err != nil {
		return 0, nil, err
	}
	s := c.state.Subnets[n.Subnets[0]]
	a, ok := c.free(s)
	if !ok {
		return 0, nil, neutronError(409, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", id)
	}
	p := c.newPort(r, r.token.project, s, a)
	p.Name, _ = in["name"].(string)
	return 201, object{"port": c.showPort(p)}, nil
}

func (c *Cloud) securityGroups(r *request) (int, any, error) {
	if r.method != "GET" {
		return 0, nil, neutronNoRoute()
	}
	show := func(g *securityGroup) object {
		return object{
			"id": g.ID, "name": g.Name, "tenant_id": g.Project, "project_id": g.Project, "description": "Default security group",
			"security_group_rules": []object{}, "stateful": true, "tags": []string{}, "created_at": g.Created, "updated_at": g.Created, "revision_number": 1,
		}
	}
	if len(r.path) == 2 {
		if g := c.state.Groups[r.path[1]]; g != nil && g.Project == r.token.project {
			return 200, object{"security_group": show(g)}, nil
		}
		return 0, nil, neutronMissing("security_group", r.path[1])
	}
	var all []object
	for _, g := range c.state.Groups {
		if g.Project == r.token.project {
			all = append(all, show(g))
		}
	}
	return pick(r, "security_groups", all)
}
