package auditor

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
	"drawbridge.dev/services/internal/listen"
)

// running is an auditor that runs.
type running struct {
	Client
	reg  *prometheus.Registry
	stop func()

	mu    sync.Mutex
	log   bytes.Buffer
	ready error
}

func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *running) report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = err
}

func (r *running) state() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready
}

func (r *running) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// start runs an auditor over file until stop or the end of the test.
func start(t *testing.T, b *bus.Bus, file string) *running {
	t.Helper()
	r := &running{reg: prometheus.NewRegistry(), ready: errors.New("has not reported")}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		cfg := Config{Database: file, Listen: listen.Config{Address: "127.0.0.1:0"}}
		done <- Run(ctx, cfg, b, zerolog.New(r).Level(zerolog.DebugLevel), r.reg, r.report)
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(r.stop)
	eventually(t, "it is ready and listens", func() bool { return r.state() == nil && r.address() != "" })
	r.Client = Client{BaseURL: "http://" + r.address()}
	return r
}

// address is what the log says.
func (r *running) address() string {
	for _, line := range strings.Split(r.logged(), "\n") {
		var l struct{ Address, Message string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Message == "listening" {
			return l.Address
		}
	}
	return ""
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 2 minutes: %s", what)
		}
	}
}

// sequences are those of every event in history, the newest first.
func (r *running) sequences(t *testing.T) (out []uint64) {
	t.Helper()
	p, err := r.Events(t.Context(), Filter{Limit: MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Events {
		out = append(out, e.Sequence)
	}
	return out
}

func (r *running) waitFor(t *testing.T, want ...uint64) {
	t.Helper()
	eventually(t, fmt.Sprintf("history is %v", want), func() bool { return fmt.Sprint(r.sequences(t)) == fmt.Sprint(want) })
}

func publish(t *testing.T, b *bus.Bus, list ...events.Event) {
	t.Helper()
	for _, e := range list {
		if _, err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *running) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "drawbridge_auditor_"+name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func TestRunKeepsEverything(t *testing.T) {
	_, url := bustest.Server(t)
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	list := trip(web, 1)
	publish(t, b, list[:2]...)
	file := filepath.Join(t.TempDir(), "history.db")
	r := start(t, b, file)
	publish(t, b, list[2])
	raw(t, url, events.Subject(events.StageOutcome, "default", web), "no event")
	publish(t, b, trip(web, 2)...)
	r.waitFor(t, 7, 6, 5, 4, 3, 2, 1)

	c, err := r.Change(t.Context(), list[0].ID)
	if err != nil || len(c.Events) != 3 || c.Events[2].Verdict != "removed" {
		t.Errorf("the change: %+v, %v", c, err)
	}
	p, err := r.Events(t.Context(), Filter{Verdict: "undecodable"})
	if err != nil || len(p.Events) != 1 || p.Events[0].Key() != web || p.Events[0].Raw != "no event" || p.Events[0].Reason == "" {
		t.Errorf("what is no event: %+v, %v", p, err)
	}
	if got := r.metric(t, "events_total"); got != 7 {
		t.Errorf("%v events counted, want 7", got)
	}
	if got := r.metric(t, "undecodable_total"); got != 1 {
		t.Errorf("%v undecodable, want 1", got)
	}
	if got := r.metric(t, "sequence"); got != 7 {
		t.Errorf("sequence %v, want 7", got)
	}
	if problems, err := testutil.GatherAndLint(r.reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
	for _, want := range []string{`"change":"` + list[2].Change + `","key":"blue/Ingress/shop/web","stage":"outcome"`, `"key":"blue/Ingress/shop/web","stage":"rejected"`} {
		if !strings.Contains(r.logged(), want) {
			t.Errorf("no line of the log has %s", want)
		}
	}

	r.stop()
	publish(t, b, trip(web, 3)...)
	r = start(t, b, file)
	r.waitFor(t, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)
	if got := r.metric(t, "events_total"); got != 3 {
		t.Errorf("%v events kept after the restart, want the 3 that came meanwhile", got)
	}
	if g, err := r.Gaps(t.Context()); err != nil || len(g) != 0 {
		t.Errorf("gaps %+v, %v", g, err)
	}
}

// raw publishes what no service would.
func raw(t *testing.T, url, subject, data string) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish(subject, []byte(data)); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// Killed after the commit and before the acknowledgement: the batch comes again.
func TestCommittedAndNotAcknowledged(t *testing.T) {
	b := bustest.Start(t)
	list := trip(web, 1)
	publish(t, b, list...)
	file := filepath.Join(t.TempDir(), "history.db")
	r := start(t, b, file)
	r.waitFor(t, 3, 2, 1)
	r.stop()
	// Another name is a reader that has acknowledged nothing.
	change(t, file, "UPDATE progress SET reader = 'auditor-again'")
	publish(t, b, trip(web, 2)...)
	r = start(t, b, file)
	r.waitFor(t, 6, 5, 4, 3, 2, 1)
	if got := r.metric(t, "events_total"); got != 3 {
		t.Errorf("%v events kept, want the 3 that were not there", got)
	}
}

func change(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// HISTORY that aged out while nobody read it is a gap that is told everywhere.
func TestAgedOut(t *testing.T) {
	b := bustest.Start(t)
	publish(t, b, trip(web, 1)...)
	file := filepath.Join(t.TempDir(), "history.db")
	r := start(t, b, file)
	r.waitFor(t, 3, 2, 1)
	r.stop()
	publish(t, b, trip(web, 2)...)
	publish(t, b, trip(web, 3)...)
	if err := b.EnsureStreams(t.Context(), bus.Streams{MaxBytes: 1500}); err != nil {
		t.Fatal(err)
	}
	first, last, err := b.History(t.Context())
	if err != nil || first < 5 || first > last {
		t.Fatalf("HISTORY holds %d to %d, %v: the test needs that some are gone and some are not", first, last, err)
	}
	r = start(t, b, file)
	eventually(t, "the rest is kept", func() bool { return r.metric(t, "sequence") == float64(last) })
	g, err := r.Gaps(t.Context())
	if err != nil || len(g) != 1 || g[0].First != 4 || g[0].Last != first-1 || g[0].Missed != first-4 {
		t.Errorf("gaps %+v, %v; want 4 to %d", g, err, first-1)
	}
	if got := r.metric(t, "missed_events_total"); got != float64(first-4) || r.metric(t, "gaps_total") != 1 {
		t.Errorf("%v missed events in %v gaps", got, r.metric(t, "gaps_total"))
	}
	if !strings.Contains(r.logged(), "history has a gap") {
		t.Error("the log does not tell of the gap")
	}
	if p, err := r.Events(t.Context(), Filter{}); err != nil || len(p.Gaps) != 1 {
		t.Errorf("the list of events shows gaps %+v, %v", p.Gaps, err)
	}
}

// A file that was restored from a backup is filled from what HISTORY still holds.
func TestRestoredBackup(t *testing.T) {
	b := bustest.Start(t)
	publish(t, b, trip(web, 1)...)
	dir := t.TempDir()
	file := filepath.Join(dir, "history.db")
	r := start(t, b, file)
	r.waitFor(t, 3, 2, 1)
	r.stop()
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r = start(t, b, file)
	publish(t, b, trip(web, 2)...)
	r.waitFor(t, 6, 5, 4, 3, 2, 1)
	r.stop()
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(file + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, b, file)
	publish(t, b, trip(web, 3)...)
	r.waitFor(t, 9, 8, 7, 6, 5, 4, 3, 2, 1)
	if g, err := r.Gaps(t.Context()); err != nil || len(g) != 0 {
		t.Errorf("gaps %+v, %v; nothing was lost", g, err)
	}
}

// A hole inside HISTORY is read for once more, and then is a gap.
func TestHoleInHistory(t *testing.T) {
	b := bustest.Start(t)
	list := trip(web, 1)
	publish(t, b, list...)
	k := &keeper{store: newStore(t), bus: b, log: zerolog.Nop(), metrics: newMetrics(prometheus.NewRegistry()), report: func(error) {}, now: time.Now}
	if err := k.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	name := k.at.Reader
	later := []bus.Record{{Sequence: 3, Subject: list[2].Subject(), Event: list[2], Data: []byte("{}")}}
	if err := k.take(t.Context(), later); !errors.Is(err, errReread) || k.at.Reader == name {
		t.Fatalf("the first time: %v, reader %q: HISTORY holds 1 and 2", err, k.at.Reader)
	}
	if err := k.take(t.Context(), later); err != nil {
		t.Fatalf("the second time: %v", err)
	}
	if g, err := k.store.Gaps(t.Context()); err != nil || len(g) != 1 || g[0].First != 1 || g[0].Last != 2 {
		t.Errorf("gaps %+v, %v", g, err)
	}
}

// A history whose bus was replaced goes on in another epoch, and says that it cannot know what it missed.
func TestReplacedBus(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.db")
	b := bustest.Start(t)
	publish(t, b, trip(web, 1)...)
	r := start(t, b, file)
	r.waitFor(t, 3, 2, 1)
	r.stop()
	other := bustest.Start(t)
	publish(t, other, trip(web, 2)...)
	r = start(t, other, file)
	r.waitFor(t, 3, 2, 1, 3, 2, 1)
	g, err := r.Gaps(t.Context())
	if err != nil || len(g) != 1 || g[0].First != 4 || g[0].Last != 0 || !strings.Contains(g[0].Reason, "another stream") {
		t.Errorf("gaps %+v, %v", g, err)
	}
}

// While the file refuses, the service is not ready and acknowledges nothing; then it goes on.
func TestRefusedAndRecovered(t *testing.T) {
	b := bustest.Start(t)
	file := filepath.Join(t.TempDir(), "history.db")
	r := start(t, b, file)
	publish(t, b, trip(web, 1)...)
	r.waitFor(t, 3, 2, 1)
	change(t, file, "CREATE TRIGGER refuse BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'the disk says no'); END")
	publish(t, b, trip(web, 2)...)
	eventually(t, "it is not ready", func() bool {
		err := r.state()
		return err != nil && strings.Contains(err.Error(), "the disk says no") && strings.Contains(err.Error(), file)
	})
	if got := r.sequences(t); len(got) != 3 {
		t.Errorf("queries see %v while nothing can be kept", got)
	}
	if r.metric(t, "failures_total") == 0 {
		t.Error("no failure is counted")
	}
	change(t, file, "DROP TRIGGER refuse")
	r.waitFor(t, 6, 5, 4, 3, 2, 1)
	eventually(t, "it is ready", func() bool { return r.state() == nil })
	if g, err := r.Gaps(t.Context()); err != nil || len(g) != 0 {
		t.Errorf("gaps %+v, %v", g, err)
	}
}

func TestRunRefuses(t *testing.T) {
	b := bustest.Start(t)
	dir := t.TempDir()
	for want, cfg := range map[string]Config{
		"database is empty": {},
		"not loopback":      {Database: filepath.Join(dir, "a"), Listen: listen.Config{Address: "0.0.0.0:0"}},
		"directory":         {Database: dir},
	} {
		err := Run(t.Context(), cfg, b, zerolog.Nop(), prometheus.NewRegistry(), func(error) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
	}
	if got := (Config{}).Defaults().Listen.Address; got != DefaultAddress {
		t.Errorf("default address %q", got)
	}
}
