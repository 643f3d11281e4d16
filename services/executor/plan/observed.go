// Package plan says which steps lead from what stands in a cloud to what shall
// stand. It is pure: the caller takes the first step, looks again and plans
// anew, so that a crash at any point is resumed by calling the same function.
package plan

import (
	"strings"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
)

// Status is Octavia's provisioning status.
type Status string

// Provisioning statuses that a plan depends on; the others begin with PENDING_.
const (
	Active  Status = "ACTIVE"
	Error   Status = "ERROR"
	Deleted Status = "DELETED"
)

// Pending says whether Octavia is at work on the thing: it is immutable until it settles.
func (s Status) Pending() bool { return strings.HasPrefix(string(s), "PENDING_") }

// Observed is what of ours stands in the cloud for one owner.
type Observed struct {
	Owner        loadbalancer.Owner
	LoadBalancer *LoadBalancer // nil: none
	// Old is replaced by LoadBalancer, and stands until that serves. See [Choose].
	Old *LoadBalancer
	// FloatingIPs are those with the owner's description, the one with the given
	// address, and those bound to the VIP's port, each once.
	FloatingIPs []FloatingIP
	Secrets     []Secret  // of the key manager, whose names begin with the owner's prefix
	Stepwise    bool      // the cloud cannot create a load balancer whole, or shall not
	Now         time.Time // when it was observed
}

// Secret is a certificate with its key in the key manager.
type Secret struct {
	Ref  string // URL
	Name string // see [loadbalancer.Owner.SecretName]
}

// LoadBalancer is a load balancer as it stands.
type LoadBalancer struct {
	ID               string
	Status           Status
	Down             bool // administratively
	Name             string
	Description      string
	Tags             []string
	Provider         string
	FlavorID         string
	AvailabilityZone string
	VIP              loadbalancer.VIP // its network and subnet
	AdditionalVIPs   []loadbalancer.VIP
	Address          string // of the VIP
	PortID           string // of the VIP
	UpdatedAt        string // as Octavia writes it; resolution one second
	// Fresh: none of our outcomes says that it ever served, so nobody can miss it.
	Fresh     bool
	Listeners []Listener
	Pools     []Pool
}

// Listener is a listener as it stands. Policies are in order of position.
type Listener struct {
	ID            string
	Status        Status
	Down          bool
	Name          string
	Tags          []string
	Protocol      string
	Port          int
	DefaultPoolID string
	AllowedCIDRs  []string
	Policies      []Policy

	Refs []string // of certificates in the key manager: the default one, then the others without it, sorted
	// Certificates are the names of the secrets that Refs point to, in their order;
	// the reference itself where no secret of ours has it.
	Certificates    []string
	TLSVersions     []string // sorted
	TLSCiphers      string
	HSTS            loadbalancer.HSTS
	Headers         []string // that are inserted, sorted
	Timeouts        loadbalancer.Timeouts
	ConnectionLimit *int
}

// Policy is an L7 policy as it stands.
type Policy struct {
	ID       string
	Status   Status
	Down     bool
	Name     string
	Action   string
	PoolID   string // REDIRECT_TO_POOL only
	Redirect string // REDIRECT_PREFIX only
	Code     int    // REDIRECT_PREFIX only
	Rules    []Rule
}

// Rule is an L7 rule as it stands. Foreign: it has a key or is down, which ours never are.
type Rule struct {
	ID      string
	Status  Status
	Foreign bool
	loadbalancer.Rule
}

// Pool is a pool as it stands.
type Pool struct {
	ID          string
	Status      Status
	Down        bool
	Name        string
	Tags        []string
	Protocol    string
	TLS         bool
	Algorithm   string
	Persistence *loadbalancer.Persistence
	Members     []Member
	Monitor     *Monitor
}

// Member is a member as it stands. Foreign: it is down or a backup, or is
// checked at another address, which ours never are.
type Member struct {
	ID        string
	Status    Status
	Foreign   bool
	UpdatedAt time.Time // of its last change, its creation if there was none; resolution one second
	loadbalancer.Member
}

// Monitor is a health monitor as it stands.
type Monitor struct {
	ID     string
	Status Status
	Down   bool
	loadbalancer.Monitor
}

// FloatingIP is a floating IP as it stands. It is the owner's if it has the
// owner's description.
type FloatingIP struct {
	ID          string
	Address     string
	NetworkID   string
	SubnetID    string // empty: not known
	PortID      string // empty: not associated
	Description string
}

// Pending says whether no step may be sent now.
func (o Observed) Pending() bool {
	return o.LoadBalancer != nil && o.LoadBalancer.Status.Pending()
}

// Stuck says whether things below an ACTIVE load balancer are pending: their
// worker has lost them, and they never settle.
func (o Observed) Stuck() bool {
	lb := o.LoadBalancer
	if lb == nil || lb.Status != Active {
		return false
	}
	for _, l := range lb.Listeners {
		if l.Status.Pending() {
			return true
		}
		for _, p := range l.Policies {
			if p.Status.Pending() {
				return true
			}
			for _, r := range p.Rules {
				if r.Status.Pending() {
					return true
				}
			}
		}
	}
	for _, p := range lb.Pools {
		if p.Status.Pending() || p.Monitor != nil && p.Monitor.Status.Pending() {
			return true
		}
		for _, m := range p.Members {
			if m.Status.Pending() {
				return true
			}
		}
	}
	return false
}
