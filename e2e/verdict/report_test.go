package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stream is what go test -json prints of tests that say so.
func stream(t *testing.T, events ...event) *strings.Reader {
	t.Helper()
	var b strings.Builder
	for _, e := range events {
		if err := json.NewEncoder(&b).Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	return strings.NewReader(b.String())
}

func said(test, text string) event {
	return event{Action: "output", Package: "p", Test: test, Output: text + "\n"}
}

func ended(test, how string) event { return event{Action: how, Package: "p", Test: test, Elapsed: 1.5} }

// pipeline is a scenario that fails within a world whose processes show long logs.
func pipeline() []event {
	out := []event{said("T", "=== RUN   T"), said("T/drift", "    wait.go:21: drift is on record: not within 3m0s: none follows"),
		said("T/drift", "        history of site:"), said("T/drift", "        15:56:48 outcome failed; it stays pending"),
		said("T/drift", "    --- FAIL: T/drift (1.50s)"), ended("T/drift", "fail"), said("T", "    process.go:44: log of executor:")}
	for i := range 5000 {
		out = append(out, said("T", fmt.Sprintf("        {\"line\":%d}", i)))
	}
	return append(out, said("T", "--- FAIL: T (1.50s)"), ended("T", "fail"), said("", "FAIL"), ended("", "fail"))
}

func TestVerdict(t *testing.T) {
	many := func() (out []event) {
		for i := range 200 {
			name := fmt.Sprint("T", i)
			out = append(out, said(name, "    a_test.go:1: wrong"), ended(name, "fail"))
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		in     []event
		skips  bool // are failures
		failed bool
		prints []string
		says   []string
		never  []string
	}{
		{"all is well", []event{said("T", "--- PASS: T"), ended("T", "pass"), said("", "ok  p"), ended("", "pass")}, true, false,
			[]string{"--- PASS: T", "ok  p"}, nil, nil},
		{"the cause comes first, and logs do not bury it", pipeline(), false, true, []string{`{"line":2500}`},
			[]string{"FAIL p T/drift (1.5 s)", "none follows", "it stays pending", "log of executor", `{"line":4999}`}, []string{`{"line":2500}`, "=== RUN"}},
		{"many", many(), false, true, nil, []string{"FAIL p T0", "lines, see above"}, nil},
		{"no end", []event{said("T", "    a_test.go:1: begun"), said("T", "panic: test timed out after 30m0s"), ended("", "fail")}, false, true, nil,
			[]string{"NO END p T", "test timed out"}, nil},
		{"it does not compile", []event{{Action: "build-output", ImportPath: "p [p.test]", Output: "a.go:3:1: syntax error\n"},
			{Action: "build-fail", ImportPath: "p [p.test]"}, ended("", "fail")}, false, true, []string{"syntax error"}, []string{"a.go:3:1: syntax error"}, nil},
		{"a skip that may be", []event{said("T", "    a_test.go:1: needs the lab"), ended("T", "skip"), ended("", "pass")}, false, false, nil, nil, nil},
		{"a skip that may not be", []event{said("T", "    a_test.go:1: needs the lab"), ended("T", "skip"), ended("", "pass")}, true, true, nil,
			[]string{"SKIP p T", "needs the lab"}, nil},
		{"a package without tests", []event{said("", "?   p [no test files]"), ended("", "skip")}, true, false, []string{"no test files"}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			file := filepath.Join(t.TempDir(), "summary")
			failed, err := run(stream(t, tt.in...), &out, file, tt.skips)
			if err != nil || failed != tt.failed {
				t.Errorf("failed: %t %v", failed, err)
			}
			for _, want := range tt.prints {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not printed", want)
				}
			}
			summary, err := os.ReadFile(file)
			if err != nil && tt.failed {
				t.Fatal(err)
			}
			text := string(summary)
			if n := strings.Count(text, "\n"); n > mostLines+1 {
				t.Errorf("%d lines, want at most %d", n, mostLines)
			}
			at := 0
			for _, want := range tt.says {
				i := strings.Index(text[at:], want)
				if i < 0 {
					t.Fatalf("%q is not said, or not in this order:\n%s", want, text)
				}
				at += i
			}
			for _, not := range tt.never {
				if strings.Contains(text, not) {
					t.Errorf("%q is said:\n%s", not, text)
				}
			}
		})
	}
}

// TestText: what is no JSON passes through.
func TestText(t *testing.T) {
	var out strings.Builder
	if failed, err := run(strings.NewReader("go: downloading\nno newline"), &out, "", true); failed || err != nil || out.String() != "go: downloading\nno newline" {
		t.Errorf("%q %t %v", out.String(), failed, err)
	}
}
