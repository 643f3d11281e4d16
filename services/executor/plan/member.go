package plan

import (
	"cmp"
	"slices"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
)

type socket struct {
	address string
	port    int
}

// members compares the members of a pool. One that is not wanted any more drains
// first: it stays at weight 0 for the pool's delay.
func (d *differ) members(want loadbalancer.Pool, have Pool) SetMembers {
	s := SetMembers{PoolID: have.ID, Pool: want.Name}
	old := map[socket]Member{}
	for _, m := range have.Members {
		old[socket{m.Address, m.Port}] = m
	}
	s.Removed = len(have.Members) - len(old)
	var misplaced []loadbalancer.Member // in another subnet, which cannot be changed
	for _, m := range want.Members {
		at := socket{m.Address, m.Port}
		o, ok := old[at]
		delete(old, at)
		switch {
		case !ok:
			s.Added++
		case m.SubnetID != "" && o.SubnetID != m.SubnetID:
			m.SubnetID = o.SubnetID
			misplaced = append(misplaced, m)
			continue
		case o.Foreign || o.Status == Error || !d.sameMember(o.Member, m):
			s.Changed++
		}
		s.Members = append(s.Members, m)
	}
	d.place(&s, misplaced)
	for _, o := range have.Members {
		if _, going := old[socket{o.Address, o.Port}]; going {
			d.dismiss(&s, want, o)
			delete(old, socket{o.Address, o.Port})
		}
	}
	slices.SortFunc(s.Members, func(a, b loadbalancer.Member) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port))
	})
	return s
}

// dismiss removes a member that has drained, or has it drain.
func (d *differ) dismiss(s *SetMembers, want loadbalancer.Pool, o Member) {
	delay := time.Duration(want.DrainDelay) * time.Second
	left := delay
	if o.Weight == 0 {
		left -= d.now.Sub(o.UpdatedAt)
	}
	if left <= 0 || o.Foreign || o.Status == Error {
		s.Removed++
		return
	}
	m := o.Member
	if m.Weight > 0 {
		m.Weight = 0
		s.Changed++
	}
	s.Members = append(s.Members, m)
	s.Draining++
	if d.wake == 0 || left < d.wake {
		d.wake = left
	}
}

// place moves members to another subnet: they are removed, and added the next
// time. Never all at once, unless there is just one.
func (d *differ) place(s *SetMembers, misplaced []loadbalancer.Member) {
	if len(misplaced) == 0 {
		return
	}
	gone := len(misplaced)
	if s.Added > 0 {
		gone = 0 // first those that are to be added
	} else if len(s.Members) == 0 {
		gone = (gone + 1) / 2
	}
	s.Removed += gone
	s.Members = append(s.Members, misplaced[gone:]...)
}

func (d *differ) sameMember(have, want loadbalancer.Member) bool {
	if d.adopted {
		have.Name = want.Name
	}
	if want.SubnetID == "" {
		have.SubnetID = ""
	}
	if have.MonitorPort == have.Port {
		have.MonitorPort = 0
	}
	if want.MonitorPort == want.Port {
		want.MonitorPort = 0
	}
	return have == want
}
