// Package events is the contract of Drawbridge: the exposure model, what
// happens to an exposure, and how both travel as CloudEvents.
//
// Events carry state, not deltas. The last event of a key and stage is the
// truth of that key and stage; losing or repeating an earlier one changes nothing.
package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
)

//go:generate go run ./internal/contract

// TypePrefix begins the CloudEvents type of every event: dev.drawbridge.exposure.<verb>.v1.
const TypePrefix = "dev.drawbridge.exposure."

const (
	typeVersion = ".v1"

	extChange      = "changeid"
	extCause       = "causeid"
	extCloud       = "cloud"
	extTraceParent = "traceparent"
)

// Event is one event with its envelope.
type Event struct {
	ID          string    // deterministic, see [New]
	Source      string    // URI reference of the service that says it: /policy, /watcher/<cluster>
	Time        time.Time // UTC
	Cloud       string
	Key         Key
	Change      string // id of the requested event that began the trip
	Cause       string // id of the direct cause; empty for a requested event
	TraceParent string // W3C trace context
	Payload     Payload
}

// New builds the event that follows previous, the id of the last event of the
// same key and stage (empty: none). The id is a function of all arguments but
// the time: who publishes the same again after a crash publishes the same id,
// and a wish that returns to an earlier state has another one. cause is nil
// for a requested event, which begins a change, and for a rejected one.
func New(source, cloud string, k Key, p Payload, previous string, cause *Event, now time.Time) Event {
	e := Event{Source: source, Cloud: cloud, Key: k, Payload: p, Time: now.UTC()}
	if cause != nil {
		e.Change, e.Cause, e.TraceParent = cause.Change, cause.ID, cause.TraceParent
	}
	e.ID = strings.TrimPrefix(Digest(struct {
		Stage                         Stage
		Cloud, Key, Previous, CauseID string
		Payload                       Payload
	}{p.Stage(), cloud, k.String(), previous, e.Cause, p}), "sha256:")[:32]
	if e.Change == "" {
		e.Change = e.ID
	}
	return e
}

// Type is the CloudEvents type.
func (e Event) Type() string { return TypePrefix + e.Payload.verb() + typeVersion }

// Subject is the NATS subject that the event travels on.
func (e Event) Subject() string { return Subject(e.Payload.Stage(), e.Cloud, e.Key) }

// Encode turns the event into a CloudEvent. It fails for an event that Decode would refuse.
func Encode(e Event) (cloudevents.Event, error) {
	c := cloudevents.NewEvent()
	if e.Payload == nil {
		return c, errors.New("encode event: it has no payload")
	}
	if err := e.validate(); err != nil {
		return c, fmt.Errorf("encode event of %s: %w", e.Key, err)
	}
	c.SetID(e.ID)
	c.SetSource(e.Source)
	c.SetType(e.Type())
	c.SetSubject(e.Key.String())
	c.SetTime(e.Time)
	c.SetExtension(extChange, e.Change)
	c.SetExtension(extCloud, e.Cloud)
	if e.Cause != "" {
		c.SetExtension(extCause, e.Cause)
	}
	if e.TraceParent != "" {
		c.SetExtension(extTraceParent, e.TraceParent)
	}
	if err := c.SetData(cloudevents.ApplicationJSON, e.Payload); err != nil {
		return c, fmt.Errorf("encode event of %s: %w", e.Key, err)
	}
	if _, err := Decode(c); err != nil {
		return c, fmt.Errorf("encode event of %s: JSON does not keep it: %w", e.Key, err)
	}
	return c, nil
}

// Decode reads a CloudEvent. An unknown type is an error.
//
// JSON fields that this version does not know are passed over in outcomes,
// drifts and rejections, which only report. A wish is sealed by whoever
// wrote it: a field that is unknown here is missing when the digest is
// computed again, so the wish is refused rather than half understood. The
// same holds for a decision, where the one who acts on it computes
// [Decided.Seal] and compares, since that is where the signature is verified.
func Decode(c cloudevents.Event) (Event, error) {
	fail := func(err error) (Event, error) { return Event{}, fmt.Errorf("decode event %q: %w", c.ID(), err) }
	if err := c.Validate(); err != nil {
		return fail(err)
	}
	k, err := ParseKey(c.Subject())
	if err != nil {
		return fail(fmt.Errorf("subject: %w", err))
	}
	text := func(name string) string { s, _ := c.Extensions()[name].(string); return s }
	e := Event{ID: c.ID(), Source: c.Source(), Time: c.Time(), Key: k, Cloud: text(extCloud),
		Change: text(extChange), Cause: text(extCause), TraceParent: text(extTraceParent)}
	e.Payload, err = decodePayload(c.Type(), c.Data())
	if err != nil {
		return fail(err)
	}
	if err := e.validate(); err != nil {
		return fail(err)
	}
	return e, nil
}

func decodePayload(typ string, data []byte) (Payload, error) {
	verb := strings.TrimSuffix(strings.TrimPrefix(typ, TypePrefix), typeVersion)
	var p Payload
	var err error
	switch verb {
	case "requested", "withdrawn":
		p, err = unmarshal[Requested](data)
	case string(Approved), string(Denied), string(Held):
		p, err = unmarshal[Decided](data)
	case string(Applied), string(Failed), string(Removed):
		p, err = unmarshal[Outcome](data)
	case "drifted":
		p, err = unmarshal[Drift](data)
	case "rejected":
		p, err = unmarshal[Rejected](data)
	default:
		return nil, fmt.Errorf("type %q is unknown", typ)
	}
	if err != nil {
		return nil, fmt.Errorf("data of type %q: %w", typ, err)
	}
	if want := TypePrefix + p.verb() + typeVersion; typ != want {
		return nil, fmt.Errorf("type %q: the data says %q", typ, want)
	}
	return p, nil
}

func unmarshal[T Payload](data []byte) (Payload, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	return v, nil
}

func (e Event) validate() error {
	switch {
	case e.ID == "" || e.Source == "" || e.Change == "":
		return errors.New("id, source and changeid must be set")
	case e.Time.IsZero():
		return errors.New("time is not set")
	case e.Time.UTC().Year() < 1 || e.Time.UTC().Year() > 9999: // what a time zone makes of the first and last day
		return fmt.Errorf("time %s is not in the years 1 to 9999 of UTC", e.Time)
	}
	if err := e.Key.Validate(); err != nil {
		return err
	}
	if err := validToken(e.Cloud); err != nil {
		return fmt.Errorf("cloud %w", err)
	}
	if err := e.Payload.validate(); err != nil {
		return err
	}
	if x := exposureOf(e.Payload); x != nil && (x.Key != e.Key || x.Cloud != e.Cloud) {
		return fmt.Errorf("the exposure is of %s in cloud %q, the event of %s in cloud %q", x.Key, x.Cloud, e.Key, e.Cloud)
	}
	return nil
}

// exposureOf is nil for a payload that carries none.
func exposureOf(p Payload) *Exposure {
	switch v := p.(type) {
	case Requested:
		return v.Exposure
	case Decided:
		return v.Exposure
	}
	return nil
}
