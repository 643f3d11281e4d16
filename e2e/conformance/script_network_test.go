package conformance

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
	{name: "floating IP for one of two VIPs", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "{external}", "port_id": "{port3}"}}`, save: map[string]string{"fip3": "floatingip.id"}},
	{name: "no longer", service: "network", method: "DELETE", path: "/v2.0/floatingips/{fip3}"},
	{name: "floating IP for an address of another port", service: "network", method: "POST", path: "/v2.0/floatingips", body: `{"floatingip": {"floating_network_id": "{external}", "port_id": "{port3}", "fixed_ip_address": "10.99.0.1"}}`},
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
