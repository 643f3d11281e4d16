package scenarios

import (
	"slices"
	"testing"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
)

// processes are the services, each once, of which one is stopped at a time.
func (w *world) processes() []string {
	if w.Shape == harness.AllInOne {
		return harness.Services[:1]
	}
	return harness.Services
}

// restarting stops each process, lets something happen, and starts it again.
func restarting(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	workload := w.port(t, "lobby", "TCP", 7000)
	lobby := func(port int) harness.Object {
		return harness.Balanced(ns, "lobby", internal, harness.Port{Protocol: "TCP", Port: port, NodePort: workload.NodePort})
	}
	w.expose(t, lobby(7000))
	for i, s := range w.processes() {
		p := w.Process(s)
		trip := w.Change(t, lobby(7001+i), func() { // history is asked before the auditor may be stopped
			p.Stop(t)
			w.Source.Apply(t, lobby(7001+i))
			p.Start(t)
			w.Ready(t, s)
		})
		wantState(t, trip, events.Approved, events.Applied)
		w.answers(t, trip, 7001+i, "", "/", "lobby")
		w.Exact(t)
	}
	if w.NATS != nil {
		w.NATS.Stop(t)
		trip := w.Change(t, lobby(7010), func() {
			w.Source.Apply(t, lobby(7010))
			w.NATS.Start(t)
		})
		wantState(t, trip, events.Approved, events.Applied)
		w.Exact(t)
	}
	w.idle(t, ns)

	// What vanishes while the watcher is away is noticed when it is back.
	p := w.Process("watcher")
	p.Stop(t)
	w.Source.Delete(t, w.exposed[0])
	p.Start(t)
	w.Removed(t, w.exposed[0])
	w.exposed = w.exposed[1:]
	w.Exact(t)
}

// idle restarts everything and checks that what did not change is left alone:
// one more exposure is all that is written, in the cloud and in history.
func (w *world) idle(t *testing.T, namespace string) {
	t.Helper()
	before, err := w.Auditor.Events(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range w.processes() {
		w.Process(s).Stop(t)
	}
	if w.Cloud.Sandbox != nil {
		w.Cloud.Sandbox.ResetCalls()
	}
	for _, s := range w.processes() {
		w.Process(s).Start(t)
	}
	for _, s := range w.processes() {
		w.Ready(t, s)
	}
	trip := w.expose(t, harness.Balanced(namespace, "late", internal, w.port(t, "late", "TCP", 7000)))
	w.Exact(t)
	if w.Cloud.Sandbox != nil {
		if n, list := w.Cloud.Sandbox.Writes(); n != trip.Outcome.Calls.Writes {
			t.Errorf("%d writes after a restart, want only the %d of what was added: %q", n, trip.Outcome.Calls.Writes, list)
		}
	}
	after, err := w.Auditor.Events(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range after[len(before):] {
		if e.Name != "late" {
			t.Errorf("a restart at rest led to a %s event of %s", e.Stage, e.Key())
		}
	}
}

// killing kills each process in the middle of a change.
func killing(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	for i, s := range w.processes() {
		port := w.port(t, "lobby-"+s, "TCP", 7000+i)
		o := harness.Balanced(ns, "lobby-"+s, nil, port)
		p := w.Process(s)
		w.exposed = append(w.exposed, o)
		trip := w.Change(t, o, func() {
			w.underWay(t, o)
			p.Kill(t)
			p.Start(t)
			w.Ready(t, s)
		})
		wantState(t, trip, events.Approved, events.Applied)
		w.Stands(o, true)
		w.Exact(t)
		w.answers(t, trip, 7000+i, "", "/", "lobby-"+s)

		// And at once after the wish is written down, wherever that is.
		port.Port = 7100 + i
		o = harness.Balanced(ns, "lobby-"+s, nil, port)
		trip = w.Change(t, o, func() {
			w.Source.Apply(t, o)
			p.Kill(t)
			p.Start(t)
			w.Ready(t, s)
		})
		wantState(t, trip, events.Approved, events.Applied)
		w.Exact(t)
		w.answers(t, trip, 7100+i, "", "/", "lobby-"+s)
	}
	if w.NATS == nil {
		return
	}
	o := harness.Balanced(ns, "lobby-nats", nil, w.port(t, "lobby-nats", "TCP", 7200))
	w.exposed = append(w.exposed, o)
	trip := w.Change(t, o, func() {
		w.underWay(t, o)
		w.NATS.Kill(t)
		w.NATS.Start(t)
	})
	wantState(t, trip, events.Approved, events.Applied)
	w.Stands(o, true)
	w.Exact(t)
}

// underWay applies an object and waits until its load balancer is being created.
func (w *world) underWay(t *testing.T, o harness.Object) {
	t.Helper()
	w.Cloud.Slowly(func() {
		w.Source.Apply(t, o)
		harness.Eventually(t, "the change is under way", func() error {
			_, err := w.LoadBalancer(o)
			return err
		})
	})
}

// standingBy kills the executor that holds the lease, for good, while it
// creates: another one ends what it began.
func standingBy(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	first := harness.Balanced(ns, "first", nil, w.port(t, "first", "TCP", 7000))
	before := w.expose(t, first)
	standby := w.Standby(t)

	second := harness.Balanced(ns, "second", nil, w.port(t, "second", "TCP", 7001))
	w.exposed = append(w.exposed, second)
	trip := w.Change(t, second, func() {
		w.underWay(t, second)
		w.Process("executor").Kill(t)
	})
	wantState(t, trip, events.Approved, events.Applied)
	w.Stands(second, true)
	w.answers(t, trip, 7001, "", "/", "second")
	w.Exact(t)
	if trip.Outcome.Lease <= before.Outcome.Lease {
		t.Errorf("the standby acts with lease %d, want more than %d of the one before it", trip.Outcome.Lease, before.Outcome.Lease)
	}

	// The one that comes back stands by.
	w.Process("executor").Start(t)
	third := harness.Balanced(ns, "third", nil, w.port(t, "third", "TCP", 7002))
	if trip := w.expose(t, third); trip.Outcome.Lease != w.lease(t, second) {
		t.Errorf("lease %d while its holder %d lives", trip.Outcome.Lease, w.lease(t, second))
	}
	w.Exact(t)
	standby.Kill(t)
	for _, o := range slices.Clone(w.exposed) {
		w.withdraw(t, o)
	}
}

func (w *world) lease(t *testing.T, o harness.Object) uint64 {
	t.Helper()
	trip, err := w.Auditor.Newest(harness.Key(o))
	if err != nil {
		t.Fatal(err)
	}
	return trip.Outcome.Lease
}
