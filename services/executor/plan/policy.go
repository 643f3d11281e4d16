package plan

import (
	"slices"

	"drawbridge.dev/services/executor/loadbalancer"
)

// policies puts the L7 policies of a listener into their order. A policy is
// known by its rules, which are never changed: one with other rules is another
// policy. New ones are complete and in place before old ones go.
func (d *differ) policies(want loadbalancer.Listener, have Listener) {
	current := slices.Clone(have.Policies)
	kept := map[string]bool{}
	at := -1 // place in current of the last desired policy
	for _, w := range want.Policies {
		i := slices.IndexFunc(current, func(p Policy) bool { return p.ID != "" && !kept[p.ID] && d.is(p, w) })
		if i < 0 {
			i = slices.IndexFunc(current, func(p Policy) bool { return p.ID != "" && !kept[p.ID] && p.becomes(w) })
		}
		pool := d.poolID[w.Pool]
		if i < 0 {
			at++
			d.add(CreatePolicy{ListenerID: have.ID, Listener: want.Name, Policy: w, PoolID: pool, Position: at + 1, Down: len(w.Rules) > 1})
			d.completePolicy(w, Policy{Down: len(w.Rules) > 1}, pool, at+1)
			current = slices.Insert(current, at, Policy{})
			continue
		}
		p := current[i]
		kept[p.ID] = true
		if i < at {
			current = slices.Insert(slices.Delete(current, i, i+1), at, p)
		} else {
			at = i
		}
		d.changePolicy(w, p, pool, at+1, i != at)
	}
	for _, p := range current {
		if p.ID != "" && !kept[p.ID] {
			d.add(DeletePolicy{ID: p.ID, Name: p.Name})
		}
	}
}

// changePolicy brings a policy that stands to what is wanted.
func (d *differ) changePolicy(w loadbalancer.Policy, p Policy, pool string, position int, move bool) {
	if !d.is(p, w) {
		d.completePolicy(w, p, pool, position)
		return
	}
	if move || p.Down || p.Status == Error || !p.leads(w, pool) {
		d.add(UpdatePolicy{ID: p.ID, Policy: w, PoolID: pool, Position: position})
	}
}

// completePolicy adds the rules that are missing, and takes the policy up.
func (d *differ) completePolicy(w loadbalancer.Policy, p Policy, pool string, position int) {
	for _, r := range w.Rules {
		if !slices.ContainsFunc(p.Rules, func(h Rule) bool { return h.Rule == r }) {
			d.add(CreateRule{PolicyID: p.ID, Policy: w.Name, Rule: r})
		}
	}
	if p.Down {
		d.add(UpdatePolicy{ID: p.ID, Policy: w, PoolID: pool, Position: position})
	}
}

func action(w loadbalancer.Policy) string {
	if w.Action == "" {
		return loadbalancer.RedirectToPool
	}
	return w.Action
}

// leads says whether the policy does with what it takes as is wanted.
func (p Policy) leads(w loadbalancer.Policy, pool string) bool {
	if p.Action != action(w) {
		return false
	}
	if p.Action == loadbalancer.RedirectPrefix {
		return p.Redirect == w.Redirect && p.Code == w.Code
	}
	return p.PoolID == pool && pool != ""
}

// ours says whether the policy is of a kind that ours are.
func (p Policy) ours() bool {
	return p.Action == loadbalancer.RedirectToPool || p.Action == loadbalancer.RedirectPrefix
}

// is says whether the policy has just the rules that are wanted. That every path
// begins with a slash need not be said on an adopted load balancer.
func (d *differ) is(p Policy, w loadbalancer.Policy) bool {
	if d.adopted {
		slash := loadbalancer.Rule{Type: loadbalancer.RulePath, Compare: loadbalancer.CompareStartsWith, Value: "/"}
		p.Rules = slices.DeleteFunc(slices.Clone(p.Rules), func(r Rule) bool { return r.Rule == slash })
		w.Rules = slices.DeleteFunc(slices.Clone(w.Rules), func(r loadbalancer.Rule) bool { return r == slash })
	}
	return p.ours() && len(p.Rules) == len(w.Rules) && p.within(w)
}

// becomes says whether the policy can be completed without taking anything
// that it should not meanwhile: it lacks rules, and has none or is down.
func (p Policy) becomes(w loadbalancer.Policy) bool {
	return p.ours() && p.Name == w.Name && p.Action == action(w) && len(p.Rules) < len(w.Rules) && p.within(w) &&
		(p.Down || len(p.Rules) == 0 && len(w.Rules) == 1)
}

func (p Policy) within(w loadbalancer.Policy) bool {
	seen := map[loadbalancer.Rule]bool{}
	for _, r := range p.Rules {
		if r.Foreign || r.Status == Error || seen[r.Rule] || !slices.Contains(w.Rules, r.Rule) {
			return false
		}
		seen[r.Rule] = true
	}
	return true
}
