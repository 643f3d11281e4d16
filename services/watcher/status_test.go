package watcher

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/events"
	"drawbridge.dev/services/watcher/source"
	"drawbridge.dev/services/watcher/translate"
)

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one with %q", err, text)
	}
}

// outline is a status as one line, with its notices below.
func outline(s source.Status, ok bool) (out []string) {
	if !ok {
		return []string{"nothing"}
	}
	line := "addresses " + strings.Join(s.Addresses, ",")
	if s.Keep {
		line = "addresses stay"
	}
	if len(s.Former) > 0 {
		line = "take away " + strings.Join(s.Former, ",")
	}
	switch {
	case s.KeepCondition:
		line += " | condition stays"
	case s.Condition == nil:
		line += " | no condition"
	default:
		line += " | " + s.Condition.Status + " " + s.Condition.Reason + ": " + s.Condition.Message
	}
	out = append(out, line)
	for _, n := range s.Notices {
		kind := "normal "
		if n.Warning {
			kind = "warning "
		}
		out = append(out, kind+n.Reason+": "+n.Message)
	}
	return out
}

func TestReport(t *testing.T) {
	now := time.Unix(100, 0)
	there, elsewhere, nowhere := live{uid: "u1", asks: true}, live{uid: "u1"}, live{}
	for _, c := range []struct {
		name   string
		object live
		run    func(w *world)
		want   []string
	}{
		{"nothing was said", there, func(*world) {}, []string{"nothing"}},
		{"asked", there, func(w *world) { w.sync(asks("a", "u1")) }, []string{"addresses stay | condition stays"}},
		{"approved", there, func(w *world) { w.sync(asks("a", "u1")); w.decide("a", events.Approved) },
			[]string{"addresses stay | condition stays", "normal Approved: approved by policy "}},
		{"denied", there, func(w *world) { w.sync(asks("a", "u1")); w.decide("a", events.Denied) },
			[]string{"addresses stay | False Denied: because", "warning Denied: because"}},
		{"held", there, func(w *world) { w.sync(asks("a", "u1")); w.decide("a", events.Held) },
			[]string{"addresses stay | False Held: because", "warning Held: because"}},
		{"applied", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Approved)
			w.outcome("a", events.Applied, "192.0.2.1")
		}, []string{"addresses 192.0.2.1 | True Applied: reachable at 192.0.2.1", "normal Approved: approved by policy ", "normal Applied: reachable at 192.0.2.1"}},
		{"failed at first", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Approved)
			w.outcome("a", events.Failed)
		}, []string{"addresses stay | False Failed: quota (it is tried again when the object or the policy changes)", "normal Approved: approved by policy ", "warning Failed: quota (it is tried again when the object or the policy changes)"}},
		{"failed later: what stands stays", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Approved)
			w.outcome("a", events.Applied, "192.0.2.1")
			w.outcome("a", events.Failed)
		}, []string{"addresses 192.0.2.1 | False Failed: quota (it is tried again when the object or the policy changes)", "normal Approved: approved by policy ", "warning Failed: quota (it is tried again when the object or the policy changes)"}},
		{"denied later, and taken down", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Approved)
			w.outcome("a", events.Applied, "192.0.2.1")
			w.decide("a", events.Denied)
			w.outcome("a", events.Removed)
		}, []string{"addresses  | False Denied: because", "warning Denied: because", "normal Removed: nothing stands in the cloud any more"}},
		{"refused", there, func(w *world) { w.sync(refusal("x")) },
			[]string{"addresses stay | False Invalid: spec: x", "warning Invalid: " + reasonRefused + ": spec: x"}},
		{"partly", there, func(w *world) { w.sync(asks("a", "u1", events.Problem{Field: "f", Message: "m"})) },
			[]string{"addresses stay | condition stays", "warning Invalid: " + reasonPartly + ": f: m"}},
		{"recreated under the name: the old rows are not about it", live{uid: "u2", asks: true}, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Approved)
			w.outcome("a", events.Applied, "192.0.2.1")
		}, []string{"addresses stay | condition stays", "normal Approved: approved by policy ", "normal Applied: reachable at 192.0.2.1"}},
		{"moving: the old address until the new one", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Approved)
			w.outcome("a", events.Applied, "192.0.2.1")
			w.sync(asks("b", "u1"))
			w.decide("b", events.Approved)
		}, []string{"addresses 192.0.2.1 | condition stays", "normal Approved: approved by policy ", "normal Applied: reachable at 192.0.2.1", "normal Approved: approved by policy "}},
		{"moved", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Approved)
			w.outcome("a", events.Applied, "192.0.2.1")
			w.sync(asks("b", "u1"))
			w.decide("b", events.Approved)
			w.outcome("b", events.Applied, "192.0.2.2")
			w.table.tell(key, "a", w.table.of(key)["a"])
		}, []string{"addresses 192.0.2.2 | True Applied: reachable at 192.0.2.2", "normal Approved: approved by policy ", "normal Applied: reachable at 192.0.2.2"}},
		{"asks no more: only what we gave is taken", elsewhere, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Approved)
			w.outcome("a", events.Applied, "192.0.2.1")
			w.sync(translate.Result{Key: key})
			w.decide("a", events.Approved)
			w.outcome("a", events.Removed)
		}, []string{"take away 192.0.2.1 | no condition", "normal Removed: nothing stands in the cloud any more"}},
		{"gone", nowhere, func(w *world) {
			w.sync(asks("a", "u1"))
			w.sync(translate.Result{Key: key})
			w.decide("a", events.Approved)
			w.outcome("a", events.Removed)
		}, []string{"addresses stay | condition stays"}},
		{"denied, and nothing ever stood", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Denied)
			w.outcome("a", events.Removed)
		}, []string{"addresses  | False Denied: because", "warning Denied: because"}},
		{"removed before it had an address", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Denied)
			w.says("a", events.Outcome{State: events.Removed, Decision: w.table.of(key)["a"].decided.Digest, Steps: []string{"delete load balancer x"}})
		}, []string{"addresses  | False Denied: because", "warning Denied: because", "normal Removed: nothing stands in the cloud any more"}},
		{"needs recreate", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Approved)
			w.says("a", events.Outcome{State: events.Applied, Decision: w.table.of(key)["a"].decided.Digest, Addresses: []events.Address{{IP: "192.0.2.1", Type: "floating"}},
				Warnings: []string{"needs recreate: the flavor", "slow"}})
		}, []string{"addresses 192.0.2.1 | True NeedsRecreate: reachable at 192.0.2.1; needs recreate: the flavor; slow", "normal Approved: approved by policy ",
			"normal Applied: reachable at 192.0.2.1", "warning NeedsRecreate: needs recreate: the flavor", "warning Warning: slow"}},
		{"drift", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.says("a", events.Drift{Decision: "d", Steps: []string{"set members"}})
		}, []string{"addresses stay | condition stays", "warning Drifted: the cloud was changed by another; steps back: set members (they are not taken: repair is switched off)"}},
		{"told already", there, func(w *world) {
			w.sync(asks("a", "u1"))
			w.decide("a", events.Denied)
			w.table.tell(key, "a", w.table.of(key)["a"])
		}, []string{"addresses stay | False Denied: because"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			c.run(w)
			if d := cmp.Diff(c.want, outline(report(key, w.table.of(key), c.object, now))); d != "" {
				t.Error(d)
			}
		})
	}
}

// What stood in the table at the start may have been told; after an hour it is not told again.
func TestNoticesAfterARestart(t *testing.T) {
	w := &world{table: newTable()}
	w.sync(asks("a", "u1"))
	w.decide("a", events.Denied) // at 2 s
	w.table.begin()
	soon, _ := report(key, w.table.of(key), live{uid: "u1", asks: true}, time.Unix(60, 0))
	late, _ := report(key, w.table.of(key), live{uid: "u1", asks: true}, time.Unix(7200, 0))
	if len(soon.Notices) != 1 || !soon.Notices[0].Replayed {
		t.Errorf("soon after: %+v", soon.Notices)
	}
	if len(late.Notices) != 0 {
		t.Errorf("two hours after: %+v", late.Notices)
	}
}

// A notice names the change that it happened in, whatever the newest outcome is of.
func TestNoticesNameTheirChange(t *testing.T) {
	w := newWorld()
	w.sync(asks("a", "u1"))
	w.decide("a", events.Approved)
	w.outcome("a", events.Applied, "192.0.2.1")
	w.sync(asks("a", "u1", events.Problem{Field: "f", Message: "m"}))
	w.decide("a", events.Denied)
	p := w.table.of(key)["a"]
	s, _ := report(key, w.table.of(key), live{uid: "u1", asks: true}, time.Unix(100, 0))
	got := map[string]string{}
	for _, n := range s.Notices {
		got[n.Reason] = n.Change
	}
	want := map[string]string{"Invalid": p.rejected.change, "Denied": p.decided.change, "Applied": p.outcome.change}
	if d := cmp.Diff(want, got); d != "" || p.decided.change == p.outcome.change {
		t.Error(d)
	}
}

func TestReachable(t *testing.T) {
	got := reachable([]events.Address{{IP: "10.0.0.5", Type: "vip"}, {IP: "192.0.2.9", Type: "floating"}, {IP: "192.0.2.1", Type: "floating"}})
	if d := cmp.Diff([]string{"192.0.2.1", "192.0.2.9"}, got); d != "" {
		t.Error(d)
	}
	got = reachable([]events.Address{{IP: "fd00::5", Type: "vip"}, {IP: "10.0.0.5", Type: "vip"}, {IP: "192.0.2.9", Type: "floating"}})
	if d := cmp.Diff([]string{"192.0.2.9", "fd00::5"}, got); d != "" {
		t.Errorf("two families: %s", d)
	}
	if d := cmp.Diff([]string{"10.0.0.5"}, reachable([]events.Address{{IP: "10.0.0.5", Type: "vip"}})); d != "" {
		t.Error(d)
	}
}
