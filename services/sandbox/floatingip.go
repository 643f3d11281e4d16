package sandbox

import (
	"encoding/json"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"
)

type floatingIP struct {
	ID          string   `json:"id"`
	Project     string   `json:"project"`
	Address     string   `json:"address"`
	Network     string   `json:"network"`
	Port        string   `json:"port,omitempty"`
	Fixed       string   `json:"fixed,omitempty"`
	Description string   `json:"description,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	Created     string   `json:"created"`
	Updated     string   `json:"updated"`
	Revision    int      `json:"revision"`
}

func (f *floatingIP) touch(now time.Time) {
	f.Updated = neutronStamp(now)
	f.Revision++
}

// neutronBody reads {"kind": {...}} and refuses attributes it does not know,
// as Neutron does.
func neutronBody(r *request, kind string, known ...string) (map[string]any, error) {
	var all map[string]any
	if err := json.Unmarshal(r.body, &all); err != nil {
		return nil, neutronError(400, "HTTPBadRequest", "The server could not comply with the request since it is either malformed or otherwise incorrect.")
	}
	in, ok := all[kind].(map[string]any)
	if !ok {
		return nil, neutronError(400, "HTTPBadRequest", "Unable to find '%s' in request body", kind)
	}
	var strange []string
	for name := range in {
		if !slices.Contains(known, name) && name != "project_id" && name != "tenant_id" {
			strange = append(strange, name)
		}
	}
	if len(strange) > 0 {
		sort.Strings(strange)
		return nil, neutronError(400, "HTTPBadRequest", "Unrecognized attribute(s) '%s'", strings.Join(strange, ", "))
	}
	return in, nil
}

func tagBody(r *request) ([]string, error) {
	var in struct {
		Tags *[]string `json:"tags"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil || in.Tags == nil {
		return nil, neutronError(400, "HTTPBadRequest", "Invalid tags body")
	}
	slices.Sort(*in.Tags)
	return slices.Compact(*in.Tags), nil
}

func (c *Cloud) showFloatingIP(f *floatingIP) object {
	o := object{
		"id": f.ID, "tenant_id": f.Project, "project_id": f.Project, "floating_ip_address": f.Address, "floating_network_id": f.Network,
		"router_id": nil, "port_id": orNull(f.Port), "fixed_ip_address": orNull(f.Fixed), "status": "DOWN", "description": f.Description,
		"qos_policy_id": nil, "port_details": nil, "port_forwardings": []object{}, "tags": listOrEmpty(f.Tags),
		"created_at": f.Created, "updated_at": f.Updated, "revision_number": f.Revision,
	}
	if p := c.state.Ports[f.Port]; p != nil {
		o["router_id"] = routerID
		o["port_details"] = object{
			"name": p.Name, "network_id": p.Network, "mac_address": p.MAC, "admin_state_up": p.Owner != "Octavia", "status": "DOWN",
			"device_id": p.Device, "device_owner": p.Owner,
		}
	}
	return o
}

// routerID is the router between the networks of the tenants and the external one.
const routerID = "ebaae79a-9649-48ce-b356-948a6e77fb72"

func (c *Cloud) floatingIPs(r *request) (int, any, error) {
	if len(r.path) == 1 {
		switch r.method {
		case "POST":
			return c.createFloatingIP(r)
		case "GET":
			var all []object
			for _, f := range c.state.Floating {
				if f.Project == r.token.project {
					all = append(all, c.showFloatingIP(f))
				}
			}
			return pick(r, "floatingips", all)
		}
		return 0, nil, neutronNoRoute()
	}
	f := c.state.Floating[r.path[1]]
	if f == nil || f.Project != r.token.project {
		return 0, nil, neutronMissing("floatingip", r.path[1])
	}
	switch r.method {
	case "GET":
		return 200, object{"floatingip": selectFields(c.showFloatingIP(f), r.query)}, nil
	case "PUT":
		return c.updateFloatingIP(r, f)
	case "DELETE":
		delete(c.state.Floating, f.ID)
		c.plane.refresh()
		return 204, nil, nil
	}
	return 0, nil, neutronNoRoute()
}

func notUUID(name string, v any) error {
	return neutronError(400, "HTTPBadRequest", "Invalid input for %s. Reason: '%s' is not a valid UUID.", name, pyString(v))
}

func (c *Cloud) createFloatingIP(r *request) (int, any, error) {
	in, err := neutronBody(r, "floatingip", "floating_network_id", "port_id", "fixed_ip_address", "floating_ip_address", "description", "subnet_id", "qos_policy_id")
	if err != nil {
		return 0, nil, err
	}
	v, given := in["floating_network_id"]
	if !given {
		return 0, nil, neutronError(400, "HTTPBadRequest", "Failed to parse request. Required attribute 'floating_network_id' not specified")
	}
	for _, name := range []string{"floating_network_id", "port_id"} {
		if v := in[name]; v != nil {
			if _, err := id(v, 0); err != nil {
				return 0, nil, notUUID(name, v)
			}
		}
	}
	net := c.state.Networks[v.(string)]
	if net == nil || !net.visible(r.token.project) {
		return 0, nil, neutronMissing("network", v.(string))
	}
	if !net.External {
		return 0, nil, neutronError(400, "BadRequest", "Bad floatingip request: Network %s is not a valid external network.", net.ID)
	}
	if err := c.networkQuota(r.token.project, "floatingip"); err != nil {
		return 0, nil, err
	}
	f := &floatingIP{ID: newID(), Project: r.token.project, Network: net.ID, Created: neutronStamp(r.now), Updated: neutronStamp(r.now)}
	f.Description, _ = in["description"].(string)
	if err := c.floatingAddress(r, f, net, in); err != nil {
		return 0, nil, err
	}
	if err := c.associate(f, in); err != nil {
		return 0, nil, err
	}
	c.state.Floating[f.ID] = f
	c.plane.refresh()
	return 201, object{"floatingip": c.showFloatingIP(f)}, nil
}

// floatingAddress picks an address from the external network, or from the
// subnet of it that a body names. One given by its tenant is what Neutron's
// default policy leaves to administrators (Config.FloatingAddresses).
func (c *Cloud) floatingAddress(r *request, f *floatingIP, net *network, in map[string]any) error {
	want, _ := in["floating_ip_address"].(string)
	if want != "" && !c.cfg.FloatingAddresses && !slices.Contains(r.token.roles, "admin") {
		return neutronError(403, "PolicyNotAuthorized", "(rule:create_floatingip and rule:create_floatingip:floating_ip_address) is disallowed by policy")
	}
	from := net.Subnets
	if id, _ := in["subnet_id"].(string); id != "" {
		if !slices.Contains(from, id) {
			return neutronError(400, "InvalidInput", "Invalid input for operation: Failed to create port on network %s, because fixed_ips included invalid subnet %s.", net.ID, id)
		}
		from = []string{id}
	}
	var a netip.Addr
	var err error
	for _, id := range from {
		if a, err = c.place(c.state.Subnets[id], want); err == nil {
			f.Address = a.String()
			return nil
		}
	}
	return err
}

// associate puts a floating IP to the port of a body, or takes it off.
func (c *Cloud) associate(f *floatingIP, in map[string]any) error {
	v, given := in["port_id"]
	if !given {
		return nil
	}
	port, _ := v.(string)
	if port == "" {
		f.Port, f.Fixed = "", ""
		return nil
	}
	p := c.state.Ports[port]
	if p == nil || p.Project != f.Project {
		return neutronMissing("port", port)
	}
	want, _ := in["fixed_ip_address"].(string)
	at, err := p.translated(want)
	if err != nil {
		return err
	}
	for _, other := range c.state.Floating {
		if other.Port == port && other.Fixed == at && other != f {
			return neutronError(409, "FloatingIPPortAlreadyAssociated",
				"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
				f.Address, f.ID, p.ID, at, f.Network)
		}
	}
	f.Port, f.Fixed = p.ID, at
	return nil
}

// translated is the address of a port that a floating IP leads to: the one
// asked for, or the only one of IPv4.
func (p *networkPort) translated(want string) (string, error) {
	wrong := func(format string, args ...any) error {
		return neutronError(400, "BadRequest", "Bad floatingip request: "+format, args...)
	}
	var four []string
	for _, f := range p.fixed() {
		a, err := netip.ParseAddr(f.Address)
		if want != "" && f.Address == want {
			return want, nil
		}
		if err == nil && a.Is4() {
			four = append(four, f.Address)
		}
	}
	switch {
	case want != "":
		return "", wrong("Port %s does not have fixed ip %s.", p.ID, want)
	case len(four) == 0:
		return "", wrong("Cannot add floating IP to port %s that has no fixed IPv4 addresses.", p.ID)
	case len(four) > 1:
		return "", wrong("Port %s has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP.", p.ID)
	}
	return four[0], nil
}

func (c *Cloud) updateFloatingIP(r *request, f *floatingIP) (int, any, error) {
	in, err := neutronBody(r, "floatingip", "port_id", "fixed_ip_address", "description", "qos_policy_id")
	if err != nil {
		return 0, nil, err
	}
	if err := c.associate(f, in); err != nil {
		return 0, nil, err
	}
	if d, ok := in["description"].(string); ok {
		f.Description = d
	}
	f.touch(r.now)
	c.plane.refresh()
	return 200, object{"floatingip": c.showFloatingIP(f)}, nil
}
