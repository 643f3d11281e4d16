package harness

import (
	"fmt"
	"testing"
	"time"
)

// Patience is how long a condition may take to come true. It bounds what hangs
// and measures nothing: machines that test are slow.
const Patience = 3 * time.Minute

const pollInterval = 100 * time.Millisecond

// Eventually polls until check returns nil, and fails the test with its last
// error, and with what explains it, when Patience is over.
func Eventually(t testing.TB, what string, check func() error, explain ...func() string) {
	t.Helper()
	if err := poll(Patience, check); err != nil {
		for _, text := range explain {
			err = fmt.Errorf("%w\n%s", err, text())
		}
		t.Fatalf("%s: %v", what, err)
	}
}

func poll(patience time.Duration, check func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %w", patience, err)
		}
		time.Sleep(pollInterval)
	}
}
