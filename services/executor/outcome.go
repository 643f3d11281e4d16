package executor

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/bus"
)

// Warnings of an outcome.
const (
	warningStepwise = "this cloud leaves what is below a wholly created load balancer pending; load balancers are created step by step (set create: stepwise to begin so)"
	warningSingle   = "the load balancer is SINGLE: when its one amphora dies, it is away until another is built; choose an ACTIVE_STANDBY flavor"
	warningTopology = "whether the load balancer is SINGLE or ACTIVE_STANDBY is the cloud's choice, which a project cannot read; choose a flavor to know"
)

// success is the outcome of a job that reached its end.
func (t *term) success(j job, s sight, warnings []string) events.Outcome {
	o := events.Outcome{State: events.Removed, Decision: j.digest, Steps: j.trip.steps, Calls: j.trip.calls.Sum(), Warnings: warnings, Lease: t.lease.Token()}
	if s.LoadBalancer == nil || j.desired == nil {
		return o
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

// failure is the outcome of a job that did not. It names a load balancer only
// if that has served: what the last outcome named, which still stands.
func (t *term) failure(j job, r row, s sight, warnings []string, err error, retry bool) events.Outcome {
	o := events.Outcome{State: events.Failed, Decision: j.digest, Steps: j.trip.steps, Calls: j.trip.calls.Sum(),
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
}

// ephemeral is our side of a connection, which differs with every try.
var ephemeral = regexp.MustCompile(`\S+->`)

func reason(err error) string { return ephemeral.ReplaceAllString(err.Error(), "") }

// publish puts an outcome on the bus, after the one that was last seen there.
// The same failure as before is not said again. Who holds the lease no more, or
// finds that another wrote, does not publish.
func (t *term) publish(ctx context.Context, j job, o events.Outcome) error {
	r := t.table.get(j.key)
	last, ok := r.answer()
	if ok && unchanged(last, o) {
		return nil
	}
	if ok && last.Lease > o.Lease {
		return fmt.Errorf("outcome of %s: %w: one of lease %d stands, ours is %d", j.key, bus.ErrLeaseLost, last.Lease, o.Lease)
	}
	check, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	if err := t.lease.Check(check); err != nil {
		return err
	}
	e := events.New(t.source(), t.cfg.Cloud, j.key, o, r.outcome.Event.ID, &j.trip.cause, time.Now())
	record, err := t.send(ctx, e, r.outcome)
	if err != nil {
		return err
	}
	t.table.change(j.key, func(w *row) { w.answered(record) })
	t.metrics.outcomes.WithLabelValues(string(o.State)).Inc()
	t.metrics.calls.WithLabelValues("write").Add(float64(o.Calls.Writes))
	t.metrics.calls.WithLabelValues("read").Add(float64(o.Calls.Reads))
	line := t.log.Info()
	if o.State == events.Failed {
		line = t.log.Warn().Str("reason", o.Reason).Bool("retry", o.Retry)
	}
	line.Str("change", j.change).Str("key", j.key.String()).Str("stage", string(events.StageOutcome)).
		Str("state", string(o.State)).Int("writes", o.Calls.Writes).Int("reads", o.Calls.Reads).Int("polls", o.Calls.Polls).Msg("outcome")
	return nil
}

// send publishes behind the last record of the same subject. If another one
// stands there (an outcome of an earlier term that this one had not seen), it is
// looked up for the next try.
func (t *term) send(ctx context.Context, e events.Event, last bus.Record) (bus.Record, error) {
	send, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	ack, err := t.bus.Publish(send, e, bus.ExpectLast(last.Sequence))
	if errors.Is(err, bus.ErrConflict) {
		if r, ok, lastErr := t.bus.Last(send, e.Payload.Stage(), e.Cloud, e.Key); lastErr == nil && ok {
			t.table.put(r)
		}
	}
	if err != nil {
		return bus.Record{}, err
	}
	return bus.Record{Event: e, Subject: e.Subject(), Sequence: ack.Sequence}, nil
}

const publishTimeout = 10 * time.Second

func (t *term) source() string { return "/executor/" + t.cfg.Cloud }

// sayDrift publishes a difference before it is repaired, which is owed an
// outcome from then on. One that is only observed is said once.
func (t *term) sayDrift(ctx context.Context, j job, r row, steps []plan.Step, repair bool) error {
	d := events.Drift{Decision: j.digest, Repair: repair}
	for _, x := range steps {
		d.Steps = append(d.Steps, x.Describe())
	}
	if o, ok := r.answer(); ok {
		d.LoadBalancer = o.LoadBalancer
	}
	if last, ok := r.drift.Event.Payload.(events.Drift); ok && !repair && last.Decision == d.Decision && slices.Equal(last.Steps, d.Steps) && !last.Repair {
		return nil
	}
	if err := t.lease.Check(ctx); err != nil {
		return err
	}
	e := events.New(t.source(), t.cfg.Cloud, j.key, d, r.drift.Event.ID, &r.decided.Event, time.Now())
	record, err := t.send(ctx, e, r.drift)
	if err != nil {
		return err
	}
	t.table.change(j.key, func(w *row) {
		w.drift = newer(w.drift, record)
		if repair {
			j.trip.cause, w.trip = e, j.trip
		}
	})
	t.metrics.drifted.Inc()
	t.log.Warn().Str("change", j.change).Str("key", j.key.String()).Str("stage", string(events.StageDrift)).
		Strs("steps", d.Steps).Bool("repair", repair).Msg("drift")
	return nil
}

// reject puts on record what the bus holds and nobody can read, once.
func (t *term) reject(ctx context.Context, r bus.Record) {
	_, cloud, key, err := events.ParseSubject(r.Subject)
	if err != nil || cloud != t.cfg.Cloud {
		t.log.Error().Err(r.Err).Str("subject", r.Subject).Uint64("sequence", r.Sequence).Msg("not understood, passed over")
		return
	}
	p := events.Rejected{Reason: fmt.Sprintf("the executor cannot read message %d of %s: %v", r.Sequence, r.Subject, r.Err), Digest: events.Digest(r.Data)}
	last := t.table.get(key).rejected
	if said, ok := last.Event.Payload.(events.Rejected); ok && said.Digest == p.Digest {
		return
	}
	e := events.New(t.source(), t.cfg.Cloud, key, p, last.Event.ID, nil, time.Now())
	if _, err := t.send(ctx, e, last); err != nil {
		t.log.Error().Err(err).Str("key", key.String()).Msg("what cannot be read is not on record yet")
	}
	t.log.Error().Err(r.Err).Str("change", e.Change).Str("key", key.String()).Str("stage", string(events.StageRejected)).Msg("not understood, passed over")
}
