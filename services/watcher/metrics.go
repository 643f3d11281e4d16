package watcher

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	published *prometheus.CounterVec
	failures  *prometheus.CounterVec
	duration  prometheus.Histogram
	nodes     prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, w *watcher) (metrics, error) {
	m := metrics{
		published: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "drawbridge_watcher_published_total", Help: "Events published, by CloudEvents type."}, []string{"type"}),
		failures:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "drawbridge_watcher_failures_total", Help: "Attempts that failed and are made again, by stage."}, []string{"stage"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "drawbridge_watcher_sync_seconds", Help: "Time to translate one object and publish what differs.",
			Buckets: []float64{.0001, .0005, .001, .005, .025, .1, .5, 2.5}}),
		nodes: prometheus.NewGauge(prometheus.GaugeOpts{Name: "drawbridge_watcher_nodes", Help: "Nodes that take traffic."}),
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.published, m.failures, m.duration, m.nodes,
		gauge("drawbridge_watcher_queue_depth", "Objects that wait to be compared with the table.", w.asked.Len),
		gauge("drawbridge_watcher_status_queue_depth", "Objects whose status waits to be written.", w.telling.Len),
		gauge("drawbridge_watcher_services", "Services held.", func() int { return len(w.source.Services.GetStore().ListKeys()) }),
		gauge("drawbridge_watcher_ingresses", "Ingresses held.", func() int { return len(w.source.Ingresses.GetStore().ListKeys()) }),
		gauge("drawbridge_watcher_gaps", "1 while something could not be read, so that nothing counts as deleted.", func() int {
			if w.source.Gaps() != nil {
				return 1
			}
			return 0
		}),
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
