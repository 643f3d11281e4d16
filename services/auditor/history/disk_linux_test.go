package history_test

import (
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"drawbridge.dev/services/auditor/history"
)

// limitFileSize makes writes beyond bytes fail in this process, as a full disk
// does, until the returned function is called.
func limitFileSize(t *testing.T, bytes uint64) (restore func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	after := before
	after.Cur = bytes
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &after); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}
}

// A full disk is a clear error, keeps what is there readable, and passes.
func TestFullDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.db")
	s := open(t, file)
	appendAll(t, s, entries(t, 1, 3))
	restore := limitFileSize(t, 512<<10)
	big := entries(t, 4, 4)
	big[0].Data = []byte(`{"digest":"` + strings.Repeat("x", 1<<20) + `"}`)
	_, err := s.Append(t.Context(), big, noon)
	restore()
	if err == nil || !strings.Contains(err.Error(), "disk") || !strings.Contains(err.Error(), file) {
		t.Errorf("Append on a full disk: %v", err)
	}
	if got := sequences(t, s, history.Filter{}); len(got) != 3 {
		t.Errorf("rows on a full disk: %v", got)
	}
	if a := appendAll(t, s, big); len(a.Kept) != 1 || len(a.Gaps) != 0 {
		t.Errorf("after the disk has room again: %+v", a)
	}
}
