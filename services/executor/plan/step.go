package plan

import (
	"cmp"
	"fmt"

	"drawbridge.dev/services/executor/loadbalancer"
)

// Step is one write to the cloud. The set is closed. An id that a step needs
// and that does not exist yet is empty: such a step is never the first.
type Step interface {
	// Describe is the step for people: in an outcome, the history, a dry run.
	Describe() string
	step()
}

// CreateSecret puts a certificate with its key into the key manager. Material
// is found under the digest.
type CreateSecret struct{ Name, Digest string }

// DeleteSecret removes a secret that nothing refers to.
type DeleteSecret struct{ Ref, Name string }

// CreateLoadBalancer creates the load balancer: with everything below it, or bare.
type CreateLoadBalancer struct {
	LoadBalancer loadbalancer.LoadBalancer
	Whole        bool
	Refs         map[string]string // of certificates in the key manager, by name
}

// UpdateLoadBalancer sets name, description and tags, and takes it up.
type UpdateLoadBalancer struct {
	ID, Name, Description string
	Tags                  []string
}

// DeleteLoadBalancer removes it with everything below it.
type DeleteLoadBalancer struct{ ID, Name, Why string }

// CreatePool creates a pool without members and monitor.
type CreatePool struct {
	LoadBalancerID string
	Pool           loadbalancer.Pool
	Tags           []string
}

// UpdatePool sets algorithm, TLS and persistence (nil: none), and takes the pool up.
type UpdatePool struct {
	ID   string
	Pool loadbalancer.Pool
}

// DeletePool removes a pool with its members and its monitor.
type DeletePool struct{ ID, Name string }

// SetMembers replaces all members of a pool at once.
type SetMembers struct {
	PoolID, Pool            string
	Members                 []loadbalancer.Member
	Added, Removed, Changed int
	Draining                int // of the members: they go, and get no new connections meanwhile
}

// CreateMonitor gives a pool its health monitor.
type CreateMonitor struct {
	PoolID, Pool string
	Monitor      loadbalancer.Monitor
}

// UpdateMonitor sets all but the type, and takes the monitor up.
type UpdateMonitor struct {
	ID, Pool string
	Monitor  loadbalancer.Monitor
}

// DeleteMonitor removes the health monitor of a pool.
type DeleteMonitor struct{ ID, Pool string }

// CreateListener opens a port, without L7 policies.
type CreateListener struct {
	LoadBalancerID string
	Listener       loadbalancer.Listener
	DefaultPoolID  string
	Refs           []string // of its certificates
	Tags           []string
}

// UpdateListener sets all but protocol, port and policies, and takes the listener
// up. Of timeouts, limit, versions and ciphers it leaves alone what is not given,
// but sets back to the operator's what Reset names.
type UpdateListener struct {
	ID            string
	Listener      loadbalancer.Listener
	DefaultPoolID string
	Refs          []string // of its certificates
	Tags          []string
	Reset         []string // see [loadbalancer.Listener.Set]
}

// DeleteListener closes a port.
type DeleteListener struct{ ID, Name string }

// CreatePolicy inserts an L7 policy without rules, which Octavia passes over. It is
// down if it gets several rules: with the first of them alone it would take too much.
type CreatePolicy struct {
	ListenerID, Listener string
	Policy               loadbalancer.Policy
	PoolID               string // empty for redirects
	Position             int    // from 1
	Down                 bool
}

// CreateRule adds a rule to a policy.
type CreateRule struct {
	PolicyID, Policy string
	Rule             loadbalancer.Rule
}

// UpdatePolicy sets action, what belongs to it, and position, and takes the policy up.
type UpdatePolicy struct {
	ID       string
	Policy   loadbalancer.Policy
	PoolID   string // empty for redirects
	Position int    // from 1
}

// DeletePolicy removes an L7 policy with its rules.
type DeletePolicy struct{ ID, Name string }

// CreateFloatingIP makes a floating IP and binds it to the VIP's port, to its
// address FixedIP; empty: the only one that it has.
type CreateFloatingIP struct{ NetworkID, SubnetID, PortID, FixedIP, Description string }

// BindFloatingIP binds a floating IP, of ours or given, to the VIP's port.
type BindFloatingIP struct{ ID, Address, PortID, FixedIP string }

// DeleteFloatingIP gives a floating IP of ours back.
type DeleteFloatingIP struct{ ID, Address string }

// ReleaseFloatingIP gives a floating IP up and leaves it standing: unbound, or
// with another description, or both.
type ReleaseFloatingIP struct {
	ID, Address string
	Description string // empty: it is left as it is
	Unbind      bool
}

// Describe implements [Step].
func (s CreateSecret) Describe() string { return fmt.Sprintf("create secret %q", s.Name) }

// Describe implements [Step].
func (s DeleteSecret) Describe() string { return fmt.Sprintf("delete secret %q", s.Name) }

// Describe implements [Step].
func (s CreateLoadBalancer) Describe() string {
	if !s.Whole {
		return fmt.Sprintf("create load balancer %q", s.LoadBalancer.Name)
	}
	members, policies := 0, 0
	for _, p := range s.LoadBalancer.Pools {
		members += len(p.Members)
	}
	for _, l := range s.LoadBalancer.Listeners {
		policies += len(l.Policies)
	}
	return fmt.Sprintf("create load balancer %q whole: %d listeners, %d pools, %d members, %d L7 policies",
		s.LoadBalancer.Name, len(s.LoadBalancer.Listeners), len(s.LoadBalancer.Pools), members, policies)
}

// Describe implements [Step].
func (s UpdateLoadBalancer) Describe() string { return fmt.Sprintf("update load balancer %q", s.Name) }

// Describe implements [Step].
func (s DeleteLoadBalancer) Describe() string {
	return fmt.Sprintf("delete load balancer %q and all below it: %s", s.Name, s.Why)
}

// Describe implements [Step].
func (s CreatePool) Describe() string {
	return fmt.Sprintf("create %s pool %q", s.Pool.Protocol, s.Pool.Name)
}

// Describe implements [Step].
func (s UpdatePool) Describe() string {
	return fmt.Sprintf("update pool %q: %s, persistence %s, TLS %t", s.Pool.Name, s.Pool.Algorithm, s.Pool.Persistence, s.Pool.TLS)
}

// Describe implements [Step].
func (s DeletePool) Describe() string { return fmt.Sprintf("delete pool %q", s.Name) }

// Describe implements [Step].
func (s SetMembers) Describe() string {
	text := fmt.Sprintf("set members of pool %q: %d, of which %d are added, %d changed; %d are removed",
		s.Pool, len(s.Members), s.Added, s.Changed, s.Removed)
	if s.Draining > 0 {
		text += fmt.Sprintf("; %d drain", s.Draining)
	}
	return text
}

// Describe implements [Step].
func (s CreateMonitor) Describe() string {
	return fmt.Sprintf("create %s monitor of pool %q", s.Monitor.Type, s.Pool)
}

// Describe implements [Step].
func (s UpdateMonitor) Describe() string { return fmt.Sprintf("update monitor of pool %q", s.Pool) }

// Describe implements [Step].
func (s DeleteMonitor) Describe() string { return fmt.Sprintf("delete monitor of pool %q", s.Pool) }

// Describe implements [Step].
func (s CreateListener) Describe() string { return fmt.Sprintf("create listener %q", s.Listener.Name) }

// Describe implements [Step].
func (s UpdateListener) Describe() string {
	text := fmt.Sprintf("update listener %q: default pool %q, allowed CIDRs %v", s.Listener.Name, s.Listener.DefaultPool, s.Listener.AllowedCIDRs)
	if n := len(s.Listener.Certificates); n > 0 {
		text += fmt.Sprintf(", %d certificates", n)
	}
	if set := s.Listener.Set(); len(set) > 0 {
		text += fmt.Sprintf(", sets %v", set)
	}
	if len(s.Reset) > 0 {
		text += fmt.Sprintf(", gives back %v", s.Reset)
	}
	return text
}

// Describe implements [Step].
func (s DeleteListener) Describe() string { return fmt.Sprintf("delete listener %q", s.Name) }

// Describe implements [Step].
func (s CreatePolicy) Describe() string {
	return fmt.Sprintf("create L7 policy %q of listener %q at position %d", s.Policy.Name, s.Listener, s.Position)
}

// Describe implements [Step].
func (s CreateRule) Describe() string {
	return fmt.Sprintf("create rule of L7 policy %q: %s %s %s", s.Policy, s.Rule.Type, s.Rule.Compare, s.Rule.Value)
}

// Describe implements [Step].
func (s UpdatePolicy) Describe() string {
	return fmt.Sprintf("update L7 policy %q: %s, position %d", s.Policy.Name, cmp.Or(s.Policy.Redirect, fmt.Sprintf("pool %q", s.Policy.Pool)), s.Position)
}

// Describe implements [Step].
func (s DeletePolicy) Describe() string { return fmt.Sprintf("delete L7 policy %q", s.Name) }

// Describe implements [Step].
func (s CreateFloatingIP) Describe() string {
	return fmt.Sprintf("create floating IP from network %s", s.NetworkID)
}

// Describe implements [Step].
func (s BindFloatingIP) Describe() string {
	return fmt.Sprintf("bind floating IP %s to port %s", s.Address, s.PortID)
}

// Describe implements [Step].
func (s DeleteFloatingIP) Describe() string { return fmt.Sprintf("delete floating IP %s", s.Address) }

// Describe implements [Step].
func (s ReleaseFloatingIP) Describe() string {
	if !s.Unbind {
		return fmt.Sprintf("give up floating IP %s, which stays bound", s.Address)
	}
	return fmt.Sprintf("unbind floating IP %s and leave it standing", s.Address)
}

func (CreateLoadBalancer) step() {}
func (UpdateLoadBalancer) step() {}
func (DeleteLoadBalancer) step() {}
func (CreatePool) step()         {}
func (UpdatePool) step()         {}
func (DeletePool) step()         {}
func (SetMembers) step()         {}
func (CreateMonitor) step()      {}
func (UpdateMonitor) step()      {}
func (DeleteMonitor) step()      {}
func (CreateListener) step()     {}
func (UpdateListener) step()     {}
func (DeleteListener) step()     {}
func (CreatePolicy) step()       {}
func (CreateRule) step()         {}
func (UpdatePolicy) step()       {}
func (DeletePolicy) step()       {}
func (CreateFloatingIP) step()   {}
func (BindFloatingIP) step()     {}
func (DeleteFloatingIP) step()   {}
func (ReleaseFloatingIP) step()  {}
func (CreateSecret) step()       {}
func (DeleteSecret) step()       {}
