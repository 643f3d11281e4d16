package sandbox

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Endpoint is where a port of a load balancer takes traffic.
type Endpoint struct {
	LoadBalancer string     `json:"loadbalancer"`
	Address      netip.Addr `json:"address"` // the VIP, or a floating IP
	Port         int        `json:"port"`    // of the listener
	Transport    string     `json:"transport"`
	Floating     bool       `json:"floating"`
	Additional   bool       `json:"additional,omitempty"` // one of the additional VIPs
	// Real is the open socket. Its port is another one where the sandbox may
	// not open the listener's own (below 1024 without root), and always for
	// IPv6, whose addresses are all played by ports of ::1.
	Real  netip.AddrPort `json:"real"`
	Error string         `json:"error,omitempty"` // why it is not open
}

// Endpoints are all open ports, in order of load balancer, address and port.
func (c *Cloud) Endpoints() []Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []Endpoint{}
	for key, f := range c.plane.fronts {
		lb := c.state.LoadBalancers[key.loadBalancer]
		e := Endpoint{
			LoadBalancer: key.loadBalancer, Address: key.address, Port: key.port, Transport: key.transport, Real: f.real,
		}
		if lb != nil {
			at := slices.Index(lb.addresses(), key.address)
			e.Floating, e.Additional = at < 0, at > 0
		}
		if f.err != nil {
			e.Error = f.err.Error()
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Endpoint) int {
		return strings.Compare(fmt.Sprint(a.LoadBalancer, a.Address, a.Port, a.Transport), fmt.Sprint(b.LoadBalancer, b.Address, b.Port, b.Transport))
	})
	return out
}

// Endpoint is where to send traffic for a port of a load balancer: to its
// floating IP if it has one. false: nothing is open there.
func (c *Cloud) Endpoint(loadBalancer string, port int) (netip.AddrPort, bool) {
	var found Endpoint
	for _, e := range c.Endpoints() {
		if e.LoadBalancer != loadBalancer || e.Port != port || e.Error != "" {
			continue
		}
		if !found.Real.IsValid() || e.Floating && !found.Floating || found.Additional && !e.Additional {
			found = e
		}
	}
	return found.Real, found.Real.IsValid()
}
