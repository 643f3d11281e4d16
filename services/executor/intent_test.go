package executor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/sandbox"
)

// TestDrain: a member that goes gets weight 0 first, and is removed after the
// delay; that is no drift, and has an outcome of its own. A restart meanwhile
// forgets nothing.
func TestDrain(t *testing.T) {
	for _, away := range []time.Duration{-1, 0, 6 * time.Second} {
		t.Run(fmt.Sprint("away for ", away), func(t *testing.T) {
			w := newWorld(t, sandbox.Config{})
			w.cfg.DrainDelay, w.cfg.DriftInterval = 5*time.Second, 500*time.Millisecond
			stop := w.run()
			k := key("web")
			w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11", "10.0.0.12")))
			d := w.decide(k, events.Approved, member("", "web", "10.0.0.11"))
			o := w.applied(k, d)
			if weights := w.weights(); len(weights) != 2 || !slices.Contains(weights, 0) || len(o.Steps) != 1 {
				t.Errorf("weights are %v after %q", weights, o.Steps)
			}
			if away >= 0 {
				stop()
				time.Sleep(away) // the cloud's clock is the wall's
				w.run()
			}
			o = w.await(k, d, "that the member is removed", func(events.Outcome) bool { return len(w.weights()) == 1 })
			o = w.await(k, d, "said", func(o events.Outcome) bool { return len(o.Steps) == 1 && strings.Contains(o.Steps[0], "1 are removed") })
			if r := w.last(events.StageDrift, k); r.Event.Payload != nil {
				t.Errorf("it is said to be drift: %+v", r.Event.Payload)
			}
			if o.State != events.Applied || o.Calls.Writes != 1 || len(o.Addresses) != 2 {
				t.Errorf("outcome is %+v", o)
			}
		})
	}
}

// TestAskedStaysSaid: that something an exposure names is not there is said for
// as long as it is so, also once members have drained.
func TestAskedStaysSaid(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.cfg.DrainDelay = time.Second
	w.run()
	k := key("web")
	w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11", "10.0.0.12")))
	e := member("", "web", "10.0.0.11")
	e.Flavor = "huge"
	d := w.decide(k, events.Approved, e)
	o := w.await(k, d, "that the member is removed", func(o events.Outcome) bool {
		return len(o.Steps) == 1 && strings.Contains(o.Steps[0], "1 are removed")
	})
	if o.State != events.Applied || !strings.Contains(strings.Join(o.Warnings, "; "), `no load balancer flavor "huge"`) {
		t.Errorf("outcome is %+v", o)
	}
}

// TestNamedIsNotThere: what is named and not there is refused before any write,
// with the annotation, the value and what there is.
func TestNamedIsNotThere(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	k := key("web")
	e := member("", "web", "10.0.0.11")
	e.Placement.AvailabilityZone = "nova"
	o := w.failed(k, w.decide(k, events.Approved, e), `no availability zone "nova" for load balancers, only az1: correct the exposure's placement.availabilityZone (annotation drawbridge.dev/availability-zone)`)
	if o.Calls.Writes != 0 {
		t.Errorf("outcome is %+v", o)
	}
	e.Placement.AvailabilityZone = "az1"
	w.applied(k, w.decide(k, events.Approved, e))
}

// weights are those of the members that stand.
func (w *world) weights() (out []int) {
	w.Helper()
	a := w.api()
	for _, p := range a.ids(lbaas+"/pools", "pools") {
		for _, m := range a.do("GET", lbaas+"/pools/"+p+"/members", nil)["members"].([]any) {
			out = append(out, int(m.(map[string]any)["weight"].(float64)))
		}
	}
	return out
}

// TestProtected: what is protected outlives its object, until somebody takes
// the protection away.
func TestProtected(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.cfg.DriftInterval = 200 * time.Millisecond
	w.run()
	k := key("web")
	e := member("", "web", "10.0.0.11")
	e.Protected = true
	w.applied(k, w.decide(k, events.Approved, e))
	d := w.decide(k, events.Approved, nil)
	if o := w.failed(k, d, "protected: "); o.Retry || !strings.Contains(o.Reason, "take the protection away") {
		t.Errorf("outcome is %+v", o)
	}
	w.stands(1)
	e.Protected = false
	w.applied(k, w.decide(k, events.Approved, e))
	w.removed(k, w.decide(k, events.Approved, nil))
	w.stands(0)
	e.Protected = true
	w.applied(k, w.decide(k, events.Approved, e))
	d = w.decide(k, events.Approved, nil)
	id := w.failed(k, d, "protected: ").LoadBalancer.ID
	a := w.api()
	var tags []string
	for _, tag := range a.do("GET", lbaas+"/loadbalancers/"+id, nil)["loadbalancer"].(map[string]any)["tags"].([]any) {
		if tag != loadbalancer.ProtectTag {
			tags = append(tags, tag.(string))
		}
	}
	a.do("PUT", lbaas+"/loadbalancers/"+id, map[string]any{"loadbalancer": map[string]any{"tags": tags}})
	w.removed(k, d)
	w.stands(0)
}

// TestKeepFloatingIP: a floating IP that is to be kept stands when its exposure
// is gone, and is nobody's.
func TestKeepFloatingIP(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	k := key("web")
	e := member("", "web", "10.0.0.11")
	e.FloatingIP.Keep = true
	first := w.applied(k, w.decide(k, events.Approved, e)).Addresses[0].IP
	w.removed(k, w.decide(k, events.Approved, nil))
	left := w.api().do("GET", "/network/v2.0/floatingips", nil)["floatingips"].([]any)
	if len(left) != 1 || left[0].(map[string]any)["floating_ip_address"] != first || left[0].(map[string]any)["port_id"] != nil {
		t.Fatalf("left: %+v", left)
	}
	e.FloatingIP = events.FloatingIP{Address: first}
	if o := w.applied(k, w.decide(k, events.Approved, e)); o.Addresses[0].IP != first {
		t.Errorf("outcome is %+v", o)
	}
	w.removed(k, w.decide(k, events.Approved, nil))
	if floatingIPs(w) != 1 {
		t.Error("a floating IP that was given is deleted")
	}
}

// TestReplace: what Octavia cannot change is said to need a new load balancer,
// and is built anew, with the same floating IP, where the exposure allows it.
func TestReplace(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	k := key("web")
	first := w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11")))
	e := member("", "web", "10.0.0.11")
	e.Placement.Subnet = "k8s-v4"
	o := w.applied(k, w.decide(k, events.Approved, e))
	if o.LoadBalancer.ID != first.LoadBalancer.ID || !slices.ContainsFunc(o.Warnings, func(s string) bool { return strings.HasPrefix(s, "needs recreate: subnet of the VIP") }) {
		t.Errorf("outcome is %+v", o)
	}
	e.Replace = true
	o = w.applied(k, w.decide(k, events.Approved, e))
	if o.LoadBalancer.ID == first.LoadBalancer.ID || o.Addresses[0] != first.Addresses[0] || o.Addresses[1] == first.Addresses[1] {
		t.Errorf("first %+v, then %+v", first, o)
	}
	w.stands(1)
	if floatingIPs(w) != 1 {
		t.Error("there is more than one floating IP")
	}
}

// TestGivenLoadBalancer: on a load balancer that another made only what is ours
// is touched, also after a restart that finds the exposure elsewhere already.
func TestGivenLoadBalancer(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	given, _ := w.oic("theirs", false)
	w.cfg.PollMin = 50 * time.Millisecond
	stop := w.run()
	k := key("web")
	on := func(port int) *events.Exposure {
		e := member("", "web", "10.0.0.11")
		e.Internal, e.Placement.LoadBalancer, e.Listeners[0].Port = true, given, port
		return e
	}
	w.failed(k, w.decide(k, events.Approved, on(80)), "is taken by listener")
	o := w.applied(k, w.decide(k, events.Approved, on(8080)))
	if o.LoadBalancer.ID != given {
		t.Errorf("outcome is %+v", o)
	}
	theirs := []string{"5f2b", "9c1d"}
	w.becomes(given, append(slices.Clone(theirs), "shop/web:80")...)
	w.stands(0)
	// It gets one of its own, and what it had is removed.
	own := member("", "web", "10.0.0.11")
	own.Internal = true
	o = w.applied(k, w.decide(k, events.Approved, own))
	w.becomes(given, theirs...)
	w.stands(1)
	// And back, with a restart before its own is removed.
	if err := w.cloud.Inject(sandbox.Fault{Method: "DELETE", PathPattern: "/loadbalancers/", Status: 503, Times: 1000}); err != nil {
		t.Fatal(err)
	}
	w.applied(k, w.decide(k, events.Approved, on(8080)))
	stop()
	w.cloud.ClearFaults()
	stop = w.run()
	w.stands(0)
	w.becomes(given, append(slices.Clone(theirs), "shop/web:80")...)
	// And the other way round.
	if err := w.cloud.Inject(sandbox.Fault{Method: "DELETE", PathPattern: "/(listeners|pools)/", Status: 503, Times: 1000}); err != nil {
		t.Fatal(err)
	}
	own.FloatingIP, own.Internal = events.FloatingIP{}, false
	o = w.applied(k, w.decide(k, events.Approved, own))
	stop()
	w.cloud.ClearFaults()
	w.run()
	w.becomes(given, theirs...)
	if floatingIPs(w) != 1 || len(o.Addresses) != 2 {
		t.Errorf("outcome is %+v", o)
	}
	w.removed(k, w.decide(k, events.Approved, nil))
	w.stands(0)
	w.becomes(given, theirs...)
}

// TestSecurityGroup: members' ports let the load balancer in, where that is
// configured; the rules follow the members, and go with the load balancer.
func TestSecurityGroup(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.cfg.ManageSecurityGroups = true
	w.run()
	k := key("web")
	ours := func() (n int) {
		for _, g := range w.api().do("GET", "/network/v2.0/security-groups", nil)["security_groups"].([]any) {
			if d, _ := g.(map[string]any)["description"].(string); strings.HasPrefix(d, "drawbridge.dev/fleet=test ") {
				n++
			}
		}
		return n
	}
	o := w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11")))
	if ours() != 1 {
		t.Errorf("%d security groups of ours stand after %q", ours(), o.Steps)
	}
	if o = w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11"))); o.Calls.Writes != 0 {
		t.Errorf("nothing changed, but %q", o.Steps)
	}
	w.removed(k, w.decide(k, events.Approved, nil))
	if ours() != 0 {
		t.Errorf("%d security groups of ours are left", ours())
	}
}

// TestTwoFamilies: the outcome has the address of each.
func TestTwoFamilies(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	k := key("web")
	e := member("", "web", "10.0.0.11")
	e.Internal = true
	e.Placement = events.Placement{Network: sandbox.NetworkName, Families: []string{"IPv4", "IPv6"}}
	w.failed(k, w.decide(k, events.Approved, e), "placement.families (annotation drawbridge.dev/ip-families) ask for IPv4, but the VIP's network has 2")
	e.Placement = events.Placement{Subnet: "k8s-v4", Families: []string{"IPv4", "IPv6"}}
	o := w.applied(k, w.decide(k, events.Approved, e))
	if len(o.Addresses) != 2 || strings.Contains(o.Addresses[0].IP, ":") || !strings.Contains(o.Addresses[1].IP, ":") {
		t.Errorf("addresses are %+v", o.Addresses)
	}
}
