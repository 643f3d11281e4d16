package executor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"k8s.io/client-go/util/workqueue"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/bus"
)

const (
	connectWait    = time.Second
	connectWaitMax = 30 * time.Second

	// workersPerPlace leaves workers for others while some wait, without a place,
	// for load balancers that do not settle.
	workersPerPlace = 5
)

// Run is the executor of one cloud until ctx ends. It returns when what was
// sent to the cloud is answered.
func Run(ctx context.Context, cfg Config, b *bus.Bus, log zerolog.Logger, reg prometheus.Registerer, report func(error)) error {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return err
	}
	x := &executor{cfg: cfg, bus: b, log: log.With().Str("service", "executor").Str("cloud", cfg.Cloud).Logger(),
		metrics: newMetrics(reg, cfg.Cloud), report: report, cannotWhole: new(atomic.Bool)}
	if err := x.unseal(); err != nil {
		return err
	}
	report(fmt.Errorf("executor: connecting to cloud %s", cfg.Cloud))
	for wait := connectWait; x.client == nil; wait = min(2*wait, connectWaitMax) {
		client, err := octavia.Connect(ctx, cfg.octavia())
		if err == nil {
			x.client = client
			x.client.Materials = x.material
			break
		}
		x.log.Error().Err(err).Dur("again", wait).Msg("the cloud cannot be used")
		report(fmt.Errorf("executor: %w", err))
		if !pause(ctx, wait) {
			return nil
		}
	}
	for ctx.Err() == nil {
		report(nil) // a standby is as ready as it can be
		lease, err := b.Acquire(ctx, "executor."+cfg.Cloud, cfg.Holder, cfg.LeaseTTL)
		if err != nil {
			if ctx.Err() == nil {
				report(fmt.Errorf("executor: %w", err))
				pause(ctx, connectWait)
			}
			continue
		}
		x.term(ctx, lease)
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.LeaseTTL)
		if err := lease.Release(release); err != nil {
			x.log.Warn().Err(err).Msg("lease is not released")
		}
		cancel()
	}
	return nil
}

// pause waits, and answers whether it did so to the end.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// executor is what outlives a lease.
type executor struct {
	cfg         Config
	bus         *bus.Bus
	log         zerolog.Logger
	metrics     *metrics
	report      func(error)
	client      *octavia.Client
	seed        []byte // that certificates are opened with; nil: none
	cannotWhole *atomic.Bool
}

// term is the time of one lease.
type term struct {
	*executor
	lease     *bus.Lease
	table     *table
	queue     workqueue.TypedDelayingInterface[unit]
	limit     *limit
	settler   *settler
	placement *placement
	found     []plan.LoadBalancer // that stood when the term began
	guests    map[string][]string // tags of listeners on load balancers that others made, by its id
	secrets   []plan.Secret       // of the fleet
	blind     bool                // and they are not known
	listed    map[string]bool     // the owners' tags and descriptions that stood then
	unhealthy atomic.Bool
}

// term works until ctx ends or the lease is lost.
func (x *executor) term(ctx context.Context, lease *bus.Lease) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &term{executor: x, lease: lease, table: newTable(func(k events.Key, d events.Decided) error { return verify(k, d, x.cfg.TrustedKeys) }), limit: newLimit(x.cfg.MaxParallel, x.metrics),
		placement: &placement{cfg: x.cfg, client: x.client, minor: x.client.APIMinor()}, listed: map[string]bool{}}
	t.queue = newQueue(t.table.owed)
	t.settler = &settler{min: x.cfg.PollMin, max: x.cfg.PollMax, log: x.log, waiting: map[string]*waiter{}, wake: make(chan struct{}, 1),
		poll:   func(ctx context.Context) ([]plan.LoadBalancer, error) { return x.client.Statuses(ctx, x.cfg.Fleet) },
		polled: func() { x.metrics.calls.WithLabelValues("poll").Inc() }}
	x.metrics.leader.Set(1)
	defer x.metrics.leader.Set(0)
	x.log.Info().Uint64("lease", lease.Token()).Msg("active")
	var all sync.WaitGroup
	all.Go(func() {
		select {
		case <-lease.Lost():
			x.log.Error().Msg("the lease is lost; nothing is written any more")
		case <-ctx.Done():
		}
		cancel()
		t.queue.ShutDown()
	})
	if t.begin(ctx, &all) {
		all.Go(func() { t.settler.run(ctx) })
		all.Go(func() { t.watchDrift(ctx) })
		for range workersPerPlace * x.cfg.MaxParallel {
			all.Go(func() { t.work(ctx) })
		}
	}
	all.Wait()
}

// health reports whether the cloud answers.
func (t *term) health(err error) {
	broken := err != nil && octavia.Unreachable(err)
	if broken {
		t.unhealthy.Store(true)
		t.report(fmt.Errorf("executor: %w", err))
	} else if t.unhealthy.Swap(false) {
		t.report(nil)
	}
}
