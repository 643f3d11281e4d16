package watcher

import (
	"fmt"
	"maps"
	"slices"

	"drawbridge.dev/events"
	"drawbridge.dev/services/watcher/translate"
)

// Reasons of rejected events.
const (
	reasonRefused = "the object cannot be exposed as it is: correct it; what was asked last stays"
	reasonPartly  = "the object is exposed; something about it is to be looked at"
)

// publication is one event that the table lacks.
type publication struct {
	cloud    string
	payload  events.Payload
	previous row
}

// owed is what must be published so that the table says what the object asks.
// r is the zero Result but for its key if there is no such object.
//
// A wish that moves to another cloud is asked for there at once. The old place
// gets its tombstone when the new one is applied, or at once if nothing was ever
// applied at the old one: until then both may stand, and never none.
func owed(r translate.Result, places map[string]place) []publication {
	if r.Refused() {
		return rejection(r, places[r.Cloud])
	}
	var out []publication
	for _, cloud := range slices.Sorted(maps.Keys(places)) {
		p := places[cloud]
		if !p.wished() || r.Asks && (cloud == r.Cloud || !mayLeave(p, places[r.Cloud], r)) {
			continue
		}
		out = append(out, publication{cloud, translate.Tombstone(), p.requested.row})
	}
	if !r.Asks {
		return out
	}
	here := places[r.Cloud]
	if here.requested.digest != r.Wish.Digest {
		out = append([]publication{{r.Cloud, *r.Wish, here.requested.row}}, out...)
	}
	return append(out, rejection(r, here)...)
}

// mayLeave says whether the wish at an old place may be withdrawn.
func mayLeave(old, place place, r translate.Result) bool {
	if !old.outcome.there() || old.outcome.State == events.Removed {
		return true
	}
	return place.applied(r.Wish.Digest)
}

// applied says whether a wish stands, approved, as it was asked.
func (p place) applied(wish string) bool {
	return p.decided.Verdict == events.Approved && p.decided.Wish == wish &&
		p.outcome.State == events.Applied && p.outcome.Decision == p.decided.Digest
}

// rejection tells the problems of an object, each set of them once. A refusal
// is told again if a wish came in between.
func rejection(r translate.Result, p place) []publication {
	if len(r.Problems) == 0 {
		return nil
	}
	rejected := events.Rejected{Reason: reasonPartly, Problems: r.Problems}
	if r.Refused() {
		rejected.Reason = reasonRefused
	}
	rejected.Digest = events.Digest(struct {
		UID, Reason string
		Problems    []events.Problem
	}{r.UID, rejected.Reason, r.Problems})
	told := p.rejected.Digest == rejected.Digest
	if told && (!r.Refused() || p.refused()) {
		return nil
	}
	return []publication{{r.Cloud, rejected, p.rejected.row}}
}

// refused says whether the newest that the object said was no wish.
func (p place) refused() bool {
	return p.rejected.Reason == reasonRefused && p.rejected.sequence > p.requested.sequence
}

// tooLarge refuses a wish that does not fit into one event. By how much is for
// the log: it is another size at another time, and the problem would be another.
func tooLarge(r translate.Result) translate.Result {
	listeners := r.Wish.Exposure.Listeners
	routes := 0
	for _, l := range listeners {
		routes += len(l.Routes)
	}
	r.Wish = nil
	r.Problems = append([]events.Problem{{Field: "spec", Message: fmt.Sprintf(
		"is too large for one event (%d listeners, %d routes): divide it into several objects, or have max_payload of the NATS server raised", len(listeners), routes)}}, r.Problems...)
	return r
}
