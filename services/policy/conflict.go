package policy

import (
	"slices"

	"drawbridge.dev/events"
)

// conflicts are what an exposure of r wants otherwise than who is older, or,
// where r does not stand with it, than anyone: the oldest of those.
func (i *Inventory) conflicts(r row, bundle string, self holder, e events.Exposure) []Conflict {
	var out []Conflict
	for _, s := range stakesOf(r, e) {
		c, held, ok := i.against(r, s, bundle, func() uint64 {
			if _, stands := slices.BinarySearchFunc(self.stakes, s, compareStakes); stands {
				return self.age
			}
			return 0
		})
		if !ok {
			continue
		}
		if len(out) == maxConflicts {
			break
		}
		out = append(out, Conflict{What: s.what, Subject: s.subject, Wanted: label(s.value), Held: label(held), By: c.row.key})
	}
	return out
}

// against is the oldest claim of others to another value than that of s, and
// the value. Only claims older than before count; 0 is all.
func (i *Inventory) against(r row, s stake, bundle string, before func() uint64) (oldest claim, value string, ok bool) {
	mine := s.under(bundle)
	for other, b := range i.stakes[s.shared] {
		if mine.value == "" || other.value == "" || other.value == mine.value || other.bundle != mine.bundle {
			continue
		}
		c, found := b.oldest(before(), func(c claim) bool { return c.row != r && !i.follows(c.row, s) })
		if found && (!ok || compareClaims(c, oldest) < 0) {
			oldest, value, ok = c, other.value, true
		}
	}
	return oldest, value, ok
}

// follows reports whether a row that has something else asks for s, too, and
// gets it as soon as others have it: so that members of a group can change
// together what they must have alike. The last who asks is approved, and then
// the others.
func (i *Inventory) follows(r row, s stake) bool {
	asks := i.pending[r]
	if s.what != WhatSetting || len(asks) == 0 {
		return false
	}
	if _, found := slices.BinarySearchFunc(asks, s, compareStakes); !found {
		return false
	}
	return !slices.ContainsFunc(asks, func(x stake) bool {
		if x.what == WhatSetting {
			return false
		}
		_, _, conflict := i.against(r, x, "", func() uint64 { return 0 })
		return conflict
	})
}

// pend takes in what r asks for and is denied by its group alone; nil: nothing.
func (i *Inventory) pend(r row, asks []stake) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(asks) == 0 {
		delete(i.pending, r)
		return
	}
	i.pending[r] = asks
}

// opponent is the oldest of those whose claim conflicts with a stake of r.
func (i *Inventory) opponent(r row, s stake, bundle string) (row, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, _, ok := i.against(r, s, bundle, func() uint64 { return 0 })
	return c.row, ok
}

// group is what an exposure of r is told of a group that it is in or asks for.
func (i *Inventory) group(r row, self holder, scope string) *Group {
	g := &Group{Members: []events.Key{}}
	b := i.groups[scope]
	if b == nil {
		return g
	}
	var before uint64
	if g.Size = b.size; self.group == scope {
		g.Size--
		before = self.age
	}
	for _, c := range b.find(r, before, maxMembers) {
		g.Members = append(g.Members, c.row.key)
	}
	return g
}
