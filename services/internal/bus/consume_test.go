package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

// consume runs Consume until h returned stop, and gives its error.
func consume(t *testing.T, b *bus.Bus, h func([]bus.Record) (stop bool, err error)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := b.Consume(ctx, "auditor", func(_ context.Context, rs []bus.Record) error {
		stop, err := h(rs)
		if stop {
			cancel()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestConsumeInOrderAndAgainAfterAnError(t *testing.T) {
	b := bustest.Start(t)
	const n = 700
	for i := range n {
		publish(t, b, rejected(key(i%7), fmt.Sprint(i)))
	}
	var got []uint64
	failures, batches := 0, 0
	consume(t, b, func(rs []bus.Record) (bool, error) {
		if batches++; batches%2 == 0 && failures < 3 {
			failures++
			return false, errors.New("the database is locked")
		}
		for _, r := range rs {
			got = append(got, r.Sequence)
		}
		return len(got) >= n, nil
	})
	if failures == 0 {
		t.Error("no batch failed: the test shows nothing")
	}
	for i, s := range got {
		if s != uint64(i+1) {
			t.Fatalf("record %d has sequence %d", i, s)
		}
	}
}

// A reader that dies with a batch in hand gets the same batch at its restart,
// at once and in order.
func TestConsumeResumesAtTheLastAck(t *testing.T) {
	srv, b, _ := start(t, bus.Streams{})
	const n = 600
	for i := range n {
		publish(t, b, rejected(key(1), fmt.Sprint(i)))
	}
	var acked, dropped uint64
	consume(t, b, func(rs []bus.Record) (bool, error) {
		if acked == 0 {
			acked = rs[len(rs)-1].Sequence
			return false, nil
		}
		dropped = rs[0].Sequence
		return true, errors.New("killed")
	})
	if dropped != acked+1 {
		t.Errorf("batch after %d began at %d", acked, dropped)
	}
	bustest.Restart(t, srv)
	next := dropped
	consume(t, b, func(rs []bus.Record) (bool, error) {
		for _, r := range rs {
			if r.Sequence != next {
				t.Errorf("sequence %d, want %d", r.Sequence, next)
			}
			next = r.Sequence + 1
		}
		return next > n, nil
	})
}

// What aged out before it was read is left out; the sequences show the gap.
func TestConsumeWhatAgedOut(t *testing.T) {
	_, b, _ := start(t, bus.Streams{MaxAge: 300 * time.Millisecond, DuplicateWindow: 100 * time.Millisecond})
	for i := range 3 {
		publish(t, b, rejected(key(1), fmt.Sprint(i)))
	}
	within(t, "aged out", func() bool {
		first, last, err := b.History(t.Context())
		return err == nil && first > last
	})
	var got []uint64
	go func() { // published until one is read: each may age out too
		for i := 0; t.Context().Err() == nil; i++ {
			if _, err := b.Publish(t.Context(), rejected(key(1), fmt.Sprint("later ", i))); err != nil {
				return
			}
		}
	}()
	consume(t, b, func(rs []bus.Record) (bool, error) {
		got = append(got, rs[0].Sequence)
		return true, nil
	})
	if got[0] <= 3 {
		t.Errorf("the first is %d", got[0])
	}
}

// Two readers of one name are a mistake; it costs repetitions, but no event.
func TestTwoReadersOfOneName(t *testing.T) {
	b := bustest.Start(t)
	const n = 900
	for i := range n {
		publish(t, b, rejected(key(1), fmt.Sprint(i)))
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	taken := map[uint64]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 {
		wg.Go(func() {
			if err := b.Consume(ctx, "auditor", func(_ context.Context, rs []bus.Record) error {
				mu.Lock()
				defer mu.Unlock()
				for _, r := range rs {
					taken[r.Sequence] = true
				}
				if len(taken) == n {
					cancel()
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(taken) != n {
		t.Errorf("%d of %d events were taken", len(taken), n)
	}
}

func TestConsumeOverARestart(t *testing.T) {
	srv, b, _ := start(t, bus.Streams{})
	const n = 300
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range n {
			publish(t, b, rejected(key(1), fmt.Sprint(i)))
			if i == n/2 {
				srv = bustest.Restart(t, srv)
			}
		}
	})
	next := uint64(1)
	consume(t, b, func(rs []bus.Record) (bool, error) {
		for _, r := range rs {
			switch {
			case r.Sequence < next: // an acknowledgement was lost: it may come again
			case r.Sequence == next:
				next++
			default:
				t.Errorf("sequence %d, want %d", r.Sequence, next)
			}
		}
		return next > n, nil
	})
	wg.Wait()
}
