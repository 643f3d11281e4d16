package bus_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

func key(n int) events.Key {
	return events.Key{Cluster: "c1", Kind: events.KindService, Namespace: "web", Name: fmt.Sprintf("shop.%d", n)}
}

func wish(k events.Key, previous, uid string) events.Event {
	x := &events.Exposure{Key: k, UID: uid, Cloud: "default",
		Listeners: []events.Listener{{Protocol: events.TCP, Port: 80, Backend: "b"}},
		Backends:  []events.Backend{{Name: "b", Protocol: events.TCP, Members: []events.Member{{Address: "10.0.0.1", Port: 30000}}}}}
	r := events.Requested{Exposure: x}.Seal()
	return events.New("/watcher/c1", "default", k, r, previous, nil, time.Now())
}

func publish(t *testing.T, b *bus.Bus, e events.Event, o ...bus.PublishOption) bus.Ack {
	t.Helper()
	a, err := b.Publish(t.Context(), e, o...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestSmoke(t *testing.T) {
	s, url := bustest.Server(t)
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		publish(t, b, wish(key(i), "", "u"), bus.ExpectLast(0))
	}
	rows, err := b.Table(t.Context())
	if err != nil || len(rows) != 10 {
		t.Fatal(len(rows), err)
	}
	t.Log(rows[9].Sequence, rows[9].Event, rows[9].Err)
	s = bustest.Restart(t, s)
	rows, err = b.Table(t.Context())
	if err != nil || len(rows) != 10 {
		t.Fatal(len(rows), err)
	}
	l, err := b.Acquire(t.Context(), "x", "me", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(l.Token(), l.Check(t.Context()))
	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Log(l.Check(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	err = b.Consume(ctx, "d", func(_ context.Context, rs []bus.Record) error {
		t.Log(len(rs))
		if rs[len(rs)-1].Sequence == 10 {
			cancel()
		}
		return nil
	})
	t.Log(err)
	t.Log(b.EnsureStreams(t.Context(), bus.Streams{}))
}
