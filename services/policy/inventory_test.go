package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
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
	out := Holdings{Claims: map[string]events.Key{}, Conflicts: n.conflicts(r, e), Group: n.group(r, e)}
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
				if k, ok := out.Claims[c.host]; !ok || (space{k.Cluster, k.Namespace}) == r.space() {
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

// group scans for the members of the group that e asks for.
func (n naive) group(r row, e events.Exposure) *Group {
	if e.Group == "" {
		return nil
	}
	g := &Group{Members: []events.Key{}}
	in := n[r].exposure.Group == e.Group
	first := map[space]row{}
	for o, h := range n {
		if o == r || h.exposure.Group != e.Group {
			continue
		}
		g.Size++
		if x, ok := first[o.space()]; (!ok || h.age < n[x].age) && (!in || h.age < n[r].age) {
			first[o.space()] = o
		}
	}
	for s, o := range first {
		if s != r.space() || len(first) == 1 {
			g.Members = append(g.Members, o.key)
		}
	}
	slices.SortFunc(g.Members, func(a, b events.Key) int { return cmp.Compare(n[row{r.cloud, a}].age, n[row{r.cloud, b}].age) })
	return g
}

// want is what one member of a group says of something that members share, as
// the test has it: who says another thing of the same subject is in conflict.
type want struct{ what, subject, value string }

func wantsOf(e events.Exposure) []want {
	if e.Group == "" {
		return nil
	}
	me := e.Key.String()
	out := []want{{"namespace", e.Key.Namespace, e.Key.Cluster}, {"setting", "internal", fmt.Sprint(e.Internal)}}
	flavor := e.Flavor
	if flavor == "" {
		flavor = "not set"
	}
	out = append(out, want{"setting", "flavor", flavor})
	for _, l := range e.Listeners {
		slot := fmt.Sprintf("TCP port %d", l.Port)
		if l.Protocol == events.TCP {
			out = append(out, want{"port", slot, "TCP by " + me})
			continue
		}
		out = append(out, want{"port", slot, string(l.Protocol)})
		sources := "everywhere"
		if len(l.AllowedSources) > 0 {
			sources = strings.Join(l.AllowedSources, ", ")
		}
		out = append(out, want{"setting", "allowed sources of " + slot, sources})
		if l.Timeouts.ClientData != nil {
			out = append(out, want{"setting", "timeout of client data of " + slot, fmt.Sprint(*l.Timeouts.ClientData)})
		}
		if l.Backend != "" {
			out = append(out, want{"route", fmt.Sprintf("*/ (Prefix) on port %d", l.Port), "by " + me})
		}
		for _, r := range l.Routes {
			by := "by " + me
			if r.Redirect != nil {
				by = "a redirect to https with code 301"
			}
			out = append(out, want{"route", fmt.Sprintf("%s%s (%s) on port %d", r.Host, r.Path, r.PathType, l.Port), by})
		}
	}
	return out
}

// conflicts compares e with every member of its group in turn.
func (n naive) conflicts(r row, e events.Exposure) []Conflict {
	var out []Conflict
	for _, w := range wantsOf(e) {
		stands := slices.Contains(wantsOf(n[r].exposure), w) && n[r].exposure.Group == e.Group
		var by row
		var held string
		for o, h := range n {
			if o == r || h.exposure.Group != e.Group || stands && h.age > n[r].age {
				continue
			}
			for _, x := range wantsOf(h.exposure) {
				if x.what == w.what && x.subject == w.subject && x.value != w.value && (held == "" || h.age < n[by].age) {
					by, held = o, x.value
				}
			}
		}
		if held != "" {
			told := func(s string) string {
				s, _, _ = strings.Cut(s, "by ")
				return strings.TrimSpace(s)
			}
			out = append(out, Conflict{What(w.what), w.subject, told(w.value), told(held), by.key})
		}
	}
	slices.SortFunc(out, func(a, b Conflict) int { return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Subject, b.Subject)) })
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
			k.Cluster = rapid.SampledFrom([]string{"c1", "c1", "c2"}).Draw(t, "cluster")
			r := row{"default", k}
			e := site(k, rapid.SliceOfN(host, 0, 4).Draw(t, "hosts")...)
			e.Group = rapid.SampledFrom([]string{"", "", "g1", "g2"}).Draw(t, "group")
			shareAlike(t, &e)
			if diff := gocmp.Diff(model.holdings(r, e), inv.For(r.cloud, k)(e)); diff != "" {
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
		if len(inv.claims)+len(inv.spaces)+len(inv.holders)+len(inv.stakes)+len(inv.groups) != 0 {
			t.Fatalf("something is left when nothing is held: %d claims, %d namespaces, %d stakes, %d groups",
				len(inv.claims), len(inv.spaces), len(inv.stakes), len(inv.groups))
		}
	})
}

// shareAlike draws what members of a group may disagree about.
func shareAlike(t *rapid.T, e *events.Exposure) {
	e.Internal = rapid.IntRange(0, 4).Draw(t, "internal") == 0
	e.Flavor = rapid.SampledFrom([]string{"", "", "small", "big"}).Draw(t, "flavor")
	l := &e.Listeners[0]
	l.Port = rapid.SampledFrom([]int{80, 443}).Draw(t, "port")
	l.Protocol = rapid.SampledFrom([]events.Protocol{events.HTTP, events.HTTP, events.TerminatedHTTPS, events.TCP}).Draw(t, "protocol")
	if rapid.Bool().Draw(t, "no default") {
		l.Backend = ""
	}
	if rapid.IntRange(0, 3).Draw(t, "sources") == 0 {
		l.AllowedSources = []string{"10.0.0.0/8"}
	}
	if n := rapid.IntRange(0, 3).Draw(t, "timeout"); n > 1 {
		l.Timeouts.ClientData = &n
	}
	for i := range l.Routes {
		if rapid.IntRange(0, 2).Draw(t, "redirect") == 0 {
			l.Routes[i].Backend, l.Routes[i].Redirect = "", &events.Redirect{Scheme: "https", Code: 301}
		}
	}
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
