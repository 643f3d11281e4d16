package history_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor/history"
)

const benchRows = 100_000

// fleet is a history of 100,000 events of 2 KB, of 25,000 trips.
func fleet(b *testing.B) *history.Store {
	b.Helper()
	s, err := history.Open(b.Context(), filepath.Join(b.TempDir(), "history.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	for first := 1; first <= benchRows; first += 1000 {
		if _, err := s.Append(b.Context(), batchOf(b, first, 1000), noon); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// batchOf is n events: wish, decision, outcome and drift in turn.
func batchOf(b *testing.B, first, n int) []history.Entry {
	b.Helper()
	pad := strings.Repeat("x", 1800)
	out := make([]history.Entry, n)
	for i := range out {
		at := first + i
		k := key((at - 1) / 4)
		ask := events.New("/watcher/c", "default", k, events.Requested{Object: events.Object{Labels: map[string]string{"pad": pad}}}, "", nil, noon)
		var e events.Event
		switch now := noon.Add(time.Duration(at) * time.Second); at % 4 {
		case 1:
			e, e.Time = ask, now
		case 2:
			e = events.New("/policy", "default", k, events.Decided{Verdict: events.Approved, Reasons: []string{pad}}, "", &ask, now)
		case 3:
			e = events.New("/executor", "default", k, events.Outcome{State: events.Applied, Steps: []string{pad}}, "", &ask, now)
		case 0:
			e = events.New("/executor", "default", k, events.Drift{Steps: []string{pad}}, "", &ask, now)
		}
		data, err := json.Marshal(e.Payload)
		if err != nil {
			b.Fatal(err)
		}
		out[i] = history.Entry{Sequence: uint64(at), Subject: e.Subject(), Event: e, Data: data}
	}
	return out
}

// BenchmarkAppend commits batches of 256 events of 2 KB on top of 100,000.
func BenchmarkAppend(b *testing.B) {
	s := fleet(b)
	next := benchRows + 1
	for b.Loop() {
		b.StopTimer()
		batch := batchOf(b, next, 256)
		next += 256
		b.StartTimer()
		if _, err := s.Append(b.Context(), batch, noon); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*256/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkQuery asks for pages of 100 out of 100,000 events.
func BenchmarkQuery(b *testing.B) {
	s := fleet(b)
	for _, q := range []struct {
		name string
		f    history.Filter
	}{
		{"newest", history.Filter{}},
		{"deep page", history.Filter{Before: 1000}},
		{"object", history.Filter{Cluster: "c1", Kind: "Service", Namespace: "ns0", Name: "svc.10"}},
		{"cluster", history.Filter{Cluster: "c1"}},
		{"namespace and verdict", history.Filter{Namespace: "ns3", Verdict: "approved"}},
		{"rare verdict", history.Filter{Verdict: "denied"}},
		{"last hour", history.Filter{Since: noon.Add((benchRows - 3600) * time.Second)}},
		{"last minute", history.Filter{Since: noon.Add((benchRows - 60) * time.Second)}},
		{"last minute of a cluster", history.Filter{Cluster: "c1", Since: noon.Add((benchRows - 60) * time.Second)}},
		{"name and cluster", history.Filter{Cluster: "c1", Name: "svc.10"}},
		{"an hour long ago", history.Filter{Since: noon.Add(3600 * time.Second), Until: noon.Add(7200 * time.Second)}},
		{"since long ago", history.Filter{Since: noon.Add(time.Second)}},
	} {
		b.Run(q.name, func(b *testing.B) {
			q.f.Limit = 100
			for b.Loop() {
				if _, err := s.Events(b.Context(), q.f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("exposures of 10", func(b *testing.B) {
		few, err := history.Open(b.Context(), filepath.Join(b.TempDir(), "few.db"))
		if err != nil {
			b.Fatal(err)
		}
		defer few.Close()
		for first := 1; first < benchRows; first += 1000 {
			batch := batchOf(b, first, 1000)
			for i := range batch {
				batch[i].Event.Key = key(i / 4 % 10)
			}
			if _, err := few.Append(b.Context(), batch, noon); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			if list, err := few.Exposures(b.Context()); err != nil || len(list) != 10 {
				b.Fatal(len(list), err)
			}
		}
	})
	b.Run("change", func(b *testing.B) {
		id := batchOf(b, 5001, 1)[0].Event.ID
		for b.Loop() {
			c, err := s.Change(b.Context(), id)
			if err != nil || len(c.Events) != 4 {
				b.Fatal(len(c.Events), err)
			}
		}
	})
}
