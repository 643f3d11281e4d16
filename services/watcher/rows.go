package watcher

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
)

// row is what is kept of the last event of one subject.
type row struct {
	id       string // empty: it could not be decoded
	change   string
	sequence uint64
	at       time.Time
	replayed bool // it stood in the table when the watcher began
}

func (r row) there() bool { return r.sequence > 0 }

// name is what the event after it names: its id, or, where that cannot be read,
// its sequence.
func (r row) name() string {
	if r.id == "" && r.there() {
		return fmt.Sprintf("sequence %d", r.sequence)
	}
	return r.id
}

// place is what the table says of one key in one cloud. Exposures are not kept.
type place struct {
	requested struct {
		row
		digest    string // empty: it could not be decoded
		tombstone bool
		uid       string
		shows     []events.Certificate
	}
	decided struct {
		row
		events.Decided
		shows []events.Certificate // that may stand after it
	}
	outcome struct {
		row
		events.Outcome
	}
	drift struct {
		row
		events.Drift
	}
	rejected struct {
		row
		events.Rejected
	}
	standing []events.Address // of the last applied outcome seen, until it is removed
	left     []events.Address // what stood before it was removed
	told     [3]string        // ids of the rows of notices that were written: decided, outcome, drift
	toldBad  string           // the same of rejected
}

// wished says whether the last wish asks for something, as far as it is known.
func (p place) wished() bool { return p.requested.there() && !p.requested.tombstone }

// table is the rows of our own cluster, by key and cloud.
type table struct {
	mu     sync.Mutex
	places map[events.Key]map[string]*place
	live   bool // the rows that stood at the start have been seen
}

func newTable() *table { return &table{places: map[events.Key]map[string]*place{}} }

// put takes a record over. It says whether it is newer than what is known.
func (t *table) put(r bus.Record) (events.Key, bool) {
	stage, cloud, key, err := events.ParseSubject(r.Subject)
	if err != nil {
		return events.Key{}, false // no subject of ours can hold it
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	clouds := t.places[key]
	if clouds == nil {
		clouds = map[string]*place{}
		t.places[key] = clouds
	}
	p := clouds[cloud]
	if p == nil {
		p = &place{}
		clouds[cloud] = p
	}
	return key, p.put(stage, r, !t.live)
}

func (p *place) put(stage events.Stage, r bus.Record, replayed bool) bool {
	at := row{id: r.Event.ID, change: r.Event.Change, sequence: r.Sequence, at: r.Event.Time, replayed: replayed}
	newer := func(old row) bool { return at.sequence > old.sequence }
	switch v := r.Event.Payload.(type) {
	case events.Requested:
		if !newer(p.requested.row) {
			return false
		}
		p.requested.row, p.requested.digest, p.requested.tombstone = at, v.Digest, v.Exposure == nil
		p.requested.shows = certificatesOf(v.Exposure)
		if v.Exposure != nil {
			p.requested.uid = v.Exposure.UID
		}
	case events.Decided:
		if !newer(p.decided.row) {
			return false
		}
		p.decided.shows = certificatesOf(v.Exposure)
		v.Exposure = nil
		p.decided.row, p.decided.Decided = at, v
	case events.Outcome:
		if !newer(p.outcome.row) {
			return false
		}
		p.outcome.row, p.outcome.Outcome = at, v
		switch v.State {
		case events.Applied:
			p.standing = v.Addresses
		case events.Removed:
			p.left, p.standing = append(p.standing, v.Addresses...), nil
		}
	case events.Drift:
		if !newer(p.drift.row) {
			return false
		}
		p.drift.row, p.drift.Drift = at, v
	case events.Rejected:
		if !newer(p.rejected.row) {
			return false
		}
		p.rejected.row, p.rejected.Rejected = at, v
	default:
		// Nobody can read it. Of a wish it must be known that it stands there.
		if stage != events.StageRequested || !newer(p.requested.row) {
			return false
		}
		p.requested.row, p.requested.digest, p.requested.tombstone = at, "", false
	}
	return true
}

// begin says that every row that stood at the start has been seen.
func (t *table) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live = true
}

// of is a copy of what is known of a key.
func (t *table) of(k events.Key) map[string]place {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[string]place, len(t.places[k]))
	for cloud, p := range t.places[k] {
		out[cloud] = *p
	}
	return out
}

// standing are the certificates that the last wishes of an object name.
func (t *table) standing(k events.Key, uid string) (out []events.Certificate) {
	places := t.of(k)
	for _, cloud := range slices.Sorted(maps.Keys(places)) {
		if p := places[cloud]; p.requested.uid == uid {
			out = append(out, p.requested.shows...)
		}
	}
	return out
}

// digests are those of all certificates that are asked for or may stand, by cloud.
func (t *table) digests() map[string][]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string][]string{}
	for _, clouds := range t.places {
		for cloud, p := range clouds {
			for _, c := range slices.Concat(p.requested.shows, p.decided.shows) {
				if !slices.Contains(out[cloud], c.Digest) {
					out[cloud] = append(out[cloud], c.Digest)
				}
			}
		}
	}
	return out
}

func (t *table) keys() []events.Key {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]events.Key, 0, len(t.places))
	for k := range t.places {
		out = append(out, k)
	}
	return out
}

// tell remembers that the notices of a place, as it was, have been written.
func (t *table) tell(k events.Key, cloud string, was place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.places[k][cloud]; p != nil {
		p.told = [3]string{was.decided.id, was.outcome.id, was.drift.id}
		p.toldBad = was.rejected.id
	}
}
