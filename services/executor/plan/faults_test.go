package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/google/go-cmp/cmp"
)

// The faults of octavia-ingress-controller (OIC) and of
// openstack-cloud-controller-manager (OCCM) that a plan must not have.

// web is a load balancer with one HTTP port.
func web() *loadbalancer.LoadBalancer {
	return &loadbalancer.LoadBalancer{Name: "lb", Tags: owner.Tags(), FloatingNetworkID: "ext", FloatingIPDescription: owner.Description(),
		Pools: []loadbalancer.Pool{{Name: "p", Protocol: "HTTP", Algorithm: "ROUND_ROBIN",
			Members: []loadbalancer.Member{{Name: "a", Address: "10.0.0.1", Port: 80, Weight: 1}}}},
		Listeners: []loadbalancer.Listener{{Name: "HTTP-80", Protocol: "HTTP", Port: 80, DefaultPool: "p"}}}
}

// tls adds port 443.
func tls(lb *loadbalancer.LoadBalancer, digests ...string) *loadbalancer.LoadBalancer {
	l := loadbalancer.Listener{Name: "TERMINATED_HTTPS-443", Protocol: "TERMINATED_HTTPS", Port: 443, DefaultPool: "p"}
	for _, d := range digests {
		l.Certificates = append(l.Certificates, owner.SecretName(d))
	}
	lb.Listeners = append(lb.Listeners, l)
	return lb
}

// cloud is one in which a wish stands and serves.
func cloud(t *testing.T, w *loadbalancer.LoadBalancer) *octavia {
	t.Helper()
	c := &octavia{}
	c.state.Owner, c.state.Now, c.state.FloatingIPs = owner, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), []plan.FloatingIP{theirs()}
	c.wishes(t, w)
	c.state.LoadBalancer.Fresh = false
	return c
}

// wishes leads to a wish, and answers the writes that it took.
func (c *octavia) wishes(t *testing.T, w *loadbalancer.LoadBalancer) []string {
	t.Helper()
	c.wish, c.writes = w, nil
	converge(t, c, 1000)
	if msg := c.serves(w); msg != "" {
		t.Fatal(msg)
	}
	return c.writes
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestOCCMFault2TagsOfOthersOnAListenerStay(t *testing.T) {
	w := web()
	c := cloud(t, w)
	c.state.LoadBalancer.Listeners[0].Tags = []string{"of another"}
	w.Listeners[0].ConnectionLimit = new(int)
	c.wishes(t, w)
	if tags := c.state.LoadBalancer.Listeners[0].Tags; !slices.Equal(tags, []string{"of another", loadbalancer.SetTag + "connection_limit"}) {
		t.Errorf("tags are %v", tags)
	}
}

func TestOCCMFault4MonitorPortAtRestIsNoDifference(t *testing.T) {
	w := web()
	w.Pools[0].Members[0].MonitorPort = 80
	c := cloud(t, w)
	c.state.LoadBalancer.Pools[0].Members[0].MonitorPort = 0 // it is the member's own port
	if steps := plan.Diff(w, c.observe()); len(steps) > 0 {
		t.Errorf("steps are %v", steps)
	}
}

func TestOCCMFault5DriftOfWeightAndStateIsSeen(t *testing.T) {
	for name, damage := range map[string]func(*plan.LoadBalancer){
		"weight":                func(lb *plan.LoadBalancer) { lb.Pools[0].Members[0].Weight = 0 },
		"member down or backup": func(lb *plan.LoadBalancer) { lb.Pools[0].Members[0].Foreign = true },
		"pool down":             func(lb *plan.LoadBalancer) { lb.Pools[0].Down = true },
		"listener down":         func(lb *plan.LoadBalancer) { lb.Listeners[0].Down = true },
		"load balancer down":    func(lb *plan.LoadBalancer) { lb.Down = true },
	} {
		t.Run(name, func(t *testing.T) {
			c := cloud(t, web())
			damage(c.state.LoadBalancer)
			if writes := c.wishes(t, web()); len(writes) != 1 {
				t.Errorf("writes are %v, want one", writes)
			}
		})
	}
}

func TestOCCMFault6FloatingIPOfAnotherClusterIsNotDeleted(t *testing.T) {
	other := owner
	other.Key.Cluster = "d"
	c := cloud(t, web())
	o := c.observe()
	o.FloatingIPs = append(o.FloatingIPs, plan.FloatingIP{ID: "x", Address: "203.0.113.9", Description: other.Description()})
	for _, w := range []*loadbalancer.LoadBalancer{web(), nil} {
		for _, s := range plan.Diff(w, o) {
			if strings.Contains(s.Describe(), "203.0.113.9") {
				t.Errorf("step %s", s.Describe())
			}
		}
	}
}

func TestOCCMFault10ProtocolChangeOnALivingPort(t *testing.T) {
	c := cloud(t, web())
	w := tls(web(), "sha256:a")
	w.Listeners = w.Listeners[1:]
	w.Listeners[0].Port = 80
	expect(t, c.wishes(t, w),
		`create secret "`+owner.SecretName("sha256:a")+`"`,
		`delete listener "HTTP-80"`,
		`create listener "TERMINATED_HTTPS-443"`)
	expect(t, c.wishes(t, web()),
		`delete listener "TERMINATED_HTTPS-443"`,
		`create listener "HTTP-80"`,
		`delete secret "`+owner.SecretName("sha256:a")+`"`)
}

func TestOCCMFault12NoMemberIsNoFailure(t *testing.T) {
	c := cloud(t, web())
	w := web()
	w.Pools[0].Members = nil
	w.Listeners[0].AllowedCIDRs = []string{"10.0.0.0/8"}
	if writes := c.wishes(t, w); len(writes) != 2 {
		t.Errorf("writes are %v", writes)
	}
}

func TestOICTLSIsAddedAndRemovedWithoutTouchingTheRest(t *testing.T) {
	c := cloud(t, web())
	expect(t, c.wishes(t, tls(web(), "sha256:a")), `create secret "`+owner.SecretName("sha256:a")+`"`, `create listener "TERMINATED_HTTPS-443"`)
	expect(t, c.wishes(t, web()), `delete listener "TERMINATED_HTTPS-443"`, `delete secret "`+owner.SecretName("sha256:a")+`"`)
}

func TestOICRotationSwitchesAndThenRemoves(t *testing.T) {
	c := cloud(t, tls(web(), "sha256:a", "sha256:b"))
	expect(t, c.wishes(t, tls(web(), "sha256:c", "sha256:b")),
		`create secret "`+owner.SecretName("sha256:c")+`"`,
		`update listener "TERMINATED_HTTPS-443": default pool "p", allowed CIDRs [], 2 certificates`,
		`delete secret "`+owner.SecretName("sha256:a")+`"`)
}

func TestOICSecretsOfAnotherNameStay(t *testing.T) {
	other := owner
	other.Key.Name += "-2"
	c := cloud(t, tls(web(), "sha256:a"))
	if _, ours := owner.SecretDigest(other.SecretName("sha256:a")); ours {
		t.Errorf("%s is taken for ours", other.SecretName("sha256:a"))
	}
	c.wishes(t, nil)
}

func TestOICRemovedTimeoutGoesBackToTheOperators(t *testing.T) {
	n := 7
	w := web()
	w.Listeners[0].Timeouts.ClientData = &n
	c := cloud(t, w)
	if c.state.LoadBalancer.Listeners[0].Timeouts.ClientData == nil {
		t.Fatal("it is not set")
	}
	expect(t, c.wishes(t, web()), `update listener "HTTP-80": default pool "p", allowed CIDRs [], gives back [timeout_client_data]`)
	if l := c.state.LoadBalancer.Listeners[0]; l.Timeouts.ClientData != nil || len(l.Tags) > 0 {
		t.Errorf("listener is %+v", l)
	}
}

func TestOperatorsTimeoutIsLeftAlone(t *testing.T) {
	c := cloud(t, web())
	c.state.LoadBalancer.Listeners[0].Timeouts.ClientData = new(int)
	if steps := plan.Diff(web(), c.observe()); len(steps) > 0 {
		t.Errorf("steps are %v", steps)
	}
}

func TestOICGivenFloatingIPIsNeverDeleted(t *testing.T) {
	w := web()
	w.FloatingAddress = theirs().Address
	c := cloud(t, web())
	expect(t, c.wishes(t, w), "delete floating IP 203.0.113.1", "bind floating IP 198.51.100.1 to port port-2")
	expect(t, c.wishes(t, web()), "unbind floating IP 198.51.100.1 and leave it standing", "create floating IP from network ext")
	c.wishes(t, w)
	expect(t, c.wishes(t, nil), `delete load balancer "lb" and all below it: it is not wanted any more`)
}

func TestPain12MembersDrain(t *testing.T) {
	w := web()
	w.Pools[0].DrainDelay = 30
	w.Pools[0].Members = append(w.Pools[0].Members, loadbalancer.Member{Name: "b", Address: "10.0.0.2", Port: 80, Weight: 1})
	c := cloud(t, w)
	w.Pools[0].Members = w.Pools[0].Members[:1]
	o := c.observe()
	steps := plan.Diff(w, o)
	if len(steps) != 1 || steps[0].Describe() != `set members of pool "p": 2, of which 0 are added, 1 changed; 0 are removed; 1 drain` {
		t.Fatalf("steps are %v", steps)
	}
	o = plan.Advance(o, steps[0], plan.Result{})
	if m := o.LoadBalancer.Pools[0].Members[1]; m.Weight != 0 {
		t.Fatalf("member is %+v", m)
	}
	o.Now = o.Now.Add(20 * time.Second)
	if steps, wake := plan.Diff(w, o), plan.Wake(w, o); len(steps) != 0 || wake != 10*time.Second {
		t.Errorf("after 20 s: steps %v, wake %s", steps, wake)
	}
	o.Now = o.Now.Add(10 * time.Second)
	if steps := plan.Diff(w, o); len(steps) != 1 || plan.Wake(w, o) != 0 {
		t.Errorf("after 30 s: steps %v, wake %s", steps, plan.Wake(w, o))
	}
	w.Pools[0].Members = append(w.Pools[0].Members, loadbalancer.Member{Name: "b", Address: "10.0.0.2", Port: 80, Weight: 1})
	if steps := plan.Diff(w, o); len(steps) != 1 || plan.Wake(w, o) != 0 {
		t.Errorf("it came back: steps %v", steps)
	}
}

func TestPain10ImmutableChangeIsSaid(t *testing.T) {
	o := cloud(t, web()).observe()
	for _, tt := range []struct {
		name  string
		asked loadbalancer.Asked
		want  string // empty: no warning
	}{
		{"flavor", loadbalancer.Asked{FlavorID: "ha"}, "needs recreate: flavor ha is asked for, and none stands"},
		{"zone", loadbalancer.Asked{AvailabilityZone: "az2"}, "needs recreate: availability zone az2"},
		{"subnet", loadbalancer.Asked{VIP: loadbalancer.VIP{SubnetID: "t"}}, "needs recreate: subnet of the VIP t is asked for, and s stands"},
		{"same subnet", loadbalancer.Asked{VIP: loadbalancer.VIP{SubnetID: "s"}}, ""},
		{"address", loadbalancer.Asked{VIP: loadbalancer.VIP{Address: "10.0.0.9"}}, "needs recreate: address of the VIP 10.0.0.9 is asked for, and 10.0.0.8 stands"},
		{"additional", loadbalancer.Asked{AdditionalSubnetIDs: []string{"v6"}}, "needs recreate: additional VIPs of subnets [v6] are asked for"},
		{"floating network", loadbalancer.Asked{FloatingNetworkID: "other"}, "needs recreate: floating IP 203.0.113.1 is of another network"},
		{"nothing", loadbalancer.Asked{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := web()
			w.Asked = tt.asked
			o.LoadBalancer.VIP.SubnetID, o.LoadBalancer.Address = "s", "10.0.0.8"
			warnings := plan.Warnings(w, o)
			if got := strings.Join(warnings, "\n"); !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("warnings are %v", warnings)
			}
			if steps := plan.Diff(w, o); len(steps) > 0 {
				t.Errorf("steps are %v", steps)
			}
		})
	}
}
