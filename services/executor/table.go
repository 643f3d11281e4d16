package executor

import (
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
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

// table is the rows of one cloud, and the units that they belong to.
type table struct {
	mu    sync.Mutex
	rows  map[events.Key]*row
	units map[unit]*stand
	index map[unit]map[events.Key]bool
	tags  map[string]events.Key // by what tags say of a key

	verify func(events.Key, events.Decided) error
}

func newTable(verify func(events.Key, events.Decided) error) *table {
	return &table{verify: verify, rows: map[events.Key]*row{}, units: map[unit]*stand{}, index: map[unit]map[events.Key]bool{}, tags: map[string]events.Key{}}
}

// put takes a record of the bus. It answers the units where there may be something to do.
func (t *table) put(r bus.Record) []unit {
	stage, _, key, err := events.ParseSubject(r.Subject)
	if err != nil {
		return nil
	}
	r.Data = nil // the event says it all
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.row(key)
	before := w.belongs(key)
	wished := false
	switch stage {
	case events.StageRequested:
		if p, ok := r.Event.Payload.(events.Requested); ok {
			w.wish, wished = p.Digest, true
		}
	case events.StageDecided:
		if _, ok := r.Event.Payload.(events.Decided); ok {
			w.decided, w.tried, wished = r, false, true
		}
	case events.StageOutcome:
		w.answered(r)
	case events.StageDrift:
		w.drift = newer(w.drift, r)
	case events.StageRejected:
		w.rejected = newer(w.rejected, r)
	}
	t.file(key, w)
	if !wished {
		return nil
	}
	touched := slices.Concat(before, w.belongs(key))
	for _, u := range touched {
		t.stand(u).version++
	}
	return touched
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

func (t *table) row(k events.Key) *row {
	w := t.rows[k]
	if w == nil {
		w = &row{}
		t.rows[k] = w
		t.tags[loadbalancer.KeyText(k)] = k
	}
	return w
}

func (t *table) stand(u unit) *stand {
	s := t.units[u]
	if s == nil {
		s = &stand{}
		t.units[u] = s
	}
	return s
}

// file keeps the index, from which whoever reads it takes out what a row has left,
// and the part that was applied last, which others of a group stand beside.
func (t *table) file(k events.Key, w *row) {
	if d, _ := w.decision(); w.applies() && (d.Exposure.Group != "" || w.vetted == w.decided.Sequence) && t.vet(k, w) == nil {
		w.applied = d.Exposure
	}
	for _, u := range w.belongs(k) {
		if t.index[u] == nil {
			t.index[u] = map[events.Key]bool{}
		}
		t.index[u][k] = true
	}
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
	w := t.row(k)
	f(w)
	t.file(k, w)
}

// view is a copy of all that belongs to a unit.
func (t *table) view(u unit) (map[events.Key]row, stand) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[events.Key]row, len(t.index[u]))
	for k := range t.index[u] {
		w := t.rows[k]
		if !slices.Contains(w.belongs(k), u) {
			delete(t.index[u], k)
			continue
		}
		_ = t.vet(k, w) // the row has the answer
		out[k] = *w
	}
	return out, *t.stand(u)
}

// vet verifies the decision of a row, once.
func (t *table) vet(k events.Key, w *row) error {
	if d, ok := w.decision(); ok && w.vetted != w.decided.Sequence {
		w.vetted, w.invalid = w.decided.Sequence, t.verify(k, d)
	}
	return w.invalid
}

// owed says whether anything is owed to an exposure of the unit.
func (t *table) owed(u unit) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.index[u] {
		if t.rows[k].moves(u) {
			return true
		}
	}
	return false
}

func (t *table) changeUnit(u unit, f func(*stand)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t.stand(u))
}

// version of the wishes and decisions of all that belongs to a unit.
func (t *table) version(u unit) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stand(u).version
}

// sealedIn notes which units have secrets in the key manager, by their names.
// Where these are not known, it is all that end TLS, and all that may have.
func (t *table) sealedIn(fleet string, names []string, blind bool) {
	if len(names) == 0 && !blind {
		return
	}
	has := map[string]bool{}
	for _, n := range names {
		has[n[:strings.LastIndex(n, "/")+1]] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, w := range t.rows {
		d, decided := w.decision()
		may := blind && decided && (d.Exposure == nil && w.owed() || d.Exposure != nil && len(certificatesOf(*d.Exposure)) > 0)
		for _, u := range w.belongs(k) {
			if may || has[u.owner(fleet).SecretPrefix()] {
				t.stand(u).sealed = true
			}
		}
	}
}

// settleIn notes that parts of exposures stand at a unit, or may from now on.
func (t *table) settleIn(u unit, keys ...events.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		if w := t.row(k); !slices.Contains(w.at, u) {
			w.at = append(slices.Clip(w.at), u)
			t.file(k, w)
		}
	}
}

// moveOut notes that nothing of an exposure stands at a unit any more.
func (t *table) moveOut(u unit, k events.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.row(k)
	w.at = slices.DeleteFunc(slices.Clone(w.at), func(o unit) bool { return o == u })
	if w.applied != nil && unitOf(*w.applied) == u {
		w.applied = nil
	}
}

// named are the exposures that tags name, and the tags that name none of the table.
func (t *table) named(texts []string) (keys []events.Key, unknown []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range texts {
		if k, ok := t.tags[s]; ok {
			keys = append(keys, k)
		} else {
			unknown = append(unknown, s)
		}
	}
	return keys, unknown
}

// standing are the units where something was applied and is to be watched for drift.
func (t *table) standing() map[unit]stand {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[unit]stand{}
	for _, w := range t.rows {
		if u, ok := w.home(); ok && w.standing() {
			out[u] = *t.stand(u)
		}
	}
	return out
}

// owners are the tags of all units that an exposure was ever decided to be at, or is.
func (t *table) owners(fleet string) map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]bool{}
	for k, w := range t.rows {
		if _, decided := w.decision(); decided {
			for _, u := range w.belongs(k) {
				out[u.owner(fleet).Tag()] = true
			}
		}
	}
	return out
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
