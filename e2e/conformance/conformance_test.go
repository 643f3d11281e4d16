package conformance

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/services/sandbox"
	"github.com/google/go-cmp/cmp"
)

var record = flag.Bool("record", false, "write what the real cloud answers to the recording")

const recording = "testdata/octavia-11.0.0.txt"

// play sends the whole script to a cloud. Whatever happens, nothing is left.
func play(c *cloud) map[string]string {
	c.t.Helper()
	c.t.Cleanup(func() {
		for _, name := range []string{"lb", "lb2", "lb3", "lb4"} {
			if id := c.vars[name]; id != "" {
				c.settle(id)
				c.do(step{method: "DELETE", path: "/v2/lbaas/loadbalancers/" + id + "?cascade=true"})
			}
		}
		for name, path := range map[string]string{"fip": "floatingips", "fip2": "floatingips", "fip3": "floatingips", "free": "ports", "mine": "ports", "group": "security-groups"} {
			if id := c.vars[name]; id != "" {
				c.do(step{service: "network", method: "DELETE", path: "/v2.0/" + path + "/" + id})
			}
		}
		c.sweep()
		for _, name := range []string{"container", "first-secret", "second-secret", "third-secret", "empty", "hollow", "certificate", "key", "text"} {
			if ref := c.vars[name]; ref != "" {
				c.do(step{service: "key-manager", method: "DELETE", path: ref})
			}
		}
	})
	out := map[string]string{}
	for _, s := range script {
		status, answer := c.do(s)
		if _, twice := out[s.name]; twice {
			c.t.Fatalf("two steps are called %q", s.name)
		}
		out[s.name] = c.report(s, status, answer)
	}
	return out
}

func playSandbox(t testing.TB) map[string]string {
	t.Helper()
	s, err := sandbox.Start(context.Background(), sandbox.Config{Pending: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := open(t, s.CloudsYAML(), "sandbox")
	c.hurry = s.Settle
	return play(c)
}

func compare(t *testing.T, want, got map[string]string) {
	t.Helper()
	for _, s := range script {
		t.Run(s.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.Split(want[s.name], "\n"), strings.Split(got[s.name], "\n")); diff != "" {
				t.Errorf("the sandbox differs (-real +sandbox):\n%s", diff)
			}
		})
	}
}

// TestRecorded holds the sandbox to what the real cloud answered.
func TestRecorded(t *testing.T) {
	data, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, part := range strings.Split(string(data), "## ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		want[name] = text
	}
	if len(want) != len(script) {
		t.Errorf("the recording has %d answers, the script %d steps: record again (-record with the lab)", len(want), len(script))
	}
	compare(t, want, playSandbox(t))
}

// TestLab sends the script to the real cloud and to the sandbox.
func TestLab(t *testing.T) {
	path := os.Getenv("DRAWBRIDGE_LAB_CLOUDS")
	if path == "" {
		if os.Getenv("DRAWBRIDGE_E2E_REQUIRE_LAB") != "" {
			t.Fatal("DRAWBRIDGE_LAB_CLOUDS is not set, and DRAWBRIDGE_E2E_REQUIRE_LAB asks for the real servers")
		}
		t.Skip(`needs the real cloud, and DRAWBRIDGE_LAB_CLOUDS is not set: eval "$(e2e/lab/up)"`)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	prefix := os.Getenv("DRAWBRIDGE_LAB_CLOUD")
	if prefix == "" {
		prefix = "oslab"
	}
	truth := play(open(t, text, prefix))
	if *record {
		var b strings.Builder
		for _, s := range script {
			fmt.Fprintf(&b, "## %s\n%s", s.name, truth[s.name])
		}
		if err := os.WriteFile(recording, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	compare(t, truth, playSandbox(t))
}
