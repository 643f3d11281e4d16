package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestConverges: whatever stood before and was wished before, what is wished
// now stands in the end. Octavia's rules, which the model enforces, refuse every
// step sent while pending, in the wrong order or with an id that is not known,
// a listener without its certificates, a secret that goes while it is shown and
// a member that goes undrained; no step is taken twice; and what Advance expects
// is what a deep read finds.
func TestConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &octavia{breaks: rapid.Bool().Draw(t, "whole create is broken")}
		c.state.Owner, c.state.Now = owner, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c.state.Stepwise = rapid.Bool().Draw(t, "stepwise")
		c.state.FloatingIPs = []plan.FloatingIP{theirs()}
		for range rapid.IntRange(1, 4).Draw(t, "wishes") {
			c.wish = wish(t)
			c.fails = rapid.IntRange(0, 3).Draw(t, "create fails") == 0
			// Left half done, as by a crash or by a newer wish.
			converge(t, c, rapid.IntRange(0, 6).Draw(t, "steps before"))
			c.settle()
			damage(t, c)
			converge(t, c, 1000)
			if msg := c.serves(c.wish); msg != "" {
				t.Fatalf("no step is left, but %s", msg)
			}
			if lb := c.state.LoadBalancer; lb != nil {
				lb.Fresh = false
			}
		}
	})
}

func converge(t rapid.TB, c *octavia, most int) {
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
		steps := plan.Diff(c.wish, o)
		if len(steps) == 0 {
			if msg := plan.Blocked(c.wish, o); msg != "" {
				t.Fatalf("blocked: %s", msg)
			}
			wake := plan.Wake(c.wish, o)
			if wake == 0 {
				return
			}
			c.state.Now = c.state.Now.Add(wake)
			o = c.observe()
			clear(taken)
			continue
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
		expected := c.seen(plan.Advance(o, s, r))
		o = c.observe()
		if _, created := s.(plan.CreateLoadBalancer); created {
			continue // settles into whatever comes of it
		}
		if text(o) != text(expected) {
			t.Fatalf("%s: Advance is wrong (-read +expected):\n%s", s.Describe(), cmp.Diff(o, expected, cmpopts.EquateEmpty()))
		}
	}
	if most == 1000 {
		t.Fatalf("does not converge:\n%s", strings.Join(c.writes[len(c.writes)-20:], "\n"))
	}
}

// text is what is observed, whatever the order of pools and floating IPs and
// the form of what is empty.
func text(o plan.Observed) string {
	slices.SortFunc(o.FloatingIPs, func(a, b plan.FloatingIP) int { return strings.Compare(a.ID, b.ID) })
	for _, lb := range []*plan.LoadBalancer{o.LoadBalancer, o.Old} {
		if lb != nil {
			slices.SortFunc(lb.Pools, func(a, b plan.Pool) int { return strings.Compare(a.ID, b.ID) })
		}
	}
	return strings.ReplaceAll(plain(o), "null", "[]")
}

func TestDiff(t *testing.T) {
	pool := loadbalancer.Pool{Name: "p", Protocol: "HTTP", Algorithm: "ROUND_ROBIN",
		Members: []loadbalancer.Member{{Name: "a", Address: "10.0.0.1", Port: 80, Weight: 1}}}
	desired := loadbalancer.LoadBalancer{Name: "lb", Tags: owner.Tags(), FloatingNetworkID: "ext", Pools: []loadbalancer.Pool{pool},
		Listeners: []loadbalancer.Listener{{Name: "HTTP-80", Protocol: "HTTP", Port: 80, DefaultPool: "p"}}}
	standing := func(change func(*plan.Observed)) plan.Observed {
		o := plan.Observed{Owner: owner,
			LoadBalancer: &plan.LoadBalancer{ID: "lb", Status: plan.Active, Name: "lb", PortID: "port", Tags: owner.Tags(),
				Pools: []plan.Pool{{ID: "pool", Status: plan.Active, Name: "p", Protocol: "HTTP", Algorithm: "ROUND_ROBIN",
					Members: []plan.Member{{Member: pool.Members[0]}}}},
				Listeners: []plan.Listener{{ID: "listener", Status: plan.Active, Name: "HTTP-80", Protocol: "HTTP", Port: 80, DefaultPoolID: "pool"}}},
			FloatingIPs: []plan.FloatingIP{{ID: "fip", Address: "203.0.113.5", NetworkID: "ext", PortID: "port", Description: owner.Description()}},
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
			o.FloatingIPs = append(o.FloatingIPs, plan.FloatingIP{ID: "a", Address: "203.0.113.6", Description: owner.Description()})
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
	if w := plan.Warnings(&loadbalancer.LoadBalancer{Asked: loadbalancer.Asked{FlavorID: "ha"}}, o); len(w) != 1 || !strings.Contains(w[0], "flavor ha") {
		t.Errorf("warnings are %v", w)
	}
	if w := plan.Warnings(&loadbalancer.LoadBalancer{}, o); len(w) != 0 {
		t.Errorf("warnings are %v", w)
	}
}
