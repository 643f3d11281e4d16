package sandbox

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
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
}

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

func neutronMissing(kind, id string) error {
	words := map[string]string{
		"network": "Network %s could not be found.", "subnet": "Subnet %s could not be found.", "port": "Port %s could not be found.",
		"floatingip": "Floating IP %s could not be found", "security_group": "Security group %s does not exist",
	}
	types := map[string]string{
		"network": "NetworkNotFound", "subnet": "SubnetNotFound", "port": "PortNotFound", "floatingip": "FloatingIPNotFound",
		"security_group": "SecurityGroupNotFound",
	}
	return neutronError(404, types[kind], words[kind], id)
}

func neutronNoRoute() error {
	return neutronError(404, "HTTPNotFound", "The resource could not be found.")
}

// neutron answers for the network service.
func (c *Cloud) neutron(r *request) (int, any, error) {
	path := slices.DeleteFunc(slices.Clone(r.path), func(s string) bool { return s == "" })
	if len(path) == 0 {
		return 200, object{"versions": []object{{"id": "v2.0", "status": "CURRENT", "links": []object{{"rel": "self", "href": r.base + "/v2.0/"}}}}}, nil
	}
	if r.token == nil {
		return 0, nil, unauthorized(c.url)
	}
	if path[0] != "v2.0" || len(path) < 2 {
		return 0, nil, neutronNoRoute()
	}
	r.path = path[1:]
	if len(r.path) >= 3 && r.path[2] == "tags" {
		return c.tags(r)
	}
	switch r.path[0] {
	case "networks":
		return c.networks(r)
	case "subnets":
		return c.subnets(r)
	case "ports":
		return c.ports(r)
	case "floatingips":
		return c.floatingIPs(r)
	case "security-groups":
		return c.securityGroups(r)
	case "extensions":
		return 200, object{"extensions": []object{
			{"alias": "router", "name": "Neutron L3 Router", "description": "", "updated": "2012-07-20T10:00:00-00:00", "links": []object{}},
			{"alias": "external-net", "name": "Neutron external network", "description": "", "updated": "2013-01-14T10:00:00-00:00", "links": []object{}},
			{"alias": "standard-attr-tag", "name": "Tag support", "description": "", "updated": "2017-01-01T00:00:00-00:00", "links": []object{}},
		}}, nil
	case "quotas":
		return c.networkQuotas(r)
	}
	return 0, nil, neutronNoRoute()
}

// pick is Neutron's list: filters by equality (several values are
// alternatives), tags, pages and fields.
func pick(r *request, name string, all []object) (int, any, error) {
	slices.SortFunc(all, func(a, b object) int { return strings.Compare(fmt.Sprint(a["id"]), fmt.Sprint(b["id"])) })
	tags := map[string][]string{}
	for _, f := range tagFilters {
		for _, v := range r.query[f] {
			tags[f] = append(tags[f], strings.Split(v, ",")...)
		}
	}
	all = slices.DeleteFunc(all, func(o object) bool { return !wanted(o, r.query) || !tagged(o, tags) })
	if m := r.query.Get("marker"); m != "" {
		at := slices.IndexFunc(all, func(o object) bool { return o["id"] == m })
		if at < 0 {
			return 0, nil, neutronError(400, "HTTPBadRequest", "Invalid input for operation: %s is not a valid marker.", m)
		}
		all = all[at+1:]
	}
	out := object{}
	if limit, err := pyInt(r.query.Get("limit")); err == nil && limit > 0 && len(all) >= limit {
		all = all[:limit]
		next := url.Values{}
		for k, v := range r.query {
			next[k] = v
		}
		next.Set("marker", fmt.Sprint(all[limit-1]["id"]))
		out[name+"_links"] = []object{{"rel": "next", "href": r.url + "?" + next.Encode()}}
	}
	list := make([]object, len(all))
	for i, o := range all {
		list[i] = selectFields(o, r.query)
	}
	out[name] = list
	return 200, out, nil
}

func wanted(o object, q url.Values) bool {
	for name, values := range q {
		have, known := o[name]
		switch {
		case slices.Contains(tagFilters, name) || slices.Contains(paging, name) && name != "project_id" && name != "tenant_id":
		case name == "fixed_ips":
			ips, _ := o["fixed_ips"].([]object)
			if !slices.ContainsFunc(ips, func(ip object) bool {
				return slices.Contains(values, fmt.Sprintf("ip_address=%v", ip["ip_address"])) || slices.Contains(values, fmt.Sprintf("subnet_id=%v", ip["subnet_id"]))
			}) {
				return false
			}
		case known && !slices.ContainsFunc(values, func(v string) bool { return matches(have, v) }):
			return false
		}
	}
	return true
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
	show := func(s *subnet) object {
		first, last := s.CIDR.Addr().Next(), lastOf(s.CIDR).Prev()
		return object{
			"id": s.ID, "name": s.Name, "tenant_id": s.Project, "project_id": s.Project, "network_id": s.Network, "ip_version": 4,
			"subnetpool_id": nil, "enable_dhcp": true, "ipv6_ra_mode": nil, "ipv6_address_mode": nil, "gateway_ip": first.String(),
			"cidr": s.CIDR.String(), "allocation_pools": []object{{"start": first.Next().String(), "end": last.String()}},
			"host_routes": []object{}, "dns_nameservers": []string{}, "description": "", "service_types": []string{}, "tags": []string{},
			"created_at": s.Created, "updated_at": s.Created, "revision_number": 0,
		}
	}
	if r.method != "GET" {
		return 0, nil, neutronError(403, "PolicyNotAuthorized", "rule:create_subnet is disallowed by policy")
	}
	if len(r.path) == 2 {
		s := c.state.Subnets[r.path[1]]
		if s == nil || !c.state.Networks[s.Network].usable(r.token.project) {
			return 0, nil, neutronMissing("subnet", r.path[1])
		}
		return 200, object{"subnet": selectFields(show(s), r.query)}, nil
	}
	var all []object
	for _, s := range c.state.Subnets {
		if c.state.Networks[s.Network].usable(r.token.project) {
			all = append(all, show(s))
		}
	}
	return pick(r, "subnets", all)
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b)
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

func (c *Cloud) networkQuota(project, kind string) error {
	if limit, ok := c.cfg.Quota[kind]; ok && limit >= 0 && c.used(project, kind) >= limit {
		return neutronError(409, "OverQuota", "Quota exceeded for resources: ['%s'].", kind)
	}
	return nil
}

func (c *Cloud) networkQuotas(r *request) (int, any, error) {
	if r.method != "GET" || len(r.path) != 2 || r.path[1] != r.token.project {
		return 0, nil, neutronError(403, "AdminRequired", "User does not have admin privileges: Non-admin is not authorised to access quotas of another tenant.")
	}
	out := object{"rbac_policy": 10}
	for _, kind := range []string{"network", "subnet", "subnetpool", "port", "router", "floatingip", "security_group", "security_group_rule", "trunk"} {
		out[kind] = -1
		if limit, ok := c.cfg.Quota[kind]; ok {
			out[kind] = limit
		}
	}
	return 200, object{"quota": out}, nil
}

// tags answers below RESOURCE/ID/tags.
func (c *Cloud) tags(r *request) (int, any, error) {
	list, touch := c.taggable(r)
	if list == nil {
		kind := map[string]string{"floatingips": "floatingip", "ports": "port", "networks": "network"}[r.path[0]]
		if kind == "" {
			return 0, nil, neutronNoRoute()
		}
		return 0, nil, neutronMissing(kind, r.path[1])
	}
	one := ""
	if len(r.path) == 4 {
		one, _ = url.PathUnescape(r.path[3])
	}
	switch {
	case r.method == "GET" && one == "":
		return 200, object{"tags": listOrEmpty(*list)}, nil
	case r.method == "GET":
		if slices.Contains(*list, one) {
			return 204, nil, nil
		}
		return 0, nil, neutronError(404, "TagNotFound", "Tag %s could not be found.", one)
	case r.method == "PUT" && one != "":
		if !slices.Contains(*list, one) {
			*list = append(*list, one)
			slices.Sort(*list)
		}
		touch(r.now)
		return 201, nil, nil
	case r.method == "PUT":
		in, err := tagBody(r)
		if err != nil {
			return 0, nil, err
		}
		*list = in
		touch(r.now)
		return 200, object{"tags": listOrEmpty(*list)}, nil
	case r.method == "DELETE" && one != "" && !slices.Contains(*list, one):
		return 0, nil, neutronError(404, "TagNotFound", "Tag %s could not be found.", one)
	case r.method == "DELETE":
		*list = slices.DeleteFunc(*list, func(t string) bool { return one == "" || t == one })
		touch(r.now)
		return 204, nil, nil
	}
	return 0, nil, neutronNoRoute()
}

func (c *Cloud) taggable(r *request) (*[]string, func(time.Time)) {
	switch r.path[0] {
	case "floatingips":
		if f := c.state.Floating[r.path[1]]; f != nil && f.Project == r.token.project {
			return &f.Tags, func(now time.Time) { f.touch(now) }
		}
	case "ports":
		if p := c.state.Ports[r.path[1]]; p != nil && p.Project == r.token.project {
			return &p.Tags, func(now time.Time) { p.Updated = neutronStamp(now) }
		}
	case "networks":
		if n := c.state.Networks[r.path[1]]; n != nil && n.Project == r.token.project {
			return &n.Tags, func(time.Time) {}
		}
	}
	return nil, nil
}
