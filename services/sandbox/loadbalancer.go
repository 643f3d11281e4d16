package sandbox

import (
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
	o["additional_vips"] = append([]fixed{}, lb.More...)
	o["listeners"] = ids(lb.Listeners)
	o["pools"] = ids(lb.Pools)
	o["provider"] = lb.Provider
	o["flavor_id"] = orNull(lb.Flavor)
	o["vip_qos_policy_id"] = orNull(lb.QoS)
	o["availability_zone"] = orNull(lb.Zone)
	return c.answer(o, loadBalancerPost)
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
		lb.OwnsPort = false // the real Octavia forgets the port that it has made
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
	lb.Provider = amphora
	if p, ok := in["provider"].(string); ok {
		if p != amphora && p != "octavia" && p != noop && (p != ovn || !c.cfg.WithOVN) {
			return bad("Provider '%s' is not enabled.", p)
		}
		if lb.Flavor != "" && p != lb.Provider {
			return bad("Flavor '%s' is not compatible with provider '%s'", lb.Flavor, p)
		}
		if p != "octavia" {
			lb.Provider = p
		}
	}
	if lb.Provider == ovn && lb.Zone != "" {
		return unimplemented(ovn, "This provider does not support validating availability zones.")
	}
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
	c.stick(lb)
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
	if lb.Provider == ovn {
		return 0, nil, unsupported(ovn, "OVN provider does not support loadbalancer failover")
	}
	lb.Provisioning = PendingUpdate
	lb.touch(r.now)
	c.settleLater(lb.ID)
	return 202, nil, nil
}

func neutronStamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
