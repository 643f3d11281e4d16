package auditor

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestParseFilter(t *testing.T) {
	for _, tt := range []struct {
		query string
		want  Filter
		bad   string // parameter that is wrong
	}{
		{"", Filter{Limit: DefaultLimit}, ""},
		{"cluster=a&kind=Ingress&namespace=b&name=c.d&stage=decided&verdict=denied&cloud=e", Filter{Cluster: "a", Kind: "Ingress",
			Namespace: "b", Name: "c.d", Stage: "decided", Verdict: "denied", Cloud: "e", Limit: DefaultLimit}, ""},
		{"since=2026-03-01T10:00:00%2B02:00&until=90m&limit=7&before=9", Filter{Since: noon.Add(-4 * time.Hour), Until: noon.Add(-90 * time.Minute), Limit: 7, Before: 9}, ""},
		{"since=2026-03-01T10:00:00.5Z", Filter{Since: noon.Add(-2*time.Hour + 500*time.Millisecond), Limit: DefaultLimit}, ""},
		{"verdict=undecodable", Filter{Verdict: "undecodable", Limit: DefaultLimit}, ""},
		{"limit=1000", Filter{Limit: 1000}, ""},
		{"limit=0", Filter{}, "limit"},
		{"limit=1001", Filter{}, "limit"},
		{"limit=-1", Filter{}, "limit"},
		{"limit=many", Filter{}, "limit"},
		{"limit=99999999999999999999", Filter{}, "limit"},
		{"before=0", Filter{}, "before"},
		{"before=x", Filter{}, "before"},
		{"since=yesterday", Filter{}, "since"},
		{"since=-5m", Filter{}, "since"},
		{"until=2026-03-01", Filter{}, "until"},
		{"since=9999-12-31T23:59:59-01:00", Filter{}, "since"},
		{"since=1h&until=2h", Filter{}, "until"},
		{"since=1h&until=1h", Filter{}, "until"},
		{"stage=Decided", Filter{}, "stage"},
		{"verdict=maybe", Filter{}, "verdict"},
		{"name=a&name=b", Filter{}, "name"},
		{"name=", Filter{}, "name"},
		{"namespaces=a", Filter{}, "namespaces"},
		{"Name=a", Filter{}, "Name"},
	} {
		q, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseFilter(q, noon)
		var wrong *ParameterError
		if tt.bad == "" {
			if d := cmp.Diff(tt.want, got); d != "" || err != nil {
				t.Errorf("%q: %v (-want +got):\n%s", tt.query, err, d)
			}
		} else if !errors.As(err, &wrong) || wrong.Parameter != tt.bad || !strings.Contains(err.Error(), "parameter "+tt.bad+": ") {
			t.Errorf("%q: error %v, want one of parameter %s", tt.query, err, tt.bad)
		}
	}
}

// What a client writes is what the auditor reads.
func TestFilterRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[a-z%&=+ .é]{1,8}`))
		f := Filter{Cluster: word.Draw(t, "cluster"), Kind: word.Draw(t, "kind"), Namespace: word.Draw(t, "namespace"), Name: word.Draw(t, "name"),
			Stage: rapid.SampledFrom([]string{"", "requested", "rejected"}).Draw(t, "stage"), Verdict: rapid.SampledFrom(append(Verdicts, "")).Draw(t, "verdict"),
			Cloud: word.Draw(t, "cloud"), Limit: rapid.IntRange(1, MaxLimit).Draw(t, "limit"), Before: rapid.Int64Min(0).Draw(t, "before")}
		if rapid.Bool().Draw(t, "times") {
			f.Since = noon.Add(time.Duration(rapid.Int64Range(-1e18, 0).Draw(t, "since")))
			f.Until = noon.Add(time.Duration(rapid.Int64Range(1, 1e18).Draw(t, "until")))
		}
		q, err := url.ParseQuery(queryOf(f).Encode())
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseFilter(q, noon)
		if d := cmp.Diff(f, got); d != "" || err != nil {
			t.Fatalf("%v: %s", err, d)
		}
	})
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"", "cluster=a&since=1h&until=2026-03-01T10:00:00Z&limit=5&before=7", "limit=", "since=0001-01-01T00:00:00%2B23:00", "a;b", "%zz", "stage=decided&stage=drift", "since=9223372036854775807ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		got, err := ParseFilter(q, noon)
		if err != nil {
			var wrong *ParameterError
			if !errors.As(err, &wrong) || wrong.Parameter == "" && !q.Has("") {
				t.Fatalf("%q: error %v names no parameter", raw, err)
			}
			return
		}
		if got.Limit < 1 || got.Limit > MaxLimit || got.Before < 0 {
			t.Fatalf("%q: %+v is out of bounds", raw, got)
		}
		again, err := ParseFilter(queryOf(got), noon)
		if d := cmp.Diff(got, again); d != "" || err != nil {
			t.Fatalf("%q read, written and read: %v %s", raw, err, d)
		}
	})
}
