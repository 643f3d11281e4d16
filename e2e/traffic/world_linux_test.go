package traffic

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
)

const namespace = "e2e-traffic"

var (
	services = []string{"web", "api", "docs"}
	nodes    = []string{"n1", "n2"}
)

// world is a fleet whose cluster has two nodes that really serve.
type world struct {
	*harness.Fleet
	cloud *harness.Amphora
}

// TestTraffic: one fleet, whose exposures are asked for side by side because an
// amphora takes its time, and looked at one after another.
func TestTraffic(t *testing.T) {
	w := newWorld(t)
	for i, name := range services {
		w.serve(t, name, 30081+i)
	}
	checks := []struct {
		name  string
		check func(*testing.T)
	}{
		{"routing", w.routing(t)},
		{"TLS", w.tls(t)},
		{"PROXY protocol", w.proxied(t)},
		{"sources", w.sources(t)},
		{"failover", w.failover(t)},
	}
	for _, c := range checks {
		t.Run(c.name, c.check)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cloud := harness.LabAmphora(t)
	for i, n := range nodes {
		cloud.Node(t, n, cloud.Nodes[i], 30080)
	}
	w := &world{cloud: cloud, Fleet: harness.NewFleet(t, harness.AllInOne, cloud.Cloud, harness.Folder{Path: t.TempDir()})}
	w.Source.Apply(t, harness.Namespace(namespace, true))
	for i, n := range nodes {
		w.Source.Apply(t, harness.Node(n, cloud.Nodes[i]))
	}
	return w
}

// serve makes a Service whose name every node answers at a node port.
func (w *world) serve(t *testing.T, name string, nodePort int) {
	t.Helper()
	for i, n := range nodes {
		l := w.cloud.Listen(t, n, fmt.Sprintf("%s:%d", w.cloud.Nodes[i], nodePort))
		w.cloud.Serve(t, l, http.HandlerFunc(func(r http.ResponseWriter, _ *http.Request) { fmt.Fprint(r, name) }))
	}
	w.Source.Apply(t, harness.NodePorts(namespace, name, harness.Port{Protocol: "TCP", Port: 80, NodePort: nodePort}))
}

// applied waits until an object that asks stands at an address.
func (w *world) applied(t *testing.T, o harness.Object) harness.Trip {
	t.Helper()
	trip := w.Settled(t, o)
	if trip.Outcome.State != events.Applied || len(trip.Outcome.Addresses) == 0 {
		t.Fatalf("%s: %s %q, then %s: %s", harness.Key(o), trip.Decided.Verdict, trip.Decided.Reasons, trip.Outcome.State, trip.Outcome.Reason)
	}
	return trip
}

// answering waits until HAProxy listens and knows its members.
func (w *world) answering(t *testing.T, address string) {
	t.Helper()
	harness.Eventually(t, address+" answers", func() error {
		c, err := w.cloud.Dial(context.Background(), "tcp", address)
		if err != nil {
			return err
		}
		return c.Close()
	})
	harness.Eventually(t, "the members are up", func() error {
		var pools struct {
			Pools []struct {
				Name      string
				Operating string `json:"operating_status"`
				Members   []struct{ ID string }
			}
		}
		if err := w.cloud.Do("load-balancer", http.MethodGet, "/v2/lbaas/pools", nil, &pools); err != nil {
			return err
		}
		for _, p := range pools.Pools {
			if p.Operating != "ONLINE" && len(p.Members) > 0 {
				return fmt.Errorf("pool %s is %s", p.Name, p.Operating)
			}
		}
		return nil
	})
}

// ask sends one request as it is written here, and answers the body; empty for
// what is refused.
func (w *world) ask(t *testing.T, address, host, target string) string {
	t.Helper()
	status, body, err := w.request(context.Background(), address, host, target)
	if err != nil {
		t.Fatalf("%s%s at %s: %v", host, target, address, err)
	}
	if status == http.StatusServiceUnavailable {
		return ""
	}
	if status != http.StatusOK {
		t.Fatalf("%s%s at %s: status %d %s", host, target, address, status, body)
	}
	return body
}

func (w *world) request(ctx context.Context, address, host, target string) (int, string, error) {
	c, err := w.cloud.Dial(ctx, "tcp", address)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0, "", err
	}
	return speak(c, host, target)
}

// speak asks one question over a connection.
func speak(c net.Conn, host, target string) (int, string, error) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, host); err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}
