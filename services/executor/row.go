package executor

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/internal/bus"
)

// row is what is known of one exposure.
type row struct {
	wish     string     // digest of the newest requested event; empty: none was seen
	decided  bus.Record // newest decision
	outcome  bus.Record // our newest answer
	drift    bus.Record
	rejected bus.Record

	at      []unit           // where its part stands, or may stand; never changed in place
	applied *events.Exposure // its part as it was applied last; nil: not known to this process

	sought  bool   // in history, for what was applied last
	vetted  uint64 // sequence of the decision that was verified
	invalid error  // why that is not to be carried out

	trip    *trip  // of the decision that is carried out, or of the drift that is repaired
	reached string // digest of the decision that stood last, in this term
	tried   bool   // in this term, though its outcome says that it is not tried again
}

// trip is one decision, or one drift from it, on its way to an outcome, over
// all tries.
type trip struct {
	digest   string       // of the decision
	cause    events.Event // the decision, or the drift
	started  time.Time
	calls    octavia.Calls
	failures atomic.Int64 // in a row

	mu    sync.Mutex // an exposure may be removed at several units at once
	taken []string
}

// took notes steps.
func (t *trip) took(steps ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = append(t.taken, steps...)
}

// steps are those that were taken.
func (t *trip) steps() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.taken)
}

func (r row) decision() (events.Decided, bool) {
	d, ok := r.decided.Event.Payload.(events.Decided)
	return d, ok
}

func (r row) answer() (events.Outcome, bool) {
	o, ok := r.outcome.Event.Payload.(events.Outcome)
	return o, ok
}

// repairs says whether the trip repairs a drift that is on record.
func (t *trip) repairs() bool {
	_, ok := t.cause.Payload.(events.Drift)
	return ok
}

// handsOff: a wish is denied or held, and what was approved before stands untouched.
func handsOff(d events.Decided) bool { return d.Verdict != events.Approved && d.Exposure != nil }

// current says whether the decision answers the newest wish.
func (r row) current() bool {
	d, ok := r.decision()
	return ok && (r.wish == "" || r.wish == d.Wish)
}

// repairing says whether a drift is to be repaired that no outcome answers yet.
func (r row) repairing() bool {
	d, _ := r.decision()
	drift, ok := r.drift.Event.Payload.(events.Drift)
	return ok && drift.Repair && drift.Decision == d.Digest && r.drift.Sequence > r.outcome.Sequence
}

// lapsed says whether what is owed stood already: what differs is drift.
func (r row) lapsed() bool {
	d, ok := r.decision()
	return ok && r.owed() && r.reached == d.Digest
}

// owed says whether a decision, or the repair of a drift, waits for its outcome.
func (r row) owed() bool {
	d, ok := r.decision()
	if !ok || handsOff(d) || !r.current() {
		return false
	}
	o, ok := r.answer()
	if !ok || o.Decision != d.Digest {
		return true
	}
	return o.State == events.Failed && (o.Retry || !r.tried) || r.repairing()
}

// home is the unit that shall serve the exposure by its last decision.
func (r row) home() (unit, bool) {
	d, ok := r.decision()
	if !ok || d.Exposure == nil {
		return unit{}, false
	}
	return unitOf(*d.Exposure), true
}

// applies says whether what was decided last is what was applied last.
func (r row) applies() bool {
	d, ok := r.decision()
	o, answered := r.answer()
	return ok && answered && d.Exposure != nil && o.State == events.Applied && o.Decision == d.Digest
}

// arrived says whether the exposure is served at its home.
func (r row) arrived() bool {
	d, _ := r.decision()
	home, placed := r.home()
	return placed && (d.Verdict == events.Approved && r.applies() || r.applied != nil && unitOf(*r.applied) == home)
}

// standing says whether a load balancer stands that shall be watched for drift.
func (r row) standing() bool {
	d, ok := r.decision()
	o, answered := r.answer()
	return ok && answered && r.current() && !handsOff(d) && d.Exposure != nil && o.State == events.Applied && o.Decision == d.Digest
}

// belongs are the units that an exposure has to do with.
func (r row) belongs(k events.Key) []unit {
	out := []unit{own(k)}
	if home, ok := r.home(); ok && home != out[0] {
		out = append(out, home)
	}
	for _, u := range r.at {
		if !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out
}

// newer keeps our own record, which we have from its publication, until the bus
// shows one that is later.
func newer(old, r bus.Record) bus.Record {
	if r.Sequence < old.Sequence {
		return old
	}
	return r
}

// answered takes an outcome.
func (r *row) answered(record bus.Record) {
	r.outcome = newer(r.outcome, record)
	o, ok := r.answer()
	switch {
	case ok && o.State == events.Applied:
		r.reached = o.Decision
	case ok && o.Decision != r.reached:
		r.reached = ""
	}
}

// awaits says what has to happen to an exposure before others are served.
func (r row) awaits() string {
	_, decided := r.decision()
	o, answered := r.answer()
	switch {
	case !decided:
		return "history has no decision about it; its watcher has to say what it wishes, or that it is gone"
	case r.invalid != nil:
		return "its decision is not valid: " + r.invalid.Error()
	case !r.current():
		return "its newest wish is not decided yet"
	case answered && o.State == events.Failed:
		return "it has to be corrected: " + o.Reason
	}
	return "it is on its way to another load balancer"
}

// moves says whether something is to be carried out at the unit for the sake of
// the exposure.
func (r row) moves(u unit) bool {
	d, ok := r.decision()
	if !ok || r.invalid != nil || !r.current() {
		return false
	}
	home, placed := r.home()
	stands := slices.Contains(r.at, u)
	switch {
	case placed && home == u:
		return r.owed()
	case placed:
		return stands && r.arrived()
	case u.group != "" || u.given != "":
		return stands && r.proven(d) && (r.owed() || r.removed())
	}
	// The exposure's own unit answers for its end, when nothing stands elsewhere.
	return r.owed() && !(r.proven(d) && slices.ContainsFunc(r.at, func(o unit) bool { return o != u }))
}

// removed says whether what was decided last, that nothing may stand, is done.
func (r row) removed() bool {
	d, _ := r.decision()
	o, answered := r.answer()
	return answered && o.State == events.Removed && o.Decision == d.Digest
}

// unborn says of an exposure that is not served at a unit by what was applied last,
// whether what is approved for it was not carried out there either. What was
// begun for it must not hold up others, who share the load balancer.
func (r row) unborn() bool {
	d, _ := r.decision()
	o, answered := r.answer()
	return answered && r.invalid == nil && r.current() && o.State == events.Failed && o.Decision == d.Digest && (r.applied != nil || o.LoadBalancer == nil)
}

// failed is how often in a row what was decided last was tried in vain.
func (r row) failed() int64 {
	if d, _ := r.decision(); r.trip == nil || r.trip.digest != d.Digest {
		return 0
	}
	return r.trip.failures.Load()
}

// proven says whether a decision that nothing may stand tells that from what was
// approved not being known, because history was lost: a wish is held, or the
// policy failed, and no outcome says that anything ever stood.
func (r row) proven(d events.Decided) bool {
	o, answered := r.answer()
	known := answered && (o.State != events.Failed || o.LoadBalancer != nil)
	return known || d.Verdict != events.Held && !slices.Contains(d.Rules, events.RulePolicyFailed)
}
