package sandbox

import (
	"math"
	"net/url"
	"regexp"
	"strings"
)

// The types of octavia/api/v2/types of Octavia 11.0.0, and the minor version
// that brought each later attribute (Octavia API version history).

const (
	maxTimeout  = 24 * 24 * 60 * 60 * 1000 // ms
	maxPosition = math.MaxInt32
)

// Defaults of octavia.conf, [haproxy_amphora].
const (
	defaultClientData    = 50000
	defaultMemberConnect = 5000
	defaultMemberData    = 50000
	defaultInspect       = 0
)

var (
	expectedCodes = regexp.MustCompile(`^(\d{3}(\s*,\s*\d{3})*)$|^(\d{3}-\d{3})$`)
	cookieName    = regexp.MustCompile(`^[^\s,;\\]+$`)
	oneLine       = regexp.MustCompile(`^[^\r\n]*$`)
	domainName    = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?)+$`)
	noURL         = regexp.MustCompile(`[\x00-\x20\x7f-\x{9f}]`)
)

const (
	codesShown  = `^(\d{3}(\s*,\s*\d{3})*)$|^(\d{3}-\d{3})$`
	cookieShown = `^[^\s,;\\]+$`
	lineShown   = `^[^\r\n]*$`
	domainShown = `^(?=.{1,253}\.?$)(?:(?!-|[^.]+_)[A-Za-z0-9-_]{1,63}(?<!-)(?:\.|$))+$`
)

var (
	name255   = text(255)
	port      = integer(1, 65535)
	timeoutMS = integer(0, maxTimeout)
	retries   = integer(1, 10)
	weight    = integer(0, 256)
	position  = integer(1, maxPosition)
	tags255   = list(name255)

	listenerProtocols = enum("TCP", "HTTPS", "HTTP", "TERMINATED_HTTPS", "UDP", "SCTP@23", "PROMETHEUS@25")
	poolProtocols     = enum("TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2@22", "UDP", "SCTP@23")
	algorithms        = enum("LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP", "SOURCE_IP_PORT@13")
	monitorTypes      = enum("HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT", "SCTP@23")
	httpMethods       = enum("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH")
	persistences      = enum("SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE")
	policyActions     = enum("REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX")
	ruleTypes         = enum("HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE", "SSL_CONN_HAS_CERT@8", "SSL_VERIFY_RESULT@8", "SSL_DN_FIELD@8")
	compareTypes      = enum("REGEX", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO")
	clientAuths       = enum("NONE", "OPTIONAL", "MANDATORY")
	redirectCodes     = intEnum(301, 302, 303, 307, 308)
	alpns             = list(alpn)
	tlsVersions       = list(text(32))
)

func alpn(v any, _ int) (any, error) {
	switch v {
	case "h2", "http/1.1", "http/1.0":
		return v, nil
	}
	return nil, reason("Value should be a valid ALPN protocol ID")
}

func absoluteURL(v any, _ int) (any, error) {
	s, _ := v.(string)
	u, err := url.Parse(s)
	if err != nil || noURL.MatchString(s) || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, reason("Value must be a valid URL string")
	}
	return s, nil
}

func urlPath(v any, _ int) (any, error) {
	s, _ := v.(string)
	u, err := url.Parse(s)
	if err != nil || !strings.HasPrefix(s, "/") || strings.ContainsAny(s, " \t\r\n") || u.Host != "" {
		return nil, reason("Value must be a valid URL Path string")
	}
	return s, nil
}

var memberPost = schema{
	{name: "name", check: name255},
	{name: "admin_state_up", check: boolean, def: true},
	{name: "address", check: address, must: true},
	{name: "protocol_port", check: port, must: true},
	{name: "weight", check: weight, def: 1},
	{name: "backup", check: boolean, def: false, since: 1},
	{name: "subnet_id", check: id},
	{name: "project_id", check: text(36)},
	{name: "tenant_id", check: text(36)},
	{name: "monitor_port", check: port},
	{name: "monitor_address", check: address},
	{name: "tags", check: tags255, since: 5},
}

var memberPut = memberPost.only("name", "admin_state_up", "weight", "backup", "monitor_port", "monitor_address", "tags")

var monitorPost = schema{
	{name: "name", check: name255},
	{name: "type", check: monitorTypes, must: true},
	{name: "delay", check: integer(0, math.MaxInt32), must: true},
	{name: "timeout", check: integer(0, math.MaxInt32), must: true},
	{name: "max_retries_down", check: retries, def: 3},
	{name: "max_retries", check: retries, must: true},
	{name: "http_method", check: httpMethods},
	{name: "url_path", check: urlPath},
	{name: "expected_codes", check: pattern(0, codesShown, expectedCodes)},
	{name: "admin_state_up", check: boolean, def: true},
	{name: "project_id", check: text(36)},
	{name: "tenant_id", check: text(36)},
	{name: "pool_id", check: id, must: true},
	{name: "tags", check: tags255, since: 5},
	{name: "http_version", check: httpVersion, since: 10},
	{name: "domain_name", check: pattern(255, domainShown, domainName), since: 10},
}

var (
	monitorPut    = monitorPost.without("type", "pool_id", "project_id", "tenant_id").optional()
	monitorNested = monitorPost.without("pool_id", "project_id", "tenant_id")
)

var persistenceAttributes = schema{
	{name: "type", check: persistences, must: true},
	{name: "cookie_name", check: pattern(255, cookieShown, cookieName)},
	{name: "persistence_timeout", check: integer(math.MinInt32, math.MaxInt32), since: 2},
	{name: "persistence_granularity", check: address, since: 2},
}

var poolPost = schema{
	{name: "name", check: name255},
	{name: "description", check: name255},
	{name: "admin_state_up", check: boolean, def: true},
	{name: "listener_id", check: id},
	{name: "loadbalancer_id", check: id},
	{name: "protocol", check: poolProtocols, must: true},
	{name: "lb_algorithm", check: algorithms, must: true},
	{name: "session_persistence", sub: persistenceAttributes},
	{name: "project_id", check: text(36)},
	{name: "tenant_id", check: text(36)},
	{name: "healthmonitor", sub: monitorNested},
	{name: "members", sub: memberNested, many: true},
	{name: "tags", check: tags255, since: 5},
	{name: "tls_container_ref", check: name255, since: 8},
	{name: "ca_tls_container_ref", check: name255, since: 8},
	{name: "crl_container_ref", check: name255, since: 8},
	{name: "tls_enabled", check: boolean, def: false, since: 8},
	{name: "tls_ciphers", check: text(2048), since: 15},
	{name: "tls_versions", check: tlsVersions, since: 18},
	{name: "alpn_protocols", check: alpns, since: 24},
}

var (
	memberNested = memberPost.without("project_id", "tenant_id")
	poolNested   = poolPost.without("listener_id", "loadbalancer_id", "project_id", "tenant_id").optional()
	poolPut      = poolPost.without("listener_id", "loadbalancer_id", "project_id", "tenant_id", "protocol", "healthmonitor", "members").
			replace("session_persistence", field{name: "session_persistence", sub: persistenceAttributes.optional()}).optional()
)

var rulePost = schema{
	{name: "type", check: ruleTypes, must: true},
	{name: "compare_type", check: compareTypes, must: true},
	{name: "key", check: pattern(255, lineShown, oneLine)},
	{name: "value", check: pattern(255, lineShown, oneLine), must: true},
	{name: "invert", check: boolean, def: false},
	{name: "admin_state_up", check: boolean, def: true},
	{name: "project_id", check: text(36)},
	{name: "tenant_id", check: text(36)},
	{name: "tags", check: tags255, since: 5},
}

var (
	rulePut    = rulePost.without("project_id", "tenant_id").optional()
	ruleNested = rulePost.without("project_id", "tenant_id")
)

var policyPost = schema{
	{name: "name", check: name255},
	{name: "description", check: name255},
	{name: "admin_state_up", check: boolean, def: true},
	{name: "project_id", check: text(36)},
	{name: "tenant_id", check: text(36)},
	{name: "action", check: policyActions, must: true},
	{name: "redirect_pool_id", check: id},
	{name: "redirect_url", check: absoluteURL},
	{name: "redirect_prefix", check: absoluteURL},
	{name: "position", check: position},
	{name: "listener_id", check: id, must: true},
	{name: "rules", sub: ruleNested, many: true},
	{name: "tags", check: tags255, since: 5},
	{name: "redirect_http_code", check: redirectCodes, since: 9},
}

var (
	policyPut    = policyPost.without("project_id", "tenant_id", "listener_id", "rules").optional()
	policyNested = policyPost.without("project_id", "tenant_id", "listener_id").replace("redirect_pool_id", field{name: "redirect_pool", sub: poolNested})
)

var listenerPost = schema{
	{name: "name", check: name255},
	{name: "description", check: name255},
	{name: "admin_state_up", check: boolean, def: true},
	{name: "protocol", check: listenerProtocols, must: true},
	{name: "protocol_port", check: port, must: true},
	{name: "connection_limit", check: integer(-1, math.MaxInt32), def: -1},
	{name: "default_tls_container_ref", check: name255},
	{name: "sni_container_refs", check: tags255},
	{name: "project_id", check: text(36)},
	{name: "tenant_id", check: text(36)},
	{name: "default_pool_id", check: id},
	{name: "default_pool", sub: poolNested},
	{name: "l7policies", sub: policyNested, many: true},
	{name: "insert_headers", check: dictionary},
	{name: "loadbalancer_id", check: id, must: true},
	{name: "timeout_client_data", check: timeoutMS, def: defaultClientData, since: 1},
	{name: "timeout_member_connect", check: timeoutMS, def: defaultMemberConnect, since: 1},
	{name: "timeout_member_data", check: timeoutMS, def: defaultMemberData, since: 1},
	{name: "timeout_tcp_inspect", check: timeoutMS, def: defaultInspect, since: 1},
	{name: "tags", check: tags255, since: 5},
	{name: "client_ca_tls_container_ref", check: name255, since: 8},
	{name: "client_authentication", check: clientAuths, def: "NONE", since: 8},
	{name: "client_crl_container_ref", check: name255, since: 8},
	{name: "allowed_cidrs", check: list(cidr), since: 12},
	{name: "tls_ciphers", check: text(2048), since: 15},
	{name: "tls_versions", check: tlsVersions, since: 17},
	{name: "alpn_protocols", check: alpns, since: 20},
	{name: "hsts_max_age", check: integer(0, math.MaxInt32), since: 27},
	{name: "hsts_include_subdomains", check: boolean, def: false, since: 27},
	{name: "hsts_preload", check: boolean, def: false, since: 27},
}

var (
	listenerPut    = listenerPost.without("protocol", "protocol_port", "project_id", "tenant_id", "default_pool", "l7policies", "loadbalancer_id").optional()
	listenerNested = listenerPost.without("project_id", "tenant_id", "loadbalancer_id")
)

var loadBalancerPost = schema{
	{name: "name", check: name255},
	{name: "description", check: name255},
	{name: "admin_state_up", check: boolean, def: true},
	{name: "vip_address", check: address},
	{name: "vip_port_id", check: id},
	{name: "vip_subnet_id", check: id},
	{name: "vip_network_id", check: id},
	{name: "vip_qos_policy_id", check: id},
	{name: "additional_vips", sub: schema{{name: "subnet_id", check: id, must: true}, {name: "ip_address", check: address}}, many: true, since: 26},
	{name: "project_id", check: text(36)},
	{name: "tenant_id", check: text(36)},
	{name: "listeners", sub: listenerNested, many: true},
	{name: "pools", sub: poolNested, many: true},
	{name: "provider", check: text(64)},
	{name: "tags", check: tags255, since: 5},
	{name: "flavor_id", check: id, since: 6},
	{name: "availability_zone", check: name255, since: 14},
}

var loadBalancerPut = loadBalancerPost.only("name", "description", "vip_qos_policy_id", "admin_state_up", "tags")

func (s schema) only(names ...string) schema {
	var out schema
	for _, f := range s {
		for _, n := range names {
			if f.name == n {
				out = append(out, f)
			}
		}
	}
	return out
}

func (s schema) without(names ...string) schema {
	var out schema
	for _, f := range s {
		keep := true
		for _, n := range names {
			keep = keep && f.name != n
		}
		if keep {
			out = append(out, f)
		}
	}
	return out
}

// optional is the schema with nothing mandatory.
func (s schema) optional() schema {
	out := make(schema, len(s))
	for i, f := range s {
		f.must = false
		out[i] = f
	}
	return out
}

func (s schema) replace(name string, by field) schema {
	out := make(schema, len(s))
	for i, f := range s {
		if f.name == name {
			f = by
		}
		out[i] = f
	}
	return out
}
