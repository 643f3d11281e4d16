package sandbox

import (
	"net/netip"
)

// addressesInUse are those of all ports and floating IPs.
func (c *Cloud) addressesInUse() map[string]bool {
	used := map[string]bool{}
	for _, p := range c.state.Ports {
		for _, f := range p.fixed() {
			used[f.Address] = true
		}
	}
	for _, f := range c.state.Floating {
		used[f.Address] = true
	}
	return used
}

func (c *Cloud) taken(a netip.Addr) bool { return c.addressesInUse()[a.String()] }

// free takes the next free address of a subnet: round and round, so that an
// address is not used again at once.
func (c *Cloud) free(s *subnet) (netip.Addr, bool) {
	used := c.addressesInUse()
	first, last := s.CIDR.Addr().Next().Next(), lastOf(s.CIDR)
	a := s.Next
	for tries := 1 << min(20, s.CIDR.Addr().BitLen()-s.CIDR.Bits()); tries > 0; tries-- {
		if !a.IsValid() || a.Less(first) || !a.Less(last) {
			a = first
		}
		if !used[a.String()] {
			s.Next = a.Next()
			return a, true
		}
		a = a.Next()
	}
	return a, false
}

// place is the address on a subnet that was asked for, or a free one.
func (c *Cloud) place(s *subnet, want string) (netip.Addr, error) {
	if want == "" {
		a, ok := c.free(s)
		if !ok {
			return a, neutronError(409, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", s.Network)
		}
		return a, nil
	}
	a, err := netip.ParseAddr(want)
	switch {
	case err != nil || !s.CIDR.Contains(a):
		return a, neutronError(400, "InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", want)
	case c.taken(a):
		return a, neutronError(409, "IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", want, s.ID)
	}
	return a, nil
}
