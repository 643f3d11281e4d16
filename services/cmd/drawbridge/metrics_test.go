package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// registered keeps what a service registers.
type registered struct{ lines map[string]string }

func (r registered) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 10)
	c.Describe(descs)
	close(descs)
	for d := range descs {
		name, line := describe(c, d)
		r.lines[name] = line
	}
	return nil
}

func (r registered) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

func (registered) Unregister(prometheus.Collector) bool { return false }

// parts of what a description says of itself, which is all that it tells.
var parts = regexp.MustCompile(`^Desc\{fqName: "(.*?)", help: "(.*?)", (?:unit: ".*?", )?constLabels: \{(.*?)\}, variableLabels: \{(.*?)\}\}$`)

// describe is the name of a metric, and a row of a table for it.
func describe(c prometheus.Collector, d *prometheus.Desc) (name, row string) {
	m := parts.FindStringSubmatch(d.String())
	if m == nil {
		panic("a description is not understood: " + d.String())
	}
	kind := "gauge"
	switch v := c.(type) {
	case *prometheus.CounterVec:
		kind = "counter"
	case prometheus.Observer:
		kind = "histogram"
	case prometheus.Counter:
		if _, gauge := v.(prometheus.Gauge); !gauge {
			kind = "counter"
		}
	}
	var labels []string
	for _, l := range strings.Split(m[3]+","+m[4], ",") {
		if l, _, _ = strings.Cut(l, "="); l != "" {
			labels = append(labels, "`"+l+"`")
		}
	}
	return m[1], fmt.Sprintf("| `%s` | %s | %s | %s |\n", m[1], kind, strings.Join(labels, " "), m[2])
}

// TestMetricsAreDocumented holds deploy/metrics.md to what the services register.
func TestMetricsAreDocumented(t *testing.T) {
	cfg := allInOne(t)
	if err := cfg.makeData(targets); err != nil {
		t.Fatal(err)
	}
	full, err := cfg.complete(targets)
	if err != nil {
		t.Fatal(err)
	}
	b, closeBus, err := openBus(t.Context(), full, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer closeBus()
	var doc strings.Builder
	doc.WriteString("# Metrics\n\nWhat a process says at `/metrics`, beside those of Go and of the process itself. " +
		"Names end in their unit; what ends in `_total` only grows.\nWritten by `go test ./cmd/drawbridge -run Metrics -update` in `services`.\n")
	for _, name := range targets {
		r := registered{map[string]string{}}
		ctx, stop := context.WithCancel(t.Context())
		err := startService(ctx, name, full, b, zerolog.Nop(), r, func(error) { stop() }) // it reports when it has registered
		stop()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		fmt.Fprintf(&doc, "\n## %s\n\n| name | type | labels | |\n| --- | --- | --- | --- |\n", name)
		for _, metric := range slices.Sorted(maps.Keys(r.lines)) {
			doc.WriteString(r.lines[metric])
			if !strings.HasPrefix(metric, "drawbridge_"+name+"_") {
				t.Errorf("%s registers %s", name, metric)
			}
		}
	}
	golden(t, "../../../../deploy/metrics.md", doc.String())
}
