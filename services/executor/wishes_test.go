package executor_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/sandbox"
)

// randomExposure draws an exposure of the key.
func randomExposure(r *rand.Rand, name string) *events.Exposure {
	e := &events.Exposure{Key: key(name), UID: "u", Cloud: "default", Internal: r.IntN(3) == 0}
	protocols := map[string]events.Protocol{}
	backend := func(p events.Protocol) string {
		n := fmt.Sprintf("shop/%s-%d:80", p, r.IntN(3))
		protocols[n] = p
		return n
	}
	for port := 80; port < 83; port++ {
		p := []events.Protocol{events.HTTP, events.HTTP, events.TCP, events.UDP}[r.IntN(4)]
		l := events.Listener{Protocol: p, Port: port, Backend: backend(p)}
		if r.IntN(2) == 0 {
			l.AllowedSources = []string{fmt.Sprintf("10.%d.0.0/16", r.IntN(2))}
		}
		for range r.IntN(5) {
			if p == events.HTTP {
				l.Routes = append(l.Routes, events.Route{Host: []string{"", "a.example.org", "*.example.org"}[r.IntN(3)],
					Path: []string{"/", "/a", "/a/b", "/c"}[r.IntN(4)], PathType: []events.PathType{events.PathExact, events.PathPrefix}[r.IntN(2)], Backend: backend(p)})
			}
		}
		if r.IntN(4) > 0 || port == 80 {
			e.Listeners = append(e.Listeners, l)
		}
	}
	for n, p := range protocols {
		b := events.Backend{Name: n, Protocol: p}
		for i := range r.IntN(4) {
			b.Members = append(b.Members, events.Member{Name: fmt.Sprint("node-", i), Address: fmt.Sprintf("10.0.0.%d", i+1), Port: 30000 + r.IntN(2)})
		}
		m := &events.Monitor{Type: "TCP", Delay: 5 + r.IntN(2), Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}
		switch {
		case p == events.UDP:
			m.Type = "UDP-CONNECT"
		case r.IntN(2) == 0:
			m.Type, m.Path = "HTTP", []string{"", "/healthz"}[r.IntN(2)]
		}
		if r.IntN(3) > 0 {
			b.Monitor = m
		}
		e.Backends = append(e.Backends, b)
	}
	x := e.Normalize()
	return &x
}

// TestWishes: after any sequence of wishes a deep read of the cloud, which
// knows nothing of what the executor remembers, finds nothing to be done.
func TestWishes(t *testing.T) {
	for _, create := range []string{executor.CreateWhole, executor.CreateStepwise} {
		t.Run(create, func(t *testing.T) {
			w := newWorld(t, sandbox.Config{})
			w.cfg.Create = create
			w.cfg.PollMin = 5 * time.Millisecond
			w.wishes(12)
		})
	}
}

// TestLabWishes is the same on the real Octavia.
func TestLabWishes(t *testing.T) {
	w := labWorld(t)
	w.cfg.VIPSubnet = "k8s-v4"
	w.wishes(4)
	k := key("web")
	w.removed(k, w.decide(k, events.Approved, nil))
}

func (w *world) wishes(n int) {
	w.Helper()
	seed := uint64(time.Now().UnixNano())
	w.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w.run()
	k := key("web")
	for i := range n {
		if r.IntN(6) == 0 {
			w.removed(k, w.decide(k, events.Approved, nil))
			continue
		}
		e := randomExposure(r, "web")
		o := w.applied(k, w.decide(k, events.Approved, e))
		w.Logf("wish %d: %d steps, %+v", i, len(o.Steps), o.Calls)
		left, err := executor.Plan(w.Context(), w.cfg, []events.Exposure{*e}, true)
		if err != nil {
			w.Fatal(err)
		}
		if len(left[0].Steps)+len(left[0].Problems) != 0 {
			w.Fatalf("wish %d: after %q there is left %+v", i, o.Steps, left[0])
		}
	}
}
