package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/bus"
)

// errRefused: the decision or the exposure is such that trying again is of no use.
var errRefused = errors.New("refused")

// errUnsaid: a drift could not be put on record, so nothing is done about it.
var errUnsaid = errors.New("the drift is not on record")

// quietFailures of a kind that passes by itself are not published.
const quietFailures = 2

// work takes units from the queue until it is shut down.
func (t *term) work(ctx context.Context) {
	for {
		u, closed := t.queue.Get()
		if closed {
			return
		}
		if t.limit.enter(ctx) == nil {
			t.process(ctx, u)
			t.limit.leave()
		}
		t.queue.Done(u)
	}
}

// process carries out what is owed to the exposures of a unit, removes from it
// what has left, or looks for drift.
func (t *term) process(ctx context.Context, u unit) {
	t.recollect(ctx, u)
	rows, known := t.table.view(u)
	j := &job{unit: u, owner: u.owner(t.cfg.Fleet), rows: rows, known: known, crew: survey(u, rows, known.alone),
		warnings: map[events.Key][]string{}}
	t.refuse(ctx, j)
	looks := known.check && t.foremost(j) != events.Key{}
	drained := !known.due.IsZero() && !time.Now().Before(known.due) && t.foremost(j) != events.Key{}
	if ctx.Err() != nil || len(j.crew.moving) == 0 && !looks && !drained {
		return
	}
	t.table.changeUnit(u, func(s *stand) {
		s.check, s.read, s.due = false, false, time.Time{}
		s.alone = s.alone && j.crew.waiting > 1
	})
	t.begins(j, drained)
	ctx = octavia.Count(ctx, &j.trip.calls)
	err := t.compose(ctx, j)
	var s sight
	if err == nil {
		s, err = t.carryOut(ctx, j)
	}
	t.refuse(ctx, j)
	t.remember(j, s, err)
	t.finish(ctx, j, s, err)
}

// begins says for whose sake the unit is touched, and on which trip.
func (t *term) begins(j *job, drained bool) {
	for _, k := range j.crew.moving {
		t.table.change(k, func(w *row) { w.tried = true })
	}
	j.key = t.foremost(j)
	if len(j.crew.moving) > 0 {
		j.key = j.crew.moving[0]
	}
	r := j.rows[j.key]
	d, _ := r.decision()
	j.digest, j.change = d.Digest, r.decided.Event.Change
	switch {
	case r.owed():
		j.purpose, j.trip = carrying, t.table.trip(j.key, d.Digest)
		fresh := slices.ContainsFunc(j.crew.moving, func(k events.Key) bool { return !j.rows[k].lapsed() })
		if !fresh && !j.trip.repairs() {
			j.purpose = watching
		}
		return
	case len(j.crew.moving) > 0, drained:
		j.purpose = clearing
	default:
		j.purpose = watching
	}
	j.trip = &trip{digest: d.Digest, cause: r.decided.Event, started: time.Now()}
	j.trip.failures.Store(int64(j.known.failures))
}

// foremost is the exposure of the unit that stands for what is not done for the
// sake of one: the one that was worked for last, or the first that stands.
func (t *term) foremost(j *job) events.Key {
	var first events.Key
	for k, r := range j.rows {
		home, _ := r.home()
		if home != j.unit || !r.standing() {
			continue
		}
		if k == j.known.lead {
			return k
		}
		if first == (events.Key{}) || k.String() < first.String() {
			first = k
		}
	}
	return first
}

// refuse says of those whose decision or exposure is of no use that they are
// not carried out, and forgets them.
func (t *term) refuse(ctx context.Context, j *job) {
	for _, k := range slices.SortedFunc(maps.Keys(j.crew.refused), compareKeys) {
		err := j.crew.refused[k]
		delete(j.crew.refused, k)
		d, _ := j.rows[k].decision()
		tr := t.table.trip(k, d.Digest)
		t.table.change(k, func(w *row) { w.tried = true })
		e := j.errandOf(k, tr)
		if pubErr := t.publish(ctx, e, t.failure(e, j.rows[k], sight{}, j.warnings[k], err, false)); pubErr != nil {
			t.again(j, pubErr, t.cfg.RetryMin)
		}
	}
}

func compareKeys(a, b events.Key) int { return strings.Compare(a.String(), b.String()) }

// carryOut makes what stands what is desired. What stood like that already is
// said to differ before it is repaired.
func (t *term) carryOut(ctx context.Context, j *job) (sight, error) {
	trust := !j.known.read && j.trip.failures.Load() == 0
	if j.desired == nil && j.known.known == nil && trust && t.absent(j) {
		return sight{}, t.orphaned(j, sight{})
	}
	s, err := t.observe(ctx, j, trust)
	if err == nil {
		err = t.orphaned(j, s)
	}
	if err != nil {
		return s, err
	}
	if j.purpose != watching {
		return t.reconcile(ctx, j, s)
	}
	step, err := t.next(ctx, j, &s)
	if err != nil || step == nil {
		return s, err
	}
	if early := s.Observed; len(s.extras) == 0 && s.LoadBalancer != nil {
		early.Now = s.Now.AddDate(-100, 0, 0)      // when nothing was drained yet
		if len(plan.Diff(j.desired, early)) == 0 { // members are drained, as was decided
			j.purpose = clearing
			return t.reconcile(ctx, j, s)
		}
	}
	steps := plan.Diff(j.desired, s.Observed)
	if len(steps) == 0 {
		steps = []plan.Step{step} // one too many stands
	}
	repair := t.cfg.Drift == DriftRepair
	if err := t.sayDrift(ctx, j, steps, repair); err != nil {
		return s, fmt.Errorf("%w: %w", errUnsaid, err)
	}
	if !repair {
		return s, nil
	}
	return t.reconcile(ctx, j, s)
}

// orphaned refuses to remove what stands though no outcome ever named it, by a
// decision that forbids nothing: a wish is held, or the policy failed. What was
// approved is not known then, because history was lost.
func (t *term) orphaned(j *job, s sight) error {
	r := j.rows[j.key]
	d, _ := r.decision()
	elsewhere := slices.ContainsFunc(r.at, func(u unit) bool { return u != j.unit })
	if d.Exposure != nil || r.proven(d) || s.LoadBalancer == nil && len(s.FloatingIPs) == 0 && !elsewhere {
		return nil
	}
	return fmt.Errorf("%w: the wish is %s, and something stands of which history does not know whether it was approved: it is left as it is until the wish is approved or denied", errRefused, d.Verdict)
}

// absent says whether the listing at the beginning of the term knows nothing of
// the owner. What was made since is in the table.
func (t *term) absent(j *job) bool {
	return !t.listed[j.owner.Tag()] && !t.listed[j.owner.Description()] && !j.known.sealed && !slices.Contains(j.rows[j.key].at, j.unit)
}

// remember keeps what was seen, or forgets it where it cannot be trusted.
func (t *term) remember(j *job, s sight, err error) {
	wake := time.Duration(0)
	if err == nil {
		wake = plan.Wake(j.desired, s.Observed)
	}
	t.table.changeUnit(j.unit, func(w *stand) {
		w.lead = j.key
		if err != nil && !errors.Is(err, errSuperseded) {
			w.known, w.deep, w.read = nil, false, true
			return
		}
		o := s.Observed
		w.known, w.deep = &o, s.deep
		w.sealed = j.sealed() || len(o.Secrets) > 0
		if s.deep {
			w.seen = time.Now()
		}
		if wake > 0 {
			w.due = time.Now().Add(wake)
		}
	})
	if wake > 0 {
		t.queue.AddAfter(j.unit, wake)
	}
}

// finish publishes the outcomes, and says when the unit comes again.
func (t *term) finish(ctx context.Context, j *job, s sight, err error) {
	if err == nil && j.purpose == watching && len(j.crew.moving) == 0 && !j.trip.repairs() {
		return // no drift, or one that was said and is only observed
	}
	if errors.Is(err, errWaiting) && len(j.crew.moving) == 0 {
		return // nobody is owed anything, and drift is looked for again
	}
	t.health(err)
	switch {
	case err == nil:
		t.limit.grow()
		t.succeeded(ctx, j, s)
	case errors.Is(err, errSuperseded), errors.Is(err, bus.ErrLeaseLost), ctx.Err() != nil:
		t.queue.AddAfter(j.unit, time.Millisecond) // of use only if this term goes on
	case errors.Is(err, errUnsaid):
		t.again(j, err, t.cfg.RetryMin)
	default:
		t.failed(ctx, j, s, err)
	}
}

// failed decides whether a failure is said, and when it is tried again.
func (t *term) failed(ctx context.Context, j *job, s sight, err error) {
	failures := int(j.trip.failures.Add(1))
	t.table.changeUnit(j.unit, func(w *stand) { w.failures = failures })
	class := octavia.ClassOf(err)
	permanent := errors.Is(err, errRefused) || class == octavia.Permanent
	var cloud *octavia.Error
	lacks := errors.As(err, &cloud) && cloud.Class == octavia.Retry && cloud.Status == 0 && !octavia.Unreachable(err) // a certificate
	blame := permanent || class == octavia.Quota || lacks
	if blame && len(j.crew.moving) > 1 { // one of them may be to blame for all
		t.table.changeUnit(j.unit, func(w *stand) { w.alone = true })
		t.again(j, err, time.Millisecond)
		return
	}
	wait := t.backoff(failures, class)
	if after, slow := octavia.Throttled(err); slow {
		t.limit.shrink()
		wait = max(wait, after)
	}
	passing := cloud != nil && !blame || errors.Is(err, errWaiting)
	if !passing || failures > quietFailures {
		if pubErr := t.sayFailed(ctx, j, s, err, !permanent); pubErr != nil {
			t.again(j, pubErr, t.cfg.RetryMin)
			return
		}
	}
	if !permanent {
		t.again(j, err, wait)
	}
	if j.crew.waiting > 1 && (permanent || blame && j.purpose == carrying && j.behind()) { // the next one's turn
		t.queue.Add(j.unit)
	}
}

// behind says whether another waits who has not been tried as often.
func (j *job) behind() bool {
	for k, r := range j.rows {
		if k != j.key && r.moves(j.unit) && r.failed() < j.trip.failures.Load() {
			return true
		}
	}
	return false
}

func (t *term) again(j *job, err error, wait time.Duration) {
	t.log.Warn().Err(err).Str("change", j.change).Str("key", j.key.String()).Str("stage", string(events.StageOutcome)).
		Str("unit", j.unit.String()).Dur("again", wait).Msg("not carried out yet")
	t.table.changeUnit(j.unit, func(w *stand) {
		w.check = w.check || j.purpose == watching
		if j.purpose == clearing && len(j.crew.moving) == 0 {
			w.due = time.Now().Add(wait)
		}
	})
	t.queue.AddAfter(j.unit, wait)
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
