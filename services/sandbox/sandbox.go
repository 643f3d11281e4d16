// Package sandbox is a cloud on loopback: Keystone v3, the subset of Octavia
// v2 and of Neutron that load balancers need, over HTTP on one listener with a
// path prefix for each service, as real clouds have it.
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
// Everything stands under one lock; a load balancer costs no goroutine while
// nothing happens to it (with DataPlane: one per open port and monitor).
package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Config says which cloud to play. The zero value is a small one of API 2.26
// on a free port of 127.0.0.1, without a data plane, that forgets everything.
type Config struct {
	// Address is where the APIs listen; only loopback. Default 127.0.0.1:0.
	Address string
	// Pending is how long PENDING states last. Zero: until just after the answer.
	Pending time.Duration
	// APIVersion of Octavia, "2.0" to "2.26" (default): what is newer is
	// refused as unknown and not shown.
	APIVersion string
	// Quota limits kinds per project: load_balancer, listener, pool, member,
	// health_monitor, l7policy, l7rule, port, floatingip. Absent or -1: no limit.
	Quota map[string]int
	// DataPlane opens real sockets and carries traffic.
	DataPlane bool
	// VIPs and FloatingIPs are the pools of addresses, inside 127.0.0.0/8.
	// Default: a random /20 for each, which the state file keeps.
	VIPs, FloatingIPs netip.Prefix
	// StateFile holds everything, written atomically before a change is
	// answered, and read at the start. It holds credentials. Empty: none.
	StateFile string
	// WholeCreateBroken plays the fault of Octavia 11.0.0: what is created
	// together with its load balancer stays PENDING_CREATE for ever.
	WholeCreateBroken bool
	// WithoutOctavia leaves load balancing out of the catalog.
	WithoutOctavia bool
	// TokenLifetime is how long a token is valid. Default 4 h.
	TokenLifetime time.Duration
	// Users are who can log in. Default: see DefaultUsers.
	Users []User
	// Nodes answers for member addresses that are not loopback.
	Nodes *Nodes
}

// User is one who can log in; the password is made by the sandbox.
type User struct {
	Entry   string // of CloudsYAML
	Name    string
	Project string
	Roles   []string
}

// DefaultUsers are a tenant, another one, and three who may do more or less.
// Their entries in clouds.yaml are sandbox, sandbox-other, sandbox-observer,
// sandbox-norole and sandbox-admin; sandbox-appcred is the first user by
// application credential.
func DefaultUsers() []User {
	return []User{
		{Entry: "sandbox", Name: "exposer", Project: "k8s", Roles: []string{"member", "reader", roleMember}},
		{Entry: "sandbox-other", Name: "other", Project: "other", Roles: []string{"member", "reader", roleMember}},
		{Entry: "sandbox-observer", Name: "observer", Project: "k8s", Roles: []string{"reader", roleObserver}},
		{Entry: "sandbox-norole", Name: "norole", Project: "k8s", Roles: []string{"member", "reader"}},
		{Entry: "sandbox-admin", Name: "admin", Project: "admin", Roles: []string{"admin", roleAdmin}},
	}
}

// Names of the networks that every sandbox has.
const (
	// NetworkName is the tenant network on which VIPs are; SubnetName its subnet.
	NetworkName = "k8s-vip-net"
	SubnetName  = "k8s-vip-v4"
	// ExternalName is the external network of floating IPs.
	ExternalName = "public"
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
	closed  bool
	saveErr error

	claims []io.Closer // sockets that say that the address pools are in use
	ending sync.Once
	ended  error // by ending
}

// Start plays a cloud until Close, or until ctx ends.
func Start(ctx context.Context, cfg Config) (*Cloud, error) {
	c := &Cloud{cfg: cfg, tokens: map[string]*token{}, timers: map[string]*time.Timer{}, served: make(chan struct{})}
	if err := c.configure(); err != nil {
		return nil, err
	}
	st, found, err := loadState(cfg.StateFile)
	if err != nil {
		return nil, err
	}
	c.state, c.saver.path = st, cfg.StateFile
	if found {
		err = c.claimAll()
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

func (c *Cloud) configure() error {
	cfg := &c.cfg
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(cfg.Address)
	if err != nil {
		return fmt.Errorf("sandbox: Address: %w", err)
	}
	if a, err := netip.ParseAddr(host); err != nil || !a.IsLoopback() {
		return fmt.Errorf("sandbox: Address: %q is no loopback address: the sandbox gives out its own credentials and must not be reachable", cfg.Address)
	}
	if cfg.APIVersion == "" {
		cfg.APIVersion = fmt.Sprintf("2.%d", lastMinor)
	}
	if c.minor, err = parseMinor(cfg.APIVersion); err != nil {
		return err
	}
	for name, p := range map[string]netip.Prefix{"VIPs": cfg.VIPs, "FloatingIPs": cfg.FloatingIPs} {
		if p.IsValid() && (!p.Addr().Is4() || !p.Addr().IsLoopback() || p.Bits() < 8 || p.Bits() > 29) {
			return fmt.Errorf("sandbox: %s: %s is not between /8 and /29 inside 127.0.0.0/8", name, p)
		}
	}
	if cfg.Pending < 0 {
		return fmt.Errorf("sandbox: Pending: %s is negative", cfg.Pending)
	}
	if cfg.TokenLifetime == 0 {
		cfg.TokenLifetime = 4 * time.Hour
	}
	if len(cfg.Users) == 0 {
		cfg.Users = DefaultUsers()
	}
	return nil
}

// furnish fills an empty cloud: users, flavors, networks.
func (c *Cloud) furnish() error {
	s, now := c.state, neutronStamp(c.now())
	projects := map[string]string{}
	for _, u := range c.cfg.Users {
		if projects[u.Project] == "" {
			id := newHex()
			projects[u.Project] = id
			s.Projects[id] = u.Project
			g := newID()
			s.Groups[g] = &securityGroup{ID: g, Name: "default", Project: id, Created: now}
		}
		id := newHex()
		s.Users[id] = &user{
			ID: id, Name: u.Name, Project: projects[u.Project], Roles: slices.Clone(u.Roles),
			Password: newHex(), Credential: newHex(), CredentialSecret: newHex(),
		}
	}
	for _, name := range []string{"single", "ha"} {
		s.Flavors = append(s.Flavors, flavor{ID: newID(), Name: name, Description: name + " topology", Profile: newID()})
	}
	var err error
	if c.cfg.VIPs, err = c.pool(c.cfg.VIPs, 64); err != nil {
		return fmt.Errorf("sandbox: VIPs: %w", err)
	}
	if c.cfg.FloatingIPs, err = c.pool(c.cfg.FloatingIPs, 128); err != nil {
		return fmt.Errorf("sandbox: FloatingIPs: %w", err)
	}
	add := func(name, subnetName, project string, external bool, cidr netip.Prefix) {
		n := &network{ID: newID(), Name: name, Project: project, External: external, Shared: !external, Created: now}
		sub := &subnet{ID: newID(), Name: subnetName, Project: project, Network: n.ID, CIDR: cidr.Masked(), Created: now}
		n.Subnets = []string{sub.ID}
		s.Networks[n.ID], s.Subnets[sub.ID] = n, sub
	}
	owner := projects[c.cfg.Users[0].Project]
	add(NetworkName, SubnetName, owner, false, c.cfg.VIPs)
	add(ExternalName, ExternalName+"-v4", newHex(), true, c.cfg.FloatingIPs)
	return nil
}

// pool is the prefix given, or a /20 below 127.from.0.0/10 that no other
// sandbox of this machine uses.
func (c *Cloud) pool(given netip.Prefix, from int) (netip.Prefix, error) {
	if given.IsValid() {
		return given, c.claim(given)
	}
	for {
		n := rand.N(1024) //nolint:gosec // no secret
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(from + n>>4), byte(n << 4), 0}), 20)
		if err := c.claim(p); !errors.Is(err, syscall.EADDRINUSE) {
			return p, err
		}
	}
}

// claimPort is the UDP port that is held open on the first address of a pool
// of a sandbox with a data plane.
const claimPort = 47747

// claim keeps other sandboxes of this machine off a pool of addresses.
func (c *Cloud) claim(p netip.Prefix) error {
	if !c.cfg.DataPlane {
		return nil
	}
	s, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Masked().Addr().Next(), claimPort)))
	if err != nil {
		return fmt.Errorf("%s is not free, perhaps another sandbox runs on it: %w", p, err)
	}
	c.claims = append(c.claims, s)
	return nil
}

func (c *Cloud) claimAll() error {
	for _, s := range c.state.Subnets {
		if err := c.claim(s.CIDR); err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
	}
	return nil
}

// give gives the claims back after a start that failed.
func (c *Cloud) give(err error) error {
	for _, claim := range c.claims {
		err = errors.Join(err, claim.Close())
	}
	return err
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

// SetStatus forces the provisioning status of an object of any tenant, for
// broken and stuck ones: kind is loadbalancer, listener, pool, member,
// healthmonitor, l7policy or l7rule. A PENDING status set so stays until it is
// set again.
func (c *Cloud) SetStatus(kind, id, provisioning string) error {
	c.mu.Lock()
	m := c.object(kind, id)
	if m == nil {
		c.mu.Unlock()
		return fmt.Errorf("sandbox: there is no %s %s", kind, id)
	}
	if t := c.timers[id]; t != nil {
		t.Stop()
		delete(c.timers, id)
	}
	m.Provisioning = provisioning
	m.Stuck = provisioning != Active && provisioning != Error
	m.touch(c.now())
	version := c.changed()
	c.mu.Unlock()
	return c.saver.save(version, c.snapshot)
}

func (c *Cloud) object(kind, id string) *meta {
	s := c.state
	switch kind {
	case "loadbalancer":
		return metaOf(s.LoadBalancers[id], lbMeta)
	case "listener":
		return metaOf(s.Listeners[id], listenerMeta)
	case "pool":
		return metaOf(s.Pools[id], poolMeta)
	case "member":
		return metaOf(s.Members[id], memberMeta)
	case "healthmonitor":
		return metaOf(s.Monitors[id], monitorMeta)
	case "l7policy":
		return metaOf(s.Policies[id], policyMeta)
	case "l7rule":
		return metaOf(s.Rules[id], ruleMeta)
	}
	return nil
}

func metaOf[T any](o *T, m func(*T) *meta) *meta {
	if o == nil {
		return nil
	}
	return m(o)
}
