package policy

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
)

// ledger is the table of a bus whose watchers lag as far as a test likes.
type ledger struct {
	log  []bus.Record
	rows map[string]bus.Record
}

func newLedger() *ledger { return &ledger{rows: map[string]bus.Record{}} }

func (l *ledger) put(_ context.Context, e events.Event, last uint64) (bus.Ack, error) {
	if l.rows[e.Subject()].Sequence != last {
		return bus.Ack{}, bus.ErrConflict
	}
	r := bus.Record{Event: e, Subject: e.Subject(), Sequence: uint64(len(l.log) + 1)}
	l.log, l.rows[r.Subject] = append(l.log, r), r
	return bus.Ack{Sequence: r.Sequence}, nil
}

func (l *ledger) last(_ context.Context, stage events.Stage, r row) (bus.Record, bool, error) {
	rec, ok := l.rows[events.Subject(stage, r.cloud, r.key)]
	return rec, ok, nil
}

func (l *ledger) request(t testing.TB, k events.Key, w events.Requested) {
	t.Helper()
	before := l.rows[events.Subject(events.StageRequested, "default", k)]
	e := events.New("/watcher/c1", "default", k, w, before.Event.ID, nil, wishTime)
	if _, err := l.put(t.Context(), e, before.Sequence); err != nil {
		t.Fatal(err)
	}
}

// decisions are what the table says of every wish.
func (l *ledger) decisions() map[events.Key]events.Decided {
	out := map[events.Key]events.Decided{}
	for _, r := range l.rows {
		if d, ok := r.Event.Payload.(events.Decided); ok {
			out[r.Event.Key] = d
		}
	}
	return out
}

// replica is one policy service that is driven step by step.
type replica struct {
	*decider
	seen    int          // records of the ledger that are on their way or were watched
	pending []bus.Record // on their way
}

func newReplica(l *ledger, engine *Engine, signer *signer, others ...*signer) *replica {
	d := newDecider(Config{}.Defaults(), l, zerolog.Nop(), signer, func(error) {})
	d.trust = trust{}
	for _, s := range append(others, signer) {
		d.trust[s.public] = s.pair
	}
	d.metrics = newMetrics(prometheus.NewRegistry(), func() float64 { return 0 }, func() float64 { return 0 })
	d.engine.Store(engine)
	return &replica{decider: d}
}

// watch takes in one record that is on its way, which may be any that is the
// first of its subject: a bus keeps no other order.
func (r *replica) watch(l *ledger, which int) {
	r.pending, r.seen = append(r.pending, l.log[r.seen:]...), len(l.log)
	if len(r.pending) == 0 {
		return
	}
	subject := r.pending[which%len(r.pending)].Subject
	first := slices.IndexFunc(r.pending, func(rec bus.Record) bool { return rec.Subject == subject })
	r.observe(r.pending[first])
	r.pending = slices.Delete(r.pending, first, first+1)
}

// step decides one row; false if there is none.
func (r *replica) step(t testing.TB) bool {
	next, ok := r.queue.pop()
	if ok {
		r.decide(t.Context(), next)
	}
	return ok
}

// settle watches and decides until nothing is left to do on any replica.
func settle(t testing.TB, l *ledger, replicas ...*replica) {
	t.Helper()
	for rounds := 0; ; rounds++ {
		busy := false
		for _, r := range replicas {
			for r.seen < len(l.log) || len(r.pending) > 0 {
				r.watch(l, 0)
				busy = true
			}
			for r.step(t) {
				busy = true
			}
		}
		if !busy {
			return
		}
		if rounds > 1000 {
			t.Fatal("the replicas decide for ever")
		}
	}
}

func testSigner(t testing.TB) *signer {
	t.Helper()
	s, err := loadSigner(filepath.Join(t.TempDir(), "k"), true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// frugalEngine has the rules that depend on what others were given, and no more:
// an evaluation is a fifth of one of the shipped bundle.
func frugalEngine(t *testing.T) *Engine {
	t.Helper()
	e := engineOf(t, `package drawbridge

decision := {"verdict": "denied", "reasons": ["claimed"], "rules": ["claims"]} if {
	some claim in input.inventory.claims
	claim.namespace != input.wish.key.namespace
} else := {"verdict": "denied", "reasons": ["in conflict"], "rules": ["group"]} if {
	count(input.inventory.conflicts) > 0
} else := {"verdict": "denied", "reasons": ["full"], "rules": ["limit"]} if {
	input.inventory.loadBalancers >= 3
} else := {"verdict": "approved"}
`)
	e.timeout = time.Minute
	return e
}

// limitedEngine is the shipped bundle with room for three load balancers in each namespace.
func limitedEngine(t *testing.T) *Engine {
	t.Helper()
	folder := copyShipped(t, t.TempDir())
	data := shippedData(t)
	writeBundle(t, folder, map[string]string{"data.yaml": strings.Replace(data, `"*": 20`, `"*": 3`, 1)})
	e, err := NewEngine(t.Context(), Config{Bundle: folder, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// served makes an exposure valid again that lost backends to redirects.
func served(e events.Exposure) events.Exposure {
	l := &e.Listeners[0]
	if l.Protocol == events.TerminatedHTTPS {
		l.TLS = &events.TLS{Certificates: []events.Certificate{{Digest: "sha256:" + strings.Repeat("0", 64)}}}
	}
	if l.Protocol == events.TCP {
		l.Routes = nil
	}
	if l.Backend == "" && len(l.Routes) == 0 {
		l.Backend = e.Backends[0].Name
	}
	l.Routes = slices.DeleteFunc(l.Routes, func(r events.Route) bool {
		return r.Redirect != nil && strings.HasPrefix(r.Host, "*")
	})
	if l.Backend == "" && len(l.Routes) == 0 {
		l.Backend = e.Backends[0].Name
	}
	return e.Normalize()
}

// TestReplicasConverge lets two replicas decide the same wishes, each seeing
// what the other did late or early. In the end no host is held by two
// namespaces, members of a group agree, no limit is exceeded, nobody is denied what is free, and deciding
// everything again changes no verdict.
func TestReplicasConverge(t *testing.T) {
	engine, signer := frugalEngine(t), testSigner(t)
	hosts := rapid.SampledFrom([]string{"a.example.org", "b.example.org", "*.example.org", "x.a.example.org", "*.a.example.org"})
	rapid.Check(t, func(rt *rapid.T) {
		l := newLedger()
		replicas := []*replica{newReplica(l, engine, signer), newReplica(l, engine, signer)}
		wishes := map[events.Key]events.Exposure{}
		for range rapid.IntRange(5, 30).Draw(rt, "steps") {
			k := ingressKey(fmt.Sprint("ns", rapid.IntRange(0, 2).Draw(rt, "ns")), fmt.Sprint("i", rapid.IntRange(0, 4).Draw(rt, "name")))
			if rapid.IntRange(0, 3).Draw(rt, "gone") == 0 {
				l.request(t, k, events.Requested{}.Seal())
				delete(wishes, k)
			} else {
				e := site(k, rapid.SliceOfN(hosts, 0, 2).Draw(rt, "hosts")...)
				e.Backends[0].Members[0].Port = 30000 + len(l.log)
				if e.Group = rapid.SampledFrom([]string{"", "", "g1", "g2"}).Draw(rt, "group"); e.Group != "" {
					shareAlike(rt, &e)
					e = served(e)
				}
				l.request(t, k, wish(e, publicNamespace))
				wishes[k] = e
			}
			for range rapid.IntRange(0, 3).Draw(rt, "turns") {
				r := replicas[rapid.IntRange(0, 1).Draw(rt, "who")]
				for range rapid.IntRange(0, 3).Draw(rt, "records") {
					r.watch(l, rapid.IntRange(0, 20).Draw(rt, "which"))
				}
				for range rapid.IntRange(0, 2).Draw(rt, "decides") {
					r.step(t)
				}
			}
		}
		settle(t, l, replicas...)
		checkConverged(rt, t, l, engine, wishes)

		before, settled := len(l.log), l.decisions()
		restarted := newReplica(l, engine, signer)
		settle(t, l, restarted)
		for r, e := range restarted.table.rows {
			restarted.queue.add(r, e.age())
		}
		settle(t, l, restarted)
		for _, rec := range l.log[before:] {
			was, is := settled[rec.Event.Key], rec.Event.Payload.(events.Decided)
			if was.Verdict != is.Verdict || !cmp.Equal(was.Exposure, is.Exposure) {
				rt.Fatalf("%s was %s %q, and decided again it is %s %q", rec.Event.Key, was.Verdict, was.Reasons, is.Verdict, is.Reasons)
			}
		}
	})
}

func checkConverged(rt *rapid.T, t *testing.T, l *ledger, engine *Engine, wishes map[events.Key]events.Exposure) {
	decided := l.decisions()
	inv, units := NewInventory(), map[string]map[string]bool{}
	for k, d := range decided {
		if d.Exposure == nil {
			continue
		}
		inv.Hold("default", k, d.Exposure, 1)
		r := row{"default", k}
		if units[k.Namespace] == nil {
			units[k.Namespace] = map[string]bool{}
		}
		if units[k.Namespace][unitOf(r, *d.Exposure)] = true; len(units[k.Namespace]) > 3 {
			rt.Fatalf("namespace %s has more than 3 load balancers", k.Namespace)
		}
		for _, s := range stakesOf(r, *d.Exposure) {
			if other, ok := inv.opponent(r, s, ""); ok {
				rt.Fatalf("%s has %+v, which %s has otherwise", k, s, other.key)
			}
		}
		for _, h := range hostsOf(*d.Exposure) {
			for _, other := range inv.holdersOf(r, h) {
				rt.Fatalf("%s holds %s, which %s holds, too", k, h, other.key)
			}
		}
	}
	for k, e := range wishes {
		d := decided[k]
		if d.Wish != wish(e, publicNamespace).Digest {
			rt.Fatalf("the newest wish of %s is not decided: %+v", k, d)
		}
		if d.Verdict == events.Approved {
			continue
		}
		q := ask(e, publicNamespace)
		q.Standing, q.Holdings = d.Exposure, inv.For("default", k)
		if again := engine.Decide(t.Context(), q); again.Verdict == events.Approved {
			rt.Fatalf("%s is denied (%q) what it may have", k, d.Reasons)
		}
	}
}

// TestOrderOfArrival: whatever order the rows of a table come in, the older
// wish gets what two ask for.
func TestOrderOfArrival(t *testing.T) {
	engine, signer := limitedEngine(t), testSigner(t)
	l := newLedger()
	hosts := []string{"a.example.org", "b.example.org", "*.example.org", "c.example.org", "nowhere.com"}
	for i := range 33 {
		k := ingressKey(fmt.Sprint("ns", i%7), fmt.Sprint("i", i))
		l.request(t, k, wish(site(k, hosts[i%len(hosts)]), publicNamespace))
	}
	want, inv := map[events.Key]events.Verdict{}, NewInventory()
	for _, rec := range l.log {
		k := rec.Event.Key
		q := ask(*rec.Event.Payload.(events.Requested).Exposure, publicNamespace)
		q.Holdings = inv.For("default", k)
		d := engine.Decide(t.Context(), q)
		inv.Hold("default", k, d.Exposure, rec.Sequence)
		want[k] = d.Verdict
	}
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, seed))
		shuffled := newLedger()
		shuffled.log, shuffled.rows = slices.Clone(l.log), maps.Clone(l.rows)
		r := newReplica(shuffled, engine, signer)
		for _, i := range random.Perm(len(l.log)) {
			r.observe(l.log[i])
		}
		r.seen = len(l.log) // of which none is on its way any more
		settle(t, shuffled, r)
		got := map[events.Key]events.Verdict{}
		for k, d := range shuffled.decisions() {
			got[k] = d.Verdict
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

// TestRaceGoesToTheOlder: two replicas, each of which sees one of two wishes,
// approve both. The younger is taken back, and the older never touched.
func TestRaceGoesToTheOlder(t *testing.T) {
	engine, signer := limitedEngine(t), testSigner(t)
	for name, c := range map[string]struct {
		standing     int
		older, newer events.Exposure
		rule         string
	}{
		"host":            {0, site(ingressKey("a", "web"), "www.example.org"), site(ingressKey("b", "web"), "www.example.org"), "claims"},
		"wildcard":        {0, site(ingressKey("a", "web"), "*.example.org"), site(ingressKey("b", "web"), "www.example.org"), "claims"},
		"port of a group": {0, grouped("shop", serviceOf(events.TCP, 5432, "a")), grouped("shop", serviceOf(events.TCP, 5432, "b")), "group"},
		"path of a group": {0, grouped("shop", site(ingressKey("shop", "a"), "www.example.org")), grouped("shop", site(ingressKey("shop", "b"), "www.example.org")), "group"},
		"floating IP":     {0, atAddress("203.0.113.1", serviceOf(events.TCP, 5432, "a")), atAddress("203.0.113.1", serviceOf(events.TCP, 5433, "b")), "group"},
		"limit":           {2, site(ingressKey("a", "web1")), site(ingressKey("a", "web2")), "limit"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			one, two := newReplica(l, engine, signer), newReplica(l, engine, signer)
			for i := range c.standing {
				k := ingressKey("a", fmt.Sprint("standing", i))
				l.request(t, k, wish(site(k), publicNamespace))
			}
			settle(t, l, one, two)
			l.request(t, c.older.Key, wish(c.older, publicNamespace))
			l.request(t, c.newer.Key, wish(c.newer, publicNamespace))
			one.watch(l, 0)
			two.watch(l, 1)
			one.step(t)
			two.step(t)
			for _, e := range []events.Exposure{c.older, c.newer} {
				if d := l.decisions()[e.Key]; d.Verdict != events.Approved {
					t.Fatalf("%s is %s before the replicas know of each other: this tests nothing", e.Key, d.Verdict)
				}
			}
			for _, r := range []*replica{one, two} { // hear of the other's decision before its wish
				r.pending, r.seen = append(r.pending, l.log[r.seen:]...), len(l.log)
				slices.Reverse(r.pending)
			}
			settle(t, l, one, two)
			if d := l.decisions()[c.newer.Key]; d.Verdict != events.Denied || d.Exposure != nil || !slices.Contains(d.Rules, c.rule) {
				t.Errorf("the younger is %s by %q", d.Verdict, d.Rules)
			}
			n := 0
			for _, rec := range l.log {
				if rec.Event.Key == c.older.Key {
					n++
				}
			}
			if n != 2 {
				t.Errorf("%d events of the older, want its wish and one decision", n)
			}
		})
	}
}
