package events

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// check gathers what is wrong, each with its field.
type check struct{ errs []error }

func (c *check) that(ok bool, field, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
}

func (c *check) oneOf(field, value string, allowed ...string) {
	c.that(slices.Contains(allowed, value), field, "%q is none of %s", value, strings.Join(allowed, ", "))
}

// text holds names that end up in requests to the cloud: printable and short.
func (c *check) text(field, value string) {
	control := strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 || r == 0x7f })
	c.that(len(value) <= 255 && !control, field, "%q has more than 255 bytes or a control character", value)
}

func (c *check) port(field string, p int) {
	c.that(p >= 1 && p <= 65535, field, "%d is not in 1-65535", p)
}

func (c *check) address(field, value string) {
	a, err := netip.ParseAddr(value)
	c.that(err == nil && a.Zone() == "", field, "%q is no IP address", value) // a zone may be any text
}

// within names an optional number that is out of bounds.
func (c *check) within(field string, value *int, least, most int) {
	if value != nil {
		c.that(*value >= least && *value <= most, field, "%d is not in %d-%d", *value, least, most)
	}
}

var groupName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$`)

// Validate names everything that is wrong with the wish, each with its field.
func (e Exposure) Validate() error {
	c := &check{}
	if err := e.Key.Validate(); err != nil {
		c.errs = append(c.errs, err)
	}
	err := validToken(e.Cloud)
	c.that(err == nil, "cloud", "%v", err)
	c.that(e.UID != "", "uid", "is empty")
	c.that(e.Group == "" || groupName.MatchString(e.Group), "group", "%q is no name of a group: lower case letters, digits, '-' and '.', at most 63", e.Group)
	c.text("flavor", e.Flavor)
	for i, t := range e.Tags {
		field := fmt.Sprintf("tags[%d]", i)
		c.text(field, t)
		c.that(t != "" && !strings.Contains(t, ",") && !strings.HasPrefix(t, "drawbridge.dev/"), field, "%q is empty, has a comma or begins with drawbridge.dev/", t)
	}
	for i, f := range e.Waived {
		c.oneOf(fmt.Sprintf("waived[%d]", i), string(f), waivable...)
	}
	e.Placement.check(c)
	e.FloatingIP.check(c, e.Internal)
	c.that(len(e.Listeners) > 0, "listeners", "an exposure without a port exposes nothing")
	backends := map[string]Backend{}
	for i, b := range e.Backends {
		field := fmt.Sprintf("backends[%d]", i)
		_, twice := backends[b.Name]
		c.that(!twice && b.Name != "", field+".name", "%q is empty or there twice", b.Name)
		backends[b.Name] = b
		b.check(c, field)
	}
	taken := map[string]int{}
	for i, l := range e.Listeners {
		field := fmt.Sprintf("listeners[%d]", i)
		slot := fmt.Sprintf("%s/%d", l.Protocol.Family(), l.Port)
		j, twice := taken[slot]
		c.that(!twice, field+".port", "%s is already taken by listeners[%d]", slot, j)
		taken[slot] = i
		l.check(c, field, backends)
	}
	return errors.Join(c.errs...)
}

var waivable = []string{string(FeatureAllowedSources), string(FeatureTimeouts), string(FeatureConnectionLimit), string(FeatureMonitor),
	string(FeatureAlgorithm), string(FeaturePersistence), string(FeatureHSTS), string(FeatureHeaders), string(FeatureFlavor)}

func (p Placement) check(c *check) {
	for field, v := range map[string]string{"class": p.Class, "availabilityZone": p.AvailabilityZone, "network": p.Network, "subnet": p.Subnet,
		"port": p.Port, "memberSubnet": p.MemberSubnet, "loadBalancer": p.LoadBalancer} {
		c.text("placement."+field, v)
	}
	for i, s := range p.AdditionalSubnets {
		c.text(fmt.Sprintf("placement.additionalSubnets[%d]", i), s)
		c.that(s != "", fmt.Sprintf("placement.additionalSubnets[%d]", i), "is empty")
	}
	if p.Address != "" {
		c.address("placement.address", p.Address)
	}
	c.that(len(p.Families) <= 2, "placement.families", "has %d entries, IPv4 and IPv6 are all", len(p.Families))
	for i, f := range p.Families {
		c.oneOf(fmt.Sprintf("placement.families[%d]", i), f, "IPv4", "IPv6")
		c.that(i == 0 || p.Families[0] != f, fmt.Sprintf("placement.families[%d]", i), "%q is there twice", f)
	}
}

func (f FloatingIP) check(c *check, internal bool) {
	for field, v := range map[string]string{"network": f.Network, "subnet": f.Subnet, "subnetTags": f.SubnetTags} {
		c.text("floatingIP."+field, v)
	}
	if pattern, ok := strings.CutPrefix(strings.TrimPrefix(f.Subnet, "!"), "~"); ok {
		_, err := regexp.Compile(pattern)
		c.that(err == nil, "floatingIP.subnet", "%q is no regular expression: %v", f.Subnet, err)
	}
	if f.Address != "" {
		c.address("floatingIP.address", f.Address)
		c.that(!internal, "floatingIP.address", "%s is asked for an internal exposure, which has none", f.Address)
	}
}

// maxTimeout is 24 days, the most that Octavia takes.
const maxTimeout = 24 * 24 * 3600 * 1000

// TLSVersions and HeaderNames are what a listener may be given.
var (
	TLSVersions = []string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}
	HeaderNames = []string{"X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"}
)

func (l Listener) check(c *check, field string, backends map[string]Backend) {
	c.oneOf(field+".protocol", string(l.Protocol), string(TCP), string(UDP), string(SCTP), string(HTTP), string(TerminatedHTTPS))
	c.port(field+".port", l.Port)
	known := func(f, name string) {
		b, ok := backends[name]
		c.that(ok, field+"."+f, "backend %q is not in backends", name)
		c.that(!ok || l.Protocol.Serves(b.Protocol), field+"."+f, "backend %q speaks %s, which a listener of %s cannot send to", name, b.Protocol, l.Protocol)
	}
	if l.Backend != "" {
		known("backend", l.Backend)
	}
	c.that(len(l.Routes) == 0 || l.Protocol.Routed(), field+".routes", "only a listener of HTTP or TERMINATED_HTTPS has routes")
	c.that(l.Backend != "" || len(l.Routes) > 0, field+".backend", "a listener needs a backend or a route")
	for j, r := range l.Routes {
		f := fmt.Sprintf("routes[%d]", j)
		r.check(c, field+"."+f)
		if r.Redirect == nil {
			known(f+".backend", r.Backend)
		}
	}
	for j, s := range l.AllowedSources {
		_, err := netip.ParsePrefix(s)
		c.that(err == nil, fmt.Sprintf("%s.allowedSources[%d]", field, j), "%q is no CIDR", s)
	}
	c.that((l.TLS != nil) == (l.Protocol == TerminatedHTTPS), field+".tls", "belongs to a listener of TERMINATED_HTTPS, and to it only")
	if l.TLS != nil {
		l.TLS.check(c, field+".tls")
	}
	c.that(l.HSTS == nil || l.Protocol == TerminatedHTTPS && l.HSTS.MaxAge > 0, field+".hsts", "needs TERMINATED_HTTPS and a maxAge of some seconds")
	c.that(len(l.Headers) == 0 || l.Protocol.Routed(), field+".headers", "only a listener of HTTP or TERMINATED_HTTPS adds headers")
	for j, h := range l.Headers {
		c.oneOf(fmt.Sprintf("%s.headers[%d]", field, j), h, HeaderNames...)
	}
	c.within(field+".timeouts.clientData", l.Timeouts.ClientData, 0, maxTimeout)
	c.within(field+".timeouts.memberConnect", l.Timeouts.MemberConnect, 0, maxTimeout)
	c.within(field+".timeouts.memberData", l.Timeouts.MemberData, 0, maxTimeout)
	c.within(field+".timeouts.tcpInspect", l.Timeouts.TCPInspect, 0, maxTimeout)
	c.within(field+".connectionLimit", l.ConnectionLimit, -1, 1<<31-1)
}

func (r Route) check(c *check, field string) {
	c.that(validHost(r.Host), field+".host", "%q is no host name, nor a wildcard of one label such as *.example.org", r.Host)
	c.that(strings.HasPrefix(r.Path, "/"), field+".path", "%q is not absolute", r.Path)
	c.oneOf(field+".pathType", string(r.PathType), string(PathExact), string(PathPrefix), string(PathRawPrefix))
	if r.Redirect == nil {
		return
	}
	c.that(r.Backend == "", field+".backend", "a route has a backend or a redirect, not both")
	c.that(r.Host != "" && !strings.HasPrefix(r.Host, "*"), field+".redirect", "needs an exact host, not %q", r.Host)
	c.oneOf(field+".redirect.scheme", r.Redirect.Scheme, "https")
	c.that(r.Redirect.Port >= 0 && r.Redirect.Port <= 65535, field+".redirect.port", "%d is not in 0-65535", r.Redirect.Port)
	c.that(slices.Contains([]int{301, 302, 303, 307, 308}, r.Redirect.Code), field+".redirect.code", "%d is none of 301, 302, 303, 307, 308", r.Redirect.Code)
}

var (
	tlsCiphers  = regexp.MustCompile(`^[-A-Za-z0-9_]+(:[-A-Za-z0-9_]+)*$`)
	knownCipher = regexp.MustCompile(`(^|:)(ALL|DEFAULT|HIGH|` +
		`(ECDHE-(ECDSA|RSA)|DHE-RSA)-(AES128-(GCM-)?SHA256|AES256-GCM-SHA384|AES(128|256)-SHA|CHACHA20-POLY1305)|ECDHE-(ECDSA|RSA)-AES256-SHA384|DHE-RSA-AES256-SHA256|` +
		`AES128-(GCM-)?SHA256|AES256-GCM-SHA384|AES256-SHA256|AES(128|256)-SHA)(:|$)`)
	digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	httpURL    = regexp.MustCompile(`^https?://[-.:/_~%A-Za-z0-9\[\]]+$`)
)

// ValidCiphers says whether a list of OpenSSL's cipher names, separated by colons,
// is one that HAProxy starts with: at least one of them must be known for TLS 1.2,
// whatever versions are served (SSL_CTX_set_cipher_list). Otherwise not the
// listener fails, but the whole load balancer.
func ValidCiphers(list string) bool {
	return len(list) <= 2048 && tlsCiphers.MatchString(list) && knownCipher.MatchString(list)
}

func (t TLS) check(c *check, field string) {
	c.that((len(t.Certificates) > 0) != (t.Container != ""), field, "has either certificates or a container")
	c.that(t.Container == "" || len(t.Container) <= 255 && httpURL.MatchString(t.Container), field+".container", "%q is no URL of a key manager", t.Container)
	for i, x := range t.Certificates {
		f := fmt.Sprintf("%s.certificates[%d]", field, i)
		c.that(digestForm.MatchString(x.Digest), f+".digest", "%q is none of the form sha256:...", x.Digest)
		c.text(f+".secret", x.Secret)
		if x.NotAfter != "" {
			_, err := time.Parse(time.RFC3339, x.NotAfter)
			c.that(err == nil, f+".notAfter", "%q is no time of RFC 3339", x.NotAfter)
		}
	}
	for i, v := range t.Versions {
		c.oneOf(fmt.Sprintf("%s.versions[%d]", field, i), v, TLSVersions...)
	}
	c.that(t.Ciphers == "" || ValidCiphers(t.Ciphers), field+".ciphers", "%q is no list of OpenSSL cipher names, separated by colons, with one that is known for TLS 1.2", t.Ciphers)
}

var hostName = regexp.MustCompile(`^(\*\.)?([a-z0-9]([-a-z0-9]*[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// validHost follows the rule of the Kubernetes API for the host of an Ingress
// rule: an RFC 1123 subdomain, or "*." and one. Case does not matter here.
func validHost(h string) bool {
	return h == "" || len(h) <= 253 && hostName.MatchString(strings.ToLower(h))
}

// Algorithms, PersistenceTypes and MonitorTypes are Octavia's.
var (
	Algorithms       = []string{"ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"}
	PersistenceTypes = []string{"SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"}
	MonitorTypes     = []string{"TCP", "HTTP", "HTTPS", "TLS-HELLO", "PING", "SCTP", "UDP-CONNECT"}
)

const maxDrainDelay = 24 * 3600 // seconds

// cookieName is the token of RFC 6265 without what is not a cookie's name any more
// in the configuration of HAProxy: "#" begins a comment there, and Octavia, which
// takes them, writes "&" and "'" as they are written in HTML.
var cookieName = regexp.MustCompile("^[-!$%*+.^_`|~A-Za-z0-9]+$")

func (b Backend) check(c *check, field string) {
	c.oneOf(field+".protocol", string(b.Protocol), string(TCP), string(UDP), string(SCTP), string(HTTP), string(PROXY), string(PROXYV2))
	c.that(!b.TLS || b.Protocol == HTTP || b.Protocol == TCP || b.Protocol == PROXY || b.Protocol == PROXYV2, field+".tls", "%s has none", b.Protocol)
	if b.Algorithm != "" {
		c.oneOf(field+".algorithm", b.Algorithm, Algorithms...)
	}
	if p := b.Persistence; p != nil {
		c.oneOf(field+".persistence.type", p.Type, PersistenceTypes...)
		c.that((p.Type == "APP_COOKIE") == (p.Cookie != "") && (p.Cookie == "" || cookieName.MatchString(p.Cookie)), field+".persistence.cookie", "%q: APP_COOKIE needs the name of a cookie, the others have none", p.Cookie)
		datagrams := b.Protocol == UDP || b.Protocol == SCTP
		c.that(p.Type == "SOURCE_IP" || b.Protocol == HTTP || b.Protocol == PROXY || b.Protocol == PROXYV2, field+".persistence.type", "%s needs a backend that speaks HTTP, not %s", p.Type, b.Protocol)
		c.that(p.Timeout == 0 || datagrams && p.Timeout > 0 && p.Timeout <= 86400, field+".persistence.timeout", "%d s: only UDP and SCTP have one, of at most a day", p.Timeout)
	}
	c.within(field+".drainDelay", b.DrainDelay, 0, maxDrainDelay)
	for j, m := range b.Members {
		f := fmt.Sprintf("%s.members[%d]", field, j)
		c.address(f+".address", m.Address)
		c.port(f+".port", m.Port)
		c.that(m.MonitorPort >= 0 && m.MonitorPort <= 65535, f+".monitorPort", "%d is not in 0-65535", m.MonitorPort)
	}
	if b.Monitor != nil {
		b.Monitor.check(c, field+".monitor")
	}
}

// What a monitor says ends up in the configuration of HAProxy: nothing but the
// characters of a URL (RFC 3986, 3.3 and 3.4), without those that Octavia writes
// there as in HTML ("&", "'"), and codes as Octavia takes them.
var (
	monitorPath  = regexp.MustCompile(`^/[-._~!$()*+,;=:@%/?A-Za-z0-9]*$`)
	monitorCodes = regexp.MustCompile(`^[0-9]{3}(-[0-9]{3}|(,[0-9]{3})*)$`)
)

func (m Monitor) check(c *check, field string) {
	c.oneOf(field+".type", m.Type, MonitorTypes...)
	c.that(m.Delay >= 1 && m.Timeout >= 1 && m.Timeout < m.Delay, field, "delay %d s and timeout %d s must be positive, the timeout the smaller", m.Delay, m.Timeout)
	c.that(m.MaxRetries >= 1 && m.MaxRetries <= 10 && m.MaxRetriesDown >= 1 && m.MaxRetriesDown <= 10, field, "maxRetries %d and maxRetriesDown %d must be in 1-10", m.MaxRetries, m.MaxRetriesDown)
	if m.Type != "HTTP" && m.Type != "HTTPS" {
		c.that(m.Method == "" && m.Path == "" && m.Codes == "" && m.Host == "", field, "%s has neither method, path, codes nor host", m.Type)
		return
	}
	if m.Method != "" {
		c.oneOf(field+".method", m.Method, "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH")
	}
	c.that(m.Path == "" || monitorPath.MatchString(m.Path), field+".path", "%q is no absolute path of a URL", m.Path)
	c.that(m.Codes == "" || monitorCodes.MatchString(m.Codes), field+".codes", "%q is none of the forms 200, 200,204 and 200-299", m.Codes)
	c.that(m.Host == "" || validHost(m.Host) && !strings.HasPrefix(m.Host, "*"), field+".host", "%q is no host name", m.Host)
}
