package translate

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"drawbridge.dev/events"
)

// Whatever stands in an annotation: it is taken, and the wish is valid, or it
// is refused by a message that names the annotation and shows the value.
func FuzzAnnotations(f *testing.F) {
	for i := range Annotations {
		for _, seed := range []string{"", "x", "80=80=80", ",", "80=,=80"} {
			f.Add(i, seed)
		}
	}
	for i, seed := range append([]string{"True", "10.0.0.0/8,::/0", " 192.0.2.1/24 , fe80::%eth0/64", "a/b", "\x00", "ü", strings.Repeat("9", 300), "::ffff:10.0.0.0/104"}, likely...) {
		for j := range 5 {
			f.Add(i*5+j, seed)
		}
	}
	f.Fuzz(func(t *testing.T, i int, value string) {
		if i < 0 {
			return
		}
		a := Annotations[i%len(Annotations)]
		for _, kind := range a.Kinds {
			if a.Peer == Kubernetes {
				continue
			}
			r := annotatedAs(kind, map[string]string{a.Name: value})
			for _, p := range r.Problems {
				if p.Field == "exposure" {
					t.Fatalf("%s=%q gives a wish that is not valid: %s", a.Name, value, p.Message)
				}
			}
			named := slices.ContainsFunc(r.Problems, func(p events.Problem) bool { return p.Field == field(a.Name) })
			if r.Refused() && !named {
				t.Fatalf("%s=%q is refused by %v", a.Name, value, r.Problems)
			}
		}
	})
}

func FuzzSources(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "0.0.0.0/0,::/0", ",", "1.2.3.4", "10.0.0.0/33", " 10.1.2.3/8 "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseSources(s)
		if err != nil {
			return
		}
		if len(got) == 0 {
			t.Fatalf("%q lets everyone in without saying so", s)
		}
		for _, c := range got {
			if p, err := netip.ParsePrefix(c); err != nil || p != p.Masked() {
				t.Fatalf("%q gives %q", s, c)
			}
		}
	})
}

func FuzzHostAndPath(f *testing.F) {
	for _, seed := range []string{"a.example.org", "*.a", "a..b", "-", "a_b", "/", "/a/../b", "/\u2028", "*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkHost(s) == nil && strings.Trim(strings.TrimPrefix(s, "*."), "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
			t.Fatalf("%q passes as a host name", s)
		}
		if checkPath(s) == nil && (s[0] != '/' || strings.ContainsAny(s, " \t\r\n\x00") || !utf8.ValidString(s)) {
			t.Fatalf("%q passes as a path", s)
		}
	})
}
