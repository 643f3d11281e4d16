// Package executor carries out decisions in one cloud: it makes what stands in
// Octavia and Neutron what was decided, and says how it went.
//
// The table is the queue: a decision whose digest no outcome names is owed.
// One executor per cloud is active, by a fenced lease; others stand by. Every
// try begins with a look at what stands, so that a crash at any point, a lost
// answer and a lost lease are all resumed by trying again.
package executor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"k8s.io/client-go/util/workqueue"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
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
