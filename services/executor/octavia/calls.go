package octavia

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"drawbridge.dev/events"
)

// Calls counts the requests to Octavia, Neutron and the key manager that are made with its context.
type Calls struct{ writes, reads, polls atomic.Int64 }

// Poll counts status polls, which are made for many at once.
func (c *Calls) Poll() { c.polls.Add(1) }

// Sum is what was counted so far.
func (c *Calls) Sum() events.Calls {
	return events.Calls{Writes: int(c.writes.Load()), Reads: int(c.reads.Load()), Polls: int(c.polls.Load())}
}

type callsKey struct{}

// Count makes the requests of the context count in c.
func Count(ctx context.Context, c *Calls) context.Context {
	return context.WithValue(ctx, callsKey{}, c)
}

type guardKey struct{}

// Guard has may asked just before a write of the context is sent, also before one
// that is sent again with a new token. What may not be sent fails with its error.
func Guard(ctx context.Context, may func(context.Context) error) context.Context {
	return context.WithValue(ctx, guardKey{}, may)
}

func allowed(r *http.Request) error {
	may, guarded := r.Context().Value(guardKey{}).(func(context.Context) error)
	if !guarded || reads(r) || strings.HasSuffix(r.URL.Path, "/auth/tokens") { // a token serves many changes
		return nil
	}
	return may(r.Context())
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// counter is the transport of all requests. Those for a token are not counted:
// one token serves many changes.
type counter struct {
	next     http.RoundTripper
	services []string // what their URLs begin with
}

// RoundTrip implements [http.RoundTripper].
func (t *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := allowed(r); err != nil {
		if r.Body != nil {
			err = errors.Join(err, r.Body.Close())
		}
		return nil, err
	}
	url := r.URL.String()
	if c, ok := r.Context().Value(callsKey{}).(*Calls); ok &&
		slices.ContainsFunc(t.services, func(base string) bool { return strings.HasPrefix(url, base) }) {
		if reads(r) {
			c.reads.Add(1)
		} else {
			c.writes.Add(1)
		}
	}
	return t.next.RoundTrip(r)
}
