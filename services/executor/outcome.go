package executor

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
)

// Warnings of an outcome.
const (
	warningStepwise = "this cloud leaves what is below a wholly created load balancer pending; load balancers are created step by step (set create: stepwise to begin so)"
	warningSingle   = "the load balancer is SINGLE: when its one amphora dies, it is away until another is built; choose an ACTIVE_STANDBY flavor"
	notCleared      = "what was replaced is not removed yet: "
	warningTopology = "whether the load balancer is SINGLE or ACTIVE_STANDBY is the cloud's choice, which a project cannot read; choose a flavor to know"
)

// together stands for the steps of another's change that served this one too.
const together = "done in one with %s"

// succeeded publishes what a job has reached, for every exposure that is owed it.
func (t *term) succeeded(ctx context.Context, j *job, s sight) {
	t.table.changeUnit(j.unit, func(w *stand) { w.failures = 0 })
	for _, k := range j.crew.moving {
		e, r := j.errand, j.rows[k]
		if k != j.key {
			d, _ := r.decision()
			tr := &trip{digest: d.Digest, cause: r.decided.Event, started: time.Now()}
			if r.owed() {
				tr = t.table.trip(k, d.Digest)
			}
			if len(j.trip.steps()) > 0 {
				tr.took(fmt.Sprintf(together, j.key))
			}
			e = j.errandOf(k, tr)
		}
		if err := t.arrive(ctx, j, e, s); err != nil {
			t.again(j, err, t.cfg.RetryMin)
			return
		}
	}
	if len(j.crew.moving) == 0 {
		if err := t.say(ctx, j, j.errand, t.success(j, j.errand, s)); err != nil {
			t.again(j, err, t.cfg.RetryMin)
			return
		}
	}
	if j.crew.waiting > len(j.crew.moving) {
		t.queue.Add(j.unit)
	}
}

// arrive ends the trip of one exposure, or sends it on to where it is still
// to be removed.
func (t *term) arrive(ctx context.Context, j *job, e errand, s sight) error {
	d, _ := j.rows[e.key].decision()
	if !j.crew.leaving[e.key] && d.Exposure != nil {
		if err := t.say(ctx, j, e, t.success(j, e, s)); err != nil {
			return err
		}
		t.table.settleIn(j.unit, e.key)
		t.table.change(e.key, func(w *row) { w.applied = d.Exposure })
		for _, u := range t.table.get(e.key).at {
			if u != j.unit {
				t.queue.Add(u)
			}
		}
		return nil
	}
	left := slices.DeleteFunc(slices.Clone(t.table.get(e.key).at), func(u unit) bool { return u == j.unit })
	switch {
	case d.Exposure == nil && j.unit != own(e.key): // its own unit answers, when nothing stands any more
		t.table.moveOut(j.unit, e.key)
		t.queue.Add(own(e.key))
		for _, u := range left {
			t.queue.Add(u)
		}
		return nil
	case d.Exposure == nil || len(e.trip.steps()) > 0:
		if err := t.say(ctx, j, e, t.success(j, e, s)); err != nil {
			return err
		}
	}
	t.table.moveOut(j.unit, e.key)
	return nil
}

// say publishes an outcome that ends a trip.
func (t *term) say(ctx context.Context, j *job, e errand, o events.Outcome) error {
	if j.purpose == clearing && len(e.trip.steps()) == 0 {
		return nil
	}
	if err := t.publish(ctx, e, o); err != nil {
		return err
	}
	t.table.change(e.key, func(w *row) {
		if w.trip == e.trip {
			w.trip = nil
		}
	})
	t.metrics.seconds.Observe(time.Since(e.trip.started).Seconds())
	return nil
}

// sayFailed publishes a failure for every exposure that is owed something.
func (t *term) sayFailed(ctx context.Context, j *job, s sight, err error, retry bool) error {
	if j.purpose == clearing { // what was decided is applied, and stays so
		r := j.rows[j.key]
		o, _ := r.answer()
		o.Steps, o.Calls, o.Lease = j.trip.steps(), j.trip.calls.Sum(), t.lease.Token()
		o.Warnings = append(slices.DeleteFunc(slices.Clone(o.Warnings), func(w string) bool { return strings.HasPrefix(w, notCleared) }), notCleared+reason(err))
		if last, _ := t.table.get(j.key).answer(); slices.Equal(last.Warnings, o.Warnings) {
			return nil
		}
		return t.publish(ctx, j.errand, o)
	}
	if len(j.crew.moving) == 0 {
		return t.publish(ctx, j.errand, t.failure(j.errand, j.rows[j.key], s, j.warnings[j.key], err, retry))
	}
	for _, k := range j.crew.moving {
		e, r := j.errand, j.rows[k]
		if !r.owed() {
			continue
		}
		if k != j.key {
			d, _ := r.decision()
			e = j.errandOf(k, t.table.trip(k, d.Digest))
		}
		if pubErr := t.publish(ctx, e, t.failure(e, r, s, j.warnings[k], err, retry)); pubErr != nil {
			return pubErr
		}
	}
	return nil
}

// success is the outcome of an errand that reached its end.
func (t *term) success(j *job, e errand, s sight) events.Outcome {
	o := events.Outcome{State: events.Removed, Decision: e.digest, Steps: e.trip.steps(), Calls: e.trip.calls.Sum(),
		Warnings: slices.Clone(j.warnings[e.key]), Lease: t.lease.Token()}
	d, _ := j.rows[e.key].decision()
	switch {
	case d.Exposure == nil:
		return o
	case j.crew.leaving[e.key]: // it is served elsewhere, and that is on record
		last, _ := t.table.get(e.key).answer()
		last.Steps, last.Calls, last.Lease = o.Steps, o.Calls, o.Lease
		return last
	}
	o.State = events.Applied
	t.describe(&o, s)
	o.Warnings = append(o.Warnings, plan.Warnings(j.desired, s.Observed)...)
	switch {
	case s.LoadBalancer.Provider == "ovn": // it runs on every node
	case o.LoadBalancer.Topology == octavia.Single:
		o.Warnings = append(o.Warnings, warningSingle)
	case o.LoadBalancer.Topology == "":
		o.Warnings = append(o.Warnings, warningTopology)
	}
	if t.cannotWhole.Load() {
		o.Warnings = append(o.Warnings, warningStepwise)
	}
	return o
}

// failure is the outcome of an errand that did not. It names a load balancer only
// if that has served: what the last outcome named, which still stands.
func (t *term) failure(e errand, r row, s sight, warnings []string, err error, retry bool) events.Outcome {
	o := events.Outcome{State: events.Failed, Decision: e.digest, Steps: e.trip.steps(), Calls: e.trip.calls.Sum(),
		Warnings: warnings, Reason: reason(err), Retry: retry, Lease: t.lease.Token()}
	last, ok := r.answer()
	if !ok || last.LoadBalancer == nil {
		return o
	}
	o.LoadBalancer, o.Addresses = last.LoadBalancer, last.Addresses
	if s.LoadBalancer != nil && s.LoadBalancer.ID == last.LoadBalancer.ID {
		t.describe(&o, s)
	}
	return o
}

func (t *term) describe(o *events.Outcome, s sight) {
	lb := s.LoadBalancer
	o.LoadBalancer = &events.LoadBalancerRef{ID: lb.ID, Name: lb.Name, Provider: lb.Provider, Topology: t.placement.topology(lb.FlavorID)}
	o.Addresses = nil
	for _, f := range s.FloatingIPs {
		if f.PortID == lb.PortID {
			o.Addresses = append(o.Addresses, events.Address{IP: f.Address, Type: "floating"})
		}
	}
	o.Addresses = append(o.Addresses, events.Address{IP: lb.Address, Type: "vip"})
	for _, v := range lb.AdditionalVIPs {
		if v.Address != "" {
			o.Addresses = append(o.Addresses, events.Address{IP: v.Address, Type: "vip"})
		}
	}
}

// ephemeral is our side of a connection, which differs with every try.
var ephemeral = regexp.MustCompile(`\S+->`)

func reason(err error) string { return ephemeral.ReplaceAllString(err.Error(), "") }
