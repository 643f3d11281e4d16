package compose

import (
	"fmt"
	"net/netip"
	"slices"

	"drawbridge.dev/events"
)

// judge looks what an exposure asks of a driver.
type judge struct {
	c      *composer
	e      *events.Exposure
	driver driver
}

// able is the exposure without what the driver lacks and policy waived; every
// such thing is said, and refused if it is not waived.
func (c *composer) able(e events.Exposure) events.Exposure {
	j := judge{c: c, e: &e, driver: driver{c.d.Provider, c.d.APIMinor}}
	j.whole()
	e.Listeners = slices.Clone(e.Listeners)
	for i := range e.Listeners {
		j.listener(fmt.Sprintf("listeners[%d]", i), &e.Listeners[i])
	}
	e.Backends = slices.Clone(e.Backends)
	for i := range e.Backends {
		j.backend(fmt.Sprintf("backends[%d]", i), &e.Backends[i])
	}
	return e
}

// need says whether a field must be left out: the driver lacks the ability, and
// policy waives it. If it is not waived it is refused.
func (j judge) need(asked bool, field string, a ability) bool {
	if !asked {
		return false
	}
	msg := j.driver.lacks(a)
	if msg == "" {
		return false
	}
	if a.waiver == "" {
		j.c.refuse(j.e.Key, field, "%s", msg)
		return false
	}
	if !slices.Contains(j.e.Waived, a.waiver) {
		j.c.refuse(j.e.Key, field, "%s, or have policy waive %s", msg, a.waiver)
		return false
	}
	j.c.warn(j.e.Key, field, "left out, as policy waives %s: %s", a.waiver, msg)
	return true
}

func (j judge) whole() {
	e, d := j.e, j.c.d
	if j.need(e.Flavor != "", "flavor", flavors) {
		e.Flavor, j.c.d.FlavorID = "", ""
	}
	j.need(d.AvailabilityZone != "", "placement.availabilityZone", zones)
	j.need(len(d.AdditionalVIPs) > 0 || len(e.Placement.AdditionalSubnets) > 0 || len(e.Placement.Families) > 1, "placement", furtherVIPs)
	if len(e.Placement.Families) == 0 {
		return
	}
	for i, b := range e.Backends {
		for k, m := range b.Members {
			a, err := netip.ParseAddr(m.Address)
			other := err == nil && a.Is4() != (e.Placement.Families[0] == "IPv4") && len(e.Placement.Families) == 1
			j.need(other, fmt.Sprintf("backends[%d].members[%d].address", i, k), mixedFamilies)
		}
	}
}

func (j judge) listener(field string, l *events.Listener) {
	j.need(l.Protocol.Routed(), field+".protocol", routing7)
	j.need(l.Protocol == events.SCTP, field+".protocol", sctpPort)
	if j.need(len(l.AllowedSources) > 0, field+".allowedSources", allowedSources) {
		l.AllowedSources = nil
	}
	if j.need(l.Timeouts != events.Timeouts{}, field+".timeouts", timeouts) {
		l.Timeouts = events.Timeouts{}
	}
	if j.need(l.ConnectionLimit != nil, field+".connectionLimit", connectionLimit) {
		l.ConnectionLimit = nil
	}
	if j.need(l.HSTS != nil, field+".hsts", hsts) {
		l.HSTS = nil
	}
	j.headers(field+".headers", l)
	if t := l.TLS; t != nil {
		j.need(len(t.Versions) > 0, field+".tls.versions", tlsVersions)
		j.need(t.Ciphers != "", field+".tls.ciphers", tlsCiphers)
	}
	for i, r := range l.Routes {
		j.need(r.Redirect != nil && r.Redirect.Code != 302, fmt.Sprintf("%s.routes[%d].redirect.code", field, i), redirectCode)
	}
}

func (j judge) headers(field string, l *events.Listener) {
	const proto = "X-Forwarded-Proto"
	if j.driver.lacks(forwarded) != "" {
		if j.need(len(l.Headers) > 0, field, forwarded) {
			l.Headers = nil
		}
	} else if j.need(slices.Contains(l.Headers, proto), field, forwardedProto) {
		l.Headers = slices.DeleteFunc(slices.Clone(l.Headers), func(h string) bool { return h == proto })
	}
}

func (j judge) backend(field string, b *events.Backend) {
	j.need(b.Protocol == events.PROXY, field+".protocol", proxyV1)
	j.need(b.Protocol == events.PROXYV2, field+".protocol", proxyV2)
	j.need(b.TLS, field+".tls", backendTLS)
	if j.need(b.Algorithm == "SOURCE_IP_PORT", field+".algorithm", sourceIPPort) ||
		j.need(b.Algorithm != "" && b.Algorithm != "SOURCE_IP_PORT", field+".algorithm", otherAlgorithms) {
		b.Algorithm = ""
	}
	if p := b.Persistence; p != nil {
		if j.need(p.Type != "SOURCE_IP", field+".persistence", cookies) {
			b.Persistence = nil
		} else if j.need(p.Timeout > 0, field+".persistence.timeout", affinityTime) {
			b.Persistence = &events.Persistence{Type: p.Type, Cookie: p.Cookie}
		}
	}
	j.monitor(field, b)
	j.members(field, b)
}

func (j judge) monitor(field string, b *events.Backend) {
	m := b.Monitor
	if m == nil {
		return
	}
	for _, x := range []struct {
		asked bool
		a     ability
	}{
		{m.Type == "SCTP", sctpMonitor},
		{!slices.Contains([]string{"TCP", "UDP-CONNECT", "SCTP"}, m.Type), otherMonitors},
		{b.Protocol == events.UDP && m.Type != "UDP-CONNECT", crossMonitor},
	} {
		if x.asked && j.driver.lacks(x.a) != "" {
			if j.need(true, field+".monitor.type", x.a) {
				b.Monitor = nil
			}
			return
		}
	}
	if j.need(m.Host != "", field+".monitor.host", monitorHost) {
		plain := *m
		plain.Host = ""
		b.Monitor = &plain
	}
}

// members are those that the driver can have: where there are no weights, one
// that drains is left out.
func (j judge) members(field string, b *events.Backend) {
	members := slices.Clone(b.Members)
	if !weighs(j.driver.provider) {
		members = slices.DeleteFunc(members, func(m events.Member) bool { return m.Draining })
		if len(members) < len(b.Members) {
			j.c.warn(j.e.Key, field+".members", "provider %s has no weights: members that drain are removed at once", j.driver.provider)
		}
	}
	for i := range members {
		m := &members[i]
		if b.Monitor == nil && j.driver.lacks(monitorPort) != "" { // nobody asks there
			m.MonitorPort = 0
		}
		if j.need(m.MonitorPort != 0 && m.MonitorPort != m.Port, fmt.Sprintf("%s.members[%d].monitorPort", field, i), monitorPort) {
			m.MonitorPort = 0
		}
	}
	b.Members = members
}
