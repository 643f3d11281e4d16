package scenarios

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
)

var internal = map[string]any{"drawbridge.dev/internal": "true"}

func exposing(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	shop, docs := hosts(ns)
	site := w.site(t, ns)
	trip := w.expose(t, site)
	w.budget(t, trip, 2)
	w.answers(t, trip, 80, shop, "/", "web")
	w.answers(t, trip, 80, shop, "/api/orders", "api")
	w.answers(t, trip, 80, shop, "/apiary", "web")
	w.answers(t, trip, 80, docs, "/", "api")
	w.answers(t, trip, 80, docs, "/static/a.css", "web")
	w.answers(t, trip, 80, "other."+ns+".example.com", "/", "")
	w.seen(t, site, trip)
	w.asked(t, site, trip)

	tcp := harness.Balanced(ns, "lobby", nil, w.port(t, "lobby", "TCP", 7000))
	trip = w.expose(t, tcp)
	w.budget(t, trip, 2)
	w.answers(t, trip, 7000, "", "/", "lobby")
	w.seen(t, tcp, trip)

	udp := harness.Balanced(ns, "game", nil, w.port(t, "game", "UDP", 7001))
	trip = w.expose(t, udp)
	w.answersUDP(t, trip, 7001, "game")

	inside := harness.Balanced(ns, "broker", internal, w.port(t, "broker", "TCP", 1883))
	trip = w.expose(t, inside)
	w.budget(t, trip, 1)
	if a := trip.Outcome.Addresses; len(a) != 1 || a[0].Type != "vip" {
		t.Errorf("an internal Service is at %+v, want its VIP only", a)
	}
	w.answers(t, trip, 1883, "", "/", "broker")
	w.Exact(t)

	trip = w.withdraw(t, site)
	if n := trip.Outcome.Calls.Writes; n > 2 {
		t.Errorf("a delete took %d writes, want at most 2: %q", n, trip.Outcome.Steps)
	}
	w.Exact(t)
}

// budget checks what an exposure cost, unless it was first asked for while a
// part of it was not known yet.
func (w *world) budget(t *testing.T, trip harness.Trip, writes int) {
	t.Helper()
	all, err := w.Auditor.Of(trip.Wish.Key())
	if err != nil {
		t.Fatal(err)
	}
	if n := count(all, events.StageRequested); n > 1 {
		t.Logf("%s was asked for in %d wishes: what one costs is not counted", trip.Wish.Key(), n)
		return
	}
	if c := trip.Outcome.Calls; c.Writes != writes || c.Reads > 6 {
		t.Errorf("%s: %+v, want %d writes and at most 6 reads: %q", trip.Wish.Key(), c, writes, trip.Outcome.Steps)
	}
}

func count(list []harness.Event, s events.Stage) (n int) {
	for _, e := range list {
		if e.Stage == string(s) {
			n++
		}
	}
	return n
}

// seen waits until the object's users see its address and what happened.
func (w *world) seen(t *testing.T, o harness.Object, trip harness.Trip) {
	t.Helper()
	cluster, ok := w.Source.(*harness.Cluster)
	if !ok {
		return
	}
	address := w.reach(t, trip)
	harness.Eventually(t, fmt.Sprintf("%s shows %s", harness.Key(o), address), func() error {
		now, err := cluster.Get(o)
		if err != nil {
			return err
		}
		if status := fmt.Sprint(now["status"]); !strings.Contains(status, address) {
			return errors.New(status)
		}
		return nil
	})
	w.told(t, o, address)
}

// told waits for a Kubernetes Event about the object that holds the text.
func (w *world) told(t *testing.T, o harness.Object, text string) {
	t.Helper()
	cluster, ok := w.Source.(*harness.Cluster)
	if !ok {
		return
	}
	harness.Eventually(t, fmt.Sprintf("an Event about %s says %q", harness.Key(o), text), func() error {
		all, err := cluster.Events(o)
		if err == nil && !slices.ContainsFunc(all, func(e string) bool { return strings.Contains(e, text) }) {
			err = fmt.Errorf("Events: %q", all)
		}
		return err
	})
}

func (w *world) answersUDP(t *testing.T, trip harness.Trip, port int, backend string) {
	t.Helper()
	if w.Cloud.Sandbox == nil {
		return
	}
	harness.Eventually(t, fmt.Sprintf("UDP port %d is answered by %q", port, backend), func() error {
		address, err := w.Cloud.Sandbox.Endpoint("UDP", w.reach(t, trip), port)
		if err != nil {
			return err
		}
		got, err := harness.AskUDP(address, "hello")
		if err == nil && got != backend+" hello" {
			err = fmt.Errorf("%q", got)
		}
		return err
	})
}

func changing(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	shop, docs := hosts(ns)
	site := w.site(t, ns)
	w.expose(t, site)
	before, err := w.LoadBalancer(site)
	if err != nil {
		t.Fatal(err)
	}

	w.backend(t, ns, "cart")
	paths := append(sitePaths(ns)[:3], harness.Path{Host: shop, Path: "/api/cart", Service: "cart", Port: 80})
	trip := w.update(t, harness.Ingress(ns, "site", nil, paths...))
	w.answers(t, trip, 80, shop, "/api/cart/1", "cart")
	w.answers(t, trip, 80, shop, "/api/orders", "api")
	w.answers(t, trip, 80, shop, "/", "web")
	w.answers(t, trip, 80, docs, "/static/a.css", "api")
	w.balances(t, site, 2)
	if now, err := w.LoadBalancer(site); err != nil || now.ID != before.ID || now.VIP != before.VIP {
		t.Errorf("a change of routes went from %s at %s to %s at %s: %v", before.ID, before.VIP, now.ID, now.VIP, err)
	}

	port := w.port(t, "lobby", "TCP", 7000)
	w.expose(t, harness.Balanced(ns, "lobby", nil, port))
	port.Port = 7002
	closed := harness.Balanced(ns, "lobby", internal, port)
	trip = w.update(t, closed)
	w.Stands(closed, false)
	w.answers(t, trip, 7002, "", "/", "lobby")
	w.Exact(t)
}

func scaling(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	site := w.site(t, ns)
	w.expose(t, site)
	w.balances(t, site, 2)
	all := len(w.pools(t, site))

	added := w.nodes[2]
	trip := w.Change(t, site, func() { w.Source.Apply(t, added) })
	w.balances(t, site, 3)
	if n := trip.Outcome.Calls.Writes; n != all {
		t.Errorf("a node took %d writes, want one for each of %d pools: %q", n, all, trip.Outcome.Steps)
	}
	trip = w.Change(t, site, func() { w.Source.Delete(t, added) })
	w.balances(t, site, 2)
	if n := trip.Outcome.Calls.Writes; n != all {
		t.Errorf("a node that left took %d writes, want one for each of %d pools: %q", n, all, trip.Outcome.Steps)
	}
	w.Exact(t)
}
