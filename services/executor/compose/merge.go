package compose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
)

// path is what a route takes: one path, or all that begin with its elements.
type path struct {
	text  string
	exact bool
}

var everyPath = path{text: "/"}

// under says whether every request for p is one for the prefix q.
func (p path) under(q path) bool {
	return !q.exact && (q == everyPath || p.text == q.text || strings.HasPrefix(p.text, q.text+"/"))
}

// meets says whether a request can be for both.
func (p path) meets(q path) bool { return p == q || p.under(q) || q.under(p) }

// item is a policy to be: it takes every combination of its hosts and paths,
// except those of a few paths.
type item struct {
	hosts  []string // "": every host
	paths  []path
	except []path
	target target
}

// meets says whether a request can be for both.
func (a item) meets(b item) bool {
	return slices.ContainsFunc(a.hosts, func(h string) bool {
		return slices.ContainsFunc(b.hosts, func(i string) bool { return hostsMeet(h, i) })
	}) && slices.ContainsFunc(a.paths, func(p path) bool {
		return slices.ContainsFunc(b.paths, func(q path) bool { return p.meets(q) })
	})
}

// merge makes one of policies that go to the same pool, where the limits of a
// rule allow it. A policy moves up past another only if no request can be for
// both, or if both go to the same pool: what decides stays the same.
func merge(items []item) []item {
	items = mergeBy(items, func(a, b item) (item, bool) {
		if !slices.Equal(a.hosts, b.hosts) {
			return a, false
		}
		a.paths = joined(a.paths, b.paths, everyPath, func(p, q path) int {
			return cmp.Or(cmp.Compare(p.text, q.text), cmp.Compare(bit(p.exact), bit(q.exact)))
		})
		return a, true
	})
	byHosts := func(a, b item) (item, bool) {
		if !slices.Equal(a.paths, b.paths) {
			return a, false
		}
		a.hosts = joined(a.hosts, b.hosts, "", strings.Compare)
		return a, true
	}
	// Hosts of one domain first: they take less room in a rule.
	items = mergeBy(items, func(a, b item) (item, bool) {
		if domain(a.hosts[0]) != domain(b.hosts[0]) {
			return a, false
		}
		return byHosts(a, b)
	})
	return mergeBy(items, byHosts)
}

func mergeBy(items []item, join func(a, b item) (item, bool)) (out []item) {
next:
	for _, b := range items {
		for i := len(out) - 1; i >= 0 && b.target.redirect == ""; i-- {
			a := out[i]
			if a.target != b.target {
				if a.meets(b) {
					break
				}
				continue
			}
			if a.size()+b.size() > 2*loadbalancer.MaxRuleValue {
				continue
			}
			if both, ok := join(a, b); ok && both.fits() {
				out[i] = both
				continue next
			}
		}
		out = append(out, b)
	}
	return out
}

// joined is the union, sorted; all if that is in it.
func joined[T comparable](a, b []T, all T, compare func(T, T) int) []T {
	out := slices.Concat(a, b)
	if slices.Contains(out, all) {
		return []T{all}
	}
	slices.SortFunc(out, compare)
	return slices.Compact(out)
}

// size is less than the bytes of its rules.
func (a item) size() (n int) {
	for _, h := range a.hosts {
		n += len(h) - len(domain(h))
	}
	for _, p := range a.paths {
		n += len(p.text)
	}
	return n
}

func (a item) fits() bool {
	rules := a.rules()
	return len(rules) <= loadbalancer.MaxRules && !slices.ContainsFunc(rules, func(r loadbalancer.Rule) bool { return len(r.Value) > loadbalancer.MaxRuleValue })
}

func (a item) policy() loadbalancer.Policy {
	kind := "Prefix"
	if a.paths[0].exact {
		kind = "Exact"
	}
	if n := len(a.hosts) * len(a.paths); n > 1 {
		kind += fmt.Sprintf(" and %d more", n-1)
	}
	p := loadbalancer.Policy{Name: policyName(a.hosts[0], a.paths[0].text, kind), Action: loadbalancer.RedirectToPool, Pool: a.target.pool, Rules: a.rules()}
	if a.target.redirect != "" {
		p.Action, p.Redirect, p.Code = loadbalancer.RedirectPrefix, a.target.redirect, a.target.code
	}
	return p
}

func policyName(host, path, kind string) string {
	return short(cmp.Or(host, "any") + path + " " + kind)
}

func domain(host string) string {
	_, d, _ := strings.Cut(host, ".")
	return d
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
