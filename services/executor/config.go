package executor

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"drawbridge.dev/services/executor/octavia"
)

// Ways to create a load balancer.
const (
	CreateAuto     = "auto"     // whole, and stepwise on a cloud that turns out to be unable to
	CreateWhole    = "whole"    // in one request, always
	CreateStepwise = "stepwise" // in many requests, always
)

// What is done about drift.
const (
	DriftRepair  = "repair"  // said, and led back
	DriftObserve = "observe" // only said
)

// What is done where the octavia-ingress-controller or the
// openstack-cloud-controller-manager has a load balancer for the object of an exposure.
const (
	AdoptAsk   = "ask"   // nothing is created until somebody adopts it, or says never
	AdoptNever = "never" // another one is created beside it
)

// Config of the executor of one cloud. Empty fields get the values of [Config.Defaults].
type Config struct {
	Cloud string `yaml:"cloud"` // name on the bus: exposures name it; default "default"
	Fleet string `yaml:"fleet"` // marks what is ours in the cloud; default "default"

	OpenStackCloud string        `yaml:"openstack-cloud"` // entry of clouds.yaml; empty: OS_CLOUD, or the OS_* variables
	CloudsFile     string        `yaml:"clouds-file"`     // empty: where every OpenStack tool looks
	Region         string        `yaml:"region"`
	RequestTimeout time.Duration `yaml:"request-timeout"` // default 1m

	TrustedKeys []string `yaml:"trusted-keys"` // public nkeys whose signature makes a decision valid

	Provider         string `yaml:"provider"`          // of Octavia; empty: the cloud's default
	Flavor           string `yaml:"flavor"`            // name or id; empty: one that is ACTIVE_STANDBY, if the cloud says of one that it is
	AvailabilityZone string `yaml:"availability-zone"` // of Octavia
	VIPSubnet        string `yaml:"vip-subnet"`        // name or id; empty: the one that the members' addresses are in
	VIPNetwork       string `yaml:"vip-network"`       // name or id; instead of vip-subnet
	MemberSubnet     string `yaml:"member-subnet"`     // name or id; empty: Octavia's own choice
	FloatingNetwork  string `yaml:"floating-network"`  // name or id; empty: the external network, if there is just one
	FloatingSubnet   string `yaml:"floating-subnet"`   // of it: name, id or glob, "~" and a regular expression, "!" before either; empty: any
	// FloatingSubnetTags select it where floating-subnet is empty: "a,b" any of them, "&a,b" all, "!" before either the others.
	FloatingSubnetTags string `yaml:"floating-subnet-tags"`
	// Classes are what exposures can name by drawbridge.dev/class; what one leaves empty is as set above.
	Classes map[string]Class `yaml:"classes"`

	Create      string `yaml:"create"`       // auto, whole or stepwise
	MaxPolicies int    `yaml:"max-policies"` // L7 policies of a listener; default 1000

	SealSeedFile         string            `yaml:"seal-seed-file"`         // of the key that watchers seal certificates to; empty: no TLS
	DrainDelay           time.Duration     `yaml:"drain-delay"`            // between weight 0 and removal of a member, where the exposure does not say; the command line has 30s
	ManageSecurityGroups bool              `yaml:"manage-security-groups"` // let load balancers in to the members' ports
	Adopt                string            `yaml:"adopt"`                  // ask or never: what to do where another's load balancer of the same object stands
	PeerClusters         map[string]string `yaml:"peer-clusters"`          // what others call the clusters in the names of their load balancers; default: as we do, and "kubernetes"

	Drift         string        `yaml:"drift"`          // repair or observe
	DriftInterval time.Duration `yaml:"drift-interval"` // default 5m; negative: never

	MaxParallel   int           `yaml:"max-parallel"`   // load balancers worked on at once; default 20
	PollMin       time.Duration `yaml:"poll-min"`       // of statuses; default 200ms
	PollMax       time.Duration `yaml:"poll-max"`       // default 5s
	SettleTimeout time.Duration `yaml:"settle-timeout"` // after which pending counts as a failure; default 15m
	RetryMin      time.Duration `yaml:"retry-min"`      // default 1s
	RetryMax      time.Duration `yaml:"retry-max"`      // default 5m
	LeaseTTL      time.Duration `yaml:"lease-ttl"`      // after which a standby takes over; default 15s
	Holder        string        `yaml:"holder"`         // name of this process in the lease; default host name and pid
}

// Defaults returns c with its empty fields filled.
func (c Config) Defaults() Config {
	c.Cloud = cmp.Or(c.Cloud, "default")
	c.Fleet = cmp.Or(c.Fleet, "default")
	c.RequestTimeout = cmp.Or(c.RequestTimeout, time.Minute)
	c.Create = cmp.Or(c.Create, CreateAuto)
	c.MaxPolicies = cmp.Or(c.MaxPolicies, 1000)
	c.Adopt = cmp.Or(c.Adopt, AdoptAsk)
	c.Drift = cmp.Or(c.Drift, DriftRepair)
	c.DriftInterval = cmp.Or(c.DriftInterval, 5*time.Minute)
	c.MaxParallel = cmp.Or(c.MaxParallel, 20)
	c.PollMin = cmp.Or(c.PollMin, 200*time.Millisecond)
	c.PollMax = cmp.Or(c.PollMax, 5*time.Second)
	c.SettleTimeout = cmp.Or(c.SettleTimeout, 15*time.Minute)
	c.RetryMin = cmp.Or(c.RetryMin, time.Second)
	c.RetryMax = cmp.Or(c.RetryMax, 5*time.Minute)
	c.LeaseTTL = cmp.Or(c.LeaseTTL, 15*time.Second)
	if c.Holder == "" {
		host, _ := os.Hostname()
		c.Holder = fmt.Sprintf("%s/%d", cmp.Or(host, "unknown"), os.Getpid())
	}
	return c
}

// Validate names every field that is wrong. It expects the defaults filled in.
func (c Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("executor: %s: %s", field, fmt.Sprintf(format, args...)))
	}
	if len(c.Fleet) > 63 || strings.ContainsFunc(c.Fleet, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' }) {
		bad("fleet", "%q must have at most 63 printable ASCII characters, and neither blank nor comma", c.Fleet)
	}
	if len(c.TrustedKeys) == 0 {
		bad("trusted-keys", "is empty: no decision would be carried out; set the public key of policy")
	}
	for i, k := range c.TrustedKeys {
		if _, err := nkeys.FromPublicKey(k); err != nil {
			bad(fmt.Sprintf("trusted-keys[%d]", i), "%q is no public nkey: %v", k, err)
		}
	}
	if c.VIPSubnet != "" && c.VIPNetwork != "" {
		bad("vip-subnet", "set it or vip-network, not both")
	}
	if c.Create != CreateAuto && c.Create != CreateWhole && c.Create != CreateStepwise {
		bad("create", "%q is none of auto, whole, stepwise", c.Create)
	}
	if c.Adopt != AdoptAsk && c.Adopt != AdoptNever {
		bad("adopt", "%q is neither ask nor never", c.Adopt)
	}
	if c.DrainDelay < 0 || c.DrainDelay > 24*time.Hour {
		bad("drain-delay", "%s is not within 0s and 24h", c.DrainDelay)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Classes)) {
		if _, err := subnetPattern(c.Classes[name].FloatingSubnet); err != nil {
			bad("classes."+name+".floating-subnet", "%v", err)
		}
	}
	if _, err := subnetPattern(c.FloatingSubnet); err != nil {
		bad("floating-subnet", "%v", err)
	}
	if c.Drift != DriftRepair && c.Drift != DriftObserve {
		bad("drift", "%q is neither repair nor observe", c.Drift)
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"request-timeout", c.RequestTimeout}, {"poll-min", c.PollMin}, {"poll-max", c.PollMax}, {"settle-timeout", c.SettleTimeout},
		{"retry-min", c.RetryMin}, {"retry-max", c.RetryMax}, {"lease-ttl", c.LeaseTTL}} {
		if f.value <= 0 {
			bad(f.name, "%s must be positive", f.value)
		}
	}
	if c.MaxParallel < 1 {
		bad("max-parallel", "%d must be positive", c.MaxParallel)
	}
	if c.MaxPolicies < 1 {
		bad("max-policies", "%d must be positive", c.MaxPolicies)
	}
	return errors.Join(errs...)
}

func (c Config) octavia() octavia.Config {
	return octavia.Config{Cloud: c.OpenStackCloud, CloudsFile: c.CloudsFile, Region: c.Region, Timeout: c.RequestTimeout}
}
