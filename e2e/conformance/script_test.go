package conformance

// nobody sends a token that was never given out.
const nobody = "nobody"

// step is one request of the script. {name} in path, header and body is
// replaced by what an earlier step saved.
type step struct {
	name    string // unique
	as      string // user: "" the tenant; other, observer, norole; nobody
	service string // default load-balancer
	method  string
	path    string
	body    string
	header  []string          // more of the request, "Name: value"
	save    map[string]string // name: dotted path in the answer
	settle  string            // load balancer to wait for after the answer
	shape   bool              // compare the attributes only, not their values
}

const missing = "00000000-0000-0000-0000-000000000000"

// script is what is sent to both clouds, in order: what the executor uses, and
// what can go wrong with it.
var script = func() []step {
	var all []step
	for _, part := range [][]step{discovery, secrets, wholeCreate, reading, listener, pools, members, monitors, policies, terminated, protocols, checks, redirects, floating, groups, addresses, refused, rights, replaced, ending, cleaning} {
		all = append(all, part...)
	}
	return all
}()

const lbs = "/v2/lbaas/loadbalancers"

var discovery = []step{
	{name: "versions of Octavia", as: nobody, method: "GET", path: "/"},
	{name: "a token that is none", as: nobody, method: "GET", path: lbs},
	{name: "Neutron with a token that is none", as: nobody, service: "network", method: "GET", path: "/v2.0/networks"},
	{name: "no such collection", method: "GET", path: "/v2/lbaas/nothing"},
	{name: "providers", method: "GET", path: "/v2/lbaas/providers"},
	{name: "flavors", method: "GET", path: "/v2/lbaas/flavors?sort=name"},
	{name: "flavor by name", method: "GET", path: "/v2/lbaas/flavors?name=ha", save: map[string]string{"ha": "flavors.0.id"}},
	{name: "no such flavor", method: "GET", path: "/v2/lbaas/flavors/" + missing},
	{name: "availability zones", method: "GET", path: "/v2/lbaas/availabilityzones"},
	{name: "quota", method: "GET", path: "/v2/lbaas/quotas/{project}"},
	{name: "default quota is not for tenants", method: "GET", path: "/v2/lbaas/quotas/defaults"},
	{name: "the subnet for VIPs", service: "network", method: "GET", path: "/v2.0/subnets?name=k8s-vip-v4", save: map[string]string{"subnet": "subnets.0.id", "network": "subnets.0.network_id"}},
	{name: "the subnet by id", service: "network", method: "GET", path: "/v2.0/subnets/{subnet}"},
	{name: "the network by id", service: "network", method: "GET", path: "/v2.0/networks/{network}"},
	{name: "external networks", service: "network", method: "GET", path: "/v2.0/networks?router:external=true&name=public", shape: true, save: map[string]string{"external": "networks.0.id"}},
	{name: "no such network", service: "network", method: "GET", path: "/v2.0/networks/" + missing},
	{name: "no such subnet", service: "network", method: "GET", path: "/v2.0/subnets/" + missing},
	{name: "no such port", service: "network", method: "GET", path: "/v2.0/ports/" + missing},
	{name: "no such Neutron collection", service: "network", method: "GET", path: "/v2.0/nothing"},
	{name: "Neutron's quota", service: "network", method: "GET", path: "/v2.0/quotas/{project}"},
}

var wholeCreate = []step{
	{name: "create whole", method: "POST", path: lbs, body: `{"loadbalancer": {"name": "{run}", "vip_subnet_id": "{subnet}", "tags": ["{run}", "b=2", "a=1"],
		"listeners": [{"name": "web", "protocol": "HTTP", "protocol_port": 80, "allowed_cidrs": ["10.0.0.7/8"], "insert_headers": {"X-Forwarded-For": "true"},
			"default_pool": {"name": "main", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
				"members": [{"address": "10.20.0.5", "protocol_port": 30080, "name": "n1"}, {"address": "10.20.0.6", "protocol_port": 30080, "weight": 3}],
				"healthmonitor": {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2, "url_path": "/healthz"}},
			"l7policies": [
				{"name": "api", "action": "REDIRECT_TO_POOL", "position": 1, "redirect_pool": {"name": "api", "protocol": "HTTP", "lb_algorithm": "SOURCE_IP", "session_persistence": {"type": "HTTP_COOKIE"}},
					"rules": [{"type": "HOST_NAME", "compare_type": "REGEX", "value": "^a\\.example\\.org(:[0-9]+)?$"}, {"type": "PATH", "compare_type": "REGEX", "value": "^/api(/|$)"}]},
				{"name": "stop", "action": "REJECT", "position": 2, "rules": [{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/admin", "invert": false}]}]}]}}`,
		save: map[string]string{"lb": "loadbalancer.id", "port": "loadbalancer.vip_port_id", "web": "loadbalancer.listeners.0.id"}},
	{name: "delete while pending", method: "DELETE", path: lbs + "/{lb}?cascade=true"},
	{name: "update while pending", method: "PUT", path: lbs + "/{lb}", body: `{"loadbalancer": {"name": "x"}}`},
	{name: "listener while pending", method: "POST", path: "/v2/lbaas/listeners", body: `{"listener": {"loadbalancer_id": "{lb}", "protocol": "TCP", "protocol_port": 81}}`},
	{name: "pool while pending", method: "POST", path: "/v2/lbaas/pools", body: `{"pool": {"loadbalancer_id": "{lb}", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}}`},
	{name: "policy while pending", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "{web}", "action": "REJECT"}}`},
	{name: "show while pending", method: "GET", path: lbs + "/{lb}", settle: "lb"},
	{name: "show when settled", method: "GET", path: lbs + "/{lb}"},
	{name: "its pools", method: "GET", path: "/v2/lbaas/pools?loadbalancer_id={lb}&name=main", save: map[string]string{"main": "pools.0.id", "monitor": "pools.0.healthmonitor_id"}},
	{name: "its other pool", method: "GET", path: "/v2/lbaas/pools?loadbalancer_id={lb}&name=api", save: map[string]string{"api": "pools.0.id"}},
	{name: "its policies", method: "GET", path: "/v2/lbaas/l7policies?listener_id={web}&sort=position", save: map[string]string{"first": "l7policies.0.id", "stop": "l7policies.1.id", "rule": "l7policies.1.rules.0.id"}},
}

var reading = []step{
	{name: "listener", method: "GET", path: "/v2/lbaas/listeners/{web}"},
	{name: "listeners of a load balancer", method: "GET", path: "/v2/lbaas/listeners?load_balancer_id={lb}"},
	{name: "pool", method: "GET", path: "/v2/lbaas/pools/{main}"},
	{name: "members", method: "GET", path: "/v2/lbaas/pools/{main}/members"},
	{name: "members by address", method: "GET", path: "/v2/lbaas/pools/{main}/members?address=10.20.0.6"},
	{name: "monitor", method: "GET", path: "/v2/lbaas/healthmonitors/{monitor}"},
	{name: "monitors of a pool", method: "GET", path: "/v2/lbaas/healthmonitors?pool_id={main}"},
	{name: "policy", method: "GET", path: "/v2/lbaas/l7policies/{first}"},
	{name: "rules", method: "GET", path: "/v2/lbaas/l7policies/{first}/rules"},
	{name: "rule", method: "GET", path: "/v2/lbaas/l7policies/{stop}/rules/{rule}"},
	{name: "status tree", method: "GET", path: lbs + "/{lb}/status"},
	{name: "statistics", method: "GET", path: lbs + "/{lb}/stats", shape: true},
	{name: "list by tag", method: "GET", path: lbs + "?tags={run}"},
	{name: "list by two tags and some fields", method: "GET", path: lbs + "?tags={run},a%3D1&fields=id&fields=provisioning_status&fields=updated_at"},
	{name: "list by any tag", method: "GET", path: lbs + "?tags-any={run},none&fields=name"},
	{name: "list by absent tags", method: "GET", path: lbs + "?name={run}&not-tags={run}"},
	{name: "list by name", method: "GET", path: lbs + "?name={run}&fields=tags"},
	{name: "list by state", method: "GET", path: lbs + "?name={run}&provisioning_status=ERROR"},
	{name: "a page", method: "GET", path: lbs + "?name={run}&limit=1&fields=name"},
	{name: "the page after", method: "GET", path: lbs + "?name={run}&limit=1&marker={lb}"},
	{name: "fields that are none", method: "GET", path: lbs + "/{lb}?fields=nothing"},
	{name: "unknown filter", method: "GET", path: lbs + "?foo=1"},
	{name: "unknown marker", method: "GET", path: lbs + "?marker=foo"},
	{name: "limit in words", method: "GET", path: lbs + "?limit=foo"},
	{name: "unknown sort key", method: "GET", path: lbs + "?sort=foo"},
	{name: "unknown sort direction", method: "GET", path: lbs + "?sort=name:foo"},
	{name: "the VIP's port", service: "network", method: "GET", path: "/v2.0/ports/{port}"},
}

var listener = []step{
	{name: "update", method: "PUT", path: lbs + "/{lb}", body: `{"loadbalancer": {"description": "d", "tags": ["{run}", "z"]}}`, settle: "lb"},
	{name: "update of nothing", method: "PUT", path: lbs + "/{lb}", body: `{"loadbalancer": {}}`, settle: "lb"},
	{name: "update of what cannot change", method: "PUT", path: lbs + "/{lb}", body: `{"loadbalancer": {"vip_address": "1.1.1.1"}}`},
	{name: "create listener", method: "POST", path: "/v2/lbaas/listeners", body: `{"listener": {"loadbalancer_id": "{lb}", "protocol": "TCP", "protocol_port": 5432, "name": "db"}}`, save: map[string]string{"db": "listener.id"}, settle: "lb"},
	{name: "a port twice", method: "POST", path: "/v2/lbaas/listeners", body: `{"listener": {"loadbalancer_id": "{lb}", "protocol": "HTTP", "protocol_port": 5432}}`},
	{name: "a port for UDP too", method: "POST", path: "/v2/lbaas/listeners", body: `{"listener": {"loadbalancer_id": "{lb}", "protocol": "UDP", "protocol_port": 5432, "name": "u"}}`, save: map[string]string{"udp": "listener.id"}, settle: "lb"},
	{name: "listener with no such pool", method: "POST", path: "/v2/lbaas/listeners", body: `{"listener": {"loadbalancer_id": "{lb}", "protocol": "TCP", "protocol_port": 83, "default_pool_id": "` + missing + `"}}`},
	{name: "listener whose pool does not fit", method: "POST", path: "/v2/lbaas/listeners", body: `{"listener": {"loadbalancer_id": "{lb}", "protocol": "UDP", "protocol_port": 83, "default_pool_id": "{main}"}}`},
	{name: "update listener", method: "PUT", path: "/v2/lbaas/listeners/{db}", body: `{"listener": {"allowed_cidrs": ["10.0.0.0/8"], "timeout_client_data": 1000}}`, settle: "lb"},
	{name: "update listener to nothing", method: "PUT", path: "/v2/lbaas/listeners/{db}", body: `{"listener": {"allowed_cidrs": null, "timeout_client_data": null, "name": null}}`, settle: "lb"},
	{name: "update listener's port", method: "PUT", path: "/v2/lbaas/listeners/{db}", body: `{"listener": {"protocol_port": 99}}`},
	{name: "delete listener", method: "DELETE", path: "/v2/lbaas/listeners/{udp}"},
	{name: "delete another while pending", method: "DELETE", path: "/v2/lbaas/listeners/{db}", settle: "lb"},
	{name: "listener is gone", method: "GET", path: "/v2/lbaas/listeners/{udp}"},
}

var pools = []step{
	{name: "create pool", method: "POST", path: "/v2/lbaas/pools", body: `{"pool": {"listener_id": "{db}", "protocol": "TCP", "lb_algorithm": "LEAST_CONNECTIONS", "name": "db"}}`, save: map[string]string{"dbpool": "pool.id"}, settle: "lb"},
	{name: "second default pool", method: "POST", path: "/v2/lbaas/pools", body: `{"pool": {"listener_id": "{db}", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}}`},
	{name: "pool that does not fit", method: "POST", path: "/v2/lbaas/pools", body: `{"pool": {"listener_id": "{db}", "protocol": "UDP", "lb_algorithm": "ROUND_ROBIN"}}`},
	{name: "pool without a parent", method: "POST", path: "/v2/lbaas/pools", body: `{"pool": {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}}`},
	{name: "pool with a cookie it may not have", method: "POST", path: "/v2/lbaas/pools", body: `{"pool": {"loadbalancer_id": "{lb}", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "session_persistence": {"type": "APP_COOKIE"}}}`},
	{name: "pool with a timeout it may not have", method: "POST", path: "/v2/lbaas/pools", body: `{"pool": {"loadbalancer_id": "{lb}", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "session_persistence": {"type": "SOURCE_IP", "persistence_timeout": 3}}}`},
	{name: "update pool", method: "PUT", path: "/v2/lbaas/pools/{dbpool}", body: `{"pool": {"lb_algorithm": "SOURCE_IP", "session_persistence": {"type": "SOURCE_IP"}}}`, settle: "lb"},
	{name: "take persistence away", method: "PUT", path: "/v2/lbaas/pools/{dbpool}", body: `{"pool": {"session_persistence": null}}`, settle: "lb"},
	{name: "algorithm of OVN", method: "PUT", path: "/v2/lbaas/pools/{dbpool}", body: `{"pool": {"lb_algorithm": "SOURCE_IP_PORT"}}`, settle: "lb"},
	{name: "pool of a policy in use", method: "DELETE", path: "/v2/lbaas/pools/{api}"},
	{name: "delete pool", method: "DELETE", path: "/v2/lbaas/pools/{dbpool}", settle: "lb"},
	{name: "listener without its pool", method: "GET", path: "/v2/lbaas/listeners/{db}"},
}

const memberPath = "/v2/lbaas/pools/{main}/members"

var members = []step{
	{name: "create member", method: "POST", path: memberPath, body: `{"member": {"address": "10.20.0.7", "protocol_port": 30080}}`, save: map[string]string{"n3": "member.id"}},
	{name: "batch while pending", method: "PUT", path: memberPath, body: `{"members": []}`, settle: "lb"},
	{name: "member twice", method: "POST", path: memberPath, body: `{"member": {"address": "10.20.0.7", "protocol_port": 30080}}`},
	{name: "member of no such subnet", method: "POST", path: memberPath, body: `{"member": {"address": "10.20.0.8", "protocol_port": 30080, "subnet_id": "` + missing + `"}}`},
	{name: "member of no such pool", method: "POST", path: "/v2/lbaas/pools/" + missing + "/members", body: `{"member": {"address": "10.20.0.8", "protocol_port": 30080}}`},
	{name: "update member", method: "PUT", path: memberPath + "/{n3}", body: `{"member": {"weight": 0, "name": "x"}}`, settle: "lb"},
	{name: "update member's address", method: "PUT", path: memberPath + "/{n3}", body: `{"member": {"address": "10.20.0.9"}}`},
	{name: "member in another pool", method: "GET", path: "/v2/lbaas/pools/{api}/members/{n3}"},
	{name: "batch", method: "PUT", path: memberPath, body: `{"members": [{"address": "10.20.0.7", "protocol_port": 30080, "weight": 2}, {"address": "10.20.0.8", "protocol_port": 30080, "backup": true}]}`},
	{name: "members while the batch is pending", method: "GET", path: memberPath + "?fields=address&fields=weight&fields=backup", settle: "lb"},
	{name: "members after the batch", method: "GET", path: memberPath},
	{name: "batch that only adds", method: "PUT", path: memberPath + "?additive_only=true", body: `{"members": [{"address": "10.20.0.9", "protocol_port": 30080}]}`, settle: "lb"},
	{name: "members after it", method: "GET", path: memberPath},
	{name: "batch with one twice", method: "PUT", path: memberPath, body: `{"members": [{"address": "10.20.0.8", "protocol_port": 30081}, {"address": "10.20.0.8", "protocol_port": 30081}]}`},
	{name: "batch with half a member", method: "PUT", path: memberPath, body: `{"members": [{"address": "10.20.0.8"}]}`},
	{name: "batch with an unknown attribute", method: "PUT", path: memberPath, body: `{"members": [{"address": "10.20.0.8", "protocol_port": 1, "foo": 1}]}`},
	{name: "batch of nothing", method: "PUT", path: memberPath, body: `{"members": []}`, settle: "lb"},
	{name: "batch of nothing into nothing", method: "PUT", path: memberPath, body: `{"members": []}`},
	{name: "no members are left", method: "GET", path: memberPath},
	{name: "delete a member that is gone", method: "DELETE", path: memberPath + "/{n3}"},
}

var monitors = []step{
	{name: "second monitor", method: "POST", path: "/v2/lbaas/healthmonitors", body: `{"healthmonitor": {"pool_id": "{main}", "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2}}`},
	{name: "update monitor", method: "PUT", path: "/v2/lbaas/healthmonitors/{monitor}", body: `{"healthmonitor": {"delay": 7, "url_path": null, "expected_codes": "200-204"}}`, settle: "lb"},
	{name: "delete monitor", method: "DELETE", path: "/v2/lbaas/healthmonitors/{monitor}", settle: "lb"},
	{name: "create monitor", method: "POST", path: "/v2/lbaas/healthmonitors", body: `{"healthmonitor": {"pool_id": "{main}", "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2}}`, save: map[string]string{"monitor": "healthmonitor.id"}, settle: "lb"},
	{name: "path of a TCP monitor", method: "PUT", path: "/v2/lbaas/healthmonitors/{monitor}", body: `{"healthmonitor": {"url_path": "/a"}}`},
	{name: "monitor without a delay", method: "PUT", path: "/v2/lbaas/healthmonitors/{monitor}", body: `{"healthmonitor": {"delay": null}}`},
	{name: "monitor of no such pool", method: "POST", path: "/v2/lbaas/healthmonitors", body: `{"healthmonitor": {"pool_id": "` + missing + `", "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2}}`},
	{name: "monitor of UDP on HTTP", method: "POST", path: "/v2/lbaas/healthmonitors", body: `{"healthmonitor": {"pool_id": "{api}", "type": "UDP-CONNECT", "delay": 5, "timeout": 3, "max_retries": 2}}`},
	{name: "monitor without retries", method: "POST", path: "/v2/lbaas/healthmonitors", body: `{"healthmonitor": {"pool_id": "{api}", "type": "TCP", "delay": 5, "timeout": 3}}`},
}

var policies = []step{
	{name: "create policy in front", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "{web}", "action": "REDIRECT_PREFIX", "redirect_prefix": "https://x.example.org", "position": 1, "name": "front"}}`, save: map[string]string{"front": "l7policy.id"}, settle: "lb"},
	{name: "create policy at the end", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "{web}", "action": "REDIRECT_TO_URL", "redirect_url": "http://a.b/c", "redirect_http_code": 301, "name": "end"}}`, save: map[string]string{"end": "l7policy.id"}, settle: "lb"},
	{name: "positions", method: "GET", path: "/v2/lbaas/l7policies?listener_id={web}&fields=name&fields=position"},
	{name: "move policy", method: "PUT", path: "/v2/lbaas/l7policies/{front}", body: `{"l7policy": {"position": 3}}`, settle: "lb"},
	{name: "positions after the move", method: "GET", path: "/v2/lbaas/l7policies?listener_id={web}&fields=name&fields=position"},
	{name: "change action", method: "PUT", path: "/v2/lbaas/l7policies/{end}", body: `{"l7policy": {"action": "REDIRECT_TO_POOL", "redirect_pool_id": "{api}"}}`, settle: "lb"},
	{name: "policy to no such pool", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "{web}", "action": "REDIRECT_TO_POOL", "redirect_pool_id": "` + missing + `"}}`},
	{name: "policy of no such listener", method: "POST", path: "/v2/lbaas/l7policies", body: `{"l7policy": {"listener_id": "` + missing + `", "action": "REJECT"}}`},
	{name: "create rule", method: "POST", path: "/v2/lbaas/l7policies/{front}/rules", body: `{"rule": {"type": "HEADER", "compare_type": "CONTAINS", "key": "X-A", "value": "b", "invert": true}}`, save: map[string]string{"newrule": "rule.id"}},
	{name: "rule while pending", method: "POST", path: "/v2/lbaas/l7policies/{front}/rules", body: `{"rule": {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/a"}}`, settle: "lb"},
	{name: "update rule", method: "PUT", path: "/v2/lbaas/l7policies/{front}/rules/{newrule}", body: `{"rule": {"value": "c", "invert": null}}`, settle: "lb"},
	{name: "rule with an open parenthesis", method: "PUT", path: "/v2/lbaas/l7policies/{front}/rules/{newrule}", body: `{"rule": {"compare_type": "REGEX", "value": "("}}`},
	{name: "rule of no such policy", method: "POST", path: "/v2/lbaas/l7policies/" + missing + "/rules", body: `{"rule": {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/a"}}`},
	{name: "delete rule", method: "DELETE", path: "/v2/lbaas/l7policies/{front}/rules/{newrule}", settle: "lb"},
	{name: "delete policy", method: "DELETE", path: "/v2/lbaas/l7policies/{end}", settle: "lb"},
	{name: "positions after the delete", method: "GET", path: "/v2/lbaas/l7policies?listener_id={web}&fields=name&fields=position"},
}

var floating = []step{
	{name: "create floating IP", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "{external}", "port_id": "{port}", "description": "{run}"}}`, save: map[string]string{"fip": "floatingip.id"}},
	{name: "second floating IP for a port", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "{external}", "port_id": "{port}"}}`},
	{name: "tag floating IP", service: "network", method: "PUT", path: "/v2.0/floatingips/{fip}/tags", body: `{"tags": ["{run}", "x=1"]}`},
	{name: "one more tag", service: "network", method: "PUT", path: "/v2.0/floatingips/{fip}/tags/more"},
	{name: "floating IPs by tags", service: "network", method: "GET", path: "/v2.0/floatingips?tags={run},x%3D1&fields=description&fields=tags"},
	{name: "floating IPs by port", service: "network", method: "GET", path: "/v2.0/floatingips?port_id={port}"},
	{name: "floating IPs by description", service: "network", method: "GET", path: "/v2.0/floatingips?description={run}&fields=description"},
	{name: "take floating IP off", service: "network", method: "PUT", path: "/v2.0/floatingips/{fip}", body: `{"floatingip": {"port_id": null}}`},
	{name: "put it on again", service: "network", method: "PUT", path: "/v2.0/floatingips/{fip}", body: `{"floatingip": {"port_id": "{port}"}}`},
	{name: "floating IP of another tenant", as: "other", service: "network", method: "GET", path: "/v2.0/floatingips/{fip}"},
	{name: "delete floating IP of another tenant", as: "other", service: "network", method: "DELETE", path: "/v2.0/floatingips/{fip}"},
	{name: "floating IP without a network", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"port_id": "{port}"}}`},
	{name: "floating IP with a network that is none", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "nope"}}`},
	{name: "floating IP from an internal network", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "{network}"}}`},
	{name: "floating IP for no such port", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "{external}", "port_id": "` + missing + `"}}`},
	{name: "floating IP with an unknown attribute", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "{external}", "foo": 1}}`},
}

// bodies that no cloud takes; none of them leaves anything behind.
var refused = []step{
	refuse("no JSON", `{nope`),
	refuse("no body", ``),
	refuse("a list", `[]`),
	refuse("an empty object", `{}`),
	refuse("no wrapper", `{"name": "x"}`),
	refuse("no VIP", `{"loadbalancer": {"name": "x"}}`),
	refuse("unknown attribute", `{"loadbalancer": {"foo": 1, "vip_subnet_id": "{subnet}"}}`),
	refuse("unknown attribute nested", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "listeners": [{"protocol": "HTTP", "protocol_port": 80, "foo": 1}]}}`),
	refuse("attribute of a newer API", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "listeners": [{"protocol": "HTTP", "protocol_port": 80, "hsts_max_age": 1}]}}`),
	refuse("a number for a name", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "name": 1}}`),
	refuse("a word for tags", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "tags": "x"}}`),
	refuse("no UUID", `{"loadbalancer": {"vip_subnet_id": "x"}}`),
	refuse("no such VIP subnet", `{"loadbalancer": {"vip_subnet_id": "`+missing+`"}}`),
	refuse("no such VIP network", `{"loadbalancer": {"vip_network_id": "`+missing+`"}}`),
	refuse("no such VIP port", `{"loadbalancer": {"vip_port_id": "`+missing+`"}}`),
	refuse("VIP port in use", `{"loadbalancer": {"vip_port_id": "{port}"}}`),
	refuse("no such flavor in a create", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "flavor_id": "`+missing+`"}}`),
	refuse("no such zone", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "availability_zone": "zz"}}`),
	refuse("provider that the flavor is not for", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "flavor_id": "{ha}", "provider": "octavia"}}`),
	refuse("no such provider", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "provider": "zz"}}`),
	refuse("VIP from elsewhere", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "vip_address": "192.168.1.1"}}`),
	refuseListener("no such protocol", `"protocol": "FTP", "protocol_port": 80`),
	refuseListener("no port", `"protocol": "HTTP"`),
	refuseListener("port 0", `"protocol": "HTTP", "protocol_port": 0`),
	refuseListener("port 65536", `"protocol": "HTTP", "protocol_port": 65536`),
	refuseListener("port in words", `"protocol": "HTTP", "protocol_port": "x"`),
	refuseListener("bad CIDR", `"protocol": "HTTP", "protocol_port": 80, "allowed_cidrs": ["x"]`),
	refuseListener("CIDR of another family", `"protocol": "HTTP", "protocol_port": 80, "allowed_cidrs": ["fd00::/8"]`),
	refuseListener("headers on TCP", `"protocol": "TCP", "protocol_port": 80, "insert_headers": {"X-Forwarded-For": "true"}`),
	refuseListener("unknown header", `"protocol": "HTTP", "protocol_port": 80, "insert_headers": {"X-Foo": "true"}`),
	refuseListener("TLS without a certificate", `"protocol": "TERMINATED_HTTPS", "protocol_port": 443`),
	refuseListener("negative timeout", `"protocol": "HTTP", "protocol_port": 80, "timeout_client_data": -1`),
	refuse("one port twice", `{"loadbalancer": {"vip_subnet_id": "{subnet}", "listeners": [{"protocol": "HTTP", "protocol_port": 80}, {"protocol": "TCP", "protocol_port": 80}]}}`),
	refusePool("pool that does not fit its listener", `"name": "p", "protocol": "UDP", "lb_algorithm": "ROUND_ROBIN"`),
	refusePool("pool without a name", `"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"`),
	refusePool("pool mentioned only", `"name": "p"`),
	refusePool("half a pool", `"name": "p", "protocol": "HTTP"`),
	refusePool("no such algorithm", `"name": "p", "protocol": "HTTP", "lb_algorithm": "X"`),
	refusePool("pool with TLS and no more", `"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "tls_enabled": true`),
	refusePool("member without an address", `"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [{"protocol_port": 1}]`),
	refusePool("member with a bad address", `"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [{"address": "x", "protocol_port": 1}]`),
	refusePool("member nested twice", `"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [{"address": "1.1.1.1", "protocol_port": 1}, {"address": "1.1.1.1", "protocol_port": 1}]`),
	refusePool("member too heavy", `"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [{"address": "1.1.1.1", "protocol_port": 1, "weight": 257}]`),
	refusePool("member at the metadata address", `"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [{"address": "169.254.169.254", "protocol_port": 1}]`),
	refuseMonitor("codes in words", `"type": "HTTP", "expected_codes": "abc"`),
	refuseMonitor("path that is none", `"type": "HTTP", "url_path": "abc"`),
	refuseMonitor("TCP with a path", `"type": "TCP", "url_path": "/x"`),
	refuseMonitor("UDP on HTTP", `"type": "UDP-CONNECT"`),
	refuseMonitor("domain without a version", `"type": "HTTP", "domain_name": "a.b"`),
	refuseMonitor("domain with HTTP 1.0", `"type": "HTTP", "domain_name": "a.b", "http_version": 1.0`),
	refuseMonitor("HTTP 3", `"type": "HTTP", "http_version": 3`),
	refusePolicy("no action", `"position": 1`),
	refusePolicy("no such action", `"action": "X"`),
	refusePolicy("redirect without a URL", `"action": "REDIRECT_TO_URL"`),
	refusePolicy("redirect to no URL", `"action": "REDIRECT_TO_URL", "redirect_url": "foo"`),
	refusePolicy("redirect with another code", `"action": "REDIRECT_TO_URL", "redirect_url": "http://a/", "redirect_http_code": 304`),
	refusePolicy("redirect without a pool", `"action": "REDIRECT_TO_POOL"`),
	refusePolicy("redirect without a prefix", `"action": "REDIRECT_PREFIX"`),
	refusePolicy("position 0", `"action": "REJECT", "position": 0`),
	refuseRule("no such type", `"type": "X", "compare_type": "EQUAL_TO", "value": "/a"`),
	refuseRule("no such comparison", `"type": "PATH", "compare_type": "X", "value": "/a"`),
	refuseRule("empty value", `"type": "PATH", "compare_type": "EQUAL_TO", "value": ""`),
	refuseRule("open parenthesis", `"type": "PATH", "compare_type": "REGEX", "value": "a("`),
	refuseRule("repeats nothing", `"type": "PATH", "compare_type": "REGEX", "value": "*a"`),
	refuseRule("header without a key", `"type": "HEADER", "compare_type": "EQUAL_TO", "value": "a"`),
	refuseRule("bad key", `"type": "HEADER", "compare_type": "EQUAL_TO", "key": "a b", "value": "a"`),
	refuseRule("spaces", `"type": "HOST_NAME", "compare_type": "EQUAL_TO", "value": "a b"`),
	refuseRule("start of a file type", `"type": "FILE_TYPE", "compare_type": "STARTS_WITH", "value": "a"`),
	refuseRule("spaces in a cookie", `"type": "COOKIE", "compare_type": "EQUAL_TO", "key": "a", "value": "a b"`),
}

func refuse(name, body string) step {
	return step{name: "refused: " + name, method: "POST", path: lbs, body: body}
}

func refuseListener(name, attributes string) step {
	return refuse("listener: "+name, `{"loadbalancer": {"vip_subnet_id": "{subnet}", "listeners": [{`+attributes+`}]}}`)
}

func refusePool(name, attributes string) step {
	return refuseListener("pool: "+name, `"protocol": "HTTP", "protocol_port": 80, "default_pool": {`+attributes+`}`)
}

func refuseMonitor(name, attributes string) step {
	return refusePool("monitor: "+name, `"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "healthmonitor": {"delay": 5, "timeout": 3, "max_retries": 2, `+attributes+`}`)
}

func refusePolicy(name, attributes string) step {
	return refuseListener("policy: "+name, `"protocol": "HTTP", "protocol_port": 80, "l7policies": [{`+attributes+`}]`)
}

func refuseRule(name, attributes string) step {
	return refusePolicy("rule: "+name, `"action": "REJECT", "rules": [{`+attributes+`}]`)
}

var rights = []step{
	{name: "another tenant shows", as: "other", method: "GET", path: lbs + "/{lb}"},
	{name: "another tenant lists", as: "other", method: "GET", path: lbs + "?name={run}"},
	{name: "another tenant deletes", as: "other", method: "DELETE", path: lbs + "/{lb}?cascade=true"},
	{name: "another tenant adds", as: "other", method: "POST", path: "/v2/lbaas/listeners", body: `{"listener": {"loadbalancer_id": "{lb}", "protocol": "TCP", "protocol_port": 90}}`},
	{name: "another tenant's members", as: "other", method: "GET", path: memberPath},
	{name: "an observer lists", as: "observer", method: "GET", path: lbs + "?name={run}&fields=name"},
	{name: "an observer deletes", as: "observer", method: "DELETE", path: lbs + "/{lb}?cascade=true"},
	{name: "without a role: list", as: "norole", method: "GET", path: lbs},
	{name: "without a role: show", as: "norole", method: "GET", path: lbs + "/{lb}"},
	{name: "failover is not for tenants", method: "PUT", path: lbs + "/{lb}/failover"},
	{name: "no such load balancer", method: "GET", path: lbs + "/" + missing},
	{name: "delete no such load balancer", method: "DELETE", path: lbs + "/" + missing},
	{name: "a method that is none", method: "PATCH", path: lbs},
}

var ending = []step{
	{name: "create with a flavor", method: "POST", path: lbs, body: `{"loadbalancer": {"name": "{run}-2", "vip_network_id": "{network}", "vip_subnet_id": "{subnet}", "flavor_id": "{ha}", "availability_zone": "az1", "admin_state_up": false, "provider": "amphora"}}`, save: map[string]string{"lb2": "loadbalancer.id"}, settle: "lb2"},
	{name: "delete without children", method: "DELETE", path: lbs + "/{lb2}", settle: "lb2"},
	{name: "delete with children", method: "DELETE", path: lbs + "/{lb}"},
	{name: "delete cascade", method: "DELETE", path: lbs + "/{lb}?cascade=true"},
	{name: "show while it is deleted", method: "GET", path: lbs + "/{lb}?fields=id&fields=provisioning_status", settle: "lb"},
	{name: "it is gone", method: "GET", path: lbs + "/{lb}"},
	{name: "delete again", method: "DELETE", path: lbs + "/{lb}?cascade=true"},
	{name: "its listener is gone", method: "GET", path: "/v2/lbaas/listeners/{web}"},
	{name: "its port is gone", service: "network", method: "GET", path: "/v2.0/ports/{port}"},
	{name: "its floating IP is free", service: "network", method: "GET", path: "/v2.0/floatingips/{fip}"},
	{name: "delete floating IP", service: "network", method: "DELETE", path: "/v2.0/floatingips/{fip}"},
	{name: "floating IP is gone", service: "network", method: "GET", path: "/v2.0/floatingips/{fip}"},
}
