package policy

import (
	"github.com/prometheus/client_golang/prometheus"

	"drawbridge.dev/events"
)

// metrics of the policy service.
type metrics struct {
	decisions  *prometheus.CounterVec
	evaluation prometheus.Histogram
	failures   prometheus.Counter
	conflicts  prometheus.Counter
	rejected   prometheus.Counter
	distrusted prometheus.Counter
	loads      *prometheus.CounterVec
	bundle     *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer, queued, held func() float64) *metrics {
	const prefix = "drawbridge_policy_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	gauge := func(name, help string, f func() float64) prometheus.GaugeFunc {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, f)
	}
	m := &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "decisions_total",
			Help: "Decisions published, by verdict."}, []string{"verdict"}),
		evaluation: prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + "decision_seconds",
			Help: "Time to decide one wish, without publishing.", Buckets: prometheus.ExponentialBuckets(50e-6, 2, 16)}),
		failures:   counter("failures_total", "Decisions that are denials because the policy gave no usable answer."),
		conflicts:  counter("conflicts_total", "Decisions that another replica published first."),
		rejected:   counter("rejected_total", "Requested records that could not be read."),
		distrusted: counter("distrusted_total", "Decisions on the bus that cannot be read or that nobody trusted signed; the wishes are decided again."),
		loads: prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "bundle_loads_total",
			Help: "Bundles read because something changed, by result (ok, failed)."}, []string{"result"}),
		bundle: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + "bundle_info",
			Help: "The bundle in force."}, []string{"bundle", "revision", "digest"}),
	}
	reg.MustRegister(m.decisions, m.evaluation, m.failures, m.conflicts, m.rejected, m.distrusted, m.loads, m.bundle,
		gauge("queue_depth", "Wishes that wait to be decided.", queued),
		gauge("standing_exposures", "Exposures that may stand.", held))
	return m
}

func (m *metrics) inForce(p events.PolicyRef) {
	m.bundle.Reset()
	m.bundle.WithLabelValues(p.Bundle, p.Revision, p.Digest).Set(1)
}
