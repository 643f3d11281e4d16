package executor_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/sandbox"
)

// TestGroupWishes: exposures come, go, and move between groups and load balancers
// of their own, are denied and held on the way, while executors end at any
// instant: in the end there stands what was approved, and nothing else.
func TestGroupWishes(t *testing.T) {
	for range 3 {
		t.Run("", func(t *testing.T) {
			w := newWorld(t, sandbox.Config{Pending: 5 * time.Millisecond})
			w.cfg.PollMin = 5 * time.Millisecond
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			stop := w.run()
			model := map[string]*events.Exposure{} // what was approved last
			for range 5 {
				for range 1 + r.IntN(6) {
					w.randomWish(r, model)
					if r.IntN(8) == 0 {
						stop()
						stop = w.run()
					}
				}
				w.settles(model)
			}
		})
	}
}

// randomWish decides something about one of four exposures.
func (w *world) randomWish(r *rand.Rand, model map[string]*events.Exposure) {
	w.Helper()
	name := string(rune('a' + r.IntN(4)))
	e := member([]string{"", "one", "two"}[r.IntN(3)], name, fmt.Sprintf("10.0.0.%d", 11+r.IntN(3)))
	switch r.IntN(8) {
	case 0, 1:
		w.decide(key(name), events.Approved, nil)
		delete(model, name)
	case 2: // what was approved stays
		if was := model[name]; was != nil {
			w.decide(key(name), []events.Verdict{events.Denied, events.Held}[r.IntN(2)], was)
		}
	case 3:
		w.decide(key(name), events.Denied, nil)
		delete(model, name)
	default:
		w.decide(key(name), events.Approved, e)
		model[name] = e
	}
}

// settles approves anew what is denied, and waits until just that stands which the
// model has.
func (w *world) settles(model map[string]*events.Exposure) {
	w.Helper()
	want := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(model)) {
		e := model[name]
		w.applied(e.Key, w.decide(e.Key, events.Approved, e))
		lb := "drawbridge_c1_shop_" + name
		if e.Group != "" {
			lb = "drawbridge_group_" + e.Group
		}
		want[lb] = append(want[lb], e.Backends[0].Name)
	}
	var have map[string][]string
	for deadline := time.Now().Add(w.patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		have = map[string][]string{}
		for _, s := range w.standing() {
			if _, twice := have[s.Name]; twice {
				w.Fatalf("%s stands twice", s.Name)
			}
			have[s.Name] = w.pools(s.ID)
		}
		if maps.EqualFunc(have, want, slices.Equal) && floatingIPs(w) == len(want) {
			return
		}
	}
	w.Fatalf("there stand %v with %d floating IPs, want %v", have, floatingIPs(w), want)
}
