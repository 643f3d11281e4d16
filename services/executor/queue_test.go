package executor

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestQueue: what is owed overtakes what is only looked at, also when it is
// owed only after it was queued.
func TestQueue(t *testing.T) {
	owed := map[string]bool{"c": true, "e": true}
	q := newQueue(func(u unit) bool { return owed[u.group] })
	for _, name := range []string{"a", "b", "c", "d", "e", "a"} {
		q.Add(unit{group: name})
	}
	owed["d"] = true
	q.Add(unit{group: "d"})
	q.ShutDown()
	var got []string
	for k, closed := q.Get(); !closed; k, closed = q.Get() {
		got = append(got, k.group)
		q.Done(k)
	}
	if d := cmp.Diff([]string{"c", "e", "d", "a", "b"}, got); d != "" {
		t.Error(d)
	}
}
