package bus_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

func key(n int) events.Key {
	return events.Key{Cluster: "c1", Kind: events.KindService, Namespace: "web", Name: fmt.Sprintf("shop.%d", n)}
}

// wish is a requested event; another uid is another wish.
func wish(k events.Key, previous, uid string) events.Event {
	x := &events.Exposure{Key: k, UID: uid, Cloud: "default",
		Listeners: []events.Listener{{Protocol: events.TCP, Port: 80, Backend: "b"}},
		Backends:  []events.Backend{{Name: "b", Protocol: events.TCP, Members: []events.Member{{Address: "10.0.0.1", Port: 30000}}}}}
	return events.New("/watcher/c1", "default", k, events.Requested{Exposure: x}.Seal(), previous, nil, time.Unix(1700000000, 0))
}

// rejected is a small event of another stage.
func rejected(k events.Key, reason string) events.Event {
	return events.New("/watcher/c1", "default", k, events.Rejected{Reason: reason}, "", nil, time.Unix(1700000000, 0))
}

func publish(t testing.TB, b *bus.Bus, e events.Event, o ...bus.PublishOption) bus.Ack {
	t.Helper()
	a, err := b.Publish(t.Context(), e, o...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// start is a server, a bus with streams as s says, and a plain connection for
// what the bus does not do.
func start(t testing.TB, s bus.Streams, adjust ...func(*server.Options)) (*server.Server, *bus.Bus, jetstream.JetStream) {
	t.Helper()
	srv, url := bustest.Server(t, adjust...)
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return srv, b, raw(t, url)
}

func raw(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func purge(t testing.TB, js jetstream.JetStream, stream string) error {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.Purge(t.Context())
}

// within polls until f is true.
func within(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	_, url := bustest.Server(t, func(o *server.Options) { o.JetStream = false })
	for _, c := range []struct {
		name string
		conf bus.Config
		want string
	}{
		{"no url", bus.Config{}, "url is empty"},
		{"password in url", bus.Config{URL: "nats://me:hunter2@127.0.0.1:1"}, "credentials-file"},
		{"half a key pair", bus.Config{URL: url, CertFile: "x"}, "cert-file and key-file"},
		{"nobody there", bus.Config{URL: "nats://127.0.0.1:1"}, "nats://127.0.0.1:1"},
		{"no such credentials", bus.Config{URL: url, CredentialsFile: "/nonexistent.creds"}, "credentials"},
		{"no JetStream", bus.Config{URL: url}, "enable JetStream"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := bus.Connect(t.Context(), c.conf, zerolog.Nop())
			if err == nil {
				b.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q does not say %q", err, c.want)
			}
		})
	}
}

func TestInProcess(t *testing.T) {
	srv, _ := bustest.Server(t, func(o *server.Options) { o.DontListen = true })
	b, err := bus.Connect(t.Context(), bus.Config{InProcess: srv}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	if a := publish(t, b, wish(key(1), "", "u")); a.Sequence != 1 {
		t.Errorf("sequence %d, want 1", a.Sequence)
	}
}

func TestReady(t *testing.T) {
	srv, url := bustest.Server(t)
	b := bustest.Connect(t, url)
	if err := b.Ready(); err == nil || !strings.Contains(err.Error(), bus.HistoryStream) {
		t.Errorf("ready without streams: %v", err)
	}
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Ready(); err != nil {
		t.Error(err)
	}
	stopped := bustest.Stop(t, srv)
	within(t, "not ready without a server", func() bool { return b.Ready() != nil })
	bustest.Resume(t, stopped)
	within(t, "ready again", func() bool { return b.Ready() == nil })
}

func TestEnsureStreams(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	info := func(name string) jetstream.StreamConfig {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().Config
	}
	if c := info(bus.StateStream); c.Duplicates != 0 || c.MaxMsgsPerSubject != 1 || len(c.Subjects) != 0 || c.MaxAge != 0 {
		t.Errorf("STATE is %+v", c)
	}
	want := bus.Streams{MaxAge: time.Hour, MaxBytes: 1 << 30, DuplicateWindow: time.Minute}
	for range 2 {
		if err := b.EnsureStreams(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	if c := info(bus.HistoryStream); c.MaxAge != time.Hour || c.MaxBytes != 1<<30 || c.Duplicates != time.Minute || !c.DenyDelete || !c.DenyPurge {
		t.Errorf("HISTORY is %+v", c)
	}
	if err := purge(t, js, bus.HistoryStream); err == nil {
		t.Error("HISTORY could be purged")
	}
	for field, s := range map[string]bus.Streams{
		"max-age": {MaxAge: -1}, "max-size": {MaxBytes: -2}, "replicas": {Replicas: 7}, "lazy": {Replicas: 3, LazyState: true},
		"duplicate-window": {MaxAge: time.Second, DuplicateWindow: time.Hour},
	} {
		if err := b.EnsureStreams(t.Context(), s); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestHistoryRange(t *testing.T) {
	_, b, _ := start(t, bus.Streams{})
	check := func(wantFirst, wantLast uint64) {
		t.Helper()
		if first, last, err := b.History(context.Background()); first != wantFirst || last != wantLast || err != nil {
			t.Errorf("history is %d-%d, %v; want %d-%d", first, last, err, wantFirst, wantLast)
		}
	}
	check(1, 0)
	publish(t, b, wish(key(1), "", "u"))
	publish(t, b, wish(key(2), "", "u"))
	check(1, 2)
}
