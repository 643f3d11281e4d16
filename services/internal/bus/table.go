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
	if !errors.Is(context.Cause(watch), done) {
		return nil, fmt.Errorf("table: %w", context.Cause(ctx))
	}
	return slices.SortedFunc(maps.Values(rows), func(a, b Record) int { return cmp.Compare(a.Sequence, b.Sequence) }), nil
}

// lagTimeout is how long STATE may take to follow before it is reported; it is
// waited for again afterwards.
const lagTimeout = 15 * time.Second

// caughtUp returns when STATE holds everything that HISTORY held at the call and
// has not aged out since. Without it a STATE that is being built anew would
// pass for a small table.
func (b *Bus) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lagTimeout, errors.New("it does not follow: look at the server's log"))
	defer cancel()
	first, want, err := b.History(ctx)
	for attempt := 1; err == nil && first <= want; attempt++ {
		var have uint64
		if have, err = b.stateAt(ctx); err != nil || have >= want {
			return err
		}
		if !pause(ctx, backoff(attempt, time.Millisecond, 100*time.Millisecond)) {
			return fmt.Errorf("stream %s stands at %d of %s, which is at %d: %w", StateStream, have, HistoryStream, want, context.Cause(ctx))
		}
		first, _, err = b.History(ctx)
	}
	return err
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
