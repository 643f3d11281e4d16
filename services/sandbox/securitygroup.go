package sandbox

import (
	"slices"
	"time"
)

// securityGroup is a set of rules that ports can have.
type securityGroup struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Description string      `json:"description,omitempty"`
	Project     string      `json:"project"`
	Rules       []groupRule `json:"rules,omitempty"`
	Tags        []string    `json:"tags,omitempty"`
	Created     string      `json:"created"`
	Updated     string      `json:"updated,omitempty"`
	Revision    int         `json:"revision,omitempty"`
}

// groupRule allows traffic; empty and nil mean any.
type groupRule struct {
	ID          string  `json:"id"`
	Direction   string  `json:"direction"`
	Family      string  `json:"family"` // IPv4 or IPv6
	Protocol    string  `json:"protocol,omitempty"`
	From        *int    `json:"from,omitempty"`
	To          *int    `json:"to,omitempty"`
	Remote      string  `json:"remote,omitempty"`      // CIDR
	RemoteGroup string  `json:"remoteGroup,omitempty"` // id
	Description *string `json:"description,omitempty"` // nil: a rule that came with its group
	Created     string  `json:"created"`
}

// newGroup has the rules that Neutron gives every group: all may go out. The
// default group also takes in what its own members send.
func newGroup(project, name, now string) *securityGroup {
	g := &securityGroup{ID: newID(), Name: name, Project: project, Created: now, Updated: now, Revision: 1}
	for _, family := range []string{"IPv4", "IPv6"} {
		g.Rules = append(g.Rules, groupRule{ID: newID(), Direction: "egress", Family: family, Created: now})
		if name == "default" {
			g.Description = "Default security group"
			g.Rules = append(g.Rules, groupRule{ID: newID(), Direction: "ingress", Family: family, RemoteGroup: g.ID, Created: now})
		}
	}
	return g
}

func (g *securityGroup) touch(now time.Time) {
	g.Updated = neutronStamp(now)
	g.Revision++
}

func (g *securityGroup) show() object {
	rules := make([]object, len(g.Rules))
	for i, r := range g.Rules {
		rules[i] = g.showRule(r)
		rules[i]["standard_attr_id"], rules[i]["tags"] = i+1, []string{}
	}
	return object{
		"id": g.ID, "name": g.Name, "tenant_id": g.Project, "project_id": g.Project, "description": g.Description, "shared": false,
		"security_group_rules": rules, "stateful": true, "tags": listOrEmpty(g.Tags), "created_at": g.Created, "updated_at": g.Updated,
		"revision_number": g.Revision,
	}
}

func (g *securityGroup) showRule(r groupRule) object {
	return object{
		"id": r.ID, "tenant_id": g.Project, "project_id": g.Project, "security_group_id": g.ID, "ethertype": r.Family, "direction": r.Direction,
		"protocol": orNull(r.Protocol), "port_range_min": pointerOrNull(r.From), "port_range_max": pointerOrNull(r.To),
		"remote_ip_prefix": orNull(r.Remote), "normalized_cidr": orNull(r.Remote), "remote_address_group_id": nil,
		"remote_group_id": orNull(r.RemoteGroup), "description": pointerOrNull(r.Description),
		"created_at": r.Created, "updated_at": r.Created, "revision_number": 0,
	}
}

// groupOf is the group of an id if the project has it.
func (c *Cloud) groupOf(project, id string) *securityGroup {
	if g := c.state.Groups[id]; g != nil && g.Project == project {
		return g
	}
	return nil
}

func (c *Cloud) securityGroups(r *request) (int, any, error) {
	if len(r.path) == 1 {
		switch r.method {
		case "POST":
			return c.createGroup(r)
		case "GET":
			var all []object
			for _, g := range c.state.Groups {
				if g.Project == r.token.project {
					all = append(all, g.show())
				}
			}
			return pick(r, "security_groups", all)
		}
		return 0, nil, neutronNoRoute()
	}
	g := c.groupOf(r.token.project, r.path[1])
	if g == nil {
		return 0, nil, neutronMissing("security_group", r.path[1])
	}
	switch r.method {
	case "GET":
		return 200, object{"security_group": selectFields(g.show(), r.query)}, nil
	case "PUT":
		in, err := neutronBody(r, "security_group", "name", "description", "stateful")
		if err != nil {
			return 0, nil, err
		}
		if g.Name == "default" && in["name"] != nil {
			return 0, nil, neutronError(409, "SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
		}
		set(in, "name", &g.Name)
		set(in, "description", &g.Description)
		g.touch(r.now)
		return 200, object{"security_group": g.show()}, nil
	case "DELETE":
		if g.Name == "default" {
			return 0, nil, neutronError(409, "SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
		}
		if count(c.state.Ports, func(p *networkPort) bool { return slices.Contains(p.Groups, g.ID) }) > 0 {
			return 0, nil, neutronError(409, "SecurityGroupInUse", "Security Group %s in use.", g.ID)
		}
		delete(c.state.Groups, g.ID)
		return 204, nil, nil
	}
	return 0, nil, neutronNoRoute()
}

func (c *Cloud) createGroup(r *request) (int, any, error) {
	in, err := neutronBody(r, "security_group", "name", "description", "stateful")
	if err != nil {
		return 0, nil, err
	}
	name, _ := in["name"].(string)
	if name == "default" {
		return 0, nil, neutronError(409, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	if err := c.networkQuota(r.token.project, "security_group"); err != nil {
		return 0, nil, err
	}
	if err := c.networkQuota(r.token.project, "security_group_rule"); err != nil {
		return 0, nil, err
	}
	g := newGroup(r.token.project, name, neutronStamp(r.now))
	g.Description, _ = in["description"].(string)
	c.state.Groups[g.ID] = g
	return 201, object{"security_group": g.show()}, nil
}
