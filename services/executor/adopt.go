package executor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/bus"
)

// Adoption is one load balancer that the octavia-ingress-controller or the
// openstack-cloud-controller-manager has made, and what becomes of it.
type Adoption struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	VIP      string   `json:"vip,omitempty"`
	Key      string   `json:"key,omitempty"`      // of the exposure that it is adopted for
	Steps    []string `json:"steps,omitempty"`    // that remain after adoption; none: it is what is wished
	Hints    []string `json:"hints,omitempty"`    // what to set so that fewer remain
	Problems []string `json:"problems,omitempty"` // why it is not adopted, or would not be served
	Warnings []string `json:"warnings,omitempty"`
	Written  []string `json:"written,omitempty"` // what was written; nothing in a dry run
}

// Adopt finds the load balancers that peers have made for objects whose exposure
// is approved, and says what would be done to them if they were ours. With apply
// it makes them ours: it writes our tags on each and our description on its
// floating IP, and nothing else. A floating IP that no peer made is left as it
// is where the exposure names it; where it does not, nothing is adopted. The
// floating IP comes first. A running executor does not touch what has no tag of ours, and creates nothing
// beside it meanwhile, so that no lease is needed; it goes on as soon as it finds the
// tags. It needs the bus for the decisions, of which only those count that
// trusted-keys have signed, where any are set.
func Adopt(ctx context.Context, cfg Config, b *bus.Bus, apply bool) ([]Adoption, error) {
	cfg = cfg.Defaults()
	approved, err := approvedIn(ctx, cfg, b)
	if err != nil {
		return nil, err
	}
	s, err := newStudy(ctx, cfg, true)
	if err != nil {
		return nil, err
	}
	all, err := s.client.LoadBalancers(ctx)
	if err != nil {
		return nil, err
	}
	out := []Adoption{}
	for _, lb := range all {
		if claimed(lb) || !peersMade(lb) {
			continue
		}
		a, err := s.adopt(ctx, lb, approved, apply)
		if err != nil {
			return out, err
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Adoption) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// approvedIn are the exposures whose newest wish has an approval.
func approvedIn(ctx context.Context, cfg Config, b *bus.Bus) ([]events.Exposure, error) {
	records, err := b.Table(ctx, events.Filter(events.StageRequested, cfg.Cloud, ""), events.Filter(events.StageDecided, cfg.Cloud, ""))
	if err != nil {
		return nil, fmt.Errorf("read the decisions of cloud %s: %w", cfg.Cloud, err)
	}
	t := newTable(func(k events.Key, d events.Decided) error {
		if len(cfg.TrustedKeys) == 0 {
			return nil
		}
		return verify(k, d, cfg.TrustedKeys)
	})
	for _, r := range records {
		t.put(r)
	}
	var out []events.Exposure
	for k := range t.all(func(r row) bool {
		d, ok := r.decision()
		return ok && r.current() && d.Verdict == events.Approved && d.Exposure != nil
	}) {
		rows, _ := t.view(own(k))
		if d, _ := rows[k].decision(); rows[k].invalid == nil {
			out = append(out, *d.Exposure)
		}
	}
	slices.SortFunc(out, func(a, b events.Exposure) int { return compareKeys(a.Key, b.Key) })
	return out, nil
}

// peersMade says whether a load balancer is named as those of the peers.
func peersMade(lb plan.LoadBalancer) bool {
	return strings.HasPrefix(lb.Name, peerIngress) || strings.HasPrefix(lb.Name, peerService)
}

// adopt plans the adoption of one load balancer, and carries it out with apply.
func (s *study) adopt(ctx context.Context, lb plan.LoadBalancer, approved []events.Exposure, apply bool) (Adoption, error) {
	a := Adoption{ID: lb.ID, Name: lb.Name, VIP: lb.Address}
	refuse := func(format string, args ...any) (Adoption, error) {
		a.Problems = append(a.Problems, fmt.Sprintf(format, args...))
		return a, nil
	}
	sharing := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(lb.Tags))), func(t string) bool { return !strings.HasPrefix(t, peerService) })
	if len(sharing) > 1 {
		return refuse("%d Services share it (%s): give each its own, or the annotation drawbridge.dev/load-balancer: %s", len(sharing), strings.Join(sharing, ", "), lb.ID)
	}
	var of []events.Exposure
	for _, e := range approved {
		if peers(lb, peerNames(e.Key, s.cfg.PeerClusters)) {
			of = append(of, e)
		}
	}
	switch {
	case len(of) == 0:
		return refuse("no approved exposure is of this object: let the object ask for exposure by Drawbridge and be approved; if its cluster had another name there, set the executor's peer-clusters")
	case len(of) > 1:
		var keys []string
		for _, e := range of {
			keys = append(keys, e.Key.String())
		}
		return refuse("it may be of %s: set the executor's peer-clusters, to say which cluster had which name there", strings.Join(keys, ", "))
	}
	e := of[0]
	a.Key = e.Key.String()
	u := unitOf(e)
	if u != own(e.Key) {
		return refuse("the exposure is to be served by %s: it has no load balancer of its own, for which this one could be taken", u)
	}
	if names := peerNames(e.Key, s.cfg.PeerClusters); !peers(lb, names[:1]) {
		alike, err := s.alike(ctx, lb.ID, e)
		if err != nil {
			return a, err
		}
		if !alike {
			return refuse("it may be of another cluster: its name says cluster %s, which they are all called unless somebody says otherwise, and none of its members is one of %s: if it is of cluster %s, set the executor's peer-clusters to {%s: %s}",
				peerDefault, e.Key, e.Key.Cluster, e.Key.Cluster, peerDefault)
		}
	}
	if standing, err := s.client.Find(ctx, u.owner(s.cfg.Fleet)); err != nil {
		return a, err
	} else if len(standing) > 0 {
		return refuse("%s has a load balancer already, %s: delete this one when nobody uses it any more", e.Key, standing[0].ID)
	}
	given := ""
	if !e.Internal {
		given = e.FloatingIP.Address
	}
	if not, err := s.untakeable(ctx, lb, u, given); err != nil {
		return a, err
	} else if not != nil {
		return refuse("%v", not)
	}
	p, err := s.plan(ctx, u, []events.Exposure{e}, &lb)
	if err != nil {
		return a, err
	}
	a.Steps, a.Warnings, a.Problems = p.Steps, p.Warnings, p.Problems
	a.Hints = hints(p.todo)
	if !apply {
		return a, nil
	}
	a.Written, err = s.client.Adopt(ctx, u.owner(s.cfg.Fleet), lb.ID, given)
	if class := octavia.ClassOf(err); err != nil && (class == octavia.Permanent || class == octavia.Gone) {
		return refuse("%v", err)
	}
	return a, err
}

// untakeable says why the floating IPs on the VIP stand in the way of adoption;
// nil: they do not.
func (s *study) untakeable(ctx context.Context, lb plan.LoadBalancer, u unit, given string) (not, err error) {
	floating, err := s.client.FindFloatingIPs(ctx, octavia.FloatingIPQuery{PortID: lb.PortID})
	for _, f := range floating {
		if not = octavia.Takeable(u.owner(s.cfg.Fleet), f, given); not != nil {
			break
		}
	}
	return not, err
}

// alike says whether a load balancer and an exposure have a member in common.
func (s *study) alike(ctx context.Context, id string, e events.Exposure) (bool, error) {
	lb, err := s.client.Read(ctx, id)
	if err != nil {
		return false, err
	}
	theirs := map[string]bool{}
	for _, p := range lb.Pools {
		for _, m := range p.Members {
			theirs[m.Address] = true
		}
	}
	for _, b := range e.Backends {
		if slices.ContainsFunc(b.Members, func(m events.Member) bool { return theirs[m.Address] }) {
			return true, nil
		}
	}
	return false, nil
}

// assume makes what was read what it would be once it is adopted, by an
// exposure that names a floating IP's address or none.
func assume(o *plan.Observed, given string) {
	lb := o.LoadBalancer
	if lb == nil {
		return
	}
	lb.Tags = append(slices.Clone(lb.Tags), append(o.Owner.Tags(), loadbalancer.AdoptedTag)...)
	for i := range o.FloatingIPs {
		if o.FloatingIPs[i].PortID == lb.PortID && o.FloatingIPs[i].Address != given {
			o.FloatingIPs[i].Description = o.Owner.Description()
		}
	}
}

// hints say by which annotation, or which setting of the executor, a step that
// remains after adoption is not taken.
func hints(steps []plan.Step) (out []string) {
	for _, s := range steps {
		hint := ""
		switch s := s.(type) {
		case plan.CreateMonitor:
			hint = `annotate drawbridge.dev/health-monitor: "false" to go on without health checks`
		case plan.DeleteMonitor:
			hint = `annotate drawbridge.dev/health-monitor: "true" to keep the health checks`
		case plan.UpdateMonitor:
			hint = "annotate drawbridge.dev/health-monitor-delay, -timeout, -max-retries and -max-retries-down as the monitors have them"
		case plan.CreateFloatingIP:
			hint = `annotate drawbridge.dev/internal: "true" to go on without a floating IP`
		case plan.ReleaseFloatingIP, plan.DeleteFloatingIP:
			hint = `annotate drawbridge.dev/internal: "false" to keep the floating IP; leave drawbridge.dev/floating-ip out for one that shall go with the object`
		case plan.CreatePolicy, plan.UpdatePolicy, plan.DeletePolicy, plan.CreateRule:
			hint = `annotate drawbridge.dev/path-matching: "raw-prefix" to route as the octavia-ingress-controller did`
		case plan.UpdatePool:
			hint = "annotate drawbridge.dev/algorithm and drawbridge.dev/session-affinity as the pools have them"
		case plan.CreateListener, plan.DeleteListener:
			hint = `annotate drawbridge.dev/ssl-redirect: "false" for an Ingress without a redirect from port 80; on a Service drawbridge.dev/port-protocols says what a port speaks`
		case plan.UpdateListener:
			hint = "annotate drawbridge.dev/allowed-sources, drawbridge.dev/connection-limit and drawbridge.dev/timeout-... as the listeners have them"
			if len(s.Refs) > 0 {
				hint += "; certificates are uploaded under our own names in any case"
			}
		case plan.SetMembers:
			hint = "set the watcher's node-selector, or annotate drawbridge.dev/node-selector and drawbridge.dev/member-subnet, for the same members; nodes may have changed since"
		}
		if hint != "" && !slices.Contains(out, hint) {
			out = append(out, hint)
		}
	}
	return out
}
