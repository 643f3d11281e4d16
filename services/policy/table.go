package policy

import (
	"slices"
	"sync"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
)

// entry is what is known of one row.
type entry struct {
	wish     events.Event // zero: none that can be read
	wishSeq  uint64
	bad      *bus.Record  // the newest wish, if it cannot be read
	decided  events.Event // the last that can be trusted; zero: none is known
	decSeq   uint64
	bundle   string // digest of the one that gave that decision, or the same again
	spoiled  bool   // the newest decision is another one, which cannot be trusted
	spoils   int    // decisions on this wish that could not be trusted
	failures int    // evaluations in a row without an answer
	refusals int    // publications in a row that failed
}

// requested is the newest wish that could be read; false if there is none.
func (e entry) requested() (events.Requested, bool) {
	r, ok := e.wish.Payload.(events.Requested)
	return r, ok
}

// decision is the last decision that can be trusted; false if none is known.
func (e entry) decision() (events.Decided, bool) {
	d, ok := e.decided.Payload.(events.Decided)
	return d, ok
}

// age orders those that hold the same: by their wish, or what is known of it.
func (e entry) age() uint64 {
	if e.wishSeq > 0 {
		return e.wishSeq
	}
	return e.decSeq
}

// owed reports whether a wish is undecided, or its decision is not one of the
// bundle p.
func (e entry) owed(p events.PolicyRef) bool {
	want, ok := e.requested()
	if !ok {
		return e.bad != nil
	}
	d, ok := e.decision()
	if !ok || d.Wish != want.Digest || e.spoiled {
		return true
	}
	if want.Exposure == nil {
		return false
	}
	return d.Policy.Digest != p.Digest || slices.Contains(d.Rules, ruleFailed)
}

// table follows the rows of the bus, and says which of them are to be decided
// because something changed.
type table struct {
	mu        sync.Mutex
	rows      map[row]*entry
	inventory *Inventory
	waiting   waiting
	wake      func(row, uint64)
}

func newTable(wake func(row, uint64)) *table {
	return &table{rows: map[row]*entry{}, inventory: NewInventory(), waiting: newWaiting(), wake: wake}
}

// get is a copy of what is known of r.
func (t *table) get(r row) entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.rows[r]; e != nil {
		return *e
	}
	return entry{}
}

// update changes the row's entry.
func (t *table) update(r row, f func(*entry)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t.entry(r))
}

func (t *table) entry(r row) *entry {
	e := t.rows[r]
	if e == nil {
		e = &entry{}
		t.rows[r] = e
	}
	return e
}

// requested takes in a requested record. One that cannot be read hides the wish
// before it, whose decision stands.
func (t *table) requested(r row, rec bus.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entry(r)
	if rec.Sequence <= e.wishSeq {
		return
	}
	e.wishSeq, e.spoils = rec.Sequence, 0
	if rec.Err != nil {
		e.bad, e.wish = &rec, events.Event{}
	} else {
		e.bad, e.wish = nil, rec.Event
	}
	t.hold(r, e, true)
	t.await(r, e)
	if want, ok := e.requested(); ok && !e.spoiled {
		if d, ok := e.decision(); ok && d.Wish == want.Digest {
			return
		}
	}
	t.wake(r, e.age())
}

// decided takes in a decided record that can be trusted, of this replica (own)
// or another one.
func (t *table) decided(r row, rec bus.Record, own bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entry(r)
	if rec.Sequence <= e.decSeq {
		return
	}
	e.decSeq, e.decided, e.spoiled = rec.Sequence, rec.Event, false
	if d, ok := e.decision(); ok {
		e.bundle = d.Policy.Digest
	}
	t.hold(r, e, own)
	t.await(r, e)
	if !own {
		t.rally(r)
	}
	if want, ok := e.requested(); ok {
		if d, ok := e.decision(); !ok || d.Wish != want.Digest {
			t.wake(r, e.age())
		}
	}
}

// confirm takes in that a bundle decides as it was decided before.
func (t *table) confirm(r row, bundle string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.entry(r); e.bundle != bundle {
		e.bundle = bundle
		t.hold(r, e, true)
	}
}

// spoil takes in a decided record that cannot be trusted: it says nothing about
// what stands, and the wish is decided again. It returns how many such records
// the wish has seen; 0: the record is not the newest.
func (t *table) spoil(r row, sequence uint64) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entry(r)
	if sequence <= e.decSeq {
		return 0
	}
	e.decSeq, e.spoiled = sequence, true
	e.spoils++
	return e.spoils
}

// wakeOwed wakes every row that the bundle p has not decided.
func (t *table) wakeOwed(p events.PolicyRef) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r, e := range t.rows {
		if e.owed(p) {
			t.wake(r, e.age())
		}
	}
}
