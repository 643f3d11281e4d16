package plan_test

import (
	"slices"
	"strings"
	"testing"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestReplaceKeepsTheFloatingIP(t *testing.T) {
	c := cloud(t, tls(web(), "sha256:a"))
	w := tls(web(), "sha256:a")
	w.FlavorID, w.Asked.FlavorID, w.Replace = "ha", "ha", true
	expect(t, c.wishes(t, w),
		`create load balancer "lb" whole: 2 listeners, 1 pools, 1 members, 0 L7 policies`,
		"bind floating IP 203.0.113.1 to port port-9",
		`delete load balancer "lb" and all below it: another has taken its place`)
}

func TestReplaceOfAHeldAddressRemovesFirst(t *testing.T) {
	c := cloud(t, web())
	c.state.LoadBalancer.Address = "10.0.0.8"
	w := web()
	w.FlavorID, w.Asked.FlavorID, w.VIP.Address, w.Replace = "ha", "ha", "10.0.0.8", true
	steps := plan.Diff(w, c.observe())
	if len(steps) != 3 || steps[0].Describe() != `delete load balancer "lb" and all below it: its address is needed by what replaces it` {
		t.Errorf("steps are %v", steps)
	}
}

func TestReplaceOfErrorOnlyIfAsked(t *testing.T) {
	c := cloud(t, web())
	c.state.LoadBalancer.Status = plan.Error
	if msg := plan.Blocked(web(), c.observe()); !strings.Contains(msg, `drawbridge.dev/replace: "true"`) {
		t.Errorf("blocked by %q", msg)
	}
	w := web()
	w.Replace = true
	if steps := plan.Diff(w, c.observe()); len(steps) != 3 || plan.Blocked(w, c.observe()) != "" {
		t.Errorf("steps are %v", steps)
	}
}

func TestChoose(t *testing.T) {
	a, b, x := plan.LoadBalancer{ID: "a", FlavorID: "single"}, plan.LoadBalancer{ID: "b", FlavorID: "ha"}, plan.LoadBalancer{ID: "x"}
	replace := &loadbalancer.LoadBalancer{Replace: true, Asked: loadbalancer.Asked{FlavorID: "ha"}}
	for _, tt := range []struct {
		name    string
		desired *loadbalancer.LoadBalancer
		found   []plan.LoadBalancer
		served  string
		want    string // current, old, extras
	}{
		{"none", replace, nil, "", "- -"},
		{"one", replace, []plan.LoadBalancer{a}, "a", "a -"},
		{"the served one", &loadbalancer.LoadBalancer{}, []plan.LoadBalancer{a, b}, "b", "b - a"},
		{"replacement under way", replace, []plan.LoadBalancer{b, a, x}, "a", "b a x"},
		{"replaced", replace, []plan.LoadBalancer{a, b}, "b", "b - a"},
		{"no replacement is wanted any more", &loadbalancer.LoadBalancer{}, []plan.LoadBalancer{a, b}, "a", "a - b"},
		{"nothing is wanted", nil, []plan.LoadBalancer{a, b}, "a", "a - b"},
		{"given", &loadbalancer.LoadBalancer{ID: "x"}, []plan.LoadBalancer{a, x}, "a", "x a"},
		{"given is not there", &loadbalancer.LoadBalancer{ID: "y"}, nil, "", "- -"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			current, old, extras := plan.Choose(tt.desired, tt.found, tt.served)
			got := id(current) + " " + id(old)
			for _, e := range extras {
				got += " " + e.ID
			}
			if got != tt.want {
				t.Errorf("chosen are %s, want %s", got, tt.want)
			}
		})
	}
}

func id(lb *plan.LoadBalancer) string {
	if lb == nil {
		return "-"
	}
	return lb.ID
}

func TestKeptFloatingIP(t *testing.T) {
	w := web()
	w.Tags, w.KeepFloatingIP = append(w.Tags, loadbalancer.KeepTag), true
	internal := web()
	internal.Tags, internal.KeepFloatingIP, internal.FloatingNetworkID = w.Tags, true, ""
	for name, next := range map[string]*loadbalancer.LoadBalancer{"removed": nil, "made internal": internal} {
		t.Run(name, func(t *testing.T) {
			c := cloud(t, w)
			c.wishes(t, next)
			f := c.state.FloatingIPs[1]
			if f.Address != "203.0.113.1" || f.PortID != "" || f.Description != "kept by drawbridge for c/Ingress/n/web" {
				t.Errorf("floating IP is %+v", f)
			}
		})
	}
}

func TestProtected(t *testing.T) {
	w := web()
	w.Tags = append(w.Tags, loadbalancer.ProtectTag)
	o := cloud(t, w).observe()
	if steps := plan.Diff(nil, o); len(steps) > 0 || !plan.Protected(nil, o) || !strings.HasPrefix(plan.Blocked(nil, o), "protected: ") {
		t.Errorf("steps are %v, blocked by %q", steps, plan.Blocked(nil, o))
	}
	if plan.Protected(web(), o) || len(plan.Diff(web(), o)) != 1 {
		t.Errorf("protection is not taken away: %v", plan.Diff(web(), o))
	}
}

func TestGivenFloatingIP(t *testing.T) {
	w := web()
	w.FloatingAddress = theirs().Address
	o := cloud(t, web()).observe()
	if msg := plan.Blocked(w, o); !strings.Contains(msg, "no floating IP 198.51.100.1") {
		t.Errorf("blocked by %q", msg)
	}
	f := theirs()
	f.PortID = "of a server"
	o.FloatingIPs = append(o.FloatingIPs, f)
	if msg := plan.Blocked(w, o); !strings.Contains(msg, "attached to port of a server") || len(plan.Diff(w, o)) > 0 {
		t.Errorf("blocked by %q", msg)
	}
}

// TestFloatingIPOfSeveralAddresses: Neutron wants to be told to which of several
// IPv4 addresses of a port a floating IP leads.
func TestFloatingIPOfSeveralAddresses(t *testing.T) {
	o := cloud(t, web()).observe()
	o.FloatingIPs = nil
	fixed := func(address string, additional ...string) string {
		o.LoadBalancer.Address, o.LoadBalancer.AdditionalVIPs = address, nil
		for _, a := range additional {
			o.LoadBalancer.AdditionalVIPs = append(o.LoadBalancer.AdditionalVIPs, loadbalancer.VIP{Address: a})
		}
		for _, s := range plan.Diff(web(), o) {
			if f, ok := s.(plan.CreateFloatingIP); ok {
				return f.FixedIP
			}
		}
		return "no floating IP is made"
	}
	for _, c := range []struct{ got, want string }{
		{fixed("10.0.0.5"), ""},
		{fixed("10.0.0.5", "10.1.0.5"), "10.0.0.5"},
		{fixed("fd00::5", "10.1.0.5"), "10.1.0.5"},
		{fixed("fd00::5", "fd01::5"), ""},
	} {
		if c.got != c.want {
			t.Errorf("it leads to %q, want %q", c.got, c.want)
		}
	}
}

// TestFloatingIPGivenByItsOwnAddress: one that we made and that the exposure
// then names is given up, and stays bound all the while.
func TestFloatingIPGivenByItsOwnAddress(t *testing.T) {
	w := web()
	c := cloud(t, w)
	w.FloatingAddress = "203.0.113.1"
	c.wish, c.writes = w, nil
	converge(t, c, 10)
	expect(t, c.writes, "give up floating IP 203.0.113.1, which stays bound")
}

func TestGivenLoadBalancer(t *testing.T) {
	theirs := plan.Listener{ID: "theirs", Status: plan.Active, Name: "theirs", Protocol: "TCP", Port: 443}
	o := plan.Observed{Owner: owner, LoadBalancer: &plan.LoadBalancer{ID: "given", Status: plan.Active, Name: "of another", Tags: []string{"x"}, PortID: "port",
		Listeners: []plan.Listener{theirs}, Pools: []plan.Pool{{ID: "pool", Status: plan.Active, Name: "p", Protocol: "HTTP"}}}}
	w := web()
	w.ID, w.FloatingNetworkID = "given", ""
	var done []string
	o = follow(t, w, o, &done)
	expect(t, done, `create HTTP pool "p"`, `set members of pool "p": 1, of which 1 are added, 0 changed; 0 are removed`, `create listener "HTTP-80"`)
	ours := o.LoadBalancer.Listeners[1]
	if !owner.Owns(ours.Tags) || !owner.Owns(o.LoadBalancer.Pools[1].Tags) || o.LoadBalancer.Name != "of another" {
		t.Errorf("load balancer is %+v", o.LoadBalancer)
	}
	taken := web()
	taken.ID, taken.Listeners[0].Port = "given", 443
	if msg := plan.Blocked(taken, o); !strings.Contains(msg, `taken by listener "theirs" (theirs)`) || len(plan.Diff(taken, o)) > 0 {
		t.Errorf("blocked by %q", msg)
	}
	done = nil
	o = follow(t, nil, o, &done)
	expect(t, done, `delete listener "HTTP-80"`, `delete pool "p"`)
	if diff := cmp.Diff([]plan.Listener{theirs}, o.LoadBalancer.Listeners); diff != "" || len(o.LoadBalancer.Pools) != 1 {
		t.Errorf("what is another's was touched:\n%s", diff)
	}
	gone := web()
	gone.ID = "elsewhere"
	if msg := plan.Blocked(gone, o); !strings.Contains(msg, "no load balancer elsewhere") {
		t.Errorf("blocked by %q", msg)
	}
}

// follow takes steps by what Advance says of them.
func follow(t *testing.T, w *loadbalancer.LoadBalancer, o plan.Observed, done *[]string) plan.Observed {
	t.Helper()
	for range 50 {
		steps := plan.Diff(w, o)
		if len(steps) == 0 {
			return o
		}
		*done = append(*done, steps[0].Describe())
		o = plan.Advance(o, steps[0], plan.Result{ID: "id of " + steps[0].Describe()})
	}
	t.Fatalf("does not end: %v", *done)
	return o
}

// TestAdopted: a load balancer as octavia-ingress-controller makes it, with our
// tags written on it, needs nothing; only what it does is compared.
func TestAdopted(t *testing.T) {
	host := loadbalancer.Rule{Type: "HOST_NAME", Compare: "REGEX", Value: `^a\.example\.org(:80)?$`}
	path := loadbalancer.Rule{Type: "PATH", Compare: "STARTS_WITH", Value: "/foo"}
	slash := loadbalancer.Rule{Type: "PATH", Compare: "STARTS_WITH", Value: "/"}
	member := loadbalancer.Member{Address: "10.0.0.1", Port: 30080, Weight: 1}
	pool := func(name string) plan.Pool {
		return plan.Pool{ID: name, Status: plan.Active, Name: name, Protocol: "HTTP", Algorithm: "ROUND_ROBIN", Members: []plan.Member{{Member: member}}}
	}
	o := plan.Observed{Owner: owner, LoadBalancer: &plan.LoadBalancer{ID: "lb", Status: plan.Active, Name: "kube_ingress_c_n_web",
		Description: "Kubernetes Ingress web in namespace n from cluster c, version: 42", Tags: append(owner.Tags(), loadbalancer.AdoptedTag, "of OIC"),
		Pools: []plan.Pool{pool("kube_ingress_c_n_web"), pool("e3b0"), pool("ffff")},
		Listeners: []plan.Listener{{ID: "l", Status: plan.Active, Name: "kube_ingress_c_n_web", Protocol: "HTTP", Port: 80, DefaultPoolID: "kube_ingress_c_n_web",
			AllowedCIDRs: []string{"0.0.0.0/0"},
			Policies: []plan.Policy{
				{ID: "1", Status: plan.Active, Action: "REDIRECT_TO_POOL", PoolID: "e3b0", Rules: []plan.Rule{{Rule: host}, {Rule: path}}},
				{ID: "2", Status: plan.Active, Action: "REDIRECT_TO_POOL", PoolID: "ffff", Rules: []plan.Rule{{Rule: host}}},
			}}}}}
	named := member
	named.Name = "node"
	want := func(name string) loadbalancer.Pool {
		return loadbalancer.Pool{Name: name, Protocol: "HTTP", Algorithm: "ROUND_ROBIN", Members: []loadbalancer.Member{named}}
	}
	w := &loadbalancer.LoadBalancer{Name: "drawbridge_c_n_web", Description: "ours", Tags: owner.Tags(),
		Pools: []loadbalancer.Pool{want("n/default:80"), want("n/foo:80"), want("n/rest:80")},
		Listeners: []loadbalancer.Listener{{Name: "HTTP-80", Protocol: "HTTP", Port: 80, DefaultPool: "n/default:80", Policies: []loadbalancer.Policy{
			{Name: "x", Action: "REDIRECT_TO_POOL", Pool: "n/foo:80", Rules: []loadbalancer.Rule{host, path}},
			{Name: "y", Action: "REDIRECT_TO_POOL", Pool: "n/rest:80", Rules: []loadbalancer.Rule{host, slash}},
		}}}}
	if steps := plan.Diff(w, o); len(steps) > 0 {
		t.Errorf("steps are %v", describe(steps))
	}
	w.Pools[1].Members = append(w.Pools[1].Members, loadbalancer.Member{Name: "second", Address: "10.0.0.2", Port: 30080, Weight: 1})
	w.Listeners[0].Policies = w.Listeners[0].Policies[:1]
	w.Pools = w.Pools[:2]
	expect(t, describe(plan.Diff(w, o)),
		`set members of pool "n/foo:80": 2, of which 1 are added, 0 changed; 0 are removed`, `delete L7 policy ""`, `delete pool "ffff"`)
	o.LoadBalancer.Tags = owner.Tags() // not adopted: ours, and all of it is compared
	if steps := plan.Diff(w, o); len(steps) < 6 {
		t.Errorf("steps are %v", describe(steps))
	}
}

func describe(steps []plan.Step) (out []string) {
	for _, s := range steps {
		out = append(out, s.Describe())
	}
	return out
}

func TestUsersTags(t *testing.T) {
	w := web()
	w.Tags = append(w.Tags, "cost=1")
	c := cloud(t, w)
	w.Tags = append(owner.Tags(), "cost=2")
	expect(t, c.wishes(t, w), `update load balancer "lb"`)
}

func TestMemberSubnetRolls(t *testing.T) {
	w := web()
	for _, a := range []string{"10.0.0.2", "10.0.0.3"} {
		w.Pools[0].Members = append(w.Pools[0].Members, loadbalancer.Member{Name: "n", Address: a, Port: 80, Weight: 1})
	}
	for i := range w.Pools[0].Members {
		w.Pools[0].Members[i].SubnetID = "s"
	}
	c := cloud(t, w)
	w = web()
	w.Pools[0].Members = nil
	for _, m := range c.state.LoadBalancer.Pools[0].Members {
		m.SubnetID = "t"
		w.Pools[0].Members = append(w.Pools[0].Members, m.Member)
	}
	expect(t, c.wishes(t, w),
		`set members of pool "p": 1, of which 0 are added, 0 changed; 2 are removed`,
		`set members of pool "p": 3, of which 2 are added, 0 changed; 0 are removed`,
		`set members of pool "p": 2, of which 0 are added, 0 changed; 1 are removed`,
		`set members of pool "p": 3, of which 1 are added, 0 changed; 0 are removed`)
}

// TestReplacementIsNotReplaced: where the cloud does not give what is asked for,
// one attempt stands, not a row of them.
func TestReplacementIsNotReplaced(t *testing.T) {
	o := cloud(t, web()).observe()
	w := web()
	w.Asked.FlavorID, w.Replace = "ha", true
	old := *o.LoadBalancer
	old.ID = "old"
	o.Old = &old
	expect(t, describe(plan.Diff(w, o)), `delete load balancer "lb" and all below it: another has taken its place`)
}

func TestFloatingIPOnAGivenLoadBalancerStays(t *testing.T) {
	f := theirs()
	f.PortID = "port"
	o := plan.Observed{Owner: owner, LoadBalancer: &plan.LoadBalancer{ID: "given", Status: plan.Active, PortID: "port"}, FloatingIPs: []plan.FloatingIP{f}}
	for _, network := range []string{"", "ext"} {
		w := &loadbalancer.LoadBalancer{ID: "given", FloatingNetworkID: network, FloatingIPDescription: owner.Description()}
		expect(t, describe(plan.Diff(w, o)))
	}
}

func TestSecretThatIsThereTwice(t *testing.T) {
	w := tls(web(), "sha256:a")
	o := cloud(t, w).observe()
	for _, ref := range []string{"https://keys/0", "https://keys/z"} {
		twice := o
		twice.Secrets = append([]plan.Secret{{Ref: ref, Name: owner.SecretName("sha256:a")}}, o.Secrets...)
		for range 2 {
			steps := plan.Diff(w, twice)
			if len(steps) != 1 || steps[0] != (plan.DeleteSecret{Ref: ref, Name: owner.SecretName("sha256:a")}) {
				t.Errorf("steps are %v", steps)
			}
			twice.Secrets = append(twice.Secrets[1:len(twice.Secrets):len(twice.Secrets)], twice.Secrets[0])
		}
	}
}

func TestMembersThatNeedNoDrain(t *testing.T) {
	w := web()
	w.Pools[0].DrainDelay = 30
	o := cloud(t, w).observe()
	gone := plan.Member{Member: loadbalancer.Member{Name: "b", Address: "10.0.0.2", Port: 80, Weight: 1}}
	for name, change := range map[string]func(*plan.Member){"down": func(m *plan.Member) { m.Foreign = true }, "in ERROR": func(m *plan.Member) { m.Status = plan.Error }} {
		t.Run(name, func(t *testing.T) {
			m := gone
			change(&m)
			o := o
			lb := *o.LoadBalancer
			lb.Pools = []plan.Pool{lb.Pools[0]}
			lb.Pools[0].Members = append([]plan.Member{m}, lb.Pools[0].Members...)
			o.LoadBalancer = &lb
			expect(t, describe(plan.Diff(w, o)), `set members of pool "p": 1, of which 0 are added, 0 changed; 1 are removed`)
		})
	}
}

func TestMemberInErrorIsSetAnew(t *testing.T) {
	c := cloud(t, web())
	c.state.LoadBalancer.Pools[0].Members[0].Status = plan.Error
	expect(t, c.wishes(t, web()), `set members of pool "p": 1, of which 0 are added, 1 changed; 0 are removed`)
}

// TestSetTagComesBack: without it nobody would know that a setting was ours.
func TestSetTagComesBack(t *testing.T) {
	w := web()
	w.Listeners[0].ConnectionLimit = new(int)
	c := cloud(t, w)
	c.state.LoadBalancer.Listeners[0].Tags = nil
	if writes := c.wishes(t, w); len(writes) != 1 || len(c.state.LoadBalancer.Listeners[0].Tags) != 1 {
		t.Errorf("writes are %v, tags %v", writes, c.state.LoadBalancer.Listeners[0].Tags)
	}
}

// TestOwnFloatingIPGivenWhileItsPortIsGone: Neutron may still name the port of a
// load balancer that another removed.
func TestOwnFloatingIPGivenWhileItsPortIsGone(t *testing.T) {
	w := web()
	w.FloatingAddress = "203.0.113.1"
	o := cloud(t, web()).observe()
	o.LoadBalancer = nil
	if msg := plan.Blocked(w, o); msg != "" {
		t.Errorf("blocked by %q", msg)
	}
}

// TestAdoptedUnderAnyNames: what does all that is wished, under whatever names,
// needs nothing once it is adopted.
func TestAdoptedUnderAnyNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wish(t)
		if w == nil {
			return
		}
		used := map[string]bool{}
		for _, l := range w.Listeners {
			used[l.DefaultPool] = true
			for _, p := range l.Policies {
				used[p.Pool] = true
			}
		}
		w.Pools = slices.DeleteFunc(w.Pools, func(p loadbalancer.Pool) bool { return !used[p.Name] })
		c := &octavia{wish: w}
		c.state.Owner, c.state.FloatingIPs = owner, []plan.FloatingIP{theirs()}
		converge(t, c, 1000)
		lb := c.state.LoadBalancer
		lb.Name, lb.Description, lb.Tags = "theirs", "theirs", append(lb.Tags, loadbalancer.AdoptedTag, "theirs")
		for i := range lb.Listeners {
			lb.Listeners[i].Name = "theirs"
			for j := range lb.Listeners[i].Policies {
				lb.Listeners[i].Policies[j].Name = ""
			}
		}
		for i := range lb.Pools {
			lb.Pools[i].Name = lb.Pools[i].ID
			for j := range lb.Pools[i].Members {
				lb.Pools[i].Members[j].Name = "theirs"
			}
		}
		if steps := plan.Diff(w, c.observe()); len(steps) > 0 {
			t.Fatalf("steps are %v", describe(steps))
		}
	})
}
