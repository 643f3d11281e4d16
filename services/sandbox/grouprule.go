package sandbox

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// groupRules answers for the rules of all groups of a project.
func (c *Cloud) groupRules(r *request) (int, any, error) {
	if len(r.path) == 1 && r.method == "POST" {
		return c.createGroupRule(r)
	}
	var all []object
	for _, g := range c.state.Groups {
		if g.Project != r.token.project {
			continue
		}
		for i, rule := range g.Rules {
			if len(r.path) == 1 {
				all = append(all, g.showRule(rule))
				continue
			}
			switch {
			case rule.ID != r.path[1]:
			case r.method == "GET":
				return 200, object{"security_group_rule": selectFields(g.showRule(rule), r.query)}, nil
			case r.method == "DELETE":
				g.Rules = slices.Delete(g.Rules, i, i+1)
				g.touch(r.now)
				return 204, nil, nil
			}
		}
	}
	switch {
	case len(r.path) == 1 && r.method == "GET":
		return pick(r, "security_group_rules", all)
	case len(r.path) == 1 || r.method != "GET" && r.method != "DELETE":
		return 0, nil, neutronNoRoute()
	}
	return 0, nil, neutronError(404, "SecurityGroupRuleNotFound", "Security group rule %s does not exist", r.path[1])
}

func (c *Cloud) createGroupRule(r *request) (int, any, error) {
	in, err := neutronBody(r, "security_group_rule", "security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max",
		"remote_ip_prefix", "remote_group_id", "remote_address_group_id", "description")
	if err != nil {
		return 0, nil, err
	}
	rule, err := readRule(in)
	if err != nil {
		return 0, nil, err
	}
	id, _ := in["security_group_id"].(string)
	g := c.groupOf(r.token.project, id)
	if g == nil {
		return 0, nil, neutronMissing("security_group", id)
	}
	if rule.RemoteGroup != "" && c.state.Groups[rule.RemoteGroup] == nil {
		return 0, nil, neutronMissing("security_group", rule.RemoteGroup)
	}
	if err := c.networkQuota(r.token.project, "security_group_rule"); err != nil {
		return 0, nil, err
	}
	for _, old := range g.Rules {
		if old.same(rule) {
			return 0, nil, neutronError(409, "SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", old.ID)
		}
	}
	rule.ID, rule.Created = newID(), neutronStamp(r.now)
	g.Rules = append(g.Rules, rule)
	g.touch(r.now)
	return 201, object{"security_group_rule": g.showRule(rule)}, nil
}

// same: the rules allow the same.
func (u groupRule) same(o groupRule) bool {
	key := func(x groupRule) string {
		return fmt.Sprint(x.Direction, x.Family, x.Protocol, pointerOrNull(x.From), pointerOrNull(x.To), x.Remote, "/", x.RemoteGroup)
	}
	return key(u) == key(o)
}

var ruleProtocols = []string{
	"ah", "dccp", "egp", "esp", "gre", "hopopt", "icmp", "icmpv6", "igmp", "ip", "ipip", "ipv6-encap", "ipv6-frag", "ipv6-icmp", "ipv6-nonxt",
	"ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite", "vrrp",
}

// readRule is what Neutron says of a rule's parts.
func readRule(in map[string]any) (groupRule, error) {
	u := groupRule{Family: "IPv4", Description: new(string)}
	set(in, "direction", &u.Direction)
	if in["ethertype"] != nil {
		set(in, "ethertype", &u.Family)
	}
	set(in, "remote_ip_prefix", &u.Remote)
	set(in, "remote_group_id", &u.RemoteGroup)
	set(in, "description", u.Description)
	if p := in["protocol"]; p != nil {
		u.Protocol = strings.ToLower(fmt.Sprint(p))
	}
	for name, to := range map[string]**int{"port_range_min": &u.From, "port_range_max": &u.To} {
		if f, ok := in[name].(float64); ok {
			n := int(f)
			*to = &n
		}
	}
	if u.Direction != "ingress" && u.Direction != "egress" {
		return u, neutronError(400, "HTTPBadRequest", "Invalid input for direction. Reason: %s is not in valid_values.", u.Direction)
	}
	if _, err := strconv.Atoi(u.Protocol); err != nil && u.Protocol != "" && !slices.Contains(ruleProtocols, u.Protocol) {
		return u, neutronError(400, "SecurityGroupRuleInvalidProtocol", "Security group rule protocol %s not supported. Only protocol values [None, 'ah', 'dccp', 'egp', 'esp', 'gre', 'hopopt', 'icmp', 'igmp', 'ip', 'ipip', 'ipv6-encap', 'ipv6-frag', 'ipv6-icmp', 'icmpv6', 'ipv6-nonxt', 'ipv6-opts', 'ipv6-route', 'ospf', 'pgm', 'rsvp', 'sctp', 'tcp', 'udp', 'udplite', 'vrrp'] and integer representations [0 to 255] are supported.", u.Protocol)
	}
	switch {
	case u.Protocol == "" && (u.From != nil || u.To != nil):
		return u, neutronError(400, "SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	case u.From != nil && u.To != nil && *u.From > *u.To:
		return u, neutronError(400, "SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
	case u.Remote == "":
		return u, nil
	}
	p, err := netip.ParsePrefix(u.Remote)
	if a, e := netip.ParseAddr(u.Remote); e == nil {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil {
		return u, neutronError(400, "InvalidCIDR", "Invalid CIDR %s given as IP prefix.", u.Remote)
	}
	if p.Addr().Is4() != (u.Family == "IPv4") {
		return u, neutronError(400, "SecurityGroupRuleParameterConflict", "Conflicting value ethertype %s for CIDR %s", u.Family, u.Remote)
	}
	u.Remote = p.String()
	return u, nil
}
