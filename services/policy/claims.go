package policy

import (
	"cmp"
	"maps"
	"slices"
)

// claim is one approved exposure's hold on one host.
type claim struct {
	age  uint64
	host string
	row  row
}

// compareClaims orders by age; the rest only tells apart what has no age of its own.
func compareClaims(a, b claim) int {
	if c := cmp.Compare(a.age, b.age); c != 0 {
		return c
	}
	if c := cmp.Compare(a.host, b.host); c != 0 {
		return c
	}
	return compareRows(a.row, b.row)
}

func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(a.cloud, b.cloud), cmp.Compare(a.key.Cluster, b.key.Cluster), cmp.Compare(a.key.Namespace, b.key.Namespace),
		cmp.Compare(a.key.Kind, b.key.Kind), cmp.Compare(a.key.Name, b.key.Name))
}

// owner is a namespace with its claims in one bucket, the oldest first.
type owner struct {
	space  space
	claims []claim
}

func compareOwners(a, b *owner) int { return compareClaims(a.claims[0], b.claims[0]) }

// bucket holds the claims that one look-up finds, by namespace, that of the
// oldest claim first: the first entry of another namespace answers it.
type bucket struct {
	owners map[space]*owner
	order  []*owner
	size   int // claims
}

// addTo and removeFrom keep no bucket that is empty.
func addTo[K comparable](m map[K]*bucket, k K, c claim) {
	b := m[k]
	if b == nil {
		b = &bucket{owners: map[space]*owner{}}
		m[k] = b
	}
	b.add(c.row.space(), c)
}

func removeFrom[K comparable](m map[K]*bucket, k K, c claim) {
	b := m[k]
	if b.remove(c.row.space(), c); len(b.owners) == 0 {
		delete(m, k)
	}
}

func (b *bucket) add(s space, c claim) {
	b.size++
	o := b.owners[s]
	if o == nil {
		o = &owner{space: s}
		b.owners[s] = o
	} else {
		b.unlist(o)
	}
	at, _ := slices.BinarySearchFunc(o.claims, c, compareClaims)
	o.claims = slices.Insert(o.claims, at, c)
	b.list(o)
}

func (b *bucket) remove(s space, c claim) {
	o := b.owners[s]
	b.unlist(o)
	at, found := slices.BinarySearchFunc(o.claims, c, compareClaims)
	if found {
		b.size--
		o.claims = slices.Delete(o.claims, at, at+1)
	}
	if len(o.claims) == 0 {
		delete(b.owners, s)
		return
	}
	b.list(o)
}

func (b *bucket) list(o *owner) {
	at, _ := slices.BinarySearchFunc(b.order, o, compareOwners)
	b.order = slices.Insert(b.order, at, o)
}

func (b *bucket) unlist(o *owner) {
	at, found := slices.BinarySearchFunc(b.order, o, compareOwners)
	if found {
		b.order = slices.Delete(b.order, at, at+1)
	}
}

// find returns the oldest claim of each other namespace, at most limit of
// them; where there is none, that of another object of r's own namespace.
// Only claims older than before count; 0 is all.
func (b *bucket) find(r row, before uint64, limit int) []claim {
	counts := func(c claim) bool { return before == 0 || c.age < before }
	var out []claim
	for _, o := range b.order {
		if !counts(o.claims[0]) || len(out) == limit {
			break
		}
		if o.space != r.space() {
			out = append(out, o.claims[0])
		}
	}
	own := b.owners[r.space()]
	if len(out) > 0 || own == nil {
		return out
	}
	for _, c := range own.claims {
		if c.row != r {
			if counts(c) {
				out = append(out, c)
			}
			break
		}
	}
	return out
}

// oldest is the oldest claim that counts; only what is older than before may, 0
// is all.
func (b *bucket) oldest(before uint64, counts func(claim) bool) (claim, bool) {
	var best claim
	found := false
	for _, o := range b.order {
		if found && compareClaims(best, o.claims[0]) < 0 {
			break
		}
		for _, c := range o.claims {
			if found && compareClaims(best, c) < 0 || before > 0 && c.age >= before {
				break
			}
			if counts(c) {
				best, found = c, true
				break
			}
		}
	}
	return best, found
}

// unit is one load balancer and the age of each exposure that it carries.
type unit struct {
	name    string
	members map[row]uint64
}

func (u *unit) age() uint64 {
	first := true
	var age uint64
	for _, a := range u.members {
		if first || a < age {
			first, age = false, a
		}
	}
	return age
}

// ranked is the place of a unit among those of its namespace.
type ranked struct {
	age  uint64
	name string
}

func compareRanks(a, b ranked) int {
	return cmp.Or(cmp.Compare(a.age, b.age), cmp.Compare(a.name, b.name))
}

// balancers are the load balancers of one namespace, the oldest first in order.
type balancers struct {
	units map[string]*unit
	order []ranked
}

func (b *balancers) add(name string, r row, age uint64) {
	u := b.units[name]
	if u == nil {
		u = &unit{name, map[row]uint64{}}
	}
	b.change(u, func() { u.members[r] = age })
}

func (b *balancers) remove(name string, r row) {
	u := b.units[name]
	b.change(u, func() { delete(u.members, r) })
}

func (b *balancers) change(u *unit, f func()) {
	if at, found := slices.BinarySearchFunc(b.order, ranked{u.age(), u.name}, compareRanks); found {
		b.order = slices.Delete(b.order, at, at+1)
	}
	f()
	if len(u.members) == 0 {
		delete(b.units, u.name)
		return
	}
	b.units[u.name] = u
	at, _ := slices.BinarySearchFunc(b.order, ranked{u.age(), u.name}, compareRanks)
	b.order = slices.Insert(b.order, at, ranked{u.age(), u.name})
}

// others counts the load balancers beside the one, name, that r wishes for: all
// of them if that would be another one, else those older than it. held is the
// one that r has, which a wish for another gives up if nobody else is on it.
func (b *balancers) others(r row, name, held string) int {
	if u := b.units[name]; u != nil {
		older, _ := slices.BinarySearchFunc(b.order, ranked{u.age(), name}, compareRanks)
		return older
	}
	n := len(b.units)
	if u := b.units[held]; u != nil && len(u.members) == 1 {
		if _, alone := u.members[r]; alone {
			n--
		}
	}
	return n
}

// youngest are the exposures on the youngest load balancer.
func (b *balancers) youngest() []row {
	if len(b.order) == 0 {
		return nil
	}
	return slices.Collect(maps.Keys(b.units[b.order[len(b.order)-1].name].members))
}
