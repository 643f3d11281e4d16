package l7

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func one(r Rule) []Policy {
	return []Policy{{ID: "p", Position: 1, Action: "REJECT", Rules: []Rule{r}}}
}

// Each row was shown on HAProxy 2.6 with the lines that Octavia's template writes.
func TestRules(t *testing.T) {
	tests := []struct {
		name string
		rule Rule
		req  Request
		want bool
	}{
		{"host ignores case", Rule{Type: "HOST_NAME", Compare: "EQUAL_TO", Value: "a.B"}, Request{Host: "A.b"}, true},
		{"host has its port", Rule{Type: "HOST_NAME", Compare: "EQUAL_TO", Value: "a.b"}, Request{Host: "a.b:80"}, false},
		{"host regex ignores case", Rule{Type: "HOST_NAME", Compare: "REGEX", Value: `^A\.b(:\d+)?$`}, Request{Host: "a.B:80"}, true},
		{"host list", Rule{Type: "HOST_NAME", Compare: "EQUAL_TO", Value: "zz"}, Request{Host: "a.b,zz"}, true},
		{"no host", Rule{Type: "HOST_NAME", Compare: "ENDS_WITH", Value: ""}, Request{}, false},
		{"path keeps case", Rule{Type: "PATH", Compare: "EQUAL_TO", Value: "/A"}, Request{Path: "/a"}, false},
		{"path is not decoded", Rule{Type: "PATH", Compare: "EQUAL_TO", Value: "/a%20b"}, Request{Path: "/a%20b"}, true},
		{"path has no query", Rule{Type: "PATH", Compare: "CONTAINS", Value: "x"}, Request{Path: "/a", Query: "x"}, false},
		{"path begins", Rule{Type: "PATH", Compare: "STARTS_WITH", Value: "/foo"}, Request{Path: "/foobar"}, true},
		{"path ends", Rule{Type: "PATH", Compare: "ENDS_WITH", Value: "bar"}, Request{Path: "/foobar"}, true},
		{"regex is searched", Rule{Type: "PATH", Compare: "REGEX", Value: "o+b"}, Request{Path: "/foobar"}, true},
		{"regex anchored", Rule{Type: "PATH", Compare: "REGEX", Value: "^/foo(/|$)"}, Request{Path: "/foobar"}, false},
		{"regex that Go does not have", Rule{Type: "PATH", Compare: "REGEX", Value: "(?=x)"}, Request{Path: "/x"}, false},
		{"file type equals the whole path", Rule{Type: "FILE_TYPE", Compare: "EQUAL_TO", Value: "jpg"}, Request{Path: "/y.jpg"}, false},
		{"file type by regex", Rule{Type: "FILE_TYPE", Compare: "REGEX", Value: "jpg$"}, Request{Path: "/y.jpg"}, true},
		{"header", Rule{Type: "HEADER", Key: "x-a", Compare: "EQUAL_TO", Value: "one"}, Request{Header: map[string][]string{"X-A": {"one"}}}, true},
		{"header list", Rule{Type: "HEADER", Key: "X-A", Compare: "EQUAL_TO", Value: "one"}, Request{Header: map[string][]string{"X-A": {"zero, one"}}}, true},
		{"header twice", Rule{Type: "HEADER", Key: "X-A", Compare: "EQUAL_TO", Value: "one"}, Request{Header: map[string][]string{"X-A": {"zero", "one"}}}, true},
		{"header list as a whole", Rule{Type: "HEADER", Key: "X-A", Compare: "EQUAL_TO", Value: "v1,v2"}, Request{Header: map[string][]string{"X-A": {"v1,v2"}}}, false},
		{"comma in quotes", Rule{Type: "HEADER", Key: "X-A", Compare: "EQUAL_TO", Value: "one"}, Request{Header: map[string][]string{"X-A": {`"zero, one", x`}}}, false},
		{"cookie", Rule{Type: "COOKIE", Key: "c", Compare: "EQUAL_TO", Value: "one"}, Request{Header: map[string][]string{"Cookie": {"b=1; c=zero; c=one"}}}, true},
		{"cookie in quotes", Rule{Type: "COOKIE", Key: "c", Compare: "EQUAL_TO", Value: "one"}, Request{Header: map[string][]string{"Cookie": {`c="one"`}}}, false},
		{"client certificate", Rule{Type: "SSL_CONN_HAS_CERT", Compare: "EQUAL_TO", Value: "true"}, Request{}, false},
	}
	for _, tt := range tests {
		for _, invert := range []bool{false, true} {
			tt.rule.Invert = invert
			got := New(one(tt.rule), "").Route(tt.req).Status == 403
			if got != (tt.want != invert) {
				t.Errorf("%s, invert %v: %v", tt.name, invert, got)
			}
		}
	}
}

func TestOrder(t *testing.T) {
	always := []Rule{{Type: "PATH", Compare: "STARTS_WITH", Value: "/"}}
	pool := Policy{ID: "pool", Position: 1, Action: "REDIRECT_TO_POOL", Pool: "a", Rules: always}
	prefix := Policy{ID: "prefix", Position: 2, Action: "REDIRECT_PREFIX", Prefix: "https://x", Code: 308, Rules: always}
	url := Policy{ID: "url", Position: 3, Action: "REDIRECT_TO_URL", URL: "https://y/", Rules: always}
	reject := Policy{ID: "reject", Position: 4, Action: "REJECT", Rules: always}
	tests := []struct {
		name     string
		policies []Policy
		fallback string
		want     Decision
	}{
		{"reject first", []Policy{pool, prefix, url, reject}, "d", Decision{Policy: "reject", Status: 403}},
		{"redirects by position", []Policy{url, prefix, pool}, "d", Decision{Policy: "prefix", Status: 308, Location: "https://x/p?q=1"}},
		{"302 if not said", []Policy{url, pool}, "d", Decision{Policy: "url", Status: 302, Location: "https://y/"}},
		{"then pools", []Policy{pool}, "d", Decision{Policy: "pool", Pool: "a"}},
		{"without rules: ignored", []Policy{{Action: "REJECT"}}, "d", Decision{Pool: "d"}},
		{"without a pool: ignored", []Policy{{Action: "REDIRECT_TO_POOL", Rules: always}}, "d", Decision{Pool: "d"}},
		{"nothing at all", nil, "", Decision{Status: 503}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, New(tt.policies, tt.fallback).Route(Request{Path: "/p", Query: "q=1"})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// The order in which policies are given does not matter, only their positions;
// and no policy that decides has a rule that does not hold.
func TestPositionsDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"/", "/a", "/b", "/a/b"})
		var policies []Policy
		for i := range rapid.IntRange(0, 6).Draw(t, "policies") {
			p := Policy{Position: i + 1, Pool: "x", URL: "u", Prefix: "p", Action: rapid.SampledFrom([]string{"REJECT", "REDIRECT_TO_URL", "REDIRECT_PREFIX", "REDIRECT_TO_POOL"}).Draw(t, "action")}
			p.ID = string(rune('a' + i))
			for range rapid.IntRange(0, 3).Draw(t, "rules") {
				p.Rules = append(p.Rules, Rule{
					Type: "PATH", Value: word.Draw(t, "value"), Invert: rapid.Bool().Draw(t, "invert"),
					Compare: rapid.SampledFrom([]string{"EQUAL_TO", "STARTS_WITH", "ENDS_WITH", "CONTAINS"}).Draw(t, "compare"),
				})
			}
			policies = append(policies, p)
		}
		req := Request{Path: word.Draw(t, "path")}
		got := New(policies, "d").Route(req)
		if again := New(rapid.Permutation(policies).Draw(t, "order"), "d").Route(req); again != got {
			t.Fatalf("%+v in another order gives %+v", got, again)
		}
		for _, p := range policies {
			if p.ID == got.Policy {
				for _, r := range p.Rules {
					if New(one(r), "").Route(req).Status != 403 {
						t.Fatalf("policy %s took %+v against rule %+v", p.ID, req, r)
					}
				}
			}
		}
	})
}
