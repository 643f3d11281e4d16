package bus_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

const ttl = 600 * time.Millisecond

func acquire(t *testing.T, b *bus.Bus, holder string) *bus.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	l, err := b.Acquire(ctx, "executor/cloud one", holder, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func release(t *testing.T, l *bus.Lease) {
	t.Helper()
	if err := l.Release(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestLeaseIsExclusiveAndRenewed(t *testing.T) {
	_, b, _ := start(t, bus.Streams{})
	a := acquire(t, b, "a")
	defer release(t, a)
	ctx, cancel := context.WithTimeout(t.Context(), 4*ttl)
	defer cancel()
	if _, err := b.Acquire(ctx, "executor/cloud one", "b", ttl); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "held by another: a") {
		t.Errorf("the second holder: %v", err)
	}
	if err := a.Check(t.Context()); err != nil {
		t.Errorf("after four ttl: %v", err)
	}
	other, err := b.Acquire(t.Context(), "executor/cloud two", "b", ttl)
	if err != nil {
		t.Fatal(err)
	}
	release(t, other)
}

func TestLeaseReleasedPassesOn(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	var last uint64
	for _, holder := range []string{"a", "b", "a"} {
		l := acquire(t, b, holder)
		if l.Token() <= last {
			t.Errorf("token %d after %d", l.Token(), last)
		}
		last = l.Token()
		release(t, l)
		release(t, l)
		if err := l.Check(t.Context()); !errors.Is(err, bus.ErrLeaseLost) {
			t.Errorf("check after the release: %v", err)
		}
		<-l.Lost()
	}
	if err := js.DeleteStream(t.Context(), bus.LeaseStream); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	l := acquire(t, b, "c")
	defer release(t, l)
	if l.Token() <= last {
		t.Errorf("token %d after %d in a bucket made anew", l.Token(), last)
	}
}

// A holder that is cut off loses the lease by its own clock before another can
// take it, and the other gets a greater token.
func TestLeaseOfACutOffHolder(t *testing.T) {
	_, url := bustest.Server(t)
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	cut := bustest.Connect(t, url)
	old := acquire(t, cut, "old")
	if err := old.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	cut.Close()
	if err := old.Check(t.Context()); !errors.Is(err, bus.ErrLeaseLost) {
		t.Errorf("check without a connection: %v", err)
	}
	heir := acquire(t, b, "heir")
	defer release(t, heir)
	if err := old.Check(t.Context()); !errors.Is(err, bus.ErrLeaseLost) || !strings.Contains(err.Error(), "not renewed") {
		t.Errorf("the heir holds the lease, and for the old holder: %v", err)
	}
	<-old.Lost()
	if heir.Token() <= old.Token() {
		t.Errorf("token %d after %d", heir.Token(), old.Token())
	}
	if err := heir.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// A holder whose lease was taken learns it from the server at its next check,
// whatever its own clock says.
func TestLeaseTakenIsNoticedByCheck(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	l, err := b.Acquire(t.Context(), "long", "a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "$KV.LEASES.long", []byte(`{"holder":"b","session":"other","ttl":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(t.Context()); !errors.Is(err, bus.ErrLeaseLost) || !strings.Contains(err.Error(), "b took it over") {
		t.Errorf("check: %v", err)
	}
	<-l.Lost()
}

// A renewal that finds the lease taken ends it without a check.
// What overwrites a lease with anything but a claim takes it from its holder, and
// gives it to nobody before the holder must have noticed.
func TestLeaseOverwrittenIsNotReleased(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	for _, junk := range []string{`{"type":"io.nats.jetstream.api.v1.stream_msg_get_response"}`, "", "null and void"} {
		a := acquire(t, b, "a")
		if _, err := js.Publish(t.Context(), "$KV.LEASES.executor/cloud=20one", []byte(junk)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), ttl/2)
		if l, err := b.Acquire(ctx, "executor/cloud one", "b", ttl); err == nil {
			t.Errorf("%q: taken over at once", junk)
			release(t, l)
		}
		cancel()
		if err := a.Check(t.Context()); !errors.Is(err, bus.ErrLeaseLost) {
			t.Errorf("%q: check says %v", junk, err)
		}
		release(t, a)
		release(t, acquire(t, b, "b")) // in the end
	}
}

func TestLeaseTakenIsNoticedByRenewal(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	l := acquire(t, b, "a")
	if _, err := js.Publish(t.Context(), "$KV.LEASES.executor/cloud=20one", []byte(`{"holder":"b","session":"other","ttl":1}`)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.Lost():
	case <-time.After(30 * time.Second):
		t.Fatal("the loss was not noticed")
	}
}

// A server that comes back within the ttl costs nobody the lease; one that
// stays away does.
func TestLeaseOverARestart(t *testing.T) {
	srv, url := bustest.Server(t)
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	l, err := b.Acquire(t.Context(), "x", "a", 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	short := acquire(t, b, "a")
	srv = bustest.Restart(t, srv)
	within(t, "proven again", func() bool { return l.Check(t.Context()) == nil })
	bustest.Stop(t, srv)
	<-short.Lost()
	if err := short.Check(t.Context()); !errors.Is(err, bus.ErrLeaseLost) {
		t.Errorf("check: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := l.Check(ctx); !errors.Is(err, bus.ErrLeaseLost) {
		t.Errorf("check without a server: %v", err)
	}
}

// Many ask at once, each holds it for a moment: never two at a time, tokens grow.
func TestLeaseUnderContention(t *testing.T) {
	_, b, _ := start(t, bus.Streams{})
	var mu sync.Mutex
	var wg sync.WaitGroup
	holders, last := 0, uint64(0)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		wg.Go(func() {
			for range 3 {
				l := acquire(t, b, name)
				mu.Lock()
				holders++
				if holders != 1 || l.Token() <= last {
					t.Errorf("%d holders, token %d after %d", holders, l.Token(), last)
				}
				last = l.Token()
				mu.Unlock()
				if err := l.Check(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				holders--
				mu.Unlock()
				release(t, l)
			}
		})
	}
	wg.Wait()
}

func TestLeaseArguments(t *testing.T) {
	b := bustest.Start(t)
	for _, c := range []struct {
		name, holder string
		ttl          time.Duration
	}{{"", "a", ttl}, {"x", "", ttl}, {"x", "a", 0}} {
		if _, err := b.Acquire(t.Context(), c.name, c.holder, c.ttl); err == nil {
			t.Errorf("%+v was granted", c)
		}
	}
}
