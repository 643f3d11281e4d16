package compose

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"drawbridge.dev/events"
)

// Octavia providers whose limits are known. Any other is taken to have all that
// its API has: only its own answer can tell.
const (
	Amphora = "amphora"
	OVN     = "ovn"
)

// ability is something that not every driver or not every version of the API
// has (octavia: feature classification; ovn-octavia-provider: limitations; API
// version history).
type ability struct {
	name    string
	since   int            // Octavia API 2.x
	lacking []string       // drivers
	waiver  events.Feature // that policy may waive; empty: without it the exposure is refused
	remedy  string
}

var (
	notOVN     = []string{OVN}
	notAmphora = []string{Amphora}
)

var (
	routing7       = ability{name: "listeners of HTTP or TERMINATED_HTTPS", lacking: notOVN, remedy: "expose TCP, or use another provider"}
	sctpPort       = ability{name: "SCTP", since: 23, remedy: "expose it otherwise"}
	proxyV1        = ability{name: "the PROXY protocol", lacking: notOVN, remedy: "take the PROXY protocol away"}
	proxyV2        = ability{name: "the PROXY protocol version 2", since: 22, lacking: notOVN, remedy: "use version 1, or none"}
	backendTLS     = ability{name: "TLS towards members", since: 8, lacking: notOVN, remedy: "speak to the members in the clear"}
	tlsVersions    = ability{name: "a choice of TLS versions", since: 17, remedy: "leave it to the cloud"}
	tlsCiphers     = ability{name: "a choice of TLS ciphers", since: 15, remedy: "leave it to the cloud"}
	redirectCode   = ability{name: "redirects with another code than 302", since: 9, remedy: "redirect with 302"}
	furtherVIPs    = ability{name: "additional VIPs", since: 26, remedy: "ask for one address family and no additional subnets"}
	zones          = ability{name: "availability zones", since: 14, lacking: notOVN, remedy: "take the availability zone away from the exposure and from the executor"}
	mixedFamilies  = ability{name: "a VIP of another address family than its members'", lacking: notOVN, remedy: "ask for the members' family"}
	allowedSources = ability{name: "allowed_cidrs", since: 12, lacking: notOVN, waiver: events.FeatureAllowedSources,
		remedy: "leave the sources out and guard the members by security groups"}
	timeouts        = ability{name: "time-outs", since: 1, lacking: notOVN, waiver: events.FeatureTimeouts, remedy: "leave them out"}
	connectionLimit = ability{name: "a connection limit", lacking: notOVN, waiver: events.FeatureConnectionLimit, remedy: "leave it out"}
	hsts            = ability{name: "HSTS", since: 27, lacking: notOVN, waiver: events.FeatureHSTS, remedy: "let the backends send the header"}
	forwardedProto  = ability{name: "X-Forwarded-Proto", since: 1, lacking: notOVN, waiver: events.FeatureHeaders, remedy: "leave the header out"}
	forwarded       = ability{name: "inserted headers", lacking: notOVN, waiver: events.FeatureHeaders, remedy: "leave the headers out"}
	flavors         = ability{name: "flavors", since: 6, lacking: notOVN, waiver: events.FeatureFlavor, remedy: "leave the flavor out"}
	sourceIPPort    = ability{name: "SOURCE_IP_PORT", since: 13, lacking: notAmphora, waiver: events.FeatureAlgorithm, remedy: "use another algorithm"}
	otherAlgorithms = ability{name: "any algorithm but SOURCE_IP_PORT", lacking: notOVN, waiver: events.FeatureAlgorithm, remedy: "use SOURCE_IP_PORT"}
	cookies         = ability{name: "persistence by cookie", lacking: notOVN, waiver: events.FeaturePersistence, remedy: "use SOURCE_IP"}
	affinityTime    = ability{name: "a persistence time-out", since: 2, waiver: events.FeaturePersistence, remedy: "leave the time-out out"}
	otherMonitors   = ability{name: "monitors other than TCP and UDP-CONNECT", lacking: notOVN, waiver: events.FeatureMonitor, remedy: "use TCP or UDP-CONNECT"}
	sctpMonitor     = ability{name: "SCTP monitors", since: 23, lacking: notOVN, waiver: events.FeatureMonitor, remedy: "use another monitor"}
	crossMonitor    = ability{name: "HTTP and TCP monitors of UDP members", since: 16, waiver: events.FeatureMonitor, remedy: "use UDP-CONNECT"}
	monitorHost     = ability{name: "a host name in monitors", since: 10, lacking: notOVN, waiver: events.FeatureMonitor, remedy: "leave the host out"}
	monitorPort     = ability{name: "monitor ports", lacking: notOVN, waiver: events.FeatureMonitor, remedy: "let the monitor ask the port that serves"}
)

// weighs says whether members of the provider have weights. Without them a
// member cannot drain.
func weighs(provider string) bool { return provider != OVN }

// algorithm is the one that every member shares alike; the OVN provider knows
// no other than SOURCE_IP_PORT (ovn-octavia-provider, "Limitations").
func algorithm(provider string) string {
	if provider == OVN {
		return "SOURCE_IP_PORT"
	}
	return "ROUND_ROBIN"
}

// driver is a provider with a version of the API.
type driver struct {
	provider string
	minor    int
}

// lacks says why the driver has no such ability; empty: it has.
func (d driver) lacks(a ability) string {
	name := cmp.Or(d.provider, Amphora)
	if name == "octavia" { // the old name of the same driver
		name = Amphora
	}
	switch {
	case slices.Contains(a.lacking, name):
		return fmt.Sprintf("provider %s (Octavia API 2.%d) has no support for %s: %s", name, d.minor, a.name, a.remedy)
	case d.minor < a.since:
		return fmt.Sprintf("Octavia API 2.%d of this cloud (provider %s) has no support for %s, 2.%d has: %s", d.minor, name, a.name, a.since, a.remedy)
	}
	return ""
}

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
	if j.need(len(l.Headers) > 0, field+".headers", forwarded) {
		l.Headers = nil
	}
	const proto = "X-Forwarded-Proto"
	if j.need(slices.Contains(l.Headers, proto), field+".headers", forwardedProto) {
		l.Headers = slices.DeleteFunc(slices.Clone(l.Headers), func(h string) bool { return h == proto })
	}
	if t := l.TLS; t != nil {
		j.need(len(t.Versions) > 0, field+".tls.versions", tlsVersions)
		j.need(t.Ciphers != "", field+".tls.ciphers", tlsCiphers)
	}
	for i, r := range l.Routes {
		j.need(r.Redirect != nil && r.Redirect.Code != 302, fmt.Sprintf("%s.routes[%d].redirect.code", field, i), redirectCode)
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
	if j.need(m.Type == "SCTP", field+".monitor.type", sctpMonitor) ||
		j.need(!slices.Contains([]string{"TCP", "UDP-CONNECT", "SCTP"}, m.Type), field+".monitor.type", otherMonitors) ||
		j.need(b.Protocol == events.UDP && m.Type != "UDP-CONNECT", field+".monitor.type", crossMonitor) {
		b.Monitor = nil
		return
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
		if j.need(members[i].MonitorPort != 0 && members[i].MonitorPort != members[i].Port && b.Monitor != nil, fmt.Sprintf("%s.members[%d].monitorPort", field, i), monitorPort) {
			members[i].MonitorPort = 0
		}
	}
	b.Members = members
}
