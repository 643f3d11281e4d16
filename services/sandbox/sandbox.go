// Package sandbox is a cloud on loopback: Keystone v3, the subset of Octavia
// v2, Neutron and Barbican that load balancers need, over HTTP on one listener
// with a path prefix for each service, as real clouds have it.
//
// It is held to the truth by e2e/conformance, which sends the same requests to
// it and to a real Octavia 11 (API 2.26) and compares codes, words, states and
// the attributes of answers. What it says about bad input is therefore in
// Octavia's own words; its state machine is Octavia's: a write takes an ACTIVE
// load balancer as a whole, PENDING states last a settable time, what is not
// ACTIVE answers 409, and every change of a child moves updated_at, whose
// resolution is one second.
//
// With DataPlane each VIP and each floating IP is a loopback address of its
// own, and listeners are real sockets there that carry traffic (see Endpoint).
// Where it may not open a port below 1024, it opens another one and says so.
//
// Traffic is HTTP, TLS with SNI, TCP and UDP, to members in the clear, by TLS
// and with PROXY headers, as HAProxy carries it with Octavia's templates. It is
// not HAProxy:
//
//   - There is no SCTP, because Go has none: its listeners are not open, and its
//     monitors call every member good. PING asks only whether there is such a
//     node.
//   - Octavia's L7 rules about client certificates (SSL_*) never match.
//   - Members are never spoken to by HTTP/2, and with the PROXY protocol each
//     request has a connection of its own.
//   - Sources that are not allowed see their connection closed; a real cloud
//     drops their packets.
//   - A listener that goes, or is switched off, ends its connections at once.
//   - The suites of TLS 1.3 are Go's; of those of TLS 1.2, DHE is missing.
//
// It also has the faults of Octavia 11 that a client must live with, as they
// were found on the real one: a whole create that is refused leaves the VIP's
// port behind; a nested pool with TLS is a 500 unless it names three more
// attributes; rules nested in a new policy are a 500; a certificate that is
// deleted while a listener has it makes the next change of a pool, member,
// monitor, and even a cascading delete, last for ever, and any other change take
// the listener out (BrokenReferences); sources (allowed_cidrs) on a load balancer with VIPs of two
// families put it into ERROR.
//
// The provider ovn (Config.WithOVN) is its driver's refusals, from its source;
// where it takes something, traffic goes as with amphora.
//
// Everything stands under one lock; a load balancer costs no goroutine while
// nothing happens to it (with DataPlane: one per open port and monitor).
package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Cloud is a running sandbox.
type Cloud struct {
	cfg    Config
	minor  int
	url    string
	server *http.Server
	served chan struct{}
	saver  saver
	faults faults
	calls  calls
	plane  *plane

	mu      sync.Mutex
	state   *state
	version uint64 // of the state, for the saver
	tokens  map[string]*token
	timers  map[string]*time.Timer
	decoded map[string]decoded // by secret
	closed  bool
	saveErr error

	claims []io.Closer // sockets that say that the address pools are in use
	ending sync.Once
	ended  error // by ending
}

// Start plays a cloud until Close, or until ctx ends.
func Start(ctx context.Context, cfg Config) (*Cloud, error) {
	c := &Cloud{cfg: cfg, tokens: map[string]*token{}, timers: map[string]*time.Timer{}, decoded: map[string]decoded{}, served: make(chan struct{})}
	if err := c.configure(); err != nil {
		return nil, err
	}
	st, found, err := loadState(cfg.StateFile)
	if err != nil {
		return nil, err
	}
	c.state, c.saver.path = st, cfg.StateFile
	if found {
		err = c.refurnish()
	} else {
		err = c.furnish()
	}
	if err != nil {
		return nil, c.give(err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.cfg.Address)
	if err != nil {
		return nil, c.give(fmt.Errorf("sandbox: Address: %w", err))
	}
	c.url = "http://" + l.Addr().String()
	c.plane = newPlane(c)
	c.mu.Lock()
	c.rebase()
	for id := range c.state.LoadBalancers {
		c.settle(id)
	}
	version := c.changed()
	c.mu.Unlock()
	if err := c.saver.save(version, c.snapshot); err != nil {
		return nil, c.give(errors.Join(err, l.Close()))
	}
	c.server = &http.Server{Handler: http.HandlerFunc(c.serve), ReadHeaderTimeout: 30 * time.Second}
	go func() {
		defer close(c.served)
		_ = c.server.Serve(l) // ends by Close only
	}()
	context.AfterFunc(ctx, func() { _ = c.Close() })
	return c, nil
}

func (c *Cloud) now() time.Time { return time.Now() }

// URL is where the services are, without a path.
func (c *Cloud) URL() string { return c.url }

// Close ends the APIs and the data plane, and drops what is pending: at the
// next start it will have settled.
func (c *Cloud) Close() error {
	c.ending.Do(func() {
		c.mu.Lock()
		c.closed = true
		for _, t := range c.timers {
			t.Stop()
		}
		c.mu.Unlock()
		err := c.server.Close()
		<-c.served
		c.plane.close()
		for _, claim := range c.claims {
			err = errors.Join(err, claim.Close())
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = errors.Join(err, c.saveErr)
	})
	return c.ended
}

// changed marks the state as newer than the file; c.mu is held.
func (c *Cloud) changed() uint64 {
	c.version++
	return c.version
}

func (c *Cloud) snapshot() ([]byte, uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, err := json.Marshal(c.state)
	return data, c.version, err
}

// persist saves a change that nobody waits for; a failure is told by Close.
func (c *Cloud) persist(version uint64) {
	if err := c.saver.save(version, c.snapshot); err != nil {
		c.mu.Lock()
		c.saveErr = err
		c.mu.Unlock()
	}
}

// CloudsYAML is a clouds.yaml with an entry for every user.
func (c *Cloud) CloudsYAML() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []byte("clouds:\n")
	entry := func(name, kind, auth string) {
		out = fmt.Appendf(out, "  %s:\n    region_name: %s\n    identity_api_version: 3\n%s    auth:\n      auth_url: %s/identity/v3\n%s", name, Region, kind, c.url, auth)
	}
	for i, u := range c.cfg.Users {
		for _, known := range c.state.Users {
			if known.Name != u.Name {
				continue
			}
			entry(u.Entry, "", fmt.Sprintf("      username: %s\n      password: %s\n      project_name: %s\n      user_domain_name: Default\n      project_domain_name: Default\n", known.Name, known.Password, u.Project))
			if i == 0 {
				entry(u.Entry+"-appcred", "    auth_type: v3applicationcredential\n", fmt.Sprintf("      application_credential_id: %s\n      application_credential_secret: %s\n", known.Credential, known.CredentialSecret))
			}
		}
	}
	return out
}

// RevokeTokens makes every token that was given out invalid.
func (c *Cloud) RevokeTokens() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.tokens)
}
