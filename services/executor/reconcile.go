package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
)

var (
	errBlocked       = errors.New("nothing can be done")
	errNotConverging = errors.New("a step does not take effect")
	errSuperseded    = errors.New("a newer wish or decision has come")
)

const (
	looksMost   = 5 // times that one try looks again because what it knew was not true
	duplicate   = "another one of the same exposure stands"
	createdOnce = "it went to ERROR or got stuck while Octavia created it, and was removed: have an operator look for the reason (no compute capacity, no image, no management network)"
)

// errand is what the outcome of one exposure is about.
type errand struct {
	key    events.Key
	digest string // of the decision
	change string // id of the requested event
	trip   *trip
}

// purpose says why a unit is touched.
type purpose int

const (
	carrying purpose = iota // a decision
	clearing                // what is left after one: a part that moved away, members that are drained
	watching                // drift
)

// job is one try at a unit. Its errand is that of the exposure for whose sake it
// is touched; others that are owed something get it with it.
type job struct {
	errand
	unit     unit
	owner    loadbalancer.Owner
	purpose  purpose
	rows     map[events.Key]row
	known    stand
	crew     crew
	desired  *loadbalancer.LoadBalancer // nil: nothing may stand
	place    place
	warnings map[events.Key][]string
}

// twin says whether the one exposure of the unit is, or comes from, on another
// load balancer as its own: one that was given, or is. Both bear the marks of one owner.
func (j *job) twin() bool {
	other := func(u unit) bool { return u.group == "" && u != j.unit && u.key == j.unit.key }
	r, alone := j.rows[j.unit.key]
	home, placed := r.home()
	return j.unit.group == "" && alone && (placed && other(home) || slices.ContainsFunc(r.at, other))
}

// sealed says whether the key manager may hold secrets of the unit.
func (j *job) sealed() bool { return j.known.sealed || len(j.certificates()) > 0 }

// certificates are the names of the secrets that shall stand.
func (j *job) certificates() (out []string) {
	if j.desired == nil {
		return nil
	}
	for _, l := range j.desired.Listeners {
		for _, name := range l.Certificates {
			if _, ours := j.owner.SecretDigest(name); ours {
				out = append(out, name)
			}
		}
	}
	return out
}

func (j *job) errandOf(k events.Key, tr *trip) errand {
	d, _ := j.rows[k].decision()
	return errand{key: k, digest: d.Digest, change: j.rows[k].decided.Event.Change, trip: tr}
}

// served are the ids of the load balancers that outcomes name.
func (j *job) served(id string) bool {
	for _, r := range j.rows {
		if o, ok := r.answer(); ok && o.LoadBalancer != nil && o.LoadBalancer.ID == id {
			return true
		}
	}
	return false
}

// unplaced says why a step cannot be taken: it is not known where.
func (j *job) unplaced(s plan.Step) error {
	switch s.(type) {
	case plan.CreateLoadBalancer:
		return errors.Join(j.place.vip, j.place.flavor, j.place.zone, j.place.floating)
	case plan.CreateFloatingIP:
		return j.place.floating
	}
	return nil
}

// reconcile takes steps until none is left: settle, look, plan, take the first.
func (t *term) reconcile(ctx context.Context, j *job, s sight) (sight, error) {
	taken := map[string]bool{}
	for looks := 0; ; {
		step, err := t.next(ctx, j, &s)
		if err == nil && step == nil {
			return s, t.guard(ctx, j, s)
		}
		if err == nil {
			id := fmt.Sprintf("%T%s", step, events.Digest(step))
			if taken[id] {
				return s, notConverging(step)
			}
			if err = t.take(ctx, j, step, &s); err == nil {
				taken[id] = true
				continue
			}
		}
		looks++
		switch class := octavia.ClassOf(err); {
		case class == octavia.Busy && s.LoadBalancer != nil && looks < looksMost:
			// Another is at work on it, and may have changed anything.
			s.LoadBalancer.Status, s.deep = "PENDING_UPDATE", false
		case (class == octavia.Stale || class == octavia.Gone) && looks < looksMost:
			again, lookErr := t.observe(ctx, j, false)
			if lookErr != nil {
				return s, errors.Join(err, lookErr)
			}
			s = again
		default:
			return s, err
		}
	}
}

func notConverging(s plan.Step) error {
	if c, ok := s.(plan.CreateLoadBalancer); ok {
		return fmt.Errorf("load balancer %q: %w: %s", c.LoadBalancer.Name, errNotConverging, createdOnce)
	}
	return fmt.Errorf("%s: %w: the cloud took it, and what stands still asks for it: compare the two with an operator", s.Describe(), errNotConverging)
}

// next is the first step of the plan once everything has settled; nil: none is left.
func (t *term) next(ctx context.Context, j *job, s *sight) (plan.Step, error) {
	for {
		if err := t.settle(ctx, j, s); err != nil {
			return nil, err
		}
		if err := t.refresh(ctx, j); err != nil {
			return nil, err
		}
		s.Stepwise, s.Now = t.stepwise(), time.Now()
		if len(s.extras) > 0 {
			x := s.extras[0]
			return plan.DeleteLoadBalancer{ID: x.ID, Name: x.Name, Why: duplicate}, nil
		}
		if msg := plan.Blocked(j.desired, s.Observed); msg != "" {
			if plan.Protected(j.desired, s.Observed) {
				return nil, fmt.Errorf("%w: %s", errRefused, msg)
			}
			return nil, fmt.Errorf("%w: %s", errBlocked, msg)
		}
		steps := plan.Diff(j.desired, s.Observed)
		if len(steps) > 0 {
			return steps[0], nil
		}
		if !s.dirty || s.LoadBalancer == nil {
			return nil, nil
		}
		if err := t.readTree(ctx, s); err != nil {
			return nil, err
		}
		if s.Pending() || s.Stuck() { // another is at work on it: what it changes is not known
			s.deep = false
		}
	}
}

// stepwise says whether load balancers of this cloud are created in many requests.
func (t *term) stepwise() bool {
	return t.cfg.Create == CreateStepwise || t.cfg.Create == CreateAuto && t.cannotWhole.Load()
}

// take sends one step, if the lease is held and the decision is still the newest.
func (t *term) take(ctx context.Context, j *job, step plan.Step, s *sight) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := j.unplaced(step); err != nil {
		return err
	}
	if err := t.standIns(ctx, j, step); err != nil {
		return err
	}
	for _, e := range j.crew.serving {
		t.table.settleIn(j.unit, e.Key)
	}
	kind := strings.TrimPrefix(fmt.Sprintf("%T", step), "plan.")
	// What is sent is not taken back: a stop waits for the answer.
	send, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.cfg.RequestTimeout)
	defer cancel()
	var refused error
	send = context.WithValue(send, clustersKey{}, j.clusters())
	result, err := t.client.Apply(octavia.Guard(send, func(ctx context.Context) error {
		refused = t.mayWrite(ctx, j)
		return refused
	}), step)
	if refused != nil {
		return refused
	}
	if err != nil {
		t.metrics.steps.WithLabelValues(kind, "refused").Inc()
		return err
	}
	t.metrics.steps.WithLabelValues(kind, "taken").Inc()
	t.log.Info().Str("change", j.change).Str("key", j.key.String()).Str("stage", string(events.StageOutcome)).Str("step", step.Describe()).Msg("step taken")
	j.trip.took(step.Describe())
	s.advance(step, result)
	return nil
}

// mayWrite says why nothing may be written for a job any more.
func (t *term) mayWrite(ctx context.Context, j *job) error {
	if t.table.version(j.unit) != j.known.version {
		return errSuperseded
	}
	return t.lease.Check(ctx)
}
