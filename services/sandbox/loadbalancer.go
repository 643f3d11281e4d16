package sandbox

import (
	"net/netip"
	"slices"
	"time"
)

var loadBalancerFilters = []string{
	"id", "name", "description", "provisioning_status", "operating_status", "admin_state_up", "created_at", "updated_at",
	"vip_address", "vip_port_id", "vip_subnet_id", "vip_network_id", "provider", "flavor_id", "vip_qos_policy_id", "availability_zone",
}

func lbMeta(o *loadBalancer) *meta { return &o.meta }

func (c *Cloud) loadBalancers(r *request) (int, any, error) {
	switch r.verb(1) {
	case "GET":
		return c.listLoadBalancers(r)
	case "POST":
		return c.createLoadBalancer(r)
	case "GET id":
		lb, err := find(r, c.state.LoadBalancers, "Load Balancer", r.path[1], lbMeta, false)
		if err != nil {
			return 0, nil, err
		}
		return 200, object{"loadbalancer": selectFields(c.showLoadBalancer(lb), r.query)}, nil
	case "PUT id":
		return c.updateLoadBalancer(r)
	case "DELETE id":
		return c.deleteLoadBalancer(r)
	case "GET status", "GET statuses":
		lb, err := find(r, c.state.LoadBalancers, "Load Balancer", r.path[1], lbMeta, false)
		if err != nil {
			return 0, nil, err
		}
		return 200, object{"statuses": object{"loadbalancer": c.statusTree(lb)}}, nil
	case "GET stats":
		lb, err := find(r, c.state.LoadBalancers, "Load Balancer", r.path[1], lbMeta, false)
		if err != nil {
			return 0, nil, err
		}
		return 200, object{"stats": c.plane.stats(lb.ID)}, nil
	case "PUT failover":
		return c.failover(r)
	}
	return 0, nil, wrongMethod(r)
}

// scope is the project that a list is of; an administrator sees every one.
func (r *request) scope() (func(project string) bool, error) {
	want := r.query.Get("project_id")
	if want == "" && !slices.Contains(r.token.roles, roleAdmin) {
		want = r.token.project
	}
	if want != "" {
		if err := r.may(want, false); err != nil {
			return nil, err
		}
	}
	return func(p string) bool { return want == "" || p == want }, nil
}

func (c *Cloud) listLoadBalancers(r *request) (int, any, error) {
	mine, err := r.scope()
	if err != nil {
		return 0, nil, err
	}
	var all []object
	for _, lb := range c.state.LoadBalancers {
		if mine(lb.Project) {
			all = append(all, c.showLoadBalancer(lb))
		}
	}
	out, err := c.page(r, "loadbalancers", all, loadBalancerFilters)
	return 200, out, err
}

func (c *Cloud) showLoadBalancer(lb *loadBalancer) object {
	o := lb.common()
	o["description"] = lb.Description
	o["vip_address"] = lb.VIP
	o["vip_port_id"] = lb.Port
	o["vip_subnet_id"] = lb.Subnet
	o["vip_network_id"] = lb.Network
	o["additional_vips"] = []object{}
	o["listeners"] = ids(lb.Listeners)
	o["pools"] = ids(lb.Pools)
	o["provider"] = lb.Provider
	o["flavor_id"] = orNull(lb.Flavor)
	o["vip_qos_policy_id"] = orNull(lb.QoS)
	o["availability_zone"] = orNull(lb.Zone)
	return c.answer(o, loadBalancerPost, nil)
}

// showWhole is the answer to a create: with everything below it in full.
func (c *Cloud) showWhole(lb *loadBalancer) object {
	o := c.showLoadBalancer(lb)
	listeners, pools := []object{}, []object{}
	for _, id := range lb.Listeners {
		l := c.state.Listeners[id]
		lo := c.showListener(l)
		delete(lo, "loadbalancers")
		policies := []object{}
		for _, id := range l.Policies {
			p := c.state.Policies[id]
			po := c.showPolicy(p)
			rules := []object{}
			for _, rule := range p.Rules {
				rules = append(rules, c.showRule(c.state.Rules[rule]))
			}
			po["rules"] = rules
			policies = append(policies, po)
		}
		lo["l7policies"] = policies
		listeners = append(listeners, lo)
	}
	for _, id := range lb.Pools {
		p := c.state.Pools[id]
		po := c.showPool(p)
		delete(po, "loadbalancers")
		delete(po, "healthmonitor_id")
		members := []object{}
		for _, m := range p.Members {
			members = append(members, c.showMember(c.state.Members[m]))
		}
		po["members"] = members
		po["healthmonitor"] = nil
		pools = append(pools, po)
	}
	o["listeners"], o["pools"] = listeners, pools
	return o
}

func (c *Cloud) createLoadBalancer(r *request) (int, any, error) {
	in, err := loadBalancerPost.decode(r.body, argument{"load_balancer", "loadbalancer"}, true, c.minor)
	if err != nil {
		return 0, nil, err
	}
	project, _ := in["project_id"].(string)
	if project == "" {
		project = r.token.project
	}
	if err := r.may(project, true); err != nil {
		return 0, nil, err
	}
	lb := &loadBalancer{meta: created(r, project, in)}
	set(in, "vip_qos_policy_id", &lb.QoS)
	if err := c.placeVIP(r, lb, in); err != nil {
		return 0, nil, err
	}
	if err := c.choose(lb, in); err != nil {
		return 0, nil, err
	}
	if err := c.quota(project, "load_balancer", "Load Balancer", 1); err != nil {
		return 0, nil, err
	}
	if err := c.allocateVIP(r, lb); err != nil {
		return 0, nil, err
	}
	c.state.LoadBalancers[lb.ID] = lb
	if err := c.createGraph(r, lb, in); err != nil {
		c.state.dropLoadBalancer(lb.ID)
		return 0, nil, err
	}
	lb.Whole = len(lb.Listeners)+len(lb.Pools) > 0
	c.settleLater(lb.ID)
	return 201, object{"loadbalancer": c.showWhole(lb)}, nil
}

// choose settles flavor, availability zone and provider.
func (c *Cloud) choose(lb *loadBalancer, in map[string]any) error {
	if id, ok := in["flavor_id"].(string); ok {
		i := slices.IndexFunc(c.state.Flavors, func(f flavor) bool { return f.ID == id })
		if i < 0 {
			// Not its own words: the repository finds nothing, then a disabled one.
			return bad("The selected flavor is not allowed in this deployment: %s", id)
		}
		lb.Flavor = id
	}
	if zone, ok := in["availability_zone"].(string); ok {
		if zone != zoneName {
			return invalid("Invalid availability zone.")
		}
		lb.Zone = zone
	}
	lb.Provider = "amphora"
	if p, ok := in["provider"].(string); ok {
		if p != "amphora" && p != "octavia" && p != "noop_driver" {
			return bad("Provider '%s' is not enabled.", p)
		}
		if p == "noop_driver" {
			lb.Provider = p
		}
	}
	return nil
}

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

func (c *Cloud) updateLoadBalancer(r *request) (int, any, error) {
	in, err := loadBalancerPut.decode(r.body, argument{"load_balancer", "loadbalancer"}, false, c.minor)
	if err != nil {
		return 0, nil, err
	}
	lb, err := find(r, c.state.LoadBalancers, "Load Balancer", r.path[1], lbMeta, true)
	if err != nil {
		return 0, nil, err
	}
	if lb.Provisioning != Active {
		return 0, nil, wrongState(lb)
	}
	lb.apply(in)
	set(in, "vip_qos_policy_id", &lb.QoS)
	lb.Provisioning = PendingUpdate
	lb.touch(r.now)
	c.settleLater(lb.ID)
	return 200, object{"loadbalancer": c.showLoadBalancer(lb)}, nil
}

func wrongState(lb *loadBalancer) error {
	return octaviaError(409, "Invalid state %s of loadbalancer resource %s", lb.Provisioning, lb.ID)
}

func (c *Cloud) deleteLoadBalancer(r *request) (int, any, error) {
	lb, err := find(r, c.state.LoadBalancers, "Load Balancer", r.path[1], lbMeta, true)
	if err != nil {
		return 0, nil, err
	}
	if len(lb.Listeners)+len(lb.Pools) > 0 && !truth(r.query.Get("cascade")) {
		return 0, nil, invalid("Cannot delete Load Balancer %s - it has children", lb.ID)
	}
	if lb.Provisioning != Active && lb.Provisioning != Error {
		return 0, nil, wrongState(lb)
	}
	lb.Provisioning = PendingDelete
	lb.touch(r.now)
	c.settleLater(lb.ID)
	return 204, nil, nil
}

func (c *Cloud) failover(r *request) (int, any, error) {
	lb, err := find(r, c.state.LoadBalancers, "Load Balancer", r.path[1], lbMeta, true)
	if err != nil {
		return 0, nil, err
	}
	if !slices.Contains(r.token.roles, roleAdmin) {
		return 0, nil, forbidden()
	}
	if lb.Provisioning != Active && lb.Provisioning != Error {
		return 0, nil, wrongState(lb)
	}
	lb.Provisioning = PendingUpdate
	lb.touch(r.now)
	c.settleLater(lb.ID)
	return 202, nil, nil
}

func (c *Cloud) statusTree(lb *loadBalancer) object {
	status := func(m *meta) object {
		return object{"id": m.ID, "name": m.Name, "provisioning_status": m.Provisioning, "operating_status": m.Operating}
	}
	out := status(&lb.meta)
	listeners := []object{}
	for _, id := range lb.Listeners {
		l := c.state.Listeners[id]
		lo := status(&l.meta)
		pools := []object{}
		for _, id := range lb.Pools {
			p := c.state.Pools[id]
			if !slices.Contains(c.state.listenersOf(p), l.ID) {
				continue
			}
			po := status(&p.meta)
			if m := c.state.Monitors[p.Monitor]; m != nil {
				mo := status(&m.meta)
				mo["type"] = m.Type
				po["health_monitor"] = mo
			}
			members := []object{}
			for _, id := range p.Members {
				m := c.state.Members[id]
				mo := status(&m.meta)
				mo["address"], mo["protocol_port"] = m.Address, m.Port
				members = append(members, mo)
			}
			po["members"] = members
			pools = append(pools, po)
		}
		lo["pools"] = pools
		listeners = append(listeners, lo)
	}
	out["listeners"] = listeners
	return out
}

func neutronStamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
