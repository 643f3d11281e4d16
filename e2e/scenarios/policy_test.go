package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
)

func denying(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	w.backend(t, ns, "web")
	bank := harness.Ingress(ns, "bank", nil, harness.Path{Host: "login.bank.com", Path: "/", Service: "web", Port: 80})
	trip := w.Change(t, bank, func() { w.Source.Apply(t, bank) })
	wantState(t, trip, events.Denied, events.Removed)
	wantReason(t, trip, "login.bank.com")
	w.told(t, bank, "login.bank.com")
	w.Exact(t)
	w.Source.Delete(t, bank)

	// A namespace without the label is not reachable from outside.
	private := w.namespace(t, false)
	leaky := harness.Balanced(private, "leaky", nil, w.port(t, "leaky", "TCP", 7000))
	trip = w.Change(t, leaky, func() { w.Source.Apply(t, leaky) })
	wantState(t, trip, events.Denied, events.Removed)
	wantReason(t, trip, "drawbridge.dev/public")
	w.Exact(t)
	w.Source.Delete(t, leaky)

	// What stands stays as it is when a change of it is denied.
	site := w.site(t, ns)
	before := w.expose(t, site)
	shop, _ := hosts(ns)
	trip = w.Change(t, site, func() {
		w.Source.Apply(t, harness.Ingress(ns, "site", nil, harness.Path{Host: "login.bank.com", Path: "/", Service: "api", Port: 80}))
	})
	if trip.Decided.Verdict != events.Denied || trip.Decided.Exposure == nil {
		t.Fatalf("a forbidden change was %s %q; want it denied and what stood to stay", trip.Decided.Verdict, trip.Decided.Reasons)
	}
	w.answers(t, before, 80, shop, "/", "web")
	w.Exact(t)
}

func wantReason(t *testing.T, trip harness.Trip, text string) {
	t.Helper()
	if !strings.Contains(strings.Join(trip.Decided.Reasons, "\n"), text) {
		t.Errorf("%s was %s for %q, want a reason that names %q", trip.Wish.Key(), trip.Decided.Verdict, trip.Decided.Reasons, text)
	}
}

func allowing(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	w.backend(t, ns, "web")
	host := "shop." + ns + ".invalid"
	shop := harness.Ingress(ns, "shop", nil, harness.Path{Host: host, Path: "/", Service: "web", Port: 80})
	trip := w.Change(t, shop, func() { w.Source.Apply(t, shop) })
	wantState(t, trip, events.Denied, events.Removed)
	w.exposed = append(w.exposed, shop)

	var restore func()
	trip = w.Redecide(t, shop, func() { restore = w.allowHosts(t, "invalid") })
	wantState(t, trip, events.Approved, events.Applied)
	w.Stands(shop, true)
	w.answers(t, trip, 80, host, "/", "web")
	w.Exact(t)

	// What is not allowed any more does not stand any more.
	trip = w.Redecide(t, shop, restore)
	wantState(t, trip, events.Denied, events.Removed)
	w.Gone(shop)
	w.Exact(t)
}

// allowHosts adds a suffix to the host names that the bundle allows.
func (w *world) allowHosts(t *testing.T, suffix string) (restore func()) {
	t.Helper()
	file := filepath.Join(w.Bundle, "data.yaml")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const list = `"*": [example.com,`
	if !strings.Contains(string(before), list) {
		t.Fatalf("%s does not hold %s", file, list)
	}
	write := func(text string) {
		t.Helper()
		hidden := w.Bundle + ".data" // policy reads the bundle at any time, and shall see no half of it
		writeFile(t, hidden, text)
		if err := os.Rename(hidden, file); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(string(before), list, list+" "+suffix+",", 1))
	return func() { write(string(before)) }
}
