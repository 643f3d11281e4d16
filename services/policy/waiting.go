package policy

import (
	"strings"

	"drawbridge.dev/events"
)

// waiting are the wishes that were denied, by what may make room for them: the
// host names that they ask for, what they would share with others, the group
// that they would join, and the namespace that they count in.
type waiting struct {
	hosts  map[string]map[row]bool // by bucketsOf and the wildcard above
	shared map[shared]map[row]bool
	groups map[string]map[row]bool // by groupScope
	spaces map[space]map[row]bool
	wants  map[row]wants
}

type wants struct {
	hosts  []string
	stakes []stake
	group  string
}

func newWaiting() waiting {
	return waiting{hosts: map[string]map[row]bool{}, shared: map[shared]map[row]bool{}, groups: map[string]map[row]bool{},
		spaces: map[space]map[row]bool{}, wants: map[row]wants{}}
}

// set says that r waits for what e wants.
func (w waiting) set(r row, e events.Exposure) {
	w.drop(r)
	want := wants{stakes: stakesOf(r, e)}
	for _, h := range hostsOf(e) {
		want.hosts = append(want.hosts, overlapping(h)...)
	}
	for _, p := range want.hosts {
		put(w.hosts, p, r)
	}
	for _, s := range want.stakes {
		put(w.shared, s.shared, r)
	}
	if e.Group != "" {
		want.group = groupScope(r.cloud, e.Group)
		put(w.groups, want.group, r)
	}
	put(w.spaces, r.space(), r)
	w.wants[r] = want
}

func (w waiting) drop(r row) {
	want, ok := w.wants[r]
	if !ok {
		return
	}
	for _, p := range want.hosts {
		take(w.hosts, p, r)
	}
	for _, s := range want.stakes {
		take(w.shared, s.shared, r)
	}
	take(w.groups, want.group, r)
	take(w.spaces, r.space(), r)
	delete(w.wants, r)
}

// forShared are the wishes that want something of what is shared.
func (w waiting) forShared(s shared, f func(row)) {
	for r := range w.shared[s] {
		f(r)
	}
}

// forGroup are the wishes that would join a group.
func (w waiting) forGroup(scope string, f func(row)) {
	for r := range w.groups[scope] {
		f(r)
	}
}

// forHost are the wishes that a claim of host was in the way of.
func (w waiting) forHost(host string, f func(row)) {
	for r := range w.hosts[host] {
		f(r)
	}
	if _, parent, ok := strings.Cut(host, "."); ok && !strings.HasPrefix(host, "*.") {
		for r := range w.hosts["."+parent] {
			f(r)
		}
	}
}

// inSpace are the wishes that wait for room in a namespace.
func (w waiting) inSpace(s space, f func(row)) {
	for r := range w.spaces[s] {
		f(r)
	}
}

func put[K comparable](m map[K]map[row]bool, k K, r row) {
	if m[k] == nil {
		m[k] = map[row]bool{}
	}
	m[k][r] = true
}

func take[K comparable](m map[K]map[row]bool, k K, r row) {
	if delete(m[k], r); len(m[k]) == 0 {
		delete(m, k)
	}
}
