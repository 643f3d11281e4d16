package conformance

func addPool(name, attributes string) step {
	return step{name: name, method: "POST", path: poolP, body: `{"pool": {"loadbalancer_id": "{lb}", ` + attributes + `}}`}
}

const turn = `"lb_algorithm": "ROUND_ROBIN"`

// protocols are pools and what they may be for.
var protocols = []step{
	{name: "pool of TLS members for TLS", method: "POST", path: poolP, body: `{"pool": {"listener_id": "{tls}", "protocol": "HTTPS", ` + turn + `}}`},
	step{name: "pool for TLS", method: "POST", path: poolP, body: `{"pool": {"listener_id": "{tls}", "name": "behind", "protocol": "PROXYV2", ` + turn + `, "session_persistence": {"type": "SOURCE_IP"}}}`}.saving("behind", "pool.id"),
	addPool("pool with TLS", `"protocol": "HTTP", "tls_enabled": true, `+turn).saving("encrypted", "pool.id"),
	change("pool without TLS", poolP+"/{encrypted}", "pool", `"tls_enabled": false, "tls_versions": null, "tls_ciphers": null`).settling(),
	change("pool with no TLS versions", poolP+"/{encrypted}", "pool", `"tls_versions": []`),
	addPool("pool with a certificate that is none", `"protocol": "HTTP", "tls_enabled": true, "tls_container_ref": "{absent}", `+turn),
	addPool("pool with a CA", `"protocol": "HTTP", "tls_enabled": true, "ca_tls_container_ref": "{certificate}", `+turn).saving("capool", "pool.id"),
	addPool("pool with a CRL only", `"protocol": "HTTP", "crl_container_ref": "{certificate}", `+turn),
	addPool("pool with an application's cookie", `"protocol": "HTTP", "session_persistence": {"type": "APP_COOKIE", "cookie_name": "JSESSIONID"}, `+turn).saving("cookie", "pool.id"),
	change("pool with another cookie", poolP+"/{cookie}", "pool", `"session_persistence": {"cookie_name": "other"}`).settling(),
	change("pool with a cookie of its own", poolP+"/{cookie}", "pool", `"session_persistence": {"type": "HTTP_COOKIE"}`).settling(),
	change("pool with a cookie it may not name", poolP+"/{cookie}", "pool", `"session_persistence": {"type": "HTTP_COOKIE", "cookie_name": "x"}`),
	addPool("pool with a bad cookie", `"protocol": "HTTP", "session_persistence": {"type": "APP_COOKIE", "cookie_name": "a(b"}, `+turn),
	addPool("pool with an unknown persistence", `"protocol": "HTTP", "session_persistence": {"type": "X"}, `+turn),
	addPool("pool for SCTP", `"protocol": "SCTP", "session_persistence": {"type": "SOURCE_IP", "persistence_timeout": 60, "persistence_granularity": "255.255.255.0"}, `+turn).saving("sctp", "pool.id"),
	addPool("pool for SCTP with a cookie", `"protocol": "SCTP", "session_persistence": {"type": "HTTP_COOKIE"}, `+turn),
	addListener("listener for SCTP", `"protocol": "SCTP", "protocol_port": 446, "default_pool_id": "{sctp}"`).saving("sctpl", "listener.id"),
	addListener("listener for SCTP with headers", `"protocol": "SCTP", "protocol_port": 447, "insert_headers": {"X-Forwarded-For": "true"}`),
	addListener("listener for TLS members", `"protocol": "HTTPS", "protocol_port": 447, "default_pool_id": "{encrypted}"`),
	addPool("pool of PROXY", `"protocol": "PROXY", `+turn).saving("proxy", "pool.id"),
	addPool("pool of PROXY 3", `"protocol": "PROXYV3", `+turn),
	addPool("pool for OVN", `"protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"`),
	{name: "member of TLS", method: "POST", path: poolP + "/{behind}/members", body: `{"member": {"address": "10.20.0.5", "protocol_port": 443, "weight": 256, "backup": true, "monitor_address": "10.20.0.6", "monitor_port": 8080, "subnet_id": "{subnet}", "tags": ["x"]}}`, save: map[string]string{"weighty": "member.id"}, settle: "lb"},
	change("member as it was", poolP+"/{behind}/members/{weighty}", "member", `"weight": null, "backup": null, "monitor_address": null, "monitor_port": null, "tags": null, "name": null`).settling(),
	{name: "member of SCTP over IPv6", method: "POST", path: poolP + "/{sctp}/members", body: `{"member": {"address": "fd20::5", "protocol_port": 443}}`},
}

func addMonitor(name, pool, attributes string) step {
	return step{name: name, method: "POST", path: "/v2/lbaas/healthmonitors", body: `{"healthmonitor": {"pool_id": "{` + pool + `}", "timeout": 3, "max_retries": 2, ` + attributes + `}}`}
}

// checks are monitors of every kind.
var checks = []step{
	addMonitor("monitor of TLS", "behind", `"type": "TLS-HELLO", "delay": 5`).saving("hello", "healthmonitor.id"),
	addMonitor("monitor of HTTPS", "encrypted", `"type": "HTTPS", "delay": 5, "http_method": "HEAD", "url_path": "/x", "expected_codes": "200,204", "http_version": 1.1, "domain_name": "a.example.org", "max_retries_down": 4, "name": "n", "tags": ["x"]`).saving("https", "healthmonitor.id"),
	change("monitor as it was", "/v2/lbaas/healthmonitors/{https}", "healthmonitor", `"http_method": null, "url_path": null, "expected_codes": null, "http_version": null, "domain_name": null, "max_retries_down": null, "name": null, "tags": null`).settling(),
	addMonitor("monitor of pings", "cookie", `"type": "PING", "delay": 5`).saving("ping", "healthmonitor.id"),
	addMonitor("monitor of SCTP by TLS", "sctp", `"type": "TLS-HELLO", "delay": 5`),
	addMonitor("monitor of UDP too often", "sctp", `"type": "UDP-CONNECT", "delay": 2`),
	addMonitor("monitor of SCTP on HTTP", "capool", `"type": "SCTP", "delay": 5`),
	addMonitor("monitor of SCTP by HTTP", "sctp", `"type": "HTTP", "delay": 5`).saving("sctpm", "healthmonitor.id"),
	addMonitor("monitor of an unknown kind", "proxy", `"type": "X", "delay": 5`),
}

// redirects are policies that need no pool.
var redirects = []step{
	{name: "policy with its rules", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "{web}", "action": "REJECT", "rules": [{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/"}]}}`, settle: "lb"},
	{name: "redirect to TLS", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "{web}", "action": "REDIRECT_PREFIX", "redirect_prefix": "https://a.example.org", "redirect_http_code": 308, "position": 1}}`, save: map[string]string{"redirect": "l7policy.id"}, settle: "lb"},
	{name: "the redirect's rules", method: "GET", path: "/v2/lbaas/l7policies/{redirect}/rules"},
	change("redirect with another code", "/v2/lbaas/l7policies/{redirect}", "l7policy", `"redirect_http_code": 301`).settling(),
	change("redirect to a URL", "/v2/lbaas/l7policies/{redirect}", "l7policy", `"action": "REDIRECT_TO_URL", "redirect_url": "https://b.example.org/x"`).settling(),
	change("redirect that rejects", "/v2/lbaas/l7policies/{redirect}", "l7policy", `"action": "REJECT"`).settling(),
	change("redirect with a code that is none", "/v2/lbaas/l7policies/{redirect}", "l7policy", `"redirect_http_code": 200`),
	{name: "policy on TCP", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "{all}", "action": "REJECT"}}`},
	{name: "policy on TLS", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "{tls}", "action": "REJECT"}}`, settle: "lb"},
	{name: "policy whose pool does not fit", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "{web}", "action": "REDIRECT_TO_POOL", "redirect_pool_id": "{sctp}"}}`},
	{name: "policy with two aims", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "{web}", "action": "REDIRECT_TO_POOL", "redirect_pool_id": "{api}", "redirect_url": "https://b.example.org/x"}}`},
}

// replaced is a certificate that is deleted while it is in use.
var replaced = []step{
	change("rotate before the end", listenerP+"/{tls}", "listener", `"default_tls_container_ref": "{first-secret}", "sni_container_refs": ["{second-secret}"]`).settling(),
	{name: "delete a certificate in use", service: vault, method: "DELETE", path: "{first-secret}"},
	change("rename a listener whose certificate is gone", listenerP+"/{tls}", "listener", `"name": "renamed"`).settling(),
	change("name the certificate that is gone", listenerP+"/{tls}", "listener", `"sni_container_refs": ["{first-secret}"]`),
	change("name another one instead", listenerP+"/{tls}", "listener", `"default_tls_container_ref": "{second-secret}", "sni_container_refs": null`).settling(),
}

var cleaning = []step{
	{name: "delete certificate container", service: vault, method: "DELETE", path: "{container}"},
	{name: "delete certificate container again", service: vault, method: "DELETE", path: "{container}"},
	{name: "delete secret", service: vault, method: "DELETE", path: "{second-secret}"},
	{name: "secret is gone", service: vault, method: "GET", path: "{second-secret}"},
	{name: "its payload is gone", service: vault, method: "GET", path: "{second-secret}/payload", header: []string{"Accept: application/octet-stream"}},
}
