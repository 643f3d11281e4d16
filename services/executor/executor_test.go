package executor_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/sandbox"
)

// TestBudget counts what a change costs at the cloud.
func TestBudget(t *testing.T) {
	w := newWorld(t, sandbox.Config{Pending: 100 * time.Millisecond})
	w.run()
	w.warm()
	k := key("web")
	budget := func(what string, maxWrites, maxReads int, o events.Outcome) {
		t.Helper()
		writes, reads, text := w.calls()
		t.Logf("%s: %d writes, %d reads, %d polls", what, writes, reads, o.Calls.Polls)
		if writes > maxWrites || reads > maxReads {
			t.Errorf("%s: %d writes, %d reads; at most %d and %d are allowed:%s", what, writes, reads, maxWrites, maxReads, text)
		}
		if o.Calls.Writes != writes || o.Calls.Reads != reads {
			t.Errorf("%s: the outcome counts %+v, the cloud %d writes and %d reads:%s", what, o.Calls, writes, reads, text)
		}
	}
	o := w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11", "10.0.0.12")))
	budget("expose", 2, 6, o)
	if len(o.Addresses) != 2 || o.Addresses[0].Type != "floating" || o.Addresses[1].Type != "vip" || o.LoadBalancer == nil {
		t.Errorf("outcome is %+v", o)
	}
	if len(o.Steps) != 2 {
		t.Errorf("steps are %q", o.Steps)
	}
	o = w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11", "10.0.0.12")))
	budget("nothing changed", 0, 1, o)
	o = w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11", "10.0.0.12", "10.0.0.13")))
	budget("a node more", 2, 2, o)
	o = w.removed(k, w.decide(k, events.Approved, nil))
	budget("delete", 2, 1, o)
	if s := w.standing(); len(s) != 0 {
		t.Errorf("left: %+v", s)
	}
	w.calls()
	gone := key("never")
	o = w.removed(gone, w.decide(gone, events.Denied, nil))
	budget("nothing stands and nothing may", 0, 0, o)
}

// TestLostAnswers: an answer that is lost after the work was done leads to no
// second load balancer and no second floating IP.
func TestLostAnswers(t *testing.T) {
	for _, path := range []string{"/loadbalancers$", "/floatingips$"} {
		t.Run(path, func(t *testing.T) {
			w := newWorld(t, sandbox.Config{})
			if err := w.cloud.Inject(sandbox.Fault{Method: "POST", PathPattern: path, DropAnswer: true, Times: 1}); err != nil {
				t.Fatal(err)
			}
			w.run()
			k := key("web")
			w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
			if s := w.standing(); len(s) != 1 || s[0].FloatingIP == "" || s[0].Key != k.String() {
				t.Errorf("stands: %+v", s)
			}
			if n := floatingIPs(w); n != 1 {
				t.Errorf("%d floating IPs stand", n)
			}
		})
	}
}

// TestRestart: who starts anew finds what stands, and writes nothing.
func TestRestart(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	stop := w.run()
	k := key("web")
	d := w.decide(k, events.Approved, ingress("web", "10.0.0.11"))
	w.applied(k, d)
	stop()
	w.calls()
	w.run()
	next := key("next")
	w.removed(next, w.decide(next, events.Denied, nil)) // it has worked
	if writes, _, text := w.calls(); writes != 0 {
		t.Errorf("a restart writes:%s", text)
	}
	o := w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11", "10.0.0.12")))
	if writes, reads, text := w.calls(); writes != 2 || o.Calls.Writes != 2 {
		t.Errorf("%d writes, %d reads:%s", writes, reads, text)
	}
}

// TestStepwise builds everything in many requests where the cloud cannot create
// whole, and notices by itself that it cannot.
func TestStepwise(t *testing.T) {
	w := newWorld(t, sandbox.Config{WholeCreateBroken: true})
	stop := w.run()
	k := key("web")
	o := w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
	t.Logf("%d steps, calls %+v", len(o.Steps), o.Calls)
	if s := w.standing(); len(s) != 1 {
		t.Errorf("stands: %+v", s)
	}
	// It is remembered, also by the next process.
	stop()
	w.run()
	w.calls()
	second := key("second")
	o = w.applied(second, w.decide(second, events.Approved, ingress("second", "10.0.0.11")))
	if o.Steps[0] != `create load balancer "drawbridge_c1_shop_second"` {
		t.Errorf("steps are %q", o.Steps)
	}
	o = w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
	if o.Calls.Writes != 0 {
		t.Errorf("what was built stepwise is not what is wished: %q", o.Steps)
	}
}

// TestRefused: what is not validly decided costs no call.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*events.Decided)
		reason string
	}{
		{"unsigned", func(d *events.Decided) { d.Signature = events.Signature{} }, "not in trusted-keys"},
		{"changed after it was signed", func(d *events.Decided) { d.Exposure = ingress("web", "10.9.9.9") }, "was changed after it was signed"},
		{"another signature", func(d *events.Decided) { d.Signature.Value = "AAAA" }, "does not fit its digest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, sandbox.Config{})
			w.run()
			w.warm()
			k := key("web")
			o := w.failed(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11"), tt.change), tt.reason)
			if writes, _, text := w.calls(); writes != 0 || o.Retry {
				t.Errorf("retry %v, calls:%s", o.Retry, text)
			}
		})
	}
}

// TestHandsOff: a wish that is denied or held leaves what stands untouched,
// unless nothing may stand.
func TestHandsOff(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	k := key("web")
	w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
	w.calls()
	w.decide(k, events.Denied, ingress("web", "10.0.0.77"))
	w.decide(k, events.Held, ingress("web", "10.0.0.78"))
	other := key("other")
	w.removed(other, w.decide(other, events.Approved, nil))
	if writes, reads, text := w.calls(); writes+reads != 0 {
		t.Errorf("a denial costs%s", text)
	}
	w.removed(k, w.decide(k, events.Denied, nil))
	if s := w.standing(); len(s) != 0 {
		t.Errorf("left: %+v", s)
	}
}

// TestFailures: each says what to do, and leaves others alone.
func TestFailures(t *testing.T) {
	t.Run("quota", func(t *testing.T) {
		w := newWorld(t, sandbox.Config{Quota: map[string]int{"load_balancer": 1}})
		w.run()
		first, second := key("first"), key("second")
		w.applied(first, w.decide(first, events.Approved, ingress("first", "10.0.0.11")))
		d := w.decide(second, events.Approved, ingress("second", "10.0.0.11"))
		if o := w.failed(second, d, "raise the quota"); !o.Retry || o.LoadBalancer != nil {
			t.Errorf("outcome is %+v", o)
		}
		w.removed(first, w.decide(first, events.Approved, nil))
		w.applied(second, d)
	})
	t.Run("refused by the cloud", func(t *testing.T) {
		w := newWorld(t, sandbox.Config{})
		if err := w.cloud.Inject(sandbox.Fault{Method: "POST", PathPattern: "/loadbalancers$", Status: 400,
			Body: `{"faultcode": "Client", "faultstring": "Validation failure: nonsense", "debuginfo": null}`}); err != nil {
			t.Fatal(err)
		}
		w.run()
		k := key("web")
		if o := w.failed(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")), "400: Validation failure: nonsense"); o.Retry {
			t.Errorf("outcome is %+v", o)
		}
	})
	t.Run("cannot be served", func(t *testing.T) {
		w := newWorld(t, sandbox.Config{APIVersion: "2.11"})
		w.run()
		e := ingress("web", "10.0.0.11")
		e.Listeners[0].AllowedSources = []string{"10.0.0.0/8"}
		if o := w.failed(e.Key, w.decide(e.Key, events.Approved, e), "no support for allowed_cidrs"); o.Retry {
			t.Errorf("outcome is %+v", o)
		}
	})
	t.Run("passing", func(t *testing.T) {
		w := newWorld(t, sandbox.Config{})
		if err := w.cloud.Inject(sandbox.Fault{Method: "POST", PathPattern: "/loadbalancers$", Status: 503, Times: 2}); err != nil {
			t.Fatal(err)
		}
		w.run()
		k := key("web")
		if o := w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11"))); o.Calls.Writes != 4 {
			t.Errorf("outcome is %+v", o)
		}
	})
	t.Run("expired token", func(t *testing.T) {
		w := newWorld(t, sandbox.Config{})
		w.run()
		w.cloud.RevokeTokens()
		k := key("web")
		w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
	})
}

// TestError: a load balancer in ERROR is not replaced once it has served, and
// is served again when an operator has mended it.
func TestError(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	k := key("web")
	o := w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
	if err := w.cloud.SetStatus("loadbalancer", o.LoadBalancer.ID, "ERROR"); err != nil {
		t.Fatal(err)
	}
	d := w.decide(k, events.Approved, ingress("web", "10.0.0.11", "10.0.0.12"))
	f := w.failed(k, d, "openstack loadbalancer failover "+o.LoadBalancer.ID)
	if f.LoadBalancer == nil || f.LoadBalancer.ID != o.LoadBalancer.ID || len(f.Addresses) != 2 || !f.Retry {
		t.Errorf("outcome is %+v", f)
	}
	if err := w.cloud.SetStatus("loadbalancer", o.LoadBalancer.ID, "ACTIVE"); err != nil {
		t.Fatal(err)
	}
	w.applied(k, d)
}

// TestCreationFails: what never served is removed and built again.
func TestCreationFails(t *testing.T) {
	w := newWorld(t, sandbox.Config{Pending: time.Hour})
	w.run()
	k := key("web")
	d := w.decide(k, events.Approved, ingress("web", "10.0.0.11"))
	var id string
	for deadline := time.Now().Add(patience); id == "" && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if s := w.standing(); len(s) == 1 {
			id = s[0].ID
		}
	}
	w.cloud.SetPending(0)
	if err := w.cloud.SetStatus("loadbalancer", id, "ERROR"); err != nil {
		t.Fatal(err)
	}
	if o := w.applied(k, d); o.LoadBalancer.ID == id {
		t.Errorf("the broken one serves: %+v", o)
	}
	if s := w.standing(); len(s) != 1 {
		t.Errorf("stands: %+v", s)
	}
}

// TestTakeover: a standby goes on where the first stopped.
func TestTakeover(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	stop := w.run()
	k := key("web")
	first := w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
	w.run()
	stop()
	second := w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.12")))
	if second.Lease <= first.Lease || second.LoadBalancer.ID != first.LoadBalancer.ID {
		t.Errorf("first %+v, second %+v", first, second)
	}
}

// TestTogether: twenty wait for the cloud beside each other. It is asked for all
// of them before it has done one, and a poll asks for all that are in flight.
func TestTogether(t *testing.T) {
	const together = 20
	w := quietWorld(t, sandbox.Config{Pending: time.Hour})
	w.run()
	for i := range together {
		e := ingress(fmt.Sprintf("web-%d", i), "10.0.0.11")
		w.decide(e.Key, events.Approved, e)
	}
	creates, singles := 0, 0
	for deadline := time.Now().Add(w.patience); creates < together && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		creates, singles = 0, 0
		for _, c := range w.cloud.Calls() {
			switch {
			case c.Method == http.MethodPost && strings.HasSuffix(c.Path, "/loadbalancers"):
				creates++
			case c.Method == http.MethodGet && strings.Contains(c.Path, "/loadbalancers/"):
				singles++
			}
		}
	}
	if creates != together || singles != 0 {
		t.Errorf("%d load balancers are asked for while none is done, want %d; %d reads of a single one, want 0", creates, together, singles)
	}
}
