package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogFormat(t *testing.T) {
	lines := func(c logConfig) []string {
		t.Helper()
		f, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		log, err := newLogger(c, f)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug().Msg("little")
		log.Info().Str("change", "c1").Str("key", "blue/Service/shop/web").Str("stage", "decided").Msg("much")
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	for _, format := range []string{"", "json"} { // a file is no terminal
		got := lines(logConfig{Level: "info", Format: format})
		var line map[string]string
		if err := json.Unmarshal([]byte(got[0]), &line); err != nil || len(got) != 1 {
			t.Fatalf("format %q: %q, %v; want one line of JSON", format, got, err)
		}
		for k, v := range map[string]string{"level": "info", "message": "much", "change": "c1", "key": "blue/Service/shop/web", "stage": "decided"} {
			if line[k] != v {
				t.Errorf("format %q: %s is %q, want %q", format, k, line[k], v)
			}
		}
		if line["time"] == "" {
			t.Errorf("format %q: the line has no time", format)
		}
	}
	if got := lines(logConfig{Level: "debug", Format: "console"}); len(got) != 2 || strings.HasPrefix(got[1], "{") || !strings.Contains(got[1], "much") {
		t.Errorf("console: %q, want two lines for people", got)
	}
}

// TestLogOnATerminal is for people unless JSON is asked for.
func TestLogOnATerminal(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminal here: %v", err)
	}
	defer terminal.Close()
	if got := logWriter(logConfig{}, terminal); got == terminal {
		t.Error("JSON on a terminal, and nobody asked for it")
	}
	if got := logWriter(logConfig{Format: "json"}, terminal); got != terminal {
		t.Error("no JSON on a terminal, though asked for")
	}
}

func TestLogSettings(t *testing.T) {
	for _, c := range []struct{ level, format, says string }{
		{"loud", "", `log.level "loud"`}, {"", "", `log.level ""`}, {"disabled", "", `log.level "disabled"`},
		{"info", "xml", `log.format "xml"`},
	} {
		if _, err := newLogger(logConfig{Level: c.level, Format: c.format}, os.Stderr); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
