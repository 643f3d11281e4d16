package octavia

import (
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
)

// Minor versions of Octavia's API 2 that brought a field (octavia API version
// history). Octavia refuses a body with a field that is newer than it is.
const (
	flavorsMinor         = 6
	backendTLSMinor      = 8
	redirectCodeMinor    = 9
	domainNameMinor      = 10
	allowedCIDRsMinor    = 12
	zonesMinor           = 14
	ciphersMinor         = 15
	tlsVersionsMinor     = 17
	poolTLSVersionsMinor = 18
	poolALPNMinor        = 24
	additionalVIPsMinor  = 26
	hstsMinor            = 27
)

// object is a body, or a part of one, in the words of the API. It serves where
// gophercloud's types cannot say null, or know a field not at all.
type object map[string]any

// setIf sets a field that the cloud knows.
func (o object) setIf(known bool, field string, value any) {
	if known {
		o[field] = value
	}
}

// bodies writes what a cloud of one API version takes.
type bodies struct{ minor int }

func (b bodies) loadBalancer(s plan.CreateLoadBalancer) object {
	d := s.LoadBalancer
	o := object{"name": d.Name, "description": d.Description, "tags": append([]string{}, d.Tags...)}
	o.setIf(d.Provider != "", "provider", d.Provider)
	o.setIf(d.FlavorID != "" && b.minor >= flavorsMinor, "flavor_id", d.FlavorID)
	o.setIf(d.AvailabilityZone != "" && b.minor >= zonesMinor, "availability_zone", d.AvailabilityZone)
	b.vip(o, d.VIP)
	if len(d.AdditionalVIPs) > 0 && b.minor >= additionalVIPsMinor {
		var more []object
		for _, v := range d.AdditionalVIPs {
			x := object{"subnet_id": v.SubnetID}
			x.setIf(v.Address != "", "ip_address", v.Address)
			more = append(more, x)
		}
		o["additional_vips"] = more
	}
	if !s.Whole {
		return o
	}
	var ls, ps []object
	for _, p := range d.Pools {
		ps = append(ps, b.wholePool(p))
	}
	for _, l := range d.Listeners {
		ls = append(ls, b.wholeListener(l, s.Refs))
	}
	o.setIf(len(ls) > 0, "listeners", ls)
	o.setIf(len(ps) > 0, "pools", ps)
	return o
}

// vip says where the address is from. With a port Octavia takes an address or a
// subnet to choose among the port's, and of both the subnet's first address.
func (b bodies) vip(o object, v loadbalancer.VIP) {
	o.setIf(v.PortID != "", "vip_port_id", v.PortID)
	o.setIf(v.Address != "", "vip_address", v.Address)
	switch {
	case v.PortID != "" && v.Address != "":
	case v.SubnetID != "":
		o["vip_subnet_id"] = v.SubnetID
	case v.PortID == "" && v.NetworkID != "":
		o["vip_network_id"] = v.NetworkID
	}
}

func (b bodies) wholePool(p loadbalancer.Pool) object {
	o := b.pool(p)
	if p.TLS { // Octavia 11 answers 500 to a nested pool that does not say these: they are left to the operator
		o.setIf(b.minor >= ciphersMinor, "tls_ciphers", nil)
		o.setIf(b.minor >= poolTLSVersionsMinor, "tls_versions", nil)
		o.setIf(b.minor >= poolALPNMinor, "alpn_protocols", nil)
	}
	var members []object
	for _, m := range p.Members {
		members = append(members, b.newMember(m))
	}
	o.setIf(len(members) > 0, "members", members)
	if p.Monitor != nil {
		o["healthmonitor"] = b.monitor(*p.Monitor)
	}
	return o
}

func (b bodies) wholeListener(l loadbalancer.Listener, refs map[string]string) object {
	var own []string
	for _, name := range l.Certificates {
		own = append(own, refOf(name, refs))
	}
	o := b.listener(l, own, l.SetTags())
	if l.DefaultPool != "" {
		o["default_pool"] = object{"name": l.DefaultPool}
	}
	var policies []object
	for _, p := range l.Policies {
		x := b.policy(p)
		if p.Pool != "" {
			x["redirect_pool"] = object{"name": p.Pool}
		}
		var rules []object
		for _, r := range p.Rules {
			rules = append(rules, rule(r))
		}
		x["rules"] = rules
		policies = append(policies, x)
	}
	o.setIf(len(policies) > 0, "l7policies", policies)
	return o
}

// refOf is the reference of a certificate, which is named by its secret's name
// or by the reference itself.
func refOf(name string, refs map[string]string) string {
	if ref, ok := refs[name]; ok {
		return ref
	}
	return name
}

// listener is what a create says of a listener, without pool and policies.
func (b bodies) listener(l loadbalancer.Listener, refs, tags []string) object {
	o := object{"name": l.Name, "protocol": l.Protocol, "protocol_port": l.Port}
	o.setIf(len(l.AllowedCIDRs) > 0 && b.minor >= allowedCIDRsMinor, "allowed_cidrs", l.AllowedCIDRs)
	o.setIf(len(tags) > 0, "tags", tags)
	o.setIf(len(l.Headers) > 0, "insert_headers", headers(l.Headers))
	b.set(o, l)
	if l.Protocol == terminatedHTTPS {
		b.certificates(o, refs)
		if l.HSTS.MaxAge > 0 {
			b.hsts(o, l.HSTS)
		}
	}
	return o
}

const terminatedHTTPS = "TERMINATED_HTTPS"

// set writes the settings that are the operator's unless they are given.
func (b bodies) set(o object, l loadbalancer.Listener) {
	for field, value := range map[string]*int{loadbalancer.ClientData: l.Timeouts.ClientData, loadbalancer.MemberConnect: l.Timeouts.MemberConnect,
		loadbalancer.MemberData: l.Timeouts.MemberData, loadbalancer.TCPInspect: l.Timeouts.TCPInspect, loadbalancer.ConnectionLimit: l.ConnectionLimit} {
		if value != nil {
			o[field] = *value
		}
	}
	if l.Protocol == terminatedHTTPS {
		o.setIf(len(l.TLSVersions) > 0 && b.minor >= tlsVersionsMinor, loadbalancer.TLSVersions, l.TLSVersions)
		o.setIf(l.TLSCiphers != "" && b.minor >= ciphersMinor, loadbalancer.TLSCiphers, l.TLSCiphers)
	}
}

func headers(names []string) map[string]string {
	out := map[string]string{}
	for _, n := range names {
		out[n] = "true"
	}
	return out
}

func (b bodies) certificates(o object, refs []string) {
	if len(refs) > 0 {
		o["default_tls_container_ref"], o["sni_container_refs"] = refs[0], append([]string{}, refs[1:]...)
	}
}

// hsts: Octavia has the header if the age is not null, and refuses the other two
// without it.
func (b bodies) hsts(o object, h loadbalancer.HSTS) {
	if b.minor < hstsMinor {
		return
	}
	o["hsts_max_age"], o["hsts_include_subdomains"], o["hsts_preload"] = nil, h.IncludeSubdomains, h.Preload
	if h.MaxAge > 0 {
		o["hsts_max_age"] = h.MaxAge
	}
}

// listenerUpdate is what an update says. null gives a setting back to the operator.
func (b bodies) listenerUpdate(s plan.UpdateListener) object {
	l := s.Listener
	o := object{"name": l.Name, "admin_state_up": true, "default_pool_id": nil, "tags": append([]string{}, s.Tags...)}
	o.setIf(s.DefaultPoolID != "", "default_pool_id", s.DefaultPoolID)
	o.setIf(b.minor >= allowedCIDRsMinor, "allowed_cidrs", append([]string{}, l.AllowedCIDRs...))
	o.setIf(l.Protocol == "HTTP" || l.Protocol == terminatedHTTPS, "insert_headers", headers(l.Headers))
	for _, field := range s.Reset {
		known := field != loadbalancer.TLSVersions || b.minor >= tlsVersionsMinor
		known = known && (field != loadbalancer.TLSCiphers || b.minor >= ciphersMinor)
		o.setIf(known, field, nil)
	}
	b.set(o, l)
	if l.Protocol == terminatedHTTPS {
		b.certificates(o, s.Refs)
		b.hsts(o, l.HSTS)
	}
	return o
}

// policy is what a policy says, without its pool and its place.
func (b bodies) policy(p loadbalancer.Policy) object {
	o := object{"name": p.Name}
	b.action(o, p)
	return o
}

func (b bodies) action(o object, p loadbalancer.Policy) {
	o["action"] = loadbalancer.RedirectToPool
	o.setIf(p.Action != "", "action", p.Action)
	if p.Action == loadbalancer.RedirectPrefix {
		o["redirect_prefix"] = p.Redirect
		o.setIf(p.Code != 0 && b.minor >= redirectCodeMinor, "redirect_http_code", p.Code)
	}
}

func rule(r loadbalancer.Rule) object {
	o := object{"type": r.Type, "compare_type": r.Compare, "value": r.Value}
	o.setIf(r.Invert, "invert", true)
	return o
}
