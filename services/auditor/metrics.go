package auditor

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the auditor.
type metrics struct {
	kept                                         *prometheus.CounterVec
	undecodable, repeats, gaps, missed, failures prometheus.Counter
	sequence, behind                             prometheus.Gauge
	append                                       prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	const prefix = "drawbridge_auditor_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
	}
	m := &metrics{
		kept: prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "events_total",
			Help: "Messages kept in history, by stage; undecodable ones are rejected."}, []string{"stage"}),
		undecodable: counter("undecodable_total", "Messages kept that are no events."),
		repeats:     counter("repeats_total", "Events kept that were published before."),
		gaps:        counter("gaps_total", "Ranges of HISTORY that were gone before they were read."),
		missed:      counter("missed_events_total", "Events in those ranges, where their number is known."),
		failures:    counter("failures_total", "Batches that could not be kept, and are tried again."),
		sequence:    gauge("sequence", "Sequence in HISTORY up to which history has come."),
		behind:      gauge("behind_events", "Events of HISTORY that are not in history yet."),
		append: prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + "append_seconds",
			Help: "Time to keep one batch on disk.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
	}
	reg.MustRegister(m.kept, m.undecodable, m.repeats, m.gaps, m.missed, m.failures, m.sequence, m.behind, m.append)
	return m
}
