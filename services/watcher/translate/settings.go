package translate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"drawbridge.dev/events"
)

// The forms of the contract's validation, which says the same of a whole
// exposure; here they are named with their annotation.
var (
	cookieName   = regexp.MustCompile("^[-!$%*+.^_`|~A-Za-z0-9]+$")
	monitorPath  = regexp.MustCompile(`^/[-._~!$()*+,;=:@%/?A-Za-z0-9]*$`)
	monitorCodes = regexp.MustCompile(`^[0-9]{3}(-[0-9]{3}|(,[0-9]{3})*)$`)
	containerURL = regexp.MustCompile(`^https?://[-.:/_~%A-Za-z0-9\[\]]+$`)
	labelKey     = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)
	labelValue   = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`)
	monitorVerbs = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"}
)

// synonyms are the names of every setting that has several, ours first, by our
// own name.
var synonyms = func() map[string][]Annotation {
	out := map[string][]Annotation{}
	for _, a := range Annotations {
		if a.Own != "" {
			out[a.Own] = append(out[a.Own], a)
		}
	}
	return out
}()

// setting reads a setting by our own name and by those that peers have for it
// on objects of this kind.
func setting[T any](a annotated, otherwise T, parse func(string) (T, error), own string) (T, string) {
	names := []string{own}
	for _, s := range synonyms[own] {
		if slices.Contains(s.Kinds, a.kind) {
			names = append(names, s.Name)
		}
	}
	return read(a, otherwise, parse, names...)
}

// text reads a setting that is the name of something.
func (a annotated) text(what, own string) string {
	v, _ := setting(a, "", parseName(what), own)
	return v
}

func (a annotated) yes(otherwise bool, own string) bool {
	v, _ := setting(a, otherwise, parseBool, own)
	return v
}

// exposure reads what holds for a load balancer as a whole, but for the cloud.
// internal is what holds where nothing is said.
func (a annotated) exposure(x *events.Exposure, internal bool) {
	x.Internal = a.yes(internal, AnnotationInternal)
	var group, given string
	x.Group, group = setting(a, "", parseGroup, AnnotationGroup)
	a.hostname() // what is wrong in it is told; it is read for the status
	x.Tags, _ = setting(a, nil, parseTags, AnnotationTags)
	x.Protected = a.yes(false, AnnotationProtection)
	x.Replace = a.yes(false, AnnotationReplace)
	x.Flavor = a.text("flavor", AnnotationFlavor)
	p := &x.Placement
	p.Class = a.text("class", AnnotationClass)
	p.AvailabilityZone = a.text("availability zone", AnnotationAvailabilityZone)
	p.Network = a.text("network", AnnotationNetwork)
	p.Subnet = a.text("subnet", AnnotationSubnet)
	p.Port = a.text("port of Neutron", AnnotationPort)
	p.Address, _ = setting(a, "", parseAddress, AnnotationAddress)
	p.AdditionalSubnets, _ = setting(a, nil, parseNames("subnet"), AnnotationAdditionalSubnets)
	p.Families, _ = setting(a, nil, parseFamilies, AnnotationIPFamilies)
	p.MemberSubnet = a.text("subnet", AnnotationMemberSubnet)
	p.LoadBalancer, given = setting(a, "", parseName("load balancer"), AnnotationLoadBalancer)
	if given == occmLoadBalancer && a.occmWrote() {
		p.LoadBalancer, given = "", ""
	}
	if group != "" && given != "" {
		a.found.refuse(field(given), "names a load balancer, and %s names a group, which has one of its own: keep one of them", group)
	}
	a.floatingIP(x)
}

// occmWrote says whether OCCM has written to a Service which load balancer and
// address it has, for people to read: it writes both. One alone is of a person,
// who asks for it.
func (a annotated) occmWrote() bool {
	return a.values[occmLoadBalancer] != "" && a.values[occmAddress] != ""
}

func (a annotated) floatingIP(x *events.Exposure) {
	f := &x.FloatingIP
	var by string
	f.Address, by = setting(a, "", parseAddress, AnnotationFloatingIP)
	f.Keep = a.yes(false, AnnotationKeepFloatingIP)
	f.Network = a.text("network", AnnotationFloatingNetwork)
	f.Subnet = a.floatingSubnet()
	f.SubnetTags, _ = setting(a, "", parseSubnetTags, AnnotationFloatingSubnetTags)
	if f.Address != "" && x.Internal {
		a.found.refuse(field(by), "asks for the floating IP %s, and the object is internal, which has none: keep one of them", f.Address)
		f.Address = ""
	}
}

// floatingSubnet reads the three names of one setting: OCCM's id goes before its
// name, which it also writes for people.
func (a annotated) floatingSubnet() string {
	names := []string{AnnotationFloatingSubnet, occmFloatingSubnetID}
	if _, there := a.values[occmFloatingSubnetID]; !there {
		names = []string{AnnotationFloatingSubnet, occmFloatingSubnet}
	}
	if a.kind != events.KindService {
		names = names[:1]
	}
	v, _ := read(a, "", parseSubnetPattern, names...)
	return v
}

func parseSubnetPattern(s string) (string, error) {
	t, err := parseName("subnet")(s)
	if err != nil {
		return "", err
	}
	if pattern, ok := strings.CutPrefix(strings.TrimPrefix(t, "!"), "~"); ok {
		if _, err := regexp.Compile(pattern); err != nil {
			return "", fmt.Errorf("%q is no regular expression: %w", shown(s), err)
		}
	}
	return t, nil
}

func parseSubnetTags(s string) (string, error) {
	if _, err := parseNames("tag")(strings.TrimLeft(strings.TrimSpace(s), "!&")); err != nil {
		return "", fmt.Errorf(`%q is no list of tags, separated by commas, with "&", "!" or both before the first`, shown(s))
	}
	return strings.TrimSpace(s), nil
}

// entrance is what holds for every listener of an object.
type entrance struct {
	sources  []string
	timeouts events.Timeouts
	limit    *int
	versions []string
	ciphers  string
}

func (a annotated) entrance() (e entrance) {
	e.sources, _ = setting(a, nil, parseSources, AnnotationAllowedSources)
	e.fill(a)
	return e
}

// fill reads all but the sources.
func (e *entrance) fill(a annotated) {
	span := parseNumber(0, mostMilliseconds)
	e.timeouts.ClientData, _ = setting(a, nil, span, AnnotationTimeoutClientData)
	e.timeouts.MemberConnect, _ = setting(a, nil, span, AnnotationTimeoutMemberConnect)
	e.timeouts.MemberData, _ = setting(a, nil, span, AnnotationTimeoutMemberData)
	e.timeouts.TCPInspect, _ = setting(a, nil, span, AnnotationTimeoutTCPInspect)
	e.limit, _ = setting(a, nil, parseNumber(-1, mostConnections), AnnotationConnectionLimit)
	e.versions, _ = setting(a, nil, parseEach(events.TLSVersions...), AnnotationTLSVersions)
	e.ciphers, _ = setting(a, "", parseChecked("list of OpenSSL cipher names, separated by colons, with one that is known for TLS 1.2", events.ValidCiphers), AnnotationTLSCiphers)
}

// listener is one with all of that, but for the TLS of those that end it.
func (e entrance) listener(p events.Protocol, port int) events.Listener {
	return events.Listener{Protocol: p, Port: port, AllowedSources: e.sources, Timeouts: e.timeouts, ConnectionLimit: e.limit}
}

// tls is what a listener that ends TLS shows, with the versions and ciphers of
// the object.
func (e entrance) tls(container string, certificates []events.Certificate) *events.TLS {
	return &events.TLS{Container: container, Certificates: certificates, Versions: e.versions, Ciphers: e.ciphers}
}
