package main

import (
	"fmt"
	"testing"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/services/sandbox"
)

// never keeps looks for drift out of what is counted.
var never = map[string]any{"drift-interval": "-1s"}

// TestCounts counts what reaches the cloud over the wire for each kind of change.
func TestCounts(t *testing.T) {
	w := newWorld(t, harness.AllInOne, quietCloud(t), never)
	site := w.ingress("site")

	trip := w.Expose(t, site)
	w.asked(t, site, 1)
	c := w.cost()
	within(t, "expose", c, 2, 6)
	if o := trip.Outcome.Calls; o.Writes != c.writes || o.Reads != c.reads {
		t.Errorf("the outcome says %+v, the cloud saw %s", o, c)
	}

	pools := 0
	for _, b := range trip.Decided.Exposure.Backends {
		if len(b.Members) > 0 {
			pools++
		}
	}
	w.Change(t, site, func() { w.Source.Apply(t, w.nodes[2]) })
	w.Settled(t, w.ingress("first"))
	harness.Eventually(t, "both have the node", func() error { return w.haveMembers(3, site, w.ingress("first")) })
	c = w.cost()
	within(t, "node", c, 2*pools, 2*6)
	t.Attr("node-pools", fmt.Sprint(2*pools))

	w.Withdraw(t, site)
	w.asked(t, site, 3)
	within(t, "delete", w.cost(), 2, 6)
}

// haveMembers is an error until the newest wish of every object names so many nodes and is carried out.
func (w *world) haveMembers(n int, objects ...harness.Object) error {
	for _, o := range objects {
		trip, err := w.Auditor.Newest(harness.Key(o))
		if err != nil {
			return err
		}
		if m := len(trip.Decided.Exposure.Backends[0].Members); m != n {
			return fmt.Errorf("%s has %d members", harness.Key(o), m)
		}
	}
	return nil
}

// TestCountsOfNothing: neither time nor a restart writes.
func TestCountsOfNothing(t *testing.T) {
	w := newWorld(t, harness.AllInOne, quietCloud(t), map[string]any{"drift-interval": "500ms"})
	w.Expose(t, w.ingress("site"))
	w.cost()
	w.looked(t, 8) // what nobody has read below its load balancer is read once
	unchanged(t, "drift", w.looked(t, 12))

	w.Process("executor").Stop(t)
	w.cost()
	w.start(t)
	unchanged(t, "restart", w.looked(t, 8))
	w.asked(t, w.ingress("site"), 1)
}

// TestCountsStepwise: a cloud that leaves the children of a whole create pending
// is found out with the first load balancer, and costs no detour afterwards.
func TestCountsStepwise(t *testing.T) {
	cloud := quietCloud(t, func(c *sandbox.Config) { c.WholeCreateBroken = true })
	w := describeWorld(t, harness.AllInOne, cloud, never)
	w.start(t)
	first, second := w.ingress("first"), w.ingress("second")
	w.cost()
	trip := w.Expose(t, first)
	w.asked(t, first, 1)
	found := trip.Outcome.Calls // the start's own reads are on the wire too
	t.Attr("stepwise-first-writes", fmt.Sprint(found.Writes))
	t.Attr("stepwise-first-reads", fmt.Sprint(found.Reads))
	w.cost()

	trip = w.Expose(t, second)
	w.asked(t, second, 1)
	c := w.cost()
	// The whole create and its delete are what finding out costs.
	within(t, "stepwise-second", c, found.Writes-2, 6)
	if n := len(trip.Outcome.Steps); n != c.writes {
		t.Errorf("%d steps in %s", n, c)
	}
}

// unchanged fails the test if anything was written, and notes what looking for drift cost.
func unchanged(t *testing.T, what string, c cost) {
	t.Helper()
	t.Attr(what+"-writes", fmt.Sprint(c.writes))
	t.Attr(what+"-reads", fmt.Sprint(c.reads))
	t.Attr(what+"-looks", fmt.Sprint(c.looks))
	if c.writes > 0 {
		t.Errorf("%s: nothing has changed, but there are %s", what, c)
	}
}

// within fails the test if a change cost more than its budget, and notes what it cost.
func within(t *testing.T, what string, c cost, writes, reads int) {
	t.Helper()
	t.Attr(what+"-writes", fmt.Sprint(c.writes))
	t.Attr(what+"-reads", fmt.Sprint(c.reads))
	if c.writes > writes || c.reads > reads {
		t.Errorf("%s: at most %d writes and %d reads are allowed, not %s", what, writes, reads, c)
	}
}
