package history

import (
	"context"
	"math"

	"drawbridge.dev/events"
)

// Exposure is the last event of every stage of one exposure in one cloud; nil
// where there is none. A later stage counts only if it answers the earlier one.
type Exposure struct {
	Cloud     string `json:"cloud"`
	Cluster   string `json:"cluster"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`

	Requested *Event `json:"requested,omitempty"`
	Decided   *Event `json:"decided,omitempty"`
	Outcome   *Event `json:"outcome,omitempty"`
	Drift     *Event `json:"drift,omitempty"`
	Rejected  *Event `json:"rejected,omitempty"`
}

// Key is the key of the exposure.
func (x Exposure) Key() events.Key {
	return events.Key{Cluster: x.Cluster, Kind: x.Kind, Namespace: x.Namespace, Name: x.Name}
}

// Exposures is every exposure that history knows, in the order of cloud and key.
func (s *Store) Exposures(ctx context.Context) ([]Exposure, error) {
	list, _, err := s.list(ctx, math.MaxInt, `WHERE row IN (SELECT MAX(row) FROM event
		WHERE repeats IS NULL AND verdict <> ? AND name <> '' GROUP BY cloud, cluster, kind, namespace, name, stage)
		ORDER BY cloud, cluster, namespace, name, kind`, Undecodable)
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
