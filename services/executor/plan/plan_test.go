package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// wish draws a desired load balancer; one in six is its absence.
func wish(t *rapid.T) *loadbalancer.LoadBalancer {
	if rapid.IntRange(0, 5).Draw(t, "absent") == 0 {
		return nil
	}
	lb := &loadbalancer.LoadBalancer{Name: "lb", Tags: []string{"ours"}, FloatingIPDescription: "ours",
		Description:       rapid.SampledFrom([]string{"", "x"}).Draw(t, "description"),
		FloatingNetworkID: rapid.SampledFrom([]string{"", "ext"}).Draw(t, "floating network")}
	protocol := rapid.SampledFrom([]string{"HTTP", "TCP"})
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"p", "q", "r"}), 1, 3, rapid.ID).Draw(t, "pools")
	slices.Sort(names)
	for _, n := range names {
		p := loadbalancer.Pool{Name: n, Protocol: protocol.Draw(t, "protocol"), Algorithm: "ROUND_ROBIN"}
		for _, port := range rapid.SliceOfNDistinct(rapid.IntRange(1, 3), 0, 3, rapid.ID).Draw(t, "members") {
			p.Members = append(p.Members, loadbalancer.Member{Name: "n", Address: "10.0.0.1", Port: port, Weight: 1})
		}
		if rapid.Bool().Draw(t, "monitored") {
			p.Monitor = &loadbalancer.Monitor{Type: rapid.SampledFrom([]string{"TCP", "HTTP"}).Draw(t, "type"), Delay: rapid.IntRange(5, 6).Draw(t, "delay")}
		}
		lb.Pools = append(lb.Pools, p)
	}
	ports := rapid.SliceOfNDistinct(rapid.IntRange(80, 82), 0, 3, rapid.ID).Draw(t, "ports")
	slices.Sort(ports)
	for _, port := range ports {
		l := loadbalancer.Listener{Name: fmt.Sprint("l", port), Port: port, Protocol: protocol.Draw(t, "listener protocol"),
			DefaultPool:  rapid.SampledFrom(append([]string{""}, names...)).Draw(t, "default pool"),
			AllowedCIDRs: rapid.SampledFrom([][]string{nil, {"10.0.0.0/8"}}).Draw(t, "sources")}
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 0, 4, rapid.ID).Draw(t, "policies") {
			p := loadbalancer.Policy{Name: fmt.Sprint("policy", i), Pool: rapid.SampledFrom(names).Draw(t, "pool")}
			p.Rules = []loadbalancer.Rule{{Type: "PATH", Compare: "EQUAL_TO", Value: fmt.Sprint("/", i)}}
			if i > 2 {
				p.Rules = append(p.Rules, loadbalancer.Rule{Type: "HOST_NAME", Compare: "REGEX", Value: "^h$"})
			}
			l.Policies = append(l.Policies, p)
		}
		lb.Listeners = append(lb.Listeners, l)
	}
	return lb
}

// damage changes something behind our back.
func damage(t *rapid.T, c *octavia) {
	lb := c.state.LoadBalancer
	if lb == nil || lb.Status.Pending() {
		return
	}
	switch rapid.IntRange(0, 9).Draw(t, "damage") {
	case 0:
		lb.Name = "renamed"
	case 1:
		lb.Tags = append(lb.Tags, "of another")
	case 2:
		for i := range lb.Pools {
			lb.Pools[i].Down = true
			lb.Pools[i].Members = nil
		}
	case 3:
		lb.Pools = append(lb.Pools, plan.Pool{ID: c.id("pool"), Status: plan.Active, Name: "p", Protocol: "HTTP", Algorithm: "SOURCE_IP"})
	case 4:
		for i := range lb.Pools {
			lb.Pools[i].Monitor = nil
			for j := range lb.Pools[i].Members {
				lb.Pools[i].Members[j].Foreign = true
			}
		}
	case 5:
		if len(lb.Listeners) > 0 {
			lb.Listeners = lb.Listeners[1:]
		}
	case 6:
		lb.Listeners = append(lb.Listeners, plan.Listener{ID: c.id("listener"), Status: plan.Active, Protocol: "TCP", Port: 99})
	case 7:
		for i := range lb.Listeners {
			slices.Reverse(lb.Listeners[i].Policies)
		}
	case 8:
		for i := range lb.Listeners {
			for j := range lb.Listeners[i].Policies {
				p := &lb.Listeners[i].Policies[j]
				p.Rules = p.Rules[:len(p.Rules)/2]
			}
		}
	case 9:
		c.state.FloatingIPs = nil
	}
}

// TestConverges: whatever stood before and was wished before, what is wished
// now stands in the end. Octavia's rules, which the model enforces, refuse every
// step sent while pending, in the wrong order or with an id that is not known;
// no step is taken twice; and what Advance expects is what a deep read finds.
func TestConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &octavia{breaks: rapid.Bool().Draw(t, "whole create is broken")}
		c.state.Stepwise = rapid.Bool().Draw(t, "stepwise")
		for range rapid.IntRange(1, 4).Draw(t, "wishes") {
			w := wish(t)
			c.fails = rapid.IntRange(0, 3).Draw(t, "create fails") == 0
			// Left half done, as by a crash or by a newer wish.
			converge(t, c, w, rapid.IntRange(0, 6).Draw(t, "steps before"))
			c.settle()
			damage(t, c)
			converge(t, c, w, 1000)
			if msg := c.serves(w); msg != "" {
				t.Fatalf("no step is left, but %s", msg)
			}
		}
	})
}

func converge(t *rapid.T, c *octavia, w *loadbalancer.LoadBalancer, most int) {
	taken := map[string]bool{}
	o := c.observe()
	for range most {
		if o.Pending() {
			c.settle()
			o = c.observe()
			continue
		}
		if o.Stuck() {
			c.state.Stepwise, o.Stepwise = true, true
		}
		steps := plan.Diff(w, o)
		if len(steps) == 0 {
			if msg := plan.Blocked(w, o); msg != "" {
				t.Fatalf("blocked: %s", msg)
			}
			return
		}
		s := steps[0]
		if id := events.Digest(s) + fmt.Sprintf("%T", s); taken[id] {
			t.Fatalf("step twice: %s\ntaken: %s", s.Describe(), strings.Join(c.writes, "\n"))
		} else {
			taken[id] = true
		}
		if isDelete(s) { // what follows builds anew
			clear(taken)
		}
		r, err := c.apply(s)
		if err != nil {
			t.Fatalf("%s: %v\ntaken: %s", s.Describe(), err, strings.Join(c.writes, "\n"))
		}
		c.settle()
		expected := plan.Advance(o, s, r)
		o = c.observe()
		if _, created := s.(plan.CreateLoadBalancer); created {
			continue // settles into whatever comes of it
		}
		if diff := cmp.Diff(o, expected, cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b plan.Pool) bool { return a.ID < b.ID })); diff != "" {
			t.Fatalf("%s: Advance is wrong (-read +expected):\n%s", s.Describe(), diff)
		}
	}
	if most == 1000 {
		t.Fatalf("does not converge:\n%s", strings.Join(c.writes[len(c.writes)-20:], "\n"))
	}
}

func TestDiff(t *testing.T) {
	pool := loadbalancer.Pool{Name: "p", Protocol: "HTTP", Algorithm: "ROUND_ROBIN",
		Members: []loadbalancer.Member{{Name: "a", Address: "10.0.0.1", Port: 80, Weight: 1}}}
	desired := loadbalancer.LoadBalancer{Name: "lb", FloatingNetworkID: "ext", Pools: []loadbalancer.Pool{pool},
		Listeners: []loadbalancer.Listener{{Name: "HTTP-80", Protocol: "HTTP", Port: 80, DefaultPool: "p"}}}
	standing := func(change func(*plan.Observed)) plan.Observed {
		o := plan.Observed{
			LoadBalancer: &plan.LoadBalancer{ID: "lb", Status: plan.Active, Name: "lb", PortID: "port",
				Pools: []plan.Pool{{ID: "pool", Status: plan.Active, Name: "p", Protocol: "HTTP", Algorithm: "ROUND_ROBIN",
					Members: []plan.Member{{Member: pool.Members[0]}}}},
				Listeners: []plan.Listener{{ID: "listener", Status: plan.Active, Name: "HTTP-80", Protocol: "HTTP", Port: 80, DefaultPoolID: "pool"}}},
			FloatingIPs: []plan.FloatingIP{{ID: "fip", Address: "203.0.113.5", NetworkID: "ext", PortID: "port"}},
		}
		change(&o)
		return o
	}
	same := func(*plan.Observed) {}
	node := desired
	node.Pools = []loadbalancer.Pool{pool}
	node.Pools[0].Members = append(slices.Clone(pool.Members), loadbalancer.Member{Name: "b", Address: "10.0.0.2", Port: 80, Weight: 1})
	for _, tt := range []struct {
		name     string
		desired  *loadbalancer.LoadBalancer
		observed plan.Observed
		want     []string
		blocked  string
	}{
		{"nothing stands", &desired, plan.Observed{}, []string{
			`create load balancer "lb" whole: 1 listeners, 1 pools, 1 members, 0 L7 policies`, "create floating IP from network ext"}, ""},
		{"nothing changed", &desired, standing(same), nil, ""},
		{"a node more", &node, standing(same), []string{`set members of pool "p": 2, of which 1 are added, 0 changed; 0 are removed`}, ""},
		{"withdrawn", nil, standing(same), []string{"delete floating IP 203.0.113.5", `delete load balancer "lb" and all below it: it is not wanted any more`}, ""},
		{"withdrawn, nothing stands", nil, plan.Observed{}, nil, ""},
		{"load balancer gone, floating IP left", nil, standing(func(o *plan.Observed) { o.LoadBalancer = nil }), []string{"delete floating IP 203.0.113.5"}, ""},
		{"bound elsewhere", &desired, standing(func(o *plan.Observed) { o.FloatingIPs[0].PortID = "other" }), []string{"bind floating IP 203.0.113.5 to port port"}, ""},
		{"two floating IPs", &desired, standing(func(o *plan.Observed) {
			o.FloatingIPs = append(o.FloatingIPs, plan.FloatingIP{ID: "a", Address: "203.0.113.6"})
		}), []string{"delete floating IP 203.0.113.6"}, ""},
		{"in ERROR, has served", &desired, standing(func(o *plan.Observed) { o.LoadBalancer.Status = plan.Error }), nil, "openstack loadbalancer failover lb"},
		{"in ERROR, withdrawn", nil, standing(func(o *plan.Observed) { o.LoadBalancer.Status = plan.Error }),
			[]string{"delete floating IP 203.0.113.5", `delete load balancer "lb" and all below it: it is not wanted any more`}, ""},
		{"creation failed", &desired, standing(func(o *plan.Observed) {
			o.LoadBalancer.Status, o.LoadBalancer.Fresh, o.FloatingIPs = plan.Error, true, nil
		}), []string{`delete load balancer "lb" and all below it: its creation failed`,
			`create load balancer "lb" whole: 1 listeners, 1 pools, 1 members, 0 L7 policies`, "create floating IP from network ext"}, ""},
		{"creation stuck", &desired, standing(func(o *plan.Observed) {
			o.LoadBalancer.Pools[0].Status, o.LoadBalancer.Fresh, o.FloatingIPs, o.Stepwise = "PENDING_CREATE", true, nil, true
		}), []string{`delete load balancer "lb" and all below it: its creation got stuck`, `create load balancer "lb"`, "create floating IP from network ext"}, ""},
		{"stuck, has served", &desired, standing(func(o *plan.Observed) { o.LoadBalancer.Pools[0].Status = "PENDING_UPDATE" }), nil, "stays pending"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, s := range plan.Diff(tt.desired, tt.observed) {
				got = append(got, s.Describe())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if b := plan.Blocked(tt.desired, tt.observed); !strings.Contains(b, tt.blocked) || (b == "") != (tt.blocked == "") {
				t.Errorf("blocked %q, want %q", b, tt.blocked)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	o := plan.Observed{LoadBalancer: &plan.LoadBalancer{FlavorID: "single"}}
	if w := plan.Warnings(&loadbalancer.LoadBalancer{FlavorID: "ha"}, o); len(w) != 1 || !strings.Contains(w[0], "flavor ha") {
		t.Errorf("warnings are %v", w)
	}
	if w := plan.Warnings(&loadbalancer.LoadBalancer{}, o); len(w) != 0 {
		t.Errorf("warnings are %v", w)
	}
}
