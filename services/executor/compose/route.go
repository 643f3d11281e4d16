package compose

import (
	"cmp"
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
}

// hostClaims are the routes of one host, most specific first.
type hostClaims struct {
	host   string
	claims []claim
}

func (h hostClaims) takesAll() bool {
	return slices.ContainsFunc(h.claims, func(x claim) bool { return x.path() == everyPath })
}

// path is what a claim takes.
func (x claim) path() path { return path{x.Path, x.PathType == events.PathExact} }

// route compiles the routes of a port.
func (c *composer) route(p *port) routing {
	claims := c.valid(p.claims)
	if raw := len(claims) > 0 && claims[0].PathType == events.PathRawPrefix; raw {
		return c.routeRaw(p, claims)
	}
	r := routing{defaultPool: p.listener.DefaultPool}
	hosts := c.byHost(claims)
	fallback := r.defaultPool
	if i := slices.IndexFunc(hosts, func(h hostClaims) bool { return h.host == "" }); i >= 0 && hosts[i].takesAll() {
		// Any host and any path is no rule in Octavia, but the listener's default.
		h := &hosts[i]
		last := len(h.claims) - 1
		r.defaultPool = h.claims[last].target.pool
		h.claims = h.claims[:last]
	}
	var items []item
	for i, h := range hosts {
		items = append(items, h.items()...)
		covered := r.defaultPool != fallback || slices.ContainsFunc(hosts[i+1:], func(o hostClaims) bool {
			return len(o.claims) > 0 && o.host != h.host && hostsMeet(o.host, h.host)
		})
		if h.host == "" || h.takesAll() || !covered {
			continue
		}
		rest := fallback
		if rest == "" {
			rest, r.noBackend = NoBackend, true
		}
		items = append(items, item{hosts: []string{h.host}, paths: []path{everyPath}, target: target{pool: rest}})
	}
	for _, x := range merge(items) {
		if !x.fits() { // only a redirect that leaves out much does not
			c.refuse(p.key, "listeners", "the redirect of host %q path %q on port %d leaves out %d other paths, which takes more than the %d rules of Octavia: redirect fewer paths",
				x.hosts[0], x.paths[0].text, p.listener.Port, len(x.except), loadbalancer.MaxRules)
		}
		r.policies = append(r.policies, x.policy())
	}
	return r
}

// items are the routes of a host in order. HAProxy takes redirects before
// pools, whatever their positions, so one leaves out what goes to a pool before it.
func (h hostClaims) items() (out []item) {
	for _, x := range h.claims {
		it := item{hosts: []string{h.host}, paths: []path{x.path()}, target: x.target}
		if x.target.redirect != "" {
			for _, before := range out {
				if before.target.redirect == "" && before.paths[0].meets(x.path()) {
					it.except = append(it.except, before.paths[0])
				}
			}
		}
		out = append(out, it)
	}
	return out
}

// routeRaw takes routes as the octavia-ingress-controller does: one policy each,
// in their order, every path the beginning of a text. Of several exposures those
// of an exact host come first, and those of every host last, so that none takes
// what another names.
func (c *composer) routeRaw(p *port, claims []claim) routing {
	r := routing{defaultPool: p.listener.DefaultPool}
	if slices.ContainsFunc(claims, func(x claim) bool { return x.key != claims[0].key }) {
		slices.SortStableFunc(claims, func(a, b claim) int { return cmp.Compare(hostRank(a.Host), hostRank(b.Host)) })
	}
	seen := map[[2]string]claim{}
	for i, x := range claims {
		slot := [2]string{x.Host, x.Path}
		if first, twice := seen[slot]; twice {
			c.twice(first, x)
			continue
		}
		seen[slot] = x
		out := loadbalancer.Policy{Name: policyName(x.Host, x.Path, string(x.PathType)),
			Action: loadbalancer.RedirectToPool, Pool: x.target.pool, Rules: rawRules(x.Host, x.Path, p.listener.Port)}
		if x.target.redirect != "" {
			out.Action, out.Redirect, out.Code = loadbalancer.RedirectPrefix, x.target.redirect, x.target.code
			out.Rules = append(out.Rules, before(claims[:i], x)...)
		}
		if len(out.Rules) > loadbalancer.MaxRules {
			c.refuse(x.key, x.field, "the redirect leaves out %d paths that come before it, which takes more than the %d rules of Octavia: redirect fewer paths",
				len(out.Rules)-2, loadbalancer.MaxRules)
		}
		r.policies = append(r.policies, out)
	}
	return r
}

// before are rules that leave out of a redirect what earlier routes of its host
// send to a pool: HAProxy takes redirects first.
func before(earlier []claim, x claim) (out []loadbalancer.Rule) {
	for _, e := range earlier {
		if e.Host != x.Host || e.target.redirect != "" {
			continue
		}
		rule := rawRules("", e.Path, 0)[0]
		if rule.Invert = true; !slices.Contains(out, rule) {
			out = append(out, rule)
		}
	}
	return out
}

// valid leaves out what has no equal in Octavia. A port matches paths in one
// way: that of its first route.
func (c *composer) valid(claims []claim) (out []claim) {
	for _, x := range claims {
		if x.PathType == events.PathPrefix {
			// /foo/ and /foo have the same elements.
			x.Path = cmp.Or(strings.TrimRight(x.Path, "/"), "/")
		}
		if msg := problem(x.Route); msg != "" {
			c.refuse(x.key, x.field, "%s", msg)
			continue
		}
		if len(out) > 0 && (out[0].PathType == events.PathRawPrefix) != (x.PathType == events.PathRawPrefix) {
			c.refuse(x.key, x.field+".pathType", "%s cannot be mixed with %s of %s on one port: give all exposures of the port the same path matching",
				x.PathType, out[0].PathType, out[0].key)
			continue
		}
		out = append(out, x)
	}
	return out
}

// byHost groups routes: exact hosts first, then wildcards, then any; Exact
// before Prefix, longer before shorter. Of two that say the same, the first in
// order of keys counts.
func (c *composer) byHost(claims []claim) []hostClaims {
	slices.SortStableFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(hostRank(a.Host), hostRank(b.Host)), cmp.Compare(a.Host, b.Host),
			cmp.Compare(a.PathType, b.PathType), cmp.Compare(len(b.Path), len(a.Path)), cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.key.String(), b.key.String()), cmp.Compare(a.target.String(), b.target.String()))
	})
	var hosts []hostClaims
	for _, x := range claims {
		if len(hosts) == 0 || hosts[len(hosts)-1].host != x.Host {
			hosts = append(hosts, hostClaims{host: x.Host})
		}
		h := &hosts[len(hosts)-1]
		if n := len(h.claims); n > 0 && h.claims[n-1].path() == x.path() {
			c.twice(h.claims[n-1], x)
			continue
		}
		h.claims = append(h.claims, x)
	}
	return hosts
}

func (c *composer) twice(first, x claim) {
	if first.target == x.target {
		return
	}
	by := ""
	if first.key != x.key {
		by = " (" + first.key.String() + ")"
	}
	c.warn(x.key, x.field, "%s path %q of host %q goes to two backends: %s%s serves it, %s does not", x.PathType, x.Path, x.Host, first.target, by, x.target)
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

// hostsMeet says whether a request can be for both hosts.
func hostsMeet(a, b string) bool {
	if a == b || a == "" || b == "" {
		return true
	}
	if hostRank(a) == hostRank(b) {
		return false
	}
	if hostRank(a) == 1 {
		a, b = b, a
	}
	_, domain, _ := strings.Cut(a, ".")
	return b[2:] == domain
}
