package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drawbridge.dev/events"
)

// naive is the inventory written down as what it means: a list that is scanned.
type naive map[row]held

type held struct {
	age      uint64
	exposure events.Exposure
}

func (n naive) holdings(r row, e events.Exposure) Holdings {
	out := Holdings{Claims: map[string]events.Key{}}
	self, mine := n[r], hostsOf(n[r].exposure)
	for _, host := range hostsOf(e) {
		counts := func(o row) bool { return o != r && (!slices.Contains(mine, host) || n[o].age < self.age) }
		for _, place := range overlapping(host) {
			best := n.oldest(counts, func(o row, h string) bool {
				return o.space() != r.space() && slices.Contains(bucketsOf(h), place)
			})
			if len(best) == 0 {
				best = n.oldest(counts, func(o row, h string) bool {
					return o.space() == r.space() && slices.Contains(bucketsOf(h), place)
				})
			} else if strings.HasPrefix(place, ".") && len(best) > wildcardClaims {
				best = best[:wildcardClaims]
			}
			for _, c := range best {
				if k, ok := out.Claims[c.host]; !ok || k.Namespace == r.key.Namespace {
					out.Claims[c.host] = c.row.key
				}
			}
		}
	}
	units, own := map[string]uint64{}, unitOf(r, e)
	for o, h := range n {
		if o.space() != r.space() {
			continue
		}
		u := unitOf(o, h.exposure)
		if age, ok := units[u]; !ok || h.age < age {
			units[u] = h.age
		}
	}
	age, joins := units[own]
	left := unitOf(r, self.exposure)
	for u, a := range units {
		alone := u == left && self.age > 0 && !slices.ContainsFunc(n.rows(), func(o row) bool {
			return o != r && o.space() == r.space() && unitOf(o, n[o].exposure) == left
		})
		if joins && a < age || !joins && !alone {
			out.LoadBalancers++
		}
	}
	return out
}

func (n naive) rows() []row {
	var out []row
	for r := range n {
		out = append(out, r)
	}
	return out
}

// oldest is the oldest claim of each namespace, the oldest first.
func (n naive) oldest(counts func(row) bool, fits func(row, string) bool) []claim {
	best := map[space]claim{}
	for o, h := range n {
		for _, host := range hostsOf(h.exposure) {
			c := claim{h.age, host, o}
			if b, ok := best[o.space()]; counts(o) && fits(o, host) && (!ok || compareClaims(c, b) < 0) {
				best[o.space()] = c
			}
		}
	}
	var out []claim
	for _, c := range best {
		out = append(out, c)
	}
	slices.SortFunc(out, compareClaims)
	return out
}

func TestInventoryIsAScan(t *testing.T) {
	host := rapid.SampledFrom([]string{"a.org", "x.a.org", "y.a.org", "*.a.org", "z.x.a.org", "*.x.a.org", "*.org", "b.org", "local"})
	rapid.Check(t, func(t *rapid.T) {
		inv, model := NewInventory(), naive{}
		for step := range rapid.IntRange(1, 30).Draw(t, "steps") {
			k := ingressKey(fmt.Sprint("ns", rapid.IntRange(0, 3).Draw(t, "ns")), fmt.Sprint("i", rapid.IntRange(0, 2).Draw(t, "name")))
			r := row{"default", k}
			e := site(k, rapid.SliceOfN(host, 0, 4).Draw(t, "hosts")...)
			e.Group = rapid.SampledFrom([]string{"", "", "g1", "g2"}).Draw(t, "group")
			if diff := cmp.Diff(model.holdings(r, e), inv.For(r.cloud, k)(e)); diff != "" {
				t.Fatalf("step %d, %s asks for %q: %s", step, k, hostsOf(e), diff)
			}
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				inv.Hold(r.cloud, k, nil, 0)
				delete(model, r)
			} else {
				inv.Hold(r.cloud, k, &e, uint64(step+1))
				model[r] = held{uint64(step + 1), e}
			}
			if inv.size() != len(model) {
				t.Fatalf("%d holders, want %d", inv.size(), len(model))
			}
		}
		for r := range model {
			inv.Hold(r.cloud, r.key, nil, 0)
		}
		if len(inv.claims)+len(inv.spaces)+len(inv.holders) != 0 {
			t.Fatalf("something is left when nothing is held: %d claims, %d namespaces", len(inv.claims), len(inv.spaces))
		}
	})
}

func TestWildcardWishIsToldOfFew(t *testing.T) {
	inv := NewInventory()
	for i := range 100 {
		k := ingressKey(fmt.Sprint("ns", i), "web")
		e := site(k, fmt.Sprintf("n%d.example.org", i))
		inv.Hold("default", k, &e, uint64(i+1))
	}
	k := ingressKey("shop", "web")
	got := inv.For("default", k)(site(k, "*.example.org"))
	if len(got.Claims) != wildcardClaims || got.Claims["n0.example.org"].Namespace != "ns0" {
		t.Errorf("got %d claims: %v", len(got.Claims), got.Claims)
	}
}
