package compose

import (
	"cmp"
	"fmt"
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
	tlsVersions    = ability{name: "a choice of TLS versions", since: 17, lacking: notOVN, remedy: "leave it to the cloud"}
	tlsCiphers     = ability{name: "a choice of TLS ciphers", since: 15, lacking: notOVN, remedy: "leave it to the cloud"}
	redirectCode   = ability{name: "redirects with another code than 302", since: 9, lacking: notOVN, remedy: "redirect with 302"}
	furtherVIPs    = ability{name: "additional VIPs", since: 26, remedy: "ask for one address family and no additional subnets"}
	zones          = ability{name: "availability zones", since: 14, lacking: notOVN, remedy: "take the availability zone away from the exposure and from the executor"}
	mixedFamilies  = ability{name: "a VIP of another address family than its members'", lacking: notOVN, remedy: "ask for the members' family"}
	allowedSources = ability{name: "allowed_cidrs", since: 12, lacking: notOVN, waiver: events.FeatureAllowedSources,
		remedy: "leave the sources out and guard the members by security groups"}
	timeouts        = ability{name: "time-outs", since: 1, lacking: notOVN, waiver: events.FeatureTimeouts, remedy: "leave them out"}
	connectionLimit = ability{name: "a connection limit", lacking: notOVN, waiver: events.FeatureConnectionLimit, remedy: "leave it out"}
	hsts            = ability{name: "HSTS", since: 27, lacking: notOVN, waiver: events.FeatureHSTS, remedy: "let the backends send the header"}
	forwardedProto  = ability{name: "X-Forwarded-Proto", since: 1, waiver: events.FeatureHeaders, remedy: "leave the header out"}
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
