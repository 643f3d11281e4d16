package executor

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	steps    *prometheus.CounterVec // kind, result
	outcomes *prometheus.CounterVec // state
	calls    *prometheus.CounterVec // kind
	seconds  prometheus.Histogram
	inFlight prometheus.Gauge
	limit    prometheus.Gauge
	leader   prometheus.Gauge
	drifted  prometheus.Counter
	orphans  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, cloud string) *metrics {
	labels := prometheus.Labels{"cloud": cloud}
	name := func(n, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "drawbridge", Subsystem: "executor", Name: n, Help: help, ConstLabels: labels}
	}
	gauge := func(n, help string) prometheus.Gauge { return prometheus.NewGauge(prometheus.GaugeOpts(name(n, help))) }
	m := &metrics{
		steps:    prometheus.NewCounterVec(prometheus.CounterOpts(name("steps_total", "Steps sent to the cloud.")), []string{"kind", "result"}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts(name("outcomes_total", "Outcomes published.")), []string{"state"}),
		calls:    prometheus.NewCounterVec(prometheus.CounterOpts(name("calls_total", "Requests to Octavia and Neutron of finished changes, and status polls, which serve all changes at once.")), []string{"kind"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "drawbridge", Subsystem: "executor", Name: "change_seconds",
			Help: "From the first look at a decision to its outcome.", ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(0.05, 2, 15)}),
		inFlight: gauge("in_flight", "Load balancers that are worked on."),
		limit:    gauge("parallel_limit", "Load balancers that may be worked on at once; the cloud's 429 and 503 lower it."),
		leader:   gauge("lease_held", "1 while this process is the one executor of its cloud."),
		drifted:  prometheus.NewCounter(prometheus.CounterOpts(name("drifted_total", "Differences found that no change of ours explains."))),
		orphans:  gauge("orphans", "Load balancers with the fleet's tag whose exposure nobody ever decided about. They are never deleted."),
	}
	reg.MustRegister(m.steps, m.outcomes, m.calls, m.seconds, m.inFlight, m.limit, m.leader, m.drifted, m.orphans)
	return m
}
