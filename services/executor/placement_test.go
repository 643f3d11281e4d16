package executor

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/octavia"
)

func TestPlacement(t *testing.T) {
	nodes, vips, ext := octavia.Subnet{ID: "s1", Name: "nodes", NetworkID: "n1", CIDR: netip.MustParsePrefix("10.0.0.0/24")},
		octavia.Subnet{ID: "s2", Name: "vips", NetworkID: "n2", CIDR: netip.MustParsePrefix("10.1.0.0/24")},
		octavia.Subnet{ID: "s3", Name: "ext", NetworkID: "x1", CIDR: netip.MustParsePrefix("203.0.113.0/24")}
	public, second := octavia.Network{ID: "x1", Name: "public"}, octavia.Network{ID: "x2", Name: "dmz"}
	all := offer{
		flavors:  []octavia.Flavor{{ID: "f1", Name: "small", Topology: octavia.Single}, {ID: "f2", Name: "big", Topology: octavia.ActiveStandby}},
		external: []octavia.Network{public}, networks: []octavia.Network{{ID: "n1", Name: "k8s"}, {ID: "n2", Name: "vip"}, public},
		subnets: []octavia.Subnet{nodes, vips, ext},
	}
	e := events.Exposure{Backends: []events.Backend{{Members: []events.Member{{Address: "10.0.0.7"}}}}}
	for _, tt := range []struct {
		name     string
		cfg      Config
		change   func(*offer, *events.Exposure)
		want     string // flavor, VIP network and subnet, floating network
		problems string // in the same order
	}{
		{"discovered", Config{}, nil, "f2 n1/s1 x1", ""},
		{"configured by name", Config{Flavor: "small", VIPSubnet: "vips", FloatingNetwork: "public"}, nil, "f1 n2/s2 x1", ""},
		{"configured by id", Config{Flavor: "f1", VIPSubnet: "s2", FloatingNetwork: "x1"}, nil, "f1 n2/s2 x1", ""},
		{"a network for the VIP", Config{VIPNetwork: "vip"}, nil, "f2 n2/ x1", ""},
		{"the exposure's flavor", Config{Flavor: "big"}, func(_ *offer, e *events.Exposure) { e.Flavor = "small" }, "f1 n1/s1 x1", ""},
		{"no flavors", Config{}, func(o *offer, _ *events.Exposure) { o.flavors = nil }, " n1/s1 x1", ""},
		{"OVN has no flavors", Config{Provider: "ovn"}, nil, " n1/s1 x1", ""},
		{"the only subnet", Config{}, func(o *offer, e *events.Exposure) { o.subnets, e.Backends = []octavia.Subnet{vips, ext}, nil }, "f2 n2/s2 x1", ""},
		{"internal", Config{}, func(o *offer, e *events.Exposure) { e.Internal, o.external = true, nil }, "f2 n1/s1 ", ""},
		{"unknown flavor", Config{Flavor: "huge"}, nil, " n1/s1 x1", `no load balancer flavor "huge", only big, small`},
		{"no members, two subnets", Config{}, func(_ *offer, e *events.Exposure) { e.Backends = nil }, "f2 / x1", "set the executor's vip-subnet to one of nodes (10.0.0.0/24), vips (10.1.0.0/24)"},
		{"unknown subnet", Config{VIPSubnet: "other"}, nil, "f2 / x1", `no subnet "other", only ext, nodes, vips`},
		{"ambiguous subnet", Config{VIPSubnet: "nodes"}, func(o *offer, _ *events.Exposure) {
			twin := vips
			twin.Name = "nodes"
			o.subnets = append(o.subnets, twin)
		}, "f2 / x1", "two subnets named"},
		{"two external networks", Config{}, func(o *offer, _ *events.Exposure) { o.external = append(o.external, second) }, "f2 n1/s1 unknown", "set the executor's floating-network to one of dmz, public"},
		{"no external network", Config{}, func(o *offer, _ *events.Exposure) { o.external = nil; o.subnets = o.subnets[:2] }, "f2 n1/s1 unknown", "0 external networks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, x := all, e
			if tt.change != nil {
				tt.change(&o, &x)
			}
			p := &placement{cfg: tt.cfg.Defaults(), offer: o, read: time.Now()}
			at := p.resolve([]events.Exposure{x})
			if got := at.FlavorID + " " + at.VIP.NetworkID + "/" + at.VIP.SubnetID + " " + at.FloatingNetworkID; got != tt.want {
				t.Errorf("placed at %q, want %q", got, tt.want)
			}
			problems := ""
			for _, err := range []error{at.flavor, at.vip, at.floating} {
				if err != nil {
					problems += err.Error()
				}
			}
			if !strings.Contains(problems, tt.problems) || (problems == "") != (tt.problems == "") {
				t.Errorf("problems are %q, want %q", problems, tt.problems)
			}
		})
	}
}

// TestPlacementAsked: what an exposure or its class names goes before what the
// executor is configured to, and what is not there is said by its field.
func TestPlacementAsked(t *testing.T) {
	subnet := func(id, name, network, cidr string, tags ...string) octavia.Subnet {
		return octavia.Subnet{ID: id, Name: name, NetworkID: network, CIDR: netip.MustParsePrefix(cidr), Tags: tags}
	}
	all := offer{
		flavors:  []octavia.Flavor{{ID: "f1", Name: "small"}},
		external: []octavia.Network{{ID: "x1", Name: "public"}, {ID: "x2", Name: "dmz"}},
		networks: []octavia.Network{{ID: "n1", Name: "k8s"}, {ID: "n2", Name: "vip"}, {ID: "x1", Name: "public"}, {ID: "x2", Name: "dmz"}},
		subnets: []octavia.Subnet{subnet("s1", "nodes", "n1", "10.0.0.0/24"), subnet("s6", "nodes6", "n1", "fd00::/64"), subnet("s2", "vips", "n2", "10.1.0.0/24"),
			subnet("p1", "pool-a", "x1", "203.0.113.0/25", "gold", "eu"), subnet("p2", "pool-b", "x1", "203.0.113.128/25", "eu"), subnet("d1", "dmz-a", "x2", "192.0.2.0/24")},
	}
	cfg := Config{VIPSubnet: "nodes", FloatingNetwork: "public", Classes: map[string]Class{
		"dmz": {VIPNetwork: "vip", FloatingNetwork: "dmz", MemberSubnet: "nodes", AvailabilityZone: "az2", Flavor: "small"},
		"eu":  {FloatingSubnetTags: "&gold,eu"}}}
	for _, tt := range []struct {
		name     string
		place    events.Placement
		floating events.FloatingIP
		want     string // VIP network/subnet, further VIPs, member subnet, floating network/subnet
		problem  string
	}{
		{"nothing asked", events.Placement{}, events.FloatingIP{}, "n1/s1 [] x1/", ""},
		{"subnet by id", events.Placement{Subnet: "s2"}, events.FloatingIP{}, "n2/s2 [] x1/", ""},
		{"network", events.Placement{Network: "vip"}, events.FloatingIP{}, "n2/ [] x1/", ""},
		{"a class", events.Placement{Class: "dmz"}, events.FloatingIP{}, "n2/ [] s1 x2/", ""},
		{"more than the class", events.Placement{Class: "dmz", Subnet: "nodes"}, events.FloatingIP{Network: "public", Subnet: "pool-b"}, "n1/s1 [] s1 x1/p2", ""},
		{"no such class", events.Placement{Class: "gold"}, events.FloatingIP{}, "/ [] unknown/", `the executor's classes have no "gold", only dmz, eu: correct the exposure's placement.class (annotation drawbridge.dev/class)`},
		{"no such subnet", events.Placement{Subnet: "x"}, events.FloatingIP{}, "/ [] x1/", "correct the exposure's placement.subnet (annotation drawbridge.dev/subnet)"},
		{"no such network", events.Placement{Network: "x"}, events.FloatingIP{}, "/ [] x1/", "correct the exposure's placement.network"},
		{"no such port", events.Placement{Port: "x"}, events.FloatingIP{}, "/ [] x1/", "correct the exposure's placement.port"},
		{"no such member subnet", events.Placement{MemberSubnet: "x"}, events.FloatingIP{}, "n1/s1 [] x1/", "correct the exposure's placement.memberSubnet"},
		{"a zone", events.Placement{AvailabilityZone: "az1"}, events.FloatingIP{}, "n1/s1 [] x1/", ""},
		{"no such zone", events.Placement{AvailabilityZone: "nova"}, events.FloatingIP{}, "n1/s1 [] x1/", `no availability zone "nova" for load balancers, only az1, az2: correct the exposure's placement.availabilityZone (annotation drawbridge.dev/availability-zone)`},
		{"further subnets", events.Placement{AdditionalSubnets: []string{"vips"}}, events.FloatingIP{}, "n1/s1 [s2] x1/", ""},
		{"no such further subnet", events.Placement{AdditionalSubnets: []string{"x"}}, events.FloatingIP{}, "n1/s1 [] x1/", "placement.additionalSubnets[0] (annotation drawbridge.dev/additional-subnets)"},
		{"two families", events.Placement{Families: []string{"IPv4", "IPv6"}}, events.FloatingIP{}, "n1/s1 [s6] x1/", ""},
		{"two families, one of them named", events.Placement{Families: []string{"IPv4", "IPv6"}, Subnet: "vips", AdditionalSubnets: []string{"nodes6"}}, events.FloatingIP{}, "n2/s2 [s6] x1/", ""},
		{"the other one first", events.Placement{Families: []string{"IPv6", "IPv4"}, Network: "k8s"}, events.FloatingIP{}, "n1/s6 [s1] /", ""},
		{"a family that the subnet is not of", events.Placement{Families: []string{"IPv6"}, Subnet: "vips"}, events.FloatingIP{}, "/ [] x1/", "placement.families (annotation drawbridge.dev/ip-families) begin with IPv6"},
		{"a second family that is not there", events.Placement{Families: []string{"IPv4", "IPv6"}, Subnet: "vips"}, events.FloatingIP{}, "n2/s2 [] x1/", "placement.families (annotation drawbridge.dev/ip-families) ask for IPv6"},
		{"floating subnet by glob", events.Placement{}, events.FloatingIP{Subnet: "pool-?"}, "n1/s1 [] x1/p1", ""},
		{"floating subnet, not this", events.Placement{}, events.FloatingIP{Subnet: "!*-a"}, "n1/s1 [] x1/p2", ""},
		{"floating subnet by expression", events.Placement{}, events.FloatingIP{Subnet: "~^pool-[b-z]$"}, "n1/s1 [] x1/p2", ""},
		{"floating subnet, not by expression", events.Placement{}, events.FloatingIP{Subnet: "!~-a$"}, "n1/s1 [] x1/p2", ""},
		{"floating subnet by any tag", events.Placement{}, events.FloatingIP{SubnetTags: "silver,eu"}, "n1/s1 [] x1/p1", ""},
		{"floating subnet by all tags", events.Placement{}, events.FloatingIP{SubnetTags: "&gold,eu"}, "n1/s1 [] x1/p1", ""},
		{"floating subnet without a tag", events.Placement{}, events.FloatingIP{SubnetTags: "!gold"}, "n1/s1 [] x1/p2", ""},
		{"floating subnet by the class", events.Placement{Class: "eu"}, events.FloatingIP{}, "n1/s1 [] x1/p1", ""},
		{"no such floating subnet", events.Placement{}, events.FloatingIP{Subnet: "x*"}, "n1/s1 [] unknown/", `the exposure's floatingIP.subnet (annotation drawbridge.dev/floating-subnet) "x*" selects none`},
		{"no such floating network", events.Placement{}, events.FloatingIP{Network: "x"}, "n1/s1 [] unknown/", "correct the exposure's floatingIP.network"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &placement{cfg: cfg.Defaults(), offer: all, zones: []string{"az1", "az2"}, read: time.Now()}
			at := p.resolve([]events.Exposure{{Placement: tt.place, FloatingIP: tt.floating}})
			var further []string
			for _, v := range at.AdditionalVIPs {
				further = append(further, v.SubnetID)
			}
			members := ""
			if at.MemberSubnetID != "" {
				members = at.MemberSubnetID + " "
			}
			if got := fmt.Sprintf("%s/%s %v %s%s/%s", at.VIP.NetworkID, at.VIP.SubnetID, further, members, at.FloatingNetworkID, at.FloatingSubnetID); got != tt.want {
				t.Errorf("placed at %q, want %q", got, tt.want)
			}
			problems := fmt.Sprint(errors.Join(at.flavor, at.zone, at.vip, at.floating, at.members))
			if tt.problem == "" && problems != "<nil>" || !strings.Contains(problems, tt.problem) {
				t.Errorf("problems are %q, want %q", problems, tt.problem)
			}
		})
	}
}

func TestOwed(t *testing.T) {
	approved := events.Decided{Verdict: events.Approved, Wish: "w", Exposure: &events.Exposure{}, Digest: "d"}
	with := func(change func(*events.Decided)) *events.Decided {
		d := approved
		change(&d)
		return &d
	}
	for _, tt := range []struct {
		name           string
		wish           string
		decided        *events.Decided
		outcome        *events.Outcome
		tried          bool
		owed, standing bool
	}{
		{"nothing is decided", "w", nil, nil, false, false, false},
		{"decided", "w", &approved, nil, false, true, false},
		{"nobody saw the wish", "", &approved, nil, false, true, false},
		{"a newer wish is not decided", "v", &approved, nil, false, false, false},
		{"applied", "w", &approved, &events.Outcome{State: events.Applied, Decision: "d"}, false, false, true},
		{"applied, a newer wish is not decided", "v", &approved, &events.Outcome{State: events.Applied, Decision: "d"}, false, false, false},
		{"another was applied", "w", &approved, &events.Outcome{State: events.Applied, Decision: "c"}, false, true, false},
		{"failed, to be tried again", "w", &approved, &events.Outcome{State: events.Failed, Decision: "d", Retry: true}, true, true, false},
		{"refused", "w", &approved, &events.Outcome{State: events.Failed, Decision: "d"}, true, false, false},
		{"refused in another term", "w", &approved, &events.Outcome{State: events.Failed, Decision: "d"}, false, true, false},
		{"withdrawn", "w", with(func(d *events.Decided) { d.Exposure = nil }), &events.Outcome{State: events.Applied, Decision: "c"}, false, true, false},
		{"withdrawn and removed", "w", with(func(d *events.Decided) { d.Exposure = nil }), &events.Outcome{State: events.Removed, Decision: "d"}, false, false, false},
		{"denied, what stood stays", "w", with(func(d *events.Decided) { d.Verdict = events.Denied }), &events.Outcome{State: events.Applied, Decision: "c"}, false, false, false},
		{"held, what stood stays", "w", with(func(d *events.Decided) { d.Verdict = events.Held }), nil, false, false, false},
		{"denied, nothing may stand", "w", with(func(d *events.Decided) { d.Verdict, d.Exposure = events.Denied, nil }), nil, false, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := row{wish: tt.wish, tried: tt.tried}
			if tt.decided != nil {
				r.decided.Event.Payload = *tt.decided
			}
			if tt.outcome != nil {
				r.outcome.Event.Payload = *tt.outcome
			}
			if r.owed() != tt.owed || r.standing() != tt.standing {
				t.Errorf("owed %v, want %v; standing %v, want %v", r.owed(), tt.owed, r.standing(), tt.standing)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	valid := Config{TrustedKeys: []string{"ABI7F6VCZIFABGFFDGI3JU36ZXSQWK5WV5QADJ4WDMOAVJU6FQIT5NPK"}}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no keys", func(c *Config) { c.TrustedKeys = nil }, "trusted-keys: is empty"},
		{"bad key", func(c *Config) { c.TrustedKeys = []string{"x"} }, `trusted-keys[0]: "x"`},
		{"fleet", func(c *Config) { c.Fleet = "a,b" }, "fleet:"},
		{"two places", func(c *Config) { c.VIPSubnet, c.VIPNetwork = "a", "b" }, "vip-subnet:"},
		{"create", func(c *Config) { c.Create = "some" }, "create:"},
		{"drift", func(c *Config) { c.Drift = "some" }, "drift:"},
		{"parallel", func(c *Config) { c.MaxParallel = -1 }, "max-parallel:"},
		{"policies", func(c *Config) { c.MaxPolicies = -1 }, "max-policies:"},
		{"lease", func(c *Config) { c.LeaseTTL = -1 }, "lease-ttl:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := valid
			tt.change(&c)
			if err := c.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one that says %q", err, tt.want)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	x := &term{executor: &executor{cfg: Config{}.Defaults()}}
	for failures := 1; failures < 70; failures++ {
		want := min(x.cfg.RetryMax, x.cfg.RetryMin<<min(failures-1, 20))
		if got := x.backoff(failures, octavia.Retry); got < want*3/4 || got > want*5/4+1 {
			t.Errorf("after %d failures %s, want about %s", failures, got, want)
		}
	}
	if got := x.backoff(1, octavia.Quota); got < x.cfg.RetryMax*3/4 {
		t.Errorf("a quota is asked for again after %s", got)
	}
}
