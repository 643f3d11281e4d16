package compose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
)

// routing is what a listener needs to route as Kubernetes says (docs, "Ingress",
// and the NGINX reading of it that users expect): the most specific host that
// matches is chosen first, and rules of other hosts are then out of the game;
// within it an Exact path wins over a Prefix and a longer one over a shorter;
// what no path takes goes to the default backend.
type routing struct {
	defaultPool string
	policies    []loadbalancer.Policy
	noBackend   bool // a policy names the pool [NoBackend]
	conflicts   []Conflict
}

// hostRoutes are the routes of one host, most specific first.
type hostRoutes struct {
	host   string
	routes []events.Route
}

func (h hostRoutes) takesAll() bool {
	return slices.ContainsFunc(h.routes, func(r events.Route) bool { return takesAll(r) })
}

func takesAll(r events.Route) bool { return r.PathType == events.PathPrefix && r.Path == "/" }

// covers says whether requests of host could be taken by the rules of the less specific h.
func (h hostRoutes) covers(host string) bool {
	if h.host == "" {
		return host != ""
	}
	_, domain, _ := strings.Cut(host, ".")
	return h.host != host && h.host == "*."+domain
}

func route(l events.Listener) routing {
	r := routing{defaultPool: l.Backend}
	hosts := r.byHost(l.Routes)
	fallback := l.Backend
	if i := slices.IndexFunc(hosts, func(h hostRoutes) bool { return h.host == "" }); i >= 0 && hosts[i].takesAll() {
		// Any host and any path is no rule in Octavia, but the listener's default.
		h := &hosts[i]
		last := len(h.routes) - 1
		r.defaultPool = h.routes[last].Backend
		h.routes = h.routes[:last]
	}
	for i, h := range hosts {
		for _, x := range h.routes {
			r.add(h.host, x.Path, x.PathType, x.Backend)
		}
		covered := r.defaultPool != fallback || slices.ContainsFunc(hosts[i+1:], func(o hostRoutes) bool {
			return len(o.routes) > 0 && o.covers(h.host)
		})
		if h.host == "" || h.takesAll() || !covered {
			continue
		}
		rest := fallback
		if rest == "" {
			rest, r.noBackend = NoBackend, true
		}
		r.add(h.host, "/", events.PathPrefix, rest)
	}
	return r
}

// byHost groups valid routes: exact hosts first, then wildcards, then any;
// Exact before Prefix, longer before shorter.
func (r *routing) byHost(routes []events.Route) []hostRoutes {
	var valid []events.Route
	for j, x := range routes {
		if x.PathType == events.PathPrefix {
			// /foo/ and /foo have the same elements.
			x.Path = cmp.Or(strings.TrimRight(x.Path, "/"), "/")
		}
		if msg := problem(x); msg != "" {
			r.conflicts = append(r.conflicts, Conflict{Field: fmt.Sprintf("routes[%d]", j), Message: msg, Fatal: true})
			continue
		}
		valid = append(valid, x)
	}
	slices.SortStableFunc(valid, func(a, b events.Route) int {
		return cmp.Or(cmp.Compare(hostRank(a.Host), hostRank(b.Host)), cmp.Compare(a.Host, b.Host),
			cmp.Compare(a.PathType, b.PathType), cmp.Compare(len(b.Path), len(a.Path)), cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Backend, b.Backend))
	})
	var hosts []hostRoutes
	for _, x := range valid {
		if len(hosts) == 0 || hosts[len(hosts)-1].host != x.Host {
			hosts = append(hosts, hostRoutes{host: x.Host})
		}
		h := &hosts[len(hosts)-1]
		if n := len(h.routes); n > 0 && h.routes[n-1].Path == x.Path && h.routes[n-1].PathType == x.PathType {
			if first := h.routes[n-1].Backend; first != x.Backend {
				r.conflicts = append(r.conflicts, Conflict{Field: "routes", Message: fmt.Sprintf(
					"%s path %q of host %q goes to two backends: %s serves it, %s does not", x.PathType, x.Path, x.Host, first, x.Backend)})
			}
			continue
		}
		h.routes = append(h.routes, x)
	}
	return hosts
}

func hostRank(host string) int {
	switch {
	case host == "":
		return 2
	case strings.HasPrefix(host, "*."):
		return 1
	}
	return 0
}

func (r *routing) add(host, path string, t events.PathType, pool string) {
	p := loadbalancer.Policy{Name: policyName(host, path, t), Pool: pool, Rules: rules(host, path, t)}
	r.policies = append(r.policies, p)
}

func policyName(host, path string, t events.PathType) string {
	n := fmt.Sprintf("%s%s %s", cmp.Or(host, "any"), path, t)
	if len(n) > loadbalancer.MaxName {
		n = n[:loadbalancer.MaxName-20] + events.Digest(n)[7:27]
	}
	return n
}
