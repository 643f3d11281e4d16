package executor_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
)

// labWorld is a world on the real Octavia of e2e/lab; without it the test is skipped.
// Everything that the test makes carries a fleet of its own.
func labWorld(t *testing.T) *world {
	t.Helper()
	file, cloud := os.Getenv("DRAWBRIDGE_LAB_CLOUDS"), os.Getenv("DRAWBRIDGE_LAB_CLOUD")
	if file == "" || cloud == "" {
		t.Skip("DRAWBRIDGE_LAB_CLOUDS and DRAWBRIDGE_LAB_CLOUD name no real cloud (e2e/lab/up does)")
	}
	w := bareWorld(t)
	w.cfg.CloudsFile, w.cfg.OpenStackCloud = file, cloud
	w.cfg.Fleet = fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano())
	w.cfg.PollMin = 200 * time.Millisecond
	w.cfg.LeaseTTL = 15 * time.Second
	w.patience = 8 * time.Minute
	t.Cleanup(w.sweep)
	return w
}

// sweep removes what a test that failed left in the cloud.
func (w *world) sweep() {
	ctx := context.Background()
	client, err := octavia.Connect(ctx, octavia.Config{Cloud: w.cfg.OpenStackCloud, CloudsFile: w.cfg.CloudsFile})
	if err != nil {
		w.Fatal(err)
	}
	floating, err := client.AllFloatingIPs(ctx, w.cfg.Fleet)
	if err != nil {
		w.Error(err)
	}
	for _, list := range floating {
		for _, f := range list {
			if _, err := client.Apply(ctx, plan.DeleteFloatingIP{ID: f.ID, Address: f.Address}); err != nil {
				w.Error(err)
			}
		}
	}
	for deadline := time.Now().Add(w.patience); time.Now().Before(deadline); time.Sleep(time.Second) {
		left, err := client.Summaries(ctx, w.cfg.Fleet)
		if err == nil && len(left) == 0 {
			return
		}
		for _, lb := range left {
			if !lb.Status.Pending() {
				_, _ = client.Apply(ctx, plan.DeleteLoadBalancer{ID: lb.ID, Name: lb.Name, Why: "the test is over"})
			}
		}
	}
	w.Error("load balancers of the test are left in the cloud")
}

// labIngress is an ingress on the lab's k8s-net.
func labIngress(name string, nodes int) *events.Exposure {
	var addresses []string
	for i := range nodes {
		addresses = append(addresses, fmt.Sprintf("10.20.0.%d", 200+i))
	}
	return ingress(name, addresses...)
}

// TestLab goes through the life of an exposure on the real Octavia.
func TestLab(t *testing.T) {
	for _, create := range []string{executor.CreateAuto, executor.CreateStepwise} {
		t.Run(create, func(t *testing.T) {
			w := labWorld(t)
			w.cfg.Create = create
			stop := w.run()
			k := key("web")
			say := func(what string, begin time.Time, o events.Outcome) {
				t.Logf("%s: %.1f s, %+v, %d steps, warnings %q", what, time.Since(begin).Seconds(), o.Calls, len(o.Steps), o.Warnings)
			}
			begin := time.Now()
			e := labIngress("web", 2)
			o := w.applied(k, w.decide(k, events.Approved, e))
			say("expose", begin, o)
			if create == executor.CreateAuto && (o.Calls.Writes != 2 || o.Calls.Reads > 6) || len(o.Addresses) != 2 || o.LoadBalancer.Topology != "ACTIVE_STANDBY" {
				t.Errorf("outcome is %+v %+v", o, o.LoadBalancer)
			}
			begin = time.Now()
			if o = w.applied(k, w.decide(k, events.Approved, labIngress("web", 2))); o.Calls.Writes != 0 {
				t.Errorf("nothing changed, but %q", o.Steps)
			}
			say("nothing changed", begin, o)
			begin = time.Now()
			if o = w.applied(k, w.decide(k, events.Approved, labIngress("web", 3))); o.Calls.Writes != 2 {
				t.Errorf("a node more, but %q", o.Steps)
			}
			say("a node more", begin, o)
			// A new process reads everything anew: what it reads is what was wished.
			stop()
			w.run()
			begin = time.Now()
			if o = w.applied(k, w.decide(k, events.Approved, labIngress("web", 3))); o.Calls.Writes != 0 {
				t.Errorf("a restart repairs %q", o.Steps)
			}
			say("after a restart", begin, o)
			changed := labIngress("web", 3)
			l := &changed.Listeners[0]
			l.AllowedSources = []string{"10.0.0.0/8"}
			l.Routes = append(l.Routes[1:], events.Route{Host: "a.example.org", Path: "/a&b", PathType: events.PathExact, Backend: "shop/api:80"})
			changed.Backends[1].Monitor = &events.Monitor{Type: "HTTP", Delay: 7, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3, Path: "/healthz"}
			begin = time.Now()
			o = w.applied(k, w.decide(k, events.Approved, changed))
			say("other paths, sources and monitor", begin, o)
			t.Logf("%s", strings.Join(o.Steps, "\n"))
			begin = time.Now()
			o = w.removed(k, w.decide(k, events.Approved, nil))
			say("delete", begin, o)
			if s := w.standing(); len(s) != 0 || o.Calls.Writes != 2 {
				t.Errorf("left: %+v; %+v", s, o)
			}
		})
	}
}

// TestLabTogether exposes eight at once on the real Octavia.
func TestLabTogether(t *testing.T) {
	w := labWorld(t)
	w.run()
	begin := time.Now()
	decisions := map[events.Key]events.Decided{}
	for i := range 8 {
		e := labIngress(fmt.Sprintf("web-%d", i), 2)
		decisions[e.Key] = w.decide(e.Key, events.Approved, e)
	}
	var calls []int
	for k, d := range decisions {
		o := w.applied(k, d)
		calls = append(calls, o.Calls.Writes)
	}
	t.Logf("eight together: %.1f s, writes %v", time.Since(begin).Seconds(), calls)
	if slices.Max(calls) != 2 {
		t.Errorf("writes are %v", calls)
	}
	for k := range decisions {
		decisions[k] = w.decide(k, events.Approved, nil)
	}
	for k, d := range decisions {
		w.removed(k, d)
	}
	if s := w.standing(); len(s) != 0 {
		t.Errorf("left: %+v", s)
	}
}

// TestLabGroup shares a load balancer between two on the real Octavia; one of
// them moves to a load balancer of its own, and the last one out removes it.
func TestLabGroup(t *testing.T) {
	w := labWorld(t)
	w.cfg.VIPSubnet, w.cfg.Flavor = "k8s-v4", os.Getenv("DRAWBRIDGE_LAB_FLAVOR_SINGLE_ID")
	stop := w.run()
	a, b := key("a"), key("b")
	begin := time.Now()
	say := func(what string, o events.Outcome) {
		t.Logf("%s: %.1f s, %+v, %q", what, time.Since(begin).Seconds(), o.Calls, o.Steps)
		begin = time.Now()
	}
	first := w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.20.0.200")))
	say("the first", first)
	second := w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.20.0.201")))
	say("the second", second)
	if first.LoadBalancer.ID != second.LoadBalancer.ID || first.Addresses[0] != second.Addresses[0] {
		t.Errorf("first %+v, second %+v", first, second)
	}
	moved := w.applied(a, w.decide(a, events.Approved, member("", "a", "10.20.0.200")))
	say("the first moves away", moved)
	stop()
	w.run()
	o := w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.20.0.202")))
	say("the second changes, after a restart", o)
	for deadline := time.Now().Add(w.patience); ; time.Sleep(time.Second) {
		left, err := executor.Plan(t.Context(), w.cfg, []events.Exposure{*member("one", "b", "10.20.0.202"), *member("", "a", "10.20.0.200")}, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(left[0].Steps)+len(left[0].Problems)+len(left[0].Warnings)+len(left[1].Steps) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("what it left is not removed: %+v", left)
		}
	}
	say("what the first left is removed", o)
	say("the second goes", w.removed(b, w.decide(b, events.Approved, nil)))
	say("the first goes", w.removed(a, w.decide(a, events.Approved, nil)))
	if s := w.standing(); len(s) != 0 {
		t.Errorf("left: %+v", s)
	}
}
