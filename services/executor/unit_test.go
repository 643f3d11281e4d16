package executor

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
)

// TestSurvey: who is served by a group, for whose sake it is touched, and whom
// nobody may touch.
func TestSurvey(t *testing.T) {
	k := func(name string) events.Key {
		return events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: name}
	}
	part := func(name, group, mark string) *events.Exposure {
		return &events.Exposure{Key: k(name), UID: mark, Group: group}
	}
	u, other := unit{group: "g"}, unit{group: "h"}
	decided := func(name string, d events.Decided, o *events.Outcome, at ...unit) row {
		d.Wish, d.Digest = "w", cmp.Or(d.Digest, "d")
		r := row{wish: "w", at: at, decided: bus.Record{Sequence: 1, Event: events.Event{Key: k(name), Payload: d}}}
		if o != nil {
			r.outcome.Event.Payload = *o
		}
		return r
	}
	approved := func(e *events.Exposure) events.Decided {
		return events.Decided{Verdict: events.Approved, Exposure: e}
	}
	applied := &events.Outcome{State: events.Applied, Decision: "d", LoadBalancer: &events.LoadBalancerRef{ID: "lb"}}
	before := &events.Outcome{State: events.Applied, Decision: "c", LoadBalancer: &events.LoadBalancerRef{ID: "lb"}}
	failed := &events.Outcome{State: events.Failed, Decision: "d", Reason: "bad", LoadBalancer: &events.LoadBalancerRef{ID: "lb"}}
	had := func(r row, e *events.Exposure) row {
		r.applied = e
		return r
	}
	for _, tt := range []struct {
		name    string
		row     row
		serves  string // mark of what is served of it; empty: nothing
		moves   bool
		leaves  bool
		refused bool
		blocked string
	}{
		{"approved, new", decided("a", approved(part("a", "g", "new")), nil), "new", true, false, false, ""},
		{"approved, applied", decided("a", approved(part("a", "g", "new")), applied, u), "new", false, false, false, ""},
		{"approved, another was applied", decided("a", approved(part("a", "g", "new")), before, u), "new", true, false, false, ""},
		{"refused, what it had is known", func() row {
			r := had(decided("a", approved(part("a", "g", "new")), failed, u), part("a", "g", "old"))
			r.tried = true
			return r
		}(), "old", false, false, false, ""},
		{"refused, what it had is not known", func() row {
			r := decided("a", approved(part("a", "g", "new")), failed, u)
			r.tried = true
			return r
		}(), "", false, false, false, "has to be corrected: bad"},
		{"refused, it never stood", func() row {
			r := decided("a", approved(part("a", "g", "new")), &events.Outcome{State: events.Failed, Decision: "d"})
			r.tried = true
			return r
		}(), "", false, false, false, ""},
		{"denied, it stands", decided("a", events.Decided{Verdict: events.Denied, Exposure: part("a", "g", "old")}, before, u), "old", false, false, false, ""},
		{"held, it never stood", decided("a", events.Decided{Verdict: events.Held, Exposure: part("a", "g", "old")}, nil), "", false, false, false, ""},
		{"not decided, applied", func() row {
			r := had(decided("a", approved(part("a", "g", "new")), applied, u), part("a", "g", "new"))
			r.wish = "newer"
			return r
		}(), "new", false, false, false, ""},
		{"not decided, what it had is not known", func() row {
			r := decided("a", approved(part("a", "g", "new")), before, u)
			r.wish = "newer"
			return r
		}(), "", false, false, false, "not decided yet"},
		{"not decided, it never stood", func() row {
			r := decided("a", approved(part("a", "g", "new")), nil)
			r.wish = "newer"
			return r
		}(), "", false, false, false, ""},
		{"gone", decided("a", approved(nil), before, u), "", true, true, false, ""},
		{"forbidden", decided("a", events.Decided{Verdict: events.Denied}, before, u), "", true, true, false, ""},
		{"held without anything, and no outcome", decided("a", events.Decided{Verdict: events.Held}, nil, u), "", false, false, false, "on its way"},
		{"moves away, not there yet", had(decided("a", approved(part("a", "h", "new")), before, u), part("a", "g", "old")), "old", false, false, false, ""},
		{"moves away, not there yet, what it had is not known", decided("a", approved(part("a", "h", "new")), before, u), "", false, false, false, "on its way"},
		{"moved away", decided("a", approved(part("a", "h", "new")), applied, u, other), "", true, true, false, ""},
		{"no decision, it stands", row{at: []unit{u}}, "", false, false, false, "no decision"},
		{"not valid, what it had is known", func() row {
			r := had(decided("a", approved(part("a", "g", "forged")), before, u), part("a", "g", "old"))
			r.invalid = errors.New("forged")
			return r
		}(), "old", false, false, true, ""},
		{"not valid, it never stood", func() row {
			r := decided("a", approved(part("a", "g", "forged")), nil)
			r.invalid = errors.New("forged")
			return r
		}(), "", false, false, true, ""},
		{"a tombstone that is not valid", func() row {
			r := decided("a", approved(nil), before, u)
			r.invalid = errors.New("forged")
			return r
		}(), "", false, false, false, "not valid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := survey(u, map[events.Key]row{k("a"): tt.row}, false)
			serves := ""
			for _, e := range c.serving {
				serves += e.UID
			}
			blocked := ""
			if c.blocked != nil {
				blocked = c.blocked.Error()
			}
			if serves != tt.serves || slices.Contains(c.moving, k("a")) != tt.moves || c.leaving[k("a")] != tt.leaves || (c.refused[k("a")] != nil) != tt.refused ||
				(blocked == "") != (tt.blocked == "") || !strings.Contains(blocked, tt.blocked) {
				t.Errorf("serves %q, moves %v, leaves %v, refused %v, blocked %q", serves, c.moving, c.leaving, c.refused, blocked)
			}
		})
	}
}

// TestSurveyAlone: of several that wait for a change, the one that has waited
// longest goes alone, and the others keep what they have.
func TestSurveyAlone(t *testing.T) {
	rows := map[events.Key]row{}
	for i, name := range []string{"b", "a", "c"} {
		k := events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: name}
		d := events.Decided{Verdict: events.Approved, Wish: "w", Digest: "d", Exposure: &events.Exposure{Key: k, UID: "new", Group: "g"}}
		rows[k] = row{wish: "w", decided: bus.Record{Sequence: uint64(i + 1), Event: events.Event{Key: k, Payload: d}}}
	}
	u := unit{group: "g"}
	if c := survey(u, rows, false); len(c.moving) != 3 || len(c.serving) != 3 || c.moving[0].Name != "b" {
		t.Errorf("together: %+v", c)
	}
	if c := survey(u, rows, true); len(c.moving) != 1 || c.moving[0].Name != "b" || c.waiting != 3 || len(c.serving) != 1 {
		t.Errorf("alone: %+v", c)
	}
}
