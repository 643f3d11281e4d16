package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// claim is the value of a lease in the bucket.
type claim struct {
	Holder  string        `json:"holder"`  // for people; empty: released
	Session string        `json:"session"` // one Acquire of one process
	TTL     time.Duration `json:"ttl"`     // nanoseconds
}

// released is the claim of nobody, as a release stores it.
const released = `{"holder":"","session":"","ttl":0}`

// Lease is the right to be the only one. It renews itself until it is lost or released.
type Lease struct {
	b       *Bus
	subject string
	claim   claim
	token   uint64
	lost    chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}

	revision uint64 // of the last renewal; used by one goroutine at a time

	mu       sync.Mutex
	deadline time.Time // by the monotonic clock: ttl after the last renewal was sent
	cause    error     // why it is lost
}

const (
	leaseMinTTL  = 50 * time.Millisecond
	leasePollMax = time.Second
)

// Acquire blocks until the lease is held or ctx ends. A lease whose holder is
// gone is taken over one ttl after this process first saw its last renewal, so
// that no clocks are compared; a released one at once.
func (b *Bus) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (*Lease, error) {
	if name == "" || holder == "" || ttl < leaseMinTTL {
		return nil, fmt.Errorf("lease %q for %q with ttl %s: name and holder must be set and ttl at least %s", name, holder, ttl, leaseMinTTL)
	}
	l := &Lease{b: b, subject: leasePrefix + escapeKey(name), claim: claim{Holder: holder, Session: nuid.Next(), TTL: ttl},
		lost: make(chan struct{}), stopped: make(chan struct{})}
	var seen observation
	for {
		err := l.try(ctx, &seen)
		if err == nil {
			break
		}
		if !errors.Is(err, errHeld) {
			b.log.Warn().Err(err).Str("lease", name).Msg("lease is not acquired yet")
		}
		if !pause(ctx, jitter(min(ttl/10, leasePollMax))) {
			return nil, fmt.Errorf("lease %s: %w: %w", name, context.Cause(ctx), err)
		}
	}
	run, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.renew(run)
	return l, nil
}

var errHeld = errors.New("it is held by another")

// observation is a revision and when this process saw it first.
type observation struct {
	revision uint64
	at       time.Time
}

// try takes the lease if it is free.
func (l *Lease) try(ctx context.Context, seen *observation) error {
	asked := time.Now()
	have, held, err := l.read(ctx)
	if err != nil {
		return err
	}
	if held.Holder != "" && held.Session != l.claim.Session {
		if have != seen.revision {
			*seen = observation{have, time.Now()}
		}
		if time.Since(seen.at) < max(held.TTL, l.claim.TTL) {
			return fmt.Errorf("%w: %s", errHeld, held.Holder)
		}
	}
	if held.Session == l.claim.Session {
		l.token, l.revision = have, have
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.claim.TTL/3)
	defer cancel()
	l.deadline = asked.Add(l.claim.TTL) // whenever the claim is stored, it is after this read
	revision, err := l.write(ctx, l.claim, have)
	if err != nil {
		return err
	}
	l.token, l.revision = revision, revision
	return nil
}

// read is the revision and claim that the leader holds.
func (l *Lease) read(ctx context.Context) (uint64, claim, error) {
	m, ok, err := l.b.leaderLast(ctx, LeaseStream, l.subject)
	if err != nil || !ok {
		return 0, claim{}, err
	}
	var c claim
	readable := json.Unmarshal(m.Data, &c) == nil
	if !readable || c.Session == "" && string(m.Data) != released {
		// Who may ask JetStream anything can have its answer stored here. It is
		// not a release: whoever holds the lease may not have noticed yet.
		return m.Sequence, claim{Holder: "what is no claim"}, nil
	}
	return m.Sequence, c, nil
}

// write stores c if the lease's revision is still expected.
func (l *Lease) write(ctx context.Context, c claim, expected uint64) (uint64, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	ack, err := l.b.js.PublishMsg(ctx, &nats.Msg{Subject: l.subject, Data: data},
		jetstream.WithExpectLastSequencePerSubject(expected), jetstream.WithExpectStream(LeaseStream), jetstream.WithRetryAttempts(0))
	if conflict(err) {
		return 0, err
	}
	if err == nil || !errors.Is(context.Cause(ctx), context.Canceled) {
		l.b.wrote(err)
	}
	if err != nil {
		return 0, storageError(err)
	}
	return ack.Sequence, nil
}

// renew keeps the lease until it is lost or stopped.
func (l *Lease) renew(ctx context.Context) {
	defer close(l.stopped)
	for {
		left := l.left()
		if left <= 0 {
			l.lose(fmt.Errorf("%w: it was not renewed within %s", ErrLeaseLost, l.claim.TTL))
			return
		}
		if !pause(ctx, min(l.claim.TTL/3, left)) {
			return
		}
		if left = l.left(); left <= 0 {
			continue
		}
		if err := l.renewOnce(ctx, left); errors.Is(err, ErrLeaseLost) {
			l.lose(err)
			return
		} else if err != nil && ctx.Err() == nil {
			l.b.log.Warn().Err(err).Str("lease", l.subject).Msg("lease is not renewed yet")
		}
	}
}

// left is how long the lease holds without another renewal.
func (l *Lease) left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.deadline)
}

// renewOnce tries for a third of the ttl, but not beyond left.
func (l *Lease) renewOnce(ctx context.Context, left time.Duration) error {
	sent := time.Now()
	ctx, cancel := context.WithTimeout(ctx, min(l.claim.TTL/3, left))
	defer cancel()
	revision, err := l.write(ctx, l.claim, l.revision)
	if conflict(err) {
		have, held, readErr := l.read(ctx)
		switch {
		case readErr != nil:
			return readErr
		case held.Session != l.claim.Session:
			return fmt.Errorf("%w: %s took it over", ErrLeaseLost, held.Holder)
		}
		l.revision = have
		return errors.New("an earlier renewal was stored without an answer")
	}
	if err != nil {
		return err
	}
	l.revision = revision
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = sent.Add(l.claim.TTL)
	return nil
}

func (l *Lease) lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return
	}
	l.cause = err
	close(l.lost)
	l.stop()
}

// Token is the fencing token: it grows with every takeover and never repeats.
func (l *Lease) Token() uint64 { return l.token }

// Lost is closed when the lease is lost or released.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Check proves that the lease is held: the leader of the bucket says so, and
// less than ttl has passed since the last renewal. If either cannot be proven it
// is [ErrLeaseLost].
func (l *Lease) Check(ctx context.Context) error {
	deadline, err := l.valid()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	_, held, err := l.read(ctx)
	if err != nil {
		return fmt.Errorf("%w: it cannot be checked: %w", ErrLeaseLost, err)
	}
	if held.Session != l.claim.Session {
		err := fmt.Errorf("%w: %s took it over", ErrLeaseLost, held.Holder)
		l.lose(err)
		return err
	}
	_, err = l.valid()
	return err
}

// valid is until when the lease holds without another renewal.
func (l *Lease) valid() (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return time.Time{}, l.cause
	}
	if !time.Now().Before(l.deadline) {
		return time.Time{}, fmt.Errorf("%w: it was not renewed within %s", ErrLeaseLost, l.claim.TTL)
	}
	return l.deadline, nil
}

// Release gives the lease up, so that another can take it at once. A lost lease
// is released already.
func (l *Lease) Release(ctx context.Context) error {
	l.stop()
	<-l.stopped
	if _, err := l.valid(); err != nil {
		l.lose(err)
		return nil
	}
	l.lose(fmt.Errorf("%w: it was released", ErrLeaseLost))
	if _, err := l.write(ctx, claim{}, l.revision); err != nil && !conflict(err) {
		return fmt.Errorf("release lease %s: %w: it ends by itself in %s", l.subject, err, l.claim.TTL)
	}
	return nil
}
