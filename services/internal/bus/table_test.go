package bus_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

// seen is what a watch was told, by subject.
type seen struct {
	mu     sync.Mutex
	rows   map[string]uint64
	order  []string // violations of the order within a subject
	synced int
	atSync int
}

func (s *seen) watcher() bus.Watcher {
	s.rows = map[string]uint64{}
	return bus.Watcher{
		Row: func(r bus.Record) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if r.Sequence < s.rows[r.Subject] {
				s.order = append(s.order, fmt.Sprintf("%s: %d after %d", r.Subject, r.Sequence, s.rows[r.Subject]))
			}
			s.rows[r.Subject] = r.Sequence
		},
		Synced: func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.synced++
			s.atSync = len(s.rows)
		},
	}
}

func (s *seen) snapshot() (rows map[string]uint64, synced int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]uint64{}
	for k, v := range s.rows {
		out[k] = v
	}
	return out, s.synced
}

func watch(t *testing.T, b *bus.Bus, s *seen, filters ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done, w := make(chan error, 1), s.watcher()
	go func() { done <- b.Watch(ctx, filters, w) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(s.order) > 0 {
			t.Error("out of order: ", s.order)
		}
		if s.synced != 1 {
			t.Errorf("synced %d times", s.synced)
		}
	})
}

func TestWatchWithoutRows(t *testing.T) {
	b := bustest.Start(t)
	var s seen
	watch(t, b, &s)
	within(t, "synced", func() bool { _, n := s.snapshot(); return n == 1 })
	publish(t, b, wish(key(1), "", "u"))
	within(t, "the first row", func() bool { rows, _ := s.snapshot(); return len(rows) == 1 })
}

func TestWatchFilters(t *testing.T) {
	b := bustest.Start(t)
	other := key(3)
	other.Cluster = "c.2"
	publish(t, b, wish(key(1), "", "u"))
	publish(t, b, rejected(key(1), "r"))
	publish(t, b, rejected(other, "r"))
	for name, c := range map[string]struct {
		filters []string
		want    int
	}{
		"stage":             {[]string{events.Filter(events.StageRejected, "", "")}, 2},
		"cluster":           {[]string{events.Filter("", "default", "c1")}, 2},
		"two stages":        {[]string{events.Filter(events.StageRequested, "", ""), events.Filter(events.StageRejected, "", "c.2")}, 2},
		"the same twice":    {[]string{events.Filter(events.StageRejected, "", ""), events.Filter(events.StageRejected, "", "")}, 2},
		"nothing of it yet": {[]string{events.Filter(events.StageDrift, "", "")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := b.Table(t.Context(), c.filters...)
			if err != nil || len(rows) != c.want {
				t.Errorf("%d rows, %v; want %d", len(rows), err, c.want)
			}
		})
	}
	_, err := b.Table(t.Context(), events.Filter("", "", ""), events.Filter(events.StageRejected, "", ""))
	if err == nil || !strings.Contains(err.Error(), "overlap") {
		t.Errorf("overlapping filters: %v", err)
	}
}

func TestTableOfACanceledContext(t *testing.T) {
	b := bustest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Table(ctx); err == nil {
		t.Error("a table without asking for it")
	}
}

// Three writers, a server that goes away twice, a STATE that is lost and made
// again: at the end the watch knows the last of every subject.
func TestWatchMissesNothing(t *testing.T) {
	const writers, subjects, rounds = 3, 10, 60
	srv, b, js := start(t, bus.Streams{})
	publish(t, b, wish(key(0), "", "u"))
	var s seen
	watch(t, b, &s)
	var wg sync.WaitGroup
	last := make([]map[string]uint64, writers)
	for w := range writers {
		last[w] = map[string]uint64{}
		wg.Go(func() {
			for i := range rounds {
				e := rejected(key(w*subjects+i%subjects), fmt.Sprint("round ", i))
				a, err := b.Publish(t.Context(), e)
				if err != nil {
					t.Error(err)
					return
				}
				last[w][e.Subject()] = a.Sequence
			}
		})
	}
	srv = bustest.Restart(t, srv)
	within(t, "some rows after the restart", func() bool { rows, _ := s.snapshot(); return len(rows) > 3 })
	bustest.Restart(t, srv)
	wg.Wait()
	if err := js.DeleteStream(t.Context(), bus.StateStream); err != nil {
		t.Fatal(err)
	}
	publish(t, b, wish(key(999), "", "u"))
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	a := publish(t, b, wish(key(1000), "", "u"))
	within(t, "the last row of all", func() bool { rows, _ := s.snapshot(); return rows[wish(key(1000), "", "u").Subject()] == a.Sequence })
	rows, _ := s.snapshot()
	for _, l := range last {
		for subject, want := range l {
			if rows[subject] != want {
				t.Errorf("%s is at %d, want %d", subject, rows[subject], want)
			}
		}
	}
	if rows[wish(key(999), "", "u").Subject()] == 0 {
		t.Error("what was published while STATE was gone is missing")
	}
}

// The same id is stored twice if it comes again after the duplicate window; it
// is the newest row then, also in a STATE that is made anew.
func TestRebuiltTableKeepsARepeatedID(t *testing.T) {
	_, b, js := start(t, bus.Streams{DuplicateWindow: 100 * time.Millisecond})
	publish(t, b, rejected(key(1), "a"))
	publish(t, b, rejected(key(1), "b"))
	var a bus.Ack
	within(t, "stored again", func() bool { a = publish(t, b, rejected(key(1), "a")); return !a.Duplicate })
	for _, rebuilt := range []bool{false, true} {
		if rebuilt {
			if err := js.DeleteStream(t.Context(), bus.StateStream); err != nil {
				t.Fatal(err)
			}
			if err := b.EnsureStreams(t.Context(), bus.Streams{DuplicateWindow: 100 * time.Millisecond}); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := b.Table(t.Context())
		if err != nil || len(rows) != 1 || rows[0].Sequence != a.Sequence {
			t.Errorf("rebuilt %v: %+v, %v; want one row at %d", rebuilt, rows, err, a.Sequence)
		}
	}
}

// A table asked for while STATE is being made again is the whole table.
func TestTableWaitsForState(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	for i := range 500 {
		publish(t, b, rejected(key(i), "r"))
	}
	for range 5 {
		if err := js.DeleteStream(t.Context(), bus.StateStream); err != nil {
			t.Fatal(err)
		}
		if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
			t.Fatal(err)
		}
		if rows, err := b.Table(t.Context()); err != nil || len(rows) != 500 {
			t.Fatalf("%d rows, %v; want 500", len(rows), err)
		}
	}
}

// Table is the last event of every subject, whatever was published.
func TestTableIsTheLastOfEverySubject(t *testing.T) {
	b := bustest.Start(t)
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		cluster := fmt.Sprint("run", run) // one server for all runs, a cluster for each
		want := map[string]uint64{}
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 5), 0, 30).Draw(r, "keys") {
			k := key(n)
			k.Cluster = cluster
			e := rejected(k, fmt.Sprint(i))
			if rapid.Bool().Draw(r, "stage") {
				e = wish(k, "", fmt.Sprint(i))
			}
			a, err := b.Publish(t.Context(), e)
			if err != nil {
				r.Fatal(err)
			}
			want[e.Subject()] = a.Sequence
		}
		rows, err := b.Table(t.Context(), events.Filter("", "", cluster))
		if err != nil {
			r.Fatal(err)
		}
		got := map[string]uint64{}
		for _, row := range rows {
			if row.Err != nil || row.Event.Subject() != row.Subject {
				r.Errorf("row %+v", row)
			}
			got[row.Subject] = row.Sequence
		}
		if d := cmp.Diff(want, got); d != "" {
			r.Errorf("table (-want +got):\n%s", d)
		}
		if !slices.IsSortedFunc(rows, func(a, b bus.Record) int { return int(a.Sequence) - int(b.Sequence) }) {
			r.Error("rows are not in the order of their sequence")
		}
	})
}
