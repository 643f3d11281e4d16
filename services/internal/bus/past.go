package bus

import (
	"context"
	"fmt"

	"drawbridge.dev/events"
)

// Past are the records of a key and stage that HISTORY still holds, the oldest
// first. It asks once for each, so it is for what is seldom needed.
func (b *Bus) Past(ctx context.Context, stage events.Stage, cloud string, k events.Key) ([]Record, error) {
	subject := events.Subject(stage, cloud, k)
	var out []Record
	for next := uint64(1); ; {
		m, found, err := b.leaderGet(ctx, HistoryStream, map[string]any{"seq": next, "next_by_subj": subject})
		if err != nil {
			return nil, fmt.Errorf("past of %s: %w", subject, err)
		}
		if !found {
			return out, nil
		}
		r, _, err := m.record(HistoryStream)
		if err != nil {
			return nil, fmt.Errorf("past of %s: %w", subject, err)
		}
		out, next = append(out, r), m.Sequence+1
	}
}
