//go:build unix

package harness

import (
	"os"
	"syscall"
	"testing"
)

// lock keeps a file for this test alone, also from the tests of other
// packages, which run in processes of their own.
func lock(t testing.TB, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("lock %s: %v", file, err)
	}
}
