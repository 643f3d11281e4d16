package history_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"drawbridge.dev/services/auditor/history"
)

const victim = "HISTORY_VICTIM" // names the file that a killed process appends to

// A process that is killed at any moment has lost nothing that it could have acknowledged.
func TestKill(t *testing.T) {
	if file := os.Getenv(victim); file != "" {
		appendUntilKilled(t, file)
		return
	}
	file := filepath.Join(t.TempDir(), "history.db")
	for range 5 {
		acknowledged := killOne(t, file, 1+rand.IntN(40))
		s, err := history.Open(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Progress(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.Last < acknowledged {
			t.Fatalf("history has %d events, %d were acknowledged", p.Last, acknowledged)
		}
		got := sequences(t, s, history.Filter{Limit: 1 << 20})
		if uint64(len(got)) != p.Last || got[0] != p.Last {
			t.Fatalf("%d rows up to %d, want each of %d once", len(got), got[0], p.Last)
		}
		if gaps, err := s.Gaps(t.Context()); err != nil || len(gaps) > 0 {
			t.Fatal(gaps, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killOne kills a process after it acknowledged some batches, and returns the last sequence acknowledged.
func killOne(t *testing.T, file string, batches int) (last uint64) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestKill$")
	c.Env = append(os.Environ(), victim+"="+file)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			t.Fatalf("the victim says %q", lines.Text())
		}
		last = n
		if batches--; batches == 0 {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); err == nil {
		t.Fatal("the victim ended by itself")
	}
	return last
}

func appendUntilKilled(t *testing.T, file string) {
	s := open(t, file)
	p, err := s.Progress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The last batch comes again, as the bus would do.
	for n := max(1, int(p.Last)-6); ; n += 7 {
		a := appendAll(t, s, entries(t, n, n+6))
		fmt.Println(a.Progress.Last)
	}
}
