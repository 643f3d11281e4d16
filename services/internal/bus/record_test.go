package bus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	cejs "github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

// What is no event is a record with an error, in HISTORY, in the table and as
// Last, and stops nothing behind it.
func TestGarbageIsARecordWithAnError(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	good := wish(key(9), "", "u")
	header := func(edit func(nats.Header)) nats.Header {
		h := nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/x"}, "ce-type": {events.TypePrefix + "rejected.v1"},
			"ce-subject": {key(1).String()}, "ce-time": {"2026-01-01T00:00:00Z"}, "ce-changeid": {"1"}, "ce-cloud": {"default"},
			"ce-datacontenttype": {"application/json"}}
		edit(h)
		return h
	}
	reason := []byte(`{"reason":"r"}`)
	cases := []struct {
		name string
		msg  nats.Msg
		want string // in the error; empty: it is an event
	}{
		{"the pattern itself", nats.Msg{Header: header(func(nats.Header) {}), Data: reason}, ""},
		{"not JSON, no header", nats.Msg{Data: []byte("\x00garbage")}, "no CloudEvent"},
		{"nothing at all", nats.Msg{}, "no CloudEvent"},
		{"data is not JSON", nats.Msg{Header: header(func(nats.Header) {}), Data: []byte("{")}, "JSON"},
		{"unknown type", nats.Msg{Header: header(func(h nats.Header) { h.Set("ce-type", "com.example.x") }), Data: reason}, "unknown"},
		{"the subject of another", nats.Msg{Header: header(func(h nats.Header) { h.Set("ce-subject", key(2).String()) }), Data: reason}, "belongs on"},
		{"another cloud", nats.Msg{Header: header(func(h nats.Header) { h.Set("ce-cloud", "other") }), Data: reason}, "belongs on"},
		{"unknown version", nats.Msg{Header: header(func(h nats.Header) { h.Set("ce-specversion", "9") }), Data: reason}, "no CloudEvent"},
		{"no time", nats.Msg{Header: header(func(h nats.Header) { h.Del("ce-time") }), Data: reason}, "time"},
	}
	subject := rejected(key(1), "r").Subject()
	for i, c := range cases {
		c.msg.Subject = subject
		if _, err := js.PublishMsg(t.Context(), &c.msg); err != nil {
			t.Fatal(err)
		}
		rows, err := b.Table(t.Context())
		if err != nil || len(rows) != 1 {
			t.Fatalf("%s: %d rows, %v", c.name, len(rows), err)
		}
		last, ok, err := b.Last(t.Context(), events.StageRejected, "default", key(1))
		if err != nil || !ok {
			t.Fatalf("%s: %v", c.name, err)
		}
		for from, r := range map[string]bus.Record{"table": rows[0], "last": last} {
			if (r.Err == nil) != (c.want == "") || r.Err != nil && !strings.Contains(r.Err.Error(), c.want) {
				t.Errorf("%s: %s: error %v, want %q", c.name, from, r.Err, c.want)
			}
			if r.Subject != subject || r.Sequence != uint64(i+1) || !bytes.Equal(r.Data, c.msg.Data) {
				t.Errorf("%s: %s: record %+v", c.name, from, r)
			}
		}
	}
	publish(t, b, good)
	var got []bus.Record
	consume(t, b, func(rs []bus.Record) (bool, error) {
		got = append(got, rs...)
		return len(got) == len(cases)+1, nil
	})
	for i, c := range cases {
		if (got[i].Err == nil) != (c.want == "") {
			t.Errorf("consume: %s: %v", c.name, got[i].Err)
		}
	}
	if end := got[len(cases)]; end.Err != nil || end.Event.ID != good.ID {
		t.Errorf("the event behind them is %+v", end)
	}
}

// What is decoded is what was published, in every way to read it.
func TestEventsSurviveTheBus(t *testing.T) {
	b := bustest.Start(t)
	want := wish(key(1), "", "u")
	want.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	publish(t, b, want)
	rows, err := b.Table(t.Context())
	if err != nil || len(rows) != 1 {
		t.Fatal(len(rows), err)
	}
	last, _, err := b.Last(t.Context(), events.StageRequested, "default", key(1))
	if err != nil {
		t.Fatal(err)
	}
	for from, got := range map[string]bus.Record{"table": rows[0], "last": last} {
		if d := cmp.Diff(want, got.Event); d != "" || got.Err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", from, got.Err, d)
		}
	}
	if _, ok, err := b.Last(t.Context(), events.StageDecided, "default", key(1)); ok || err != nil {
		t.Errorf("last of what never was: %v, %v", ok, err)
	}
}

// The CloudEvents SDK's own receiver reads what the bus writes.
func TestCloudEventsReceiverReadsTheBus(t *testing.T) {
	srv, b, _ := start(t, bus.Streams{})
	want := wish(key(1), "", "u")
	publish(t, b, want)
	consumer, err := cejs.NewConsumer(srv.ClientURL(), bus.HistoryStream, "fleet.>", []nats.Option{}, nil,
		[]nats.SubOpt{nats.BindStream(bus.HistoryStream), nats.DeliverAll()})
	if err != nil {
		t.Fatal(err)
	}
	client, err := cloudevents.NewClient(consumer)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got cloudevents.Event
	if err := client.StartReceiver(ctx, func(e cloudevents.Event) { got = e; cancel() }); err != nil {
		t.Fatal(err)
	}
	e, err := events.Decode(got)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, e); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := consumer.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// A CloudEvent in structured mode is an event too.
func TestStructuredModeIsRead(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	want := rejected(key(1), "r")
	c, err := events.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), want.Subject(), data); err != nil {
		t.Fatal(err)
	}
	rows, err := b.Table(t.Context())
	if err != nil || len(rows) != 1 || rows[0].Err != nil {
		t.Fatal(rows, err)
	}
	if d := cmp.Diff(want, rows[0].Event); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
