// Package loadbalancer is the desired graph: one Octavia load balancer with
// everything below it and its floating IP, as it shall stand. It names its
// pools instead of carrying ids, because it is written before anything exists.
package loadbalancer

import "strings"

// LoadBalancer is one load balancer, whole.
type LoadBalancer struct {
	ID               string // of one that stands and that another made: what is not ours on it is left alone, and it is never deleted; empty: ours
	Name             string
	Description      string
	Tags             []string // ownership and the user's, see [Owner.Tags]
	Provider         string   // empty: the cloud's default
	FlavorID         string   // empty: none
	AvailabilityZone string   // empty: none
	VIP              VIP
	AdditionalVIPs   []VIP // API 2.26
	Asked            Asked // what of this the exposure itself asks for
	Replace          bool  // what cannot be changed may be built anew

	// FloatingNetworkID is the external network that a floating IP comes from;
	// empty: the load balancer has none.
	FloatingNetworkID     string
	FloatingSubnetID      string // of that network; empty: any
	FloatingIPDescription string // ownership: Neutron takes no tags with a create
	FloatingAddress       string // of a floating IP that stands and that another made: it is bound, never deleted
	KeepFloatingIP        bool   // it is left unbound when the load balancer goes

	Listeners []Listener // sorted by port and protocol
	Pools     []Pool     // sorted by name
}

// VIP says where the address of a load balancer is taken from. PortID wins over
// SubnetID, and that over NetworkID.
type VIP struct {
	NetworkID string
	SubnetID  string
	PortID    string
	Address   string // empty: any
}

// Asked is what an exposure itself asks for and Octavia cannot change once it
// stands. What is empty was chosen by the executor, and a difference is no news.
type Asked struct {
	FlavorID            string
	AvailabilityZone    string
	VIP                 VIP
	AdditionalSubnetIDs []string
	FloatingNetworkID   string
	FloatingSubnetID    string
}

// Listener is one open port. In a load balancer (protocol family, port) is unique.
type Listener struct {
	Name         string
	Protocol     string // TCP, UDP, SCTP, HTTP, TERMINATED_HTTPS
	Port         int
	DefaultPool  string   // name of a pool; empty: what no policy takes is answered with 503
	AllowedCIDRs []string // sorted; empty: everywhere
	Policies     []Policy // in order of evaluation

	// Certificates are the names of secrets in the key manager, or URLs of it,
	// the first for who names no known host. TERMINATED_HTTPS only.
	Certificates []string
	TLSVersions  []string // sorted; empty: the cloud's
	TLSCiphers   string   // empty: the cloud's
	HSTS         HSTS
	Headers      []string // that are inserted, sorted: X-Forwarded-For
	// What is nil is the operator's choice. That it was ours is remembered by the
	// tag [SetTag], so that it is given back.
	Timeouts        Timeouts
	ConnectionLimit *int
}

// HSTS is the header Strict-Transport-Security; MaxAge 0: none.
type HSTS struct {
	MaxAge            int // seconds
	IncludeSubdomains bool
	Preload           bool
}

// Timeouts of a listener, in milliseconds; nil: the operator's.
type Timeouts struct{ ClientData, MemberConnect, MemberData, TCPInspect *int }

// Policy takes what matches all its rules. It has at least one rule: Octavia
// passes over a policy without.
type Policy struct {
	Name     string
	Action   string // [RedirectToPool] if empty
	Pool     string // name of a pool; REDIRECT_TO_POOL only
	Redirect string // prefix of the URL; REDIRECT_PREFIX only
	Code     int    // HTTP status; REDIRECT_PREFIX only
	Rules    []Rule // ANDed, at most [MaxRules], at most [MaxRuleValue] bytes each
}

// Actions of a policy. HAProxy takes redirects before pools, whatever their
// positions.
const (
	RedirectToPool = "REDIRECT_TO_POOL"
	RedirectPrefix = "REDIRECT_PREFIX"
	Reject         = "REJECT"
)

// Limits of the Octavia API.
const (
	MaxRules     = 50
	MaxRuleValue = 255
	MaxName      = 255
)

// Rule is one L7 rule, in Octavia's words.
type Rule struct {
	Type    string // HOST_NAME or PATH
	Compare string // EQUAL_TO, REGEX or STARTS_WITH
	Value   string
	Invert  bool // it holds where the comparison does not
}

// Rule types and comparisons that are used.
const (
	RuleHostName      = "HOST_NAME"
	RulePath          = "PATH"
	CompareEqual      = "EQUAL_TO"
	CompareRegex      = "REGEX"
	CompareStartsWith = "STARTS_WITH"
)

// Pool is a set of members. Its name is unique in a load balancer. Octavia
// cannot change its protocol: with another one it is another pool.
type Pool struct {
	Name        string
	Protocol    string // TCP, UDP, SCTP, HTTP, PROXY, PROXYV2
	TLS         bool   // towards the members
	Algorithm   string
	Persistence *Persistence
	DrainDelay  int      // seconds that a member that goes stays at weight 0
	Members     []Member // sorted by address and port
	Monitor     *Monitor
}

// Persistence is the session persistence of a pool.
type Persistence struct {
	Type    string // SOURCE_IP, HTTP_COOKIE, APP_COOKIE
	Cookie  string
	Timeout int // seconds; 0: none
}

// Member is one address that serves. (address, port) is unique in a pool.
type Member struct {
	Name        string
	Address     string
	Port        int
	Weight      int // 0: no new connections
	SubnetID    string
	MonitorPort int // 0: Port
}

// Monitor is the health check of a pool. Octavia cannot change its type.
type Monitor struct {
	Type           string
	Delay          int // seconds
	Timeout        int // seconds
	MaxRetries     int
	MaxRetriesDown int
	Method         string // HTTP and HTTPS only, as the four below
	Path           string
	Codes          string
	Host           string // API 2.10
}

// Family is the transport of a listener protocol; a port can be taken once in each.
func Family(protocol string) string {
	if protocol == "UDP" || protocol == "SCTP" {
		return protocol
	}
	return "TCP"
}

// String is the persistence for people.
func (p *Persistence) String() string {
	if p == nil {
		return "none"
	}
	return strings.TrimSpace(p.Type + " " + p.Cookie)
}
