package scenarios

import (
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"testing"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
)

// world is a fleet with nodes and workloads, and what the scenarios made in it.
type world struct {
	*harness.Fleet
	nodes    []harness.Object
	nodePort int
	exposed  []harness.Object // by the running scenario
}

// newWorld starts a fleet whose cluster has two nodes.
func newWorld(t *testing.T, shape harness.Shape, cloud *harness.Cloud, source harness.Source, adjust ...harness.Adjust) *world {
	t.Helper()
	w := describeWorld(t, shape, cloud, source, adjust...)
	w.Start(t)
	for _, s := range harness.Services {
		w.Ready(t, s)
	}
	return w
}

// describeWorld is a world whose services are not started.
func describeWorld(t *testing.T, shape harness.Shape, cloud *harness.Cloud, source harness.Source, adjust ...harness.Adjust) *world {
	t.Helper()
	w := &world{nodePort: 30100 + 100*mrand.N(26)} // an API server may keep a port for a while that is free again
	suffix := token()
	for i, address := range cloud.Nodes {
		w.nodes = append(w.nodes, harness.Node(fmt.Sprintf(harness.Prefix+"%s-%d", suffix, i), address))
	}
	w.Fleet = harness.Describe(t, shape, cloud, source, adjust...)
	w.Source.Apply(t, w.nodes[:2]...)
	return w
}

func token() string { return strings.ToLower(rand.Text()[:6]) }

// namespace makes one that no other test uses.
func (w *world) namespace(t *testing.T, public bool) string {
	t.Helper()
	name := harness.Prefix + token()
	w.Source.Apply(t, harness.Namespace(name, public))
	return name
}

// port is a port of a Service at a node port that is free on all nodes, with a
// workload behind it that answers with the name of the Service.
func (w *world) port(t *testing.T, service, protocol string, port int) harness.Port {
	t.Helper()
	w.nodePort++
	p := harness.Port{Protocol: protocol, Port: port, NodePort: w.nodePort}
	if w.Cloud.Sandbox != nil {
		harness.Serve(t, service, w.Cloud.Nodes, p)
	}
	return p
}

// backend makes a Service that an Ingress can name, on port 80.
func (w *world) backend(t *testing.T, namespace, name string) {
	t.Helper()
	w.Source.Apply(t, harness.NodePorts(namespace, name, w.port(t, name, "TCP", 80)))
}

// site makes two Services, web and api, and an Ingress of 2 hosts x 2 paths that sends to them.
func (w *world) site(t *testing.T, namespace string) harness.Object {
	t.Helper()
	w.backend(t, namespace, "web")
	w.backend(t, namespace, "api")
	return harness.Ingress(namespace, "site", nil, sitePaths(namespace)...)
}

func hosts(namespace string) (shop, docs string) {
	return "shop." + namespace + ".example.com", "docs." + namespace + ".example.com"
}

func sitePaths(namespace string) []harness.Path {
	shop, docs := hosts(namespace)
	return []harness.Path{
		{Host: shop, Path: "/", Service: "web", Port: 80}, {Host: shop, Path: "/api", Service: "api", Port: 80},
		{Host: docs, Path: "/", Service: "api", Port: 80}, {Host: docs, Path: "/static", Service: "web", Port: 80},
	}
}

// expose exposes the object until the scenario ends.
func (w *world) expose(t *testing.T, o harness.Object) harness.Trip {
	t.Helper()
	w.exposed = append(w.exposed, o)
	return w.Expose(t, o)
}

// update applies a changed object and waits until the change stands.
func (w *world) update(t *testing.T, o harness.Object) harness.Trip {
	t.Helper()
	trip := w.Change(t, o, func() { w.Source.Apply(t, o) })
	wantState(t, trip, events.Approved, events.Applied)
	return trip
}

// withdraw deletes the object before the scenario ends.
func (w *world) withdraw(t *testing.T, o harness.Object) harness.Trip {
	t.Helper()
	w.exposed = slices.DeleteFunc(w.exposed, func(e harness.Object) bool { return harness.Key(e) == harness.Key(o) })
	return w.Withdraw(t, o)
}

// clear deletes what the scenario left and checks that the cloud holds nothing
// of it and that history is complete.
func (w *world) clear(t *testing.T) {
	t.Helper()
	for _, o := range w.exposed {
		w.Source.Delete(t, o)
	}
	for _, o := range w.exposed {
		w.Removed(t, o)
	}
	w.exposed = nil
	w.Exact(t)
	harness.Eventually(t, "history is complete", w.Auditor.Complete)
}

func wantState(t *testing.T, trip harness.Trip, v events.Verdict, s events.OutcomeState) {
	t.Helper()
	if trip.Decided.Verdict != v || trip.Outcome.State != s {
		t.Fatalf("%s: %s %q, then %s %q; want %s, then %s", trip.Wish.Key(), trip.Decided.Verdict, trip.Decided.Reasons,
			trip.Outcome.State, trip.Outcome.Reason, v, s)
	}
}

// answers waits until a request to the exposure is answered by the backend
// ("" for none: 503). Only the sandbox carries traffic.
func (w *world) answers(t *testing.T, trip harness.Trip, port int, host, path, backend string) {
	t.Helper()
	if w.Cloud.Sandbox == nil {
		return
	}
	harness.Eventually(t, fmt.Sprintf("%s%s on port %d is answered by %q", host, path, port, backend), func() error {
		address, err := w.Cloud.Sandbox.Endpoint("TCP", w.reach(t, trip), port)
		if err != nil {
			return err
		}
		status, body, err := harness.GetHTTP(address, host, path)
		switch {
		case err != nil:
			return err
		case backend == "" && status == 503, backend != "" && status == 200 && body == backend:
			return nil
		}
		return fmt.Errorf("%d %q", status, body)
	})
}

// reach is the address at which traffic for the exposure arrives.
func (w *world) reach(t *testing.T, trip harness.Trip) string {
	t.Helper()
	for _, kind := range []string{"floating", "vip"} {
		for _, a := range trip.Outcome.Addresses {
			if a.Type == kind {
				return a.IP
			}
		}
	}
	t.Fatalf("%s has no address", trip.Wish.Key())
	return ""
}

// pools are the pools of the load balancer of an object, by name.
func (w *world) pools(t *testing.T, o harness.Object) []harness.Child {
	t.Helper()
	lb, err := w.LoadBalancer(o)
	if err != nil {
		t.Fatal(err)
	}
	pools, err := w.Cloud.Children("pools", lb.ID)
	if err != nil {
		t.Fatal(err)
	}
	return pools
}

// balances waits until every pool of the object has so many members.
func (w *world) balances(t *testing.T, o harness.Object, members int) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("%s has %d members in every pool", harness.Key(o), members), func() error {
		for _, p := range w.pools(t, o) {
			list, err := w.Cloud.Members(p.ID)
			if err != nil {
				return err
			}
			if len(list) != members {
				return fmt.Errorf("pool %s has %d members", p.Name, len(list))
			}
		}
		return nil
	})
}
