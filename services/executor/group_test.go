package executor_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/internal/bus/bustest"
	"drawbridge.dev/services/sandbox"
)

// member of a group: one host, one path, one backend of its own.
func member(group, name string, nodes ...string) *events.Exposure {
	e := &events.Exposure{Key: key(name), UID: "u", Cloud: "default", Group: group}
	backend := events.Backend{Name: "shop/" + name + ":80", Protocol: events.HTTP}
	for _, n := range nodes {
		backend.Members = append(backend.Members, events.Member{Name: "node-" + n, Address: n, Port: 30080})
	}
	e.Backends = []events.Backend{backend}
	e.Listeners = []events.Listener{{Protocol: events.HTTP, Port: 80, Routes: []events.Route{
		{Host: name + ".example.org", Path: "/", PathType: events.PathPrefix, Backend: backend.Name}}}}
	return e
}

// pools are the names of those that stand on a load balancer.
func (w *world) pools(lb string) (names []string) {
	w.Helper()
	for _, x := range w.api().do("GET", lbaas+"/pools?loadbalancer_id="+lb, nil)["pools"].([]any) {
		names = append(names, x.(map[string]any)["name"].(string))
	}
	slices.Sort(names)
	return names
}

// becomes waits until the pools of a load balancer are such.
func (w *world) becomes(lb string, want ...string) {
	w.Helper()
	var have []string
	for deadline := time.Now().Add(w.patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if have = w.pools(lb); slices.Equal(have, want) {
			return
		}
	}
	w.Fatalf("pools of %s are %q, want %q", lb, have, want)
}

// stands waits until so many load balancers of the fleet stand.
func (w *world) stands(n int) []executor.Standing {
	w.Helper()
	var s []executor.Standing
	for deadline := time.Now().Add(w.patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if s = w.standing(); len(s) == n {
			return s
		}
	}
	w.Fatalf("there stand %+v, want %d", s, n)
	return nil
}

// TestGroup: exposures of a group share a load balancer and a floating IP; each
// comes and goes without the others, and the last one out removes it.
func TestGroup(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	a, b, c := key("a"), key("b"), key("c")
	first := w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11")))
	db := w.decide(b, events.Approved, member("one", "b", "10.0.0.12"))
	second := w.applied(b, db)
	if first.LoadBalancer.ID != second.LoadBalancer.ID || first.Addresses[0] != second.Addresses[0] || second.LoadBalancer.Name != "drawbridge_group_one" {
		t.Errorf("first %+v %+v, second %+v %+v", first.LoadBalancer, first.Addresses, second.LoadBalancer, second.Addresses)
	}
	lb := first.LoadBalancer.ID
	w.becomes(lb, "shop/a:80", "shop/b:80")
	w.applied(c, w.decide(c, events.Approved, member("", "c", "10.0.0.13")))
	w.stands(2)
	w.calls()
	o := w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.12", "10.0.0.13")))
	if writes, _, text := w.calls(); writes != 1 || o.Calls.Writes != 1 {
		t.Errorf("a node more for one of the group costs%s", text)
	}
	o = w.removed(a, w.decide(a, events.Approved, nil))
	if len(o.Steps) == 0 || o.Calls.Writes == 0 {
		t.Errorf("what was removed is not said: %+v", o)
	}
	w.becomes(lb, "shop/b:80")
	w.removed(b, w.decide(b, events.Approved, nil))
	if s := w.standing(); len(s) != 1 || floatingIPs(w) != 1 {
		t.Errorf("left: %+v", s)
	}
}

// TestGroupTogether: a group of many that come together is created whole, once,
// and each has its outcome.
func TestGroupTogether(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	decided := map[events.Key]events.Decided{}
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		decided[key(n)] = w.decide(key(n), events.Approved, member("one", n, "10.0.0.11"))
	}
	w.run()
	writes, leads := 0, 0
	for k, d := range decided {
		o := w.applied(k, d)
		writes += o.Calls.Writes
		if o.Calls.Writes > 0 {
			leads++
		} else if len(o.Steps) != 1 || !strings.HasPrefix(o.Steps[0], "done in one with ") {
			t.Errorf("%s: steps are %q", k, o.Steps)
		}
	}
	if writes != 2 || leads != 1 {
		t.Errorf("%d writes for %d of them; want the load balancer and the floating IP, for one", writes, leads)
	}
}

// TestGroupMove: an exposure that leaves a group, or comes to one, is built where
// it goes before it is removed where it was, and others are not touched.
func TestGroupMove(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	a, b := key("a"), key("b")
	group := w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11")))
	w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.12")))
	other := w.last(events.StageOutcome, b)
	alone := w.applied(a, w.decide(a, events.Approved, member("", "a", "10.0.0.11")))
	if alone.LoadBalancer.ID == group.LoadBalancer.ID {
		t.Errorf("it has not moved: %+v", alone)
	}
	w.becomes(group.LoadBalancer.ID, "shop/b:80")
	w.stands(2)
	back := w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11")))
	if back.LoadBalancer.ID != group.LoadBalancer.ID {
		t.Errorf("it is not back: %+v", back)
	}
	w.stands(1)
	w.becomes(group.LoadBalancer.ID, "shop/a:80", "shop/b:80")
	if now := w.last(events.StageOutcome, b); now.Sequence != other.Sequence {
		t.Errorf("who did not move has another outcome: %+v", now.Event.Payload)
	}
	w.applied(a, w.decide(a, events.Approved, member("two", "a", "10.0.0.11")))
	w.removed(b, w.decide(b, events.Approved, nil))
	if s := w.stands(1); s[0].Name != "drawbridge_group_two" {
		t.Errorf("there stands %+v", s)
	}
}

// TestGroupMoveInterrupted: who begins anew removes what an exposure has left,
// though its decision names only where it is.
func TestGroupMoveInterrupted(t *testing.T) {
	for _, from := range []string{"one", ""} {
		t.Run("from "+from, func(t *testing.T) {
			w := newWorld(t, sandbox.Config{})
			stop := w.run()
			a, b := key("a"), key("b")
			was := w.applied(a, w.decide(a, events.Approved, member(from, "a", "10.0.0.11")))
			w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.12")))
			for _, method := range []string{http.MethodPut, http.MethodDelete} {
				if err := w.cloud.Inject(sandbox.Fault{Method: method, PathPattern: "/(l7policies|pools|listeners|loadbalancers|floatingips)/", Status: 503, Times: 1000}); err != nil {
					t.Fatal(err)
				}
			}
			w.applied(a, w.decide(a, events.Approved, member("two", "a", "10.0.0.11")))
			stop()
			w.cloud.ClearFaults()
			w.run()
			if from == "" {
				w.stands(2)
				return
			}
			w.becomes(was.LoadBalancer.ID, "shop/b:80")
		})
	}
}

// TestGroupHandsOff: what is denied or not decided stays as it is, and the
// others of the group move on around it.
func TestGroupHandsOff(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	stop := w.run()
	a, b, c := key("a"), key("b"), key("c")
	lb := w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11"))).LoadBalancer.ID
	w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.12")))
	w.decide(a, events.Denied, member("one", "a", "10.0.0.11"))
	w.decide(c, events.Held, member("one", "c", "10.0.0.14")) // nothing of it ever stood
	w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.13")))
	w.becomes(lb, "shop/a:80", "shop/b:80")
	stop()
	w.run()
	w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.12")))
	w.becomes(lb, "shop/a:80", "shop/b:80")
	w.removed(b, w.decide(b, events.Approved, nil))
	w.becomes(lb, "shop/a:80")
	w.removed(a, w.decide(a, events.Denied, nil))
	w.stands(0)
}

// TestGroupHistoryLost: parts of which history knows nothing are not removed
// because nothing is heard of them.
func TestGroupHistoryLost(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	stop := w.run()
	a, b := key("a"), key("b")
	lb := w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11"))).LoadBalancer.ID
	w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.12")))
	stop()
	w.bus = bustest.Start(t)
	w.run()
	w.calls()
	d := w.decide(b, events.Approved, member("one", "b", "10.0.0.13"))
	if o := w.failed(b, d, "history knows nothing"); !o.Retry || !strings.Contains(o.Reason, a.String()) {
		t.Errorf("outcome is %+v", o)
	}
	if writes, _, text := w.calls(); writes != 0 {
		t.Errorf("it is written:%s", text)
	}
	w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11")))
	w.applied(b, d)
	w.becomes(lb, "shop/a:80", "shop/b:80")
}

// TestGroupRefused: of several that come together, one that the cloud refuses
// does not hold the others up, and keeps what it had.
func TestGroupRefused(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	a, b, c := key("a"), key("b"), key("c")
	lb := w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11"))).LoadBalancer.ID
	w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.12")))
	bad := member("one", "a", "10.0.0.11")
	bad.Listeners[0].Routes[0].Path = "/a b"
	da := w.decide(a, events.Approved, bad)
	w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.13")))
	w.applied(c, w.decide(c, events.Approved, member("one", "c", "10.0.0.14")))
	if o := w.failed(a, da, "cannot be served"); o.Retry || o.LoadBalancer == nil {
		t.Errorf("outcome is %+v", o)
	}
	w.becomes(lb, "shop/a:80", "shop/b:80", "shop/c:80")
}

// TestGroupForged: a decision that is not valid neither removes nor changes a
// part, nor does it hold up the others while what was applied is known.
func TestGroupForged(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	a, b := key("a"), key("b")
	lb := w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11"))).LoadBalancer.ID
	w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.12")))
	d := w.decide(a, events.Approved, nil, func(d *events.Decided) { d.Signature = events.Signature{} })
	w.failed(a, d, "not in trusted-keys")
	w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.13")))
	w.becomes(lb, "shop/a:80", "shop/b:80")
}

// TestGroupDrift: what another changed below a group's load balancer is said
// and repaired.
func TestGroupDrift(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.cfg.DriftInterval = 200 * time.Millisecond
	stop := w.run()
	a, b := key("a"), key("b")
	da := w.decide(a, events.Approved, member("one", "a", "10.0.0.11"))
	lb := w.applied(a, da).LoadBalancer.ID
	db := w.decide(b, events.Approved, member("one", "b", "10.0.0.12"))
	w.applied(b, db)
	x := w.api()
	stop() // it looks when all is damaged, not in between
	for _, p := range x.ids(lbaas+"/pools?loadbalancer_id="+lb, "pools") {
		x.do("PUT", lbaas+"/pools/"+p+"/members", map[string]any{"members": []any{}})
	}
	w.run()
	repaired := func(o events.Outcome) bool {
		return o.State == events.Applied && slices.ContainsFunc(o.Steps, func(s string) bool { return strings.HasPrefix(s, "set members") })
	}
	for deadline := time.Now().Add(w.patience); ; time.Sleep(10 * time.Millisecond) {
		oa, _ := w.last(events.StageOutcome, a).Event.Payload.(events.Outcome)
		ob, _ := w.last(events.StageOutcome, b).Event.Payload.(events.Outcome)
		if repaired(oa) && len(oa.Steps) == 2 || repaired(ob) && len(ob.Steps) == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not repaired: %+v, %+v", oa, ob)
		}
	}
	if s := w.standing(); len(s) != 1 || s[0].Key != "group one" {
		t.Errorf("there stands %+v", s)
	}
}

// TestGroupOf200: 200 exposures are one load balancer, made in one request; a
// change of one costs one write, and leaves the others' outcomes alone.
func TestGroupOf200(t *testing.T) {
	const size = 200
	w := newWorld(t, sandbox.Config{})
	decided := map[events.Key]events.Decided{}
	for i := range size {
		e := member("all", fmt.Sprintf("m%03d", i), "10.0.0.11")
		decided[e.Key] = w.decide(e.Key, events.Approved, e)
	}
	w.run()
	writes := 0
	for k, d := range decided {
		writes += w.applied(k, d).Calls.Writes
	}
	if s := w.standing(); len(s) != 1 || writes != 2 {
		t.Errorf("%d writes, and there stand %+v", writes, s)
	}
	begin := time.Now()
	w.calls()
	o := w.applied(key("m100"), w.decide(key("m100"), events.Approved, member("all", "m100", "10.0.0.12")))
	if n, _, text := w.calls(); n != 1 || o.Calls.Writes != 1 {
		t.Errorf("a node of one costs%s", text)
	}
	t.Logf("a change of one of %d takes %s", size, time.Since(begin))
	w.removed(key("m100"), w.decide(key("m100"), events.Approved, nil))
	if n := len(w.pools(w.standing()[0].ID)); n != size-1 {
		t.Errorf("%d pools are left", n)
	}
}
