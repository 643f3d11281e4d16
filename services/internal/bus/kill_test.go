package bus_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

const (
	victim       = "BUS_VICTIM" // names the store of a process that is to be killed
	victimRows   = 7
	victimRounds = 6
)

// A server that is killed at any moment loses no acknowledged event and no row,
// though a lazy STATE has not written what it holds.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(victim); dir != "" {
		publishUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	acked := map[string]uint64{}
	for range victimRounds {
		kill(t, dir, 1+rand.IntN(60), acked)
	}
	_, url := bustest.Server(t, store(dir))
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{LazyState: true}); err != nil {
		t.Fatal(err)
	}
	s, err := raw(t, url).Stream(t.Context(), bus.StateStream)
	if err != nil {
		t.Fatal(err)
	}
	if mode := s.CachedInfo().Config.PersistMode; mode != jetstream.AsyncPersistMode {
		t.Errorf("STATE is of persist mode %s", mode)
	}
	rows, err := b.Table(t.Context())
	if err != nil || len(rows) != victimRows {
		t.Fatalf("%d rows, %v; want %d", len(rows), err, victimRows)
	}
	for _, r := range rows {
		if r.Sequence < acked[r.Subject] || r.Err != nil {
			t.Errorf("%s stands at %d, %d was acknowledged: %v", r.Subject, r.Sequence, acked[r.Subject], r.Err)
		}
	}
}

// publishUntilKilled says every acknowledged event on stdout.
func publishUntilKilled(t *testing.T, dir string) {
	_, url := bustest.Server(t, store(dir))
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{LazyState: true}); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		e := rejected(key(i%victimRows), fmt.Sprint(os.Getpid(), " ", i))
		fmt.Println(acknowledged, e.Subject(), publish(t, b, e).Sequence)
	}
}

const acknowledged = "acknowledged"

// kill starts a process that publishes, and kills it after so many events.
func kill(t *testing.T, dir string, after int, acked map[string]uint64) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	c.Env = append(os.Environ(), victim+"="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines, n := bufio.NewScanner(out), 0
	for lines.Scan() {
		var subject string
		var sequence uint64
		if _, err := fmt.Sscanf(lines.Text(), acknowledged+" %s %d", &subject, &sequence); err != nil {
			continue
		}
		acked[subject] = sequence
		if n++; n == max(after, victimRows) {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); n < after || err == nil {
		t.Fatalf("it ended by itself after %d events: %v", n, err)
	}
}

// store keeps a server's files in dir, which are fsynced.
func store(dir string) func(*server.Options) {
	return func(o *server.Options) { o.StoreDir, o.SyncAlways = filepath.Join(dir, "nats"), true }
}
