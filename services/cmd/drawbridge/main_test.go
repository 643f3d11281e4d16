package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	time.Local = time.UTC // tables show local time
	os.Exit(m.Run())
}

// said is what a command wrote, and how it ended.
type said struct {
	out, err string
	status   int
}

// cli runs a command as main does, in this process.
func cli(t *testing.T, args ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	status := exitStatus(root.ExecuteContext(t.Context()), &errs)
	return said{out.String(), errs.String(), status}
}

// golden compares with a file below testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got), go test -update writes it anew:\n%s", file, d)
	}
}

// until polls a condition, which says why it is not true yet.
func until(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a minute passed, and not %s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// buffer is written and read by many.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// holds is a condition for until: the text is there so many times.
func (b *buffer) holds(text string, times int) func() error {
	return func() error {
		if n := strings.Count(b.String(), text); n < times {
			return fmt.Errorf("%q is there %d times of %d in:\n%s", text, n, times, b.String())
		}
		return nil
	}
}

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{nil, 0, ""},
		{errRefused, 2, ""},
		{fmt.Errorf("wrapped: %w", errRefused), 2, ""},
		{errors.New("no disk"), 1, "drawbridge: no disk\n"},
		{context.Canceled, 1, "drawbridge: context canceled\n"},
	} {
		var stderr bytes.Buffer
		if got := exitStatus(c.err, &stderr); got != c.status || stderr.String() != c.says {
			t.Errorf("%v: status %d and %q, want %d and %q", c.err, got, stderr.String(), c.status, c.says)
		}
	}
}

func TestVersion(t *testing.T) {
	got := cli(t, "version")
	for _, want := range []string{"drawbridge ", runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH} {
		if !strings.Contains(got.out, want) {
			t.Errorf("version says %q, without %q", got.out, want)
		}
	}
	if got.status != 0 || cli(t, "version", "too", "much").status != 1 {
		t.Error("version ends with another status than 0, or takes arguments")
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := cli(t, "completion", shell); got.status != 0 || !strings.Contains(got.out, "drawbridge") {
			t.Errorf("%s: status %d, %d bytes, %s", shell, got.status, len(got.out), got.err)
		}
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{""}, []string{"demo", "run", "plan", "get", "history", "show", "version"}},
		{[]string{"get", ""}, []string{"exposures", "loadbalancers"}},
		{[]string{"run", "--executor.max-p"}, []string{"--executor.max-parallel", "--executor.max-policies"}},
		{[]string{"run", "--target", ""}, []string{"all", "watcher", "policy", "executor", "auditor"}},
		{[]string{"history", "-o", ""}, []string{"table", "json", "yaml"}},
		{[]string{"history", "--stage", ""}, []string{"requested", "drift"}},
		{[]string{"history", "--verdict", ""}, []string{"approved", "undecodable"}},
	} {
		got := cli(t, append([]string{"__complete"}, c.args...)...)
		for _, want := range c.want {
			if !strings.Contains("\n"+got.out, "\n"+want) {
				t.Errorf("%q is completed without %q:\n%s", c.args, want, got.out)
			}
		}
	}
}
