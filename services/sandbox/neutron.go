package sandbox

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

func neutronMissing(kind, id string) error {
	words := map[string]string{
		"network": "Network %s could not be found.", "subnet": "Subnet %s could not be found.", "port": "Port %s could not be found.",
		"floatingip": "Floating IP %s could not be found", "security_group": "Security group %s does not exist",
	}
	types := map[string]string{
		"network": "NetworkNotFound", "subnet": "SubnetNotFound", "port": "PortNotFound", "floatingip": "FloatingIPNotFound",
		"security_group": "SecurityGroupNotFound",
	}
	return neutronError(404, types[kind], words[kind], id)
}

func neutronNoRoute() error {
	return neutronError(404, "HTTPNotFound", "The resource could not be found.")
}

// neutron answers for the network service.
func (c *Cloud) neutron(r *request) (int, any, error) {
	path := slices.DeleteFunc(slices.Clone(r.path), func(s string) bool { return s == "" })
	if len(path) == 0 {
		return 200, object{"versions": []object{{"id": "v2.0", "status": "CURRENT", "links": []object{{"rel": "self", "href": r.base + "/v2.0/"}}}}}, nil
	}
	if r.token == nil {
		return 0, nil, unauthorized(c.url)
	}
	if path[0] != "v2.0" || len(path) < 2 {
		return 0, nil, neutronNoRoute()
	}
	r.path = path[1:]
	if len(r.path) >= 3 && r.path[2] == "tags" {
		return c.tags(r)
	}
	switch r.path[0] {
	case "networks":
		return c.networks(r)
	case "subnets":
		return c.subnets(r)
	case "ports":
		return c.ports(r)
	case "floatingips":
		return c.floatingIPs(r)
	case "security-groups":
		return c.securityGroups(r)
	case "security-group-rules":
		return c.groupRules(r)
	case "extensions":
		return 200, object{"extensions": []object{
			{"alias": "router", "name": "Neutron L3 Router", "description": "", "updated": "2012-07-20T10:00:00-00:00", "links": []object{}},
			{"alias": "external-net", "name": "Neutron external network", "description": "", "updated": "2013-01-14T10:00:00-00:00", "links": []object{}},
			{"alias": "standard-attr-tag", "name": "Tag support", "description": "", "updated": "2017-01-01T00:00:00-00:00", "links": []object{}},
			{"alias": "security-group", "name": "security-group", "description": "", "updated": "2012-10-05T10:00:00-00:00", "links": []object{}},
			{"alias": "revision-if-match", "name": "If-Match constraints based on revision_number", "description": "", "updated": "2016-12-11T00:00:00-00:00", "links": []object{}},
		}}, nil
	case "quotas":
		return c.networkQuotas(r)
	}
	return 0, nil, neutronNoRoute()
}

// pick is Neutron's list: filters by equality (several values are
// alternatives), tags, pages and fields.
func pick(r *request, name string, all []object) (int, any, error) {
	slices.SortFunc(all, func(a, b object) int { return strings.Compare(fmt.Sprint(a["id"]), fmt.Sprint(b["id"])) })
	tags := map[string][]string{}
	for _, f := range tagFilters {
		for _, v := range r.query[f] {
			tags[f] = append(tags[f], strings.Split(v, ",")...)
		}
	}
	all = slices.DeleteFunc(all, func(o object) bool { return !wanted(o, r.query) || !tagged(o, tags) })
	if m := r.query.Get("marker"); m != "" {
		at := slices.IndexFunc(all, func(o object) bool { return o["id"] == m })
		if at < 0 {
			return 0, nil, neutronError(400, "HTTPBadRequest", "Invalid input for operation: %s is not a valid marker.", m)
		}
		all = all[at+1:]
	}
	out := object{}
	if limit, err := pyInt(r.query.Get("limit")); err == nil && limit > 0 && len(all) >= limit {
		all = all[:limit]
		next := url.Values{}
		for k, v := range r.query {
			next[k] = v
		}
		next.Set("marker", fmt.Sprint(all[limit-1]["id"]))
		out[name+"_links"] = []object{{"rel": "next", "href": r.url + "?" + next.Encode()}}
	}
	list := make([]object, len(all))
	for i, o := range all {
		list[i] = selectFields(o, r.query)
	}
	out[name] = list
	return 200, out, nil
}

func wanted(o object, q url.Values) bool {
	for name, values := range q {
		have, known := o[name]
		switch {
		case slices.Contains(tagFilters, name) || slices.Contains(paging, name) && name != "project_id" && name != "tenant_id":
		case name == "fixed_ips":
			ips, _ := o["fixed_ips"].([]object)
			if !slices.ContainsFunc(ips, func(ip object) bool {
				return wantedIP(ip, values)
			}) {
				return false
			}
		case known && !slices.ContainsFunc(values, func(v string) bool { return matches(have, v) }):
			return false
		}
	}
	return true
}

// wantedIP: an address of a port is among those asked for.
func wantedIP(ip object, values []string) bool {
	return slices.ContainsFunc(values, func(v string) bool {
		name, want, _ := strings.Cut(v, "=")
		if part, is := strings.CutSuffix(name, "_substr"); is {
			return strings.Contains(fmt.Sprint(ip[part]), want)
		}
		return fmt.Sprint(ip[name]) == want
	})
}

func (c *Cloud) networkQuota(project, kind string) error {
	if limit, ok := c.cfg.Quota[kind]; ok && limit >= 0 && c.used(project, kind) >= limit {
		return neutronError(409, "OverQuota", "Quota exceeded for resources: ['%s'].", kind)
	}
	return nil
}

func (c *Cloud) networkQuotas(r *request) (int, any, error) {
	if r.method != "GET" || len(r.path) != 2 || r.path[1] != r.token.project {
		return 0, nil, neutronError(403, "AdminRequired", "User does not have admin privileges: Non-admin is not authorised to access quotas of another tenant.")
	}
	out := object{"rbac_policy": 10}
	for _, kind := range []string{"network", "subnet", "subnetpool", "port", "router", "floatingip", "security_group", "security_group_rule", "trunk"} {
		out[kind] = -1
		if limit, ok := c.cfg.Quota[kind]; ok {
			out[kind] = limit
		}
	}
	return 200, object{"quota": out}, nil
}
