package executor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
)

// compose says what shall stand at the unit. An exposure of a group that cannot
// be served as it asks keeps what it has, and does not hold the others up.
func (t *term) compose(ctx context.Context, j *job) error {
	for {
		if j.crew.blocked != nil {
			return j.crew.blocked
		}
		j.desired = nil
		if len(j.crew.serving) == 0 {
			return nil
		}
		bad, err := t.composed(ctx, j)
		if err == nil && len(bad) == 0 {
			err = t.unsealable(j)
		}
		if err != nil || len(bad) == 0 {
			return err
		}
		if !j.exclude(bad) {
			var texts []string
			for _, k := range slices.SortedFunc(maps.Keys(bad), compareKeys) {
				texts = append(texts, bad[k]...)
			}
			return fmt.Errorf("%w: it cannot be served as it is asked for: %s", errRefused, strings.Join(texts, "; "))
		}
	}
}

// composed composes what serves the unit, and answers what of it cannot be served.
func (t *term) composed(ctx context.Context, j *job) (bad map[events.Key][]string, err error) {
	if j.place, err = t.placement.find(ctx, j.crew.serving); err != nil {
		return nil, err
	}
	if j.place.members != nil {
		return nil, j.place.members
	}
	desired, conflicts := compose.LoadBalancer(j.owner, j.crew.serving, j.place.Defaults)
	bad = map[events.Key][]string{}
	clear(j.warnings)
	for _, e := range j.crew.serving { // what stands does without it for as long as it is not there
		j.warnings[e.Key] = slices.Clone(j.place.asked)
	}
	for _, c := range conflicts {
		if text := c.Field + ": " + c.Message; c.Fatal {
			bad[c.Key] = append(bad[c.Key], text)
		} else {
			j.warnings[c.Key] = append(j.warnings[c.Key], text)
		}
	}
	for _, e := range j.crew.serving {
		if id := e.Placement.LoadBalancer; id != "" && j.unit.group != "" {
			bad[e.Key] = append(bad[e.Key], fmt.Sprintf("%s asks for load balancer %s, and drawbridge.dev/group for group %s, which has one of its own: leave one of them out", asker("placement.loadBalancer"), id, e.Group))
		}
	}
	desired.Tags = append(desired.Tags, memberTags(j.unit, j.crew.serving)...)
	j.desired = &desired
	return bad, nil
}

// memberTags say on a group's load balancer whose parts stand there.
func memberTags(u unit, serving []events.Exposure) (out []string) {
	if u.group == "" {
		return nil
	}
	for _, e := range serving {
		out = append(out, loadbalancer.MemberTag+loadbalancer.KeyText(e.Key))
	}
	return out
}

// exclude leaves out of a group those that cannot be served, as long as something is
// left to be done. It answers whether that is so.
func (j *job) exclude(bad map[events.Key][]string) bool {
	if j.unit.group == "" {
		return false
	}
	for k := range bad {
		if !slices.Contains(j.crew.moving, k) || j.crew.leaving[k] || k == j.key {
			return false
		}
	}
	for k, texts := range bad {
		j.crew.refused[k] = fmt.Errorf("%w: it cannot be served as it is asked for: %s", errRefused, strings.Join(texts, "; "))
		j.crew.moving = slices.DeleteFunc(j.crew.moving, func(m events.Key) bool { return m == k })
		j.crew.serving = slices.DeleteFunc(j.crew.serving, func(e events.Exposure) bool { return e.Key == k })
		j.crew.keep(j.unit, k, j.rows[k])
	}
	return true
}

// refresh composes anew when a wish or a decision of the unit has come, unless
// it is that of the exposure for whose sake the unit is touched.
func (t *term) refresh(ctx context.Context, j *job) error {
	if t.table.version(j.unit) == j.known.version {
		return nil
	}
	rows, known := t.table.view(j.unit)
	c := survey(j.unit, rows, j.known.alone)
	d, _ := rows[j.key].decision()
	if d.Digest != j.digest || j.purpose != carrying || !slices.Contains(c.moving, j.key) {
		return errSuperseded
	}
	for k, err := range j.crew.refused {
		c.refused[k] = err
	}
	j.rows, j.crew, j.known.version = rows, c, known.version
	for _, k := range j.crew.moving {
		t.table.change(k, func(w *row) { w.tried = true })
	}
	return t.compose(ctx, j)
}

// recollect finds in history what was applied last of those exposures of a group
// whose last decision is not what was applied last, where this process has not
// seen it itself.
func (t *term) recollect(ctx context.Context, u unit) {
	if u.group == "" {
		return
	}
	rows, known := t.table.view(u)
	if survey(u, rows, known.alone).blocked == nil {
		return
	}
	for k, r := range rows {
		if r.applied != nil || r.sought || !slices.Contains(r.at, u) {
			continue
		}
		part, err := t.appliedLast(ctx, k)
		if err != nil {
			t.log.Warn().Err(err).Str("key", k.String()).Msg("history does not say what was applied last")
			continue
		}
		t.table.change(k, func(w *row) {
			if w.sought = true; w.applied == nil {
				w.applied = part
			}
		})
	}
}

// appliedLast is the exposure of the last decision that was applied; nil: history
// has it no more.
func (t *term) appliedLast(ctx context.Context, k events.Key) (*events.Exposure, error) {
	outcomes, err := t.bus.Past(ctx, events.StageOutcome, t.cfg.Cloud, k)
	if err != nil {
		return nil, err
	}
	digest := ""
	for _, r := range outcomes {
		if o, ok := r.Event.Payload.(events.Outcome); ok && o.State != events.Failed {
			digest = o.Decision
		}
	}
	decisions, err := t.bus.Past(ctx, events.StageDecided, t.cfg.Cloud, k)
	if err != nil {
		return nil, err
	}
	for _, r := range decisions {
		if d, ok := r.Event.Payload.(events.Decided); ok && d.Digest == digest && verify(k, d, t.cfg.TrustedKeys) == nil {
			return d.Exposure, nil
		}
	}
	return nil, nil
}

// members takes from the tags of a group's load balancer whose parts stand there.
// It refuses to touch one that carries parts of exposures that history does not
// know: that nothing is heard of them is no proof that they are not wanted.
func (t *term) members(j *job, tags []string) error {
	if j.unit.group == "" {
		return nil
	}
	var texts []string
	for _, tag := range tags {
		if text, ok := strings.CutPrefix(tag, loadbalancer.MemberTag); ok {
			texts = append(texts, text)
		}
	}
	keys, unknown := t.table.named(texts)
	if len(unknown) > 0 {
		return fmt.Errorf("%w: load balancer of %s carries parts of %s, of which history knows nothing: it is left as it is until their watchers say what they wish, or that they are gone",
			errWaiting, j.unit, strings.Join(unknown, ", "))
	}
	for _, k := range keys {
		if !slices.Contains(j.rows[k].at, j.unit) {
			t.table.settleIn(j.unit, k)
			if _, ok := j.rows[k]; !ok || !slices.ContainsFunc(j.crew.serving, func(e events.Exposure) bool { return e.Key == k }) {
				return errSuperseded // it is to be thought of
			}
		}
	}
	return nil
}
