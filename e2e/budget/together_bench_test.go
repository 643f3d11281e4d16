package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/services/sandbox"
)

// BenchmarkTogether applies 20 Ingresses at once on a cloud that stays PENDING
// for 2 s, and compares the time until all have their address with that of one,
// in turn. The budget is 3 times.
func BenchmarkTogether(b *testing.B) {
	const together = 20
	cloud := quietCloud(b, func(c *sandbox.Config) { c.Pending = 2 * time.Second })
	w := newWorld(b, harness.AllInOne, cloud, never)
	namespaces := []string{"left", "right"} // one may have 20
	for _, n := range namespaces {
		w.furnish(b, n)
	}
	for _, n := range namespaces {
		w.allowed(b, ingressIn(n, "first"))
		w.Withdraw(b, ingressIn(n, "first"))
	}
	var one, all []float64
	for round := 0; b.Loop(); round++ {
		one = append(one, w.addressed(b, []harness.Object{ingressIn("left", fmt.Sprint("one-", round))}))
		var batch []harness.Object
		for i := range together {
			batch = append(batch, ingressIn(namespaces[i%2], fmt.Sprintf("web-%d-%d", round, i)))
		}
		all = append(all, w.addressed(b, batch))
	}
	b.ReportMetric(median(one), "one-s")
	b.ReportMetric(median(all), "twenty-s")
	b.ReportMetric(median(all)/median(one), "ratio")
}

// addressed is how many seconds the objects take from their manifests to their
// addresses. They are gone again afterwards.
func (w *world) addressed(b *testing.B, objects []harness.Object) float64 {
	b.Helper()
	began := time.Now()
	w.Source.Apply(b, objects...)
	var last time.Time
	for _, o := range objects {
		trip := w.Settled(b, o)
		if len(trip.Outcome.Addresses) == 0 {
			b.Fatalf("%s: %s %q", harness.Key(o), trip.Outcome.State, trip.Outcome.Reason)
		}
		if at := trip.Result.Time; at.After(last) {
			last = at
		}
	}
	for _, o := range objects {
		w.Source.Delete(b, o)
	}
	for _, o := range objects {
		w.Removed(b, o)
	}
	return last.Sub(began).Seconds()
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}
