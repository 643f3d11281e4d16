package octavia_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
)

func TestKinds(t *testing.T)    { kindsLife(startSandbox(t)) }
func TestLabKinds(t *testing.T) { kindsLife(startLab(t)) }

// kindsLife makes what else an exposure can ask for, and reads back what was sent.
func kindsLife(l *site) {
	t := l.T
	d := loadbalancer.LoadBalancer{Name: l.owner.Name(), Tags: l.owner.Tags(), AvailabilityZone: "az1", VIP: loadbalancer.VIP{SubnetID: l.subnet, Address: l.address(177)},
		AdditionalVIPs: []loadbalancer.VIP{{SubnetID: l.subnet6}},
		Listeners: []loadbalancer.Listener{
			{Name: "SCTP-9", Protocol: "SCTP", Port: 9, DefaultPool: "s"}, {Name: "UDP-9", Protocol: "UDP", Port: 9, DefaultPool: "u"},
			{Name: "HTTP-80", Protocol: "HTTP", Port: 80, DefaultPool: "h", Policies: []loadbalancer.Policy{
				{Name: "away", Action: "REDIRECT_PREFIX", Redirect: "https://a.example.org", Code: 308, Rules: []loadbalancer.Rule{
					{Type: "HOST_NAME", Compare: "EQUAL_TO", Value: "a.example.org"}, {Type: "PATH", Compare: "STARTS_WITH", Value: "/x", Invert: true}}}}}},
		Pools: []loadbalancer.Pool{
			{Name: "h", Protocol: "PROXYV2", TLS: true, Algorithm: "SOURCE_IP", Persistence: &loadbalancer.Persistence{Type: "APP_COOKIE", Cookie: "id"},
				Members: []loadbalancer.Member{{Name: "n1", Address: l.address(201), Port: 80, Weight: 1, SubnetID: l.subnet, MonitorPort: 81}, {Name: "n2", Address: l.address(202), Port: 80, Weight: 1}},
				Monitor: &loadbalancer.Monitor{Type: "HTTPS", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 4, Method: "HEAD", Path: "/h", Codes: "200,204", Host: "h.example.org"}},
			{Name: "s", Protocol: "SCTP", Algorithm: "LEAST_CONNECTIONS", Persistence: &loadbalancer.Persistence{Type: "SOURCE_IP", Timeout: 60},
				Monitor: &loadbalancer.Monitor{Type: "SCTP", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}},
			{Name: "u", Protocol: "UDP", Algorithm: "ROUND_ROBIN", Persistence: &loadbalancer.Persistence{Type: "SOURCE_IP"},
				Monitor: &loadbalancer.Monitor{Type: "UDP-CONNECT", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}},
		}}
	lb := l.step("", plan.CreateLoadBalancer{LoadBalancer: d, Whole: true})
	byName := func(name string) plan.Pool {
		for _, p := range lb.Pools {
			if p.Name == name {
				return p
			}
		}
		t.Fatalf("no pool %q", name)
		return plan.Pool{}
	}
	check := func(what string, want loadbalancer.Pool) {
		t.Helper()
		p := byName(want.Name)
		got := loadbalancer.Pool{Name: p.Name, Protocol: p.Protocol, TLS: p.TLS, Algorithm: p.Algorithm, Persistence: p.Persistence}
		for _, m := range p.Members {
			got.Members = append(got.Members, m.Member)
			if age := time.Since(m.UpdatedAt); m.Foreign || age < -time.Minute || age > 10*time.Minute {
				t.Errorf("member is %+v", m)
			}
		}
		slices.SortFunc(got.Members, func(a, b loadbalancer.Member) int { return strings.Compare(a.Name, b.Name) })
		if p.Monitor != nil {
			got.Monitor = &p.Monitor.Monitor
		}
		l.same(what, got, want)
	}
	for _, p := range d.Pools {
		check("pool created", p)
	}
	l.same("address", lb.Address, d.VIP.Address)
	l.same("zone", lb.AvailabilityZone, d.AvailabilityZone)
	if len(lb.AdditionalVIPs) != 1 || lb.AdditionalVIPs[0].SubnetID != l.subnet6 || lb.AdditionalVIPs[0].Address == "" {
		t.Errorf("additional VIPs are %+v", lb.AdditionalVIPs)
	}
	i := slices.IndexFunc(lb.Listeners, func(x plan.Listener) bool { return x.Protocol == "HTTP" })
	away := lb.Listeners[i].Policies[0]
	l.same("redirect", []any{away.Action, away.Redirect, away.Code, away.PoolID}, []any{"REDIRECT_PREFIX", "https://a.example.org", 308, ""})
	var rules []loadbalancer.Rule
	for _, r := range away.Rules {
		rules = append(rules, r.Rule)
	}
	slices.SortFunc(rules, func(a, b loadbalancer.Rule) int { return strings.Compare(a.Type, b.Type) })
	l.same("rules", rules, d.Listeners[2].Policies[0].Rules)

	// The redirect becomes a pool's, and back.
	lb = l.step(lb.ID, plan.UpdatePolicy{ID: away.ID, Policy: loadbalancer.Policy{Name: "away", Pool: "h"}, PoolID: byName("h").ID, Position: 1})
	got := lb.Listeners[slices.IndexFunc(lb.Listeners, func(x plan.Listener) bool { return x.Protocol == "HTTP" })].Policies[0]
	l.same("policy of a pool", []any{got.Action, got.Redirect, got.Code, got.PoolID}, []any{"REDIRECT_TO_POOL", "", 0, byName("h").ID})
	lb = l.step(lb.ID, plan.UpdatePolicy{ID: away.ID, Policy: d.Listeners[2].Policies[0], Position: 1})
	got = lb.Listeners[slices.IndexFunc(lb.Listeners, func(x plan.Listener) bool { return x.Protocol == "HTTP" })].Policies[0]
	l.same("redirect again", []any{got.Action, got.Redirect, got.Code, got.PoolID}, []any{"REDIRECT_PREFIX", "https://a.example.org", 308, ""})

	// Everything that can be taken back is.
	h := d.Pools[0]
	h.TLS, h.Algorithm, h.Persistence = false, "ROUND_ROBIN", nil
	lb = l.step(lb.ID, plan.UpdatePool{ID: byName("h").ID, Pool: h})
	check("pool updated", h)
	h.Persistence = &loadbalancer.Persistence{Type: "HTTP_COOKIE"}
	lb = l.step(lb.ID, plan.UpdatePool{ID: byName("h").ID, Pool: h})
	check("persistence again", h)
	h.Persistence = &loadbalancer.Persistence{Type: "SOURCE_IP"}
	lb = l.step(lb.ID, plan.UpdatePool{ID: byName("h").ID, Pool: h})
	check("persistence of another kind", h)
	h.Members[0].MonitorPort, h.Members[0].Weight = 0, 0
	lb = l.step(lb.ID, plan.SetMembers{PoolID: byName("h").ID, Members: h.Members})
	check("members drained", h)
	m := &loadbalancer.Monitor{Type: "HTTPS", Delay: 6, Timeout: 4, MaxRetries: 3, MaxRetriesDown: 3, Method: "GET", Path: "/", Codes: "200"}
	h.Monitor = m
	lb = l.step(lb.ID, plan.UpdateMonitor{ID: byName("h").Monitor.ID, Monitor: loadbalancer.Monitor{Type: "HTTPS", Delay: 6, Timeout: 4, MaxRetries: 3, MaxRetriesDown: 3}})
	check("monitor by default", h)
	h.Monitor.Host = "again.example.org"
	lb = l.step(lb.ID, plan.UpdateMonitor{ID: byName("h").Monitor.ID, Monitor: *h.Monitor})
	check("monitor with a host", h)
	s := d.Pools[1]
	s.Persistence = nil
	lb = l.step(lb.ID, plan.UpdatePool{ID: byName("s").ID, Pool: s})
	check("SCTP pool", s)
	lb = l.step(lb.ID, plan.SetMembers{PoolID: byName("h").ID})
	if p := byName("h"); len(p.Members) != 0 {
		t.Errorf("members are %+v", p.Members)
	}
}
