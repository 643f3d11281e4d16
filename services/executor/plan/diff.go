package plan

import (
	"slices"
	"strings"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
)

// Diff is the steps that lead from observed to desired (nil: nothing may
// stand), in the order in which they must be taken: what is referred to comes
// before what refers to it, and goes after it. No steps: nothing is to be done.
// None of them may be sent while the load balancer is pending. Where [Blocked]
// speaks, no step leads there and Diff answers none.
func Diff(desired *loadbalancer.LoadBalancer, o Observed) []Step {
	lb := o.LoadBalancer
	switch {
	case Blocked(desired, o) != "":
		return nil
	case desired == nil:
		return remove(o)
	case lb == nil:
		create := CreateLoadBalancer{LoadBalancer: *desired, Whole: !o.Stepwise, Refs: o.refs()}
		return slices.Concat(missingSecrets(desired, o), []Step{create}, floatingIP(desired, o, ""), retire(o), needlessSecrets(desired, o))
	case lb.Fresh && lb.Status == Error:
		return anew(desired, o, "its creation failed")
	case o.Stuck():
		return anew(desired, o, "its creation got stuck")
	case o.Old == nil && desired.Replace && len(differences(desired, lb)) > 0:
		if takes(desired, lb) {
			return anew(desired, o, "its address is needed by what replaces it")
		}
		o.Old, o.LoadBalancer = lb, nil
		return Diff(desired, o)
	}
	d := newDiffer(desired, o)
	d.run()
	return slices.Concat(missingSecrets(desired, o), d.steps, d.last, floatingIP(desired, o, lb.PortID), retire(o), needlessSecrets(desired, o))
}

// anew removes the load balancer and plans as if it had never been.
func anew(desired *loadbalancer.LoadBalancer, o Observed, why string) []Step {
	lb := o.LoadBalancer
	o.LoadBalancer = nil
	return append([]Step{DeleteLoadBalancer{ID: lb.ID, Name: lb.Name, Why: why}}, Diff(desired, o)...)
}

func remove(o Observed) (steps []Step) {
	keep := o.LoadBalancer != nil && slices.Contains(o.LoadBalancer.Tags, loadbalancer.KeepTag)
	for _, f := range o.FloatingIPs {
		if o.mine(f) {
			steps = append(steps, dismissed(o, f, keep))
		}
	}
	if o.LoadBalancer != nil {
		steps = append(steps, o.dismantle(o.LoadBalancer, "it is not wanted any more")...)
	}
	return slices.Concat(steps, retire(o), needlessSecrets(nil, o))
}

// retire removes what is replaced.
func retire(o Observed) []Step {
	if o.Old == nil {
		return nil
	}
	return o.dismantle(o.Old, "another has taken its place")
}

// dismantle removes what is the owner's: the whole load balancer, or on one that
// another made the owner's listeners and pools.
func (o Observed) dismantle(lb *LoadBalancer, why string) (steps []Step) {
	if o.Owner.Owns(lb.Tags) {
		return []Step{DeleteLoadBalancer{ID: lb.ID, Name: lb.Name, Why: why}}
	}
	for _, l := range lb.Listeners {
		if o.Owner.Owns(l.Tags) {
			steps = append(steps, DeleteListener{ID: l.ID, Name: l.Name})
		}
	}
	for _, p := range lb.Pools {
		if o.Owner.Owns(p.Tags) {
			steps = append(steps, DeletePool{ID: p.ID, Name: p.Name})
		}
	}
	return steps
}

// differ collects the steps below one load balancer.
type differ struct {
	desired *loadbalancer.LoadBalancer
	lb      *LoadBalancer
	owner   loadbalancer.Owner
	now     time.Time
	adopted bool // another made it: its names are left as they are
	given   bool // another's: only what carries the owner's tags is looked at
	refs    map[string]string
	poolID  map[string]string // of desired pools that exist, by name
	steps   []Step
	last    []Step        // removals of what others referred to
	wake    time.Duration // until the next member has drained; 0: none drains
}

func newDiffer(desired *loadbalancer.LoadBalancer, o Observed) *differ {
	return &differ{desired: desired, lb: o.LoadBalancer, owner: o.Owner, now: o.Now, refs: o.refs(), poolID: map[string]string{},
		adopted: slices.Contains(o.LoadBalancer.Tags, loadbalancer.AdoptedTag), given: desired.ID != ""}
}

func (d *differ) run() {
	if !d.given {
		d.loadBalancer()
	}
	d.pools()
	d.listeners()
	if tags := slices.DeleteFunc(d.tags(), d.left); !d.given && len(tags) != len(d.tags()) {
		name, description := d.names()
		d.last = append(d.last, UpdateLoadBalancer{ID: d.lb.ID, Name: name, Description: description, Tags: tags})
	}
}

// left says whether a tag names a member of the group that is one no more. It is
// taken off when its part is gone, so that a crash in between leaves a trace.
func (d *differ) left(tag string) bool {
	return strings.HasPrefix(tag, loadbalancer.MemberTag) && !slices.Contains(d.desired.Tags, tag)
}

func (d *differ) add(s Step) { d.steps = append(d.steps, s) }

func (d *differ) loadBalancer() {
	tags := d.tags()
	name, description := d.names()
	if d.lb.Down || d.lb.Name != name || d.lb.Description != description || !sameSet(tags, d.lb.Tags) {
		d.add(UpdateLoadBalancer{ID: d.lb.ID, Name: name, Description: description, Tags: tags})
	}
}

// names are the name and the description that the load balancer shall have.
func (d *differ) names() (name, description string) {
	if d.adopted {
		return d.lb.Name, d.lb.Description
	}
	return d.desired.Name, d.desired.Description
}

// tags are those that the load balancer shall have. What on one of ours is not
// of our own namespace came from an exposure, and goes with its wish; on an
// adopted one it came from others.
func (d *differ) tags() (tags []string) {
	for _, t := range d.lb.Tags {
		intent := t == loadbalancer.ProtectTag || t == loadbalancer.KeepTag
		ours := strings.HasPrefix(t, loadbalancer.OurTags)
		if slices.Contains(d.desired.Tags, t) || ours && !intent || !ours && d.adopted {
			tags = append(tags, t)
		}
	}
	return with(tags, d.desired.Tags)
}

// with appends what is missing.
func with(have, want []string) []string {
	for _, t := range want {
		if !slices.Contains(have, t) {
			have = append(have, t)
		}
	}
	return have
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// owns says whether a thing below the load balancer is the owner's to change.
func (d *differ) owns(tags []string) bool { return !d.given || d.owner.Owns(tags) }

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
