package traffic

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/e2e/harness"
)

// proxied: members learn the client's address by the PROXY protocol.
func (w *world) proxied(t *testing.T) func(*testing.T) {
	const nodePort = 30090
	for i, n := range nodes {
		l := w.cloud.Listen(t, n, fmt.Sprintf("%s:%d", w.cloud.Nodes[i], nodePort))
		go echoFirstLine(l)
	}
	o := harness.Balanced(namespace, "proxied", map[string]any{"drawbridge.dev/proxy-protocol": "v1", "drawbridge.dev/internal": "true"},
		harness.Port{Protocol: "TCP", Port: 7000, NodePort: nodePort})
	w.Source.Apply(t, o)
	return func(t *testing.T) {
		address := net.JoinHostPort(w.applied(t, o).Outcome.Addresses[0].IP, "7000")
		w.answering(t, address)
		c, err := w.cloud.Dial(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		client, _, err := net.SplitHostPort(c.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		if want := "PROXY TCP4 " + client + " "; !strings.HasPrefix(line, want) {
			t.Errorf("a member is told %q, want it to begin with %q", line, want)
		}
	}
}

// echoFirstLine sends every client the first line that the load balancer sent.
func echoFirstLine(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = c.Close() }()
			if line, err := bufio.NewReader(c).ReadString('\n'); err == nil {
				_, _ = c.Write([]byte(line)) // the client sees what is missing
			}
		}()
	}
}

// sources: who is not allowed is not let in, and who is, is.
func (w *world) sources(t *testing.T) func(*testing.T) {
	from := func(cidr string) harness.Object {
		return harness.Balanced(namespace, "sources", map[string]any{"drawbridge.dev/allowed-sources": cidr, "drawbridge.dev/internal": "true"},
			harness.Port{Protocol: "TCP", Port: 7001, NodePort: 30081})
	}
	w.Source.Apply(t, from("192.168.77.0/24"))
	return func(t *testing.T) {
		address := net.JoinHostPort(w.applied(t, from("")).Outcome.Addresses[0].IP, "7001")
		if c, err := w.cloud.Dial(t.Context(), "tcp", address); err == nil {
			_ = c.Close()
			t.Errorf("%s is let in, though only 192.168.77.0/24 may", c.LocalAddr())
		}
		w.Change(t, from(""), func() { w.Source.Apply(t, from("10.20.0.0/24")) })
		w.answering(t, address)
		if got := w.ask(t, address, "any.example.org", "/"); got != "web" {
			t.Errorf("answered by %q", got)
		}
	}
}

// failover: the amphora that serves dies; the other one goes on.
func (w *world) failover(t *testing.T) func(*testing.T) {
	o := harness.Balanced(namespace, "pair", map[string]any{"drawbridge.dev/flavor": w.cloud.HighlyAvailable(t), "drawbridge.dev/internal": "true"},
		harness.Port{Protocol: "TCP", Port: 7002, NodePort: 30081})
	w.Source.Apply(t, o)
	return func(t *testing.T) {
		trip := w.applied(t, o)
		if trip.Outcome.LoadBalancer.Topology != "ACTIVE_STANDBY" {
			t.Logf("the outcome says topology %q: a project cannot read flavor profiles here", trip.Outcome.LoadBalancer.Topology)
		}
		ip := trip.Outcome.Addresses[0].IP
		address := net.JoinHostPort(ip, "7002")
		w.answering(t, address)
		w.cloud.KillMaster(t, ip)
		asked, lost, inRow := 0, 0, 0
		began := time.Now()
		harness.Eventually(t, "the standby serves", func() error {
			asked++
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, body, err := w.request(ctx, address, "any.example.org", "/"); err != nil || body != "web" {
				lost++
				inRow = 0
				return fmt.Errorf("%q: %w", body, err)
			}
			if inRow++; inRow < 20 {
				return fmt.Errorf("%d answers in a row", inRow)
			}
			return nil
		})
		t.Logf("the master was killed: %d of %d requests lost in the %.1f s until 20 in a row were answered", lost, asked, time.Since(began).Seconds())
	}
}
