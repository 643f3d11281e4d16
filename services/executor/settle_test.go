package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
)

// pending is a cloud whose load balancers settle at given times.
type pending struct {
	mu    sync.Mutex
	until map[string]time.Time
	polls int
	fail  int // of the next polls
}

func (p *pending) poll(context.Context) ([]plan.LoadBalancer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.polls++
	if p.fail > 0 {
		p.fail--
		return nil, errors.New("no answer")
	}
	var out []plan.LoadBalancer
	for id, t := range p.until {
		lb := plan.LoadBalancer{ID: id, Status: "PENDING_CREATE"}
		if !time.Now().Before(t) {
			lb.Status = plan.Active
		}
		out = append(out, lb)
	}
	return out, nil
}

func newSettler(p *pending) *settler {
	return &settler{min: 200 * time.Millisecond, max: 5 * time.Second, log: zerolog.Nop(), poll: p.poll, polled: func() {},
		waiting: map[string]*waiter{}, wake: make(chan struct{}, 1)}
}

// TestSettlerSharesPolls: one poll serves all in flight, and none is noticed
// later than an eighth of its time after it settled.
func TestSettlerSharesPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pending{until: map[string]time.Time{}}
		s := newSettler(p)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.run(ctx)
		begin := time.Now()
		var all sync.WaitGroup
		for i := range 50 {
			id, takes := fmt.Sprint(i), time.Duration(10+i)*time.Second
			p.until[id] = begin.Add(takes)
			all.Go(func() {
				var calls octavia.Calls
				lb, err := s.settle(ctx, id, &calls, time.Hour)
				if err != nil || lb.Status != plan.Active {
					t.Errorf("%s: %v %v", id, lb.Status, err)
				}
				if late := time.Since(begin) - takes; late > takes/8+s.min {
					t.Errorf("%s settles after %s and is noticed %s later", id, takes, late)
				}
				if calls.Sum().Polls == 0 {
					t.Errorf("%s counts no poll", id)
				}
			})
		}
		all.Wait()
		if p.polls > 60 {
			t.Errorf("%d polls for 50 load balancers in 59 s", p.polls)
		}
		before := p.polls
		time.Sleep(time.Hour)
		if p.polls != before {
			t.Errorf("%d polls while nobody waits", p.polls-before)
		}
	})
}

func TestSettler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pending{until: map[string]time.Time{"slow": time.Now().Add(time.Hour), "quick": time.Now().Add(time.Second)}, fail: 3}
		s := newSettler(p)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.run(ctx)
		var calls octavia.Calls
		if lb, err := s.settle(ctx, "quick", &calls, time.Minute); err != nil || lb.Status != plan.Active {
			t.Errorf("after polls that failed: %v %v", lb.Status, err)
		}
		if lb, err := s.settle(ctx, "gone", &calls, time.Minute); err != nil || lb.Status != plan.Deleted {
			t.Errorf("what is not listed: %v %v", lb.Status, err)
		}
		if _, err := s.settle(ctx, "slow", &calls, time.Minute); !errors.Is(err, errNotSettling) {
			t.Errorf("what does not settle: %v", err)
		}
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		if _, err := s.settle(ctx, "slow", &calls, time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("at the end: %v", err)
		}
	})
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(4, newMetrics(prometheus.NewRegistry(), "c"))
		for range 4 {
			if err := l.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		entered := 0
		enter := func() {
			if l.enter(t.Context()) == nil {
				entered++
			}
		}
		go enter()
		synctest.Wait()
		if entered != 0 {
			t.Error("a fifth is let in")
		}
		l.shrink() // to 2
		l.leave()
		l.leave()
		synctest.Wait()
		if entered != 0 {
			t.Error("a third is let in after the cloud asked to slow down")
		}
		l.leave()
		synctest.Wait()
		if entered != 1 {
			t.Error("nobody is let in though there is a place")
		}
		go enter()
		l.grow() // to 3
		synctest.Wait()
		if entered != 2 {
			t.Error("success does not let more in")
		}
		for range 10 {
			l.grow()
		}
		if l.now != 4 {
			t.Errorf("the limit grew to %d", l.now)
		}
		for range 10 {
			l.shrink()
		}
		if l.now != 1 {
			t.Errorf("the limit shrank to %d", l.now)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if l.enter(ctx) == nil {
			t.Error("it lets in after the end")
		}
	})
}
