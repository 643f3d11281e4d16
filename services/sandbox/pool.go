package sandbox

import (
	"regexp"
)

var poolFilters = []string{
	"id", "name", "description", "provisioning_status", "operating_status", "admin_state_up", "created_at", "updated_at", "protocol",
	"lb_algorithm", "load_balancer_id", "loadbalancer_id", "tls_enabled",
}

func poolMeta(o *pool) *meta { return &o.meta }

func (c *Cloud) pools(r *request) (int, any, error) {
	return collection[pool]{
		plural: "pools", singular: "pool", title: "Pool", all: c.state.Pools, meta: poolMeta,
		show: c.showPool, filters: poolFilters, create: c.createPool, update: c.updatePool,
		hidden: func(p *pool) object { return parentKeys(p.LoadBalancer) },
		lock:   c.lockUnused,
	}.serve(c, r)
}

func (c *Cloud) showPool(p *pool) object {
	o := p.common()
	o["description"] = p.Description
	o["protocol"] = p.Protocol
	o["lb_algorithm"] = p.Algorithm
	o["session_persistence"] = nil
	if sp := p.Persistence; sp != nil {
		shown := object{"type": sp.Type, "cookie_name": orNull(sp.Cookie)}
		if c.minor >= 2 {
			shown["persistence_timeout"], shown["persistence_granularity"] = pointerOrNull(sp.Timeout), orNull(sp.Granularity)
		}
		o["session_persistence"] = shown
	}
	o["loadbalancers"] = ids([]string{p.LoadBalancer})
	o["listeners"] = ids(c.state.listenersOf(p))
	if p.Monitor != "" {
		o["healthmonitor_id"] = p.Monitor
	}
	o["members"] = ids(p.Members)
	o["tls_container_ref"] = orNull(p.TLSRef)
	o["ca_tls_container_ref"] = orNull(p.CARef)
	o["crl_container_ref"] = orNull(p.CRLRef)
	o["tls_enabled"] = p.TLS
	o["tls_ciphers"] = orNull(p.Ciphers)
	o["tls_versions"] = listOrNull(p.TLSVersions)
	o["alpn_protocols"] = listOrNull(p.ALPN)
	return c.answer(o, poolPost)
}

func (c *Cloud) createPool(r *request) (int, any, error) {
	in, err := poolPost.decode(r.body, argument{"pool_", "pool"}, true, c.minor)
	if err != nil {
		return 0, nil, err
	}
	lb, l, err := c.poolParents(r, in)
	if err != nil {
		return 0, nil, err
	}
	if l != nil {
		if l.Protocol == "PROMETHEUS" {
			return 0, nil, bad("Protocol PROMETHEUS listeners cannot have child objects.")
		}
		if err := fit(l.Protocol, in["protocol"].(string)); err != nil {
			return 0, nil, err
		}
	}
	protocol, algorithm := in["protocol"].(string), in["lb_algorithm"].(string)
	if err := checkPersistence(protocol, in, "UDP and SCTP protocol pools"); err != nil {
		return 0, nil, err
	}
	if err := c.quota(lb.Project, "pool", "Pool", 1); err != nil {
		return 0, nil, err
	}
	var parents []*meta
	if l != nil {
		if l.DefaultPool != "" {
			return 0, nil, octaviaError(409, "This listener already has a default pool")
		}
		parents = append(parents, &l.meta)
	}
	if lb.Provisioning == Active {
		if err := c.checkPoolTLS(r, in); err != nil {
			return 0, nil, err
		}
		if err := lb.checkPool(protocol, algorithm); err != nil {
			return 0, nil, err
		}
	}
	if err := c.lock(r, lb, parents...); err != nil {
		return 0, nil, err
	}
	c.stick(lb)
	p := c.newPool(r, lb, in)
	if l != nil {
		l.DefaultPool = p.ID
	}
	return 201, object{"pool": c.showPool(p)}, nil
}

// poolParents are the load balancer and, if the pool shall be its default, the
// listener that a new pool names.
func (c *Cloud) poolParents(r *request, in map[string]any) (*loadBalancer, *listener, error) {
	if id, ok := in["loadbalancer_id"].(string); ok {
		lb, err := find(r, c.state.LoadBalancers, "Load Balancer", id, lbMeta, true)
		if err != nil {
			return nil, nil, err
		}
		lid, ok := in["listener_id"].(string)
		if !ok {
			return lb, nil, nil
		}
		l := c.state.Listeners[lid]
		if l == nil || l.LoadBalancer != lb.ID {
			return nil, nil, notFound("Listener", lid)
		}
		return lb, l, nil
	}
	if id, ok := in["listener_id"].(string); ok {
		l := c.state.Listeners[id]
		if l == nil {
			return nil, nil, broken("'NoneType' object has no attribute 'load_balancer_id'")
		}
		lb, err := find(r, c.state.LoadBalancers, "Load Balancer", l.LoadBalancer, lbMeta, true)
		return lb, l, err
	}
	return nil, nil, invalid("Must provide at least one of: loadbalancer_id, listener_id")
}

var badCookie = regexp.MustCompile(`[\x00-\x20\x22\x28-\x29\x2c\x2f\x3a-\x40\x5b-\x5d\x7b\x7d\x7f]+`)

func checkPersistence(protocol string, in map[string]any, only string) error {
	sp, ok := in["session_persistence"].(map[string]any)
	if !ok {
		return nil
	}
	cookie, _ := sp["cookie_name"].(string)
	kind, _ := sp["type"].(string)
	layer4 := protocol == "UDP" || protocol == "SCTP"
	switch {
	case kind == "":
		return invalid("Invalid session_persistence provided.")
	case layer4 && cookie != "":
		return invalid("Cookie names are not supported for UDP/SCTP pools.")
	case layer4 && kind != "SOURCE_IP":
		return invalid("Session persistence of type %s is not supported for UDP/SCTP protocol pools.", kind)
	case !layer4 && (sp["persistence_timeout"] != nil || sp["persistence_granularity"] != nil):
		return invalid("persistence_timeout and persistence_granularity is only for %s.", only)
	case cookie != "" && kind != "APP_COOKIE":
		return invalid(`Field "cookie_name" can only be specified with session persistence of type "APP_COOKIE".`)
	case badCookie.MatchString(cookie):
		return invalid(`Supplied "cookie_name" is invalid.`)
	case cookie == "" && kind == "APP_COOKIE":
		return invalid(`Field "cookie_name" must be specified when using the "APP_COOKIE" session persistence type.`)
	}
	return nil
}

func (c *Cloud) newPool(r *request, lb *loadBalancer, in map[string]any) *pool {
	p := &pool{meta: created(r, lb.Project, in), LoadBalancer: lb.ID}
	set(in, "protocol", &p.Protocol)
	p.apply(in)
	p.defaultTLS()
	c.state.Pools[p.ID] = p
	lb.Pools = append(lb.Pools, p.ID)
	return p
}

// lockPool takes a pool's load balancer, and the listeners that use the pool.
func (c *Cloud) lockPool(r *request, p *pool, self bool) error {
	var parents []*meta
	for _, l := range c.state.listenersOf(p) {
		parents = append(parents, &c.state.Listeners[l].meta)
	}
	if self {
		parents = append(parents, &p.meta)
	}
	lb := c.state.LoadBalancers[p.LoadBalancer]
	err := c.lock(r, lb, parents...)
	if err == nil {
		c.stick(lb)
	}
	return err
}

func (c *Cloud) updatePool(r *request) (int, any, error) {
	in, err := poolPut.decode(r.body, argument{"pool_", "pool"}, false, c.minor)
	if err != nil {
		return 0, nil, err
	}
	p, err := find(r, c.state.Pools, "Pool", r.path[1], poolMeta, true)
	if err != nil {
		return 0, nil, err
	}
	if sp, ok := in["session_persistence"].(map[string]any); ok && sp["type"] == nil && p.Persistence != nil {
		sp["type"] = p.Persistence.Type
	}
	if err := checkPersistence(p.Protocol, in, "UDP protocol pools"); err != nil {
		return 0, nil, err
	}
	lb := c.state.LoadBalancers[p.LoadBalancer]
	if err := c.checkPoolUpdate(r, p, in); err != nil {
		return 0, nil, err
	}
	algorithm, _ := in["lb_algorithm"].(string)
	if err := lb.checkPool("", algorithm); err != nil && lb.Provisioning == Active {
		return 0, nil, err
	}
	if err := c.lockPool(r, p, true); err != nil {
		return 0, nil, err
	}
	p.Stuck = false
	p.apply(in)
	return 200, object{"pool": c.showPool(p)}, nil
}

// lockUnused locks a pool for its deletion, unless a policy sends to it.
func (c *Cloud) lockUnused(r *request, p *pool) error {
	if users := c.state.policiesOf(p); len(users) > 0 {
		return octaviaError(409, "Pool %s is in use by L7 policy %s", p.ID, users[0].ID)
	}
	return c.lockPool(r, p, false)
}
