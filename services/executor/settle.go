package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
)

// settler watches all load balancers in flight with one list call at a time.
type settler struct {
	poll     func(context.Context) ([]plan.LoadBalancer, error)
	min, max time.Duration
	log      zerolog.Logger
	polled   func()

	mu      sync.Mutex
	waiting map[string]*waiter // by id of the load balancer
	wake    chan struct{}
}

type waiter struct {
	since time.Time
	calls *octavia.Calls
	done  chan plan.LoadBalancer // status DELETED: it is gone
}

var errNotSettling = errors.New("it stays pending")

// settle waits until the load balancer is not pending any more, and answers
// what the list says of it then.
func (s *settler) settle(ctx context.Context, id string, calls *octavia.Calls, timeout time.Duration) (plan.LoadBalancer, error) {
	w := &waiter{since: time.Now(), calls: calls, done: make(chan plan.LoadBalancer, 1)}
	s.mu.Lock()
	s.waiting[id] = w
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	defer func() {
		s.mu.Lock()
		if s.waiting[id] == w {
			delete(s.waiting, id)
		}
		s.mu.Unlock()
	}()
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case lb := <-w.done:
		return lb, nil
	case <-late.C:
		return plan.LoadBalancer{}, fmt.Errorf("load balancer %s: %w for %s: have an operator look at the Octavia workers", id, errNotSettling, timeout)
	case <-ctx.Done():
		return plan.LoadBalancer{}, ctx.Err()
	}
}

// run polls while somebody waits, until ctx ends.
func (s *settler) run(ctx context.Context) {
	for {
		wait, waited := s.interval()
		if !waited {
			select {
			case <-s.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-time.After(wait):
		case <-s.wake: // one more waits: it is young, so the interval may be shorter
			select {
			case <-time.After(s.min):
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
		s.look(ctx)
	}
}

// interval is an eighth of the time that the youngest has waited, within
// bounds: no settling is noticed later than an eighth after it happened.
func (s *settler) interval() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return 0, false
	}
	youngest := s.max * 8
	for _, w := range s.waiting {
		youngest = min(youngest, time.Since(w.since))
	}
	return max(s.min, youngest/8), true
}

func (s *settler) look(ctx context.Context) {
	s.mu.Lock()
	asked := make(map[string]*waiter, len(s.waiting))
	for id, w := range s.waiting {
		asked[id] = w
	}
	s.mu.Unlock()
	found, err := s.poll(ctx)
	s.polled()
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn().Err(err).Int("waiting", len(asked)).Msg("status poll failed; it is repeated")
		}
		after, _ := octavia.Throttled(err)
		pause(ctx, max(after, 4*s.min))
		return
	}
	byID := make(map[string]plan.LoadBalancer, len(found))
	for _, lb := range found {
		byID[lb.ID] = lb
	}
	for id, w := range asked {
		w.calls.Poll()
		lb, ok := byID[id]
		if !ok {
			lb = plan.LoadBalancer{ID: id, Status: plan.Deleted}
		}
		if !lb.Status.Pending() {
			s.mu.Lock()
			if s.waiting[id] == w {
				delete(s.waiting, id)
			}
			s.mu.Unlock()
			w.done <- lb
		}
	}
}
