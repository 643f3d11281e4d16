package executor

import (
	"cmp"
	"context"
	"maps"
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
	rows := t.table.all(row.standing)
	found, err := t.client.Summaries(ctx, t.cfg.Fleet)
	if err != nil {
		return err
	}
	t.health(nil)
	byTag := t.byKeyTag(found)
	suspects := map[events.Key]bool{} // and whether what is known is not to be trusted
	var quiet []events.Key
	for k, r := range rows {
		o := loadbalancer.Owner{Fleet: t.cfg.Fleet, Key: k}
		lb, stands := byTag[o.Tag()]
		switch {
		case !stands:
			suspects[k] = true
		case lb.Status.Pending():
		case lb.Status == plan.Active && r.known != nil && r.deep && r.known.LoadBalancer != nil &&
			r.known.LoadBalancer.ID == lb.ID && r.known.LoadBalancer.UpdatedAt == lb.UpdatedAt:
			quiet = append(quiet, k)
		case r.known == nil:
			quiet = append(quiet, k)
		default:
			suspects[k] = false
		}
	}
	for _, k := range t.oldest(rows, quiet, look) {
		suspects[k] = true
	}
	if look%floatingEvery == 0 {
		if err := t.lookAtFloatingIPs(ctx, rows, suspects); err != nil {
			return err
		}
	}
	for k, read := range suspects {
		t.table.change(k, func(w *row) { w.check, w.read = true, w.read || read })
		t.queue.Add(k)
	}
	return nil
}

// oldest are those that were read longest ago: a share of all, and more of
// those that this process has never read, but never all at once.
func (t *term) oldest(rows map[events.Key]row, quiet []events.Key, look int) []events.Key {
	slices.SortFunc(quiet, func(a, b events.Key) int {
		return cmp.Or(rows[a].seen.Compare(rows[b].seen), cmp.Compare(a.String(), b.String()))
	})
	unread := slices.IndexFunc(quiet, func(k events.Key) bool { return !rows[k].seen.IsZero() })
	if unread < 0 {
		unread = len(quiet)
	}
	n := min(unread, max(unreadMost, len(rows)/4))
	if unread == 0 {
		n = len(quiet)*(look+1)/readEvery - len(quiet)*look/readEvery
	}
	return quiet[:n]
}

func (t *term) lookAtFloatingIPs(ctx context.Context, rows map[events.Key]row, suspects map[events.Key]bool) error {
	found, err := t.client.AllFloatingIPs(ctx, t.cfg.Fleet)
	if err != nil {
		return err
	}
	for k, r := range rows {
		if r.known == nil || r.known.LoadBalancer == nil {
			continue
		}
		have := found[loadbalancer.Owner{Fleet: t.cfg.Fleet, Key: k}.Description()]
		same := slices.EqualFunc(have, r.known.FloatingIPs, func(a, b plan.FloatingIP) bool { return a.ID == b.ID && a.PortID == b.PortID })
		if !same {
			suspects[k] = true
		}
	}
	return nil
}

// byKeyTag indexes load balancers by the tag that names their exposure, and
// counts those whose exposure nobody ever decided about.
func (t *term) byKeyTag(found []plan.LoadBalancer) map[string]plan.LoadBalancer {
	known := map[string]bool{}
	for k := range maps.Keys(t.table.all(func(r row) bool { _, ok := r.decision(); return ok })) {
		known[loadbalancer.Owner{Fleet: t.cfg.Fleet, Key: k}.Tag()] = true
	}
	out := map[string]plan.LoadBalancer{}
	orphans := 0
	for _, lb := range found {
		tag := keyTag(lb.Tags)
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
