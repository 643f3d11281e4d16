package watcher

import (
	"context"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/watcher/translate"
)

var key = events.Key{Cluster: "c1", Kind: events.KindService, Namespace: "shop", Name: "web"}

// wish is a small one; uid makes it differ.
func wish(cloud, uid string) events.Requested {
	return events.Requested{Exposure: &events.Exposure{Key: key, UID: uid, Cloud: cloud,
		Listeners: []events.Listener{{Protocol: events.TCP, Port: 80, Backend: "b"}},
		Backends:  []events.Backend{{Name: "b", Protocol: events.TCP, Members: []events.Member{}}}}}.Seal()
}

func asks(cloud, uid string, problems ...events.Problem) translate.Result {
	w := wish(cloud, uid)
	return translate.Result{Key: key, UID: uid, Cloud: cloud, Asks: true, Wish: &w, Problems: problems}
}

func refusal(problem string) translate.Result {
	return translate.Result{Key: key, UID: "u1", Cloud: "a", Asks: true, Problems: []events.Problem{{Field: "spec", Message: problem}}}
}

// world is a table with the clock of a history.
type world struct {
	table    *table
	sequence uint64
}

func newWorld() *world { w := &world{table: newTable()}; w.table.begin(); return w }

// says puts an event of any service into the table.
func (w *world) says(cloud string, p events.Payload) {
	w.sequence++
	e := events.New("/test", cloud, key, p, "", nil, time.Unix(int64(w.sequence), 0))
	w.table.put(bus.Record{Event: e, Subject: e.Subject(), Sequence: w.sequence})
}

// sync publishes what is owed, and returns it as text.
func (w *world) sync(r translate.Result) (out []string) {
	for _, p := range owed(r, w.table.of(key)) {
		w.says(p.cloud, p.payload)
		out = append(out, p.cloud+" "+verb(p.payload))
	}
	return out
}

func verb(p events.Payload) string {
	switch v := p.(type) {
	case events.Requested:
		if v.Exposure == nil {
			return "withdrawn"
		}
		return "requested " + v.Exposure.UID
	case events.Rejected:
		return "rejected"
	}
	return "?"
}

func (w *world) decide(cloud string, v events.Verdict) {
	p := w.table.of(key)[cloud]
	d := events.Decided{Verdict: v, Wish: p.requested.digest, Reasons: []string{"because"}}.Seal(key)
	w.says(cloud, d)
}

func (w *world) outcome(cloud string, s events.OutcomeState, ips ...string) {
	o := events.Outcome{State: s, Decision: w.table.of(key)[cloud].decided.Digest, Reason: "quota"}
	for _, ip := range ips {
		o.Addresses = append(o.Addresses, events.Address{IP: ip, Type: "floating"})
	}
	w.says(cloud, o)
}

func TestOwed(t *testing.T) {
	gone := translate.Result{Key: key}
	partly := events.Problem{Field: "spec.x", Message: "has no effect"}
	for _, c := range []struct {
		name string
		run  func(w *world) [][]string
		want [][]string
	}{
		{"asked once", func(w *world) [][]string { return [][]string{w.sync(asks("a", "u1")), w.sync(asks("a", "u1"))} },
			[][]string{{"a requested u1"}, nil}},
		{"changed and back", func(w *world) [][]string {
			return [][]string{w.sync(asks("a", "u1")), w.sync(asks("a", "u2")), w.sync(asks("a", "u1"))}
		}, [][]string{{"a requested u1"}, {"a requested u2"}, {"a requested u1"}}},
		{"gone", func(w *world) [][]string { return [][]string{w.sync(asks("a", "u1")), w.sync(gone), w.sync(gone)} },
			[][]string{{"a requested u1"}, {"a withdrawn"}, nil}},
		{"never there", func(w *world) [][]string { return [][]string{w.sync(gone)} }, [][]string{nil}},
		{"comes back", func(w *world) [][]string {
			return [][]string{w.sync(asks("a", "u1")), w.sync(gone), w.sync(asks("a", "u1"))}
		}, [][]string{{"a requested u1"}, {"a withdrawn"}, {"a requested u1"}}},
		{"refused: the last wish stays, told once", func(w *world) [][]string {
			return [][]string{w.sync(asks("a", "u1")), w.sync(refusal("x")), w.sync(refusal("x")), w.sync(refusal("y")), w.sync(asks("a", "u1"))}
		}, [][]string{{"a requested u1"}, {"a rejected"}, nil, {"a rejected"}, nil}},
		{"refused again after a wish", func(w *world) [][]string {
			return [][]string{w.sync(refusal("x")), w.sync(asks("a", "u1")), w.sync(refusal("x")), w.sync(gone)}
		}, [][]string{{"a rejected"}, {"a requested u1"}, {"a rejected"}, {"a withdrawn"}}},
		{"partly: told once, whatever the wish", func(w *world) [][]string {
			return [][]string{w.sync(asks("a", "u1", partly)), w.sync(asks("a", "u1", partly)), w.sync(asks("a", "u1"))}
		}, [][]string{{"a requested u1", "a rejected"}, nil, nil}},
		{"moves before anything stands", func(w *world) [][]string {
			return [][]string{w.sync(asks("a", "u1")), w.sync(asks("b", "u1")), w.sync(asks("b", "u1"))}
		}, [][]string{{"a requested u1"}, {"b requested u1", "a withdrawn"}, nil}},
		{"moves when applied: the old place last", func(w *world) (out [][]string) {
			out = append(out, w.sync(asks("a", "u1")))
			w.decide("a", events.Approved)
			w.outcome("a", events.Applied, "192.0.2.1")
			out = append(out, w.sync(asks("b", "u1")), w.sync(asks("b", "u1")))
			w.decide("b", events.Approved)
			out = append(out, w.sync(asks("b", "u1")))
			w.outcome("b", events.Failed)
			out = append(out, w.sync(asks("b", "u1")))
			w.outcome("b", events.Applied, "192.0.2.2")
			return append(out, w.sync(asks("b", "u1")), w.sync(asks("b", "u1")))
		}, [][]string{{"a requested u1"}, {"b requested u1"}, nil, nil, nil, {"a withdrawn"}, nil}},
		{"moves, is denied there, and returns", func(w *world) (out [][]string) {
			out = append(out, w.sync(asks("a", "u1")))
			w.decide("a", events.Approved)
			w.outcome("a", events.Applied, "192.0.2.1")
			out = append(out, w.sync(asks("b", "u1")))
			w.decide("b", events.Denied)
			out = append(out, w.sync(asks("b", "u1")))
			return append(out, w.sync(asks("a", "u1")))
		}, [][]string{{"a requested u1"}, {"b requested u1"}, nil, {"b withdrawn"}}},
		{"gone in two places", func(w *world) (out [][]string) {
			out = append(out, w.sync(asks("a", "u1")))
			w.decide("a", events.Approved)
			w.outcome("a", events.Applied, "192.0.2.1")
			return append(out, w.sync(asks("b", "u1")), w.sync(gone))
		}, [][]string{{"a requested u1"}, {"b requested u1"}, {"a withdrawn", "b withdrawn"}}},
		{"a row that nobody can read", func(w *world) [][]string {
			w.sequence++
			w.table.put(bus.Record{Subject: events.Subject(events.StageRequested, "a", key), Sequence: w.sequence, Err: bus.ErrConflict})
			first := w.table.of(key)["a"].requested.name()
			return [][]string{{first}, w.sync(gone), w.sync(gone)}
		}, [][]string{{"sequence 1"}, {"a withdrawn"}, nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, c.run(newWorld())); d != "" {
				t.Error(d)
			}
		})
	}
}

// Whatever happens in whatever order: a second look owes nothing, a refusal
// changes no wish, there is never a tombstone while the object stands nowhere
// else, and an object that is gone leaves only tombstones.
func TestOwedConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			cloud := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "cloud")
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				r := asks(cloud, rapid.SampledFrom([]string{"u1", "u2"}).Draw(t, "uid"))
				before := w.table.of(key)
				out := w.sync(r)
				after := w.table.of(key)
				if !after[cloud].wished() || after[cloud].requested.digest != r.Wish.Digest {
					t.Fatalf("the wish is not in the table: %v", out)
				}
				for c, p := range before {
					if c != cloud && p.wished() && p.outcome.State == events.Applied && !after[c].wished() && !after[cloud].applied(r.Wish.Digest) {
						t.Fatalf("%s was withdrawn before %s was applied", c, cloud)
					}
				}
				if again := w.sync(r); again != nil {
					t.Fatalf("a second look owes %v", again)
				}
			case 2:
				w.sync(translate.Result{Key: key})
				for c, p := range w.table.of(key) {
					if p.wished() {
						t.Fatalf("the object is gone, and %s still has a wish", c)
					}
				}
			case 3:
				before := w.table.of(key)
				r := refusal(cloud)
				r.Cloud = cloud
				w.sync(r)
				for c, p := range w.table.of(key) {
					if !reflect.DeepEqual(p.requested, before[c].requested) {
						t.Fatal("a refusal changed a wish")
					}
				}
			case 4:
				if w.table.of(key)[cloud].requested.there() {
					w.decide(cloud, rapid.SampledFrom([]events.Verdict{events.Approved, events.Denied, events.Held}).Draw(t, "verdict"))
					w.outcome(cloud, rapid.SampledFrom([]events.OutcomeState{events.Applied, events.Failed, events.Removed}).Draw(t, "outcome"), "192.0.2.1")
				}
			}
		}
	})
}

func TestTableTakesTheNewest(t *testing.T) {
	w := newTable()
	record := func(sequence uint64, uid string) bus.Record {
		e := events.New("/test", "a", key, wish("a", uid), "", nil, time.Unix(1, 0))
		return bus.Record{Event: e, Subject: e.Subject(), Sequence: sequence}
	}
	for _, c := range []struct {
		sequence uint64
		want     bool
	}{{5, true}, {5, false}, {4, false}, {6, true}} {
		if _, newer := w.put(record(c.sequence, "u")); newer != c.want {
			t.Errorf("sequence %d counts as newer: %v", c.sequence, newer)
		}
	}
	if _, newer := w.put(bus.Record{Subject: "other.thing", Sequence: 9}); newer {
		t.Error("a foreign subject was taken over")
	}
}

func TestWindowMakesOneOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		w := newWindow(time.Second, func() { calls.Add(1) })
		for range 15 {
			w.open()
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := calls.Load(); n != 2 {
			t.Errorf("1.5 s of changes gave %d looks, want one at 1 s and one at 2 s", n)
		}
		w.open()
		w.stop()
		time.Sleep(time.Minute)
		if calls.Load() != 2 {
			t.Error("a stopped window still looks")
		}
	})
}

// What waits when the watcher is stopped is left to its next start.
func TestStopBeginsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{log: zerolog.Nop()}
	var begun []string
	q := newQueue()
	for _, name := range []string{"a", "b", "c"} {
		q.Add(events.Key{Cluster: "c1", Kind: events.KindService, Namespace: "shop", Name: name})
	}
	w.drain(ctx, t.Context(), q, "requested", func(late context.Context, k events.Key) error {
		begun = append(begun, k.Name)
		cancel()
		q.ShutDown()
		return late.Err() // what is under way is not broken off
	})
	if len(begun) != 1 {
		t.Errorf("%v were begun, want the one before the stop", begun)
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		name, want string
		config     Config
	}{
		{"none", "cluster: key field cluster: is empty", Config{}},
		{"both sources", "folder: ", Config{Cluster: "c", Folder: "f", Kubeconfig: "k"}},
		{"cloud", "cloud: ", Config{Cluster: "c", Cloud: "a b"}},
		{"window", "node-window: ", Config{Cluster: "c", NodeWindow: -1}},
		{"workers", "workers: ", Config{Cluster: "c", Workers: -1}},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, c.config.Defaults().Validate(), "watcher: "+c.want) })
	}
	if err := (Config{Cluster: "c"}).Defaults().Validate(); err != nil {
		t.Error(err)
	}
}
