package harness

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// tailEvents are shown of history when a test fails; a line has at most tailLine bytes.
const (
	tailEvents = 30
	tailLine   = 300
)

// String is an event in one line: when, what, about whom, why and how it went.
func (e Event) String() string {
	var p struct {
		Steps, Reasons []string
		Reason         string
		Retry          bool
	}
	_ = json.Unmarshal(e.Payload, &p) // what is no event has none
	line := fmt.Sprintf("%s %s %.8s caused by %.8s %s %s", e.Time.Format("15:04:05.000"), e.Stage, e.ID, e.Cause, e.Verdict, e.Key())
	for _, text := range append([]string{e.Reason, p.Reason}, append(p.Reasons, p.Steps...)...) {
		if text != "" {
			line += "; " + text
		}
	}
	if p.Retry {
		line += "; tried again"
	}
	return fmt.Sprintf("%.*s", tailLine, strings.ReplaceAll(line, "\n", " "))
}

// Tail is the end of a history, a line for each event.
func Tail(list []Event) string {
	var b strings.Builder
	for _, e := range list[max(0, len(list)-tailEvents):] {
		fmt.Fprintf(&b, "\n%s", e)
	}
	return b.String()
}

// explain shows the end of history if the test fails. It is called when all
// processes are described, so that it happens before they are ended.
func (f *Fleet) explain(t testing.TB) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		all, err := f.Auditor.Events(nil)
		t.Logf("history of %s, the end (error: %v):%s", f.Name, err, Tail(all))
	})
}
