package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/bus"
)

// publish puts an outcome on the bus, after the one that was last seen there.
// The same failure as before is not said again. Who holds the lease no more, or
// finds that another wrote, does not publish.
func (t *term) publish(ctx context.Context, j errand, o events.Outcome) error {
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
func (t *term) sayDrift(ctx context.Context, j *job, steps []plan.Step, repair bool) error {
	r := t.table.get(j.key)
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
