package policy

import "strings"

// waiting are the wishes that were denied, by what may make room for them: the
// host names that they ask for, and the namespace that they count in.
type waiting struct {
	hosts  map[string]map[row]bool // by bucketsOf and the wildcard above
	spaces map[space]map[row]bool
	wants  map[row][]string
}

func newWaiting() waiting {
	return waiting{hosts: map[string]map[row]bool{}, spaces: map[space]map[row]bool{}, wants: map[row][]string{}}
}

// set says that r waits for hosts and for room in its namespace.
func (w waiting) set(r row, hosts []string) {
	w.drop(r)
	var places []string
	for _, h := range hosts {
		places = append(places, overlapping(h)...)
	}
	for _, p := range places {
		put(w.hosts, p, r)
	}
	put(w.spaces, r.space(), r)
	w.wants[r] = places
}

func (w waiting) drop(r row) {
	places, ok := w.wants[r]
	if !ok {
		return
	}
	for _, p := range places {
		take(w.hosts, p, r)
	}
	take(w.spaces, r.space(), r)
	delete(w.wants, r)
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
