package executor

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
)

// Rerouted says which requests go elsewhere when one wish takes the place of
// another of the same object, such as one that matches paths as Kubernetes says
// for one that matches them as the octavia-ingress-controller does. It tries the
// hosts and paths that either names, and those that lie beside them. Each answer
// has the request, and where it goes by the first and by the second wish.
func Rerouted(from, to events.Exposure) []string {
	before, after := routingOf(from), routingOf(to)
	var out []string
	for _, port := range before.ports() {
		if !slices.Contains(after.ports(), port) {
			continue
		}
		for _, host := range samples(from, to, hostSamples) {
			for _, path := range samples(from, to, pathSamples) {
				a, b := before[port].target(host, path), after[port].target(host, path)
				if a != b {
					out = append(out, fmt.Sprintf("%s:%d%s: to %s, not %s", host, port, path, b, a))
				}
			}
		}
	}
	return out
}

// routings are the listeners that route, by port.
type routings map[int]listenerRouting

type listenerRouting struct {
	fallback string
	policies []loadbalancer.Policy
}

func routingOf(e events.Exposure) routings {
	lb, _ := compose.LoadBalancer(loadbalancer.Owner{Key: e.Key}, []events.Exposure{e}, compose.Defaults{APIMinor: newestAPI})
	out := routings{}
	for _, l := range lb.Listeners {
		if events.Protocol(l.Protocol).Routed() {
			out[l.Port] = listenerRouting{l.DefaultPool, l.Policies}
		}
	}
	return out
}

func (r routings) ports() (out []int) {
	for p := range r {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// target is where a request goes: HAProxy takes redirects before pools, and of
// each the first that matches.
func (l listenerRouting) target(host, path string) string {
	for _, redirects := range []bool{true, false} {
		for _, p := range l.policies {
			if (p.Action == loadbalancer.RedirectPrefix) == redirects && !slices.ContainsFunc(p.Rules, func(r loadbalancer.Rule) bool { return !ruleHolds(r, host, path) }) {
				return cmp.Or(p.Redirect, p.Pool)
			}
		}
	}
	return cmp.Or(l.fallback, "nobody")
}

// ruleHolds says whether a rule is true of a request. A host is compared without
// regard to case, which samples have none of.
func ruleHolds(r loadbalancer.Rule, host, path string) bool {
	text := path
	if r.Type == loadbalancer.RuleHostName {
		text = host
	}
	is := false
	switch r.Compare {
	case loadbalancer.CompareEqual:
		is = text == r.Value
	case loadbalancer.CompareStartsWith:
		is = strings.HasPrefix(text, r.Value)
	case loadbalancer.CompareRegex:
		x, err := regexp.Compile(r.Value)
		is = err == nil && x.MatchString(text)
	}
	return is != r.Invert
}

// samples are those of the routes of both, each once.
func samples(a, b events.Exposure, of func(events.Route) []string) (out []string) {
	for _, e := range []events.Exposure{a, b} {
		for _, l := range e.Listeners {
			for _, r := range l.Routes {
				out = append(out, of(r)...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func hostSamples(r events.Route) []string {
	switch domain, wildcard := strings.CutPrefix(strings.ToLower(r.Host), "*."); {
	case r.Host == "":
		return []string{"any.example"}
	case wildcard:
		return []string{"any." + domain, "any.any." + domain}
	}
	return []string{strings.ToLower(r.Host)}
}

func pathSamples(r events.Route) []string {
	p := strings.TrimRight(r.Path, "/")
	return []string{"/", cmp.Or(p, "/"), p + "/", p + "/more", cmp.Or(p, "/") + "more"}
}
