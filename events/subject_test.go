package events_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"drawbridge.dev/events"
)

func TestSubject(t *testing.T) {
	tests := []struct {
		cloud string
		key   events.Key
		want  string
	}{
		{"default", shop, "fleet.outcome.default.blue.Ingress.shop.web%2Efront"},
		{"a b", events.Key{Cluster: "*", Kind: ">", Namespace: "%", Name: "é_-"}, "fleet.outcome.a%20b.%2A.%3E.%25.%C3%A9_-"},
	}
	for _, tt := range tests {
		if got := events.Subject(events.StageOutcome, tt.cloud, tt.key); got != tt.want {
			t.Errorf("Subject(%q, %q) = %q, want %q", tt.cloud, tt.key, got, tt.want)
		}
	}
}

// Every stage, cloud and key has one subject of seven literal tokens that NATS accepts.
func TestSubjectRoundTrip(t *testing.T) {
	literal := regexp.MustCompile(`^fleet(\.[A-Za-z0-9_%-]+){6}$`)
	rapid.Check(t, func(t *rapid.T) {
		stage := rapid.SampledFrom(events.Stages).Draw(t, "stage")
		cloud, k := anyToken().Draw(t, "cloud"), anyKey().Draw(t, "key")
		s := events.Subject(stage, cloud, k)
		if !literal.MatchString(s) {
			t.Fatalf("%q is no literal subject of seven tokens", s)
		}
		gotStage, gotCloud, gotKey, err := events.ParseSubject(s)
		if err != nil || gotStage != stage || gotCloud != cloud || gotKey != k {
			t.Fatalf("ParseSubject(%q) = %q, %q, %+v, %v", s, gotStage, gotCloud, gotKey, err)
		}
	})
}

func TestParseSubjectRefuses(t *testing.T) {
	for s, want := range map[string]string{
		"":                                    "want fleet.",
		"fleet.requested.c.b.Ingress.ns":      "want fleet.",
		"fleet.requested.c.b.Ingress.ns.n.x":  "want fleet.",
		"other.requested.c.b.Ingress.ns.n":    "want fleet.",
		"fleet.Requested.c.b.Ingress.ns.n":    `unknown stage "Requested"`,
		"fleet.requested.c.b.Ingress.ns.":     "name: is empty",
		"fleet.requested..b.Ingress.ns.n":     "cloud is empty",
		"fleet.requested.c.b.Ingress.ns.a%2":  "ends inside an escape",
		"fleet.requested.c.b.Ingress.ns.a%2e": `"%2e" is no escape`,
		"fleet.requested.c.b.Ingress.ns.%61":  "one escaped form",
		"fleet.requested.c.b.Ingress.ns.a b":  "one escaped form",
		"fleet.requested.c.b.Ingress.ns.a%2F": "which no name may",
		"fleet.requested.c.b.Ingress.ns.%FF":  "which no name may",
	} {
		_, _, _, err := events.ParseSubject(s)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSubject(%q): %v, want %q in it", s, err, want)
		}
	}
}

func TestFilter(t *testing.T) {
	for _, tt := range []struct {
		stage          events.Stage
		cloud, cluster string
		want           string
	}{
		{"", "", "", "fleet.*.*.*.>"},
		{events.StageDecided, "", "", "fleet.decided.*.*.>"},
		{events.StageDecided, "a.b", "", "fleet.decided.a%2Eb.*.>"},
		{events.StageOutcome, "", "*", "fleet.outcome.*.%2A.>"},
	} {
		if got := events.Filter(tt.stage, tt.cloud, tt.cluster); got != tt.want {
			t.Errorf("Filter(%q, %q, %q) = %q, want %q", tt.stage, tt.cloud, tt.cluster, got, tt.want)
		}
	}
}

func FuzzParseSubject(f *testing.F) {
	f.Add(events.Subject(events.StageDrift, "a.b", shop))
	for _, s := range []string{"", "fleet", "fleet.requested.c.b.k.n.%", "fleet.requested.c.b.k.n.%2", "fleet.requested.c.b.k.n.%2E%", "fleet.*.c.b.k.>", "fleet.decided.%C3.b.k.n.m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		stage, cloud, k, err := events.ParseSubject(s)
		if err != nil {
			return
		}
		if again := events.Subject(stage, cloud, k); again != s {
			t.Fatalf("%q and %q are two subjects of %s in cloud %q", s, again, k, cloud)
		}
	})
}
