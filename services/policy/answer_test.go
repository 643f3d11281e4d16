package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/events"
)

func TestParseAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want answer
		err  string
	}{
		"approved": {doc: `{"verdict":"approved"}`, want: answer{verdict: events.Approved}},
		"whole": {doc: `{"verdict":"denied","reasons":["r"],"rules":["a","b"],
			"obligations":{"internal":true,"flavor":"ha","allowedSources":["10.0.0.0/8"],"tlsVersions":["TLSv1.3","TLSv1.2"],"waived":["timeouts","headers"]}}`,
			want: answer{events.Denied, []string{"r"}, []string{"a", "b"}, obligations{[]string{"10.0.0.0/8"}, true, "ha",
				[]string{"TLSv1.2", "TLSv1.3"}, []events.Feature{events.FeatureHeaders, events.FeatureTimeouts}}}},
		"null":                   {doc: `null`, err: "is null, want an object"},
		"true":                   {doc: `true`, err: "is a boolean"},
		"array":                  {doc: `[{"verdict":"approved"}]`, err: "is an array"},
		"no verdict":             {doc: `{}`, err: "verdict: is missing"},
		"another verdict":        {doc: `{"verdict":"allow"}`, err: "verdict: allow is none of"},
		"verdict of no string":   {doc: `{"verdict":true}`, err: "verdict: true is none of"},
		"denied without reason":  {doc: `{"verdict":"denied","reasons":[]}`, err: "denied without a reason"},
		"held without reason":    {doc: `{"verdict":"held"}`, err: "held without a reason"},
		"reasons of no array":    {doc: `{"verdict":"denied","reasons":"r"}`, err: "reasons: is a string"},
		"reason of no string":    {doc: `{"verdict":"denied","reasons":[1]}`, err: "reasons: [0] is a number"},
		"blank reason":           {doc: `{"verdict":"denied","reasons":[" "]}`, err: "reasons: [0]"},
		"rules of no array":      {doc: `{"verdict":"approved","rules":{}}`, err: "rules: is an object"},
		"unknown field":          {doc: `{"verdict":"approved","obligation":{}}`, err: "obligation: is unknown"},
		"unknown obligation":     {doc: `{"verdict":"approved","obligations":{"sources":[]}}`, err: "sources: is unknown"},
		"obligations of no type": {doc: `{"verdict":"approved","obligations":[]}`, err: "obligations: is an array"},
		"internal of no type":    {doc: `{"verdict":"approved","obligations":{"internal":"yes"}}`, err: "internal: is a string"},
		"flavor of no type":      {doc: `{"verdict":"approved","obligations":{"flavor":null}}`, err: "flavor: is null"},
		"no sources":             {doc: `{"verdict":"approved","obligations":{"allowedSources":[]}}`, err: "allowedSources: is empty"},
		"waived nothing":         {doc: `{"verdict":"approved","obligations":{"waived":[]}}`, want: answer{verdict: events.Approved}},
		"waived of no type":      {doc: `{"verdict":"approved","obligations":{"waived":true}}`, err: "waived: is a boolean"},
		"waived of no feature":   {doc: `{"verdict":"approved","obligations":{"waived":["tls"]}}`, err: `waived: "tls" is no feature`},
		"no TLS versions":        {doc: `{"verdict":"approved","obligations":{"tlsVersions":[]}}`, err: "tlsVersions: is empty"},
		"TLS of no version":      {doc: `{"verdict":"approved","obligations":{"tlsVersions":["1.3"]}}`, err: `tlsVersions: "1.3" is none of`},
		"TLS versions, no array": {doc: `{"verdict":"approved","obligations":{"tlsVersions":"TLSv1.3"}}`, err: "tlsVersions: is a string"},
		"source of no CIDR":      {doc: `{"verdict":"approved","obligations":{"allowedSources":["10.0.0.1"]}}`, err: `"10.0.0.1" is no CIDR`},
	} {
		t.Run(name, func(t *testing.T) {
			var doc any
			if err := json.Unmarshal([]byte(c.doc), &doc); err != nil {
				t.Fatal(err)
			}
			got, err := parseAnswer(doc)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got error %v, want one with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(answer{}, obligations{})); d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzParseAnswer: whatever a bundle says, it is refused or leads to a decision
// that can be published.
func FuzzParseAnswer(f *testing.F) {
	for _, s := range []string{`null`, `{"verdict":"approved","obligations":{"allowedSources":["10.0.0.0/8"]}}`,
		`{"verdict":"held","reasons":["wait"],"rules":["approval"]}`, `{"verdict":1}`,
		`{"verdict":"approved","obligations":{"allowedSources":["::/0"],"internal":true,"flavor":"x"}}`} {
		f.Add([]byte(s))
	}
	e := site(ingressKey("shop", "web"), "www.example.org")
	f.Fuzz(func(t *testing.T, b []byte) {
		var doc any
		if json.Unmarshal(b, &doc) != nil {
			return
		}
		a, err := parseAnswer(doc)
		if err != nil {
			if !cmp.Equal(a, answer{}, cmp.AllowUnexported(answer{}, obligations{})) {
				t.Errorf("an answer %+v with the error %v", a, err)
			}
			return
		}
		obliged, err := a.obligations.apply(e)
		if err != nil {
			t.Fatalf("a wish without sources cannot be obliged: %v", err)
		}
		if obliged.Validate() != nil {
			return // counts as a failed policy
		}
		d := events.Decided{Verdict: a.verdict, Reasons: a.reasons, Rules: a.rules, Wish: "w", Exposure: &obliged}.Seal(e.Key)
		if _, err := events.Encode(events.New("/policy", e.Cloud, e.Key, d, "", nil, wishTime)); err != nil {
			t.Error(err)
		}
	})
}
