package executor

import (
	"context"
	"slices"
	"strings"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
)

// Planned is what would be done for one exposure, or for all of its group.
type Planned struct {
	Key      events.Key `json:"key"`
	Group    string     `json:"group,omitempty"`    // the steps are those of the group, and stand at its first exposure
	Steps    []string   `json:"steps"`              // none: nothing is to be done
	Problems []string   `json:"problems,omitempty"` // why it would not be done
	Warnings []string   `json:"warnings,omitempty"`

	todo []plan.Step // of Steps
}

// newestAPI is what a dry run without a cloud takes for its Octavia API 2.x.
const newestAPI = 30

// study plans without writing anything.
type study struct {
	cfg       Config
	client    *octavia.Client // nil: as if nothing stood
	placement *placement
}

func newStudy(ctx context.Context, cfg Config, cloud bool) (*study, error) {
	s := &study{cfg: cfg, placement: &placement{cfg: cfg, minor: newestAPI}}
	if !cloud {
		return s, nil
	}
	client, err := octavia.Connect(ctx, cfg.octavia())
	if err != nil {
		return nil, err
	}
	s.client, s.placement.client, s.placement.minor = client, client, client.APIMinor()
	return s, s.placement.load(ctx)
}

// Plan says what would be done for the exposures: against what stands in the
// cloud if one is given, else as if nothing stood. It writes nothing, and needs
// no trusted keys.
func Plan(ctx context.Context, cfg Config, exposures []events.Exposure, cloud bool) ([]Planned, error) {
	s, err := newStudy(ctx, cfg.Defaults(), cloud)
	if err != nil {
		return nil, err
	}
	groups := map[unit][]events.Exposure{}
	for _, e := range exposures {
		groups[unitOf(e)] = append(groups[unitOf(e)], e)
	}
	out := make([]Planned, 0, len(exposures))
	for _, e := range exposures {
		group := groups[unitOf(e)]
		slices.SortFunc(group, func(a, b events.Exposure) int { return compareKeys(a.Key, b.Key) })
		x, err := s.plan(ctx, unitOf(e), group, nil)
		if err != nil {
			return nil, err
		}
		x.Key, x.Group = e.Key, e.Group
		if group[0].Key != e.Key {
			x.Steps = []string{}
		}
		out = append(out, x)
	}
	return out, nil
}

// plan says what would be done for a unit; with adopted, if that load balancer
// were its own.
func (s *study) plan(ctx context.Context, u unit, group []events.Exposure, adopted *plan.LoadBalancer) (Planned, error) {
	out := Planned{Key: group[0].Key, Steps: []string{}}
	owner := u.owner(s.cfg.Fleet)
	at, err := s.placement.find(ctx, group)
	if err != nil {
		return out, err
	}
	if s.client == nil { // nowhere is anywhere
		at.flavor, at.zone, at.vip, at.floating, at.members, at.asked = nil, nil, nil, nil, nil, nil
	}
	desired, conflicts := compose.LoadBalancer(owner, group, at.Defaults)
	out.Warnings = append(out.Warnings, at.asked...)
	if at.members != nil {
		out.Problems = append(out.Problems, at.members.Error())
	}
	for _, c := range conflicts {
		if text := c.Field + ": " + c.Message; c.Fatal {
			out.Problems = append(out.Problems, text)
		} else {
			out.Warnings = append(out.Warnings, text)
		}
	}
	if len(out.Problems) > 0 {
		return out, nil
	}
	desired.Tags = append(desired.Tags, memberTags(u, group)...)
	observed := plan.Observed{Owner: owner, Stepwise: s.cfg.Create == CreateStepwise, Now: time.Now()}
	if s.client != nil {
		if err := s.look(ctx, u, &desired, adopted, &observed); err != nil {
			return out, err
		}
	}
	if others := strangers(observed, desired); len(others) > 0 {
		out.Warnings = append(out.Warnings, "the load balancer of "+u.String()+" carries parts of "+strings.Join(others, ", ")+
			" too, which are not asked about here: what would be done to it is not said")
		return out, nil
	}
	if msg := plan.Blocked(&desired, observed); msg != "" {
		out.Problems = append(out.Problems, msg)
	}
	out.Warnings = append(out.Warnings, plan.Warnings(&desired, observed)...)
	j := &job{place: at}
	out.todo = plan.Diff(&desired, observed)
	for _, step := range out.todo {
		out.Steps = append(out.Steps, step.Describe())
		if err := j.unplaced(step); err != nil && !slices.Contains(out.Problems, err.Error()) {
			out.Problems = append(out.Problems, err.Error())
		}
	}
	out.Warnings = slices.DeleteFunc(out.Warnings, func(w string) bool { return slices.Contains(out.Problems, w) })
	return out, nil
}

// strangers are members that the tags of a group's load balancer name and that
// are not composed.
func strangers(o plan.Observed, desired loadbalancer.LoadBalancer) (out []string) {
	if o.LoadBalancer == nil {
		return nil
	}
	for _, t := range o.LoadBalancer.Tags {
		if text, ok := strings.CutPrefix(t, loadbalancer.MemberTag); ok && !slices.Contains(desired.Tags, t) {
			out = append(out, text)
		}
	}
	return out
}

// look reads all that stands of a unit.
func (s *study) look(ctx context.Context, u unit, desired *loadbalancer.LoadBalancer, adopted *plan.LoadBalancer, o *plan.Observed) error {
	found := []plan.LoadBalancer{}
	var err error
	switch {
	case adopted != nil:
		found = append(found, *adopted)
	case u.given != "":
		found = append(found, plan.LoadBalancer{ID: u.given})
	default:
		if found, err = s.client.Find(ctx, o.Owner); err != nil {
			return err
		}
	}
	o.LoadBalancer, o.Old, _ = plan.Choose(desired, found, "")
	q := octavia.FloatingIPQuery{Description: o.Owner.Description(), Address: desired.FloatingAddress}
	if o.Secrets, err = s.client.Secrets(ctx, o.Owner); err != nil {
		return err
	}
	if lb := o.LoadBalancer; lb != nil {
		o.LoadBalancer, err = s.client.Read(ctx, lb.ID)
		if octavia.ClassOf(err) == octavia.Gone && err != nil {
			o.LoadBalancer, err = nil, nil
		}
		if err != nil {
			return err
		}
	}
	if o.LoadBalancer != nil {
		q.PortID = o.LoadBalancer.PortID
	}
	o.FloatingIPs, err = s.client.FindFloatingIPs(ctx, q)
	if adopted != nil {
		assume(o, desired.FloatingAddress)
	}
	return err
}
