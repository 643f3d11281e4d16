package executor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/internal/bus"
)

// begin lists what stands and waits until the table is whole.
func (t *term) begin(ctx context.Context, all *sync.WaitGroup) bool {
	synced := make(chan struct{})
	var unread []bus.Record
	live := false
	all.Go(func() {
		filters := []string{events.Filter(events.StageRequested, t.cfg.Cloud, ""), events.Filter(events.StageDecided, t.cfg.Cloud, ""),
			events.Filter(events.StageOutcome, t.cfg.Cloud, ""), events.Filter(events.StageDrift, t.cfg.Cloud, ""),
			events.Filter(events.StageRejected, t.cfg.Cloud, "")}
		err := t.bus.Watch(ctx, filters, bus.Watcher{
			Row: func(r bus.Record) {
				switch {
				case r.Err != nil && live:
					t.reject(ctx, r)
				case r.Err != nil:
					unread = append(unread, r)
				default:
					t.enqueue(r)
				}
			},
			Synced: func() {
				live = true
				for _, r := range unread {
					t.reject(ctx, r)
				}
				close(synced)
			},
		})
		if err != nil && ctx.Err() == nil {
			t.log.Error().Err(err).Msg("the table cannot be watched")
			t.report(fmt.Errorf("executor: %w", err))
		}
	})
	for wait := connectWait; ; wait = min(2*wait, connectWaitMax) {
		err := t.list(ctx)
		t.health(err)
		if err == nil {
			break
		}
		t.log.Error().Err(err).Dur("again", wait).Msg("what stands cannot be listed")
		if !pause(ctx, wait) {
			return false
		}
	}
	select {
	case <-synced:
	case <-ctx.Done():
		return false
	}
	t.locate()
	t.recall()
	return true
}

// enqueue puts a row into the table and queues the units that it belongs to.
func (t *term) enqueue(r bus.Record) {
	for _, u := range t.table.put(r) {
		t.queue.Add(u)
	}
}

// locate notes where parts of exposures stand, as the listing says it, and has what
// belongs elsewhere looked at.
func (t *term) locate() {
	for _, lb := range t.found {
		u, keys := t.located(lb.Tags)
		t.table.settleIn(u, keys...)
		t.queue.Add(u)
	}
	for id, tags := range t.guests {
		var texts []string
		for _, tag := range tags {
			if text, ok := strings.CutPrefix(tag, loadbalancer.KeyTag); ok {
				texts = append(texts, text)
			}
		}
		keys, _ := t.table.named(texts)
		for _, k := range keys {
			u := unit{key: k, given: id}
			t.table.settleIn(u, k)
			t.queue.Add(u)
		}
	}
	names := make([]string, 0, len(t.secrets))
	for _, s := range t.secrets {
		names = append(names, s.Name)
	}
	t.table.sealedIn(t.cfg.Fleet, names, t.blind)
}

// located is the unit that tags are of, and the exposures whose parts stand there.
func (t *term) located(tags []string) (unit, []events.Key) {
	u, texts := unit{}, []string{}
	for _, tag := range tags {
		if group, ok := strings.CutPrefix(tag, loadbalancer.GroupTag); ok {
			u.group = group
		}
		if text, ok := strings.CutPrefix(tag, loadbalancer.MemberTag); ok {
			texts = append(texts, text)
		}
	}
	if u.group == "" {
		texts = []string{strings.TrimPrefix(ownerTag(tags), loadbalancer.KeyTag)}
	}
	keys, _ := t.table.named(texts)
	if u.group == "" && len(keys) > 0 {
		u = own(keys[0])
	}
	return u, keys
}

// list reads what of the fleet stands, and where more can be placed.
func (t *term) list(ctx context.Context) error {
	if err := t.placement.load(ctx); err != nil {
		return err
	}
	found, err := t.client.Summaries(ctx, t.cfg.Fleet)
	if err != nil {
		return err
	}
	floating, err := t.client.AllFloatingIPs(ctx, t.cfg.Fleet)
	if err != nil {
		return err
	}
	if t.guests, err = t.client.Guests(ctx, t.cfg.Fleet); err != nil {
		return err
	}
	if t.secrets, err = t.client.AllSecrets(ctx, t.cfg.Fleet); err != nil {
		t.log.Warn().Err(err).Msg("the key manager does not say what it holds; it is asked for everything that had certificates, or may have had")
		t.blind = true
	}
	if t.cfg.ManageSecurityGroups {
		groups, err := t.client.SecurityGroups(ctx, t.cfg.Fleet)
		if err != nil {
			return err
		}
		for description := range groups {
			t.listed[description] = true
		}
	}
	for _, lb := range found {
		t.listed[ownerTag(lb.Tags)] = true
	}
	t.found = found
	for description := range floating {
		t.listed[description] = true
	}
	return nil
}

// recall finds in earlier outcomes that the cloud cannot create whole.
func (t *term) recall() {
	for _, r := range t.table.all(func(r row) bool { _, ok := r.answer(); return ok }) {
		o, _ := r.answer()
		for _, w := range o.Warnings {
			if w == warningStepwise {
				t.cannotWhole.Store(true)
			}
		}
	}
}

// ownerTag is the one of the tags that says whose it is.
func ownerTag(tags []string) string {
	i := slices.IndexFunc(tags, func(s string) bool {
		return strings.HasPrefix(s, loadbalancer.KeyTag) || strings.HasPrefix(s, loadbalancer.GroupTag)
	})
	if i < 0 {
		return ""
	}
	return tags[i]
}
