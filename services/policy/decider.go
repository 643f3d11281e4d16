package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
)

const (
	eventSource    = "/policy"
	publishTimeout = 10 * time.Second // of a decision under way when the service is stopped
)

// board is where decisions are put: the bus.
type board interface {
	// put fails with bus.ErrConflict unless last is the sequence of the last record of the event's subject.
	put(ctx context.Context, e events.Event, last uint64) (bus.Ack, error)
	last(context.Context, events.Stage, row) (bus.Record, bool, error)
}

type busBoard struct{ bus *bus.Bus }

func (b busBoard) put(ctx context.Context, e events.Event, last uint64) (bus.Ack, error) {
	return b.bus.Publish(ctx, e, bus.ExpectLast(last))
}

func (b busBoard) last(ctx context.Context, stage events.Stage, r row) (bus.Record, bool, error) {
	return b.bus.Last(ctx, stage, r.cloud, r.key)
}

var errTooLarge = errors.New("the decision is too large for a message of the bus: split the object, or have the server's max_payload raised")

// decider decides one row after the other. One at a time, so that of two wishes
// for the same the second sees what the first was given.
type decider struct {
	cfg     Config
	board   board
	log     zerolog.Logger
	metrics *metrics
	signer  *signer
	trust   trust
	health  *health
	engine  atomic.Pointer[Engine]
	table   *table
	queue   *queue
	retry   func(failures int) time.Duration
	now     func() time.Time
}

// observe takes in one record of the bus.
func (d *decider) observe(rec bus.Record) {
	stage, cloud, key, err := events.ParseSubject(rec.Subject)
	if err != nil {
		d.log.Error().Err(err).Str("subject", rec.Subject).Msg("a record on a subject that names no exposure is passed over")
		return
	}
	r := row{cloud, key}
	switch stage {
	case events.StageRequested:
		d.table.requested(r, rec)
	case events.StageDecided:
		if rec.Sequence <= d.table.get(r).decSeq {
			return
		}
		if err := d.trusted(r, rec); err != nil {
			d.distrust(r, rec, err)
			return
		}
		d.table.decided(r, rec, false)
	}
}

// trusted says why a decision cannot be believed; nil: it can.
func (d *decider) trusted(r row, rec bus.Record) error {
	if rec.Err != nil {
		return rec.Err
	}
	decided, ok := rec.Event.Payload.(events.Decided)
	if !ok {
		return fmt.Errorf("it is a %T", rec.Event.Payload)
	}
	return d.trust.verify(r.key, decided)
}

// distrust has a wish decided again over a decision that cannot be believed:
// at once, and ever later if somebody goes on publishing such.
func (d *decider) distrust(r row, rec bus.Record, why error) {
	times := d.table.spoil(r, rec.Sequence)
	if times == 0 {
		return
	}
	d.metrics.distrusted.Inc()
	e := d.table.get(r)
	d.log.Error().Err(why).Str("change", rec.Event.Change).Str("key", r.key.String()).Str("stage", string(events.StageDecided)).
		Msg("a decision cannot be believed, the wish is decided again: if a replica made it, name its key in policy.trusted-keys; " +
			"if not, somebody may publish on fleet.decided who must not")
	if times == 1 {
		d.queue.add(r, e.age())
		return
	}
	d.queue.addAfter(r, e.age(), d.retry(times-1))
}

// run decides what is owed until ctx ends.
func (d *decider) run(ctx context.Context) {
	for {
		r, ok := d.queue.next(ctx)
		if !ok {
			return
		}
		d.decide(ctx, r)
	}
}

// decide decides one row, and again where another replica was first.
func (d *decider) decide(ctx context.Context, r row) {
	e := d.table.get(r)
	err := d.work(ctx, r, e)
	if errors.Is(err, bus.ErrConflict) {
		d.metrics.conflicts.Inc()
		err = d.refresh(ctx, r)
		if now := d.table.get(r); now.decSeq > e.decSeq {
			if !now.spoiled { // else it was queued when that was seen
				d.queue.add(r, e.age())
			}
			return
		}
	}
	d.settle(ctx, r, e, err)
}

// settle has what could not be published tried again.
func (d *decider) settle(ctx context.Context, r row, e entry, err error) {
	if ctx.Err() != nil {
		return
	}
	d.health.set("bus", err)
	refusals := 0
	if err != nil {
		refusals = e.refusals + 1
		d.log.Error().Err(err).Str("change", e.wish.Change).Str("key", r.key.String()).
			Str("stage", string(events.StageDecided)).Msg("a decision could not be published, it is tried again")
		d.queue.addAfter(r, e.age(), d.retry(refusals))
	}
	if refusals != e.refusals {
		d.table.update(r, func(e *entry) { e.refusals = refusals })
	}
}

// refresh reads the decision that was there first.
func (d *decider) refresh(ctx context.Context, r row) error {
	rec, ok, err := d.board.last(ctx, events.StageDecided, r)
	if err != nil {
		return fmt.Errorf("read the decision of %s: %w", r.key, err)
	}
	if !ok || rec.Sequence <= d.table.get(r).decSeq {
		return fmt.Errorf("the decision of %s changes on the bus and cannot be read", r.key)
	}
	d.observe(rec)
	return nil
}

// work decides one row, and publishes what differs from the decision before.
func (d *decider) work(ctx context.Context, r row, e entry) error {
	if e.bad != nil {
		return d.reject(ctx, r, *e.bad)
	}
	want, ok := e.requested()
	if !ok {
		return nil
	}
	engine := d.engine.Load()
	before, decided := e.decision()
	if decided && before.Wish == want.Digest && (engine.broken != nil || want.Exposure == nil) {
		if !e.spoiled {
			return nil
		}
		return d.publish(ctx, r, e, before) // what was decided is said again
	}
	started := d.now()
	answer := engine.Decide(ctx, Question{Key: r.key, Cloud: r.cloud, Wish: want, Labels: d.cfg.Clusters[r.key.Cluster].Labels,
		Standing: before.Exposure, Holdings: d.table.inventory.under(engine.ref.Digest, r), Time: e.wish.Time})
	d.metrics.evaluation.Observe(d.now().Sub(started).Seconds())
	if ctx.Err() != nil {
		return ctx.Err() // an evaluation that was broken off is no answer
	}
	d.noteFailure(r, e, answer, engine)
	if decided && !e.spoiled && same(before, answer) {
		d.table.confirm(r, engine.ref.Digest)
		return nil
	}
	return d.publish(ctx, r, e, answer)
}

// noteFailure has a wish decided again on which a working bundle gave no answer.
func (d *decider) noteFailure(r row, e entry, answer events.Decided, engine *Engine) {
	failures := 0
	if slices.Contains(answer.Rules, ruleFailed) {
		d.metrics.failures.Inc()
		d.log.Error().Str("change", e.wish.Change).Str("key", r.key.String()).Str("stage", string(events.StageDecided)).
			Strs("reasons", answer.Reasons).Msg("the policy gave no answer, the wish is denied")
		if engine.broken == nil {
			failures = e.failures + 1
			d.queue.addAfter(r, e.age(), d.retry(failures))
		}
	}
	if failures != e.failures {
		d.table.update(r, func(e *entry) { e.failures = failures })
	}
}

// same reports whether publishing b after a would tell nobody anything.
func same(a, b events.Decided) bool {
	return a.Wish == b.Wish && a.Verdict == b.Verdict && slices.Equal(a.Reasons, b.Reasons) &&
		events.Digest(a.Exposure) == events.Digest(b.Exposure)
}

// publish signs and stores the answer, and takes it in at once: the next wish
// must see what this one was given.
func (d *decider) publish(ctx context.Context, r row, e entry, answer events.Decided) error {
	signed, err := d.signer.sign(answer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	previous := e.decided.ID
	if e.spoiled { // its id is whatever somebody chose
		previous = fmt.Sprint(e.decSeq)
	}
	event := events.New(eventSource, r.cloud, r.key, signed, previous, &e.wish, d.now())
	ack, err := d.board.put(ctx, event, e.decSeq)
	if errors.Is(err, bus.ErrTooLarge) && !slices.Contains(answer.Rules, ruleFailed) {
		before, decided := e.decision()
		small := failed(errTooLarge, before.Exposure)
		small.Wish, small.Policy = answer.Wish, answer.Policy
		if small = small.Seal(r.key); decided && !e.spoiled && same(before, small) {
			return nil
		}
		return d.publish(ctx, r, e, small)
	}
	if err != nil {
		return err
	}
	d.table.decided(r, bus.Record{Event: event, Subject: event.Subject(), Sequence: ack.Sequence}, true)
	d.metrics.decisions.WithLabelValues(string(answer.Verdict)).Inc()
	d.log.Info().Str("change", event.Change).Str("key", r.key.String()).Str("stage", string(events.StageDecided)).
		Str("verdict", string(answer.Verdict)).Strs("reasons", answer.Reasons).Strs("rules", answer.Rules).
		Str("bundle", answer.Policy.Revision).Msg("decided")
	return nil
}

// reject puts on record, once, that a wish cannot be read. What stands stays.
func (d *decider) reject(ctx context.Context, r row, bad bus.Record) error {
	last, known, err := d.board.last(ctx, events.StageRejected, r)
	if err != nil {
		return fmt.Errorf("read what was rejected of %s: %w", r.key, err)
	}
	if known && last.Sequence > bad.Sequence {
		return nil
	}
	payload := events.Rejected{Reason: "the wish cannot be read: " + bad.Err.Error(), Digest: events.Digest(string(bad.Data))}
	event := events.New(eventSource, r.cloud, r.key, payload, last.Event.ID, nil, d.now())
	_, err = d.board.put(ctx, event, last.Sequence)
	if errors.Is(err, bus.ErrConflict) {
		return nil // another replica was first
	}
	if err != nil {
		return err
	}
	d.metrics.rejected.Inc()
	d.log.Error().Err(bad.Err).Str("change", event.Change).Str("key", r.key.String()).
		Str("stage", string(events.StageRejected)).Msg("a wish cannot be read, what stands stays")
	return nil
}
