package compose_test

import (
	"fmt"
	"regexp"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
	"pgregory.net/rapid"
)

// octavia evaluates a listener as the amphora does: redirects before pools, then
// in order; all rules of a policy must hold; HOST_NAME sees the Host header with
// its port and is compared without regard to case, PATH has no query. It answers
// the pool's name, "-> prefix code" for a redirect, empty for 503 (also that of
// a pool without members).
func octavia(t rapid.TB, lb loadbalancer.LoadBalancer, l loadbalancer.Listener, host, path string) string {
	t.Helper()
	for _, action := range []string{loadbalancer.RedirectPrefix, loadbalancer.RedirectToPool} {
		if p := first(t, l, action, host, path); p != nil {
			if action == loadbalancer.RedirectPrefix {
				return fmt.Sprintf("-> %s %d", p.Redirect, p.Code)
			}
			return answering(lb, p.Pool)
		}
	}
	return answering(lb, l.DefaultPool)
}

// inOrder evaluates a listener by the positions of its policies alone, as
// another driver may.
func inOrder(t rapid.TB, lb loadbalancer.LoadBalancer, l loadbalancer.Listener, host, path string) string {
	t.Helper()
	p := first(t, l, "", host, path)
	switch {
	case p == nil:
		return answering(lb, l.DefaultPool)
	case p.Action == loadbalancer.RedirectPrefix:
		return fmt.Sprintf("-> %s %d", p.Redirect, p.Code)
	}
	return answering(lb, p.Pool)
}

// first is the first policy of an action (empty: of any) that takes a request.
func first(t rapid.TB, l loadbalancer.Listener, action, host, path string) *loadbalancer.Policy {
	t.Helper()
	for i, p := range l.Policies {
		if len(p.Rules) == 0 || len(p.Rules) > loadbalancer.MaxRules || len(p.Name) > loadbalancer.MaxName {
			t.Fatalf("policy %q has %d rules", p.Name, len(p.Rules))
		}
		all := action == "" || p.Action == action
		for _, r := range p.Rules {
			all = all && ruleHolds(t, r, host, path) != r.Invert
		}
		if all {
			return &l.Policies[i]
		}
	}
	return nil
}

func answering(lb loadbalancer.LoadBalancer, pool string) string {
	for _, p := range lb.Pools {
		if p.Name == pool && len(p.Members) > 0 {
			return pool
		}
	}
	return ""
}

func ruleHolds(t rapid.TB, r loadbalancer.Rule, host, path string) bool {
	t.Helper()
	path, _, _ = strings.Cut(path, "?")
	value, flags := path, ""
	if r.Type == loadbalancer.RuleHostName {
		value, flags = host, "(?i)"
	}
	if len(r.Value) > loadbalancer.MaxRuleValue {
		t.Fatalf("rule value %q has %d bytes", r.Value, len(r.Value))
	}
	switch r.Compare {
	case loadbalancer.CompareEqual:
		return value == r.Value
	case loadbalancer.CompareStartsWith:
		return strings.HasPrefix(value, r.Value)
	}
	return regexp.MustCompile(flags + r.Value).MatchString(value)
}
