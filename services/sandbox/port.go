package sandbox

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

type networkPort struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Project     string   `json:"project"`
	Network     string   `json:"network"`
	Subnet      string   `json:"subnet"`
	Address     string   `json:"address"`
	MAC         string   `json:"mac"`
	Description string   `json:"description,omitempty"`
	Groups      []string `json:"groups,omitempty"`
	Revision    int      `json:"revision"`
	Device      string   `json:"device"`
	Owner       string   `json:"owner"`
	Tags        []string `json:"tags,omitempty"`
	Created     string   `json:"created"`
	Updated     string   `json:"updated"`
	More        []fixed  `json:"more,omitempty"` // addresses on further subnets
}

// fixed is an address on a subnet.
type fixed struct {
	Subnet  string `json:"subnet_id"`
	Address string `json:"ip_address"`
}

func (p *networkPort) fixed() []fixed { return append([]fixed{{p.Subnet, p.Address}}, p.More...) }

func (c *Cloud) newPort(r *request, project string, s *subnet, a netip.Addr) *networkPort {
	h := newHex()
	p := &networkPort{
		ID: newID(), Project: project, Network: s.Network, Subnet: s.ID, Address: a.String(), MAC: "fa:16:3e:" + h[:2] + ":" + h[2:4] + ":" + h[4:6],
		Created: neutronStamp(r.now), Updated: neutronStamp(r.now), Revision: 1,
	}
	for _, g := range c.state.Groups {
		if g.Project == project && g.Name == "default" {
			p.Groups = []string{g.ID}
		}
	}
	c.state.Ports[p.ID] = p
	return p
}

func (c *Cloud) showPort(p *networkPort) object {
	var at []object
	for _, f := range p.fixed() {
		at = append(at, object{"subnet_id": f.Subnet, "ip_address": f.Address})
	}
	return object{
		"id": p.ID, "name": p.Name, "network_id": p.Network, "tenant_id": p.Project, "project_id": p.Project, "mac_address": p.MAC,
		"admin_state_up": p.Owner != "Octavia", "status": "DOWN", "device_id": p.Device, "device_owner": p.Owner, "fixed_ips": at,
		"allowed_address_pairs": []object{}, "extra_dhcp_opts": []object{}, "security_groups": listOrEmpty(p.Groups), "description": p.Description,
		"binding:vnic_type": "normal", "port_security_enabled": true, "qos_policy_id": nil, "qos_network_policy_id": nil,
		"tags": listOrEmpty(p.Tags), "created_at": p.Created, "updated_at": p.Updated, "revision_number": p.Revision,
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
	case "PUT":
		return c.updatePort(r, p)
	case "DELETE":
		c.state.dropPort(p.ID)
		c.plane.refresh()
		return 204, nil, nil
	}
	return 0, nil, neutronNoRoute()
}

// createPort takes the subnets and addresses of fixed_ips; without them, one
// of each family that the network has.
func (c *Cloud) createPort(r *request) (int, any, error) {
	in, err := neutronBody(r, "port", "network_id", "name", "admin_state_up", "fixed_ips", "description", "device_id", "device_owner", "security_groups")
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
	at, err := c.fixedIPs(n, in["fixed_ips"])
	if err != nil {
		return 0, nil, err
	}
	first, _ := netip.ParseAddr(at[0].Address)
	p := &networkPort{}
	if err := c.setGroups(r, p, in); err != nil {
		return 0, nil, err
	}
	groups, given := p.Groups, in["security_groups"] != nil
	p = c.newPort(r, r.token.project, c.state.Subnets[at[0].Subnet], first)
	p.More = at[1:]
	if given {
		p.Groups = groups
	}
	p.describe(in)
	return 201, object{"port": c.showPort(p)}, nil
}

func (p *networkPort) describe(in map[string]any) {
	set(in, "name", &p.Name)
	set(in, "description", &p.Description)
	set(in, "device_id", &p.Device)
	set(in, "device_owner", &p.Owner)
}

// fixedIPs reads a list of {subnet_id, ip_address}.
func (c *Cloud) fixedIPs(n *network, v any) ([]fixed, error) {
	list, _ := v.([]any)
	var out []fixed
	for _, item := range list {
		m, _ := item.(map[string]any)
		id, _ := m["subnet_id"].(string)
		want, _ := m["ip_address"].(string)
		for _, s := range n.Subnets { // an address alone tells its subnet
			if a, err := netip.ParseAddr(want); id == "" && err == nil && c.state.Subnets[s].CIDR.Contains(a) {
				id = s
			}
		}
		if !slices.Contains(n.Subnets, id) {
			return nil, neutronError(400, "InvalidInput", "Invalid input for operation: Failed to create port on network %s, because fixed_ips included invalid subnet %s.", n.ID, id)
		}
		a, err := c.place(c.state.Subnets[id], want)
		if err != nil {
			return nil, err
		}
		out = append(out, fixed{id, a.String()})
	}
	if list != nil {
		return out, nil
	}
	for _, four := range []bool{true, false} {
		for _, id := range n.Subnets {
			if s := c.state.Subnets[id]; s.CIDR.Addr().Is4() == four {
				a, err := c.place(s, "")
				if err != nil {
					return nil, err
				}
				out = append(out, fixed{id, a.String()})
				break
			}
		}
	}
	return out, nil
}

// setGroups gives a port the security groups of a body.
func (c *Cloud) setGroups(r *request, p *networkPort, in map[string]any) error {
	list, ok := in["security_groups"].([]any)
	if !ok {
		return nil
	}
	groups := []string{}
	for _, v := range list {
		id, _ := v.(string)
		if c.groupOf(r.token.project, id) == nil {
			return neutronMissing("security_group", id)
		}
		groups = append(groups, id)
	}
	p.Groups = groups
	return nil
}

// updatePort changes names and security groups. With If-Match it does so only
// at the revision that it names.
func (c *Cloud) updatePort(r *request, p *networkPort) (int, any, error) {
	in, err := neutronBody(r, "port", "name", "description", "device_id", "device_owner", "security_groups", "admin_state_up")
	if err != nil {
		return 0, nil, err
	}
	if want, ok := strings.CutPrefix(r.header.Get("If-Match"), "revision_number="); ok && want != strconv.Itoa(p.Revision) {
		return 0, nil, neutronError(412, "RevisionNumberConstraintFailed", "Constrained to %s, but current revision is %d", want, p.Revision)
	}
	next := *p
	if err := c.setGroups(r, &next, in); err != nil {
		return 0, nil, err
	}
	next.describe(in)
	same := next.Name == p.Name && next.Description == p.Description && next.Device == p.Device && next.Owner == p.Owner
	if !same || !slices.Equal(next.Groups, p.Groups) { // Neutron counts changes only
		*p = next
		p.touch(r.now)
	}
	return 200, object{"port": c.showPort(p)}, nil
}

func (p *networkPort) touch(now time.Time) {
	p.Updated = neutronStamp(now)
	p.Revision++
}
