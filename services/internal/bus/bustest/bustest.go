// Package bustest runs a real NATS server in the process of a test.
package bustest

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"

	"drawbridge.dev/services/internal/bus"
)

// Start is a bus on a server of its own, with its streams. Both end with the test.
func Start(t testing.TB) *bus.Bus {
	t.Helper()
	_, url := Server(t)
	b := Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// Server is a server with JetStream below a temporary folder, on a free port of
// loopback. It ends with the test. adjust may change its options.
func Server(t testing.TB, adjust ...func(*server.Options)) (*server.Server, string) {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	for _, f := range adjust {
		f(o)
	}
	s := run(t, o)
	return s, s.ClientURL()
}

// Restart stops the server s and starts another one on the same port and folder.
func Restart(t testing.TB, s *server.Server) *server.Server {
	t.Helper()
	return Resume(t, Stop(t, s))
}

// Stop ends the server s; [Resume] brings it back with what it returns.
func Stop(t testing.TB, s *server.Server) *server.Options {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: s.Addr().(*net.TCPAddr).Port, JetStream: true,
		StoreDir: filepath.Dir(s.StoreDir()), NoSigs: true, NoLog: true}
	s.Shutdown()
	s.WaitForShutdown()
	return o
}

// Resume starts a server that [Stop] ended.
func Resume(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	return run(t, o)
}

// Connect is a connection that ends with the test.
func Connect(t testing.TB, url string) *bus.Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{URL: url, Name: t.Name()}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func run(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server did not start within a minute")
	}
	return s
}
