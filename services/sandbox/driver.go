package sandbox

import (
	"net/netip"
	"slices"
)

// Providers that the sandbox plays. octavia is another name of amphora.
const (
	amphora = "amphora"
	noop    = "noop_driver"
	ovn     = "ovn"
)

// unsupported is what a driver says of what it cannot do.
func unsupported(provider, format string, args ...any) error {
	head := "Provider '" + provider + "' does not support a requested option: "
	return octaviaError(501, head+format, args...)
}

// unimplemented is what Octavia says for a driver without such an action.
func unimplemented(provider, words string) error {
	return octaviaError(501, "Provider '%s' does not support a requested action: %s", provider, words)
}

// checkListener is what a driver refuses of a listener; protocol is empty for
// an update, which cannot change it.
func (lb *loadBalancer) checkListener(protocol string, cidrs []string) error {
	if lb.Provider != ovn {
		return nil
	}
	if protocol != "" && !slices.Contains(ovnProtocols, protocol) {
		return unsupported(ovn, "OVN provider does not support %s protocol", protocol)
	}
	if len(cidrs) > 0 {
		return unsupported(ovn, "OVN provider does not support allowed_cidrs option")
	}
	return nil
}

var (
	ovnProtocols = []string{"TCP", "UDP", "SCTP"}
	ovnMonitors  = []string{"UDP-CONNECT", "TCP"}
)

// checkPool is what a driver refuses of a pool; protocol is empty for an
// update, algorithm where it is not given.
func (lb *loadBalancer) checkPool(protocol, algorithm string) error {
	switch {
	case lb.Provider == amphora && algorithm == "SOURCE_IP_PORT":
		return unsupported(amphora, "Amphora provider does not support SOURCE_IP_PORT algorithm.")
	case lb.Provider != ovn:
	case protocol != "" && !slices.Contains(ovnProtocols, protocol):
		return unsupported(ovn, "OVN provider does not support %s protocol", protocol)
	case algorithm != "" && algorithm != "SOURCE_IP_PORT":
		return unsupported(ovn, "OVN provider does not support %s algorithm", algorithm)
	}
	return nil
}

// checkPolicy is what a driver refuses of an L7 policy.
func (lb *loadBalancer) checkPolicy(protocol string) error {
	switch {
	case lb.Provider == ovn:
		return unimplemented(ovn, "This provider does not support creating l7policies.")
	case lb.Provider == amphora && protocol != "HTTP" && protocol != "TERMINATED_HTTPS":
		return unsupported(amphora, "%s protocol listeners do not support L7 policies", protocol)
	}
	return nil
}

// checkHealth is what a driver refuses of a monitor; kind is empty for an update.
func (lb *loadBalancer) checkHealth(kind string) error {
	if lb.Provider == ovn && kind != "" && !slices.Contains(ovnMonitors, kind) {
		return unsupported(ovn, "OVN provider does not support %s health monitor type. Supported types: UDP-CONNECT, TCP", kind)
	}
	return nil
}

// checkMembers is what a driver refuses of members: for UDP and SCTP every
// address family needs a VIP of its own.
func (c *Cloud) checkMembers(p *pool, members ...map[string]any) error {
	lb := c.state.LoadBalancers[p.LoadBalancer]
	families := map[bool]bool{}
	for _, v := range lb.addresses() {
		families[v.Is4()] = true
	}
	for _, m := range members {
		s, _ := m["address"].(string)
		a, err := netip.ParseAddr(s)
		if err != nil {
			continue
		}
		fits := families[a.Unmap().Is4()]
		switch {
		case lb.Provider == amphora && transport(p.Protocol) != "TCP" && len(c.state.listenersOf(p)) > 0 && !fits:
			return unsupported(amphora, "This provider doesn't support mixing IPv4 and IPv6 addresses for its VIP and members in %s load balancers.", p.Protocol)
		case lb.Provider == ovn && (m["monitor_address"] != nil || m["monitor_port"] != nil):
			return unsupported(ovn, "OVN Load Balancer does not support different member monitor address or port.")
		case lb.Provider == ovn && !fits:
			return unsupported(ovn, "OVN provider does not support mixing IPv4/IPv6 configuration within the same Load Balancer.")
		case lb.Provider == ovn && m["subnet_id"] == nil && !c.state.Subnets[lb.Subnet].CIDR.Contains(a):
			return unsupported(ovn, "Subnet is required, or Loadbalancer associated with Pool must have a subnet, for Member creation with OVN Provider Driver if it is not the same as LB VIP subnet")
		}
	}
	return nil
}

// addresses are the VIP and the additional ones.
func (lb *loadBalancer) addresses() []netip.Addr {
	var out []netip.Addr
	for _, v := range append([]fixed{{Address: lb.VIP}}, lb.More...) {
		if a, err := netip.ParseAddr(v.Address); err == nil {
			out = append(out, a)
		}
	}
	return out
}
