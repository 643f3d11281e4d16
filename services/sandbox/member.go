package sandbox

import (
	"slices"
)

var memberFilters = []string{
	"id", "name", "provisioning_status", "operating_status", "admin_state_up", "created_at", "updated_at", "address", "protocol_port",
	"weight", "backup", "subnet_id", "monitor_address", "monitor_port",
}

func memberMeta(o *member) *meta { return &o.meta }

// members answers below pools/ID/members.
func (c *Cloud) members(r *request) (int, any, error) {
	p := c.state.Pools[r.path[1]]
	if p == nil {
		return 0, nil, pecanError(404, "Bad Request", "Pool %s not found.", r.path[1])
	}
	switch r.verb(3) {
	case "GET":
		if err := r.may(p.Project, false); err != nil {
			return 0, nil, err
		}
		var all []object
		for _, id := range p.Members {
			all = append(all, c.showMember(c.state.Members[id]))
		}
		out, err := c.page(r, "members", all, memberFilters)
		return 200, out, err
	case "POST":
		return c.createMember(r, p)
	case "PUT":
		return c.replaceMembers(r, p)
	case "GET id":
		m, err := c.memberOf(r, p, false)
		if err != nil {
			return 0, nil, err
		}
		return 200, object{"member": selectFields(c.showMember(m), r.query)}, nil
	case "PUT id":
		return c.updateMember(r, p)
	case "DELETE id":
		m, err := c.memberOf(r, p, true)
		if err != nil {
			return 0, nil, err
		}
		if err := c.lockParent(r, p); err != nil {
			return 0, nil, err
		}
		m.Provisioning, m.Stuck = PendingDelete, false
		return 204, nil, nil
	}
	return 0, nil, wrongMethod(r)
}

func (c *Cloud) memberOf(r *request, p *pool, write bool) (*member, error) {
	m, err := find(r, c.state.Members, "Member", r.path[3], memberMeta, write)
	if err == nil && m.Pool != p.ID {
		return nil, notFound("Member", m.ID)
	}
	return m, err
}

// lockParent takes a pool for a change of its members or monitor.
func (c *Cloud) lockParent(r *request, p *pool) error {
	if p.Provisioning != Active {
		return immutable("Pool", p.ID)
	}
	return c.lockPool(r, p, true)
}

func (c *Cloud) showMember(m *member) object {
	o := m.common()
	o["address"] = m.Address
	o["protocol_port"] = m.Port
	o["weight"] = m.Weight
	o["backup"] = m.Backup
	o["subnet_id"] = orNull(m.Subnet)
	o["monitor_address"] = orNull(m.MonitorAddress)
	o["monitor_port"] = pointerOrNull(m.MonitorPort)
	return c.answer(o, memberPost)
}

// reserved is the metadata address, which no member may have
// (octavia.conf [networking] reserved_ips).
const reserved = "169.254.169.254"

func (c *Cloud) checkMember(r *request, in map[string]any) error {
	if in["address"] == reserved {
		return bad("%s is not a valid option for member address", reserved)
	}
	if s, ok := in["subnet_id"].(string); ok {
		if known := c.state.Subnets[s]; known == nil || !c.state.Networks[known.Network].usable(r.token.project) {
			return bad("Subnet %s not found.", s)
		}
	}
	return nil
}

func duplicateMember(in map[string]any) error {
	return octaviaError(409, "Another member on this pool is already using ip %s on protocol_port %d", in["address"], in["protocol_port"])
}

// memberAt is the member of an address and port, which is what identifies one.
func (c *Cloud) memberAt(p *pool, in map[string]any) *member {
	for _, id := range p.Members {
		if m := c.state.Members[id]; m.Address == in["address"] && m.Port == in["protocol_port"] {
			return m
		}
	}
	return nil
}

// newMember makes a member. Octavia calls one that has a monitor OFFLINE until
// it was checked, but in a whole create it forgets the monitor.
func (c *Cloud) newMember(r *request, p *pool, in map[string]any, whole bool) *member {
	m := &member{meta: created(r, p.Project, in), Pool: p.ID, Weight: 1}
	set(in, "address", &m.Address)
	set(in, "protocol_port", &m.Port)
	set(in, "subnet_id", &m.Subnet)
	m.apply(in)
	m.Operating = noMonitor
	if p.Monitor != "" && !whole {
		m.Operating = offline
	}
	c.state.Members[m.ID] = m
	p.Members = append(p.Members, m.ID)
	return m
}

func (c *Cloud) createMember(r *request, p *pool) (int, any, error) {
	in, err := memberPost.decode(r.body, argument{"member_", "member"}, true, c.minor)
	if err != nil {
		return 0, nil, err
	}
	if err := r.may(p.Project, true); err != nil {
		return 0, nil, err
	}
	if err := c.checkMember(r, in); err != nil {
		return 0, nil, err
	}
	if err := c.quota(p.Project, "member", "Member", 1); err != nil {
		return 0, nil, err
	}
	if p.Provisioning != Active {
		return 0, nil, immutable("Pool", p.ID)
	}
	if c.state.LoadBalancers[p.LoadBalancer].Provisioning == Active && c.memberAt(p, in) != nil {
		return 0, nil, duplicateMember(in)
	}
	if err := c.checkMembers(p, in); err != nil && c.state.LoadBalancers[p.LoadBalancer].Provisioning == Active {
		return 0, nil, err
	}
	if err := c.lockParent(r, p); err != nil {
		return 0, nil, err
	}
	return 201, object{"member": c.showMember(c.newMember(r, p, in, false))}, nil
}

func (c *Cloud) updateMember(r *request, p *pool) (int, any, error) {
	in, err := memberPut.decode(r.body, argument{"member_", "member"}, false, c.minor)
	if err != nil {
		return 0, nil, err
	}
	m, err := c.memberOf(r, p, true)
	if err != nil {
		return 0, nil, err
	}
	if err := c.lockParent(r, p); err != nil {
		return 0, nil, err
	}
	m.apply(in)
	m.Provisioning, m.Stuck = PendingUpdate, false
	m.touch(r.now)
	return 200, object{"member": c.showMember(m)}, nil
}

// replaceMembers is the batch update: what is not named goes, unless
// additive_only. One that names nothing and removes nothing changes nothing;
// one that names members as they are still locks the load balancer.
func (c *Cloud) replaceMembers(r *request, p *pool) (int, any, error) {
	in, additive, err := c.decodeBatch(r)
	if err != nil {
		return 0, nil, err
	}
	if err := r.may(p.Project, true); err != nil {
		return 0, nil, err
	}
	if p.Provisioning != Active {
		return 0, nil, immutable("Pool", p.ID)
	}
	lb := c.state.LoadBalancers[p.LoadBalancer]
	if lb.Provisioning != Active {
		return 0, nil, immutable("Load Balancer", lb.ID)
	}
	var fresh []map[string]any
	kept := map[*member]map[string]any{}
	for _, m := range in {
		if old := c.memberAt(p, m); old != nil {
			kept[old] = m
			continue
		}
		if err := c.checkMember(r, m); err != nil {
			return 0, nil, err
		}
		if slices.ContainsFunc(fresh, func(o map[string]any) bool {
			return o["address"] == m["address"] && o["protocol_port"] == m["protocol_port"]
		}) {
			return 0, nil, duplicateMember(m)
		}
		fresh = append(fresh, m)
	}
	var gone []*member
	for _, id := range p.Members {
		if m := c.state.Members[id]; kept[m] == nil {
			gone = append(gone, m)
		}
	}
	if len(fresh)+len(kept)+len(gone) == 0 {
		return 202, nil, nil
	}
	more := len(fresh)
	if !additive {
		more -= len(gone)
	}
	if more > 0 {
		if err := c.quota(p.Project, "member", "Member", more); err != nil {
			return 0, nil, err
		}
	}
	if err := c.checkMembers(p, in...); err != nil {
		return 0, nil, err
	}
	if err := c.lockParent(r, p); err != nil {
		return 0, nil, err
	}
	for m, in := range kept {
		m.apply(in)
		m.Provisioning, m.Stuck = PendingUpdate, false
		m.touch(r.now)
	}
	for _, m := range gone {
		if !additive {
			m.Provisioning, m.Stuck = PendingDelete, false
			m.touch(r.now)
		}
	}
	for _, m := range fresh {
		c.newMember(r, p, m, false)
	}
	return 202, nil, nil
}

func (c *Cloud) decodeBatch(r *request) ([]map[string]any, bool, error) {
	additive := r.query.Get("additive_only")
	if additive != "" && c.minor < 11 {
		return nil, false, bad("Unknown argument: \"additive_only\"")
	}
	batch := schema{{name: "members", sub: memberPost, many: true}}
	out, err := batch.root(r.body, "members_", true, c.minor)
	if err != nil {
		return nil, false, err
	}
	list, _ := out["members"].([]map[string]any)
	return list, truth(additive), nil
}
