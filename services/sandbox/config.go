package sandbox

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Config says which cloud to play. The zero value is a small one of API 2.26
// on a free port of 127.0.0.1, without a data plane, that forgets everything.
type Config struct {
	// Address is where the APIs listen; only loopback. Default 127.0.0.1:0.
	Address string
	// Pending is how long PENDING states last. Zero: until just after the answer.
	Pending time.Duration
	// APIVersion of Octavia, "2.0" to "2.27", default "2.26": what is newer is
	// refused as unknown and not shown.
	APIVersion string
	// Quota limits kinds per project: load_balancer, listener, pool, member,
	// health_monitor, l7policy, l7rule, port, floatingip, security_group,
	// security_group_rule. Absent or -1: no limit.
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
	// FloatingSubnets are the subnets of the external network, among which the
	// pool of floating IPs is divided. With them the network is shared, so that
	// tenants see them; without, there is one, which Neutron's default policy
	// does not show to tenants.
	FloatingSubnets []Subnet
	// FloatingAddresses lets tenants say which address a floating IP shall have,
	// which Neutron's default policy does not.
	FloatingAddresses bool
	// WithOVN enables the provider ovn too, which refuses what OVN cannot do.
	WithOVN bool
	// WithoutOctavia leaves load balancing out of the catalog.
	WithoutOctavia bool
	// WithoutBarbican leaves the key manager out, so that nothing can terminate TLS.
	WithoutBarbican bool
	// TokenLifetime is how long a token is valid. Default 4 h.
	TokenLifetime time.Duration
	// Users are who can log in. Default: see DefaultUsers.
	Users []User
	// Nodes answers for member addresses that are not loopback.
	Nodes *Nodes
}

// Subnet is one of the external network.
type Subnet struct {
	Name string
	Tags []string
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
		{Entry: "sandbox", Name: "exposer", Project: "k8s", Roles: []string{"member", "reader", roleMember, roleCreator}},
		{Entry: "sandbox-other", Name: "other", Project: "other", Roles: []string{"member", "reader", roleMember, roleCreator}},
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
	// OtherSubnetName is a second subnet of it.
	OtherSubnetName = "k8s-vip-v4b"
	// NodeNetworkName is a network of two families, NodeSubnetName and
	// NodeSubnet6Name (fd20::/64) its subnets. The data plane opens an address of
	// IPv6 as a port of its own on ::1 (Endpoint.Real).
	NodeNetworkName = "k8s-net"
	NodeSubnetName  = "k8s-v4"
	NodeSubnet6Name = "k8s-v6"
	// ExternalName is the external network of floating IPs.
	ExternalName = "public"
)

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
		cfg.APIVersion = fmt.Sprintf("2.%d", defaultMinor)
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
