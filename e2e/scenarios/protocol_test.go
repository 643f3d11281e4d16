package scenarios

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"drawbridge.dev/e2e/harness"
)

// speaking is one Service of three protocols at one port, each with checks of
// its own kind, at addresses of two subnets.
func speaking(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	w.nodePort++
	sctp := harness.Port{Protocol: "SCTP", Port: 5300, NodePort: w.nodePort} // nothing answers SCTP here
	ports := []harness.Port{w.port(t, "names", "TCP", 5300), w.port(t, "names", "UDP", 5300), sctp}
	annotations := map[string]any{"drawbridge.dev/additional-subnets": w.Cloud.Other}
	o := harness.Balanced(ns, "names", annotations, ports...)
	trip := w.expose(t, o)
	if n := trip.Outcome.Calls.Writes; n != 2 {
		t.Errorf("%d writes, want the load balancer and its floating IP: %q", n, trip.Outcome.Steps)
	}
	lb, err := w.LoadBalancer(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(lb.Additional) != 1 || lb.Additional[0].Address == "" || lb.Additional[0].Address == lb.VIP {
		t.Errorf("VIP %s, additional %+v; want one more", lb.VIP, lb.Additional)
	}
	w.monitors(t, lb.ID, map[string]string{"TCP": "TCP", "UDP": "UDP-CONNECT", "SCTP": "SCTP"})
	w.answers(t, trip, 5300, "", "/", "names")
	w.answersUDP(t, trip, 5300, "names")

	// A protocol that goes takes its listener along, and leaves the others alone.
	trip = w.update(t, harness.Balanced(ns, "names", annotations, ports[:2]...))
	w.monitors(t, lb.ID, map[string]string{"TCP": "TCP", "UDP": "UDP-CONNECT"})
	w.answersUDP(t, trip, 5300, "names")
	if now, err := w.LoadBalancer(o); err != nil || now.ID != lb.ID || !slices.Equal(now.Additional, lb.Additional) {
		t.Errorf("%+v, before %+v: %v", now, lb, err)
	}
	w.Exact(t)
}

// monitors checks the protocols of a load balancer's listeners and pools, and
// what kind of monitor each pool has.
func (w *world) monitors(t *testing.T, lb string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	pools, err := w.Cloud.Children("pools", lb)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pools {
		var out struct {
			Monitor struct{ Type string } `json:"healthmonitor"`
		}
		if p.Monitor != "" {
			if err := w.Cloud.Do("load-balancer", http.MethodGet, "/v2/lbaas/healthmonitors/"+p.Monitor, nil, &out); err != nil {
				t.Fatal(err)
			}
		}
		got[p.Protocol] = out.Monitor.Type
	}
	listeners, err := w.Cloud.Children("listeners", lb)
	if err != nil {
		t.Fatal(err)
	}
	if len(listeners) != len(want) || len(pools) != len(want) || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d listeners, %d pools with monitors %v; want %v", len(listeners), len(pools), got, want)
	}
}
