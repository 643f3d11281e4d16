package auditor

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor/history"
	"drawbridge.dev/services/internal/bus"
)

const (
	beginAgain   = 2 * time.Second
	measureEvery = 15 * time.Second
)

// keeper brings HISTORY into the store.
type keeper struct {
	store   *history.Store
	bus     *bus.Bus
	log     zerolog.Logger
	metrics *metrics
	report  func(error)
	now     func() time.Time

	at     history.Progress
	reread uint64 // the sequence because of which HISTORY was read from the beginning again
}

// errReread ends one reading of HISTORY, to begin another.
var errReread = errors.New("HISTORY still holds what history misses: reading it from the beginning")

// run reads until ctx ends.
func (k *keeper) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := k.begin(ctx); err != nil {
			return nil //nolint:nilerr // ctx ended
		}
		reading, stop := context.WithCancelCause(ctx)
		var measuring sync.WaitGroup
		measuring.Go(func() { k.measure(reading) })
		err := k.bus.Consume(reading, k.at.Reader, func(ctx context.Context, records []bus.Record) error {
			err := k.take(ctx, records)
			if errors.Is(err, errReread) {
				stop(err)
			}
			return err
		})
		stop(nil)
		measuring.Wait()
		if err != nil {
			k.report(err)
			return err
		}
	}
	return nil
}

// begin compares history with HISTORY, as often as it takes. It fails only when ctx ends.
func (k *keeper) begin(ctx context.Context) error {
	for {
		first, last, err := k.bus.History(ctx)
		if err == nil {
			var a history.Appended
			if a, err = k.store.Begin(ctx, first, last, k.now()); err == nil {
				k.note(a)
				k.metrics.behind.Set(float64(last - min(last, k.at.Last)))
				k.report(nil)
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		k.metrics.failures.Inc()
		k.report(err)
		k.log.Error().Err(err).Dur("again-in", beginAgain).Msg("history cannot be continued")
		select {
		case <-ctx.Done():
		case <-time.After(beginAgain):
		}
	}
}

// take keeps one batch.
func (k *keeper) take(ctx context.Context, records []bus.Record) error {
	a, err := k.keep(ctx, records)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, errReread) {
			k.metrics.failures.Inc()
			k.report(err)
		}
		return err
	}
	k.report(nil)
	k.note(a)
	return nil
}

func (k *keeper) keep(ctx context.Context, records []bus.Record) (history.Appended, error) {
	if next := k.at.Last + 1; records[0].Sequence > next && k.reread != next {
		// The file was restored from a backup, for example: the reader of that
		// name is ahead of it, and not everything is gone.
		first, _, err := k.bus.History(ctx)
		if err != nil {
			return history.Appended{}, err
		}
		if first < records[0].Sequence {
			k.reread = next
			if k.at, err = k.store.Rename(ctx); err != nil {
				return history.Appended{}, err
			}
			return history.Appended{}, errReread
		}
	}
	list := make([]history.Entry, len(records))
	for i, r := range records {
		list[i] = history.Entry{Sequence: r.Sequence, Subject: r.Subject, Event: r.Event, Data: r.Data, Err: r.Err}
	}
	started := k.now()
	a, err := k.store.Append(ctx, list, started)
	if err == nil {
		k.metrics.append.Observe(k.now().Sub(started).Seconds())
	}
	return a, err
}

// note tells of what was appended.
func (k *keeper) note(a history.Appended) {
	k.at = a.Progress
	k.metrics.sequence.Set(float64(k.at.Last))
	k.metrics.repeats.Add(float64(a.Repeats))
	for _, g := range a.Gaps {
		k.metrics.gaps.Inc()
		k.metrics.missed.Add(float64(g.Missed))
		k.log.Error().Int64("epoch", g.Epoch).Uint64("first", g.First).Uint64("last", g.Last).Uint64("missed", g.Missed).
			Str("reason", g.Reason).Msg("history has a gap")
	}
	for _, e := range a.Kept {
		if e.Err != nil {
			k.metrics.kept.WithLabelValues(string(events.StageRejected)).Inc()
			k.metrics.undecodable.Inc()
			k.log.Warn().Err(e.Err).Str("change", "").Str("key", keyOf(e.Subject)).Str("stage", string(events.StageRejected)).
				Uint64("sequence", e.Sequence).Msg("a message is no event, it is kept as undecodable")
			continue
		}
		stage := string(e.Event.Payload.Stage())
		k.metrics.kept.WithLabelValues(stage).Inc()
		k.log.Debug().Str("change", e.Event.Change).Str("key", e.Event.Key.String()).Str("stage", stage).
			Uint64("sequence", e.Sequence).Str("type", e.Event.Type()).Msg("event kept")
	}
}

// keyOf is the key of a subject, or the subject itself where it has none.
func keyOf(subject string) string {
	_, _, key, err := events.ParseSubject(subject)
	if err != nil {
		return subject
	}
	return key.String()
}

// measure says every few seconds how far history is behind HISTORY.
func (k *keeper) measure(ctx context.Context) {
	t := time.NewTicker(measureEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		_, last, err := k.bus.History(ctx)
		if err != nil {
			continue // the bus says so itself
		}
		p, err := k.store.Progress(ctx)
		if err == nil {
			k.metrics.behind.Set(float64(last - min(last, p.Last)))
		}
	}
}
