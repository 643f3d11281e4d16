package executor

import (
	"sync"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/bus"
)

// row is what is known of one exposure.
type row struct {
	wish     string     // digest of the newest requested event; empty: none was seen
	decided  bus.Record // newest decision
	outcome  bus.Record // our newest answer
	drift    bus.Record
	rejected bus.Record

	known *plan.Observed // what stood when it was last seen; nil: not seen by this process
	deep  bool           // known has what is below the load balancer
	seen  time.Time      // of the last deep read

	trip    *trip  // of the decision that is carried out, or of the drift that is repaired
	reached string // digest of the decision that stood last, in this term
	check   bool   // look for drift
	read    bool   // and do not trust what is known
	tried   bool   // in this term, though its outcome says that it is not tried again
}

// trip is one decision, or one drift from it, on its way to an outcome, over
// all tries.
type trip struct {
	digest   string       // of the decision
	cause    events.Event // the decision, or the drift
	started  time.Time
	steps    []string
	calls    octavia.Calls
	failures int // in a row
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

// standing says whether a load balancer stands that shall be watched for drift.
func (r row) standing() bool {
	d, ok := r.decision()
	o, answered := r.answer()
	return ok && answered && r.current() && !handsOff(d) && d.Exposure != nil && o.State == events.Applied && o.Decision == d.Digest
}

// table is the rows of one cloud.
type table struct {
	mu   sync.Mutex
	rows map[events.Key]*row
}

func newTable() *table { return &table{rows: map[events.Key]*row{}} }

// put takes a record of the bus. It answers whether there may be something to do.
func (t *table) put(r bus.Record) bool {
	stage, _, key, err := events.ParseSubject(r.Subject)
	if err != nil {
		return false
	}
	todo := false
	r.Data = nil // the event says it all
	t.change(key, func(w *row) {
		switch stage {
		case events.StageRequested:
			if p, ok := r.Event.Payload.(events.Requested); ok {
				w.wish, todo = p.Digest, true
			}
		case events.StageDecided:
			if _, ok := r.Event.Payload.(events.Decided); ok {
				w.decided, w.tried, todo = r, false, true
			}
		case events.StageOutcome:
			w.answered(r)
		case events.StageDrift:
			w.drift = newer(w.drift, r)
		case events.StageRejected:
			w.rejected = newer(w.rejected, r)
		}
	})
	return todo
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

// get is a copy of a row.
func (t *table) get(k events.Key) row {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.rows[k]; w != nil {
		return *w
	}
	return row{}
}

func (t *table) change(k events.Key, f func(*row)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.rows[k]
	if w == nil {
		w = &row{}
		t.rows[k] = w
	}
	f(w)
}

// all are copies of the rows for which want is true.
func (t *table) all(want func(row) bool) map[events.Key]row {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[events.Key]row{}
	for k, w := range t.rows {
		if want(*w) {
			out[k] = *w
		}
	}
	return out
}

// trip is that of what is owed: begun anew if it is for another decision than
// the last.
func (t *table) trip(k events.Key, digest string) *trip {
	var out *trip
	t.change(k, func(w *row) {
		if w.trip == nil || w.trip.digest != digest {
			w.trip = &trip{digest: digest, cause: w.decided.Event, started: time.Now()}
			if w.repairing() {
				w.trip.cause = w.drift.Event
			}
		}
		out = w.trip
	})
	return out
}
