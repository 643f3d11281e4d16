package watcher

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"drawbridge.dev/events"
)

// Sealed certificates stay for a while after the last wish that names them: the
// executor may still build what was decided before.
const sealedFor = time.Hour

// secrets is the part of the bus that holds sealed certificates.
type secrets interface {
	PutSecret(ctx context.Context, cloud, cluster, digest string, sealed []byte) error
	Secrets(ctx context.Context, cloud, cluster string) ([]string, error)
	DeleteSecret(ctx context.Context, cloud, cluster, digest string) error
}

// shelf sees to it that what wishes name is on the bus, sealed, and takes away
// what nothing names any more. Everything is stored once after a start: what
// stands there may be sealed to a key that was replaced.
type shelf struct {
	bus     secrets
	cluster string
	sealed  func(cloud, digest string) ([]byte, bool) // of a Secret that is known
	grace   time.Duration
	log     zerolog.Logger

	mu     sync.Mutex // also held while the bus is asked: what is put is not deleted at the same time
	stored map[slot]bool
	unused map[slot]time.Time // since when nothing names it
}

// slot is one certificate in one cloud.
type slot struct{ cloud, digest string }

func newShelf(bus secrets, cluster string, sealed func(cloud, digest string) ([]byte, bool), log zerolog.Logger) *shelf {
	return &shelf{bus: bus, cluster: cluster, sealed: sealed, grace: sealedFor, log: log, stored: map[slot]bool{}, unused: map[slot]time.Time{}}
}

// put stores the certificates that a wish names, before it is published.
func (s *shelf) put(ctx context.Context, cloud string, wish events.Requested) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range certificatesOf(wish.Exposure) {
		at := slot{cloud, c.Digest}
		delete(s.unused, at)
		sealed, known := s.sealed(cloud, c.Digest)
		if s.stored[at] || !known { // its Secret is gone: what was stored earlier has to do
			continue
		}
		if err := s.bus.PutSecret(ctx, cloud, s.cluster, c.Digest, sealed); err != nil {
			return fmt.Errorf("store certificate of Secret %s: %w", c.Secret, err)
		}
		s.stored[at] = true
	}
	return nil
}

// tidy deletes what nothing has named for the grace time. used are the digests
// that are named, by cloud; those of them that are not there any more are put
// again, if their Secret still has them.
func (s *shelf) tidy(ctx context.Context, used map[string][]string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cloud, digests := range used {
		there, err := s.bus.Secrets(ctx, cloud, s.cluster)
		if err != nil {
			return err
		}
		for _, d := range s.expired(cloud, there, digests, now) {
			if err := s.bus.DeleteSecret(ctx, cloud, s.cluster, d); err != nil {
				return err
			}
			delete(s.stored, slot{cloud, d})
			s.log.Info().Str("cloud", cloud).Str("digest", d).Msg("a sealed certificate that nothing names any more is deleted")
		}
		for _, d := range digests {
			sealed, known := s.sealed(cloud, d)
			if !known || slices.Contains(there, d) {
				continue
			}
			if err := s.bus.PutSecret(ctx, cloud, s.cluster, d, sealed); err != nil {
				return err
			}
			s.stored[slot{cloud, d}] = true
		}
	}
	return nil
}

// expired are those of a cloud whose grace time is over.
func (s *shelf) expired(cloud string, there, used []string, now time.Time) (out []string) {
	for _, d := range there {
		at := slot{cloud, d}
		if slices.Contains(used, d) {
			delete(s.unused, at)
			continue
		}
		since, known := s.unused[at]
		if !known {
			s.unused[at] = now
			continue
		}
		if now.Sub(since) >= s.grace {
			out = append(out, d)
		}
	}
	return out
}

const tidyEvery = 5 * time.Minute

// tidy looks after the sealed certificates until ctx ends.
func (w *watcher) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		used := w.table.digests()
		for cloud := range w.config.SealKeys {
			used[cloud] = append([]string{}, used[cloud]...)
		}
		if err := w.shelf.tidy(ctx, used, time.Now()); err != nil && ctx.Err() == nil {
			w.log.Warn().Err(err).Msg("sealed certificates are not looked after: trying again")
		}
	}
}

// certificatesOf are those that an exposure names, each once.
func certificatesOf(x *events.Exposure) (out []events.Certificate) {
	if x == nil {
		return nil
	}
	for _, l := range x.Listeners {
		if l.TLS == nil {
			continue
		}
		for _, c := range l.TLS.Certificates {
			if !slices.ContainsFunc(out, func(o events.Certificate) bool { return o.Digest == c.Digest && o.Secret == c.Secret }) {
				out = append(out, c)
			}
		}
	}
	return out
}
