package executor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/bus"
)

// errRefused: the decision or the exposure is such that trying again is of no use.
var errRefused = errors.New("refused")

// errUnsaid: nothing is repaired before it is on record that it differed.
var errUnsaid = errors.New("drift is not on record yet")

// quietFailures of a kind that passes by itself are not published.
const quietFailures = 2

// work takes keys from the queue until it is shut down.
func (t *term) work(ctx context.Context) {
	for {
		key, closed := t.queue.Get()
		if closed {
			return
		}
		if t.limit.enter(ctx) == nil {
			t.process(ctx, key)
			t.limit.leave()
		}
		t.queue.Done(key)
	}
}

// process carries out what is owed to a key, or looks for drift.
func (t *term) process(ctx context.Context, key events.Key) {
	r := t.table.get(key)
	d, ok := r.decision()
	todo := r.owed() || r.check && r.standing()
	if !ok || ctx.Err() != nil || !todo {
		return
	}
	tr := &trip{digest: d.Digest, cause: r.decided.Event, started: time.Now()}
	if r.owed() {
		tr = t.table.trip(key, d.Digest)
	}
	t.table.change(key, func(w *row) { w.tried, w.check, w.read = true, false, false })
	ctx = octavia.Count(ctx, &tr.calls)
	j, warnings, err := t.job(ctx, key, r, d, tr)
	var s sight
	if err == nil {
		s, err = t.carryOut(ctx, j, r)
	}
	t.remember(key, s, err)
	t.finish(ctx, j, r, s, warnings, err)
}

// job verifies a decision and composes what it asks for.
func (t *term) job(ctx context.Context, key events.Key, r row, d events.Decided, tr *trip) (job, []string, error) {
	j := job{key: key, digest: d.Digest, change: r.decided.Event.Change, trip: tr,
		owner: loadbalancer.Owner{Fleet: t.cfg.Fleet, Key: key}}
	if o, ok := r.answer(); ok && o.LoadBalancer != nil {
		j.served = o.LoadBalancer.ID
	}
	if err := verify(key, d, t.cfg.TrustedKeys); err != nil {
		return j, nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	if d.Exposure == nil {
		return j, nil, nil
	}
	if g := d.Exposure.Group; g != "" { // policy counts a group as one load balancer
		return j, nil, fmt.Errorf("%w: group %q: load balancers are not shared, leave the group out", errRefused, g)
	}
	var err error
	if j.place, err = t.placement.find(ctx, *d.Exposure); err != nil {
		return j, nil, err
	}
	desired, conflicts := compose.LoadBalancer(j.owner, []events.Exposure{*d.Exposure}, j.place.Defaults)
	var warnings, fatal []string
	if j.place.flavor != nil { // of no use to what stands
		warnings = append(warnings, j.place.flavor.Error())
	}
	for _, c := range conflicts {
		if c.Fatal {
			fatal = append(fatal, c.Field+": "+c.Message)
		} else {
			warnings = append(warnings, c.Field+": "+c.Message)
		}
	}
	if len(fatal) > 0 {
		return j, warnings, fmt.Errorf("%w: it cannot be served as it is asked for: %s", errRefused, strings.Join(fatal, "; "))
	}
	j.desired = &desired
	return j, warnings, nil
}

// carryOut makes what stands what is desired. What stood like that already is
// said to differ before it is repaired.
func (t *term) carryOut(ctx context.Context, j job, r row) (sight, error) {
	if j.desired == nil && r.known == nil && !r.read && j.trip.failures == 0 && t.absent(j.owner) {
		return sight{}, nil
	}
	s, err := t.observe(ctx, j, !r.read && j.trip.failures == 0)
	if err == nil {
		err = forgotten(r, s)
	}
	if err != nil {
		return s, err
	}
	if j.trip.repairs() || r.owed() && !r.lapsed() {
		return t.reconcile(ctx, j, s)
	}
	step, err := t.next(ctx, j, &s)
	if err != nil || step == nil {
		return s, err
	}
	steps := plan.Diff(j.desired, s.Observed)
	if len(steps) == 0 {
		steps = []plan.Step{step} // one too many stands
	}
	repair := t.cfg.Drift == DriftRepair
	if err := t.sayDrift(ctx, j, r, steps, repair); err != nil {
		return s, fmt.Errorf("%w: %w", errUnsaid, err)
	}
	if !repair {
		return s, nil
	}
	return t.reconcile(ctx, j, s)
}

// forgotten refuses to remove what stands though no outcome ever named it, by a
// decision that forbids nothing: a wish is held, or the policy failed. What was
// approved is not known then, because history was lost.
func forgotten(r row, s sight) error {
	d, _ := r.decision()
	last, answered := r.answer()
	known := answered && (last.State != events.Failed || last.LoadBalancer != nil)
	forbids := d.Verdict != events.Held && !slices.Contains(d.Rules, events.RulePolicyFailed)
	if known || forbids || d.Exposure != nil || s.LoadBalancer == nil && len(s.FloatingIPs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: the wish is %s, and something stands of which history does not know whether it was approved: it is left as it is until the wish is approved or denied", errRefused, d.Verdict)
}

// absent says whether the listing at the beginning of the term knows nothing of
// the owner. What was made since is in the table.
func (t *term) absent(o loadbalancer.Owner) bool {
	return !t.listed[o.Tag()] && !t.listed[o.Description()]
}

// remember keeps what was seen, or forgets it where it cannot be trusted.
func (t *term) remember(key events.Key, s sight, err error) {
	t.table.change(key, func(w *row) {
		if err != nil && !errors.Is(err, errSuperseded) {
			w.known, w.deep, w.read = nil, false, true
			return
		}
		o := s.Observed
		w.known, w.deep = &o, s.deep
		if s.deep {
			w.seen = time.Now()
		}
	})
}

// finish publishes the outcome, and says when the key comes again.
func (t *term) finish(ctx context.Context, j job, r row, s sight, warnings []string, err error) {
	if err == nil && !r.owed() && !j.trip.repairs() {
		return // no drift, or one that was said and is only observed
	}
	t.health(err)
	switch {
	case err == nil:
		t.limit.grow()
		if pubErr := t.publish(ctx, j, t.success(j, s, warnings)); pubErr != nil {
			t.again(j, pubErr, t.cfg.RetryMin)
			return
		}
		t.table.change(j.key, func(w *row) {
			if w.trip == j.trip {
				w.trip = nil
			}
		})
		t.metrics.seconds.Observe(time.Since(j.trip.started).Seconds())
	case errors.Is(err, errSuperseded), errors.Is(err, bus.ErrLeaseLost), ctx.Err() != nil:
		t.queue.AddAfter(j.key, time.Millisecond) // of use only if this term goes on
	case errors.Is(err, errUnsaid):
		t.again(j, err, t.cfg.RetryMin)
	default:
		t.failed(ctx, j, r, s, warnings, err)
	}
}

// failed decides whether a failure is said, and when it is tried again.
func (t *term) failed(ctx context.Context, j job, r row, s sight, warnings []string, err error) {
	j.trip.failures++
	class := octavia.ClassOf(err)
	permanent := errors.Is(err, errRefused) || class == octavia.Permanent
	wait := t.backoff(j.trip.failures, class)
	if after, slow := octavia.Throttled(err); slow {
		t.limit.shrink()
		wait = max(wait, after)
	}
	var cloud *octavia.Error
	passing := errors.As(err, &cloud) && class != octavia.Quota && class != octavia.Permanent
	if !passing || j.trip.failures > quietFailures {
		o := t.failure(j, r, s, warnings, err, !permanent)
		if pubErr := t.publish(ctx, j, o); pubErr != nil {
			t.again(j, pubErr, t.cfg.RetryMin)
			return
		}
	}
	if !permanent {
		t.again(j, err, wait)
	}
}

func (t *term) again(j job, err error, wait time.Duration) {
	t.log.Warn().Err(err).Str("change", j.change).Str("key", j.key.String()).Str("stage", string(events.StageOutcome)).
		Dur("again", wait).Msg("not carried out yet")
	t.table.change(j.key, func(w *row) { w.check = w.check || w.standing() })
	t.queue.AddAfter(j.key, wait)
}

// backoff grows with the failures in a row; a quota is not lifted in seconds.
func (t *term) backoff(failures int, class octavia.Class) time.Duration {
	d := t.cfg.RetryMax
	if class != octavia.Quota && failures < 30 {
		d = min(d, t.cfg.RetryMin<<(failures-1))
	}
	return d*3/4 + rand.N(d/2+1) //nolint:gosec // no secret
}

// unchanged says whether the last outcome says the same, so that a retry is no news.
func unchanged(last events.Outcome, o events.Outcome) bool {
	return last.State == events.Failed && o.State == events.Failed && last.Decision == o.Decision && last.Reason == o.Reason &&
		last.Retry == o.Retry && slices.Equal(last.Warnings, o.Warnings)
}
