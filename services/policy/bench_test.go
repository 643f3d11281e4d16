package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"drawbridge.dev/events"
)

// claimsOf is an inventory of n claims, one in each namespace.
func claimsOf(n int) *Inventory {
	inv := NewInventory()
	for i := range n {
		k := ingressKey(fmt.Sprint("ns", i), "web")
		e := site(k, fmt.Sprintf("n%d.example.org", i))
		inv.Hold("default", k, &e, uint64(i+1))
	}
	return inv
}

// twoHosts is an Ingress of two hosts with two paths each.
func twoHosts() events.Exposure {
	e := site(ingressKey("shop", "web"), "www.example.org", "api.example.org")
	for _, r := range e.Listeners[0].Routes {
		r.Path = "/static"
		e.Listeners[0].Routes = append(e.Listeners[0].Routes, r)
	}
	return e.Normalize()
}

// BenchmarkDecide is one whole decision with the built-in bundle: inventory,
// input document, evaluation, answer, seal.
func BenchmarkDecide(b *testing.B) {
	engine := engineOf(b, "")
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint("claims=", n), func(b *testing.B) {
			q := ask(twoHosts(), publicNamespace)
			q.Holdings = claimsOf(n).For(q.Cloud, q.Key)
			b.ReportAllocs()
			for b.Loop() {
				if d := engine.Decide(b.Context(), q); d.Verdict != events.Approved {
					b.Fatal(d.Reasons)
				}
			}
		})
	}
}

// BenchmarkEvaluate is the evaluation alone, with its input document.
func BenchmarkEvaluate(b *testing.B) {
	engine := engineOf(b, "")
	q := ask(twoHosts(), publicNamespace)
	in := q.input(*q.Wish.Exposure)
	b.ReportAllocs()
	for b.Loop() {
		if a, err := engine.evaluate(b.Context(), in); err != nil || a.verdict != events.Approved {
			b.Fatal(a, err)
		}
	}
}

// BenchmarkClaimsRatio reports how much more a decision costs among 10,000
// claims than among 10: the budget is 1.1. The two alternate and their medians
// are compared, so that what else a busy machine does falls on both.
func BenchmarkClaimsRatio(b *testing.B) {
	engine := engineOf(b, "")
	var spent [2][]time.Duration
	var questions [2]Question
	for i, n := range []int{10, 10_000} {
		questions[i] = ask(twoHosts(), publicNamespace)
		questions[i].Holdings = claimsOf(n).For("default", questions[i].Key)
	}
	for b.Loop() {
		for i, q := range questions {
			started := time.Now()
			if d := engine.Decide(b.Context(), q); d.Verdict != events.Approved {
				b.Fatal(d.Reasons)
			}
			spent[i] = append(spent[i], time.Since(started))
		}
	}
	var median [2]float64
	for i := range spent {
		slices.Sort(spent[i])
		median[i] = float64(spent[i][len(spent[i])/2])
	}
	b.ReportMetric(median[0], "ns/10claims")
	b.ReportMetric(median[1], "ns/10kclaims")
	b.ReportMetric(median[1]/median[0], "ratio")
}
