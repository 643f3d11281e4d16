package executor

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// limit bounds how many load balancers are worked on at once. It halves when
// the cloud asks to slow down and grows by one with every success.
type limit struct {
	mu              sync.Mutex
	wake            chan struct{} // closed and replaced when a place may be free
	max, now, taken int
	inFlight, gauge prometheus.Gauge
}

func newLimit(most int, m *metrics) *limit {
	m.limit.Set(float64(most))
	return &limit{max: most, now: most, wake: make(chan struct{}), inFlight: m.inFlight, gauge: m.limit}
}

// enter waits for a place, or for the end of ctx.
func (l *limit) enter(ctx context.Context) error {
	for {
		l.mu.Lock()
		if l.taken < l.now {
			l.taken++
			l.inFlight.Set(float64(l.taken))
			l.mu.Unlock()
			return nil
		}
		wake := l.wake
		l.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// force takes a place that may not be there, for who will leave it at once.
func (l *limit) force() { l.change(func() { l.taken++ }) }

func (l *limit) leave() { l.change(func() { l.taken-- }) }

func (l *limit) shrink() { l.change(func() { l.now = max(1, l.now/2) }) }

func (l *limit) grow() { l.change(func() { l.now = min(l.max, l.now+1) }) }

func (l *limit) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.inFlight.Set(float64(l.taken))
	l.gauge.Set(float64(l.now))
	close(l.wake)
	l.wake = make(chan struct{})
}
