package bus

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"drawbridge.dev/events"
)

func TestOrigin(t *testing.T) {
	for _, c := range []struct {
		header string
		want   uint64 // 0: an error
	}{
		{"HISTORY 42 > > fleet.requested.a.b.c.d.e", 42},
		{"HISTORY 7 > > fleet.a 4Rk", 7},
		{"", 0},
		{"HISTORY", 0},
		{"HISTORY 0 > > x", 0},
		{"HISTORY -1 > > x", 0},
		{"OTHER 42 > > x", 0},
	} {
		got, err := origin(nats.Header{headerSource: {c.header}})
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("%q: %d, %v; want %d", c.header, got, err, c.want)
		}
	}
}

func TestBackoff(t *testing.T) {
	for attempt, want := range map[int]time.Duration{1: 10, 2: 20, 3: 40, 4: 50, 1000: 50} {
		if got := backoff(attempt, 10, 50); got != want {
			t.Errorf("attempt %d waits %d, want %d", attempt, got, want)
		}
	}
}

// FuzzDecode: whatever arrives is either an event on its own subject, which
// survives being written again, or an error.
func FuzzDecode(f *testing.F) {
	e := events.New("/w", "default", events.Key{Cluster: "c", Kind: "Service", Namespace: "n", Name: "a.b"},
		events.Rejected{Reason: "r"}, "", nil, time.Unix(1700000000, 0))
	m, err := encode(e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.Subject, m.Header.Get("ce-specversion"), m.Header.Get("ce-type"), m.Header.Get("ce-subject"), m.Header.Get("ce-time"), m.Data)
	f.Add(m.Subject, "", "", "", "", []byte(`{"specversion":"1.0","id":"1","source":"/x","type":"t"}`))
	f.Add("fleet.x", "0.3", "\x00", "//", "yesterday", []byte("{"))
	f.Fuzz(func(t *testing.T, subject, version, typ, ceSubject, at string, data []byte) {
		h := nats.Header{"ce-id": {"1"}, "ce-source": {"/w"}, "ce-changeid": {"1"}, "ce-cloud": {"default"}}
		for k, v := range map[string]string{"ce-specversion": version, "ce-type": typ, "ce-subject": ceSubject, "ce-time": at} {
			if v != "" {
				h.Set(k, v)
			}
		}
		r := decode(subject, 1, h, data)
		if r.Err != nil {
			if r.Event.Payload != nil {
				t.Errorf("an error and an event: %+v", r)
			}
			return
		}
		again, err := encode(r.Event)
		if err != nil {
			t.Fatalf("%+v cannot be written again: %v", r.Event, err)
		}
		if r2 := decode(again.Subject, 1, again.Header, again.Data); again.Subject != subject || r2.Err != nil || r2.Event.ID != r.Event.ID {
			t.Errorf("on %s: %+v", again.Subject, r2)
		}
	})
}
