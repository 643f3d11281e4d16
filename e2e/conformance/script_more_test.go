package conformance

func addPool(name, attributes string) step {
	return step{name: name, method: "POST", path: poolP, body: `{"pool": {"loadbalancer_id": "{lb}", ` + attributes + `}}`}
}

const turn = `"lb_algorithm": "ROUND_ROBIN"`

// protocols are pools and what they may be for.
var protocols = []step{
	step{name: "pool of TLS members for TLS", method: "POST", path: poolP, body: `{"pool": {"listener_id": "{tls}", "protocol": "HTTPS", ` + turn + `}}`},
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

func rule(name, attributes string) step {
	return step{name: name, service: "network", method: "POST", path: "/v2.0/security-group-rules", body: `{"security_group_rule": {"security_group_id": "{group}", ` + attributes + `}}`}
}

// groups are security groups, their rules, and the ports that have them.
var groups = []step{
	{name: "create security group", service: "network", method: "POST", path: "/v2.0/security-groups", body: `{"security_group": {"name": "{run}", "description": "d"}}`, save: map[string]string{"group": "security_group.id"}},
	rule("create rule of a group", `"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 80, "port_range_max": 81, "remote_ip_prefix": "10.0.0.0/8"`).keeping("grouprule", "security_group_rule.id"),
	rule("the same rule", `"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 80, "port_range_max": 81, "remote_ip_prefix": "10.0.0.0/8", "description": "x"`),
	rule("rule for IPv6", `"direction": "ingress", "ethertype": "IPv6", "protocol": "udp", "port_range_min": 53, "port_range_max": 53`),
	rule("rule for SCTP", `"direction": "ingress", "protocol": "sctp", "port_range_min": 5, "port_range_max": 6`),
	rule("rule of everything", `"direction": "ingress"`),
	rule("rule from a group", `"direction": "ingress", "remote_group_id": "{group}"`),
	rule("rule with ports from end to start", `"direction": "ingress", "protocol": "tcp", "port_range_min": 9, "port_range_max": 8`),
	rule("rule with ports without a protocol", `"direction": "ingress", "port_range_min": 9, "port_range_max": 9`),
	rule("rule in no direction", `"direction": "in"`),
	rule("rule of two families", `"direction": "ingress", "ethertype": "IPv6", "remote_ip_prefix": "10.0.0.0/8"`),
	rule("rule from nowhere", `"direction": "ingress", "remote_ip_prefix": "x"`),
	rule("rule of an unknown protocol", `"direction": "ingress", "protocol": "x"`),
	{name: "rule of no such group", service: "network", method: "POST", path: "/v2.0/security-group-rules", body: `{"security_group_rule": {"security_group_id": "` + missing + `", "direction": "ingress"}}`},
	{name: "tag security group", service: "network", method: "PUT", path: "/v2.0/security-groups/{group}/tags", body: `{"tags": ["{run}", "x=1"]}`},
	{name: "security groups by tags", service: "network", method: "GET", path: "/v2.0/security-groups?tags={run}"},
	{name: "rules of a group", service: "network", method: "GET", path: "/v2.0/security-group-rules?security_group_id={group}"},
	{name: "rule of a group", service: "network", method: "GET", path: "/v2.0/security-group-rules/{grouprule}"},
	{name: "rename security group", service: "network", method: "PUT", path: "/v2.0/security-groups/{group}", body: `{"security_group": {"name": "{run}-2"}}`},
	{name: "security group of another tenant", as: "other", service: "network", method: "GET", path: "/v2.0/security-groups/{group}"},
	{name: "create port", service: "network", method: "POST", path: "/v2.0/ports", body: `{"port": {"network_id": "{network}", "name": "{run}", "device_owner": "compute:nova", "device_id": "{run}", "fixed_ips": [{"subnet_id": "{subnet}"}]}}`, save: map[string]string{"free": "port.id", "freeip": "port.fixed_ips.0.ip_address"}},
	{name: "ports by address", service: "network", method: "GET", path: "/v2.0/ports?fixed_ips=ip_address%3D{freeip}&fields=id"},
	{name: "ports by device", service: "network", method: "GET", path: "/v2.0/ports?device_id={run}&device_owner=compute:nova&fields=name"},
	{name: "group of a port at another revision", service: "network", method: "PUT", path: "/v2.0/ports/{free}", header: []string{"If-Match: revision_number=99"}, body: `{"port": {"security_groups": ["{group}"]}}`},
	{name: "group of a port", service: "network", method: "PUT", path: "/v2.0/ports/{free}", header: []string{"If-Match: revision_number=1"}, body: `{"port": {"security_groups": ["{group}"]}}`},
	{name: "group of a port once more", service: "network", method: "PUT", path: "/v2.0/ports/{free}", header: []string{"If-Match: revision_number=1"}, body: `{"port": {"security_groups": []}}`},
	{name: "no such group of a port", service: "network", method: "PUT", path: "/v2.0/ports/{free}", body: `{"port": {"security_groups": ["` + missing + `"]}}`},
	{name: "ports by group", service: "network", method: "GET", path: "/v2.0/ports?security_groups={group}&fields=name"},
	{name: "delete group in use", service: "network", method: "DELETE", path: "/v2.0/security-groups/{group}"},
	{name: "no group of a port", service: "network", method: "PUT", path: "/v2.0/ports/{free}", body: `{"port": {"security_groups": []}}`},
	{name: "delete rule of a group", service: "network", method: "DELETE", path: "/v2.0/security-group-rules/{grouprule}"},
	{name: "delete it again", service: "network", method: "DELETE", path: "/v2.0/security-group-rules/{grouprule}"},
	{name: "port with an address in use", service: "network", method: "POST", path: "/v2.0/ports", body: `{"port": {"network_id": "{network}", "fixed_ips": [{"subnet_id": "{subnet}", "ip_address": "{freeip}"}]}}`},
}

func (s step) keeping(name, path string) step {
	s.save = map[string]string{name: path}
	return s
}

// addresses are what a load balancer and a floating IP can have for one.
var addresses = []step{
	{name: "the other subnet for VIPs", service: "network", method: "GET", path: "/v2.0/subnets?name=k8s-vip-v4b", save: map[string]string{"other": "subnets.0.id"}},
	{name: "the nodes' subnet", service: "network", method: "GET", path: "/v2.0/subnets?name=k8s-v4", save: map[string]string{"nodes": "subnets.0.id", "nodenet": "subnets.0.network_id"}},
	{name: "the nodes' other subnet", service: "network", method: "GET", path: "/v2.0/subnets?name=k8s-v6", save: map[string]string{"nodes6": "subnets.0.id"}},
	{name: "subnets of a network", service: "network", method: "GET", path: "/v2.0/subnets?network_id={nodenet}&ip_version=6&fields=name"},
	{name: "tag subnet", service: "network", method: "PUT", path: "/v2.0/subnets/{nodes6}/tags/{run}"},
	{name: "subnets by tags", service: "network", method: "GET", path: "/v2.0/subnets?tags={run}&fields=name&fields=tags"},
	{name: "untag subnet", service: "network", method: "DELETE", path: "/v2.0/subnets/{nodes6}/tags/{run}"},
	refuse("additional VIP on the same subnet", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "additional_vips": [{"subnet_id": "{subnet}"}]}}`),
	refuse("additional VIP on another network", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "additional_vips": [{"subnet_id": "{nodes}"}]}}`),
	refuse("additional VIP without a subnet", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "additional_vips": [{"ip_address": "10.22.0.9"}]}}`),
	refuse("additional VIP on no such subnet", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "additional_vips": [{"subnet_id": "`+missing+`"}]}}`),
	refuse("VIP in use", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "vip_address": "{freeip}"}}`),
	refuse("VIP of none of the network's subnets", `{"loadbalancer": {"vip_network_id": "{network}", "vip_address": "192.168.1.1"}}`),
	{name: "create with two VIPs", method: "POST", path: lbs, body: `{"loadbalancer": {"name": "{run}-3", "vip_subnet_id": "{nodes}", "additional_vips": [{"subnet_id": "{nodes6}"}],
		"listeners": [{"protocol": "TCP", "protocol_port": 80}]}}`, save: map[string]string{"lb3": "loadbalancer.id", "vip3": "loadbalancer.vip_address", "port3": "loadbalancer.vip_port_id", "double": "loadbalancer.listeners.0.id"}, settle: "lb3"},
	{name: "show with two VIPs", method: "GET", path: lbs + "/{lb3}"},
	{name: "the port of two VIPs", service: "network", method: "GET", path: "/v2.0/ports/{port3}", shape: true},
	{name: "sources of both families", method: "PUT", path: listenerP + "/{double}", body: `{"listener": {"allowed_cidrs": ["10.0.0.0/8", "fd00::/8"]}}`, settle: "lb3"},
	{name: "a port of mine", service: "network", method: "POST", path: "/v2.0/ports", body: `{"port": {"network_id": "{network}", "name": "{run}", "fixed_ips": [{"subnet_id": "{other}"}]}}`, save: map[string]string{"mine": "port.id"}},
	{name: "create on a port", method: "POST", path: lbs, body: `{"loadbalancer": {"name": "{run}-4", "vip_port_id": "{mine}"}}`, save: map[string]string{"lb4": "loadbalancer.id"}, settle: "lb4"},
	{name: "delete what is on a port", method: "DELETE", path: lbs + "/{lb4}", settle: "lb4"},
	{name: "its port stays", service: "network", method: "GET", path: "/v2.0/ports/{mine}?fields=device_id&fields=device_owner"},
	{name: "the external subnet", service: "network", method: "GET", path: "/v2.0/networks/{external}?fields=subnets", save: map[string]string{"outer": "network.subnets.0"}},
	{name: "an external subnet is not for tenants", service: "network", method: "GET", path: "/v2.0/subnets/{outer}"},
	{name: "floating IP from a subnet", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "{external}", "subnet_id": "{outer}", "description": "{run}"}}`, save: map[string]string{"fip2": "floatingip.id", "fip2ip": "floatingip.floating_ip_address"}},
	{name: "floating IP by address", service: "network", method: "GET", path: "/v2.0/floatingips?floating_ip_address={fip2ip}&fields=description"},
	{name: "floating IP at an address", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "{external}", "floating_ip_address": "{fip2ip}"}}`},
	{name: "floating IP from a foreign subnet", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "{external}", "subnet_id": "{subnet}"}}`},
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
