package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"drawbridge.dev/events"
)

// Watcher is told of rows. Both functions are called from one goroutine and
// hold up everything behind them.
type Watcher struct {
	Row    func(Record) // a row, first as the table stands, then as it changes; may come again
	Synced func()       // once: every row that stood when Watch began has been delivered
}

const (
	watchWait    = 50 * time.Millisecond
	watchWaitMax = 5 * time.Second
	watchCheck   = 5 * time.Second        // how often an idle watch asks whether it lost something
	syncCheck    = 100 * time.Millisecond // the same until it is synced
	watchIdle    = time.Minute            // after which the server forgets a watch that nobody pulls
	watchPull    = 512                    // rows in flight
)

var (
	errLostRows = errors.New("rows were lost on the way")
	errRestored = errors.New("the connection was restored")
)

// Watch delivers the rows that match the filters (see events.Filter; none: all
// of them), then every change, in order per subject, until ctx ends; it then
// returns nil. After a lost connection, or whenever it cannot prove that it saw
// everything, it delivers the table again: a row may come more than once, none
// is left out, except that of several changes of one row in between only the
// last is seen.
func (b *Bus) Watch(ctx context.Context, filters []string, h Watcher) error {
	if len(filters) == 0 {
		filters = []string{events.SubjectRoot + ".>"}
	}
	synced := false
	session := watchSession{filters: filters, row: h.Row, synced: func() {
		if !synced && h.Synced != nil {
			h.Synced()
		}
		synced = true
	}}
	for attempt := 1; ; attempt++ {
		started := time.Now()
		err := b.follow(ctx, session)
		switch {
		case ctx.Err() != nil:
			return nil
		case b.nc.IsClosed():
			return fmt.Errorf("watch: %w", nats.ErrConnectionClosed)
		case permanent(err):
			return fmt.Errorf("watch %q: %w", filters, err)
		case time.Since(started) > watchWaitMax:
			attempt = 1
		}
		b.log.Warn().Err(err).Strs("filters", filters).Msg("watch interrupted, delivering the table again")
		if !pause(ctx, jitter(backoff(attempt, watchWait, watchWaitMax))) {
			return nil
		}
	}
}

type watchSession struct {
	filters []string
	row     func(Record)
	synced  func()
}

// permanent reports requests that the server will refuse for ever.
func permanent(err error) bool {
	return errors.Is(err, jetstream.ErrOverlappingFilterSubjects) || errors.Is(err, jetstream.ErrDuplicateFilterSubjects) ||
		errors.Is(err, jetstream.ErrEmptyFilter)
}

// follow delivers the table and its changes until something is wrong.
func (b *Bus) follow(ctx context.Context, s watchSession) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer b.onReconnect(func() { cancel(errRestored) })()

	if err := b.caughtUp(ctx); err != nil {
		return err
	}
	cons, err := b.js.CreateConsumer(ctx, StateStream, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverLastPerSubjectPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		FilterSubjects:    slices.Compact(slices.Sorted(slices.Values(s.filters))),
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: watchIdle,
	})
	if err != nil {
		return fmt.Errorf("consumer of %s: %w", StateStream, err)
	}
	defer b.forget(StateStream, cons.CachedInfo().Name)
	it, err := cons.Messages(jetstream.PullMaxMessages(watchPull))
	if err != nil {
		return fmt.Errorf("consumer of %s: %w", StateStream, err)
	}
	defer it.Stop()
	f := follower{session: s, consumer: cons}
	if cons.CachedInfo().NumPending == 0 {
		f.markSynced()
	}
	return f.run(ctx, it)
}

// follower is one consumer's place in the table.
type follower struct {
	session  watchSession
	consumer jetstream.Consumer
	isSynced bool
	seen     uint64 // consumer sequence of the last row
	sent     uint64 // what the server had sent at the last check
}

func (f *follower) markSynced() {
	if !f.isSynced {
		f.isSynced = true
		f.session.synced()
	}
}

func (f *follower) run(ctx context.Context, it jetstream.MessagesContext) error {
	for {
		wait := watchCheck
		if !f.isSynced {
			wait = syncCheck
		}
		next, cancel := context.WithTimeout(ctx, wait)
		msg, err := it.Next(jetstream.NextContext(next))
		cancel()
		switch {
		case err == nil:
			err = f.take(msg)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, context.DeadlineExceeded):
			err = f.check(ctx)
		}
		if err != nil {
			return err
		}
	}
}

func (f *follower) take(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	if meta.Sequence.Consumer != f.seen+1 {
		return fmt.Errorf("%w: row %d came after %d", errLostRows, meta.Sequence.Consumer, f.seen)
	}
	f.seen = meta.Sequence.Consumer
	sequence, err := origin(msg.Headers())
	if err != nil {
		return fmt.Errorf("row %d of %s: %w", meta.Sequence.Stream, StateStream, err)
	}
	f.session.row(decode(msg.Subject(), sequence, msg.Headers(), msg.Data()))
	if meta.NumPending == 0 {
		f.markSynced()
	}
	return nil
}

// check asks the server what it sent. Rows that it had sent at the check before
// and that are not here are lost.
func (f *follower) check(ctx context.Context) error {
	if f.seen < f.sent {
		return fmt.Errorf("%w: the server sent %d, %d arrived", errLostRows, f.sent, f.seen)
	}
	info, err := f.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("consumer of %s: %w", StateStream, err)
	}
	f.sent = info.Delivered.Consumer
	if info.NumPending == 0 && f.sent == f.seen {
		f.markSynced()
	}
	return nil
}

// forget removes a consumer that is not needed any more; the server would do it
// by itself after watchIdle.
func (b *Bus) forget(stream, consumer string) {
	if !b.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := b.js.DeleteConsumer(ctx, stream, consumer); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		b.log.Debug().Err(err).Str("consumer", consumer).Msg("consumer is left to expire")
	}
}

// onReconnect calls f when the connection is restored the next time, unless
// the returned function was called before.
func (b *Bus) onReconnect(f func()) (stop func()) {
	restored, done := b.reconnects(), make(chan struct{})
	go func() {
		select {
		case <-restored:
			f()
		case <-done:
		}
	}()
	return func() { close(done) }
}
