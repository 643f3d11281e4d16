package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"drawbridge.dev/events"
)

const ruleFailed = events.RulePolicyFailed

// ruleGroup is the rule by which a bundle denies conflicts; see policies/README.md.
const ruleGroup = "group"

// Question is everything that a decision follows from, beside the bundle.
type Question struct {
	Key      events.Key
	Cloud    string
	Wish     events.Requested
	Labels   map[string]string              // of the cluster
	Standing *events.Exposure               // that may stand by the last decision; nil: nothing
	Holdings func(events.Exposure) Holdings // what concerns an exposure of this key, see [Inventory.For]
	Time     time.Time                      // of the wish
}

// Decide answers q. It always has an answer: where the policy fails it is a
// denial that leaves what stands as it is. The answer is sealed, not signed.
func (e *Engine) Decide(ctx context.Context, q Question) events.Decided {
	d := e.decide(ctx, q)
	d.Wish, d.Policy = q.Wish.Digest, e.ref
	return d.Seal(q.Key)
}

func (e *Engine) decide(ctx context.Context, q Question) events.Decided {
	if q.Wish.Exposure == nil {
		return events.Decided{Verdict: events.Approved}
	}
	a, obliged, err := e.ask(ctx, q)
	if err != nil {
		return failed(err, q.Standing)
	}
	if a.verdict == events.Approved {
		return events.Decided{Verdict: events.Approved, Exposure: &obliged, Rules: a.rules, Obligations: a.obligations.texts()}
	}
	d := events.Decided{Verdict: a.verdict, Reasons: a.reasons, Rules: a.rules, Exposure: q.Standing}
	if why := e.outlived(ctx, q); why != "" {
		d.Exposure, d.Reasons = nil, append(slices.Clone(d.Reasons), why)
	}
	return d
}

// ask has the bundle answer the wish, and returns it as it is obliged if it is
// approved. What the wish shares with others is compared as policy leaves it:
// members of a group agree on the sources that both are obliged to, though
// neither asked for them. Where nothing conflicts then, the bundle was asked
// without conflicts already.
func (e *Engine) ask(ctx context.Context, q Question) (answer, events.Exposure, error) {
	wish := *q.Wish.Exposure
	wish.Waived = nil // is for policy to say
	in := q.input(wish)
	in.Inventory.Conflicts = nil
	a, obliged, err := e.obliged(ctx, in)
	if err != nil || a.verdict != events.Approved || !shares(obliged) {
		return a, obliged, err
	}
	if in.Inventory.Conflicts = q.Holdings(obliged).Conflicts; len(in.Inventory.Conflicts) == 0 {
		return a, obliged, nil
	}
	return e.obliged(ctx, in)
}

// obliged evaluates, and applies the obligations of an approval; where they
// leave nothing, it is a denial.
func (e *Engine) obliged(ctx context.Context, in Input) (answer, events.Exposure, error) {
	a, err := e.evaluate(ctx, in)
	if err != nil || a.verdict != events.Approved {
		return a, events.Exposure{}, err
	}
	obliged, err := a.obligations.apply(in.Wish)
	if err != nil {
		a.verdict, a.reasons = events.Denied, []string{err.Error()}
		return a, obliged, nil
	}
	if told := a.obligations.texts(); len(told) > 0 {
		if err := obliged.Validate(); err != nil {
			return a, obliged, fmt.Errorf("its obligations (%s) make the exposure one that cannot be: %w", strings.Join(told, ", "), err)
		}
	}
	return a, obliged, nil
}

// failed is the denial that follows from a policy without an answer. The reason
// is one line, as the others.
func failed(err error, standing *events.Exposure) events.Decided {
	return events.Decided{Verdict: events.Denied, Exposure: standing,
		Reasons: []string{"policy failed: " + strings.Join(strings.Fields(err.Error()), " ")}, Rules: []string{ruleFailed}}
}

// outlived says why what stands may stand no longer; empty: it may, or nothing
// stands, or the policy cannot say.
func (e *Engine) outlived(ctx context.Context, q Question) string {
	const removed = "what was exposed before is removed: "
	if q.Standing == nil {
		return ""
	}
	if q.Standing.UID != q.Wish.Exposure.UID {
		return removed + "it belonged to an earlier object of the same name"
	}
	a, err := e.evaluate(ctx, q.input(*q.Standing))
	if err != nil {
		return ""
	}
	if a.verdict == events.Denied {
		return removed + strings.Join(a.reasons, "; ")
	}
	// The flavor of a load balancer that stands cannot be changed, and need not
	// be. What may be left out need not be.
	a.obligations.flavor = ""
	if within(q.Standing.Waived, a.obligations.waived) {
		a.obligations.waived = q.Standing.Waived
	}
	obliged, err := a.obligations.apply(*q.Standing)
	if err != nil || events.Digest(obliged) != events.Digest(q.Standing.Normalize()) {
		return removed + "it is open to more than policy allows (" + strings.Join(a.obligations.texts(), ", ") + ")"
	}
	return ""
}

func (q Question) input(wish events.Exposure) Input {
	return Input{
		Wish: wish,
		Object: InputObject{Labels: q.Wish.Object.Labels, Annotations: q.Wish.Object.Annotations,
			NamespaceLabels: q.Wish.Object.NamespaceLabels},
		Cluster:   InputCluster{Name: q.Key.Cluster, Labels: q.Labels},
		Approved:  q.Standing,
		Inventory: q.Holdings(wish),
		Time:      q.Time.UTC().Format(time.RFC3339),
	}
}

// apply returns e bound by o, normalized.
func (o obligations) apply(e events.Exposure) (events.Exposure, error) {
	e = e.Normalize()
	if o.internal {
		e.Internal, e.FloatingIP.Address = true, ""
	}
	if o.flavor != "" {
		e.Flavor = o.flavor
	}
	e.Waived = o.waived
	for i := range e.Listeners {
		l := &e.Listeners[i]
		if err := o.bind(l); err != nil {
			return e, fmt.Errorf("listener %s/%d: %w", l.Protocol, l.Port, err)
		}
	}
	return e.Normalize(), nil
}

// bind applies o to a listener of a normalized exposure, which shares its TLS with nobody.
func (o obligations) bind(l *events.Listener) error {
	if len(o.allowedSources) > 0 {
		narrowed, err := narrow(l.AllowedSources, o.allowedSources)
		if err != nil {
			return err
		}
		l.AllowedSources = narrowed
	}
	if len(o.tlsVersions) == 0 || l.TLS == nil {
		return nil
	}
	if len(l.TLS.Versions) == 0 {
		l.TLS.Versions = o.tlsVersions
		return nil
	}
	wished := l.TLS.Versions
	l.TLS.Versions = slices.DeleteFunc(slices.Clone(wished), func(v string) bool { return !slices.Contains(o.tlsVersions, v) })
	if len(l.TLS.Versions) == 0 {
		return fmt.Errorf("policy allows none of its TLS versions %s: use %s", strings.Join(wished, ", "), strings.Join(o.tlsVersions, ", "))
	}
	return nil
}

// within reports whether all of some are in all.
func within[T comparable](some, all []T) bool { return len(without(some, all)) == 0 }

// narrow is the intersection of two lists of CIDRs; an empty wish is everything.
func narrow(wished, allowed []string) ([]string, error) {
	if len(wished) == 0 {
		return allowed, nil
	}
	var out []string
	for _, w := range wished {
		for _, a := range allowed {
			if contains(a, w) {
				out = append(out, w)
			} else if contains(w, a) {
				out = append(out, a)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("none of its sources %s lies in those that policy allows: use sources within %s",
			strings.Join(wished, ", "), strings.Join(allowed, ", "))
	}
	return out, nil
}

func contains(outer, inner string) bool {
	o, err1 := netip.ParsePrefix(outer)
	i, err2 := netip.ParsePrefix(inner)
	return errors.Join(err1, err2) == nil && o.Bits() <= i.Bits() && o.Contains(i.Addr())
}

// texts tells the obligations to people.
func (o obligations) texts() []string {
	var out []string
	if len(o.allowedSources) > 0 {
		out = append(out, "allowedSources="+strings.Join(o.allowedSources, ","))
	}
	if o.flavor != "" {
		out = append(out, "flavor="+o.flavor)
	}
	if o.internal {
		out = append(out, "internal=true")
	}
	if len(o.tlsVersions) > 0 {
		out = append(out, "tlsVersions="+strings.Join(o.tlsVersions, ","))
	}
	if len(o.waived) > 0 {
		features := make([]string, len(o.waived))
		for i, f := range o.waived {
			features[i] = string(f)
		}
		out = append(out, "waived="+strings.Join(features, ","))
	}
	return out
}
