// Package loadbalancer is the desired graph: one Octavia load balancer with
// everything below it and its floating IP, as it shall stand. It names its
// pools instead of carrying ids, because it is written before anything exists.
package loadbalancer

// LoadBalancer is one load balancer, whole.
type LoadBalancer struct {
	Name             string
	Description      string
	Tags             []string // ownership, see [Owner.Tags]
	Provider         string   // empty: the cloud's default
	FlavorID         string   // empty: none
	AvailabilityZone string   // empty: none
	VIP              VIP

	// FloatingNetworkID is the external network that a floating IP comes from;
	// empty: the load balancer has none.
	FloatingNetworkID     string
	FloatingIPDescription string // ownership: Neutron takes no tags with a create

	Listeners []Listener // sorted by port and protocol
	Pools     []Pool     // sorted by name
}

// VIP says where the address of a load balancer is taken from. SubnetID wins
// over NetworkID.
type VIP struct {
	NetworkID string
	SubnetID  string
}

// Listener is one open port. In a load balancer (protocol family, port) is unique.
type Listener struct {
	Name         string
	Protocol     string // TCP, UDP, HTTP
	Port         int
	DefaultPool  string   // name of a pool; empty: what no policy takes is answered with 503
	AllowedCIDRs []string // sorted; empty: everywhere
	Policies     []Policy // in order of evaluation
}

// Policy sends what matches all its rules to a pool (REDIRECT_TO_POOL). It has
// at least one rule: Octavia passes over a policy without.
type Policy struct {
	Name  string
	Pool  string // name of a pool
	Rules []Rule // ANDed, at most [MaxRules], at most [MaxRuleValue] bytes each
}

// Limits of the Octavia API.
const (
	MaxRules     = 50
	MaxRuleValue = 255
	MaxName      = 255
)

// Rule is one L7 rule, in Octavia's words.
type Rule struct {
	Type    string // HOST_NAME or PATH
	Compare string // EQUAL_TO or REGEX
	Value   string
}

// Rule types and comparisons that are used.
const (
	RuleHostName = "HOST_NAME"
	RulePath     = "PATH"
	CompareEqual = "EQUAL_TO"
	CompareRegex = "REGEX"
)

// Pool is a set of members. (name, protocol) is unique in a load balancer:
// Octavia cannot change the protocol of a pool.
type Pool struct {
	Name      string
	Protocol  string
	Algorithm string
	Members   []Member // sorted by address and port
	Monitor   *Monitor
}

// Member is one address that serves. (address, port) is unique in a pool.
type Member struct {
	Name    string
	Address string
	Port    int
	Weight  int
}

// Monitor is the health check of a pool. Octavia cannot change its type.
type Monitor struct {
	Type           string
	Delay          int // seconds
	Timeout        int // seconds
	MaxRetries     int
	MaxRetriesDown int
	Path           string // HTTP only
	Codes          string // HTTP only
}

// Family is the transport of a listener protocol; a port can be taken once in each.
func Family(protocol string) string {
	if protocol == "UDP" {
		return "UDP"
	}
	return "TCP"
}
