package bus_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

func TestPublishTwiceStoresOnce(t *testing.T) {
	srv, b, _ := start(t, bus.Streams{})
	e := wish(key(1), "", "u")
	first := publish(t, b, e)
	if second := publish(t, b, e); second != (bus.Ack{Sequence: first.Sequence, Duplicate: true}) {
		t.Errorf("second ack is %+v", second)
	}
	if again := publish(t, b, e, bus.ExpectLast(0)); !again.Duplicate {
		t.Errorf("repeated under the expectation of the first attempt: %+v", again)
	}
	bustest.Restart(t, srv)
	if third := publish(t, b, e); !third.Duplicate {
		t.Errorf("after a restart: %+v", third)
	}
}

// An id can be foretold: whoever may publish somewhere must not be able to have
// the event of another swallowed as a duplicate of his own.
func TestForetoldIDSwallowsNothing(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	for name, opts := range map[string][]bus.PublishOption{"plain": nil, "expecting": {bus.ExpectLast(0)}} {
		e := wish(key(len(opts)+1), "", "u")
		if _, err := js.Publish(t.Context(), "fleet.requested.default.evil.Service.n."+name, nil, jetstream.WithMsgID(e.ID)); err != nil {
			t.Fatal(err)
		}
		a := publish(t, b, e, opts...)
		if r, ok, err := b.Last(t.Context(), events.StageRequested, e.Cloud, e.Key); err != nil || !ok || r.Event.ID != e.ID || r.Sequence != a.Sequence {
			t.Errorf("%s: ack %+v, but the last record is %+v, %v, %v", name, a, r, ok, err)
		}
		if again := publish(t, b, e, opts...); name == "expecting" && again != (bus.Ack{Sequence: a.Sequence, Duplicate: true}) {
			t.Errorf("%s: repeated: %+v", name, again)
		}
	}
}

func TestTwoWritersOneWins(t *testing.T) {
	_, b, _ := start(t, bus.Streams{})
	first := publish(t, b, wish(key(1), "", "u"), bus.ExpectLast(0))
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = b.Publish(t.Context(), wish(key(1), "x", string(rune('a'+i))), bus.ExpectLast(first.Sequence))
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, bus.ErrConflict):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won, want 1", won)
	}
	if _, err := b.Publish(t.Context(), wish(key(1), "y", "z"), bus.ExpectLast(0)); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("expecting no record: %v", err)
	}
	if _, err := b.Publish(t.Context(), wish(key(2), "y", "z"), bus.ExpectLast(7)); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("expecting a record that never was: %v", err)
	}
}

func TestExpectLastOfWhatAgedOut(t *testing.T) {
	_, b, _ := start(t, bus.Streams{MaxAge: 300 * time.Millisecond, DuplicateWindow: 100 * time.Millisecond})
	first := publish(t, b, wish(key(1), "", "u"), bus.ExpectLast(0))
	agedOut := func(after uint64) {
		within(t, "aged out", func() bool {
			f, _, err := b.History(t.Context())
			return err == nil && f > after
		})
	}
	agedOut(first.Sequence)

	last, ok, err := b.Last(t.Context(), events.StageRequested, "default", key(1))
	if err != nil || !ok || last.Sequence != first.Sequence {
		t.Fatalf("last is %d, %v, %v; want the row of STATE", last.Sequence, ok, err)
	}
	if _, err := b.Publish(t.Context(), wish(key(1), "", "v"), bus.ExpectLast(0)); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("expecting nothing where a row stands: %v", err)
	}
	if a := publish(t, b, wish(key(1), "", "u"), bus.ExpectLast(0)); a != (bus.Ack{Sequence: first.Sequence, Duplicate: true}) {
		t.Errorf("the same event again: %+v", a)
	}
	if _, err := b.Publish(t.Context(), wish(key(1), "", "v"), bus.ExpectLast(first.Sequence+9)); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("expecting another row than stands: %v", err)
	}
	second := publish(t, b, wish(key(1), last.Event.ID, "v"), bus.ExpectLast(first.Sequence))
	if second.Sequence <= first.Sequence || second.Duplicate {
		t.Errorf("second ack is %+v", second)
	}
	if _, err := b.Publish(t.Context(), wish(key(1), last.Event.ID, "w"), bus.ExpectLast(first.Sequence)); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("the second writer with the aged-out row: %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	_, b, _ := start(t, bus.Streams{}, func(o *server.Options) { o.MaxPayload = 64 << 10 })
	for _, n := range []int{64<<10 - 1000, 64 << 10, 5 << 20} {
		_, err := b.Publish(t.Context(), rejected(key(1), strings.Repeat("x", n)))
		if fits := n < 64<<10-900; fits != (err == nil) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if err != nil && (!errors.Is(err, bus.ErrTooLarge) || !strings.Contains(err.Error(), "65536")) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestPublishOverARestart(t *testing.T) {
	srv, b, _ := start(t, bus.Streams{})
	publish(t, b, wish(key(0), "", "u"))
	stopped := bustest.Stop(t, srv)
	done := make(chan error)
	go func() {
		_, err := b.Publish(context.Background(), wish(key(1), "", "u"), bus.ExpectLast(0))
		done <- err
	}()
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Publish(short, wish(key(2), "", "u")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a server: %v", err)
	}
	bustest.Resume(t, stopped)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, ok, err := b.Last(t.Context(), events.StageRequested, "default", key(1)); !ok || err != nil {
		t.Errorf("last is %v, %v", ok, err)
	}
}

func TestFullStore(t *testing.T) {
	_, b, js := start(t, bus.Streams{}, func(o *server.Options) { o.JetStreamMaxStore = 4 << 20 })
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		if _, err = b.Publish(t.Context(), rejected(key(i), strings.Repeat("x", 50_000))); err == nil && i < 20 {
			within(t, "STATE follows, so that it has something to give back", func() bool {
				s, err := js.Stream(t.Context(), bus.StateStream)
				return err == nil && s.CachedInfo().State.Msgs == uint64(i+1)
			})
		}
	}
	if !errors.Is(err, bus.ErrStorage) {
		t.Fatalf("full: %v", err)
	}
	t.Log(err)
	if err := purge(t, js, bus.StateStream); err != nil {
		t.Fatal(err)
	}
	a := publish(t, b, rejected(key(2000), "after space is back"))
	within(t, "STATE follows again", func() bool {
		rows, err := b.Table(t.Context())
		return err == nil && len(rows) > 0 && rows[len(rows)-1].Sequence == a.Sequence
	})
}

func TestRefusesWhatDecodeWouldRefuse(t *testing.T) {
	b := bustest.Start(t)
	if _, err := b.Publish(t.Context(), rejected(key(1), "")); err == nil {
		t.Error("an invalid event was published")
	}
}
