package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"drawbridge.dev/services/internal/bus"
)

// TestLoopback refuses every address that others could reach: the embedded
// server asks for no credentials.
func TestLoopback(t *testing.T) {
	for _, good := range []string{"127.0.0.1:4222", "127.9.8.7:1", "[::1]:65535"} {
		host, port, err := loopback(good)
		if err != nil || net.JoinHostPort(host, fmt.Sprint(port)) != good {
			t.Errorf("%s: %q, %d, %v", good, host, port, err)
		}
	}
	for bad, says := range map[string]string{
		"":                    "missing port",
		"4222":                "missing port",
		":4222":               "no loopback address",
		"0.0.0.0:4222":        "no loopback address",
		"[::]:4222":           "no loopback address",
		"192.0.2.1:4222":      "no loopback address",
		"localhost:4222":      "no loopback address",
		"127.0.0.1.evil:4222": "no loopback address",
		"127.0.0.1:0":         "not in 1-65535",
		"127.0.0.1:-1":        "not in 1-65535",
		"127.0.0.1:65536":     "not in 1-65535",
		"127.0.0.1:nats":      "not in 1-65535",
	} {
		if _, _, err := loopback(bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want it to say %q", bad, err, says)
		}
	}
	c := allInOne(t)
	c.NATS.Listen = "0.0.0.0:4222"
	if err := runServices(t.Context(), c, targets, zerolog.Nop(), nil); err == nil || !strings.Contains(err.Error(), "nats.listen") {
		t.Errorf("run with an open server: %v; want it refused by name", err)
	}
}

// TestEmbeddedServer listens only if it is told to.
func TestEmbeddedServer(t *testing.T) {
	quiet, err := startNATS(natsConfig{}, t.TempDir(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { quiet.Shutdown(); quiet.WaitForShutdown() }()
	if a := quiet.Addr(); a != nil {
		t.Errorf("it listens on %v, and nobody asked it to", a)
	}
	where := freeAddress(t.Context(), "127.0.0.1:0")
	s, err := startNATS(natsConfig{Listen: where}, t.TempDir(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	b, err := bus.Connect(t.Context(), bus.Config{URL: "nats://" + where}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	// 10 GiB do not fit on every disk: the refusal says which settings it is about.
	c := allInOne(t)
	c.NATS.MaxStore, c.Streams.MaxBytes, c.Streams.MaxAge = 1<<20, 10<<30, time.Hour
	err = runServices(t.Context(), c, []string{"auditor"}, zerolog.Nop(), nil)
	if err == nil || !strings.Contains(err.Error(), "max-size") || !strings.Contains(err.Error(), "cannot store") {
		t.Errorf("streams larger than the disk: %v", err)
	}
}
