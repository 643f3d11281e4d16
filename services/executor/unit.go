package executor

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
)

// unit is what one load balancer serves, and what is worked on at a time: one
// exposure; the exposures of a group; or one exposure on a load balancer that
// another made.
type unit struct {
	key   events.Key // of the one exposure; zero for a group
	group string
	given string // id of the load balancer that another made
}

// unitOf is the unit that an exposure belongs to.
func unitOf(e events.Exposure) unit {
	if e.Group != "" {
		return unit{group: e.Group}
	}
	return unit{key: e.Key, given: e.Placement.LoadBalancer}
}

// own is the unit of an exposure that shares nothing.
func own(k events.Key) unit { return unit{key: k} }

func (u unit) owner(fleet string) loadbalancer.Owner {
	return loadbalancer.Owner{Fleet: fleet, Key: u.key, Group: u.group}
}

// String is the unit for people.
func (u unit) String() string {
	switch {
	case u.group != "":
		return "group " + u.group
	case u.given != "":
		return u.key.String() + " on load balancer " + u.given
	}
	return u.key.String()
}

// stand is what is known of a unit.
type stand struct {
	known    *plan.Observed // what stood when it was last seen; nil: not seen by this process
	deep     bool           // known has what is below the load balancer
	seen     time.Time      // of the last deep read
	check    bool           // look for drift
	read     bool           // and do not trust what is known
	alone    bool           // changes are carried out one by one: together they were refused
	due      time.Time      // when members are drained; zero: never
	lead     events.Key     // for whose sake it was touched last
	failures int            // in a row, of what is not done for the sake of a decision
	sealed   bool           // the key manager may hold secrets of it
	version  uint64         // of the wishes and decisions of all that belongs to it
}

// crew is what is to be done with a unit: what its load balancer serves, and for
// whose sake it is touched.
type crew struct {
	serving []events.Exposure    // composed, in order of keys
	moving  []events.Key         // whose change is carried out, the one that has waited longest first
	waiting int                  // how many there are; moving is one of them where they go alone
	leaving map[events.Key]bool  // of those, whose part goes
	refused map[events.Key]error // whose decision is not to be carried out
	blocked error                // why nothing may be touched: what serves somebody is not known
}

// survey reads from the rows of a unit what is to be done. It touches nothing
// that belongs to an exposure whose newest wish has no approval:
//
//   - An approved and current decision is composed; if its outcome is owed, it is carried out.
//   - A wish that is denied or held lets stand what the signed decision names: that
//     is composed if its part stands, so that others of the group move on around it.
//   - A wish that is not decided yet, a decision that was refused and a decision that
//     is not valid keep the part that was applied last. Where that is not known,
//     nobody else of the unit is served before it is.
//   - A part goes where a valid decision says so: a tombstone or a denial, or an
//     approval that names another unit and has been applied there.
func survey(u unit, rows map[events.Key]row, alone bool) crew {
	c := crew{leaving: map[events.Key]bool{}, refused: map[events.Key]error{}}
	keys := slices.SortedFunc(maps.Keys(rows), compareKeys)
	for _, k := range keys {
		if r := rows[k]; r.moves(u) {
			c.moving = append(c.moving, k)
		}
	}
	slices.SortStableFunc(c.moving, func(a, b events.Key) int {
		x, y := rows[a], rows[b]
		if alone && x.failed() != y.failed() { // who failed lets the others go first
			return cmp.Compare(x.failed(), y.failed())
		}
		return cmp.Or(compareBool(y.owed(), x.owed()), cmp.Compare(x.decided.Sequence, y.decided.Sequence))
	})
	c.waiting = len(c.moving)
	if alone && len(c.moving) > 1 {
		c.moving = c.moving[:1]
	}
	for _, k := range keys {
		c.place(u, k, rows[k])
	}
	return c
}

// place adds the part of one exposure.
func (c *crew) place(u unit, k events.Key, r row) {
	d, decided := r.decision()
	home, placed := r.home()
	stands := slices.Contains(r.at, u)
	moves := slices.Contains(c.moving, k)
	switch {
	case !decided && !stands:
	case !decided || r.invalid != nil:
		if r.owed() && (placed && home == u || !placed && u == own(k)) {
			c.refused[k] = fmt.Errorf("%w: %w", errRefused, r.invalid)
		}
		c.keep(u, k, r)
	case moves && (!placed || home != u):
		c.leaving[k] = true
	case !placed || home != u, !r.current():
		c.keep(u, k, r)
	case handsOff(d):
		if stands {
			c.serving = append(c.serving, *d.Exposure)
		}
	case moves || r.applies():
		c.serving = append(c.serving, *d.Exposure)
	case r.owed() && r.unborn(): // not its turn, and it has nothing
	case r.owed() && stands && r.applied == nil: // not its turn, and what it had is not known
		c.serving = append(c.serving, *d.Exposure)
	default:
		c.keep(u, k, r)
	}
}

// keep leaves what stands of an exposure as it is.
func (c *crew) keep(u unit, k events.Key, r row) {
	switch {
	case !slices.Contains(r.at, u):
	case r.applied != nil && unitOf(*r.applied) == u:
		c.serving = append(c.serving, *r.applied)
	case u.group == "": // nobody else is touched with it
	case r.unborn(): // what is left of the try goes
	default:
		c.blocked = fmt.Errorf("%w: the part of %s stands, and what was applied of it is not known: %s", errWaiting, k, r.awaits())
	}
}

// errWaiting: what another exposure of the unit wants must be known before.
var errWaiting = errors.New("the load balancer is shared")
