package octavia

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"drawbridge.dev/services/executor/loadbalancer"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestSecurityGroupOf(t *testing.T) {
	d := loadbalancer.LoadBalancer{Pools: []loadbalancer.Pool{
		{Name: "http", Protocol: "PROXY", Members: []loadbalancer.Member{{Address: "10.0.0.1", Port: 80}, {Address: "10.0.0.2", Port: 80, MonitorPort: 81}}, Monitor: &loadbalancer.Monitor{Type: "HTTP"}},
		{Name: "dns", Protocol: "UDP", Members: []loadbalancer.Member{{Address: "10.0.0.1", Port: 53, MonitorPort: 54}}, Monitor: &loadbalancer.Monitor{Type: "UDP-CONNECT"}},
		{Name: "dns checked by TCP", Protocol: "UDP", Members: []loadbalancer.Member{{Address: "10.0.0.1", Port: 55}}, Monitor: &loadbalancer.Monitor{Type: "TCP"}},
		{Name: "pinged", Protocol: "SCTP", Members: []loadbalancer.Member{{Address: "fd00::1", Port: 9, MonitorPort: 10}}, Monitor: &loadbalancer.Monitor{Type: "PING"}},
		{Name: "without members", Protocol: "TCP"},
	}}
	got := SecurityGroupOf(d, []netip.Prefix{netip.MustParsePrefix("10.1.0.7/24"), netip.MustParsePrefix("fd01::/64")})
	v4, v6 := netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("fd01::/64")
	want := SecurityGroup{Addresses: []string{"10.0.0.1", "10.0.0.2", "fd00::1"}, Rules: []SecurityRule{
		{"sctp", PortRange{9, 9}, v6}, {"tcp", PortRange{55, 55}, v4}, {"tcp", PortRange{80, 80}, v4}, {"tcp", PortRange{81, 81}, v4},
		{"udp", PortRange{53, 53}, v4}, {"udp", PortRange{54, 54}, v4}, {"udp", PortRange{55, 55}, v4}}}
	if diff := cmp.Diff(want, got, prefixes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

var prefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func someRule(port int) SecurityRule {
	return SecurityRule{"tcp", PortRange{port, port}, netip.MustParsePrefix("10.1.0.0/24")}
}

func TestDiffGroup(t *testing.T) {
	node := func(id, address string, groups ...string) standingPort {
		return standingPort{id: id, addresses: []string{address}, subnets: []string{"s"}, groups: groups}
	}
	tags := []string{"ours"}
	a, b, z := node("a", "10.0.0.1", "other"), node("b", "10.0.0.2", "g", "other"), node("z", "10.0.0.9", "g", "default")
	desired := &SecurityGroup{Rules: []SecurityRule{someRule(80), someRule(81)}, Addresses: []string{"10.0.0.1", "10.0.0.2"}, SubnetIDs: []string{"s"}}
	elsewhere := node("e", "10.0.0.1")
	elsewhere.subnets = []string{"another"}
	for _, tt := range []struct {
		name    string
		desired *SecurityGroup
		have    standingGroup
		want    groupChange
	}{
		{"nothing is desired and nothing stands", nil, standingGroup{}, groupChange{}},
		{"nothing stands", desired, standingGroup{ports: []standingPort{a, elsewhere}}, groupChange{create: true, tag: true, add: desired.Rules, bind: []standingPort{a}}},
		{"all stands", desired, standingGroup{id: "g", tags: []string{"ours", "theirs"}, rules: []standingRule{{"1", false, someRule(80)}, {"2", false, someRule(81)}}, ports: []standingPort{b}}, groupChange{}},
		{"a port more, a member less", desired, standingGroup{id: "g", tags: tags, rules: []standingRule{{"1", false, someRule(80)}}, ports: []standingPort{b, z, a}},
			groupChange{add: []SecurityRule{someRule(81)}, bind: []standingPort{a}, unbind: []standingPort{z}}},
		{"foreign, double and needless rules", desired, standingGroup{id: "g", tags: tags, rules: []standingRule{{"1", false, someRule(80)}, {"2", true, someRule(81)}, {"3", false, someRule(80)}, {"4", false, someRule(99)}}},
			groupChange{add: []SecurityRule{someRule(81)}, drop: []standingRule{{"2", true, someRule(81)}, {"3", false, someRule(80)}, {"4", false, someRule(99)}}}},
		{"not desired any more", nil, standingGroup{id: "g", tags: tags, rules: []standingRule{{"1", false, someRule(80)}}, ports: []standingPort{a, b, z}},
			groupChange{unbind: []standingPort{b, z}, remove: true}},
		{"no members any more", &SecurityGroup{}, standingGroup{id: "g", ports: []standingPort{b}}, groupChange{unbind: []standingPort{b}, remove: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := diffGroup(tt.desired, tags, tt.have)
			if diff := cmp.Diff(tt.want, got, prefixes, cmpopts.EquateEmpty(), cmp.AllowUnexported(groupChange{}, standingPort{}, standingRule{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got.empty() != (tt.name == "all stands" || tt.name == "nothing is desired and nothing stands") {
				t.Errorf("empty is %t of %+v", got.empty(), got)
			}
		})
	}
}

// TestDiffGroupLeadsThere: what stands after the change is what is desired,
// nothing that was let in and still is desired is shut out on the way, and
// another group of a port is never touched.
func TestDiffGroupLeadsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ports := rapid.SliceOfDistinct(rapid.IntRange(1, 6), rapid.ID[int])
		hosts := rapid.SliceOfDistinct(rapid.IntRange(1, 6), rapid.ID[int])
		address := func(n int) string { return fmt.Sprintf("10.0.0.%d", n) }
		desired := &SecurityGroup{}
		for _, p := range ports.Draw(t, "rules") {
			desired.Rules = append(desired.Rules, someRule(p))
		}
		for _, h := range hosts.Draw(t, "members") {
			desired.Addresses = append(desired.Addresses, address(h))
		}
		have := standingGroup{id: "g"}
		for i, p := range rapid.SliceOf(rapid.IntRange(1, 6)).Draw(t, "standing rules") {
			have.rules = append(have.rules, standingRule{fmt.Sprint(i), rapid.Bool().Draw(t, "foreign"), someRule(p)})
		}
		for h := range 7 {
			x := standingPort{id: address(h), addresses: []string{address(h)}, subnets: []string{"s"}, groups: []string{"other"}}
			if rapid.Bool().Draw(t, "has it") {
				x.groups = append(x.groups, "g")
			}
			have.ports = append(have.ports, x)
		}
		c := diffGroup(desired, nil, have)
		rules := map[string]SecurityRule{}
		for _, r := range have.rules {
			if !slices.ContainsFunc(c.drop, func(d standingRule) bool { return d.id == r.id }) {
				rules[r.id] = r.SecurityRule
				if r.foreign && !c.remove {
					t.Fatalf("foreign rule %+v stays", r)
				}
			}
		}
		for i, r := range c.add {
			rules[fmt.Sprint("new", i)] = r
		}
		gone := len(desired.Rules) == 0 || len(desired.Addresses) == 0
		if c.remove != gone {
			t.Fatalf("remove is %t", c.remove)
		}
		for _, p := range have.ports {
			member := !gone && slices.Contains(desired.Addresses, p.id)
			has := slices.Contains(p.groups, "g")
			is := func(x standingPort) bool { return x.id == p.id }
			if after := (has || slices.ContainsFunc(c.bind, is)) && !slices.ContainsFunc(c.unbind, is); after != member {
				t.Fatalf("port %s has the group: %t", p.id, after)
			}
			if has && member && (slices.ContainsFunc(c.bind, is) || slices.ContainsFunc(c.unbind, is)) {
				t.Fatalf("port %s is touched", p.id)
			}
		}
		if gone {
			return
		}
		if got := slices.SortedFunc(maps.Values(rules), compareRules); !slices.Equal(got, slices.SortedFunc(slices.Values(desired.Rules), compareRules)) {
			t.Fatalf("rules are %v, want %v", got, desired.Rules)
		}
	})
}
