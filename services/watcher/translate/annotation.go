package translate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"drawbridge.dev/events"
)

// Prefix begins our own annotations.
const Prefix = "drawbridge.dev/"

// Annotations that are read. The older ones are those of the OpenStack cloud
// controller manager and of the octavia-ingress-controller.
const (
	AnnotationInternal       = Prefix + "internal"
	AnnotationCloud          = Prefix + "cloud"
	AnnotationFlavor         = Prefix + "flavor"
	AnnotationAllowedSources = Prefix + "allowed-sources"
	AnnotationHealthMonitor  = Prefix + "health-monitor"

	annotationServiceInternal = "service.beta.kubernetes.io/openstack-internal-load-balancer"
	annotationServiceSources  = "service.beta.kubernetes.io/load-balancer-source-ranges"
	annotationIngressInternal = "octavia.ingress.kubernetes.io/internal"
	annotationIngressSources  = "octavia.ingress.kubernetes.io/whitelist-source-range"
	annotationIngressClass    = "kubernetes.io/ingress.class"
	annotationDefaultClass    = "ingressclass.kubernetes.io/is-default-class"
)

// olderPrefixes begin the annotations of the controllers that our users come
// from. One that is not in the table below is reported, as it has no effect.
var olderPrefixes = []string{"loadbalancer.openstack.org/", "octavia.ingress.kubernetes.io/"}

// Annotation documents one annotation.
type Annotation struct {
	Name    string
	Kinds   []string // of the objects that it is read on
	Values  string   // what is allowed
	Default string   // what holds without it
	Means   string
}

var both = []string{events.KindService, events.KindIngress}

// Annotations is the table of all that are understood, for the documentation
// and for messages.
var Annotations = []Annotation{
	{AnnotationInternal, both, `"true" or "false"`, "false", "Reachable at the load balancer's own address only: no floating IP."},
	{AnnotationCloud, both, "the name of a configured cloud: letters, digits, '.', '_', '-'", "the cloud configured for the cluster", "The entry of clouds.yaml that carries the load balancer. A move builds at the new place before the old one is taken down."},
	{AnnotationFlavor, both, "name or id of an Octavia flavor", "the executor's choice", "The flavor of the load balancer, which sets its topology and size."},
	{AnnotationAllowedSources, both, "CIDRs, separated by commas", "everywhere", "Who may connect. A Service whose spec.loadBalancerSourceRanges says otherwise is refused."},
	{AnnotationHealthMonitor, both, `"true" or "false"`, "true", "Health checks of every node: TCP connections for TCP and HTTP, UDP-CONNECT for UDP."},
	{annotationServiceInternal, []string{events.KindService}, `"true" or "false"`, "false", "As drawbridge.dev/internal, which goes before it."},
	{annotationServiceSources, []string{events.KindService}, "CIDRs, separated by commas", "everywhere", "As drawbridge.dev/allowed-sources, which goes before it, as does spec.loadBalancerSourceRanges."},
	{annotationIngressInternal, []string{events.KindIngress}, `"true" or "false"`, `true for the class "openstack" of kubernetes.io/ingress.class, else false`, "As drawbridge.dev/internal, which goes before it."},
	{annotationIngressSources, []string{events.KindIngress}, "CIDRs, separated by commas", "everywhere", "As drawbridge.dev/allowed-sources, which goes before it."},
	{annotationIngressClass, []string{events.KindIngress}, `"openstack", or the name of our class`, "none", "Chooses us for an Ingress without spec.ingressClassName."},
	{annotationDefaultClass, []string{"IngressClass"}, `"true" or "false"`, "false", "Makes the class that of every Ingress that names none."},
}

// Understood says whether an annotation is read, or reported as unknown. The
// others need not be kept.
func Understood(name string) bool {
	if strings.HasPrefix(name, Prefix) || older(name) {
		return true
	}
	return slices.ContainsFunc(Annotations, func(a Annotation) bool { return a.Name == name })
}

func older(name string) bool {
	return slices.ContainsFunc(olderPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// annotated reads the annotations of one object.
type annotated struct {
	kind   string
	values map[string]string
	found  *findings
}

func field(annotation string) string { return "metadata.annotations[" + annotation + "]" }

// unknown reports what looks like an annotation for us and is none. One with
// our own prefix refuses the object: a slip in drawbridge.dev/internal must not
// make it public.
func (a annotated) unknown() {
	for _, name := range sortedKeys(a.values) {
		known := slices.ContainsFunc(Annotations, func(k Annotation) bool { return k.Name == name && slices.Contains(k.Kinds, a.kind) })
		switch {
		case known:
		case strings.HasPrefix(name, Prefix):
			a.found.refuse(field(name), "is not known for this kind, %s; known are %s", a.kind, strings.Join(ours(a.kind), ", "))
		case older(name):
			a.found.note(field(name), "has no effect on this kind, %s: remove it, or keep it for the controller that reads it", a.kind)
		}
	}
}

func ours(kind string) (names []string) {
	for _, k := range Annotations {
		if strings.HasPrefix(k.Name, Prefix) && slices.Contains(k.Kinds, kind) {
			names = append(names, k.Name)
		}
	}
	return names
}

// read gives parse the value of the first of the annotations that is there,
// and reports what it refuses.
func read[T any](a annotated, otherwise T, parse func(string) (T, error), names ...string) (T, string) {
	for _, name := range names {
		s, ok := a.values[name]
		if !ok {
			continue
		}
		v, err := parse(s)
		if err != nil {
			a.found.refuse(field(name), "%v", err)
			return otherwise, name
		}
		return v, name
	}
	return otherwise, ""
}

func parseBool(s string) (bool, error) {
	v, err := strconv.ParseBool(strings.TrimSpace(s))
	if err != nil {
		return false, fmt.Errorf(`%q is neither "true" nor "false"`, shown(s))
	}
	return v, nil
}

func parseCloud(s string) (string, error) {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if s == "" || len(s) > 253 || strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) >= 0 {
		return "", fmt.Errorf("%q is no name of a cloud: letters, digits, '.', '_' and '-' are allowed, at most 253", shown(s))
	}
	return s, nil
}

// CheckCloud refuses what the annotation drawbridge.dev/cloud would refuse.
func CheckCloud(name string) error {
	_, err := parseCloud(name)
	return err
}

func parseFlavor(s string) (string, error) {
	t := strings.TrimSpace(s)
	if t == "" || len(t) > 255 || strings.IndexFunc(t, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\uFFFD' }) >= 0 {
		return "", fmt.Errorf("%q is no flavor: the name or the id of an Octavia flavor is allowed, at most 255 bytes", shown(s))
	}
	return t, nil
}

// parseSources reads CIDRs separated by commas, with blanks around them.
func parseSources(s string) ([]string, error) {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("%q holds %q, which is no CIDR: allowed are networks such as 192.0.2.0/24, separated by commas; without the annotation everyone may connect",
				shown(s), shown(part))
		}
		out = append(out, p.Masked().String())
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// shown cuts a value for a message.
func shown(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
