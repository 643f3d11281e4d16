package sandbox

// createGraph makes what is nested in a create: all pools first, wherever they
// are written, then the listeners with their policies and rules
// (octavia/api/v2/controllers/load_balancer.py, _graph_create).
func (c *Cloud) createGraph(r *request, lb *loadBalancer, in map[string]any) error {
	listeners, _ := in["listeners"].([]map[string]any)
	pools, _ := in["pools"].([]map[string]any)
	pools, err := collectPools(listeners, pools)
	if err != nil {
		return err
	}
	if err := c.quota(lb.Project, "pool", "Pool", len(pools)); err != nil {
		return err
	}
	byName := map[string]*pool{}
	for _, in := range pools {
		name := in["name"].(string)
		for _, attr := range []string{"protocol", "lb_algorithm"} {
			if in[attr] == nil {
				return invalid("Pool definition for '%s' missing required attribute: %s", name, attr)
			}
		}
		for _, attr := range []string{"tls_ciphers", "tls_versions", "alpn_protocols"} {
			if _, given := in[attr]; in["tls_enabled"] == true && !given {
				return broken("'%s'", attr) // a fault of Octavia 11: a nested pool with TLS has to name them, if only as null
			}
		}
		if err := c.checkPoolTLS(r, in); err != nil {
			return err
		}
		p := c.newPool(r, lb, in)
		byName[name] = p
		if lb.Provider == ovn { // its driver looks at each part; amphora's takes a whole as it is
			if err := lb.checkPool(p.Protocol, p.Algorithm); err != nil {
				return err
			}
		}
		if err := c.fillPool(r, p, in); err != nil {
			return err
		}
	}
	if err := c.quota(lb.Project, "listener", "Listener", len(listeners)); err != nil {
		return err
	}
	for _, in := range listeners {
		if err := c.graphListener(r, lb, in, byName); err != nil {
			return err
		}
	}
	return nil
}

// collectPools gathers the full definitions of pools and checks that every
// mention of one has its definition.
func collectPools(listeners, pools []map[string]any) ([]map[string]any, error) {
	var mentioned []string
	mention := func(in any) error {
		p, ok := in.(map[string]any)
		if !ok {
			return nil
		}
		name, _ := p["name"].(string)
		if name == "" {
			return invalid("Pools must be named when creating a fully populated loadbalancer.")
		}
		if defines(p) {
			pools = append(pools, p)
		} else {
			mentioned = append(mentioned, name)
		}
		return nil
	}
	for _, l := range listeners {
		if err := mention(l["default_pool"]); err != nil {
			return nil, err
		}
		policies, _ := l["l7policies"].([]map[string]any)
		for _, p := range policies {
			if err := mention(p["redirect_pool"]); err != nil {
				return nil, err
			}
		}
	}
	seen := map[string]bool{}
	for _, p := range pools {
		name, _ := p["name"].(string)
		if seen[name] {
			return nil, invalid("Pool names must be unique when creating a fully populated loadbalancer.")
		}
		seen[name] = true
		p["name"] = name
	}
	for _, name := range mentioned {
		if !seen[name] {
			return nil, invalid("Pool '%s' was referenced but no full definition was found.", name)
		}
	}
	return pools, nil
}

// defines tells a definition of a pool from the mere mention of its name.
func defines(p map[string]any) bool {
	for key := range p {
		if key != "name" && key != "admin_state_up" && key != "tls_enabled" {
			return true
		}
	}
	return false
}

func (c *Cloud) fillPool(r *request, p *pool, in map[string]any) error {
	if hm, ok := in["healthmonitor"].(map[string]any); ok {
		if err := c.quota(p.Project, "health_monitor", "Health Monitor", 1); err != nil {
			return err
		}
		m, err := c.newMonitor(r, p, hm)
		if err != nil {
			return err
		}
		if err := checkMonitor(p.Protocol, m.Type, hm); err != nil {
			return err
		}
		c.addMonitor(p, m)
		// OVN's driver does not look at a nested monitor: it stays as it is.
		m.Stuck = c.state.LoadBalancers[p.LoadBalancer].Provider == ovn
	}
	members, _ := in["members"].([]map[string]any)
	if err := c.quota(p.Project, "member", "Member", len(members)); err != nil {
		return err
	}
	for _, in := range members {
		if in["address"] == reserved {
			return bad("%s is not a valid option for member address", reserved)
		}
		if c.memberAt(p, in) != nil {
			return duplicateMember(in)
		}
		c.newMember(r, p, in, true)
	}
	return nil
}

func (c *Cloud) graphListener(r *request, lb *loadBalancer, in map[string]any, pools map[string]*pool) error {
	if p, ok := in["default_pool"].(map[string]any); ok {
		in["default_pool_id"] = pools[p["name"].(string)].ID
	}
	if err := c.checkDefaultPool(lb, in["protocol"].(string), in["default_pool_id"]); err != nil {
		return err
	}
	l, err := c.newListener(r, lb, in)
	if err != nil {
		return err
	}
	c.addListener(lb, l)
	policies, _ := in["l7policies"].([]map[string]any)
	if l.Protocol == "PROMETHEUS" && len(policies) > 0 {
		return bad("Protocol PROMETHEUS listeners cannot have child objects.")
	}
	for _, in := range policies {
		if p, ok := in["redirect_pool"].(map[string]any); ok {
			in["redirect_pool_id"] = pools[p["name"].(string)].ID
		}
		p, err := c.newPolicy(r, l, in)
		if err != nil {
			return err
		}
		c.addPolicy(l, p, in)
		rules, _ := in["rules"].([]map[string]any)
		for _, in := range rules {
			rule, err := c.newRule(r, p, in)
			if err != nil {
				return err
			}
			c.addRule(p, rule)
		}
	}
	return nil
}
