package sandbox

import (
	"net/netip"
	"slices"
	"sort"
	"strings"
)

var listenerFilters = []string{
	"id", "name", "description", "provisioning_status", "operating_status", "admin_state_up", "created_at", "updated_at", "protocol",
	"protocol_port", "connection_limit", "default_pool_id", "load_balancer_id", "loadbalancer_id", "client_authentication",
	"timeout_client_data", "timeout_member_connect", "timeout_member_data", "timeout_tcp_inspect",
}

func listenerMeta(o *listener) *meta { return &o.meta }

// fitting are the pool protocols that a listener may send to
// (octavia/common/constants.py, VALID_LISTENER_POOL_PROTOCOL_MAP).
var fitting = map[string][]string{
	"TCP":              {"HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP"},
	"HTTP":             {"HTTP", "PROXY", "PROXYV2"},
	"HTTPS":            {"HTTPS", "PROXY", "PROXYV2", "TCP"},
	"TERMINATED_HTTPS": {"HTTP", "PROXY", "PROXYV2"},
	"UDP":              {"UDP"},
	"SCTP":             {"SCTP"},
	"PROMETHEUS":       {},
}

func fit(listenerProtocol, poolProtocol string) error {
	if slices.Contains(fitting[listenerProtocol], poolProtocol) {
		return nil
	}
	return invalid("The pool protocol '%s' is invalid while the listener protocol is '%s'.", poolProtocol, listenerProtocol)
}

// transport is the protocol family in which a port can be taken once.
func transport(protocol string) string {
	if protocol == "UDP" || protocol == "SCTP" {
		return protocol
	}
	return "TCP"
}

func (c *Cloud) listeners(r *request) (int, any, error) {
	return collection[listener]{
		plural: "listeners", singular: "listener", title: "Listener", all: c.state.Listeners, meta: listenerMeta,
		show: c.showListener, filters: listenerFilters, create: c.createListener, update: c.updateListener,
		hidden: func(l *listener) object { return parentKeys(l.LoadBalancer) },
		lock:   func(r *request, l *listener) error { return c.lock(r, c.state.LoadBalancers[l.LoadBalancer]) },
	}.serve(c, r)
}

// parentKeys are the two names under which the API filters by load balancer.
func parentKeys(loadBalancer string) object {
	return object{"load_balancer_id": loadBalancer, "loadbalancer_id": loadBalancer}
}

func (c *Cloud) showListener(l *listener) object {
	o := l.common()
	headers := l.Headers
	if headers == nil {
		headers = map[string]string{}
	}
	o["description"] = l.Description
	o["protocol"] = l.Protocol
	o["protocol_port"] = l.Port
	o["connection_limit"] = l.Limit
	o["default_tls_container_ref"] = orNull(l.TLSRef)
	o["sni_container_refs"] = listOrEmpty(l.SNIRefs)
	o["default_pool_id"] = orNull(l.DefaultPool)
	o["l7policies"] = ids(l.Policies)
	o["insert_headers"] = headers
	o["loadbalancers"] = ids([]string{l.LoadBalancer})
	o["timeout_client_data"] = l.ClientData
	o["timeout_member_connect"] = l.MemberConnect
	o["timeout_member_data"] = l.MemberData
	o["timeout_tcp_inspect"] = l.Inspect
	o["client_ca_tls_container_ref"] = orNull(l.ClientCA)
	o["client_authentication"] = l.ClientAuth
	o["client_crl_container_ref"] = orNull(l.ClientCRL)
	o["allowed_cidrs"] = listOrNull(l.AllowedCIDRs)
	o["tls_ciphers"] = orNull(l.Ciphers)
	o["tls_versions"] = listOrNull(l.TLSVersions)
	o["alpn_protocols"] = listOrNull(l.ALPN)
	o["hsts_max_age"] = pointerOrNull(l.HSTSAge)
	o["hsts_include_subdomains"] = l.HSTSSubdomains
	o["hsts_preload"] = l.HSTSPreload
	return c.answer(o, listenerPost)
}

func (c *Cloud) createListener(r *request) (int, any, error) {
	in, err := listenerPost.decode(r.body, argument{"listener_", "listener"}, true, c.minor)
	if err != nil {
		return 0, nil, err
	}
	lb, err := find(r, c.state.LoadBalancers, "Load Balancer", in["loadbalancer_id"].(string), lbMeta, true)
	if err != nil {
		return 0, nil, err
	}
	if err := c.quota(lb.Project, "listener", "Listener", 1); err != nil {
		return 0, nil, err
	}
	if err := c.checkDefaultPool(lb, in["protocol"].(string), in["default_pool_id"]); err != nil {
		return 0, nil, err
	}
	if lb.Provisioning != Active {
		return 0, nil, immutable("Load Balancer", lb.ID)
	}
	l, err := c.newListener(r, lb, in)
	if err != nil {
		return 0, nil, err
	}
	if err := c.lock(r, lb); err != nil {
		return 0, nil, err
	}
	c.stick(lb)
	c.addListener(lb, l)
	return 201, object{"listener": c.showListener(l)}, nil
}

func (c *Cloud) addListener(lb *loadBalancer, l *listener) {
	if l.DefaultPool != "" { // Octavia gives it its pool by an update
		l.Updated = l.Created
	}
	c.state.Listeners[l.ID] = l
	lb.Listeners = append(lb.Listeners, l.ID)
}

// checkDefaultPool: it must be of the same load balancer, and fit.
func (c *Cloud) checkDefaultPool(lb *loadBalancer, protocol string, id any) error {
	pool, given := id.(string)
	if !given || pool == "" {
		return nil
	}
	if protocol == "PROMETHEUS" {
		return bad("Protocol PROMETHEUS listeners cannot have child objects.")
	}
	p := c.state.Pools[pool]
	if p == nil || p.LoadBalancer != lb.ID {
		return notFound("Pool", pool)
	}
	return fit(protocol, p.Protocol)
}

// newListener checks a listener against its load balancer and makes it.
func (c *Cloud) newListener(r *request, lb *loadBalancer, in map[string]any) (*listener, error) {
	l := &listener{meta: created(r, lb.Project, in), LoadBalancer: lb.ID}
	set(in, "protocol", &l.Protocol)
	set(in, "protocol_port", &l.Port)
	l.ClientAuth, l.ClientData, l.MemberConnect, l.MemberData = "NONE", defaultClientData, defaultMemberConnect, defaultMemberData
	l.apply(in)
	l.defaultTLS()
	if err := checkHeaders(l.Protocol, l.Headers, false); err != nil {
		return nil, err
	}
	if err := c.checkTLS(r, l); err != nil {
		return nil, err
	}
	for _, id := range lb.Listeners {
		other := c.state.Listeners[id]
		if other.Port == l.Port && transport(other.Protocol) == transport(l.Protocol) {
			return nil, octaviaError(409, "Another Listener on this Load Balancer is already using protocol %s and protocol_port %d", other.Protocol, l.Port)
		}
	}
	if err := checkSources(lb, l.AllowedCIDRs); err != nil {
		return nil, err
	}
	if l.offloads() {
		if err := checkVersions(in["tls_versions"], in["alpn_protocols"]); err != nil {
			return nil, err
		}
	}
	if err := l.checkHSTS(in); err != nil {
		return nil, err
	}
	return l, lb.checkListener(l.Protocol, l.AllowedCIDRs)
}

func checkSources(lb *loadBalancer, cidrs []string) error {
	vip, err := netip.ParseAddr(lb.VIP)
	for _, s := range cidrs {
		if p, e := netip.ParsePrefix(s); err == nil && e == nil && p.Addr().Is4() != vip.Is4() {
			return invalid("CIDR %s IP version incompatible with VIP %s IP version.", s, lb.VIP)
		}
	}
	return nil
}

var (
	plainHeaders = []string{"X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"}
	tlsHeaders   = []string{
		"X-SSL-Client-Verify", "X-SSL-Client-Has-Cert", "X-SSL-Client-DN", "X-SSL-Client-CN", "X-SSL-Issuer",
		"X-SSL-Client-SHA1", "X-SSL-Client-Not-Before", "X-SSL-Client-Not-After",
	}
)

func checkHeaders(protocol string, headers map[string]string, update bool) error {
	if len(headers) == 0 {
		return nil
	}
	if protocol != "HTTP" && protocol != "TERMINATED_HTTPS" {
		return bad("insert-headers is not a valid option for a %s protocol listener.", protocol)
	}
	var names, secure []string
	known := true
	for h := range headers {
		names = append(names, "'"+h+"'")
		known = known && (slices.Contains(plainHeaders, h) || slices.Contains(tlsHeaders, h))
		if slices.Contains(tlsHeaders, h) {
			secure = append(secure, "'"+h+"'")
		}
	}
	sort.Strings(names)
	sort.Strings(secure)
	if !known {
		shown := "[" + strings.Join(names, ", ") + "]"
		if !update {
			shown = "dict_keys(" + shown + ")"
		}
		return bad("%s is not a valid option for insert_headers", shown)
	}
	if len(secure) > 0 && protocol != "TERMINATED_HTTPS" {
		return bad("[%s] is not a valid option for %s protocol listener.", strings.Join(secure, ", "), protocol)
	}
	return nil
}

func (c *Cloud) updateListener(r *request) (int, any, error) {
	in, err := listenerPut.decode(r.body, argument{"listener_", "listener"}, false, c.minor)
	if err != nil {
		return 0, nil, err
	}
	l, err := find(r, c.state.Listeners, "Listener", r.path[1], listenerMeta, true)
	if err != nil {
		return 0, nil, err
	}
	lb := c.state.LoadBalancers[l.LoadBalancer]
	if err := c.checkTLSUpdate(r, l, in); err != nil {
		return 0, nil, err
	}
	cidrs, _ := in["allowed_cidrs"].([]string)
	if err := checkSources(lb, cidrs); err != nil {
		return 0, nil, err
	}
	ciphers, _ := in["tls_ciphers"].(string)
	if err := checkCiphers(ciphers); err != nil {
		return 0, nil, err
	}
	if err := checkVersions(in["tls_versions"], in["alpn_protocols"]); err != nil {
		return 0, nil, err
	}
	if err := l.checkHSTS(in); err != nil {
		return 0, nil, err
	}
	resetTLS(in)
	if err := c.checkDefaultPool(lb, l.Protocol, in["default_pool_id"]); err != nil {
		return 0, nil, err
	}
	if err := lb.checkListener("", cidrs); err != nil && lb.Provisioning == Active {
		return 0, nil, err
	}
	if err := c.lock(r, lb, &l.meta); err != nil {
		return 0, nil, err
	}
	l.Stuck = false
	l.apply(in)
	return 200, object{"listener": c.showListener(l)}, nil
}
