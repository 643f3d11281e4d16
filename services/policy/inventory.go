package policy

import (
	"strings"
	"sync"

	"drawbridge.dev/events"
)

// Bounds of what a wish is told.
const (
	wildcardClaims = 16 // of the names below a wildcard
	maxConflicts   = 16
	maxMembers     = 16 // of a group
)

// row is one row of the table: an exposure in one cloud.
type row struct {
	cloud string
	key   events.Key
}

// space is the owner of host names and limits: a namespace of a cluster.
type space struct{ cluster, namespace string }

func (r row) space() space { return space{r.key.Cluster, r.key.Namespace} }

// Inventory is what the fleet's approved exposures hold. A look-up costs the
// same however many there are. It is safe for concurrent use.
//
// Among those that hold the same, the older goes first, whatever order they
// were decided in: who already holds something is told only of older holders,
// who does not is told of all.
type Inventory struct {
	mu      sync.Mutex
	holders map[row]holder
	claims  map[string]*bucket // by bucketsOf
	spaces  map[space]*balancers
	stakes  map[shared]map[say]*bucket // by what is wanted of it
	groups  map[string]*bucket         // members, by groupScope
	pending map[row][]stake            // what members of groups ask for that are denied it by their group alone
}

type holder struct {
	age    uint64
	bundle string // that decided it, by digest
	hosts  []string
	unit   string // load balancer
	group  string // groupScope; empty: none
	stakes []stake
}

// NewInventory returns one in which nothing is held.
func NewInventory() *Inventory {
	return &Inventory{holders: map[row]holder{}, claims: map[string]*bucket{}, spaces: map[space]*balancers{},
		stakes: map[shared]map[say]*bucket{}, groups: map[string]*bucket{}, pending: map[row][]stake{}}
}

// Hold says what the exposure of a key holds: what stands of it, nil is
// nothing. Age orders holders, the smaller is the older: the sequence of the wish.
func (i *Inventory) Hold(cloud string, k events.Key, standing *events.Exposure, age uint64) {
	i.hold(row{cloud, k}, standing, age, "")
}

// change is what a row gave up and what it gained.
type change struct {
	lost, gained  []string // hosts
	freed, taken  bool     // its load balancer
	left          string   // group, by groupScope
	ceded, staked []stake
}

func (i *Inventory) hold(r row, standing *events.Exposure, age uint64, bundle string) change {
	i.mu.Lock()
	defer i.mu.Unlock()
	old, held := i.holders[r]
	var h holder
	if standing != nil {
		h = holder{age: age, bundle: bundle, hosts: hostsOf(*standing), unit: unitOf(r, *standing), stakes: stakesOf(r, *standing)}
		if standing.Group != "" {
			h.group = groupScope(r.cloud, standing.Group)
		}
	}
	c := change{lost: without(old.hosts, h.hosts), gained: without(h.hosts, old.hosts),
		freed: held && old.unit != h.unit, taken: standing != nil && old.unit != h.unit,
		ceded: without(old.stakes, h.stakes), staked: without(h.stakes, old.stakes)}
	if old.group != h.group {
		c.left = old.group
	}
	rebound := held && standing != nil && old.bundle != h.bundle && len(h.stakes) > 0
	if rebound {
		c.staked = h.stakes
	}
	if held && standing != nil && old.age == h.age && !rebound && !c.freed && len(c.lost)+len(c.gained)+len(c.ceded)+len(c.staked) == 0 {
		return change{}
	}
	if held {
		i.remove(r, old)
		delete(i.holders, r)
	}
	if standing != nil {
		i.add(r, h)
		i.holders[r] = h
	}
	return c
}

func (i *Inventory) add(r row, h holder) {
	for _, host := range h.hosts {
		for _, name := range bucketsOf(host) {
			addTo(i.claims, name, claim{h.age, host, r})
		}
	}
	for _, s := range h.stakes {
		if i.stakes[s.shared] == nil {
			i.stakes[s.shared] = map[say]*bucket{}
		}
		addTo(i.stakes[s.shared], s.under(h.bundle), claim{h.age, "", r})
	}
	if h.group != "" {
		addTo(i.groups, h.group, claim{h.age, "", r})
	}
	s := i.spaces[r.space()]
	if s == nil {
		s = &balancers{units: map[string]*unit{}}
		i.spaces[r.space()] = s
	}
	s.add(h.unit, r, h.age)
}

func (i *Inventory) remove(r row, h holder) {
	for _, host := range h.hosts {
		for _, name := range bucketsOf(host) {
			removeFrom(i.claims, name, claim{h.age, host, r})
		}
	}
	for _, s := range h.stakes {
		if removeFrom(i.stakes[s.shared], s.under(h.bundle), claim{h.age, "", r}); len(i.stakes[s.shared]) == 0 {
			delete(i.stakes, s.shared)
		}
	}
	if h.group != "" {
		removeFrom(i.groups, h.group, claim{h.age, "", r})
	}
	s := i.spaces[r.space()]
	if s.remove(h.unit, r); len(s.units) == 0 {
		delete(i.spaces, r.space())
	}
}

// For tells what concerns an exposure of the key: a wish of it, or what stands.
func (i *Inventory) For(cloud string, k events.Key) func(events.Exposure) Holdings {
	return i.under("", row{cloud, k})
}

// under is For, where a bundle asks.
func (i *Inventory) under(bundle string, r row) func(events.Exposure) Holdings {
	return func(e events.Exposure) Holdings {
		i.mu.Lock()
		defer i.mu.Unlock()
		self := i.holders[r]
		mine := make(map[string]bool, len(self.hosts))
		for _, h := range self.hosts {
			mine[h] = true
		}
		out := Holdings{Claims: map[string]events.Key{}, Conflicts: i.conflicts(r, bundle, self, e)}
		if e.Group != "" {
			out.Group = i.group(r, self, groupScope(r.cloud, e.Group))
		}
		for _, host := range hostsOf(e) {
			var before uint64 // 0: all
			if mine[host] {
				before = self.age
			}
			i.overlaps(r, host, before, out.Claims)
		}
		if s := i.spaces[r.space()]; s != nil {
			out.LoadBalancers = s.others(r, unitOf(r, e), self.unit)
		}
		return out
	}
}

func (i *Inventory) overlaps(r row, host string, before uint64, into map[string]events.Key) {
	put := func(bucket string, limit int) {
		b := i.claims[bucket]
		if b == nil {
			return
		}
		for _, c := range b.find(r, before, limit) {
			if known, ok := into[c.host]; !ok || known.Cluster == r.key.Cluster && known.Namespace == r.key.Namespace {
				into[c.host] = c.row.key
			}
		}
	}
	put(host, 1)
	if parent, wildcard := strings.CutPrefix(host, "*."); wildcard {
		put("."+parent, wildcardClaims)
	} else if _, parent, ok := strings.Cut(host, "."); ok {
		put("*."+parent, 1)
	}
}

// holdersOf are the rows of other namespaces whose claims overlap with a host
// of r: at most one for each claim that a look-up finds.
func (i *Inventory) holdersOf(r row, host string) []row {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []row
	for _, name := range overlapping(host) {
		if b := i.claims[name]; b != nil {
			for _, c := range b.find(r, 0, wildcardClaims) {
				if c.row.space() != r.space() {
					out = append(out, c.row)
				}
			}
		}
	}
	return out
}

// youngest are the exposures on the youngest load balancer of a namespace: the
// first that is over a limit.
func (i *Inventory) youngest(s space) []row {
	i.mu.Lock()
	defer i.mu.Unlock()
	if b := i.spaces[s]; b != nil {
		return b.youngest()
	}
	return nil
}

// size is the number of exposures that hold something.
func (i *Inventory) size() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.holders)
}

// hostsOf are the host names that an exposure answers, each once.
func hostsOf(e events.Exposure) []string {
	var out []string
	seen := map[string]bool{}
	for _, l := range e.Listeners {
		for _, r := range l.Routes {
			if h := strings.ToLower(r.Host); h != "" && !seen[h] {
				seen[h] = true
				out = append(out, h)
			}
		}
	}
	return out
}

// bucketsOf are the places where a claim of host is kept: under its own name,
// and an exact name also under ".parent", where a wildcard looks for it.
func bucketsOf(host string) []string {
	if _, parent, ok := strings.Cut(host, "."); ok && !strings.HasPrefix(host, "*.") {
		return []string{host, "." + parent}
	}
	return []string{host}
}

// overlapping are the places where claims are kept that overlap with host.
func overlapping(host string) []string {
	_, parent, ok := strings.Cut(host, ".")
	switch {
	case !ok:
		return []string{host}
	case strings.HasPrefix(host, "*."):
		return []string{host, "." + parent}
	default:
		return []string{host, "*." + parent}
	}
}

// unitOf names the load balancer that an exposure is on.
func unitOf(r row, e events.Exposure) string {
	switch {
	case e.Group != "":
		return groupScope(r.cloud, e.Group)
	case e.Placement.LoadBalancer != "":
		return r.cloud + "/id/" + e.Placement.LoadBalancer
	}
	return r.cloud + "/" + r.key.String()
}

func without[T comparable](all, some []T) []T {
	if len(all) == 0 {
		return nil
	}
	drop := make(map[T]bool, len(some))
	for _, s := range some {
		drop[s] = true
	}
	var out []T
	for _, s := range all {
		if !drop[s] {
			out = append(out, s)
		}
	}
	return out
}
