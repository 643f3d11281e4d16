package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/services/sandbox"
)

// rest is how long nothing happens before memory at rest is read: some cycles
// of the garbage collector, which gives memory back.
const rest = 20 * time.Second

// BenchmarkMemory exposes 1,000 Ingresses of 2 hosts x 2 paths, and reports the
// resident memory at rest with none and with all, after a restart that finds them
// standing, and the most that the process had while it exposed them.
func BenchmarkMemory(b *testing.B) {
	const exposures, perNamespace = 1000, 20
	for _, shape := range []harness.Shape{harness.AllInOne, harness.Processes} {
		b.Run(string(shape), func(b *testing.B) {
			if b.N > 1 {
				b.Skip("one run is all that it takes: -benchtime 1x")
			}
			cloud := quietCloud(b, func(c *sandbox.Config) { c.Pending = 0 })
			w := describeWorld(b, shape, cloud, nil)
			w.start(b)
			time.Sleep(rest)
			w.report(b, "0", false)
			for i := range exposures / perNamespace {
				w.furnish(b, team(i))
			}
			w.allowed(b, ingressIn(team(exposures/perNamespace-1), "first"))
			var all []harness.Object
			for i := range exposures - 1 {
				all = append(all, ingressIn(team(i/perNamespace), fmt.Sprint("web-", i)))
			}
			w.Source.Apply(b, all...)
			for _, o := range all {
				w.Settled(b, o)
			}
			w.report(b, "making1000", true)
			for _, s := range harness.Services {
				if p := w.Process(s); p.Running() {
					p.Stop(b)
				}
			}
			w.start(b)
			time.Sleep(rest)
			w.report(b, "1000", false)
		})
	}
}

func team(i int) string { return fmt.Sprint("team-", i) }

// report reports the memory of every process, in MiB.
func (w *world) report(b *testing.B, when string, most bool) {
	b.Helper()
	var done []*harness.Process
	for _, s := range harness.Services {
		p := w.Process(s)
		if slices.Contains(done, p) {
			continue
		}
		done = append(done, p)
		value, peak := p.Memory(b)
		if most {
			value = peak
		}
		b.ReportMetric(float64(value)/(1<<20), p.Name+"-"+when+"-MiB")
	}
	if w.NATS != nil {
		value, peak := w.NATS.Memory(b)
		if most {
			value = peak
		}
		b.ReportMetric(float64(value)/(1<<20), "nats-"+when+"-MiB")
	}
}
