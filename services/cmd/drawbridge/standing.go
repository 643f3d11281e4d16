package main

import (
	"strings"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor"
)

// standing is the last event of every stage of one exposure.
type standing struct {
	requested *events.Requested
	decided   *events.Decided
	outcome   *events.Outcome
	rejected  *events.Rejected // only while it is younger than requested
}

func standingFrom(x auditor.Exposure) standing {
	var s standing
	for _, e := range []*auditor.Event{x.Requested, x.Decided, x.Outcome} {
		if e != nil {
			s.put(payloadOf(*e))
		}
	}
	if x.Rejected != nil && (x.Requested == nil || x.Rejected.Row > x.Requested.Row) {
		s.put(payloadOf(*x.Rejected))
	}
	return s
}

// put takes the newest payload of a stage.
func (s *standing) put(p events.Payload) {
	switch v := p.(type) {
	case events.Requested:
		s.requested, s.rejected = &v, nil
	case events.Decided:
		s.decided = &v
	case events.Outcome:
		s.outcome = &v
	case events.Rejected:
		s.rejected = &v
	}
}

// answered is the decision on the newest wish; nil: there is none yet.
func (s standing) answered() *events.Decided {
	if s.requested == nil || s.decided == nil || s.decided.Wish != s.requested.Digest {
		return nil
	}
	return s.decided
}

// done is the outcome of that decision; nil: there is none yet.
func (s standing) done() *events.Outcome {
	d := s.answered()
	if d == nil || s.outcome == nil || s.outcome.Decision != d.Digest {
		return nil
	}
	return s.outcome
}

// untouched says that a wish was denied or held and what stood before stays.
func (s standing) untouched() bool {
	d := s.answered()
	return d != nil && d.Verdict != events.Approved && d.Exposure != nil
}

// settled says that nothing is owed: the newest wish has its answer, and that its outcome.
func (s standing) settled() bool { return s.untouched() || s.done() != nil }

// addresses are those of what stands.
func (s standing) addresses() []string {
	if s.outcome == nil {
		return nil
	}
	return addresses(*s.outcome)
}

// state is the verdict on the newest wish, how far it has come, and why.
func (s standing) state() (verdict, state, detail string) {
	d := s.answered()
	switch {
	case s.requested == nil:
		verdict, state = "-", "invalid"
	case d == nil:
		verdict, state = "-", "waits for policy"
	case s.untouched():
		verdict, state = string(d.Verdict), "unchanged"
	case s.done() == nil:
		verdict, state = string(d.Verdict), "waits for executor"
	case d.Verdict != events.Approved && s.outcome.State == events.Removed:
		verdict, state = string(d.Verdict), "not exposed"
	default:
		verdict, state = string(d.Verdict), string(s.outcome.State)
	}
	var why []string
	if s.rejected != nil {
		why = append(why, summary(*s.rejected))
	}
	if d != nil {
		why = append(why, d.Reasons...)
	}
	if o := s.done(); o != nil && o.Reason != "" {
		why = append(why, o.Reason)
	}
	return verdict, state, strings.Join(why, "; ")
}
