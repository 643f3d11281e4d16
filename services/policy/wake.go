package policy

import (
	"slices"

	"drawbridge.dev/events"
)

// hold brings the inventory up to what stands of r and wakes whom that
// concerns: wishes that were denied and may have room now; and where two hold
// the same host, or a namespace too much, those of whom the younger must go. A
// decision of its own cannot exceed a limit that this replica knew of.
func (t *table) hold(r row, e *entry, own bool) {
	d, ok := e.decision()
	if !ok && e.decSeq > 0 {
		return // nothing is known of what stands
	}
	c := t.inventory.hold(r, d.Exposure, e.age(), e.bundle)
	again := func(other row) {
		if x := t.rows[other]; x != nil {
			t.wake(other, x.age())
		}
	}
	for _, host := range c.lost {
		t.waiting.forHost(host, again)
	}
	for _, host := range c.gained {
		others := t.inventory.holdersOf(r, host)
		for _, other := range others {
			again(other)
		}
		if len(others) > 0 {
			again(r)
		}
	}
	for _, s := range c.ceded {
		t.waiting.forShared(s.shared, again)
	}
	if c.left != "" {
		t.waiting.forGroup(c.left, again)
	}
	for _, s := range c.staked {
		if other, ok := t.inventory.opponent(r, s, e.bundle); ok {
			again(other)
			again(r)
		}
		if s.what == WhatSetting {
			t.waiting.forShared(s.shared, again) // who asks for the same may follow
		}
	}
	if c.freed {
		t.waiting.inSpace(r.space(), again)
	}
	if c.freed || c.taken && !own {
		for _, other := range t.inventory.youngest(r.space()) {
			again(other)
		}
	}
}

// await keeps r among the waiting while the last word on its wish is a denial.
func (t *table) await(r row, e *entry) {
	want, ok := e.requested()
	d, decided := e.decision()
	if !ok || !decided || want.Exposure == nil || d.Wish != want.Digest || d.Verdict != events.Denied {
		t.waiting.drop(r)
		t.inventory.pend(r, nil)
		return
	}
	t.waiting.set(r, *want.Exposure)
	if slices.Equal(d.Rules, []string{ruleGroup}) {
		t.inventory.pend(r, t.waiting.wants[r].stakes)
	} else {
		t.inventory.pend(r, nil)
	}
}

// rally wakes those of the group of r that wait for what r waits for, too:
// another replica denied it, which did not know yet that they all ask alike.
func (t *table) rally(r row) {
	for _, s := range t.waiting.wants[r].stakes {
		if s.what == WhatSetting {
			t.waiting.forShared(s.shared, func(other row) {
				if x := t.rows[other]; x != nil && other != r {
					t.wake(other, x.age())
				}
			})
		}
	}
}
