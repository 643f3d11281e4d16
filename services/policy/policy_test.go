package policy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

// service is a running policy service.
type service struct {
	reg    *prometheus.Registry
	mu     sync.Mutex
	health error
	stop   func()
}

// start runs the service; it is stopped with the test, or by stop.
func start(t *testing.T, b *bus.Bus, c Config) *service {
	t.Helper()
	s := &service{reg: prometheus.NewRegistry(), health: errors.New("it has reported nothing")}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, c, b, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel), s.reg, func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.health = err
		})
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *service) wrong() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health
}

func (s *service) awaitReady(t *testing.T) {
	t.Helper()
	until(t, "the service is ready", func() bool { return s.wrong() == nil })
}

// until polls a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("2 minutes passed, and not: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func keyed(t *testing.T) Config {
	return Config{KeyFile: filepath.Join(t.TempDir(), "policy.nk"), GenerateKey: true}
}

// request publishes the newest wish of a key and returns its event.
func request(t *testing.T, b *bus.Bus, k events.Key, w events.Requested) events.Event {
	t.Helper()
	last, _, err := b.Last(t.Context(), events.StageRequested, "default", k)
	if err != nil {
		t.Fatal(err)
	}
	e := events.New("/watcher/c1", "default", k, w, last.Event.ID, nil, time.Now())
	if _, err := b.Publish(t.Context(), e, bus.ExpectLast(last.Sequence)); err != nil {
		t.Fatal(err)
	}
	return e
}

// awaitDecision is the decision of a key once ok likes it.
func awaitDecision(t *testing.T, b *bus.Bus, k events.Key, ok func(events.Decided) bool) events.Event {
	t.Helper()
	var out events.Event
	until(t, "a decision of "+k.String()+" that is waited for", func() bool {
		rec, found, err := b.Last(t.Context(), events.StageDecided, "default", k)
		if err != nil {
			t.Fatal(err)
		}
		d, is := rec.Event.Payload.(events.Decided)
		out = rec.Event
		return found && is && ok(d)
	})
	return out
}

func answering(w events.Requested, v events.Verdict) func(events.Decided) bool {
	return func(d events.Decided) bool { return d.Wish == w.Digest && d.Verdict == v }
}

func historyLength(t *testing.T, b *bus.Bus) uint64 {
	t.Helper()
	_, last, err := b.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func TestRunDecides(t *testing.T) {
	b := bustest.Start(t)
	c := keyed(t)
	web := ingressKey("shop", "web")
	w := wish(site(web, "www.example.org"), publicNamespace)
	early := request(t, b, web, w) // before there is a policy
	s := start(t, b, c)
	decided := awaitDecision(t, b, web, answering(w, events.Approved))
	if decided.Change != early.ID || decided.Cause != early.ID {
		t.Errorf("the decision is of change %s because of %s, want %s", decided.Change, decided.Cause, early.ID)
	}
	d := decided.Payload.(events.Decided)
	public, err := PublicKey(c)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := nkeys.FromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(d.Signature.Value)
	if err != nil || d.Signature.Key != public || verifier.Verify([]byte(d.Seal(web).Digest), sig) != nil {
		t.Errorf("the signature %+v does not hold (%v)", d.Signature, err)
	}

	bad := wish(site(web, "www.bank.com"), publicNamespace)
	request(t, b, web, bad)
	d = awaitDecision(t, b, web, answering(bad, events.Denied)).Payload.(events.Decided)
	if d.Exposure == nil || d.Exposure.Listeners[0].Routes[0].Host != "www.example.org" {
		t.Errorf("after a denied change stands %+v, want what was approved before", d.Exposure)
	}
	gone := events.Requested{}.Seal()
	request(t, b, web, gone)
	if d := awaitDecision(t, b, web, answering(gone, events.Approved)).Payload.(events.Decided); d.Exposure != nil {
		t.Errorf("after a tombstone stands %+v", d.Exposure)
	}
	s.awaitReady(t)
	if n := testutil.ToFloat64(mustGauge(t, s, "drawbridge_policy_standing_exposures")); n != 0 {
		t.Errorf("%v exposures stand", n)
	}
}

// mustGauge reads one metric of the service.
func mustGauge(t *testing.T, s *service, name string) prometheus.Gauge {
	t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name})
			m := f.GetMetric()[0]
			g.Set(m.GetGauge().GetValue() + m.GetCounter().GetValue())
			return g
		}
	}
	t.Fatalf("there is no metric %s", name)
	return nil
}

// TestRestartDecidesNothingAgain: the sentinel is the youngest wish, so that
// everything older is dealt with when it is decided.
func TestRestartDecidesNothingAgain(t *testing.T) {
	b := bustest.Start(t)
	c := keyed(t)
	s := start(t, b, c)
	for i := range 20 {
		k := ingressKey(fmt.Sprint("ns", i%3), fmt.Sprint("i", i))
		request(t, b, k, wish(site(k, fmt.Sprintf("h%d.example.org", i%5)), publicNamespace))
	}
	sentinel := func(name string) {
		t.Helper()
		k := ingressKey("sentinel", name)
		w := wish(site(k), publicNamespace)
		request(t, b, k, w)
		awaitDecision(t, b, k, answering(w, events.Approved))
	}
	sentinel("first")
	s.stop()
	before := historyLength(t, b)
	if before != 42 {
		t.Errorf("%d events in history, want 21 wishes and 21 decisions", before)
	}
	start(t, b, c)
	sentinel("second")
	if after := historyLength(t, b); after != before+2 {
		t.Errorf("the restart published %d events beside the sentinel's", after-before-2)
	}
}

func TestTwoReplicasDecideOnce(t *testing.T) {
	_, url := bustest.Server(t)
	first, second := bustest.Connect(t, url), bustest.Connect(t, url)
	if err := first.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	c := keyed(t)
	one, two := start(t, first, c), start(t, second, c)
	one.awaitReady(t)
	two.awaitReady(t)
	const n = 60
	for i := range n {
		k := ingressKey(fmt.Sprint("ns", i), "web")
		request(t, first, k, wish(site(k, fmt.Sprintf("h%d.example.org", i/2)), publicNamespace))
	}
	for i := range n {
		k := ingressKey(fmt.Sprint("ns", i), "web")
		want := events.Approved
		if i%2 == 1 {
			want = events.Denied
		}
		awaitDecision(t, first, k, func(d events.Decided) bool { return d.Verdict == want })
	}
	one.stop()
	two.stop()
	if got := historyLength(t, first); got != 2*n {
		t.Errorf("%d events in history, want %d wishes and as many decisions", got, n)
	}
}

func TestWhatIsFreedIsGivenToTheNext(t *testing.T) {
	b := bustest.Start(t)
	folder := copyShipped(t, t.TempDir())
	writeBundle(t, folder, map[string]string{"data.yaml": strings.Replace(shippedData(t), `"*": 20`, `"*": 1`, 1)})
	c := keyed(t)
	c.Bundle = folder
	start(t, b, c)
	for name, keys := range map[string][2]events.Key{
		"host":  {ingressKey("a", "web"), ingressKey("b", "web")},
		"limit": {ingressKey("c", "web1"), ingressKey("c", "web2")},
	} {
		hosts := []string{"*." + name + ".example.org", "www." + name + ".example.org"}
		holder, waits := wish(site(keys[0], hosts[0]), publicNamespace), wish(site(keys[1], hosts[1]), publicNamespace)
		request(t, b, keys[0], holder)
		awaitDecision(t, b, keys[0], answering(holder, events.Approved))
		request(t, b, keys[1], waits)
		awaitDecision(t, b, keys[1], answering(waits, events.Denied))
		request(t, b, keys[0], events.Requested{}.Seal())
		awaitDecision(t, b, keys[1], answering(waits, events.Approved))
	}
}

func TestReload(t *testing.T) {
	b := bustest.Start(t)
	folder := copyShipped(t, t.TempDir())
	c := keyed(t)
	c.Bundle, c.BundleInterval = folder, time.Hour // so that the file system must tell
	s := start(t, b, c)
	ssh := ingressKey("shop", "ssh")
	e := site(ssh)
	e.Listeners[0].Port = 2222
	w := wish(e, publicNamespace)
	request(t, b, ssh, w)
	first := awaitDecision(t, b, ssh, answering(w, events.Approved)).Payload.(events.Decided)

	writeBundle(t, folder, map[string]string{"data.yaml": strings.Replace(shippedData(t), "[22,", "[22, 2222,", 1)})
	second := awaitDecision(t, b, ssh, answering(w, events.Denied)).Payload.(events.Decided)
	if second.Policy.Digest == first.Policy.Digest || second.Exposure != nil {
		t.Errorf("after the port is forbidden: %+v", second)
	}

	writeBundle(t, folder, map[string]string{"drawbridge/ports.rego": "package drawbridge\n\ndeny contains"})
	until(t, "the broken bundle is seen", func() bool {
		return strings.Contains(metricsText(t, s), `loads_total{result="failed"} 1`)
	})
	web := ingressKey("shop", "web")
	other := wish(site(web, "www.example.org"), publicNamespace)
	request(t, b, web, other)
	d := awaitDecision(t, b, web, answering(other, events.Approved)).Payload.(events.Decided)
	if d.Policy.Digest != second.Policy.Digest {
		t.Errorf("decided by %+v, want the last good bundle %+v", d.Policy, second.Policy)
	}
	if err := s.wrong(); err != nil {
		t.Errorf("with the last good bundle it is not ready: %v", err)
	}

	copyShipped(t, folder)
	if d := awaitDecision(t, b, ssh, answering(w, events.Approved)).Payload.(events.Decided); d.Policy.Digest != first.Policy.Digest {
		t.Errorf("decided by %+v, want %+v", d.Policy, first.Policy)
	}
}

// TestReloadOfConfigMap turns the link by which Kubernetes changes a mounted ConfigMap.
func TestReloadOfConfigMap(t *testing.T) {
	mount := t.TempDir()
	for version, verdict := range map[string]string{"..1": "approved", "..2": "held"} {
		writeBundle(t, filepath.Join(mount, version), map[string]string{
			"a.rego": fmt.Sprintf("package drawbridge\n\ndecision := {\"verdict\": %q, \"reasons\": [\"wait\"]}\n", verdict)})
	}
	link := func(target, name string) {
		t.Helper()
		if err := errors.Join(os.Symlink(target, filepath.Join(mount, ".turn")), os.Rename(filepath.Join(mount, ".turn"), filepath.Join(mount, name))); err != nil {
			t.Fatal(err)
		}
	}
	link("..1", "..data")
	link("..data/a.rego", "a.rego")
	b, c := bustest.Start(t), keyed(t)
	c.Bundle, c.BundleInterval = mount, time.Hour
	start(t, b, c)
	web := ingressKey("shop", "web")
	w := wish(site(web), publicNamespace)
	request(t, b, web, w)
	awaitDecision(t, b, web, answering(w, events.Approved))
	link("..2", "..data")
	awaitDecision(t, b, web, answering(w, events.Held))
}

func metricsText(t *testing.T, s *service) string {
	t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range families {
		for _, m := range f.GetMetric() {
			out.WriteString(strings.TrimPrefix(f.GetName(), "drawbridge_policy_bundle_"))
			for _, l := range m.GetLabel() {
				fmt.Fprintf(&out, "{%s=%q}", l.GetName(), l.GetValue())
			}
			fmt.Fprintf(&out, " %v\n", m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	return out.String()
}

func TestBadBundleAtStart(t *testing.T) {
	b := bustest.Start(t)
	c := keyed(t)
	good := start(t, b, c)
	web, blog := ingressKey("shop", "web"), ingressKey("blog", "web")
	w := wish(site(web, "www.example.org"), publicNamespace)
	request(t, b, web, w)
	before := awaitDecision(t, b, web, answering(w, events.Approved))
	good.stop()

	c.Bundle = writeBundle(t, t.TempDir(), map[string]string{".manifest": manifest, "a.rego": "package drawbridge\n\ndecision := x\n"})
	s := start(t, b, c)
	fresh := wish(site(blog, "blog.example.org"), publicNamespace)
	request(t, b, blog, fresh)
	d := awaitDecision(t, b, blog, answering(fresh, events.Denied)).Payload.(events.Decided)
	if len(d.Reasons) != 1 || !strings.HasPrefix(d.Reasons[0], "policy failed: no usable bundle") {
		t.Errorf("reasons %q", d.Reasons)
	}
	if err := s.wrong(); err == nil || !strings.Contains(err.Error(), "a.rego:3") {
		t.Errorf("it reports %v, want what does not compile", err)
	}
	if now := awaitDecision(t, b, web, func(events.Decided) bool { return true }); now.ID != before.ID {
		t.Error("what was approved before is decided again without a bundle")
	}

	copyShipped(t, c.Bundle)
	writeBundle(t, c.Bundle, map[string]string{"a.rego": "package drawbridge\n"})
	awaitDecision(t, b, blog, answering(fresh, events.Approved))
	s.awaitReady(t)
}

// TestUndecodableWish: it is put on record once, its key keeps what stands, and
// nothing stops.
func TestUndecodableWish(t *testing.T) {
	b := bustest.Start(t)
	l, err := loadSigner(keyed(t).KeyFile, true)
	if err != nil {
		t.Fatal(err)
	}
	web := ingressKey("shop", "web")
	bad := bus.Record{Subject: events.Subject(events.StageRequested, "default", web), Sequence: 1,
		Err: errors.New("it is no CloudEvent"), Data: []byte("{")}
	request(t, b, ingressKey("shop", "other"), wish(site(ingressKey("shop", "other")), publicNamespace)) // takes sequence 1
	for range 2 {                                                                                        // as after a restart
		d := newDecider(Config{}.Defaults(), busBoard{b}, zerolog.Nop(), l, func(error) {})
		d.trust = trust{l.public: l.pair}
		d.metrics = newMetrics(prometheus.NewRegistry(), func() float64 { return 0 }, func() float64 { return 0 })
		d.engine.Store(engineOf(t, ""))
		d.observe(bad)
		d.observe(bus.Record{Subject: "fleet.requested.nonsense", Sequence: 2, Err: errors.New("bad")})
		r, ok := d.queue.pop()
		if !ok {
			t.Fatal("the record is not dealt with")
		}
		d.decide(t.Context(), r)
		if _, more := d.queue.pop(); more {
			t.Fatal("it is dealt with again")
		}
	}
	rec, ok, err := b.Last(t.Context(), events.StageRejected, "default", web)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if p := rec.Event.Payload.(events.Rejected); !strings.Contains(p.Reason, "it is no CloudEvent") || p.Digest == "" {
		t.Errorf("got %+v", p)
	}
	if n := historyLength(t, b); n != 2 {
		t.Errorf("%d events in history, want the wish and one rejection", n)
	}
}

// TestFailedEvaluationIsTriedAgain: a bundle that gives no answer
// denies the wish, and one that is well again approves it.
func TestFailedEvaluationIsTriedAgain(t *testing.T) {
	l := newLedger()
	d := newReplica(l, engineOf(t, "package drawbridge\n\ndecision := {\"verdict\": \"approved\"} if input.wish.flavor\n"), testSigner(t))
	d.retry = func(int) time.Duration { return time.Millisecond }
	k := ingressKey("shop", "web")
	l.request(t, k, wish(site(k), publicNamespace))
	d.watch(l, 0)
	d.step(t)
	if got := l.decisions()[k]; got.Verdict != events.Denied || got.Rules[0] != ruleFailed {
		t.Fatalf("got %+v", got)
	}
	d.engine.Store(engineOf(t, "package drawbridge\n\ndecision := {\"verdict\": \"approved\"}\n"))
	until(t, "it is tried again", func() bool { return d.step(t) })
	if got := l.decisions()[k]; got.Verdict != events.Approved {
		t.Errorf("got %+v", got)
	}
}

// TestTooLargeDecision: a decision that the bus cannot carry becomes a denial that it can.
func TestTooLargeDecision(t *testing.T) {
	l := newLedger()
	d := newReplica(l, engineOf(t, ""), testSigner(t))
	d.board = narrowBoard{l}
	k := ingressKey("shop", "web")
	l.request(t, k, wish(site(k), publicNamespace))
	d.watch(l, 0)
	d.step(t)
	if got := l.decisions()[k]; got.Verdict != events.Denied || !strings.Contains(got.Reasons[0], "too large") {
		t.Errorf("got %+v", got)
	}
	before := len(l.log)
	d.queue.add(row{"default", k}, 1)
	d.step(t)
	if len(l.log) != before {
		t.Error("the same denial is published again")
	}
}

// narrowBoard carries no decision that exposes something.
type narrowBoard struct{ *ledger }

func (n narrowBoard) put(ctx context.Context, e events.Event, last uint64) (bus.Ack, error) {
	if e.Payload.(events.Decided).Exposure != nil {
		return bus.Ack{}, bus.ErrTooLarge
	}
	return n.ledger.put(ctx, e, last)
}

func TestConfig(t *testing.T) {
	if err := keyed(t).Defaults().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{Timeout: 1, BundleInterval: 1}.Validate()
	for _, field := range []string{"policy.key-file", "policy.timeout", "policy.bundle-interval"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("got %v, want it to name %s", err, field)
		}
	}
}
