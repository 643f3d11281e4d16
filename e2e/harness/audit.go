package harness

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"drawbridge.dev/events"
)

// Auditor is a client of the auditor's API.
type Auditor struct{ URL string }

// Event is one row of history.
type Event struct {
	Row                            int64
	Sequence                       uint64
	ID, Stage, Verdict             string
	Cluster, Kind, Namespace, Name string
	Change, Cause                  string
	Subject, Reason                string // of what is no event
	Time                           time.Time
	Payload                        json.RawMessage
}

// Key of the exposure that the event is about.
func (e Event) Key() events.Key {
	return events.Key{Cluster: e.Cluster, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name}
}

// Events are those that the query selects, the oldest first. A gap in history is an error.
func (a Auditor) Events(query url.Values) ([]Event, error) {
	query = cloneValues(query)
	query.Set("limit", "1000")
	var all []Event
	for {
		var page struct {
			Events []Event
			Gaps   []json.RawMessage
			Next   int64
		}
		if _, err := call(http.MethodGet, a.URL+"/v1/events?"+query.Encode(), nil, nil, &page); err != nil {
			return nil, err
		}
		if len(page.Gaps) > 0 {
			return nil, fmt.Errorf("history has gaps: %s", page.Gaps)
		}
		all = append(all, page.Events...)
		if page.Next == 0 {
			slices.Reverse(all)
			return all, nil
		}
		query.Set("before", fmt.Sprint(page.Next))
	}
}

// Of are the events of one exposure, the oldest first.
func (a Auditor) Of(k events.Key) ([]Event, error) {
	return a.Events(url.Values{"cluster": {k.Cluster}, "kind": {k.Kind}, "namespace": {k.Namespace}, "name": {k.Name}})
}

func cloneValues(v url.Values) url.Values {
	out := url.Values{}
	for k, s := range v {
		out[k] = slices.Clone(s)
	}
	return out
}

// Trip is where an exposure stands: its newest wish, the decision about it and
// what was reached.
type Trip struct {
	Wish, Decision, Result Event // ids
	Requested              events.Requested
	Decided                events.Decided
	Outcome                events.Outcome
}

// Newest is the trip of the newest wish. It is an error while the wish is
// undecided or the decision not carried out.
func (a Auditor) Newest(k events.Key) (Trip, error) {
	var t Trip
	list, err := a.Of(k)
	if err != nil {
		return t, err
	}
	for _, e := range list { // the newest of each stage stays
		var err error
		switch events.Stage(e.Stage) {
		case events.StageRequested:
			t.Wish, t.Requested, err = decode[events.Requested](e)
		case events.StageDecided:
			t.Decision, t.Decided, err = decode[events.Decided](e)
		case events.StageOutcome:
			t.Result, t.Outcome, err = decode[events.Outcome](e)
		}
		if err != nil {
			return t, fmt.Errorf("row %d of history: %w", e.Row, err)
		}
	}
	switch {
	case t.Wish.ID == "":
		return t, fmt.Errorf("%s: nothing is requested", k)
	case t.Decided.Wish != t.Requested.Digest:
		return t, fmt.Errorf("%s: wish %s is undecided", k, t.Wish.ID)
	case !handsOff(t.Decided) && t.Outcome.Decision != t.Decided.Digest:
		return t, fmt.Errorf("%s: decision %s (%s %q) is not carried out", k, t.Decision.ID, t.Decided.Verdict, t.Decided.Reasons)
	case t.Outcome.State == events.Failed && t.Outcome.Retry:
		return t, fmt.Errorf("%s: %s", k, t.Outcome.Reason)
	}
	return t, nil
}

// handsOff: what was approved before stays untouched, which has no outcome of its own.
func handsOff(d events.Decided) bool { return d.Verdict != events.Approved && d.Exposure != nil }

func decode[P any](e Event) (Event, P, error) {
	var p P
	err := json.Unmarshal(e.Payload, &p)
	return e, p, err
}

// Complete checks that history lacks nothing: its sequence has no hole, every
// event of a trip follows its cause, and every wish has its decision and every
// decision its outcome unless a newer one took its place.
func (a Auditor) Complete() error {
	all, err := a.Events(nil)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	type stageOf struct {
		key   events.Key
		stage string
	}
	newest := map[stageOf]Event{}
	answered := map[string]bool{}
	for i, e := range all {
		if want := all[0].Sequence + uint64(i); e.Sequence != want {
			return fmt.Errorf("history: sequence %d follows %d", e.Sequence, want-1)
		}
		if e.Cause != "" && !seen[e.Cause] {
			return fmt.Errorf("history: %s event %s of %s stands before its cause %s", e.Stage, e.ID, e.Key(), e.Cause)
		}
		seen[e.ID], answered[e.Cause] = true, true
		newest[stageOf{e.Key(), e.Stage}] = e
	}
	for at, e := range newest {
		if answered[e.ID] || at.stage != string(events.StageRequested) && at.stage != string(events.StageDecided) {
			continue
		}
		if _, d, err := decode[events.Decided](e); at.stage == string(events.StageDecided) && err == nil && handsOff(d) {
			continue
		}
		return fmt.Errorf("history: the last %s event %s of %s led to nothing", e.Stage, e.ID, e.Key())
	}
	return nil
}
