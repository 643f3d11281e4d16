package history

import (
	"encoding/json"
	"fmt"
	"time"

	"gopkg.in/yaml.v3"

	"drawbridge.dev/events"
)

// Undecodable is the verdict of a row of stage rejected that holds a message
// which is no event.
const Undecodable = "undecodable"

// Entry is one message of HISTORY, as it is appended.
type Entry struct {
	Sequence uint64
	Subject  string
	Event    events.Event
	Data     []byte // as it was published
	Err      error  // why it is no event; Event is zero then
}

// Event is one row of history.
type Event struct {
	Row         int64     `json:"row" yaml:"row"`           // place in history, in the order of HISTORY; grows
	Epoch       int64     `json:"epoch" yaml:"epoch"`       // which HISTORY stream: 1, and one more after the stream was replaced
	Sequence    uint64    `json:"sequence" yaml:"sequence"` // in that stream
	ID          string    `json:"id,omitempty" yaml:"id,omitempty"`
	Time        time.Time `json:"time" yaml:"time"`       // UTC; of an undecodable message: when it was appended
	Stage       string    `json:"stage" yaml:"stage"`     // as in the subject; rejected for what is undecodable
	Verdict     string    `json:"verdict" yaml:"verdict"` // last word of the event type: approved, failed, ...; or undecodable
	Cloud       string    `json:"cloud,omitempty" yaml:"cloud,omitempty"`
	Cluster     string    `json:"cluster,omitempty" yaml:"cluster,omitempty"`
	Kind        string    `json:"kind,omitempty" yaml:"kind,omitempty"`
	Namespace   string    `json:"namespace,omitempty" yaml:"namespace,omitempty"`
	Name        string    `json:"name,omitempty" yaml:"name,omitempty"`
	Change      string    `json:"change,omitempty" yaml:"change,omitempty"`
	Cause       string    `json:"cause,omitempty" yaml:"cause,omitempty"`
	Source      string    `json:"source,omitempty" yaml:"source,omitempty"`
	TraceParent string    `json:"traceParent,omitempty" yaml:"traceParent,omitempty"`
	Payload     Payload   `json:"payload,omitempty" yaml:"payload,omitempty"` // the event's data, fields of newer writers included

	Subject string `json:"subject,omitempty" yaml:"subject,omitempty"` // undecodable only
	Reason  string `json:"reason,omitempty" yaml:"reason,omitempty"`   // undecodable only
	Raw     string `json:"raw,omitempty" yaml:"raw,omitempty"`         // undecodable only: how the message begins, as text
}

// Key is the key of the event; the zero key where an undecodable message has none.
func (e Event) Key() events.Key {
	return events.Key{Cluster: e.Cluster, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name}
}

// Payload is the JSON of an event's data. It unmarshals into the payload types
// of package events, and is written as YAML as well.
type Payload []byte

// MarshalJSON writes the JSON as it is.
func (p Payload) MarshalJSON() ([]byte, error) { return json.RawMessage(p).MarshalJSON() }

// UnmarshalJSON keeps the JSON as it is.
func (p *Payload) UnmarshalJSON(b []byte) error {
	*p = append((*p)[:0], b...)
	return nil
}

// MarshalYAML gives the same values; integers stay integers.
func (p Payload) MarshalYAML() (any, error) {
	var canonical any
	if err := json.Unmarshal(p, &canonical); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	var v any // JSON is YAML, whose reader tells integers from floats
	if err := yaml.Unmarshal(p, &v); err != nil {
		return canonical, nil //nolint:nilerr // escapes of surrogates are JSON only
	}
	return v, nil
}

// Gap is a range of HISTORY that was not read before it was gone.
type Gap struct {
	Epoch  int64     `json:"epoch" yaml:"epoch"`
	First  uint64    `json:"first" yaml:"first"`                       // first sequence that is missing
	Last   uint64    `json:"last,omitempty" yaml:"last,omitempty"`     // last one; 0: nobody knows
	Missed uint64    `json:"missed,omitempty" yaml:"missed,omitempty"` // how many; 0: nobody knows
	Before int64     `json:"beforeRow" yaml:"beforeRow"`               // the row that follows the gap, once there is one
	Found  time.Time `json:"found" yaml:"found"`                       // UTC
	Reason string    `json:"reason" yaml:"reason"`
}

// Page is a part of history, the newest first.
type Page struct {
	Events []Event `json:"events" yaml:"events"`
	Gaps   []Gap   `json:"gaps,omitempty" yaml:"gaps,omitempty"` // inside the part of history that was looked through, whatever the filter
	Next   int64   `json:"next,omitempty" yaml:"next,omitempty"` // Filter.Before of the following page; 0: this is the last
}

// Change is one trip: every event that names it, each after its cause.
type Change struct {
	ID     string  `json:"id" yaml:"id"`
	Events []Event `json:"events" yaml:"events"`
	Gaps   []Gap   `json:"gaps,omitempty" yaml:"gaps,omitempty"` // since the trip began: what they hid may belong to it
}
