package events

import (
	"errors"
	"fmt"
)

// Payload is the data of one event. The set is closed: [Requested], [Decided],
// [Outcome], [Drift], [Rejected].
type Payload interface {
	// Stage is the part of the trip that the payload reports.
	Stage() Stage
	// verb is the last word of the CloudEvents type.
	verb() string
	validate() error
}

// Requested is the newest wish of one object, or its absence.
type Requested struct {
	Exposure *Exposure `json:"exposure,omitempty"` // nil is a tombstone: remove what stands
	Object   Object    `json:"object"`
	Digest   string    `json:"digest"` // of Exposure and Object, see [Requested.Seal]
}

// Object is what a policy may want to know of the object that asks.
type Object struct {
	Labels          map[string]string `json:"labels,omitempty"`
	Annotations     map[string]string `json:"annotations,omitempty"` // of the prefixes that Drawbridge understands only
	NamespaceLabels map[string]string `json:"namespaceLabels,omitempty"`
}

// Verdict is a policy's answer to a wish.
type Verdict string

// Verdicts. Held waits for a person; it changes nothing that stands.
const (
	Approved Verdict = "approved"
	Denied   Verdict = "denied"
	Held     Verdict = "held"
)

// RulePolicyFailed stands in [Decided.Rules] where the policy itself gave no
// answer. Such a denial changes nothing that stands.
const RulePolicyFailed = "policy-failed"

// Decided is the answer to one wish. Exposure is what shall stand after it:
// the approved wish with the obligations applied; or, when the wish is denied or
// held, what was approved before and may stay untouched. A nil Exposure means
// that nothing may stand.
type Decided struct {
	Verdict     Verdict   `json:"verdict"`
	Wish        string    `json:"wish"` // digest of the wish that is answered
	Exposure    *Exposure `json:"exposure,omitempty"`
	Reasons     []string  `json:"reasons,omitempty"` // for the user; each names what to change
	Rules       []string  `json:"rules,omitempty"`   // of the bundle, that spoke
	Obligations []string  `json:"obligations,omitempty"`
	Policy      PolicyRef `json:"policy"`
	Digest      string    `json:"digest"` // of all of the above and the key, see [Decided.Seal]
	Signature   Signature `json:"signature"`
}

// PolicyRef names the bundle that decided.
type PolicyRef struct {
	Bundle   string `json:"bundle"`
	Revision string `json:"revision,omitempty"` // as the bundle's manifest says it
	Digest   string `json:"digest"`             // of the bundle's content
}

// Signature is an Ed25519 signature over the bytes of Decided.Digest.
type Signature struct {
	Key   string `json:"key"`   // public nkey of the signer
	Value string `json:"value"` // base64, standard alphabet
}

// OutcomeState says how a change ended.
type OutcomeState string

// Outcome states.
const (
	Applied OutcomeState = "applied" // the cloud is what was decided
	Failed  OutcomeState = "failed"  // it is not; Reason says why, Retry whether it is tried again
	Removed OutcomeState = "removed" // nothing stands
)

// Outcome is what the executor reached for one decision.
type Outcome struct {
	State        OutcomeState     `json:"state"`
	Decision     string           `json:"decision"` // digest of the decision that was carried out
	LoadBalancer *LoadBalancerRef `json:"loadBalancer,omitempty"`
	Addresses    []Address        `json:"addresses,omitempty"`
	Steps        []string         `json:"steps,omitempty"` // taken, in order
	Calls        Calls            `json:"calls"`
	Warnings     []string         `json:"warnings,omitempty"`
	Reason       string           `json:"reason,omitempty"` // failed: what happened and what to do
	Retry        bool             `json:"retry,omitempty"`
	Lease        uint64           `json:"lease"` // fencing token of the executor, grows with every takeover
}

// LoadBalancerRef names a load balancer in its cloud.
type LoadBalancerRef struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Provider string `json:"provider,omitempty"`
	Topology string `json:"topology,omitempty"` // SINGLE or ACTIVE_STANDBY; empty: unknown
}

// Address is one way to reach an exposure.
type Address struct {
	IP   string `json:"ip"`
	Type string `json:"type"` // "floating" or "vip"
}

// Calls counts the requests that a change cost at the cloud.
type Calls struct {
	Writes int `json:"writes"`
	Reads  int `json:"reads"` // without Polls
	Polls  int `json:"polls"` // status polls; one serves every change in flight and counts for each
}

// Drift is a difference between the cloud and the last applied decision that
// no change of ours explains. It is published before it is repaired.
type Drift struct {
	Decision     string           `json:"decision"` // digest of the decision that the cloud left
	LoadBalancer *LoadBalancerRef `json:"loadBalancer,omitempty"`
	Steps        []string         `json:"steps"`  // that lead back
	Repair       bool             `json:"repair"` // whether they are taken
}

// Rejected is input that could not be understood. What stands stays.
type Rejected struct {
	Reason   string    `json:"reason"`
	Problems []Problem `json:"problems,omitempty"`
	Digest   string    `json:"digest,omitempty"` // of the input, so that it is reported once
}

// Problem is one thing that is wrong with one field of an object.
type Problem struct {
	Field   string `json:"field"` // as a JSON path: spec.rules[0].host
	Message string `json:"message"`
}

// Stage implements [Payload].
func (Requested) Stage() Stage { return StageRequested }

// Stage implements [Payload].
func (Decided) Stage() Stage { return StageDecided }

// Stage implements [Payload].
func (Outcome) Stage() Stage { return StageOutcome }

// Stage implements [Payload].
func (Drift) Stage() Stage { return StageDrift }

// Stage implements [Payload].
func (Rejected) Stage() Stage { return StageRejected }

func (r Requested) verb() string {
	if r.Exposure == nil {
		return "withdrawn"
	}
	return "requested"
}
func (d Decided) verb() string { return string(d.Verdict) }
func (o Outcome) verb() string { return string(o.State) }
func (Drift) verb() string     { return "drifted" }
func (Rejected) verb() string  { return "rejected" }

func (r Requested) validate() error {
	if r.Digest != r.Seal().Digest {
		return errors.New("digest does not fit the wish: seal it before publishing")
	}
	if r.Exposure == nil {
		return nil
	}
	return r.Exposure.Validate()
}

func (d Decided) validate() error {
	switch d.Verdict {
	case Approved, Denied, Held:
	default:
		return fmt.Errorf("verdict %q is none of approved, denied, held", d.Verdict)
	}
	if d.Verdict != Approved && len(d.Reasons) == 0 {
		return fmt.Errorf("reasons: a wish is %s without a reason", d.Verdict)
	}
	if d.Wish == "" || d.Digest == "" {
		return errors.New("wish and digest must be set")
	}
	if d.Exposure == nil {
		return nil
	}
	return d.Exposure.Validate()
}

func (o Outcome) validate() error {
	switch o.State {
	case Applied, Removed:
	case Failed:
		if o.Reason == "" {
			return errors.New("reason: a failed outcome must say why")
		}
	default:
		return fmt.Errorf("state %q is none of applied, failed, removed", o.State)
	}
	if o.Decision == "" {
		return errors.New("decision is empty")
	}
	return nil
}

func (d Drift) validate() error {
	if d.Decision == "" || len(d.Steps) == 0 {
		return errors.New("decision and steps must be set")
	}
	return nil
}

func (r Rejected) validate() error {
	if r.Reason == "" {
		return errors.New("reason is empty")
	}
	return nil
}
