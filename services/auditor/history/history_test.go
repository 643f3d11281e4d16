package history_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor/history"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func open(t testing.TB, file string) *history.Store {
	t.Helper()
	s, err := history.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func fresh(t testing.TB) *history.Store { return open(t, filepath.Join(t.TempDir(), "history.db")) }

func key(n int) events.Key {
	return events.Key{Cluster: fmt.Sprintf("c%d", n%3), Kind: events.KindService, Namespace: fmt.Sprintf("ns%d", n%10), Name: fmt.Sprintf("svc.%d", n)}
}

func entry(t testing.TB, sequence uint64, e events.Event) history.Entry {
	t.Helper()
	b, err := json.Marshal(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return history.Entry{Sequence: sequence, Subject: e.Subject(), Event: e, Data: b}
}

// withdrawn is the nth event of a fleet, and different from every other.
func withdrawn(n int) events.Event {
	p := events.Requested{Object: events.Object{Labels: map[string]string{"n": fmt.Sprint(n)}}}.Seal()
	return events.New("/watcher/c", "default", key(n), p, "", nil, noon.Add(time.Duration(n)*time.Second))
}

func entries(t testing.TB, first, last int) (out []history.Entry) {
	t.Helper()
	for n := first; n <= last; n++ {
		out = append(out, entry(t, uint64(n), withdrawn(n)))
	}
	return out
}

func appendAll(t testing.TB, s *history.Store, e []history.Entry) history.Appended {
	t.Helper()
	a, err := s.Append(t.Context(), e, noon)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func sequences(t testing.TB, s *history.Store, f history.Filter) (out []uint64) {
	t.Helper()
	if f.Limit == 0 {
		f.Limit = 1000
	}
	p, err := s.Events(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Events {
		out = append(out, e.Sequence)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	s := fresh(t)
	ask := withdrawn(1)
	ask.TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	answer := events.New("/executor/default", "default", ask.Key, events.Outcome{State: events.Removed, Decision: "d", Lease: 1<<63 - 1}, "", &ask, noon)
	e := entry(t, 2, answer)
	e.Data = append([]byte(`{"newer":"field",`), e.Data[1:]...)
	appendAll(t, s, []history.Entry{entry(t, 1, ask), e})
	p, err := s.Events(t.Context(), history.Filter{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	want := history.Event{Row: 2, Epoch: 1, Sequence: 2, ID: answer.ID, Time: noon, Stage: "outcome", Verdict: "removed", Cloud: "default",
		Cluster: "c1", Kind: "Service", Namespace: "ns1", Name: "svc.1", Change: ask.ID, Cause: ask.ID, Source: "/executor/default",
		TraceParent: ask.TraceParent, Payload: e.Data}
	if d := cmp.Diff(want, p.Events[0]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if p.Events[0].Key() != ask.Key {
		t.Errorf("Key = %v", p.Events[0].Key())
	}
	if p.Events[1].Verdict != "withdrawn" || p.Events[1].Stage != "requested" {
		t.Errorf("the wish is %s/%s", p.Events[1].Stage, p.Events[1].Verdict)
	}
	b, err := yaml.Marshal(p.Events[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"newer: field", "lease: 9223372036854775807", "namespace: ns1", "state: removed"} {
		if !strings.Contains(string(b), line+"\n") {
			t.Errorf("YAML has no line %q:\n%s", line, b)
		}
	}
	var back history.Event
	j, err := json.Marshal(p.Events[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(j, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, back); d != "" {
		t.Errorf("over JSON (-want +got):\n%s", d)
	}
}

func TestStructuredModeShowsItsData(t *testing.T) {
	s := fresh(t)
	e := entry(t, 1, withdrawn(1))
	e.Data = []byte(`{"specversion":"1.0","id":"x","data":{"digest":"d"}}`)
	appendAll(t, s, []history.Entry{e})
	p, err := s.Events(t.Context(), history.Filter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(p.Events[0].Payload); got != `{"digest":"d"}` {
		t.Errorf("payload %s", got)
	}
}

// A batch that is delivered again, whole, in part or over a restart, is kept once.
func TestRedelivery(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.db")
	s := open(t, file)
	appendAll(t, s, entries(t, 1, 5))
	if a := appendAll(t, s, entries(t, 1, 5)); len(a.Kept) != 0 || len(a.Gaps) != 0 || a.Progress.Last != 5 {
		t.Errorf("the same batch again: %+v", a)
	}
	again := open(t, file) // as after kill -9 between commit and acknowledgement
	if a := appendAll(t, again, entries(t, 3, 8)); len(a.Kept) != 3 || len(a.Gaps) != 0 || a.Progress.Epoch != 1 {
		t.Errorf("an overlapping batch: %+v", a)
	}
	if d := cmp.Diff([]uint64{8, 7, 6, 5, 4, 3, 2, 1}, sequences(t, again, history.Filter{})); d != "" {
		t.Error(d)
	}
}

// What was killed before its commit leaves nothing.
func TestCancelledBatchLeavesNothing(t *testing.T) {
	s := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, entries(t, 1, 3), noon); !errors.Is(err, context.Canceled) {
		t.Fatalf("Append with an ended context: %v", err)
	}
	bad := entries(t, 1, 3)
	bad[2].Sequence = 1 << 63 // what SQLite cannot hold
	if _, err := s.Append(t.Context(), bad, noon); err == nil || !strings.Contains(err.Error(), "sequence 9223372036854775808") {
		t.Fatalf("a batch that fails at its third: %v", err)
	}
	if got := sequences(t, s, history.Filter{}); len(got) != 0 {
		t.Errorf("a part of a failed batch is there: %v", got)
	}
	if a := appendAll(t, s, entries(t, 1, 3)); len(a.Kept) != 3 || len(a.Gaps) != 0 {
		t.Errorf("after the failure: %+v", a)
	}
}

// The same event published again gets a row and is listed once; a forgery under its id is listed.
func TestRepeats(t *testing.T) {
	s := fresh(t)
	twice, forged := entry(t, 2, withdrawn(1)), entry(t, 3, withdrawn(1))
	forged.Data = []byte(`{"digest":"other"}`)
	resourced := entry(t, 4, withdrawn(1))
	resourced.Event.Source = "/watcher/other"
	a := appendAll(t, s, []history.Entry{entry(t, 1, withdrawn(1)), twice, forged, resourced})
	if a.Repeats != 1 || len(a.Kept) != 4 || len(a.Gaps) != 0 {
		t.Errorf("%+v", a)
	}
	if d := cmp.Diff([]uint64{4, 3, 1}, sequences(t, s, history.Filter{})); d != "" {
		t.Error(d)
	}
	c, err := s.Change(t.Context(), withdrawn(1).ID)
	if err != nil || len(c.Events) != 3 {
		t.Errorf("the change has %d events, %v; want 3", len(c.Events), err)
	}
}

func TestGaps(t *testing.T) {
	ignore := cmpopts.IgnoreFields(history.Gap{}, "Reason", "Found")
	t.Run("before the first and in the middle", func(t *testing.T) {
		s := fresh(t)
		a := appendAll(t, s, entries(t, 4, 5))
		if d := cmp.Diff([]history.Gap{{Epoch: 1, First: 1, Last: 3, Missed: 3, Before: 1}}, a.Gaps, ignore); d != "" {
			t.Error(d)
		}
		appendAll(t, s, append(entries(t, 6, 6), entries(t, 9, 9)...))
		want := []history.Gap{{Epoch: 1, First: 7, Last: 8, Missed: 2, Before: 4}, {Epoch: 1, First: 1, Last: 3, Missed: 3, Before: 1}}
		got, err := s.Gaps(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, ignore); d != "" {
			t.Error(d)
		}
		if !strings.Contains(got[0].Reason, "max-age") || !got[0].Found.Equal(noon) {
			t.Errorf("gap %+v does not say what to do, or when it was found", got[0])
		}
		if a := appendAll(t, s, entries(t, 4, 5)); len(a.Kept)+len(a.Gaps) != 0 {
			t.Errorf("a redelivery after a gap: %+v", a)
		}
		// Every page says what is missing in the part that it looked through, whatever it selects.
		for _, tt := range []struct {
			f    history.Filter
			want int
		}{
			{history.Filter{Limit: 10}, 2},
			{history.Filter{Limit: 10, Name: "none"}, 2},
			{history.Filter{Limit: 1}, 1},            // row 4
			{history.Filter{Limit: 2, Before: 4}, 0}, // rows 3 and 2
			{history.Filter{Limit: 2, Before: 3}, 1}, // rows 2 and 1
		} {
			p, err := s.Events(t.Context(), tt.f)
			if err != nil || len(p.Gaps) != tt.want {
				t.Errorf("%+v: gaps %+v, %v; want %d", tt.f, p.Gaps, err, tt.want)
			}
		}
	})
	t.Run("aged out while the auditor was down", func(t *testing.T) {
		s := fresh(t)
		appendAll(t, s, entries(t, 1, 2))
		a, err := s.Begin(t.Context(), 10, 20, noon)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]history.Gap{{Epoch: 1, First: 3, Last: 9, Missed: 7, Before: 3}}, a.Gaps, ignore); d != "" {
			t.Error(d)
		}
		if a, err = s.Begin(t.Context(), 10, 20, noon); err != nil || len(a.Gaps) != 0 {
			t.Errorf("the same gap twice: %+v, %v", a, err)
		}
		if a := appendAll(t, s, entries(t, 10, 11)); len(a.Gaps) != 0 || len(a.Kept) != 2 {
			t.Errorf("after the gap: %+v", a)
		}
	})
	t.Run("nothing is missing", func(t *testing.T) {
		s := fresh(t)
		for _, r := range [][2]uint64{{1, 0}, {1, 7}} { // an empty HISTORY, and a full one
			if a, err := s.Begin(t.Context(), r[0], r[1], noon); err != nil || len(a.Gaps) != 0 || a.Progress.Last != 0 {
				t.Errorf("Begin%v: %+v, %v", r, a, err)
			}
		}
	})
	t.Run("HISTORY is shorter than history", func(t *testing.T) {
		s := fresh(t)
		appendAll(t, s, entries(t, 1, 5))
		a, err := s.Begin(t.Context(), 1, 2, noon)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]history.Gap{{Epoch: 1, First: 6, Before: 6}}, a.Gaps, ignore); d != "" || a.Progress.Epoch != 2 {
			t.Errorf("progress %+v, gaps %s", a.Progress, d)
		}
		if a := appendAll(t, s, entries(t, 1, 2)); len(a.Kept) != 2 || len(a.Gaps) != 0 {
			t.Errorf("the other stream's events: %+v", a)
		}
	})
	t.Run("another stream with the same numbers", func(t *testing.T) {
		s := fresh(t)
		appendAll(t, s, entries(t, 1, 5))
		other := entry(t, 3, withdrawn(99))
		a := appendAll(t, s, append(entries(t, 1, 2), other))
		if d := cmp.Diff([]history.Gap{{Epoch: 1, First: 6, Before: 6}}, a.Gaps, ignore); d != "" || a.Progress.Epoch != 2 || a.Progress.Last != 3 {
			t.Errorf("progress %+v, gaps %s", a.Progress, d)
		}
		if d := cmp.Diff([]uint64{3, 5, 4, 3, 2, 1}, sequences(t, s, history.Filter{})); d != "" {
			t.Error(d)
		}
	})
	t.Run("another stream whose events differ in the envelope only", func(t *testing.T) {
		for name, edit := range map[string]func(*events.Event){
			"id":   func(e *events.Event) { e.ID = "other" },
			"time": func(e *events.Event) { e.Time = e.Time.Add(time.Nanosecond) },
		} {
			s := fresh(t)
			appendAll(t, s, entries(t, 1, 1))
			e := entry(t, 1, withdrawn(1))
			edit(&e.Event)
			if a := appendAll(t, s, []history.Entry{e}); a.Progress.Epoch != 2 || len(a.Kept) != 1 {
				t.Errorf("another %s: %+v", name, a)
			}
		}
	})
}

func TestUndecodable(t *testing.T) {
	s := fresh(t)
	k := key(1)
	list := []history.Entry{
		{Sequence: 1, Subject: events.Subject(events.StageDecided, "default", k), Data: []byte("\x00{" + strings.Repeat("\xff", 1<<20)), Err: errors.New("it is no JSON " + strings.Repeat("!", 1<<20))},
		{Sequence: 2, Subject: "fleet.nonsense", Err: errors.New("no such subject")},
	}
	appendAll(t, s, list)
	if a := appendAll(t, s, list); len(a.Kept) != 0 || a.Progress.Epoch != 1 {
		t.Errorf("redelivered: %+v", a)
	}
	p, err := s.Events(t.Context(), history.Filter{Limit: 10, Stage: "rejected", Verdict: history.Undecodable})
	if err != nil || len(p.Events) != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	second, first := p.Events[0], p.Events[1]
	if second.Subject != "fleet.nonsense" || second.Key() != (events.Key{}) || second.Reason != "no such subject" || !second.Time.Equal(noon) {
		t.Errorf("%+v", second)
	}
	if first.Key() != k || first.Cloud != "default" || !strings.HasPrefix(first.Reason, "it is no JSON") || first.Payload != nil {
		t.Errorf("%+v", first)
	}
	if len(first.Raw) > 2048 || !strings.HasPrefix(first.Raw, "\x00{") || len(first.Reason) > 2048 {
		t.Errorf("%d bytes of the message and %d of the reason are kept", len(first.Raw), len(first.Reason))
	}
	if _, err := json.Marshal(p); err != nil {
		t.Error(err)
	}
	if _, err := s.Change(t.Context(), ""); !errors.Is(err, history.ErrNotFound) {
		t.Errorf("a change without an id: %v", err)
	}
}

func TestFilters(t *testing.T) {
	s := fresh(t)
	ask := withdrawn(1) // c1, ns1, svc.1
	decide := func(v events.Verdict) events.Event {
		return events.New("/policy", "default", ask.Key, events.Decided{Verdict: v, Wish: "w", Digest: "d", Reasons: []string{"r"}}, string(v), &ask, noon.Add(time.Hour))
	}
	other := ask
	other.Cloud, other.Key.Kind, other.Key.Name, other.ID = "west", events.KindIngress, "web", "other"
	other.Time = noon.Add(2 * time.Hour)
	appendAll(t, s, []history.Entry{entry(t, 1, ask), entry(t, 2, decide(events.Approved)), entry(t, 3, decide(events.Denied)), entry(t, 4, other), entry(t, 5, withdrawn(2))})
	for _, tt := range []struct {
		name string
		f    history.Filter
		want []uint64
	}{
		{"all", history.Filter{}, []uint64{5, 4, 3, 2, 1}},
		{"cluster", history.Filter{Cluster: "c1"}, []uint64{4, 3, 2, 1}},
		{"kind", history.Filter{Kind: "Ingress"}, []uint64{4}},
		{"namespace", history.Filter{Namespace: "ns2"}, []uint64{5}},
		{"name", history.Filter{Name: "svc.1"}, []uint64{3, 2, 1}},
		{"object", history.Filter{Cluster: "c1", Kind: "Service", Namespace: "ns1", Name: "svc.1"}, []uint64{3, 2, 1}},
		{"stage", history.Filter{Stage: "decided"}, []uint64{3, 2}},
		{"verdict", history.Filter{Verdict: "denied"}, []uint64{3}},
		{"cloud", history.Filter{Cloud: "west"}, []uint64{4}},
		{"since is inclusive", history.Filter{Since: noon.Add(time.Hour)}, []uint64{4, 3, 2}},
		{"until is exclusive", history.Filter{Until: noon.Add(time.Hour)}, []uint64{5, 1}},
		{"another time zone", history.Filter{Since: noon.Add(time.Hour).In(time.FixedZone("", 7200)), Until: noon.Add(time.Hour + 1)}, []uint64{3, 2}},
		{"before a row", history.Filter{Before: 3}, []uint64{2, 1}},
		{"limit", history.Filter{Limit: 2}, []uint64{5, 4}},
		{"all at once", history.Filter{Cluster: "c1", Stage: "decided", Verdict: "approved", Cloud: "default", Since: noon, Before: 5}, []uint64{2}},
		{"nothing", history.Filter{Name: "svc"}, nil},
		{"no wildcard, no SQL", history.Filter{Name: "svc.%' OR 1=1 --"}, nil},
	} {
		if d := cmp.Diff(tt.want, sequences(t, s, tt.f)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

// Clocks differ and events come late: times are compared exactly all the same.
func TestTimesOutOfOrder(t *testing.T) {
	at := []int{5, 1, 9, 3, 3, 12, 2, 20, 4} // minutes, by row
	s := fresh(t)
	var list []history.Entry
	for i, m := range at {
		e := withdrawn(i + 1)
		e.Time = noon.Add(time.Duration(m) * time.Minute)
		list = append(list, entry(t, uint64(i+1), e))
	}
	appendAll(t, s, list[:4]) // what is known of the times survives a batch
	appendAll(t, s, list[4:])
	for since := range 22 {
		for until := range 22 {
			var want []uint64
			for i := len(at) - 1; i >= 0; i-- {
				if at[i] >= since && at[i] < until {
					want = append(want, uint64(i+1))
				}
			}
			f := history.Filter{Since: noon.Add(time.Duration(since) * time.Minute), Until: noon.Add(time.Duration(until) * time.Minute)}
			if d := cmp.Diff(want, sequences(t, s, f)); d != "" {
				t.Fatalf("from %d to %d (-want +got):\n%s", since, until, d)
			}
		}
	}
}

// Pages are stable while events are appended, and every event is on one.
func TestPaging(t *testing.T) {
	s := fresh(t)
	appendAll(t, s, entries(t, 1, 25))
	f := history.Filter{Limit: 10, Cluster: "c1"}
	var got []uint64
	for pages := 0; ; pages++ {
		p, err := s.Events(t.Context(), f)
		if err != nil || pages > 5 {
			t.Fatal(pages, err)
		}
		for _, e := range p.Events {
			got = append(got, e.Sequence)
		}
		if p.Next == 0 {
			break
		}
		f.Before = p.Next
		appendAll(t, s, entries(t, 26+pages, 26+pages))
	}
	if d := cmp.Diff([]uint64{25, 22, 19, 16, 13, 10, 7, 4, 1}, got); d != "" {
		t.Error(d)
	}
	// A page that ends with the last row has no next.
	if p, err := s.Events(t.Context(), history.Filter{Limit: 9, Cluster: "c1", Before: 26}); err != nil || p.Next != 0 || len(p.Events) != 9 {
		t.Errorf("%d events, next %d, %v", len(p.Events), p.Next, err)
	}
}

// Large payloads end a page before its limit does.
func TestPageIsBounded(t *testing.T) {
	s := fresh(t)
	list := entries(t, 1, 30)
	for i := range list {
		list[i].Data = []byte(`{"digest":"` + strings.Repeat("x", 1<<20) + `"}`)
	}
	appendAll(t, s, list)
	var got int
	f := history.Filter{Limit: 1000}
	for range 5 {
		p, err := s.Events(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Events) > 17 {
			t.Errorf("a page of %d MB", len(p.Events))
		}
		got += len(p.Events)
		if f.Before = p.Next; p.Next == 0 {
			break
		}
	}
	if got != 30 {
		t.Errorf("%d events on all pages, want 30", got)
	}
}

func TestChangeInCausalOrder(t *testing.T) {
	s := fresh(t)
	ask := withdrawn(1)
	mk := func(source string, p events.Payload, previous string, cause *events.Event) events.Event {
		return events.New(source, "default", ask.Key, p, previous, cause, noon)
	}
	decided := mk("/policy", events.Decided{Verdict: events.Approved, Wish: "w", Digest: "d"}, "", &ask)
	failed := mk("/executor/default", events.Outcome{State: events.Failed, Decision: "d", Reason: "quota"}, "", &decided)
	applied := mk("/executor/default", events.Outcome{State: events.Applied, Decision: "d"}, failed.ID, &decided)
	drift := mk("/executor/default", events.Drift{Decision: "d", Steps: []string{"s"}}, "", &applied)
	// As a hub may have sourced them: effects before causes.
	appendAll(t, s, []history.Entry{entry(t, 1, withdrawn(2)), entry(t, 2, drift), entry(t, 3, failed), entry(t, 4, ask), entry(t, 5, decided), entry(t, 6, applied), entry(t, 9, withdrawn(3))})
	for _, id := range []string{ask.ID, applied.ID} {
		c, err := s.Change(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range c.Events {
			got = append(got, e.Verdict)
		}
		if d := cmp.Diff([]string{"withdrawn", "approved", "applied", "drifted", "failed"}, got); d != "" || c.ID != ask.ID {
			t.Errorf("change %s by %s: %s", c.ID, id, d)
		}
		if len(c.Gaps) != 1 || c.Gaps[0].First != 7 {
			t.Errorf("gaps since the trip began: %+v", c.Gaps)
		}
	}
	if _, err := s.Change(t.Context(), "nobody"); !errors.Is(err, history.ErrNotFound) || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("an unknown change: %v", err)
	}
	loop := withdrawn(50)
	loop.Cause = loop.ID
	appendAll(t, s, []history.Entry{entry(t, 10, loop)})
	if c, err := s.Change(t.Context(), loop.ID); err != nil || len(c.Events) != 1 {
		t.Errorf("an event that causes itself: %+v, %v", c, err)
	}
}

func TestExposures(t *testing.T) {
	s := fresh(t)
	a, b := withdrawn(1), withdrawn(2) // c1/ns1/svc.1, c2/ns2/svc.2
	west := a
	west.Cloud, west.ID = "west", "west"
	mk := func(cause events.Event, p events.Payload, previous string) events.Event {
		return events.New("/x", cause.Cloud, cause.Key, p, previous, &cause, noon)
	}
	denied := mk(a, events.Decided{Verdict: events.Denied, Wish: "w", Digest: "d", Reasons: []string{"r"}}, "")
	approved := mk(a, events.Decided{Verdict: events.Approved, Wish: "w", Digest: "e"}, denied.ID)
	drift := mk(a, events.Drift{Decision: "e", Steps: []string{"s"}}, "")
	rejected := events.New("/x", b.Cloud, b.Key, events.Rejected{Reason: "r"}, "", nil, noon)
	outcome := mk(b, events.Outcome{State: events.Applied, Decision: "e"}, "")
	appendAll(t, s, []history.Entry{entry(t, 1, b), entry(t, 2, a), entry(t, 3, denied), entry(t, 4, west), entry(t, 5, approved)})
	appendAll(t, s, []history.Entry{entry(t, 6, denied), entry(t, 7, drift), entry(t, 8, rejected), entry(t, 9, outcome),
		{Sequence: 10, Subject: events.Subject(events.StageDecided, "default", a.Key), Data: []byte("?"), Err: errors.New("no event")}})
	list, err := s.Exposures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range list {
		line := x.Cloud + " " + x.Key().String()
		for _, e := range []*history.Event{x.Requested, x.Decided, x.Outcome, x.Drift, x.Rejected} {
			if e != nil {
				line += fmt.Sprintf(" %s:%d", e.Verdict, e.Sequence)
			}
		}
		got = append(got, line)
	}
	want := []string{ // the denial that was published again is no newer than the approval
		"default c1/Service/ns1/svc.1 withdrawn:2 approved:5 drifted:7",
		"default c2/Service/ns2/svc.2 withdrawn:1 applied:9 rejected:8",
		"west c1/Service/ns1/svc.1 withdrawn:4",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestReaderName(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, filepath.Join(dir, "a")), open(t, filepath.Join(dir, "b"))
	pa, err := a.Progress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pb, err := b.Progress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if pa.Reader == pb.Reader || !strings.HasPrefix(pa.Reader, "auditor-") {
		t.Errorf("two histories read as %q and %q: one would take events from the other", pa.Reader, pb.Reader)
	}
	appendAll(t, a, entries(t, 1, 2))
	if p, err := a.Rename(t.Context()); err != nil || p.Reader == pa.Reader || p.Last != 2 {
		t.Errorf("renamed: %+v, %v", p, err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a folder", "50% #1?.db")
	s := open(t, file)
	appendAll(t, s, entries(t, 1, 1))
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v; want only its owner to read it", fi, err)
	}

	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign.db")
	execute(t, foreign, "CREATE TABLE theirs (x)")
	newer := filepath.Join(dir, "newer.db")
	open(t, newer)
	execute(t, newer, "PRAGMA user_version = 99")
	for name, want := range map[string]string{
		text:                       "move it away",
		foreign:                    "something else",
		newer:                      "version 99",
		dir:                        "directory",
		filepath.Join(text, "sub"): "not a directory",
	} {
		if _, err := history.Open(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("Open(%s): %v, want %q and the file in it", name, err, want)
		}
	}
}

func execute(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
