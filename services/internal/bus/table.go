package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Table is the rows that match the filters (see events.Filter; none: all), each
// the last of its key and stage, in the order of their sequence. It holds
// everything that was published before the call.
func (b *Bus) Table(ctx context.Context, filters ...string) ([]Record, error) {
	rows := map[string]Record{}
	done := errors.New("synced")
	watch, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := b.Watch(watch, filters, Watcher{
		Row:    func(r Record) { rows[r.Subject] = r },
		Synced: func() { cancel(done) },
	})
	if err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	if context.Cause(watch) != done {
		return nil, fmt.Errorf("table: %w", context.Cause(ctx))
	}
	return slices.SortedFunc(maps.Values(rows), func(a, b Record) int { return cmp.Compare(a.Sequence, b.Sequence) }), nil
}

// caughtUp returns when STATE holds everything that HISTORY held at the call.
func (b *Bus) caughtUp(ctx context.Context) error {
	_, want, err := b.History(ctx)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		have, err := b.stateAt(ctx)
		if err != nil || have >= want {
			return err
		}
		if !pause(ctx, backoff(attempt, time.Millisecond, 100*time.Millisecond)) {
			return fmt.Errorf("stream %s stands at %d of %s, which is at %d: %w", StateStream, have, HistoryStream, want, context.Cause(ctx))
		}
	}
}

// stateAt is the HISTORY sequence of the last row of STATE; 0 if it has none.
func (b *Bus) stateAt(ctx context.Context) (uint64, error) {
	s, err := b.js.Stream(ctx, StateStream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", StateStream, err)
	}
	st := s.CachedInfo().State
	if st.Msgs == 0 {
		return 0, nil
	}
	m, err := s.GetMsg(ctx, st.LastSeq)
	if errors.Is(err, jetstream.ErrMsgNotFound) { // overwritten meanwhile: look again
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("last row of %s: %w", StateStream, err)
	}
	return origin(m.Header)
}
