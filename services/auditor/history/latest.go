package history

import (
	"context"
	"math"

	"drawbridge.dev/events"
)

// Exposure is the last event of every stage of one exposure in one cloud; nil
// where there is none. What a later stage says of an earlier wish stands there
// until it is said anew: whether it answers the newest one, its cause tells.
type Exposure struct {
	Cloud     string `json:"cloud" yaml:"cloud"`
	Cluster   string `json:"cluster" yaml:"cluster"`
	Kind      string `json:"kind" yaml:"kind"`
	Namespace string `json:"namespace" yaml:"namespace"`
	Name      string `json:"name" yaml:"name"`

	Requested *Event `json:"requested,omitempty" yaml:"requested,omitempty"`
	Decided   *Event `json:"decided,omitempty" yaml:"decided,omitempty"`
	Outcome   *Event `json:"outcome,omitempty" yaml:"outcome,omitempty"`
	Drift     *Event `json:"drift,omitempty" yaml:"drift,omitempty"`
	Rejected  *Event `json:"rejected,omitempty" yaml:"rejected,omitempty"`
}

// Key is the key of the exposure.
func (x Exposure) Key() events.Key {
	return events.Key{Cluster: x.Cluster, Kind: x.Kind, Namespace: x.Namespace, Name: x.Name}
}

// Exposures is every exposure that history knows, in the order of cloud and key.
func (s *Store) Exposures(ctx context.Context) ([]Exposure, error) {
	list, _, err := s.list(ctx, math.MaxInt, "WHERE row IN (SELECT row FROM latest) ORDER BY cloud, cluster, namespace, name, kind")
	if err != nil {
		return nil, s.wrap("list exposures", err)
	}
	out := []Exposure{}
	for i := range list {
		e := &list[i]
		if n := len(out); n == 0 || out[n-1].Cloud != e.Cloud || out[n-1].Key() != e.Key() {
			out = append(out, Exposure{Cloud: e.Cloud, Cluster: e.Cluster, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name})
		}
		x := &out[len(out)-1]
		switch events.Stage(e.Stage) {
		case events.StageRequested:
			x.Requested = e
		case events.StageDecided:
			x.Decided = e
		case events.StageOutcome:
			x.Outcome = e
		case events.StageDrift:
			x.Drift = e
		case events.StageRejected:
			x.Rejected = e
		}
	}
	return out, nil
}
