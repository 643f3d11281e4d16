package scenarios

import (
	"encoding/json"
	"strings"
	"testing"

	"drawbridge.dev/e2e/harness"
)

// asked asks the command line about an exposure that stands.
func (w *world) asked(t *testing.T, o harness.Object, trip harness.Trip) {
	t.Helper()
	lb, err := w.LoadBalancer(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, ask := range []struct {
		args []string
		want []string
	}{
		{[]string{"show", trip.Wish.Change}, append([]string{"REQUESTED", "APPROVED", "APPLIED", trip.Decided.Policy.Revision, lb.ID}, trip.Outcome.Steps...)},
		{[]string{"history", "--namespace", o.Namespace(), "--name", o.Name()}, []string{"requested", "approved", "applied"}},
		{[]string{"get", "exposures"}, []string{o.Namespace(), o.Name(), "approved", w.reach(t, trip)}},
		{[]string{"get", "loadbalancers"}, []string{lb.Name, "ACTIVE"}},
	} {
		text := w.Command(t, "executor", ask.args)
		for _, want := range ask.want {
			if !strings.Contains(text, want) {
				t.Errorf("drawbridge %s does not say %q:\n%s", strings.Join(ask.args, " "), want, text)
			}
		}
		ask.args = append(ask.args, "-o", "json")
		if text := w.Command(t, "executor", ask.args); !json.Valid([]byte(text)) {
			t.Errorf("drawbridge %s prints no JSON:\n%s", strings.Join(ask.args, " "), text)
		}
	}
}
