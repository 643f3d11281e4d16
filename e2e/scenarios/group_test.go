package scenarios

import (
	"testing"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
)

// sharing is a group: several objects at one load balancer, of which the older
// has what two want.
func sharing(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	member := map[string]any{"drawbridge.dev/group": ns}
	for _, name := range []string{"web", "api"} {
		w.backend(t, ns, name)
	}
	shop, docs := hosts(ns)
	older := harness.Ingress(ns, "older", member, harness.Path{Host: shop, Path: "/", Service: "web", Port: 80})
	beside := harness.Ingress(ns, "beside", member, harness.Path{Host: docs, Path: "/", Service: "api", Port: 80})
	younger := harness.Ingress(ns, "younger", member, harness.Path{Host: shop, Path: "/", Service: "api", Port: 80})
	port, free := w.port(t, "lobby", "TCP", 7000), w.port(t, "rival", "TCP", 7000)
	lobby, rival := harness.Balanced(ns, "lobby", member, port), harness.Balanced(ns, "rival", member, free)

	first := w.expose(t, older)
	trip := w.expose(t, beside)
	w.answers(t, first, 80, shop, "/", "web")
	w.answers(t, trip, 80, docs, "/", "api")
	trip = w.expose(t, lobby)
	w.answers(t, trip, 7000, "", "/", "lobby")
	if a, b := first.Outcome.LoadBalancer.ID, trip.Outcome.LoadBalancer.ID; a != b || w.reach(t, first) != w.reach(t, trip) {
		t.Errorf("of one group, %s is at %s, %s at %s", harness.Key(older), a, harness.Key(lobby), b)
	}
	w.Exact(t) // one load balancer, one floating IP
	w.listens(t, lobby, map[int]string{80: "HTTP", 7000: "TCP"})

	for _, c := range []struct{ older, younger harness.Object }{{older, younger}, {lobby, rival}} {
		trip = w.Change(t, c.younger, func() { w.Source.Apply(t, c.younger) })
		wantState(t, trip, events.Denied, events.Removed)
		wantReason(t, trip, c.older.Kind()+" "+ns+"/"+c.older.Name())
		w.exposed = append(w.exposed, c.younger)
	}
	w.answers(t, first, 80, shop, "/", "web")
	w.answers(t, first, 7000, "", "/", "lobby")
	w.Exact(t)

	trip = w.gives(t, older, younger, ns)
	w.answers(t, trip, 80, shop, "/", "api")
	w.answers(t, trip, 80, docs, "/", "api")
	if w.Cloud.Sandbox != nil { // a port is given as a path is
		trip = w.gives(t, lobby, rival, ns)
		w.answers(t, trip, 7000, "", "/", "rival")
	}
	if id := trip.Outcome.LoadBalancer.ID; id != first.Outcome.LoadBalancer.ID || w.reach(t, trip) != w.reach(t, first) {
		t.Errorf("the group went from %s to %s", first.Outcome.LoadBalancer.ID, id)
	}
	w.withdraw(t, beside)
	w.Exact(t)
}

// gives deletes the older of two objects that want the same, and waits until
// the younger has it.
func (w *world) gives(t *testing.T, older, younger harness.Object, group string) harness.Trip {
	t.Helper()
	trip := w.Redecide(t, younger, func() { w.withdraw(t, older) })
	wantState(t, trip, events.Approved, events.Applied)
	w.StandsIn(younger, group, true)
	w.Exact(t)
	return trip
}
