// Package policy decides wishes: it evaluates each with OPA, against the fleet's
// inventory, and publishes a signed decision.
//
// Its table is its queue: a wish whose digest no decision names is undecided. A
// replica needs no lease, because a decision follows from the table alone, and
// of two replicas that publish one the bus takes the first. Where two replicas
// gave the same to two wishes at once, both see it in the table and take it
// from the younger wish.
//
// What decisions say is believed if policy signed them: with the service's own
// key, or that of a replica in trusted-keys. Over any other it decides again.
//
// The policy fails closed. A bundle that gives no usable answer denies the wish
// and leaves what stands as it is; a bundle that does not compile leaves the
// one before it in force, or, if there is none, denies every wish.
package policy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
)

// Run decides until ctx ends; it then finishes the decision under way and
// returns nil. report(nil) says that it decides with a good bundle,
// report(err) why it does not.
func Run(ctx context.Context, cfg Config, b *bus.Bus, log zerolog.Logger, reg prometheus.Registerer, report func(error)) error {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return err
	}
	signer, err := loadSigner(cfg.KeyFile, cfg.GenerateKey)
	if err != nil {
		return err
	}
	trust, err := trustIn(signer, cfg.TrustedKeys)
	if err != nil {
		return err
	}
	d := newDecider(cfg, busBoard{b}, log.With().Str("service", "policy").Logger(), signer, report)
	d.trust = trust
	d.metrics = newMetrics(reg, func() float64 { return float64(d.queue.len()) },
		func() float64 { return float64(d.table.inventory.size()) })
	d.health.set("table", errors.New("the table of wishes is not read yet"))
	d.log.Info().Str("public-key", signer.public).Msg("decisions are signed; executors must name this key in trusted-keys")

	l := d.reloader()
	l.load(ctx)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	synced := make(chan struct{})
	parts.Go(func() { l.watch(ctx) })
	parts.Go(func() {
		select {
		case <-ctx.Done():
		case <-synced:
			d.run(ctx)
		}
	})
	err = b.Watch(ctx, []string{events.Filter(events.StageRequested, "", ""), events.Filter(events.StageDecided, "", "")},
		bus.Watcher{Row: d.observe, Synced: func() {
			d.table.wakeOwed(d.engine.Load().ref)
			d.health.set("table", nil)
			close(synced)
		}})
	cancel()
	parts.Wait()
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	return nil
}

func newDecider(cfg Config, b board, log zerolog.Logger, s *signer, report func(error)) *decider {
	d := &decider{cfg: cfg, board: b, log: log, signer: s, queue: newQueue(), retry: backoff, now: time.Now,
		health: newHealth(report, "table", "bundle", "bus")}
	d.table = newTable(d.queue.add)
	d.engine.Store(brokenEngine(cfg))
	return d
}

// reloader puts bundles in force. Ready is who decides by a good bundle, be it
// the one before.
func (d *decider) reloader() *reloader {
	return &reloader{cfg: d.cfg, log: d.log, metrics: d.metrics,
		use: func(e *Engine) {
			d.engine.Store(e)
			d.table.wakeOwed(e.ref)
		},
		failed: func(err error) {
			if d.engine.Load().broken == nil {
				err = nil
			}
			d.health.set("bundle", err)
		}}
}

// backoff is how long a wish waits after so many failures in a row.
func backoff(failures int) time.Duration {
	const first, most = 200 * time.Millisecond, 5 * time.Minute
	return min(first<<min(failures-1, 20), most)
}
