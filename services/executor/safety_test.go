package executor_test

import (
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
	"drawbridge.dev/services/sandbox"
)

// TestInterrupted: who is stopped while the cloud works goes on where it was.
func TestInterrupted(t *testing.T) {
	w := newWorld(t, sandbox.Config{Pending: time.Hour})
	stop := w.run()
	k := key("web")
	d := w.decide(k, events.Approved, ingress("web", "10.0.0.11"))
	for deadline := time.Now().Add(w.patience); len(w.standing()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is created")
		}
	}
	stop()
	if _, ok, err := w.bus.Last(t.Context(), events.StageOutcome, "default", k); ok || err != nil {
		t.Errorf("an outcome before the end: %v", err)
	}
	id := w.standing()[0].ID
	w.calls()
	if err := w.cloud.SetStatus("loadbalancer", id, "ACTIVE"); err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"listener", "pool", "member", "healthmonitor", "l7policy"} {
		settleAll(w, list)
	}
	w.cloud.SetPending(0)
	w.run()
	if o := w.applied(k, d); o.LoadBalancer.ID != id {
		t.Errorf("another load balancer serves: %+v", o)
	}
	if writes, _, text := w.calls(); writes != 1 {
		t.Errorf("more than the floating IP is written:%s", text)
	}
}

// settleAll makes everything of a kind ACTIVE, as Octavia does with its load balancer.
func settleAll(w *world, kind string) {
	w.Helper()
	a := w.api()
	plural := map[string]string{"l7policy": "l7policies"}[kind]
	if plural == "" {
		plural = kind + "s"
	}
	if kind == "member" {
		for _, p := range a.ids(lbaas+"/pools", "pools") {
			for _, id := range a.ids(lbaas+"/pools/"+p+"/members", "members") {
				set(w, kind, id)
			}
		}
		return
	}
	for _, id := range a.ids(lbaas+"/"+plural, plural) {
		set(w, kind, id)
		if kind == "l7policy" {
			for _, r := range a.ids(lbaas+"/l7policies/"+id+"/rules", "rules") {
				set(w, "l7rule", r)
			}
		}
	}
}

func set(w *world, kind, id string) {
	w.Helper()
	if err := w.cloud.SetStatus(kind, id, "ACTIVE"); err != nil {
		w.Fatal(err)
	}
}

// TestForeign: what does not carry our mark is neither used nor removed, even
// if it has our name; a second one of ours is removed.
func TestForeign(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	a := w.api()
	subnet := ""
	for _, x := range a.do("GET", "/network/v2.0/subnets", nil)["subnets"].([]any) {
		if s := x.(map[string]any); s["name"] == sandbox.SubnetName {
			subnet = s["id"].(string)
		}
	}
	create := func(tags ...string) string {
		out := a.do("POST", lbaas+"/loadbalancers", map[string]any{"loadbalancer": map[string]any{
			"name": "drawbridge_c1_shop_web", "vip_subnet_id": subnet, "tags": tags}})
		return out["loadbalancer"].(map[string]any)["id"].(string)
	}
	k := key("web")
	ours := loadbalancer.Owner{Fleet: "test", Key: k}.Tags()
	foreign := create()
	otherFleet := create("drawbridge.dev/fleet=other", ours[1])
	network := a.ids("/network/v2.0/networks?name="+sandbox.ExternalName, "networks")[0]
	a.do("POST", "/network/v2.0/floatingips", map[string]any{"floatingip": map[string]any{"floating_network_id": network, "description": "of somebody"}})
	w.run()
	o := w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
	if o.LoadBalancer.ID == foreign || o.LoadBalancer.ID == otherFleet {
		t.Errorf("a foreign load balancer is used: %+v", o)
	}
	create(ours...)
	w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.12")))
	if s := w.standing(); len(s) != 1 || s[0].ID != o.LoadBalancer.ID {
		t.Errorf("of ours stand %+v, want just %s", s, o.LoadBalancer.ID)
	}
	w.removed(k, w.decide(k, events.Approved, nil))
	if left := a.ids(lbaas+"/loadbalancers", "loadbalancers"); len(left) != 2 {
		t.Errorf("load balancers left: %v, want the two foreign ones", left)
	}
	if n := floatingIPs(w); n != 1 {
		t.Errorf("%d floating IPs are left, want the foreign one", n)
	}
}

// TestInternal: an exposure that becomes internal loses its floating IP and
// keeps its load balancer.
func TestInternal(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	k := key("web")
	first := w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
	e := ingress("web", "10.0.0.11")
	e.Internal = true
	second := w.applied(k, w.decide(k, events.Approved, e))
	if len(second.Addresses) != 1 || second.Addresses[0].Type != "vip" || second.LoadBalancer.ID != first.LoadBalancer.ID || second.Calls.Writes != 1 {
		t.Errorf("outcome is %+v", second)
	}
	if n := floatingIPs(w); n != 0 {
		t.Errorf("%d floating IPs are left", n)
	}
}

// TestBusAway: without the bus nothing is written to the cloud, because the
// lease cannot be proven; when it is back, what is owed is done.
func TestBusAway(t *testing.T) {
	w := newWorld(t, sandbox.Config{Pending: time.Hour})
	server, url := bustest.Server(t)
	w.bus = bustest.Connect(t, url)
	if err := w.bus.EnsureStreams(t.Context(), bus.Streams{}.Defaults()); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.warm()
	k := key("web")
	d := w.decide(k, events.Approved, ingress("web", "10.0.0.11"))
	for deadline := time.Now().Add(w.patience); len(w.standing()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is created")
		}
	}
	options := bustest.Stop(t, server)
	writes, _, text := w.calls()
	if writes != 1 {
		t.Fatalf("before the bus went away:%s", text)
	}
	w.cloud.SetPending(0)
	id := w.standing()[0].ID
	for _, list := range []string{"listener", "pool", "member", "healthmonitor", "l7policy"} {
		settleAll(w, list)
	}
	set(w, "loadbalancer", id)
	for deadline := time.Now().Add(w.patience); ; time.Sleep(10 * time.Millisecond) { // it has seen that the load balancer is ACTIVE
		_, _, text := w.calls()
		if strings.Contains(text, "/status") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the status is not read")
		}
	}
	if n := floatingIPs(w); n != 0 {
		t.Errorf("%d floating IPs are created without a lease", n)
	}
	bustest.Resume(t, options)
	if o := w.applied(k, d); o.LoadBalancer.ID != id || floatingIPs(w) != 1 {
		t.Errorf("outcome is %+v", o)
	}
}

// TestPlan: a dry run says what would be done, and does nothing.
func TestPlan(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	w.warm()
	bad := ingress("bad", "10.0.0.11")
	bad.Listeners[0].Routes[0].Path = "/a b"
	exposures := []events.Exposure{*ingress("web", "10.0.0.11"), *bad}
	for _, cloud := range []bool{false, true} {
		got, err := executor.Plan(t.Context(), w.cfg, exposures, cloud)
		if err != nil {
			t.Fatal(err)
		}
		if len(got[0].Steps) != 2 || !strings.Contains(got[0].Steps[0], "whole: 1 listeners, 2 pools, 2 members, 2 L7 policies") || len(got[0].Problems) != 0 {
			t.Errorf("cloud %v: %+v", cloud, got[0])
		}
		if len(got[1].Problems) != 1 || len(got[1].Steps) != 0 {
			t.Errorf("cloud %v: %+v", cloud, got[1])
		}
	}
	w.applied(key("web"), w.decide(key("web"), events.Approved, &exposures[0]))
	w.calls()
	got, err := executor.Plan(t.Context(), w.cfg, []events.Exposure{*ingress("web", "10.0.0.11", "10.0.0.12")}, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(got[0].Steps) != 2 || !strings.HasPrefix(got[0].Steps[0], "set members of pool") {
		t.Errorf("%+v", got[0])
	}
	if writes, _, text := w.calls(); writes != 0 {
		t.Errorf("a dry run writes:%s", text)
	}
}

// TestHistoryLost: on a new and empty bus, what stands is removed only by a
// decision that says so, not by one that waits for a person or by a policy that failed.
func TestHistoryLost(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	stop := w.run()
	k := key("web")
	o := w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
	stop()
	w.bus = bustest.Start(t)
	w.run()
	w.calls()
	none := func(rules ...string) func(*events.Decided) {
		return func(d *events.Decided) {
			d.Exposure, d.Rules = nil, rules
			*d = w.sign(k, *d)
		}
	}
	held := w.decide(k, events.Held, ingress("web", "10.0.0.12"), none())
	w.failed(k, held, "history does not know")
	w.failed(k, w.decide(k, events.Denied, ingress("web", "10.0.0.13"), none(events.RulePolicyFailed)), "history does not know")
	if s := w.standing(); len(s) != 1 || s[0].ID != o.LoadBalancer.ID || s[0].FloatingIP == "" {
		t.Errorf("there stand %+v, want %s untouched", s, o.LoadBalancer.ID)
	}
	if writes, _, text := w.calls(); writes != 0 {
		t.Errorf("writes:%s", text)
	}
	w.removed(k, w.decide(k, events.Denied, ingress("web", "10.0.0.14"), none("hosts")))
	if s := w.standing(); len(s) != 0 {
		t.Errorf("there stand %+v after a denial", s)
	}
}
