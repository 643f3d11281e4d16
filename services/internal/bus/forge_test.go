package bus_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

// JetStream answers where a request wants it, without a look at permissions. What
// is stored in one's own place must not become an event in another's that way.
func TestAnswersForgeNoEvent(t *testing.T) {
	_, url := bustest.Server(t)
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	red := events.Key{Cluster: "red", Kind: events.KindService, Namespace: "shop", Name: "web"}
	stands := publish(t, b, wish(red, "", "u"))

	forged := events.New("/watcher/red", "default", red, events.Requested{}.Seal(), "", nil, time.Now())
	own := events.Subject(events.StageRequested, "default", events.Key{Cluster: "blue", Kind: "k", Namespace: "n", Name: "x"})
	m := &nats.Msg{Subject: own, Header: nats.Header{}, Data: []byte(`{"object":{},"digest":"` + forged.Payload.(events.Requested).Digest + `"}`)}
	for k, v := range map[string]string{"ce-specversion": "1.0", "ce-id": forged.ID, "ce-type": forged.Type(), "ce-source": forged.Source, "ce-subject": red.String(),
		"ce-time": forged.Time.Format(time.RFC3339Nano), "ce-changeid": forged.Change, "ce-cloud": "default", "content-type": "application/json"} {
		m.Header.Set(k, v)
	}
	if _, err := nc.RequestMsg(m, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	last := []byte(`{"last_by_subj":"` + own + `"}`)
	within(t, "STATE has it", func() bool {
		r, err := nc.Request("$JS.API.DIRECT.GET.STATE", last, time.Second)
		return err == nil && string(r.Data) == string(m.Data)
	})
	if err := nc.PublishRequest("$JS.API.DIRECT.GET.STATE", forged.Subject(), last); err != nil {
		t.Fatal(err)
	}
	// An answer that is no event shows that answers do arrive there.
	marker := events.Subject(events.StageRequested, "default", key(9))
	if err := nc.PublishRequest("$JS.API.STREAM.MSG.GET.STATE", marker, last); err != nil {
		t.Fatal(err)
	}
	within(t, "the answer is stored", func() bool {
		r, ok, err := b.Last(t.Context(), events.StageRequested, "default", key(9))
		return err == nil && ok && r.Err != nil
	})
	r, _, err := b.Last(t.Context(), events.StageRequested, "default", red)
	if err != nil || r.Sequence != stands.Sequence {
		t.Errorf("the wish of red is record %d, %+v, %v", r.Sequence, r.Event.Payload, err)
	}
}
