package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
)

const (
	stuckPause = 2 * time.Second
	slowSettle = 2 * time.Minute // longer than any load balancer that is well
)

// sight is what is seen of a job's load balancer.
type sight struct {
	plan.Observed
	deep   bool                // what is below the load balancer is known
	dirty  bool                // written since the statuses below were last read
	whole  bool                // created whole, and not read since
	extras []plan.LoadBalancer // of the same owner; there should be none
}

// observe looks for what stands, by tag: one read of the load balancer, one of
// the floating IPs and one of the secrets unless they are known, and a deep one
// only where the load balancer has changed since it was known.
func (t *term) observe(ctx context.Context, j *job, trust bool) (sight, error) {
	s := sight{Observed: plan.Observed{Owner: j.owner, Now: time.Now()}}
	found, err := t.find(ctx, j)
	if err != nil {
		return s, err
	}
	served := ""
	for _, lb := range found {
		if j.served(lb.ID) && (served == "" || lb.ID < served) {
			served = lb.ID
		}
	}
	s.LoadBalancer, s.Old, s.extras = plan.Choose(j.desired, found, served)
	known := j.known.known
	if !trust || j.twin() {
		known = nil
	}
	if err := t.beside(ctx, j, known, &s); err != nil {
		return s, err
	}
	lb := s.LoadBalancer
	if lb == nil {
		return s, nil
	}
	lb.Fresh = lb.ID != served && j.unit.given == "" && !slices.Contains(lb.Tags, loadbalancer.AdoptedTag)
	s.deep = j.unit.given != "" && !lb.Status.Pending()
	if known != nil && j.known.deep && known.LoadBalancer != nil && known.LoadBalancer.ID == lb.ID &&
		known.LoadBalancer.UpdatedAt == lb.UpdatedAt && !lb.Status.Pending() {
		lb.Listeners, lb.Pools, s.deep = known.LoadBalancer.Listeners, known.LoadBalancer.Pools, true
	}
	return s, t.members(j, lb.Tags)
}

// find finds the load balancers of a unit: by its tags, or the one that is given.
func (t *term) find(ctx context.Context, j *job) ([]plan.LoadBalancer, error) {
	if j.unit.given == "" {
		return t.client.Find(ctx, j.owner)
	}
	lb, err := t.client.Read(ctx, j.unit.given)
	if err != nil && octavia.ClassOf(err) == octavia.Gone {
		if j.desired == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("%w: the project has no load balancer %s: correct %s, or leave it out to get one of its own", errRefused, j.unit.given, asker("placement.loadBalancer"))
	}
	if err != nil {
		return nil, err
	}
	return []plan.LoadBalancer{*lb}, nil
}

// given says whether the floating IP that is given, if one is, is among those known.
func (j *job) given(known []plan.FloatingIP) bool {
	return j.desired == nil || j.desired.FloatingAddress == "" ||
		slices.ContainsFunc(known, func(f plan.FloatingIP) bool { return f.Address == j.desired.FloatingAddress })
}

// beside reads what stands beside the load balancer.
func (t *term) beside(ctx context.Context, j *job, known *plan.Observed, s *sight) (err error) {
	if known != nil && j.given(known.FloatingIPs) {
		s.FloatingIPs, s.Secrets = known.FloatingIPs, known.Secrets
		return nil
	}
	q := octavia.FloatingIPQuery{Description: j.owner.Description()}
	if s.LoadBalancer != nil {
		q.PortID = s.LoadBalancer.PortID
	}
	if j.desired != nil {
		q.Address = j.desired.FloatingAddress
	}
	if s.FloatingIPs, err = t.client.FindFloatingIPs(ctx, q); err != nil {
		return err
	}
	if home, placed := j.rows[j.unit.key].home(); placed && home != j.unit && j.twin() {
		// What has the mark of the same owner serves where the exposure is.
		s.FloatingIPs = slices.DeleteFunc(s.FloatingIPs, func(f plan.FloatingIP) bool { return f.PortID == "" || f.PortID != q.PortID })
		return nil
	}
	if j.sealed() {
		s.Secrets, err = t.client.Secrets(ctx, j.owner)
	}
	return err
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// settle waits until the load balancer is not pending, and reads what is below
// it where that is not known.
func (t *term) settle(ctx context.Context, j *job, s *sight) error {
	for s.Pending() {
		lb, err := t.await(ctx, s.LoadBalancer.ID, &j.trip.calls)
		if err != nil {
			return err
		}
		if lb.Status == plan.Deleted && s.LoadBalancer.Status != "PENDING_DELETE" {
			// Not our doing: a list that lacks it is no proof that it is gone.
			if *s, err = t.observe(ctx, j, false); err != nil {
				return err
			}
			continue
		}
		if lb.Status == plan.Deleted {
			s.Observed = plan.Advance(s.Observed, plan.DeleteLoadBalancer{ID: lb.ID}, plan.Result{})
			s.dirty, s.whole = false, false
			continue
		}
		s.LoadBalancer.Status, s.LoadBalancer.UpdatedAt = lb.Status, lb.UpdatedAt
	}
	if s.LoadBalancer == nil || s.LoadBalancer.Status != plan.Active || j.desired == nil || s.deep && !s.whole {
		return nil
	}
	read := t.readDeep
	if s.deep {
		read = t.readTree
	}
	err := read(ctx, s)
	if s.whole = false; err == nil && s.Stuck() && s.LoadBalancer.Fresh {
		err = t.stuck(ctx, s)
	}
	if err != nil || !s.Pending() {
		return err
	}
	s.deep = false // another has just begun to change it
	return t.settle(ctx, j, s)
}

// readDeep reads the load balancer and everything below it. That takes several
// requests, and another may begin a change between two of them: what is pending
// below one that has served is believed to stay so when a later look finds it
// so too, and nothing has changed in between.
func (t *term) readDeep(ctx context.Context, s *sight) error {
	for before := (*plan.LoadBalancer)(nil); ; {
		lb, err := t.client.Read(ctx, s.LoadBalancer.ID)
		if err != nil {
			return err
		}
		lb.Fresh = s.LoadBalancer.Fresh
		s.LoadBalancer, s.dirty, s.deep = lb, false, true
		if !s.Stuck() || lb.Fresh || before != nil && before.UpdatedAt == lb.UpdatedAt {
			return nil
		}
		before = lb
		if !pause(ctx, stuckPause) {
			return ctx.Err()
		}
	}
}

// await waits for a load balancer to settle. One that takes unusually long gives
// its place up to others meanwhile.
func (t *term) await(ctx context.Context, id string, calls *octavia.Calls) (plan.LoadBalancer, error) {
	patience := min(slowSettle, t.cfg.SettleTimeout)
	lb, err := t.settler.settle(ctx, id, calls, patience)
	if !errors.Is(err, errNotSettling) || patience == t.cfg.SettleTimeout {
		return lb, err
	}
	t.limit.leave()
	lb, err = t.settler.settle(ctx, id, calls, t.cfg.SettleTimeout-patience)
	if enterErr := t.limit.enter(ctx); enterErr != nil {
		t.limit.force()
		return lb, enterErr
	}
	return lb, err
}

// readTree reads the statuses below the load balancer, in one read.
func (t *term) readTree(ctx context.Context, s *sight) error {
	lb, err := t.client.Settled(ctx, *s.LoadBalancer)
	if err != nil {
		return err
	}
	s.LoadBalancer, s.dirty = lb, false
	return nil
}

// stuck looks a second time, because the load balancer and what is below it do
// not turn ACTIVE at one instant, and remembers a cloud that cannot create whole.
func (t *term) stuck(ctx context.Context, s *sight) error {
	if !pause(ctx, stuckPause) {
		return ctx.Err()
	}
	if err := t.readTree(ctx, s); err != nil {
		return err
	}
	if s.Stuck() && t.cfg.Create == CreateAuto {
		t.cannotWhole.Store(true)
		t.log.Warn().Str("loadbalancer", s.LoadBalancer.ID).Msg(warningStepwise)
	}
	return nil
}

// advance puts a step that the cloud has taken into what is seen.
func (s *sight) advance(step plan.Step, r plan.Result) {
	switch step := step.(type) {
	case plan.DeleteLoadBalancer:
		if len(s.extras) > 0 && s.extras[0].ID == step.ID {
			s.extras = s.extras[1:]
			return
		}
		if s.Old != nil && s.Old.ID == step.ID {
			s.Observed = plan.Advance(s.Observed, step, r)
			return
		}
		s.LoadBalancer.Status = "PENDING_DELETE"
	case plan.CreateFloatingIP, plan.BindFloatingIP, plan.ReleaseFloatingIP, plan.DeleteFloatingIP, plan.CreateSecret, plan.DeleteSecret:
		s.Observed = plan.Advance(s.Observed, step, r)
	case plan.CreateLoadBalancer:
		s.Observed = plan.Advance(s.Observed, step, r)
		s.deep, s.dirty, s.whole = true, step.Whole, step.Whole
	default:
		s.Observed = plan.Advance(s.Observed, step, r)
		s.LoadBalancer.Status, s.dirty = "PENDING_UPDATE", true
	}
}
