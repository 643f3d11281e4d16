package main

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"drawbridge.dev/events"
)

// A path that would run a command stays a path in the line that is offered for a shell.
func TestCommandRunsNothingElse(t *testing.T) {
	for _, path := range []string{"/", "/a/b", "/$(echo${IFS}no)", "/;echo${IFS}no", "/a'b`echo no`&(c)", "/~*"} {
		l := events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{{Host: "a.example.org", Path: path}}}
		line := commandFor(l, netip.MustParseAddrPort("127.0.0.1:80"))
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "curl() { printf '%s|' \"$@\"; }; "+line).CombinedOutput()
		if want := "-H|Host: a.example.org|http://127.0.0.1:80" + path + "|"; err != nil || string(out) != want {
			t.Errorf("%s\nis %q, %v", line, out, err)
		}
	}
	if plain := shellWord("http://127.0.0.1:80/a/b"); strings.Contains(plain, "'") {
		t.Errorf("quoted without need: %s", plain)
	}
}
