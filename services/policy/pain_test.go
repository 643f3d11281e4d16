package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus/bustest"
)

// asked is one wish and what must become of it.
type asked struct {
	exposure events.Exposure
	verdict  events.Verdict
	reason   string // part of it; empty: none
}

// decideInTurn decides wishes one after the other, each against what those
// before it were given.
func decideInTurn(t *testing.T, engine *Engine, all ...asked) *Inventory {
	t.Helper()
	inv := NewInventory()
	for i, a := range all {
		q := ask(a.exposure, publicNamespace)
		q.Holdings = inv.For(q.Cloud, q.Key)
		d := engine.Decide(t.Context(), q)
		if d.Verdict != a.verdict || !strings.Contains(strings.Join(d.Reasons, "\n"), a.reason) {
			t.Errorf("%d: %s is %s %q, want %s with %q", i, q.Key, d.Verdict, d.Reasons, a.verdict, a.reason)
		}
		inv.Hold(q.Cloud, q.Key, d.Exposure, uint64(i+1))
	}
	return inv
}

// inCluster is the same exposure in another cluster.
func inCluster(cluster string, e events.Exposure) events.Exposure {
	e.Key.Cluster = cluster
	return e
}

// bound is an exposure on a load balancer that is given by its id.
func bound(id string, e events.Exposure) events.Exposure {
	e.Placement.LoadBalancer = id
	return e
}

// lenient is the shipped bundle with settings replaced.
func lenient(t *testing.T, replace ...string) *Engine {
	t.Helper()
	folder := copyShipped(t, t.TempDir())
	changed := strings.NewReplacer(replace...).Replace(shippedData(t))
	if changed == shippedData(t) {
		t.Fatal("no setting is replaced")
	}
	writeBundle(t, folder, map[string]string{"data.yaml": changed})
	e, err := NewEngine(t.Context(), Config{Bundle: folder, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestPain1OwnershipByName: clusters whose objects have the same names do not
// get each other's load balancer, group or address.
func TestPain1OwnershipByName(t *testing.T) {
	web := serviceOf(events.TCP, 5432, "web")
	decideInTurn(t, engineOf(t, ""),
		asked{web, events.Approved, ""},
		asked{inCluster("c2", web), events.Approved, ""}, // one of its own
	)
	decideInTurn(t, engineOf(t, ""),
		asked{grouped("shop", web), events.Approved, ""},
		asked{inCluster("c2", grouped("shop", serviceOf(events.TCP, 5433, "web"))), events.Denied,
			"group shop belongs to namespace shop of another cluster, by Service shop/web of cluster c1"},
	)
	decideInTurn(t, engineOf(t, ""),
		asked{atAddress("203.0.113.9", web), events.Approved, ""},
		asked{inCluster("c2", atAddress("203.0.113.9", web)), events.Denied, "floating IP 203.0.113.9 is held by Service shop/web of cluster c1"},
	)
	decideInTurn(t, engineOf(t, ""), asked{bound("lb-1", web), events.Denied, "may not ask for loadBalancer lb-1"})
}

// TestPain7OneLoadBalancerPerObject: exposures of several namespaces and
// clusters share one with consent, and it counts as one.
func TestPain7OneLoadBalancerPerObject(t *testing.T) {
	engine := lenient(t, `members:
      "*": []`, `members:
      "*": [edge]`, `"*": 20`, `"*": 1`)
	var all []asked
	for _, k := range []events.Key{ingressKey("shop", "web"), ingressKey("shop", "api"), ingressKey("blog", "web"),
		{Cluster: "c2", Kind: events.KindIngress, Namespace: "shop", Name: "web"}} {
		e := site(k, k.Name+"."+k.Namespace+"."+k.Cluster+".example.org")
		e.Listeners[0].Backend = ""
		all = append(all, asked{grouped("edge", e), events.Approved, ""})
	}
	inv := decideInTurn(t, engine, append(all,
		asked{grouped("other", site(ingressKey("blog", "web2"))), events.Denied, "namespace blog may not join group other"},
		asked{site(ingressKey("blog", "web3")), events.Denied, "namespace blog has 1 load balancers, its limit is 1"})...)
	got := inv.For("default", ingressKey("new", "web"))(all[0].exposure)
	if got.Group == nil || got.Group.Size != 4 || len(got.Group.Members) != 3 {
		t.Errorf("a new one is told %+v, want 4 members, the oldest of each of 3 namespaces", got.Group)
	}
}

// TestPain13SharedLoadBalancer: what two cannot have at once is the older's, and
// the reason names it; fault 3 of the OpenStack cloud controller manager, which
// compared protocols of Services, is the port that HTTP and TERMINATED_HTTPS share.
func TestPain13SharedLoadBalancer(t *testing.T) {
	engine := lenient(t, `loadBalancer: {"*": []}`, `loadBalancer: {"*": ["*"]}`)
	service := func(p events.Protocol, port int, name string) events.Exposure {
		return grouped("shop", serviceOf(p, port, name))
	}
	routed := func(name, host, path string, change ...func(*events.Exposure)) events.Exposure {
		e := site(ingressKey("shop", name), host)
		e.Listeners[0].Backend, e.Listeners[0].Routes[0].Path = "", path
		for _, f := range change {
			f(&e)
		}
		return grouped("shop", e)
	}
	thirty, sixty := 30_000, 60_000
	timeout := func(ms *int) func(*events.Exposure) {
		return func(e *events.Exposure) { e.Listeners[0].Timeouts.ClientData = ms }
	}
	redirected := func(e *events.Exposure) {
		e.Listeners[0].Routes[0].Backend, e.Listeners[0].Routes[0].Redirect = "", &events.Redirect{Scheme: "https", Code: 301}
	}
	internal := func(e *events.Exposure) { e.Internal = true }
	ha := func(e *events.Exposure) { e.Flavor = "ha" }
	raw := func(e *events.Exposure) { e.Listeners[0].Routes[0].PathType = events.PathRawPrefix }
	for name, all := range map[string][]asked{
		"fault 3": {{service(events.HTTP, 443, "a"), events.Approved, ""}, {service(events.TerminatedHTTPS, 443, "b"), events.Denied,
			"TCP port 443 (TERMINATED_HTTPS) is taken by HTTP of Service shop/a of cluster c1: use another port"}},
		"fault 3, turned": {{service(events.TerminatedHTTPS, 443, "a"), events.Approved, ""}, {service(events.TCP, 443, "b"), events.Denied,
			"TCP port 443 (TCP) is taken by TERMINATED_HTTPS of Service shop/a"}},
		"fault 3 on a load balancer that is given": {{bound("lb", serviceOf(events.HTTP, 443, "a")), events.Approved, ""},
			{bound("lb", serviceOf(events.TerminatedHTTPS, 443, "b")), events.Denied, "TCP port 443 (TERMINATED_HTTPS) is taken by HTTP of Service shop/a"}},
		"one port": {{service(events.TCP, 53, "a"), events.Approved, ""}, {service(events.TCP, 53, "b"), events.Denied, "by TCP of Service shop/a"}},
		"one number, other transports": {{service(events.TCP, 53, "a"), events.Approved, ""}, {service(events.UDP, 53, "b"), events.Approved, ""},
			{service(events.SCTP, 53, "c"), events.Approved, ""}},
		"one port on load balancers of their own": {{serviceOf(events.TCP, 53, "a"), events.Approved, ""}, {serviceOf(events.TCP, 53, "b"), events.Approved, ""}},
		"other paths":                  {{routed("a", "x.example.org", "/a"), events.Approved, ""}, {routed("b", "x.example.org", "/b"), events.Approved, ""}},
		"one path":                     {{routed("a", "x.example.org", "/a"), events.Approved, ""}, {routed("b", "x.example.org", "/a/"), events.Denied, "x.example.org/a (Prefix) on port 80 is routed by Ingress shop/a"}},
		"one redirect":                 {{routed("a", "x.example.org", "/", redirected), events.Approved, ""}, {routed("b", "x.example.org", "/", redirected), events.Approved, ""}},
		"a redirect and a backend":     {{routed("a", "x.example.org", "/", redirected), events.Approved, ""}, {routed("b", "x.example.org", "/"), events.Denied, "is routed by Ingress shop/a"}},
		"two default backends":         {{service(events.HTTP, 80, "a"), events.Approved, ""}, {service(events.HTTP, 80, "b"), events.Denied, "*/ (Prefix) on port 80 is routed by Service shop/a"}},
		"a default backend and a path": {{service(events.HTTP, 80, "a"), events.Approved, ""}, {routed("b", "x.example.org", "/"), events.Approved, ""}},
		"another time-out": {{routed("a", "x.example.org", "/a", timeout(&thirty)), events.Approved, ""}, {routed("b", "y.example.org", "/", timeout(&sixty)), events.Denied,
			"timeout of client data of TCP port 80 of the shared load balancer: 60000 here, but 30000 in Ingress shop/a"}},
		"no time-out of its own": {{routed("a", "x.example.org", "/a", timeout(&thirty)), events.Approved, ""}, {routed("b", "y.example.org", "/"), events.Approved, ""},
			{routed("c", "z.example.org", "/", timeout(&sixty)), events.Denied, "30000 in Ingress shop/a"}},
		"another flavor": {{routed("a", "x.example.org", "/a"), events.Approved, ""}, {routed("b", "y.example.org", "/", ha), events.Denied,
			"flavor of the shared load balancer: ha here, but not set in Ingress shop/a"}},
		"another matching of paths": {{routed("a", "x.example.org", "/a"), events.Approved, ""}, {routed("b", "y.example.org", "/", raw), events.Denied,
			"path matching of TCP port 80 of the shared load balancer: by raw prefixes here, but as Kubernetes says in Ingress shop/a"}},
		"internal and public": {{routed("a", "x.example.org", "/a"), events.Approved, ""}, {routed("b", "y.example.org", "/", internal), events.Denied,
			"internal of the shared load balancer: true here, but false in Ingress shop/a"}},
		// Neither asks for the sources that policy obliges both to.
		"internal both": {{routed("a", "x.example.org", "/a", internal), events.Approved, ""}, {routed("b", "y.example.org", "/", internal), events.Approved, ""}},
	} {
		t.Run(name, func(t *testing.T) { decideInTurn(t, engine, all...) })
	}
}

// TestPain13TheOlderGoes: on the bus, the younger of a group waits for what the
// older has, and gets it when that goes or changes.
func TestPain13TheOlderGoes(t *testing.T) {
	b := bustest.Start(t)
	start(t, b, keyed(t))
	older, younger := grouped("shop", serviceOf(events.TCP, 53, "a")), grouped("shop", serviceOf(events.TCP, 53, "b"))
	request(t, b, older.Key, wish(older, publicNamespace))
	awaitDecision(t, b, older.Key, answering(wish(older, publicNamespace), events.Approved))
	waits := wish(younger, publicNamespace)
	request(t, b, younger.Key, waits)
	d := awaitDecision(t, b, younger.Key, answering(waits, events.Denied)).Payload.(events.Decided)
	if d.Exposure != nil || !strings.Contains(d.Reasons[0], "Service shop/a of cluster c1") {
		t.Errorf("got %+v", d)
	}
	moved := grouped("shop", serviceOf(events.TCP, 54, "a"))
	request(t, b, older.Key, wish(moved, publicNamespace))
	awaitDecision(t, b, younger.Key, answering(waits, events.Approved))

	back := wish(older, publicNamespace)
	request(t, b, older.Key, back)
	d = awaitDecision(t, b, older.Key, answering(back, events.Denied)).Payload.(events.Decided)
	if d.Exposure == nil || d.Exposure.Listeners[0].Port != 54 {
		t.Errorf("after a change that is denied stands %+v, want what stood", d.Exposure)
	}
	request(t, b, younger.Key, events.Requested{}.Seal())
	awaitDecision(t, b, older.Key, answering(back, events.Approved))
}

// TestPain13ReloadTakesNobodyDown: a bundle that obliges all members of a group
// to something else leaves nobody without a place in between, and a member that
// the bundle decides as before still counts.
func TestPain13ReloadTakesNobodyDown(t *testing.T) {
	for name, replaced := range map[string][2]string{
		"other sources": {"sources: [10.0.0.0/8,", "sources: [10.9.0.0/16,"},
		"nothing":       {"drawbridge-2", "another"},
	} {
		l := newLedger()
		r := newReplica(l, engineOf(t, ""), testSigner(t))
		var members []events.Exposure
		for _, n := range []string{"a", "b", "c"} {
			e := site(ingressKey("shop", n), n+".example.org")
			e.Listeners[0].Backend, e.Internal = "", true
			members = append(members, grouped("shop", e))
			l.request(t, e.Key, wish(grouped("shop", e), publicNamespace))
		}
		settle(t, l, r)
		before := len(l.log)
		folder := copyShipped(t, t.TempDir())
		for _, file := range []string{"data.yaml", ".manifest"} {
			b, err := os.ReadFile(filepath.Join(folder, file))
			if err != nil {
				t.Fatal(err)
			}
			writeBundle(t, folder, map[string]string{file: strings.Replace(string(b), replaced[0], replaced[1], 1)})
		}
		next, err := NewEngine(t.Context(), Config{Bundle: folder, Timeout: time.Minute})
		if err != nil || next.ref.Digest == r.engine.Load().ref.Digest {
			t.Fatal(err, next.ref)
		}
		r.engine.Store(next)
		r.table.wakeOwed(next.ref)
		settle(t, l, r)
		for _, rec := range l.log[before:] {
			if d := rec.Event.Payload.(events.Decided); d.Exposure == nil || d.Verdict != events.Approved {
				t.Errorf("%s: %s is %s in between: %q", name, rec.Event.Key, d.Verdict, d.Reasons)
			}
		}
		for _, m := range members {
			if got := l.decisions()[m.Key]; name != "nothing" && got.Exposure.Listeners[0].AllowedSources[0] != "10.9.0.0/16" {
				t.Errorf("%s: %s is open to %v", name, m.Key, got.Exposure.Listeners[0].AllowedSources)
			}
		}
		public := site(ingressKey("shop", "d"), "d.example.org")
		public.Listeners[0].Backend = ""
		l.request(t, public.Key, wish(grouped("shop", public), publicNamespace))
		settle(t, l, r)
		if d := l.decisions()[public.Key]; d.Verdict != events.Denied || !strings.Contains(d.Reasons[0], "internal of the shared load balancer") {
			t.Errorf("%s: a member that differs is %s %q", name, d.Verdict, d.Reasons)
		}
	}
}

// TestPain13SettingsChangeTogether: members of a group change what they must
// have alike by all asking for it. Until the last one does nothing changes, then
// all get it, and nobody loses its place.
func TestPain13SettingsChangeTogether(t *testing.T) {
	l := newLedger()
	engine, signer := engineOf(t, ""), testSigner(t)
	replicas := []*replica{newReplica(l, engine, signer), newReplica(l, engine, signer)}
	names := []string{"a", "b", "c"}
	member := func(name, path string, sources ...string) events.Exposure {
		e := site(ingressKey("shop", name), "www.example.org")
		e.Listeners[0].Backend, e.Listeners[0].AllowedSources, e.Listeners[0].Routes[0].Path = "", sources, path
		return grouped("shop", e)
	}
	ask := func(e events.Exposure) { l.request(t, e.Key, wish(e, publicNamespace)) }
	verdicts := func() (out string) {
		settle(t, l, replicas...)
		for _, n := range names {
			d := l.decisions()[ingressKey("shop", n)]
			if d.Exposure == nil {
				t.Fatalf("%s has lost its place: %q", n, d.Reasons)
			}
			out += n + " " + string(d.Verdict) + " " + strings.Join(d.Exposure.Listeners[0].AllowedSources, ",") + "; "
		}
		return out
	}
	for _, n := range names {
		ask(member(n, "/"+n))
	}
	if got := verdicts(); got != "a approved ; b approved ; c approved ; " {
		t.Fatal(got)
	}
	const from = "192.0.2.0/24"
	ask(member("a", "/a", from))
	if got := verdicts(); got != "a denied ; b approved ; c approved ; " {
		t.Error(got)
	}
	ask(member("b", "/c", from)) // and a path that it cannot have
	ask(member("c", "/c", from))
	if got := verdicts(); got != "a denied ; b denied ; c denied ; " {
		t.Error(got)
	}
	// Both replicas decide at once, neither knowing what the other says.
	ask(member("b", "/b", from))
	for _, r := range replicas {
		r.watch(l, 0)
		r.step(t)
	}
	if got := verdicts(); got != "a approved "+from+"; b approved "+from+"; c approved "+from+"; " {
		t.Error(got)
	}
}
