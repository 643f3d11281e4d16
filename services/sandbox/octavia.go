package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// lastMinor is the newest API version that the sandbox can play, and
// defaultMinor that of the Octavia 11 which it is held to. What 2.27 added
// (HSTS) is from Octavia's API reference, and not compared with a real one.
const (
	lastMinor    = 27
	defaultMinor = 26
)

// versionDates are when each minor version of API 2 was made, from the root of
// the real service. Clients compare only the ids.
var versionDates = []string{
	"2016-12-11T00:00:00Z", "2018-04-20T00:00:00Z", "2018-07-31T00:00:00Z", "2018-12-18T00:00:00Z", "2018-12-19T00:00:00Z",
	"2019-01-21T00:00:00Z", "2019-01-25T00:00:00Z", "2018-01-25T12:00:00Z", "2019-02-12T00:00:00Z", "2019-03-04T00:00:00Z",
	"2019-03-05T00:00:00Z", "2019-06-24T00:00:00Z", "2019-09-11T00:00:00Z", "2019-09-13T00:00:00Z", "2019-11-10T00:00:00Z",
	"2020-03-10T00:00:00Z", "2020-03-15T00:00:00Z", "2020-04-29T00:00:00Z", "2020-04-29T01:00:00Z", "2020-05-12T00:00:00Z",
	"2020-08-02T00:00:00Z", "2020-09-03T00:00:00Z", "2020-09-04T00:00:00Z", "2020-09-07T00:00:00Z", "2020-10-15T00:00:00Z",
	"2021-10-02T00:00:00Z", "2022-08-29T00:00:00Z", "2023-05-05T00:00:00Z",
}

// parseMinor reads "2.26".
func parseMinor(version string) (int, error) {
	minor, ok := strings.CutPrefix(version, "2.")
	n, err := strconv.Atoi(minor)
	if !ok || err != nil || n < 0 || n > lastMinor {
		return 0, fmt.Errorf("sandbox: APIVersion: %q is none of 2.0 to 2.%d", version, lastMinor)
	}
	return n, nil
}

func (c *Cloud) octaviaVersions(base string) object {
	var list []object
	for i := 0; i <= c.minor; i++ {
		status := "SUPPORTED"
		if i == c.minor {
			status = "CURRENT"
		}
		list = append(list, object{
			"id": fmt.Sprintf("v2.%d", i), "status": status, "updated": versionDates[i],
			"links": []object{{"href": base + "/v2", "rel": "self"}},
		})
	}
	return object{"versions": list}
}

// octavia answers for the load balancing service.
func (c *Cloud) octavia(r *request) (int, any, error) {
	if len(r.path) == 0 {
		return 200, c.octaviaVersions(r.base), nil
	}
	if r.token == nil {
		return 0, nil, unauthorized(c.url)
	}
	if r.path[0] != "v2" && r.path[0] != "v2.0" {
		return 0, nil, &refusal{status: 404, body: object{"code": 404, "title": "Not Found", "description": nil}}
	}
	rest := slices.DeleteFunc(slices.Clone(r.path[1:]), func(s string) bool { return s == "" })
	if len(rest) == 0 {
		return 200, "v2", nil
	}
	if rest[0] == "lbaas" || rest[0] == "octavia" {
		rest = rest[1:]
	}
	r.path = rest
	if len(rest) == 0 {
		return 0, nil, pecanError(404, "Not Found", "")
	}
	switch rest[0] {
	case "loadbalancers":
		return c.loadBalancers(r)
	case "listeners":
		return c.listeners(r)
	case "pools":
		if len(rest) >= 3 && rest[2] == "members" {
			return c.members(r)
		}
		return c.pools(r)
	case "healthmonitors":
		return c.monitors(r)
	case "l7policies":
		if len(rest) >= 3 && rest[2] == "rules" {
			return c.rules(r)
		}
		return c.policies(r)
	case "flavors":
		return c.flavors(r)
	case "flavorprofiles":
		return c.profiles(r)
	case "providers":
		return c.providers(r)
	case "availabilityzones":
		return c.zones(r)
	case "quotas":
		return c.quotas(r)
	}
	return 0, nil, pecanError(404, "Not Found", "")
}

// verb tells what a call wants of a collection whose ids stand at path[at].
func (r *request) verb(at int) string {
	if len(r.path) <= at {
		return r.method
	}
	if len(r.path) == at+1 {
		return r.method + " id"
	}
	return r.method + " " + r.path[at+1]
}

func wrongMethod(r *request) error {
	switch {
	case len(r.path) == 1 && (r.method == "PUT" || r.method == "DELETE"):
		return bad("Missing argument: \"id\"")
	case len(r.path) > 2:
		return pecanError(404, "Not Found", "")
	}
	return pecanError(405, "Method Not Allowed", "")
}

// Roles of Octavia's default policy.
const (
	roleMember   = "load-balancer_member"
	roleObserver = "load-balancer_observer"
	roleAdmin    = "load-balancer_admin"
)

// may is Octavia's default policy: a role, and the object's project.
func (r *request) may(project string, write bool) error {
	switch roles := r.token.roles; {
	case slices.Contains(roles, roleAdmin):
		return nil
	case project != r.token.project:
	case slices.Contains(roles, roleMember):
		return nil
	case slices.Contains(roles, roleObserver) && !write:
		return nil
	}
	return forbidden()
}

// find looks an object up and asks the policy.
func find[T any](r *request, in map[string]*T, kind, id string, m func(*T) *meta, write bool) (*T, error) {
	o := in[id]
	if o == nil {
		return nil, notFound(kind, id)
	}
	return o, r.may(m(o).Project, write)
}

// created is what a new object begins with.
func created(r *request, project string, in map[string]any) meta {
	m := meta{ID: newID(), Project: project, Provisioning: PendingCreate, Operating: offline, Created: stamp(r.now), Enabled: true}
	m.apply(in)
	return m
}

// answer strips what is newer than the API version played.
func (c *Cloud) answer(o object, s schema) object {
	for _, f := range s {
		if f.since > c.minor {
			delete(o, f.name)
		}
	}
	return o
}

// common are the attributes that every kind shows.
func (m *meta) common() object {
	return object{
		"id": m.ID, "name": m.Name, "provisioning_status": m.Provisioning, "operating_status": m.Operating,
		"admin_state_up": m.Enabled, "project_id": m.Project, "tenant_id": m.Project,
		"created_at": m.Created, "updated_at": orNull(m.Updated), "tags": listOrEmpty(m.Tags),
	}
}

// quota asks whether count more objects of a kind fit into the project.
func (c *Cloud) quota(project, kind, resource string, count int) error {
	limit, limited := c.cfg.Quota[kind]
	if !limited || limit < 0 || count == 0 {
		return nil
	}
	if c.used(project, kind)+count > limit {
		return overQuota(resource)
	}
	return nil
}

func (c *Cloud) used(project, kind string) int {
	switch s := c.state; kind {
	case "load_balancer":
		return count(s.LoadBalancers, func(o *loadBalancer) bool { return o.Project == project })
	case "listener":
		return count(s.Listeners, func(o *listener) bool { return o.Project == project })
	case "pool":
		return count(s.Pools, func(o *pool) bool { return o.Project == project })
	case "member":
		return count(s.Members, func(o *member) bool { return o.Project == project })
	case "health_monitor":
		return count(s.Monitors, func(o *monitor) bool { return o.Project == project })
	case "l7policy":
		return count(s.Policies, func(o *l7Policy) bool { return o.Project == project })
	case "l7rule":
		return count(s.Rules, func(o *l7Rule) bool { return o.Project == project })
	case "floatingip":
		return count(s.Floating, func(o *floatingIP) bool { return o.Project == project })
	case "security_group":
		return count(s.Groups, func(o *securityGroup) bool { return o.Project == project })
	case "security_group_rule":
		n := 0
		for _, g := range s.Groups {
			if g.Project == project {
				n += len(g.Rules)
			}
		}
		return n
	case "port":
		return count(s.Ports, func(o *networkPort) bool { return o.Project == project })
	}
	return 0
}

func count[T any](in map[string]*T, match func(*T) bool) (n int) {
	for _, o := range in {
		if match(o) {
			n++
		}
	}
	return n
}
