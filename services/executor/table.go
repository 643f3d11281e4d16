package executor

import (
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/internal/bus"
)

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
