package watcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/watcher/source"
	"drawbridge.dev/services/watcher/translate"
)

const (
	retryFirst  = 50 * time.Millisecond // back-off of one object that cannot be published or told
	retryLast   = 30 * time.Second
	behindFor   = 10 * time.Millisecond  // until a source is asked again whether all of a change was heard
	unknownFor  = 200 * time.Millisecond // until it is asked again whether the EndpointSlices are known
	withheldFor = 2 * time.Second        // after which a withheld tombstone is looked at again
	readyEvery  = 2 * time.Second
	gracePeriod = 5 * time.Second // for what is under way when Run ends
)

// watcher is one run.
type watcher struct {
	config   Config
	settings translate.Settings
	bus      *bus.Bus
	log      zerolog.Logger
	metrics  metrics
	source   *source.Source
	objects  objects
	table    *table
	secrets  *certificates
	shelf    *shelf

	nodes   atomic.Pointer[[]translate.Node] // that take traffic, as the last window saw them
	looking sync.Mutex                       // at the nodes: one look after the other
	window  *window
	asked   queue // keys whose wish must be compared with the table
	telling queue // keys whose status must be written
}

type queue = workqueue.TypedRateLimitingInterface[events.Key]

func newQueue() queue {
	return workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[events.Key](retryFirst, retryLast))
}

// Run watches one cluster until ctx ends, and returns when everything under way
// has ended. report is told nil when the watcher works, else why it does not.
// Run fails at once for a configuration that cannot work, and if the bus is closed.
func Run(ctx context.Context, cfg Config, b *bus.Bus, log zerolog.Logger, reg prometheus.Registerer, report func(error)) error {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return err
	}
	log = log.With().Str("service", "watcher").Str("cluster", cfg.Cluster).Logger()
	src, err := cfg.open(log)
	if err != nil {
		return fmt.Errorf("watcher: %w", err)
	}
	w, err := newWatcher(cfg, src, b, log, reg)
	if err != nil {
		return err
	}
	return w.run(ctx, report)
}

func newWatcher(cfg Config, src *source.Source, b *bus.Bus, log zerolog.Logger, reg prometheus.Registerer) (*watcher, error) {
	w := &watcher{config: cfg, settings: cfg.settings(), bus: b, log: log, source: src, table: newTable(), asked: newQueue(), telling: newQueue()}
	w.nodes.Store(&[]translate.Node{})
	w.objects = informed(src, func() []translate.Node { return *w.nodes.Load() })
	w.secrets = &certificates{version: src.SecretVersion, fetch: src.Secret, keys: cfg.SealKeys, held: map[string]held{}}
	w.objects.pairs, w.objects.standing = w.secrets.pairs, w.table.standing
	w.shelf = newShelf(b, cfg.Cluster, w.secrets.sealed, log)
	w.window = newWindow(cfg.NodeWindow, w.takeNodes)
	var err error
	if w.metrics, err = newMetrics(reg, w); err != nil {
		return nil, fmt.Errorf("watcher: metrics: %w", err)
	}
	if err := w.handle(); err != nil {
		return nil, fmt.Errorf("watcher: %w", err)
	}
	return w, nil
}

// run works until ctx ends or the bus is closed.
func (w *watcher) run(ctx context.Context, report func(error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tableSynced := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { w.source.Run(ctx, w.log) })
	wg.Go(func() {
		err := w.bus.Watch(ctx, []string{events.Filter("", "", w.config.Cluster)}, bus.Watcher{Row: w.row, Synced: func() { close(tableSynced) }})
		if err != nil {
			cancel(fmt.Errorf("watcher: %w", err))
		}
	})
	wg.Go(func() { w.work(ctx, tableSynced, report) })
	<-ctx.Done()
	w.window.stop()
	w.asked.ShutDown()
	w.telling.ShutDown()
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// work begins when both what the cluster holds and what was published are
// known: until then nothing that is missing means anything.
func (w *watcher) work(ctx context.Context, tableSynced <-chan struct{}, report func(error)) {
	if !w.awaitSync(ctx, tableSynced, report) {
		return
	}
	w.table.begin()
	w.takeNodes()
	if !w.awaitHome(ctx, report) {
		return
	}
	w.everything()
	w.log.Info().Int("keys", w.asked.Len()).Msg("cluster and table are known: comparing")
	// What is under way when ctx ends is finished: a wish that is half published
	// would be published once more.
	late, stop := lateContext(ctx, gracePeriod)
	defer stop()
	var wg sync.WaitGroup
	for range w.config.Workers {
		wg.Go(func() { w.drain(ctx, late, w.asked, "requested", w.sync) })
	}
	wg.Go(func() { w.drain(ctx, late, w.telling, "status", w.tell) })
	wg.Go(func() { w.readiness(ctx, report) })
	if len(w.config.SealKeys) > 0 {
		wg.Go(func() { w.tidy(ctx) })
	}
	wg.Wait()
}

// lateContext ends a while after ctx.
func lateContext(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() { time.AfterFunc(after, cancel) })
	return late, func() { unhook(); cancel() }
}

func (w *watcher) awaitSync(ctx context.Context, tableSynced <-chan struct{}, report func(error)) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	said := ""
	say := func(err error) {
		if err.Error() != said {
			said = err.Error()
			report(err)
		}
	}
	for tabled := false; !tabled || !w.source.Synced(); {
		if tabled {
			say(fmt.Errorf("watcher: the cluster is not read yet: %w", errors.Join(errors.New("waiting for its objects"), cmp.Or(w.source.Err(), w.source.Gaps()))))
		} else {
			say(errors.New("watcher: the table of published wishes is not read yet: check the NATS server"))
		}
		synced := tableSynced
		if tabled {
			synced = nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-synced:
			tabled = true
		case <-tick.C:
		}
	}
	return true
}

// awaitHome waits while the cluster seems to be another one.
func (w *watcher) awaitHome(ctx context.Context, report func(error)) bool {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for said := false; ; said = true {
		err := w.elsewhere()
		if err == nil {
			return true
		}
		if !said {
			w.log.Error().Err(err).Msg("nothing is asked for and nothing withdrawn")
		}
		report(err)
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// readiness reports until ctx ends: whether the bus answers, and the cluster.
// What the cluster's objects are like has no part in it.
func (w *watcher) readiness(ctx context.Context, report func(error)) {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		report(errors.Join(w.bus.Ready(), w.deaf()))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// deaf says why changes of the cluster are not heard.
func (w *watcher) deaf() error {
	if err := w.source.Err(); err != nil {
		return fmt.Errorf("watcher: the cluster is not heard: %w", err)
	}
	return nil
}

// drain handles keys until the queue is shut down. What fails comes again, later
// each time. What has not begun when ctx ends is left to the next start; what
// has may go on until late ends.
func (w *watcher) drain(ctx, late context.Context, q queue, stage string, handle func(context.Context, events.Key) error) {
	for {
		k, shutdown := q.Get()
		if shutdown {
			return
		}
		if ctx.Err() != nil {
			q.Done(k)
			continue
		}
		if err := handle(late, k); err != nil {
			w.metrics.failures.WithLabelValues(stage).Inc()
			log := w.log.Warn()
			if errors.Is(err, bus.ErrConflict) { // the row that was missed is on its way
				log = w.log.Debug()
			}
			log.Err(err).Str("change", "").Str("key", k.String()).Str("stage", stage).Int("attempt", q.NumRequeues(k)+1).Msg("trying again")
			q.AddRateLimited(k)
		} else {
			q.Forget(k)
		}
		q.Done(k)
	}
}

// everything compares every object and every wish.
func (w *watcher) everything() {
	for _, k := range w.keys() {
		w.asked.Add(k)
	}
	for _, k := range w.table.keys() {
		w.asked.Add(k)
		w.telling.Add(k)
	}
}

// row takes a row of the table over.
func (w *watcher) row(r bus.Record) {
	k, newer := w.table.put(r)
	if !newer || k.Cluster != w.config.Cluster {
		return
	}
	if r.Err != nil {
		w.log.Warn().Err(r.Err).Str("change", "").Str("key", k.String()).Str("stage", "table").Msg("a row cannot be read")
	}
	w.telling.Add(k)
	if len(w.table.of(k)) > 1 { // a move may have arrived
		w.asked.Add(k)
	}
}

// takeNodes looks which nodes take traffic. If they are others than before,
// every object is translated anew.
func (w *watcher) takeNodes() {
	w.looking.Lock()
	defer w.looking.Unlock()
	nodes := translate.Nodes(list[corev1.Node](w.source.Nodes.GetStore()))
	if old := w.nodes.Swap(&nodes); slices.EqualFunc(*old, nodes, translate.Node.Equal) {
		return
	}
	w.metrics.nodes.Set(float64(len(nodes)))
	if len(nodes) == 0 {
		w.log.Warn().Msg("no node takes traffic: exposures stand, with nobody behind them")
	}
	for _, k := range w.keys() {
		w.asked.Add(k)
	}
}
