package compose_test

import (
	"regexp"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
	"pgregory.net/rapid"
)

// octavia evaluates a listener as the amphora does: policies in order, all
// rules of one must hold; HOST_NAME sees the Host header with its port and is
// compared without regard to case, PATH has no query. It answers the pool's
// name, empty for 503 (also that of a pool without members).
func octavia(t rapid.TB, lb loadbalancer.LoadBalancer, l loadbalancer.Listener, host, path string) string {
	t.Helper()
	target := l.DefaultPool
	for _, p := range l.Policies {
		if len(p.Rules) == 0 || len(p.Rules) > loadbalancer.MaxRules {
			t.Fatalf("policy %q has %d rules", p.Name, len(p.Rules))
		}
		all := true
		for _, r := range p.Rules {
			all = all && ruleHolds(t, r, host, path)
		}
		if all {
			target = p.Pool
			break
		}
	}
	for _, p := range lb.Pools {
		if p.Name == target && len(p.Members) > 0 {
			return target
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
	if r.Compare == loadbalancer.CompareEqual {
		return value == r.Value
	}
	return regexp.MustCompile(flags + r.Value).MatchString(value)
}
