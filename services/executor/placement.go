package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// Class says where load balancers are placed whose exposures name it. What it
// leaves empty is the executor's own setting. Everything is a name or an id.
type Class struct {
	VIPNetwork         string `yaml:"vip-network"`
	VIPSubnet          string `yaml:"vip-subnet"` // goes before vip-network
	MemberSubnet       string `yaml:"member-subnet"`
	FloatingNetwork    string `yaml:"floating-network"`
	FloatingSubnet     string `yaml:"floating-subnet"`      // also a glob, "~" and a regular expression, "!" before either
	FloatingSubnetTags string `yaml:"floating-subnet-tags"` // "a,b" any, "&a,b" all, "!" before either the others
	Flavor             string `yaml:"flavor"`
	AvailabilityZone   string `yaml:"availability-zone"`
}

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
	ports map[string]octavia.Port // that exposures name, by name or id
	zones []string                // of Octavia, once one is named; none: the cloud lists none
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
	if o.networks, err = p.client.Networks(ctx); err != nil {
		return err
	}
	if o.subnets, err = p.client.Subnets(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offer, p.read, p.ports, p.zones = o, time.Now(), nil, nil
	return nil
}

// zone reads the availability zones, where one is named.
func (p *placement) zone(ctx context.Context, name string) error {
	p.mu.Lock()
	known := len(p.zones) > 0
	p.mu.Unlock()
	if known || name == "" || p.client == nil {
		return nil
	}
	found, err := p.client.AvailabilityZones(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.zones = found
	return nil
}

// port reads the port that an exposure names.
func (p *placement) port(ctx context.Context, name string) error {
	p.mu.Lock()
	_, known := p.ports[name]
	p.mu.Unlock()
	if known || name == "" || p.client == nil {
		return nil
	}
	found, err := p.client.Ports(ctx, name)
	if err != nil {
		return err
	}
	if len(found) > 1 {
		return fmt.Errorf("%w: there are %d ports named %q: set %s to an id", errPlacement, len(found), name, asker("placement.port"))
	}
	if len(found) == 1 {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.ports == nil {
			p.ports = map[string]octavia.Port{}
		}
		p.ports[name] = found[0]
	}
	return nil
}

// place is what compose needs to know for a unit, and what of it could not be
// said. Flavor, zone, vip and floating are of use only for what is yet to be created,
// because nothing that stands is moved; members are placed at any time.
type place struct {
	compose.Defaults
	flavor, zone, vip, floating, members error
	asked                                []string // what is named and not there: told, though what stands does without it
}

// unknownNetwork stands for the external network where that cannot be said, so
// that a floating IP that stands is not taken for unwanted.
const unknownNetwork = "unknown"

// find resolves for the exposures of a unit; where something is not there, it
// asks the cloud again before it says so.
func (p *placement) find(ctx context.Context, group []events.Exposure) (place, error) {
	at, err := p.look(ctx, group)
	if err != nil || errors.Join(at.flavor, at.zone, at.vip, at.floating, at.members) == nil {
		return at, err
	}
	p.mu.Lock()
	old := time.Since(p.read) > offerAge
	p.mu.Unlock()
	if !old || p.client == nil {
		return at, nil
	}
	if err := p.load(ctx); err != nil {
		return at, err
	}
	return p.look(ctx, group)
}

// look resolves by what is known, and reads what is asked for by name alone.
func (p *placement) look(ctx context.Context, group []events.Exposure) (place, error) {
	e := group[0]
	if err := p.port(ctx, e.Placement.Port); err != nil {
		return place{}, err
	}
	if err := p.zone(ctx, cmp.Or(e.Placement.AvailabilityZone, p.cfg.Classes[e.Placement.Class].AvailabilityZone, p.cfg.AvailabilityZone)); err != nil {
		return place{}, err
	}
	return p.resolve(group), nil
}

// resolve says where a unit is placed: as the first of its exposures says,
// with which policy has the others agree.
func (p *placement) resolve(group []events.Exposure) place {
	e := group[0]
	p.mu.Lock()
	o := p.offer
	port, held := p.ports[e.Placement.Port]
	zones := p.zones
	p.mu.Unlock()
	at := place{Defaults: compose.Defaults{Provider: p.cfg.Provider, MaxPolicies: p.cfg.MaxPolicies, APIMinor: p.minor,
		DrainDelay: int(p.cfg.DrainDelay / time.Second)}}
	class, known := p.cfg.Classes[e.Placement.Class]
	if !known && e.Placement.Class != "" {
		names := make([]string, 0, len(p.cfg.Classes))
		for n := range p.cfg.Classes {
			names = append(names, n)
		}
		at.vip = fmt.Errorf("%w: the executor's classes have no %q, only %s: correct %s", errPlacement, e.Placement.Class, list(names), asker("placement.class"))
		at.asked = append(at.asked, at.vip.Error())
		at.FloatingNetworkID = unknownNetwork
		return at
	}
	w := wishes{e, class, p.cfg}
	zone := w.of("placement.availabilityZone", e.Placement.AvailabilityZone, "availability-zone", class.AvailabilityZone, p.cfg.AvailabilityZone)
	if at.AvailabilityZone = zone.value; zone.value != "" && len(zones) > 0 && !slices.Contains(zones, zone.value) {
		at.zone = fmt.Errorf("%w: the cloud has no availability zone %q for load balancers, only %s: correct %s", errPlacement, zone.value, list(slices.Clone(zones)), zone.where)
		at.asked = append(at.asked, at.zone.Error())
	}
	at.FlavorID, at.flavor = o.flavor(w.of("flavor", e.Flavor, "flavor", class.Flavor, p.cfg.Flavor), p.cfg.Provider)
	if at.flavor != nil {
		at.asked = append(at.asked, at.flavor.Error())
	}
	if held {
		at.VIP = loadbalancer.VIP{NetworkID: port.NetworkID, PortID: port.ID, Address: e.Placement.Address}
	} else {
		at.VIP, at.vip = o.vip(w, group)
	}
	if at.vip == nil {
		at.AdditionalVIPs, at.vip = o.additional(e.Placement, at.VIP)
	}
	if s := w.of("placement.memberSubnet", e.Placement.MemberSubnet, "member-subnet", class.MemberSubnet, p.cfg.MemberSubnet); s.value != "" {
		i, err := named("subnet", s, o.subnets, subnetNames)
		if at.members = err; err == nil {
			at.MemberSubnetID = o.subnets[i].ID
		}
	}
	if !e.Internal && !o.six(at.VIP.SubnetID) { // floating IPs are IPv4
		at.FloatingNetworkID, at.FloatingSubnetID, at.floating = o.floating(w)
		if at.floating != nil {
			at.FloatingNetworkID = unknownNetwork
		}
	}
	for _, err := range []error{at.vip, at.floating} {
		if err != nil && strings.Contains(err.Error(), "the exposure's") {
			at.asked = append(at.asked, err.Error())
		}
	}
	return at
}

// flavor finds a named flavor, or one that is ACTIVE_STANDBY. OVN has no flavors.
func (o offer) flavor(s setting, provider string) (string, error) {
	if s.value == "" {
		i := slices.IndexFunc(o.flavors, func(f octavia.Flavor) bool { return f.Topology == octavia.ActiveStandby })
		if i < 0 || provider == "ovn" {
			return "", nil
		}
		return o.flavors[i].ID, nil
	}
	i, err := named("load balancer flavor", s, o.flavors, func(f octavia.Flavor) (string, string) { return f.ID, f.Name })
	if err != nil {
		return "", err
	}
	return o.flavors[i].ID, nil
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

func networkNames(n octavia.Network) (string, string) { return n.ID, n.Name }
func subnetNames(s octavia.Subnet) (string, string)   { return s.ID, s.Name }

// named finds what a setting names, by id or by name.
func named[T any](what string, s setting, all []T, names func(T) (id, name string)) (int, error) {
	var have []string
	found := -1
	for i, x := range all {
		id, n := names(x)
		if id == s.value {
			return i, nil
		}
		if n == s.value {
			if found >= 0 {
				return 0, fmt.Errorf("%w: there are two %ss named %q: set %s to an id", errPlacement, what, s.value, s.where)
			}
			found = i
		}
		have = append(have, cmp.Or(n, id))
	}
	if found < 0 {
		return 0, fmt.Errorf("%w: the project sees no %s %q, only %s: correct %s", errPlacement, what, s.value, list(have), s.where)
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
