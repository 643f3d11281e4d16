package watcher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/watcher/translate"
)

// sync publishes what the table lacks of one key.
func (w *watcher) sync(ctx context.Context, k events.Key) error {
	if _, known := w.objects.slices(k); !known {
		w.asked.AddAfter(k, unknownFor)
		return nil
	}
	if w.source.Behind() { // what belongs together is looked at together
		w.asked.AddAfter(k, behindFor)
		return nil
	}
	began := time.Now()
	if err := w.secrets.load(ctx, slices.Sorted(maps.Values(w.objects.secrets(k, w.settings)))); err != nil {
		return err
	}
	r, there := w.objects.translate(k, w.settings)
	if !r.Again.IsZero() {
		w.asked.AddAfter(k, time.Until(r.Again))
	}
	if r.Wish != nil {
		if err := w.shelf.put(ctx, r.Cloud, *r.Wish); err != nil {
			return err
		}
	}
	places := w.table.of(k)
	publications := owed(r, places)
	if !there && len(publications) > 0 {
		if gaps := w.source.Gaps(); gaps != nil {
			w.log.Warn().Err(gaps).Str("change", "").Str("key", k.String()).Str("stage", string(events.StageRequested)).
				Msg("the object is not there, and not everything could be read: its load balancer stays until that is corrected")
			w.asked.AddAfter(k, withheldFor)
			return nil
		}
	}
	for _, p := range publications {
		err := w.publish(ctx, k, p)
		if errors.Is(err, bus.ErrTooLarge) && r.Wish != nil {
			w.log.Warn().Err(err).Str("change", "").Str("key", k.String()).Str("stage", string(events.StageRequested)).Msg("the wish is too large")
			return w.refuse(ctx, k, tooLarge(r), places)
		}
		if err != nil {
			return err
		}
	}
	w.metrics.duration.Observe(time.Since(began).Seconds())
	return nil
}

// elsewhere says why the cluster may not be the one whose wishes stand: several
// do, and it holds none of their objects. A kubeconfig or a folder of another
// cluster looks like this, and one that was restored empty.
func (w *watcher) elsewhere() error {
	if w.config.AllGone {
		return nil
	}
	wishes := 0
	for _, k := range w.table.keys() {
		r, there := w.objects.translate(k, w.settings)
		for _, p := range w.table.of(k) {
			if !p.wished() {
				continue
			}
			if wishes++; there && p.requested.uid == r.UID {
				return nil
			}
		}
	}
	if wishes < 2 {
		return nil
	}
	return fmt.Errorf("watcher: %d wishes of cluster %q stand, and it holds none of their objects: check that it is this cluster; if it was emptied or built anew, set watcher.all-gone and start again",
		wishes, w.config.Cluster)
}

// refuse publishes the problems of an object that has no wish.
func (w *watcher) refuse(ctx context.Context, k events.Key, r translate.Result, places map[string]place) error {
	for _, p := range rejection(r, places[r.Cloud]) {
		if err := w.publish(ctx, k, p); err != nil {
			return err
		}
	}
	return nil
}

// publish brings one event to the bus and into the table, so that the next look
// at the key knows of it before the bus says it back.
func (w *watcher) publish(ctx context.Context, k events.Key, p publication) error {
	e := events.New("/watcher/"+w.config.Cluster, p.cloud, k, p.payload, p.previous.name(), nil, time.Now())
	ack, err := w.bus.Publish(ctx, e, bus.ExpectLast(p.previous.sequence))
	if err != nil {
		return fmt.Errorf("publish %s of %s: %w", e.Type(), k, err)
	}
	w.table.put(bus.Record{Event: e, Subject: e.Subject(), Sequence: ack.Sequence})
	w.telling.Add(k)
	w.metrics.published.WithLabelValues(e.Type()).Inc()
	line := w.log.Info()
	message := "asks for exposure"
	switch v := p.payload.(type) {
	case events.Requested:
		if v.Exposure == nil {
			message = "is gone, or asks no more"
		}
	case events.Rejected:
		line = w.log.Warn().Str("problems", problems(v))
		message = v.Reason
	}
	line.Str("change", e.Change).Str("key", k.String()).Str("stage", string(p.payload.Stage())).Str("cloud", p.cloud).Bool("duplicate", ack.Duplicate).Msg(message)
	return nil
}
