package executor

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
)

// A look for drift is one list call, however many load balancers there are.
const (
	floatingEvery = 4  // looks: the load balancer's time of change says nothing of its floating IP
	readEvery     = 12 // looks in which every load balancer is read once: changes within one second of ours do not show
	unreadMost    = 20 // at least, of those not read since the start, that one look reads
)

// watchDrift looks every interval, jittered, until ctx ends.
func (t *term) watchDrift(ctx context.Context) {
	if t.cfg.DriftInterval < 0 {
		return
	}
	wait := t.cfg.DriftInterval / 4
	for look := 0; ; look++ {
		select {
		case <-time.After(wait*3/4 + rand.N(wait/2+1)): //nolint:gosec // no secret
		case <-ctx.Done():
			return
		}
		wait = t.cfg.DriftInterval
		if err := t.look(ctx, look); err != nil && ctx.Err() == nil {
			t.health(err)
			t.log.Warn().Err(err).Msg("drift is not looked for this time")
		}
	}
}

// look finds what stands otherwise than when it was last seen, and queues it.
func (t *term) look(ctx context.Context, look int) error {
	units := t.table.standing()
	found, err := t.client.Summaries(ctx, t.cfg.Fleet)
	if err != nil {
		return err
	}
	t.health(nil)
	byTag := t.byOwner(found)
	t.released(found)
	suspects := map[unit]bool{} // and whether what is known is not to be trusted
	var quiet []unit
	for u, s := range units {
		lb, stands := byTag[u.owner(t.cfg.Fleet).Tag()]
		switch {
		case u.given != "": // another's, which the list of ours lacks
			quiet = append(quiet, u)
		case !stands:
			suspects[u] = true
		case lb.Status.Pending():
		case lb.Status == plan.Active && s.known != nil && s.deep && s.known.LoadBalancer != nil &&
			s.known.LoadBalancer.ID == lb.ID && s.known.LoadBalancer.UpdatedAt == lb.UpdatedAt:
			quiet = append(quiet, u)
		case s.known == nil:
			quiet = append(quiet, u)
		default:
			suspects[u] = false
		}
	}
	for _, u := range oldest(units, quiet, look) {
		suspects[u] = true
	}
	if look%floatingEvery == 0 {
		if err := t.lookAtFloatingIPs(ctx, units, suspects); err != nil {
			return err
		}
	}
	for u, read := range suspects {
		t.table.changeUnit(u, func(s *stand) { s.check, s.read = true, s.read || read })
		t.queue.Add(u)
	}
	return nil
}

// released queues what is to be removed and was protected, when it is so no more.
func (t *term) released(found []plan.LoadBalancer) {
	for _, lb := range found {
		if slices.Contains(lb.Tags, loadbalancer.ProtectTag) {
			continue
		}
		u, _ := t.located(lb.Tags)
		rows, _ := t.table.view(u)
		for k, r := range rows {
			d, _ := r.decision()
			if o, failed := r.answer(); failed && d.Exposure == nil && o.State == events.Failed && o.Decision == d.Digest && r.tried {
				t.table.change(k, func(w *row) { w.tried = false })
				t.queue.Add(u)
			}
		}
	}
}

// oldest are those that were read longest ago: a share of all, and more of
// those that this process has never read, but never all at once.
func oldest(units map[unit]stand, quiet []unit, look int) []unit {
	slices.SortFunc(quiet, func(a, b unit) int {
		return cmp.Or(units[a].seen.Compare(units[b].seen), cmp.Compare(a.String(), b.String()))
	})
	unread := slices.IndexFunc(quiet, func(u unit) bool { return !units[u].seen.IsZero() })
	if unread < 0 {
		unread = len(quiet)
	}
	n := min(unread, max(unreadMost, len(units)/4))
	if unread == 0 {
		n = len(quiet)*(look+1)/readEvery - len(quiet)*look/readEvery
	}
	return quiet[:n]
}

func (t *term) lookAtFloatingIPs(ctx context.Context, units map[unit]stand, suspects map[unit]bool) error {
	found, err := t.client.AllFloatingIPs(ctx, t.cfg.Fleet)
	if err != nil {
		return err
	}
	for u, s := range units {
		if s.known == nil || s.known.LoadBalancer == nil {
			continue
		}
		description := u.owner(t.cfg.Fleet).Description()
		known := slices.DeleteFunc(slices.Clone(s.known.FloatingIPs), func(f plan.FloatingIP) bool { return f.Description != description })
		same := slices.EqualFunc(found[description], known, func(a, b plan.FloatingIP) bool { return a.ID == b.ID && a.PortID == b.PortID })
		if !same {
			suspects[u] = true
		}
	}
	return nil
}

// byOwner indexes load balancers by the tag that names their owner, and counts
// those of which no exposure that was ever decided about knows anything.
func (t *term) byOwner(found []plan.LoadBalancer) map[string]plan.LoadBalancer {
	known := t.table.owners(t.cfg.Fleet)
	out := map[string]plan.LoadBalancer{}
	orphans := 0
	for _, lb := range found {
		tag := ownerTag(lb.Tags)
		if !known[tag] {
			orphans++
			t.log.Warn().Str("loadbalancer", lb.ID).Str("name", lb.Name).Str("tag", tag).Msg("it carries the fleet's tag, but nobody ever decided about it; it is left alone")
		}
		if _, twice := out[tag]; !twice || lb.ID < out[tag].ID {
			out[tag] = lb
		}
	}
	t.metrics.orphans.Set(float64(orphans))
	return out
}
