package sandbox

import (
	"net/url"
	"slices"
	"time"
)

// tags answers below RESOURCE/ID/tags.
func (c *Cloud) tags(r *request) (int, any, error) {
	list, touch := c.taggable(r)
	if list == nil {
		kind := map[string]string{"floatingips": "floatingip", "ports": "port", "networks": "network", "subnets": "subnet", "security-groups": "security_group"}[r.path[0]]
		if kind == "" {
			return 0, nil, neutronNoRoute()
		}
		return 0, nil, neutronMissing(kind, r.path[1])
	}
	one := ""
	if len(r.path) == 4 {
		one, _ = url.PathUnescape(r.path[3])
	}
	switch {
	case r.method == "GET" && one == "":
		return 200, object{"tags": listOrEmpty(*list)}, nil
	case r.method == "GET":
		if slices.Contains(*list, one) {
			return 204, nil, nil
		}
		return 0, nil, neutronError(404, "TagNotFound", "Tag %s could not be found.", one)
	case r.method == "PUT" && one != "":
		if !slices.Contains(*list, one) {
			*list = append(*list, one)
			slices.Sort(*list)
		}
		touch(r.now)
		return 201, nil, nil
	case r.method == "PUT":
		in, err := tagBody(r)
		if err != nil {
			return 0, nil, err
		}
		*list = in
		touch(r.now)
		return 200, object{"tags": listOrEmpty(*list)}, nil
	case r.method == "DELETE" && one != "" && !slices.Contains(*list, one):
		return 0, nil, neutronError(404, "TagNotFound", "Tag %s could not be found.", one)
	case r.method == "DELETE":
		*list = slices.DeleteFunc(*list, func(t string) bool { return one == "" || t == one })
		touch(r.now)
		return 204, nil, nil
	}
	return 0, nil, neutronNoRoute()
}

func (c *Cloud) taggable(r *request) (*[]string, func(time.Time)) {
	switch r.path[0] {
	case "floatingips":
		if f := c.state.Floating[r.path[1]]; f != nil && f.Project == r.token.project {
			return &f.Tags, func(now time.Time) { f.touch(now) }
		}
	case "ports":
		if p := c.state.Ports[r.path[1]]; p != nil && p.Project == r.token.project {
			return &p.Tags, func(now time.Time) { p.touch(now) }
		}
	case "networks":
		if n := c.state.Networks[r.path[1]]; n != nil && n.Project == r.token.project {
			return &n.Tags, func(time.Time) {}
		}
	case "subnets":
		if s := c.state.Subnets[r.path[1]]; s != nil && s.Project == r.token.project {
			return &s.Tags, func(time.Time) {}
		}
	case "security-groups":
		if g := c.groupOf(r.token.project, r.path[1]); g != nil {
			return &g.Tags, g.touch
		}
	}
	return nil, nil
}
