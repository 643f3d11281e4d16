package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
)

// errPlacement: where a load balancer is to be placed cannot be said.
var errPlacement = errors.New("placement")

// offer is what a cloud has to place a load balancer on.
type offer struct {
	flavors  []octavia.Flavor
	external []octavia.Network
	networks []octavia.Network
	subnets  []octavia.Subnet
}

// placement resolves what the configuration and the exposures name.
type placement struct {
	cfg    Config
	client *octavia.Client
	minor  int // of the cloud's Octavia API

	mu   sync.Mutex
	read time.Time
	offer
}

const offerAge = 30 * time.Second // what is not found is looked for anew after it

// load reads what the cloud offers; some reads that serve all changes.
func (p *placement) load(ctx context.Context) error {
	var o offer
	var err error
	if o.flavors, err = p.client.Flavors(ctx); err != nil {
		return err
	}
	if o.external, err = p.client.ExternalNetworks(ctx); err != nil {
		return err
	}
	if p.cfg.VIPNetwork != "" {
		if o.networks, err = p.client.Networks(ctx); err != nil {
			return err
		}
	}
	if o.subnets, err = p.client.Subnets(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offer, p.read = o, time.Now()
	return nil
}

// place is what compose needs to know for an exposure, and what of it could not
// be said: of use only for what is yet to be created, because nothing that
// stands is moved.
type place struct {
	compose.Defaults
	flavor, vip, floating error
}

// unknownNetwork stands for the external network where that cannot be said, so
// that a floating IP that stands is not taken for unwanted.
const unknownNetwork = "unknown"

// find resolves for an exposure; where something is not there, it asks the cloud
// again before it says so.
func (p *placement) find(ctx context.Context, e events.Exposure) (place, error) {
	at := p.resolve(e)
	if at.flavor == nil && at.vip == nil && at.floating == nil {
		return at, nil
	}
	p.mu.Lock()
	old := time.Since(p.read) > offerAge
	p.mu.Unlock()
	if !old {
		return at, nil
	}
	if err := p.load(ctx); err != nil {
		return at, err
	}
	return p.resolve(e), nil
}

func (p *placement) resolve(e events.Exposure) place {
	p.mu.Lock()
	o := p.offer
	p.mu.Unlock()
	at := place{Defaults: compose.Defaults{Provider: p.cfg.Provider, AvailabilityZone: p.cfg.AvailabilityZone,
		MaxPolicies: p.cfg.MaxPolicies, APIMinor: p.minor}}
	at.FlavorID, at.flavor = o.flavor(cmp.Or(e.Flavor, p.cfg.Flavor), p.cfg.Provider)
	at.VIP, at.vip = o.vip(p.cfg, e)
	if !e.Internal {
		if at.FloatingNetworkID, at.floating = o.floatingNetwork(p.cfg.FloatingNetwork); at.floating != nil {
			at.FloatingNetworkID = unknownNetwork
		}
	}
	return at
}

// flavor finds a named flavor, or one that is ACTIVE_STANDBY. OVN has no flavors.
func (o offer) flavor(name, provider string) (string, error) {
	if name == "" {
		i := slices.IndexFunc(o.flavors, func(f octavia.Flavor) bool { return f.Topology == octavia.ActiveStandby })
		if i < 0 || provider == "ovn" {
			return "", nil
		}
		return o.flavors[i].ID, nil
	}
	var names []string
	for _, f := range o.flavors {
		if f.ID == name || f.Name == name {
			return f.ID, nil
		}
		names = append(names, f.Name)
	}
	return "", fmt.Errorf("%w: the cloud has no load balancer flavor %q, only %s: correct the exposure or the executor's flavor",
		errPlacement, name, list(names))
}

// topology of a load balancer by its flavor; empty: nobody says.
func (p *placement) topology(flavorID string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.flavors {
		if f.ID == flavorID {
			return f.Topology
		}
	}
	return ""
}

func (o offer) vip(cfg Config, e events.Exposure) (loadbalancer.VIP, error) {
	switch {
	case cfg.VIPSubnet != "":
		i, err := named("subnet", "vip-subnet", cfg.VIPSubnet, o.subnets, func(s octavia.Subnet) (string, string) { return s.ID, s.Name })
		if err != nil {
			return loadbalancer.VIP{}, err
		}
		return loadbalancer.VIP{SubnetID: o.subnets[i].ID, NetworkID: o.subnets[i].NetworkID}, nil
	case cfg.VIPNetwork != "":
		i, err := named("network", "vip-network", cfg.VIPNetwork, o.networks, networkNames)
		if err != nil {
			return loadbalancer.VIP{}, err
		}
		return loadbalancer.VIP{NetworkID: o.networks[i].ID}, nil
	}
	own := slices.DeleteFunc(slices.Clone(o.subnets), func(s octavia.Subnet) bool {
		return slices.ContainsFunc(o.external, func(n octavia.Network) bool { return n.ID == s.NetworkID })
	})
	if len(own) == 1 {
		return loadbalancer.VIP{SubnetID: own[0].ID, NetworkID: own[0].NetworkID}, nil
	}
	holding := slices.DeleteFunc(slices.Clone(own), func(s octavia.Subnet) bool { return !holds(s.CIDR, e) })
	if len(holding) == 1 {
		return loadbalancer.VIP{SubnetID: holding[0].ID, NetworkID: holding[0].NetworkID}, nil
	}
	var names []string
	for _, s := range own {
		names = append(names, fmt.Sprintf("%s (%s)", s.Name, s.CIDR))
	}
	return loadbalancer.VIP{}, fmt.Errorf("%w: %d subnets of the project hold the members' addresses: set the executor's vip-subnet to one of %s",
		errPlacement, len(holding), list(names))
}

// holds says whether any member's address is in the prefix.
func holds(p netip.Prefix, e events.Exposure) bool {
	for _, b := range e.Backends {
		for _, m := range b.Members {
			if a, err := netip.ParseAddr(m.Address); err == nil && p.Contains(a) {
				return true
			}
		}
	}
	return false
}

func (o offer) floatingNetwork(name string) (string, error) {
	if name != "" {
		i, err := named("external network", "floating-network", name, o.external, networkNames)
		if err != nil {
			return "", err
		}
		return o.external[i].ID, nil
	}
	if len(o.external) == 1 {
		return o.external[0].ID, nil
	}
	var names []string
	for _, n := range o.external {
		names = append(names, n.Name)
	}
	return "", fmt.Errorf("%w: the cloud has %d external networks for floating IPs: set the executor's floating-network to one of %s, or make the exposure internal",
		errPlacement, len(o.external), list(names))
}

func networkNames(n octavia.Network) (string, string) { return n.ID, n.Name }

func named[T any](what, field, name string, all []T, names func(T) (id, name string)) (int, error) {
	var have []string
	found := -1
	for i, x := range all {
		id, n := names(x)
		if id == name {
			return i, nil
		}
		if n == name {
			if found >= 0 {
				return 0, fmt.Errorf("%w: there are two %ss named %q: set the executor's %s to an id", errPlacement, what, name, field)
			}
			found = i
		}
		have = append(have, n)
	}
	if found < 0 {
		return 0, fmt.Errorf("%w: the project sees no %s %q, only %s: correct the executor's %s", errPlacement, what, name, list(have), field)
	}
	return found, nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
