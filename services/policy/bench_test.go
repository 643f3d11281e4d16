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
// claims than among 10: the budget is 1.1.
func BenchmarkClaimsRatio(b *testing.B) {
	engine := engineOf(b, "")
	var questions []Question
	for _, n := range []int{10, 10_000} {
		q := ask(twoHosts(), publicNamespace)
		q.Holdings = claimsOf(n).For("default", q.Key)
		questions = append(questions, q)
	}
	medians := compare(b, engine, questions)
	b.ReportMetric(medians[0], "ns/10claims")
	b.ReportMetric(medians[1], "ns/10kclaims")
	b.ReportMetric(medians[1]/medians[0], "ratio")
}

// member is an Ingress of two hosts with two paths each, the n-th of a group.
func member(n int) events.Exposure {
	e := site(ingressKey("shop", fmt.Sprint("web-", n)), fmt.Sprintf("www%d.example.org", n), fmt.Sprintf("api%d.example.org", n))
	e.Group, e.Listeners[0].Backend = "shop", ""
	for _, r := range e.Listeners[0].Routes {
		r.Path = "/static"
		e.Listeners[0].Routes = append(e.Listeners[0].Routes, r)
	}
	return e.Normalize()
}

// membersOf is an inventory of a group of n.
func membersOf(n int) *Inventory {
	inv := NewInventory()
	for i := range n {
		e := member(i)
		inv.Hold("default", e.Key, &e, uint64(i+1))
	}
	return inv
}

// BenchmarkGroupRatio reports how much more it costs to decide on a member of a
// group of 200 than of a group of 1, and than outside of a group.
func BenchmarkGroupRatio(b *testing.B) {
	engine := engineOf(b, "")
	wished := member(1000)
	alone := wished.Normalize()
	alone.Group = ""
	questions := []Question{ask(alone, publicNamespace), ask(wished, publicNamespace), ask(wished, publicNamespace)}
	questions[1].Holdings = membersOf(1).For("default", wished.Key)
	questions[2].Holdings = membersOf(200).For("default", wished.Key)
	medians := compare(b, engine, questions)
	b.ReportMetric(medians[0], "ns/alone")
	b.ReportMetric(medians[1], "ns/1member")
	b.ReportMetric(medians[2], "ns/200members")
	b.ReportMetric(medians[2]/medians[1], "ratio")
}

// compare lets questions alternate, so that what else a busy machine does falls
// on all, and returns their medians.
func compare(b *testing.B, engine *Engine, questions []Question) []float64 {
	spent := make([][]time.Duration, len(questions))
	for b.Loop() {
		for i, q := range questions {
			started := time.Now()
			if d := engine.Decide(b.Context(), q); d.Verdict != events.Approved {
				b.Fatal(d.Reasons)
			}
			spent[i] = append(spent[i], time.Since(started))
		}
	}
	var medians []float64
	for _, s := range spent {
		slices.Sort(s)
		medians = append(medians, float64(s[len(s)/2]))
	}
	return medians
}

// BenchmarkVerify is what it costs to believe a decision that is read: once for
// each at the start, and for those of other replicas.
func BenchmarkVerify(b *testing.B) {
	s := testSigner(b)
	trust, err := trustIn(s, nil)
	if err != nil {
		b.Fatal(err)
	}
	e := twoHosts()
	d := signed(b, s, e.Key, events.Decided{Verdict: events.Approved, Wish: "w", Exposure: &e})
	b.ReportAllocs()
	for b.Loop() {
		if err := trust.verify(e.Key, d); err != nil {
			b.Fatal(err)
		}
	}
}
