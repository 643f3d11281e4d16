package executor_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
	"drawbridge.dev/services/sandbox"
)

const patience = 2 * time.Minute

// world is a bus, a cloud, and a policy that decides as the test says.
type world struct {
	*testing.T
	bus   *bus.Bus
	cloud *sandbox.Cloud // nil: a real one
	cfg   executor.Config
	seed  nkeys.KeyPair
	wish  int

	patience time.Duration
	log      io.Writer // beside the test's own
}

// newWorld is a world with a sandbox, for a test that runs beside others.
func newWorld(t *testing.T, c sandbox.Config) *world {
	t.Helper()
	t.Parallel()
	return quietWorld(t, c)
}

// quietWorld is one for a test that takes times and runs alone.
func quietWorld(t *testing.T, c sandbox.Config) *world {
	t.Helper()
	cloud, err := sandbox.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cloud.Close() })
	w := bareWorld(t)
	w.cloud = cloud
	w.cfg.CloudsFile = cloudsFile(t, cloud.CloudsYAML())
	w.cfg.OpenStackCloud, w.cfg.VIPSubnet = "sandbox", sandbox.SubnetName
	return w
}

func bareWorld(t *testing.T) *world {
	t.Helper()
	seed, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	public, err := seed.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return &world{T: t, patience: patience, bus: bustest.Start(t), seed: seed, cfg: executor.Config{
		Fleet: "test", TrustedKeys: []string{public}, DriftInterval: -1, PollMin: 20 * time.Millisecond,
		RetryMin: 50 * time.Millisecond, RetryMax: 300 * time.Millisecond, LeaseTTL: 6 * time.Second}}
}

func cloudsFile(t *testing.T, yaml []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(file, yaml, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// run starts an executor and waits until it is ready. The answer stops it.
func (w *world) run() (stop func()) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	ready, ended := make(chan struct{}, 100), make(chan error, 1)
	go func() {
		ended <- executor.Run(ctx, w.cfg, w.bus, zerolog.New(io.MultiWriter(zerolog.NewTestWriter(w.T), cmp.Or[io.Writer](w.log, io.Discard))), prometheus.NewRegistry(), func(err error) {
			if err == nil {
				ready <- struct{}{}
			}
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		w.Fatalf("Run ended: %v", err)
	case <-time.After(w.patience):
		w.Fatal("Run is not ready")
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				w.Errorf("Run: %v", err)
			}
		case <-time.After(w.patience):
			w.Error("Run does not stop")
		}
	}
	w.Cleanup(stop)
	return stop
}

// logged keeps what is logged from now on.
func (w *world) logged() (text func() string) {
	b := &safeBuffer{}
	w.log = b
	return b.String
}

type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func key(name string) events.Key {
	return events.Key{Cluster: "c1", Kind: events.KindIngress, Namespace: "shop", Name: name}
}

// ingress is 2 hosts x 2 paths on as many nodes as are named.
func ingress(name string, nodes ...string) *events.Exposure {
	e := &events.Exposure{Key: key(name), UID: "u", Cloud: "default"}
	l := events.Listener{Protocol: events.HTTP, Port: 80}
	for _, host := range []string{"a.example.org", "b.example.org"} {
		for _, path := range []string{"/api", "/web"} {
			l.Routes = append(l.Routes, events.Route{Host: host, Path: path, PathType: events.PathPrefix, Backend: "shop" + path + ":80"})
		}
	}
	e.Listeners = []events.Listener{l}
	for i, path := range []string{"/api", "/web"} {
		b := events.Backend{Name: "shop" + path + ":80", Protocol: events.HTTP,
			Monitor: &events.Monitor{Type: "TCP", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}}
		for _, n := range nodes {
			b.Members = append(b.Members, events.Member{Name: "node-" + n, Address: n, Port: 30080 + i})
		}
		e.Backends = append(e.Backends, b)
	}
	return e
}

// decide publishes a wish and its decision, signed, and answers the decision.
func (w *world) decide(k events.Key, verdict events.Verdict, e *events.Exposure, change ...func(*events.Decided)) events.Decided {
	w.Helper()
	w.wish++
	ctx := w.Context()
	last := func(s events.Stage) bus.Record {
		r, _, err := w.bus.Last(ctx, s, "default", k)
		if err != nil {
			w.Fatal(err)
		}
		return r
	}
	wish := events.Requested{Exposure: e, Object: events.Object{Labels: map[string]string{"n": fmt.Sprint(w.wish)}}}.Seal()
	requested := events.New("/watcher/c1", "default", k, wish, last(events.StageRequested).Event.ID, nil, time.Now())
	if _, err := w.bus.Publish(ctx, requested); err != nil {
		w.Fatal(err)
	}
	d := events.Decided{Verdict: verdict, Wish: wish.Digest, Exposure: e, Policy: events.PolicyRef{Bundle: "test", Digest: "sha256:0"}}
	if verdict != events.Approved {
		d.Reasons = []string{"test"}
	}
	d = w.sign(k, d)
	for _, f := range change {
		f(&d)
	}
	decided := events.New("/policy", "default", k, d, last(events.StageDecided).Event.ID, &requested, time.Now())
	if _, err := w.bus.Publish(ctx, decided); err != nil {
		w.Fatal(err)
	}
	return d
}

// sign seals and signs a decision.
func (w *world) sign(k events.Key, d events.Decided) events.Decided {
	w.Helper()
	d = d.Seal(k)
	signature, err := w.seed.Sign([]byte(d.Digest))
	if err != nil {
		w.Fatal(err)
	}
	public, _ := w.seed.PublicKey()
	d.Signature = events.Signature{Key: public, Value: base64.StdEncoding.EncodeToString(signature)}
	return d
}

// await waits for an outcome of the decision that satisfies a condition.
func (w *world) await(k events.Key, d events.Decided, what string, is func(events.Outcome) bool) events.Outcome {
	w.Helper()
	var seen string
	for deadline := time.Now().Add(w.patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		r, ok, err := w.bus.Last(w.Context(), events.StageOutcome, "default", k)
		if err != nil {
			w.Fatal(err)
		}
		if o, is2 := r.Event.Payload.(events.Outcome); ok && is2 {
			if o.Decision == d.Digest && is(o) {
				return o
			}
			seen = fmt.Sprintf("%+v", o)
		}
	}
	w.Fatalf("%s: no outcome that is %s; the last is %s", k, what, cmp.Or(seen, "none"))
	return events.Outcome{}
}

func (w *world) applied(k events.Key, d events.Decided) events.Outcome {
	w.Helper()
	return w.await(k, d, "applied", func(o events.Outcome) bool { return o.State == events.Applied })
}

func (w *world) removed(k events.Key, d events.Decided) events.Outcome {
	w.Helper()
	return w.await(k, d, "removed", func(o events.Outcome) bool { return o.State == events.Removed })
}

func (w *world) failed(k events.Key, d events.Decided, reason string) events.Outcome {
	w.Helper()
	return w.await(k, d, "failed because "+reason, func(o events.Outcome) bool {
		return o.State == events.Failed && strings.Contains(o.Reason, reason)
	})
}

// warm waits until the executor works, and forgets what that has cost.
func (w *world) warm() {
	w.Helper()
	k := key("warm")
	w.removed(k, w.decide(k, events.Denied, nil))
	w.calls()
}

// calls counts what the cloud was asked since the last count: writes, and reads
// that are neither status polls nor about what serves all (versions, flavors,
// networks, the listings at the start).
func (w *world) calls() (writes, reads int, text string) {
	for _, c := range w.cloud.Calls() {
		poll := strings.Contains(c.Query, "fields=provisioning_status")
		service := strings.HasPrefix(c.Path, "/load-balancer") || strings.HasPrefix(c.Path, "/network")
		switch {
		case c.Write():
			writes++
		case service && !poll:
			reads++
		default:
			continue
		}
		text += fmt.Sprintf("\n%s %s?%s: %d", c.Method, c.Path, c.Query, c.Status)
	}
	w.cloud.ResetCalls()
	return writes, reads, text
}

// standing counts the load balancers and floating IPs in the cloud.
func (w *world) standing() []executor.Standing {
	w.Helper()
	s, err := executor.LoadBalancers(w.Context(), w.cfg)
	if err != nil {
		w.Fatal(err)
	}
	return s
}
