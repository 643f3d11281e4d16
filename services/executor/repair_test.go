package executor_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/sandbox"
)

// member is the address of one below what stands, and its id.
func (a api) member() (path, id string) {
	a.Helper()
	path = lbaas + "/pools/" + a.ids(lbaas+"/pools", "pools")[0] + "/members"
	return path, a.ids(path, "members")[0]
}

// reads waits for so many reads of a path since the last count.
func (w *world) reads(path string, times int) {
	w.Helper()
	for deadline := time.Now().Add(w.patience); ; time.Sleep(10 * time.Millisecond) {
		n := 0
		for _, c := range w.cloud.Calls() {
			if c.Method == http.MethodGet && c.Path == path {
				n++
			}
		}
		if n >= times {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("%s is read %d times, want %d", path, n, times)
		}
	}
}

func (w *world) last(s events.Stage, k events.Key) bus.Record {
	w.Helper()
	r, _, err := w.bus.Last(w.Context(), s, "default", k)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// TestTornRead: a change that another begins while everything is read is not
// taken for one that got stuck. It is waited for, said, and repaired.
func TestTornRead(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.cfg.DriftInterval = 100 * time.Millisecond
	w.run()
	k := key("web")
	d := w.decide(k, events.Approved, ingress("web", "10.0.0.11", "10.0.0.12"))
	w.applied(k, d)
	applied := w.last(events.StageOutcome, k)
	a := w.api()
	path, id := a.member()
	w.calls()
	// What is read of the load balancer is ACTIVE, and of the member no more.
	if err := w.cloud.SetStatus("member", id, "PENDING_DELETE"); err != nil {
		t.Fatal(err)
	}
	w.reads(path, 1)
	a.do("DELETE", path+"/"+id, nil)
	w.await(k, d, "a repair", func(o events.Outcome) bool { return o.State == events.Applied && o.Calls.Writes == 1 })
	drift, repair := w.last(events.StageDrift, k), w.last(events.StageOutcome, k)
	if drift.Sequence != applied.Sequence+1 || repair.Sequence != drift.Sequence+1 || repair.Event.Cause != drift.Event.ID {
		t.Errorf("outcome %d, drift %d, repair %d caused by %s; want one after the other, and nothing between them", applied.Sequence, drift.Sequence, repair.Sequence, repair.Event.Cause)
	}
}

// TestStuckObserved: what got stuck is said, and when it is free again what
// differs is drift, which is left where it is only to be observed.
func TestStuckObserved(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.cfg.DriftInterval, w.cfg.Drift = 100*time.Millisecond, executor.DriftObserve
	w.run()
	k := key("web")
	d := w.decide(k, events.Approved, ingress("web", "10.0.0.11", "10.0.0.12"))
	w.applied(k, d)
	a := w.api()
	path, id := a.member()
	if err := w.cloud.SetStatus("member", id, "PENDING_UPDATE"); err != nil {
		t.Fatal(err)
	}
	if o := w.failed(k, d, "stays pending"); !o.Retry {
		t.Errorf("it is not tried again: %+v", o)
	}
	w.calls()
	a.do("DELETE", path+"/"+id, nil)
	w.applied(k, d)
	if said, ok := w.last(events.StageDrift, k).Event.Payload.(events.Drift); !ok || said.Repair || !strings.Contains(strings.Join(said.Steps, " "), "set members") {
		t.Errorf("of what differs is said %+v", said)
	}
	for _, c := range w.cloud.Calls() {
		if c.Write() && c.Method != http.MethodDelete {
			t.Errorf("it is repaired: %s %s", c.Method, c.Path)
		}
	}
}

// TestRepairIsAnswered: whoever repairs a drift, or finds that it was repaired
// by one that ended before it said so, puts the outcome on record.
func TestRepairIsAnswered(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	stop := w.run()
	k := key("web")
	d := w.decide(k, events.Approved, ingress("web", "10.0.0.11"))
	o := w.applied(k, d)
	stop()
	decided := w.last(events.StageDecided, k).Event
	said := events.New("/executor/default", "default", k, events.Drift{Decision: d.Digest, Repair: true, Steps: []string{"set members of pool"},
		LoadBalancer: o.LoadBalancer}, "", &decided, time.Now())
	if _, err := w.bus.Publish(t.Context(), said); err != nil {
		t.Fatal(err)
	}
	w.calls()
	w.run()
	for deadline := time.Now().Add(w.patience); ; time.Sleep(10 * time.Millisecond) {
		if r := w.last(events.StageOutcome, k); r.Event.Cause == said.ID {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the drift led to no outcome")
		}
	}
	if writes, _, text := w.calls(); writes != 0 {
		t.Errorf("what stands as decided is written:%s", text)
	}
	if o := w.applied(k, d); o.LoadBalancer == nil || len(o.Addresses) == 0 {
		t.Errorf("outcome is %+v", o)
	}
}
