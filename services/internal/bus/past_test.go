package bus_test

import (
	"fmt"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus/bustest"
)

// TestPast: all of one key and stage, in order, and nothing of others.
func TestPast(t *testing.T) {
	b := bustest.Start(t)
	of := func(name string) events.Key {
		return events.Key{Cluster: "c", Kind: events.KindService, Namespace: "n", Name: name}
	}
	if past, err := b.Past(t.Context(), events.StageRejected, "default", of("a")); err != nil || len(past) != 0 {
		t.Errorf("of nothing: %v, %v", past, err)
	}
	previous := map[string]string{}
	for i := range 6 {
		name := []string{"a", "b"}[i%2]
		e := events.New("/test", "default", of(name), events.Rejected{Reason: fmt.Sprint(i)}, previous[name], nil, time.Now())
		if _, err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		previous[name] = e.ID
	}
	past, err := b.Past(t.Context(), events.StageRejected, "default", of("b"))
	if err != nil || len(past) != 3 {
		t.Fatalf("%v, %v", past, err)
	}
	for i, r := range past {
		if got := r.Event.Payload.(events.Rejected).Reason; got != fmt.Sprint(2*i+1) {
			t.Errorf("record %d is %s", i, got)
		}
	}
}
