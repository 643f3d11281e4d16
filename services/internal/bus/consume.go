package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	consumeBatch   = 256
	consumeIdle    = 10 * time.Second // one wait for the next event
	consumeAckWait = 30 * time.Second
	consumeWait    = 100 * time.Millisecond
	consumeWaitMax = 30 * time.Second
)

// Consume hands h every message of HISTORY from the beginning, in order and in
// batches, and remembers under the name durable how far h came: a batch is
// acknowledged when h returned nil. After an error the same batch is given
// again, with back-off; after a restart the first that was not acknowledged.
// What is no event is given too, as a record with Err. One process at a time
// may use a name. Consume returns nil when ctx ends.
func (b *Bus) Consume(ctx context.Context, durable string, h func(context.Context, []Record) error) error {
	for attempt := 1; ; attempt++ {
		started := time.Now()
		err := b.drain(ctx, durable, h)
		switch {
		case ctx.Err() != nil:
			return nil
		case b.nc.IsClosed():
			return fmt.Errorf("consume %s: %w", durable, nats.ErrConnectionClosed)
		case time.Since(started) > consumeWaitMax:
			attempt = 1
		}
		b.log.Warn().Err(err).Str("durable", durable).Msg("reader interrupted, resuming at the last acknowledged event")
		if !pause(ctx, jitter(backoff(attempt, consumeWait, watchWaitMax))) {
			return nil
		}
	}
}

// drain reads from the last acknowledged event on until something is wrong.
func (b *Bus) drain(ctx context.Context, durable string, h func(context.Context, []Record) error) error {
	read, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer b.onReconnect(func() { cancel(errRestored) })()

	cons, err := b.js.CreateOrUpdateConsumer(read, HistoryStream, jetstream.ConsumerConfig{
		Durable:       durable,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckAllPolicy,
		AckWait:       consumeAckWait,
		MaxAckPending: consumeBatch,
		MaxDeliver:    -1,
	})
	if err != nil {
		return fmt.Errorf("consumer %s of %s: %w", durable, HistoryStream, err)
	}
	reset, err := b.js.ResetConsumer(read, HistoryStream, durable)
	if err != nil {
		return fmt.Errorf("consumer %s of %s: %w", durable, HistoryStream, err)
	}
	done := reset.AckFloor.Stream
	for {
		batch, last, err := b.batch(read, cons, done)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			continue
		}
		if err := b.handle(ctx, durable, batch, h); err != nil {
			return err
		}
		if err := last.DoubleAck(read); err != nil {
			return fmt.Errorf("acknowledge %d: %w", batch[len(batch)-1].Sequence, err)
		}
		done = batch[len(batch)-1].Sequence
	}
}

// handle calls h until it succeeds or ctx ends.
func (b *Bus) handle(ctx context.Context, durable string, batch []Record, h func(context.Context, []Record) error) error {
	for attempt := 1; ; attempt++ {
		err := h(ctx, batch)
		if err == nil {
			return nil
		}
		wait := jitter(backoff(attempt, consumeWait, consumeWaitMax))
		b.log.Error().Err(err).Str("durable", durable).Uint64("first", batch[0].Sequence).
			Uint64("last", batch[len(batch)-1].Sequence).Dur("again-in", wait).Msg("events were not taken")
		if !pause(ctx, wait) {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// batch waits for the events after done. It is empty if none came in time.
func (b *Bus) batch(ctx context.Context, cons jetstream.Consumer, done uint64) ([]Record, jetstream.Msg, error) {
	var out []Record
	var last jetstream.Msg
	take := func(mb jetstream.MessageBatch, err error) error {
		if err != nil {
			return err
		}
		for m := range mb.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			at := meta.Sequence.Stream
			if at <= done {
				continue
			}
			if at != done+1 {
				// Either the next one is gone (aged out), or this one is early.
				if _, found, err := b.leaderGet(ctx, HistoryStream, map[string]any{"seq": done + 1}); err != nil || found {
					return errors.Join(err, fmt.Errorf("event %d came after %d", at, done))
				}
			}
			done, last = at, m
			out = append(out, decode(m.Subject(), at, m.Headers(), m.Data()))
		}
		return mb.Error()
	}
	wait, cancel := context.WithTimeout(ctx, consumeIdle)
	defer cancel()
	err := take(cons.Fetch(1, jetstream.FetchContext(wait)))
	switch {
	case ctx.Err() != nil:
		return nil, nil, context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout):
		return nil, nil, nil
	case err == nil:
		err = take(cons.FetchNoWait(consumeBatch - 1))
	}
	return out, last, err
}
