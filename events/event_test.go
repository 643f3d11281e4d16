package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/events"
)

var update = flag.Bool("update", false, "write testdata/*.json from the samples")

// The golden files are the wire contract: a change to one breaks readers of history.
func TestGolden(t *testing.T) {
	for name, e := range samples() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".json")
			c, err := events.Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			got := indent(t, c)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("%s (-want +got), go test -update writes it:\n%s", file, d)
			}
			var read cloudevents.Event
			if err := json.Unmarshal(want, &read); err != nil {
				t.Fatal(err)
			}
			back, err := events.Decode(read)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(e, back); d != "" {
				t.Errorf("decoded (-want +got):\n%s", d)
			}
			if want := events.TypePrefix + name + ".v1"; e.Type() != want {
				t.Errorf("Type = %q, want %q", e.Type(), want)
			}
		})
	}
}

func indent(t *testing.T, c cloudevents.Event) []byte {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(out.Bytes(), '\n')
}

// Through the SDK's own writer and reader, attributes in headers, data as it is.
func TestBinaryModeRoundTrip(t *testing.T) {
	for name, e := range samples() {
		t.Run(name, func(t *testing.T) {
			c, err := events.Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			ctx := binding.WithForceBinary(context.Background())
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://bus.invalid/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := cehttp.WriteRequest(ctx, (*binding.EventMessage)(&c), req); err != nil {
				t.Fatal(err)
			}
			if got := req.Header.Get("ce-changeid"); got != e.Change {
				t.Errorf("header ce-changeid = %q, want %q", got, e.Change)
			}
			read, err := binding.ToEvent(ctx, cehttp.NewMessageFromHttpRequest(req))
			if err != nil {
				t.Fatal(err)
			}
			back, err := events.Decode(*read)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(e, back); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestNewIDs(t *testing.T) {
	a := requested()
	x := wish()
	x.Flavor = "small"
	b := events.Requested{Exposure: &x, Object: a.Object}.Seal()
	publish := func(p events.Payload, previous string, cause *events.Event, at time.Time) events.Event {
		return events.New("/watcher/blue", "default", shop, p, previous, cause, at)
	}
	first := publish(a, "", nil, noon)
	if again := publish(a, "", nil, noon.Add(time.Hour)); again.ID != first.ID {
		t.Error("the id depends on the time: a retry after a crash would be stored twice")
	}
	if first.Change != first.ID || first.Cause != "" {
		t.Errorf("a wish begins its own change: change %q, cause %q, id %q", first.Change, first.Cause, first.ID)
	}
	second := publish(b, first.ID, nil, noon)
	third := publish(a, second.ID, nil, noon)
	ids := map[string]string{"A": first.ID, "A->B": second.ID, "A->B->A": third.ID}

	second.TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	d := samples()["approved"].Payload
	answer := publish(d, "", &second, noon)
	if answer.Change != second.ID || answer.Cause != second.ID || answer.TraceParent != second.TraceParent {
		t.Errorf("an answer names its change and cause: %+v", answer)
	}
	ids["answer to B"] = answer.ID
	ids["the same answer to the second A"] = publish(d, "", &third, noon).ID
	ids["in another cloud"] = events.New("/watcher/blue", "other", shop, a, "", nil, noon).ID
	other := shop
	other.Name = "other"
	ids["for another key"] = events.New("/watcher/blue", "default", other, a, "", nil, noon).ID
	seen := map[string]string{}
	for name, id := range ids {
		if len(id) != 32 {
			t.Errorf("id of %s is %q, want 32 hex digits", name, id)
		}
		if before, twice := seen[id]; twice {
			t.Errorf("%s and %s have one id", name, before)
		}
		seen[id] = name
	}
}

func TestEventSubject(t *testing.T) {
	if got, want := samples()["drifted"].Subject(), "fleet.drift.default.blue.Ingress.shop.web%2Efront"; got != want {
		t.Errorf("Subject = %q, want %q", got, want)
	}
}

func TestEncodeRefuses(t *testing.T) {
	wishWith := func(edit func(*events.Exposure)) func(*events.Event) {
		return func(e *events.Event) {
			x := wish()
			edit(&x)
			e.Payload = events.Requested{Exposure: &x}.Seal()
		}
	}
	decided := func(edit func(*events.Decided)) func(*events.Event) {
		return func(e *events.Event) {
			d := samples()["approved"].Payload.(events.Decided)
			edit(&d)
			e.Payload = d
		}
	}
	for name, tt := range map[string]struct {
		want []string
		edit func(*events.Event)
	}{
		"no payload":        {[]string{"no payload"}, func(e *events.Event) { e.Payload = nil }},
		"no id":             {[]string{"id, source and changeid"}, func(e *events.Event) { e.ID = "" }},
		"no source":         {[]string{"id, source and changeid"}, func(e *events.Event) { e.Source = "" }},
		"no change":         {[]string{"id, source and changeid"}, func(e *events.Event) { e.Change = "" }},
		"no time":           {[]string{"time"}, func(e *events.Event) { e.Time = time.Time{} }},
		"time of no year":   {[]string{"years 1 to 9999"}, func(e *events.Event) { e.Time = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -3600)) }},
		"no cloud":          {[]string{"cloud"}, func(e *events.Event) { e.Cloud = "" }},
		"bad key":           {[]string{"key field kind"}, func(e *events.Event) { e.Key.Kind = "" }},
		"another's wish":    {[]string{"web.front", "other"}, func(e *events.Event) { e.Key.Name = "other" }},
		"another cloud":     {[]string{"cloud"}, func(e *events.Event) { e.Cloud = "other" }},
		"another's answer":  {[]string{"other"}, decided(func(d *events.Decided) { d.Exposure.Key.Cluster = "other" })},
		"unsealed wish":     {[]string{"digest", "seal"}, func(e *events.Event) { r := requested(); r.Digest = ""; e.Payload = r }},
		"changed wish":      {[]string{"digest", "seal"}, func(e *events.Event) { r := requested(); r.Exposure.Flavor = "x"; e.Payload = r }},
		"invalid wish":      {[]string{"uid"}, wishWith(func(x *events.Exposure) { x.UID = "" })},
		"no UTF-8":          {[]string{"JSON does not keep it"}, wishWith(func(x *events.Exposure) { x.Flavor = "\xff" })},
		"verdict":           {[]string{`verdict "maybe"`}, decided(func(d *events.Decided) { d.Verdict = "maybe" })},
		"denied, no reason": {[]string{"reason"}, decided(func(d *events.Decided) { d.Verdict = events.Denied })},
		"no wish":           {[]string{"wish"}, decided(func(d *events.Decided) { d.Wish = "" })},
		"invalid approval":  {[]string{"uid"}, decided(func(d *events.Decided) { d.Exposure.UID = "" })},
		"state":             {[]string{`state "done"`}, func(e *events.Event) { e.Payload = events.Outcome{State: "done", Decision: "d"} }},
		"failed, no reason": {[]string{"reason"}, func(e *events.Event) { e.Payload = events.Outcome{State: events.Failed, Decision: "d"} }},
		"no decision":       {[]string{"decision"}, func(e *events.Event) { e.Payload = events.Outcome{State: events.Applied} }},
		"drift of nothing":  {[]string{"steps"}, func(e *events.Event) { e.Payload = events.Drift{Decision: "d"} }},
		"rejected, no why":  {[]string{"reason"}, func(e *events.Event) { e.Payload = events.Rejected{} }},
	} {
		t.Run(name, func(t *testing.T) {
			e := samples()["requested"]
			tt.edit(&e)
			_, err := events.Encode(e)
			wantError(t, err, tt.want)
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	data := func(raw string) func(*cloudevents.Event) {
		return func(c *cloudevents.Event) { c.DataEncoded = []byte(raw) }
	}
	for name, tt := range map[string]struct {
		from string
		want []string
		edit func(*cloudevents.Event)
	}{
		"not a CloudEvent":   {"denied", []string{"specversion"}, func(c *cloudevents.Event) { *c = cloudevents.Event{} }},
		"unknown type":       {"denied", []string{`type "dev.drawbridge.exposure.paused.v1" is unknown`}, func(c *cloudevents.Event) { c.SetType("dev.drawbridge.exposure.paused.v1") }},
		"unknown version":    {"denied", []string{"is unknown"}, func(c *cloudevents.Event) { c.SetType("dev.drawbridge.exposure.denied.v2") }},
		"bare verb":          {"denied", []string{`the data says`}, func(c *cloudevents.Event) { c.SetType("denied") }},
		"another verb":       {"denied", []string{`the data says "dev.drawbridge.exposure.denied.v1"`}, func(c *cloudevents.Event) { c.SetType("dev.drawbridge.exposure.approved.v1") }},
		"withdrawn, a wish":  {"requested", []string{"the data says"}, func(c *cloudevents.Event) { c.SetType("dev.drawbridge.exposure.withdrawn.v1") }},
		"subject is no key":  {"denied", []string{"subject", "a/b"}, func(c *cloudevents.Event) { c.SetSubject("a/b") }},
		"no change":          {"denied", []string{"changeid"}, func(c *cloudevents.Event) { c.SetExtension("changeid", nil) }},
		"no cloud":           {"denied", []string{"cloud"}, func(c *cloudevents.Event) { c.SetExtension("cloud", nil) }},
		"no time":            {"denied", []string{"time"}, func(c *cloudevents.Event) { c.SetTime(time.Time{}) }},
		"no data":            {"denied", []string{"JSON"}, data("")},
		"data is no JSON":    {"denied", []string{"invalid character"}, data("<xml/>")},
		"data is a list":     {"denied", []string{"array"}, data("[]")},
		"a number as text":   {"applied", []string{"lease"}, data(`{"state":"applied","decision":"d","lease":"7"}`)},
		"another's exposure": {"requested", []string{"of blue/Ingress/shop/web.front", "other"}, func(c *cloudevents.Event) { c.SetSubject("blue/Ingress/shop/other") }},
		"wish was changed": {"requested", []string{"digest"}, func(c *cloudevents.Event) {
			c.DataEncoded = bytes.Replace(c.DataEncoded, []byte(`"port":53`), []byte(`"port":54`), 1)
		}},
		// A newer writer's wish is refused, not half understood.
		"unknown field in a wish": {"requested", []string{"digest"}, func(c *cloudevents.Event) { sealNewer(c, "exposure", "mirror") }},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := events.Encode(samples()[tt.from])
			if err != nil {
				t.Fatal(err)
			}
			tt.edit(&c)
			_, err = events.Decode(c)
			wantError(t, err, tt.want)
		})
	}
}

// sealNewer adds a field that this version does not know, and the digest that
// a writer who knows it computes.
func sealNewer(c *cloudevents.Event, object, field string) {
	var r map[string]any
	if err := json.Unmarshal(c.DataEncoded, &r); err != nil {
		panic(err)
	}
	r[object].(map[string]any)[field] = true
	r["digest"] = ""
	r["digest"] = events.Digest(r)
	c.DataEncoded, _ = json.Marshal(r)
}

func TestDecodePassesOverUnknownFieldsOfReports(t *testing.T) {
	for _, name := range []string{"applied", "failed", "removed", "drifted", "rejected"} {
		e := samples()[name]
		c, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		c.DataEncoded = append([]byte(`{"newer":{"a":[1]},`), c.DataEncoded[1:]...)
		c.SetExtension("newer", "x")
		got, err := events.Decode(c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// What a newer policy adds to a decision is decoded, and shows when the digest
// is computed again, as the executor does before it acts.
func TestUnknownFieldOfDecisionShowsInTheDigest(t *testing.T) {
	c, err := events.Encode(samples()["approved"])
	if err != nil {
		t.Fatal(err)
	}
	sealNewer(&c, "exposure", "mirror")
	e, err := events.Decode(c)
	if err != nil {
		t.Fatal(err)
	}
	if d := e.Payload.(events.Decided); d.Seal(e.Key).Digest == d.Digest {
		t.Error("a decision with a field that is unknown here passes as whole")
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		c, err := events.Encode(e)
		if err != nil {
			f.Fatal(err)
		}
		b, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{`{}`, `{"specversion":"1.0","id":"a","source":"b","type":"dev.drawbridge.exposure.rejected.v1","data":{"reason":"x"}}`, `{"specversion":"1.0","data_base64":"AA=="}`, `[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c cloudevents.Event
		if json.Unmarshal(b, &c) != nil {
			return
		}
		e, err := events.Decode(c)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("an error without a word")
			}
			return
		}
		again, err := events.Encode(e)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		back, err := events.Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, back); d != "" {
			t.Fatalf("decode, encode, decode:\n%s", d)
		}
	})
}
