package sandbox

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// furnish fills an empty cloud: users, flavors, networks.
func (c *Cloud) furnish() error {
	s, now := c.state, neutronStamp(c.now())
	projects := map[string]string{}
	for _, u := range c.cfg.Users {
		if projects[u.Project] == "" {
			id := newHex()
			projects[u.Project] = id
			s.Projects[id] = u.Project
			g := newGroup(id, "default", now)
			s.Groups[g.ID] = g
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
	second, err := c.pool(netip.Prefix{}, 16)
	if err != nil {
		return fmt.Errorf("sandbox: addresses of %s: %w", OtherSubnetName, err)
	}
	third, err := c.pool(netip.Prefix{}, 32)
	if err != nil {
		return fmt.Errorf("sandbox: addresses of %s: %w", NodeSubnetName, err)
	}
	add := func(name, project string, external bool, subnets ...*subnet) {
		n := &network{ID: newID(), Name: name, Project: project, External: external, Shared: !external, Created: now}
		for _, sub := range subnets {
			sub.ID, sub.Project, sub.Network, sub.CIDR, sub.Created = newID(), project, n.ID, sub.CIDR.Masked(), now
			n.Subnets = append(n.Subnets, sub.ID)
			s.Subnets[sub.ID] = sub
		}
		s.Networks[n.ID] = n
	}
	owner := projects[c.cfg.Users[0].Project]
	add(NetworkName, owner, false, &subnet{Name: SubnetName, CIDR: c.cfg.VIPs}, &subnet{Name: OtherSubnetName, CIDR: second})
	add(NodeNetworkName, owner, false, &subnet{Name: NodeSubnetName, CIDR: third}, &subnet{Name: NodeSubnet6Name, CIDR: netip.MustParsePrefix("fd20::/64")})
	outer := c.cfg.FloatingSubnets
	if len(outer) == 0 {
		outer = []Subnet{{Name: ExternalName + "-v4"}}
	}
	var subnets []*subnet
	for i, cidr := range divide(c.cfg.FloatingIPs, len(outer)) {
		subnets = append(subnets, &subnet{Name: outer[i].Name, Tags: slices.Clone(outer[i].Tags), CIDR: cidr})
	}
	add(ExternalName, newHex(), true, subnets...)
	for _, n := range s.Networks {
		n.Shared = n.Shared || n.External && len(c.cfg.FloatingSubnets) > 0
	}
	return nil
}

// divide cuts a prefix into equal parts.
func divide(p netip.Prefix, parts int) []netip.Prefix {
	length := bits.Len(uint(parts - 1))
	at := p.Masked().Addr()
	var out []netip.Prefix
	for range parts {
		part := netip.PrefixFrom(at, p.Bits()+length)
		out = append(out, part)
		at = lastOf(part).Next()
	}
	return out
}

// pool is the prefix given, or a /20 from 127.from.0.0 on that no other sandbox
// of this machine uses: one of 1,024 from 127.64 and 127.128 on, else of 256.
func (c *Cloud) pool(given netip.Prefix, from int) (netip.Prefix, error) {
	if given.IsValid() {
		return given, c.claim(given)
	}
	for {
		many := 256
		if from >= 64 {
			many = 1024
		}
		n := rand.N(many) //nolint:gosec // no secret
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

// refurnish is for a state that was found: its pools are claimed, and who is
// configured must be known to it.
func (c *Cloud) refurnish() error {
	for _, want := range c.cfg.Users {
		for _, u := range c.state.Users {
			if u.Name == want.Name && c.state.Projects[u.Project] == want.Project {
				u.Roles = slices.Clone(want.Roles)
			}
		}
		if count(c.state.Users, func(u *user) bool { return u.Name == want.Name && c.state.Projects[u.Project] == want.Project }) == 0 {
			return fmt.Errorf("sandbox: Users: %s of project %s is not in the state file %s (delete it to begin with an empty cloud)", want.Name, want.Project, c.cfg.StateFile)
		}
	}
	for _, s := range c.state.Subnets {
		if s.CIDR.Addr().Is6() {
			continue
		}
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
