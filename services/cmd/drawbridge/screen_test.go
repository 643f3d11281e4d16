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
		line := (&screen{}).commandFor(l, netip.MustParseAddrPort("127.0.0.1:80"))
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "curl() { printf '%s|' \"$@\"; }; "+line).CombinedOutput()
		if want := "-H|Host: a.example.org|http://127.0.0.1:80" + path + "|"; err != nil || string(out) != want {
			t.Errorf("%s\nis %q, %v", line, out, err)
		}
	}
	if plain := shellWord("http://127.0.0.1:80/a/b"); strings.Contains(plain, "'") {
		t.Errorf("quoted without need: %s", plain)
	}
}

func TestCommandForTLS(t *testing.T) {
	s := &screen{dir: "my demo"}
	shows := func(secret string, routes ...events.Route) events.Listener {
		return events.Listener{Protocol: events.TerminatedHTTPS, Port: 443, Routes: routes, Backend: "b", TLS: &events.TLS{Certificates: []events.Certificate{{Secret: secret}}}}
	}
	at := netip.MustParseAddrPort("127.0.0.1:8443")
	redirect := events.Route{Host: "a.example.org", Path: "/", Redirect: &events.Redirect{Scheme: "https", Code: 308}}
	admin := shows("x/y", events.Route{Host: "*.example.org", Path: "/a b"})
	admin.Port = 8443
	for _, tt := range []struct {
		l    events.Listener
		want string
	}{
		{shows(demoTLSSecret, events.Route{Host: demoTLSHost, Path: "/"}), "curl --cacert 'my demo/checkout.crt' --connect-to ::127.0.0.1:8443 https://checkout.example.com/"},
		{admin, "curl -k --connect-to ::127.0.0.1:8443 'https://any.example.org:8443/a b'"},
		{shows("x/y"), "curl -k --connect-to ::127.0.0.1:8443 https://127.0.0.1/"},
		{events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{redirect}}, ""},
	} {
		if got := s.commandFor(tt.l, at); got != tt.want {
			t.Errorf("%s\nwant %s", got, tt.want)
		}
	}
}
