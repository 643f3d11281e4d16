package watcher

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/watcher/source"
	"drawbridge.dev/services/watcher/translate"
)

// noticeAge is how long Kubernetes keeps an Event by default: what happened
// earlier is not told again after a restart.
const noticeAge = time.Hour

// live is the object that a status is for.
type live struct {
	uid      string // empty: there is none
	asks     bool
	presence translate.Presence
}

// report is what the users shall see of a key, and the places that it tells of.
// ok is false if there is nothing to write.
func report(k events.Key, places map[string]place, object live, now time.Time) (s source.Status, ok bool) {
	main, found := mainPlace(places)
	if !found {
		return s, false
	}
	p := places[main]
	s = source.Status{Key: k, UID: cmp.Or(object.uid, p.requested.uid), Keep: true, KeepCondition: true, Presence: object.presence}
	for _, cloud := range slices.Sorted(maps.Keys(places)) {
		s.Notices = append(s.Notices, notices(places[cloud], now)...)
	}
	// What the table says may be of an earlier object of the same name.
	if object.uid != "" && (!p.wished() || p.requested.uid == object.uid || p.refused()) {
		s.Addresses, s.Keep = addresses(main, places)
		s.Condition, s.KeepCondition = condition(p, object.asks)
		if !object.asks {
			s.Former = former(places)
			s.Addresses, s.Keep = nil, len(s.Former) == 0
		}
	}
	return s, true
}

// former are the addresses of an object that asks us no more. Another
// controller may have given it others meanwhile.
func former(places map[string]place) []string {
	var left []events.Address
	for _, p := range places {
		left = append(left, p.left...)
	}
	return reachable(left)
}

// mainPlace is the cloud of the newest wish, or, where there is none, of the
// newest that was said.
func mainPlace(places map[string]place) (string, bool) {
	best, found := "", false
	rank := func(p place) uint64 {
		if p.wished() {
			return 1<<62 + p.requested.sequence
		}
		return max(p.requested.sequence, p.rejected.sequence, p.outcome.sequence)
	}
	for _, cloud := range slices.Sorted(maps.Keys(places)) {
		if !found || rank(places[cloud]) > rank(places[best]) {
			best, found = cloud, true
		}
	}
	return best, found
}

// addresses are where the object is reachable: at the place of the newest wish,
// or, while nothing stands there, at another. keep: it is not known, because
// the last outcome failed or there is none yet.
func addresses(main string, places map[string]place) (ips []string, keep bool) {
	clouds := append([]string{main}, slices.Sorted(maps.Keys(places))...)
	anything := false
	for _, cloud := range clouds {
		p := places[cloud]
		if ips := reachable(p.standing); len(ips) > 0 {
			return ips, false
		}
		anything = anything || p.outcome.there()
		if p.outcome.State == events.Failed {
			return nil, true
		}
	}
	return nil, !anything
}

// reachable are the addresses that users are told: of each family the floating
// IPs where there are any, else those of the load balancer itself. IPv4 is first.
func reachable(in []events.Address) (ips []string) {
	for _, v4 := range []bool{true, false} {
		var family []string
		for _, kind := range []string{"floating", "vip"} {
			for _, a := range in {
				if ip, err := netip.ParseAddr(a.IP); a.Type == kind && (err == nil && ip.Unmap().Is4()) == v4 {
					family = append(family, a.IP)
				}
			}
			if len(family) > 0 {
				break
			}
		}
		slices.Sort(family)
		ips = append(ips, slices.Compact(family)...)
	}
	return ips
}

// condition of a Service; keep: the change is under way, and the last one says
// what stood before.
func condition(p place, asks bool) (c *source.Condition, keep bool) {
	at := func(status, reason, message string, r row) (*source.Condition, bool) {
		return &source.Condition{Status: status, Reason: reason, Message: message, Since: r.at}, false
	}
	switch {
	case !asks:
		return nil, false
	case p.refused():
		return at("False", "Invalid", problems(p.rejected.Rejected), p.rejected.row)
	case p.decided.Wish != p.requested.digest:
		return nil, true
	case p.decided.Verdict == events.Denied:
		return at("False", "Denied", reasons(p.decided.Decided), p.decided.row)
	case p.decided.Verdict == events.Held:
		return at("False", "Held", reasons(p.decided.Decided), p.decided.row)
	case p.outcome.Decision != p.decided.Digest:
		return nil, true
	case p.outcome.State == events.Failed:
		return at("False", "Failed", failure(p.outcome.Outcome), p.outcome.row)
	case p.outcome.State == events.Applied:
		reason := "Applied"
		if len(recreations(p.outcome.Outcome)) > 0 {
			reason = "NeedsRecreate"
		}
		return at("True", reason, strings.Join(append([]string{appliedMessage(p.outcome.Outcome)}, p.outcome.Warnings...), "; "), p.outcome.row)
	}
	return nil, true
}

// notices are what has happened at a place and was not told.
func notices(p place, now time.Time) (out []source.Notice) {
	add := func(r row, told string, warning bool, reason, message string) {
		if r.id == "" || r.id == told || r.replayed && now.Sub(r.at) > noticeAge {
			return
		}
		out = append(out, source.Notice{Change: r.change, Warning: warning, Reason: reason, Message: message, Time: r.at, Replayed: r.replayed})
	}
	if p.rejected.there() {
		add(p.rejected.row, p.toldBad, true, "Invalid", p.rejected.Reason+": "+problems(p.rejected.Rejected))
	}
	switch d := p.decided.Decided; d.Verdict {
	case events.Approved:
		if !p.requested.tombstone {
			add(p.decided.row, p.told[0], false, "Approved", approval(d))
		}
	case events.Denied:
		add(p.decided.row, p.told[0], true, "Denied", reasons(d))
	case events.Held:
		add(p.decided.row, p.told[0], true, "Held", reasons(d))
	}
	switch o := p.outcome.Outcome; o.State {
	case events.Applied:
		add(p.outcome.row, p.told[1], false, "Applied", appliedMessage(o))
		again := recreations(o)
		if len(again) > 0 {
			add(p.outcome.row, p.told[1], true, "NeedsRecreate", strings.Join(again, "; "))
		}
		if len(o.Warnings) > len(again) {
			add(p.outcome.row, p.told[1], true, "Warning", strings.Join(slices.DeleteFunc(slices.Clone(o.Warnings), needsRecreate), "; "))
		}
	case events.Failed:
		add(p.outcome.row, p.told[1], true, "Failed", failure(o))
	case events.Removed:
		if len(o.Steps) > 0 || len(p.left) > 0 { // else nothing ever stood
			add(p.outcome.row, p.told[1], false, "Removed", "nothing stands in the cloud any more")
		}
	}
	if p.drift.there() {
		message := "the cloud was changed by another; steps back: " + strings.Join(p.drift.Steps, ", ")
		if !p.drift.Repair {
			message += " (they are not taken: repair is switched off)"
		}
		add(p.drift.row, p.told[2], true, "Drifted", message)
	}
	return out
}

func problems(r events.Rejected) string {
	said := make([]string, 0, len(r.Problems))
	for _, p := range r.Problems {
		said = append(said, p.Field+": "+p.Message)
	}
	return cmp.Or(strings.Join(said, "; "), r.Reason)
}

func approval(d events.Decided) string {
	message := "approved by policy " + cmp.Or(d.Policy.Revision, d.Policy.Bundle)
	if len(d.Obligations) > 0 {
		message += ", with: " + strings.Join(d.Obligations, "; ")
	}
	return message
}

func reasons(d events.Decided) string { return strings.Join(d.Reasons, "; ") }

func appliedMessage(o events.Outcome) string {
	return "reachable at " + cmp.Or(strings.Join(reachable(o.Addresses), ", "), "no address")
}

// needsRecreate says whether a warning is of what only a new load balancer can have.
func needsRecreate(warning string) bool { return strings.HasPrefix(warning, "needs recreate:") }

func recreations(o events.Outcome) (out []string) {
	for _, w := range o.Warnings {
		if needsRecreate(w) {
			out = append(out, w)
		}
	}
	return out
}

func failure(o events.Outcome) string {
	if o.Retry {
		return o.Reason + " (it is tried again)"
	}
	return o.Reason + " (it is tried again when the object or the policy changes)"
}

// tell writes the status of one key.
func (w *watcher) tell(ctx context.Context, k events.Key) error {
	places := w.table.of(k)
	r, there := w.objects.translate(k, w.settings)
	object := live{asks: r.Asks}
	if there {
		object.uid, object.presence = r.UID, w.objects.presence(k, w.settings)
	}
	s, ok := report(k, places, object, time.Now())
	if !ok {
		return nil
	}
	if err := w.source.Writer.Write(ctx, s); err != nil {
		return fmt.Errorf("tell the users: %w", err)
	}
	for cloud, p := range places {
		w.table.tell(k, cloud, p)
	}
	return nil
}
