package executor

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/events"
)

// TestQueue: what is owed overtakes what is only looked at, also when it is
// owed only after it was queued.
func TestQueue(t *testing.T) {
	owed := map[string]bool{"c": true, "e": true}
	q := newQueue(func(k events.Key) bool { return owed[k.Name] })
	for _, name := range []string{"a", "b", "c", "d", "e", "a"} {
		q.Add(events.Key{Name: name})
	}
	owed["d"] = true
	q.Add(events.Key{Name: "d"})
	q.ShutDown()
	var got []string
	for k, closed := q.Get(); !closed; k, closed = q.Get() {
		got = append(got, k.Name)
		q.Done(k)
	}
	if d := cmp.Diff([]string{"c", "e", "d", "a", "b"}, got); d != "" {
		t.Error(d)
	}
}
