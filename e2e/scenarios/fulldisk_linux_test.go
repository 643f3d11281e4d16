package scenarios

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"drawbridge.dev/e2e/harness"
)

// TestFullDisk fills the disk below JetStream and history: the process says so,
// and when there is room again nothing is lost.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if !harness.Full() {
		t.Skip("needs root, and a minute: go tool task e2e runs it, or DRAWBRIDGE_E2E_REQUIRE_LAB=1")
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=32m"); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", disk, err)
		}
	})
	w := newWorld(t, harness.AllInOne, harness.NewSandbox(t), harness.Folder{Path: t.TempDir()}, func(config map[string]any) {
		config["data"] = filepath.Join(disk, "data")
		config["streams"] = map[string]any{"max-size": "8Mi"}
	})
	w.exposing(t, "before")
	before, err := w.Auditor.Events(nil)
	if err != nil {
		t.Fatal(err)
	}

	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	ns := w.namespace(t, true)
	lobby := harness.Balanced(ns, "lobby", nil, w.port(t, "lobby", "TCP", 7000))
	w.Source.Apply(t, lobby)
	harness.Eventually(t, "the process says that it is not ready", func() error {
		status, text, err := w.Readyz("watcher")
		if err == nil && status == http.StatusOK {
			err = fmt.Errorf("%d %s", status, text)
		}
		return err
	})
	w.logs(t, "watcher", "disk")

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p := w.Process("watcher")
	p.Kill(t)
	p.Start(t)
	w.Ready(t, "watcher")
	w.Settled(t, lobby)
	w.Stands(lobby, true)
	w.exposed = append(w.exposed, lobby)
	w.Exact(t)
	after, err := w.Auditor.Events(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range before {
		if after[i].ID != e.ID {
			t.Fatalf("event %d of history was %s and is %s", i, e.ID, after[i].ID)
		}
	}
	w.clear(t)
}

// fill writes until the disk is full.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
