package translate

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"drawbridge.dev/events"
)

// ServiceDefaults are what Services get that say nothing else, as the section
// [LoadBalancer] of the OpenStack cloud controller manager has them.
type ServiceDefaults struct {
	LBMethod       string // lb-method; empty: the driver's first
	Internal       bool   // internal-lb: every Service is internal, whatever it says
	CreateMonitor  *bool  // create-monitor; nil: true for Services of our class, false for those without a class
	MonitorDelay   int    // seconds; 0: 5
	MonitorTimeout int    // seconds; 0: 3
	MaxRetries     int    // monitor-max-retries; 0: 1
	MaxRetriesDown int    // monitor-max-retries-down; 0: 3
	TLSContainer   string // default-tls-container-ref, of Services without a class
	HostnameSuffix string // ingress-hostname-suffix, where enable-ingress-hostname is set; empty: none
}

// Service translates a Service of type LoadBalancer: one listener and one
// backend for each port.
func Service(svc *corev1.Service, refs References, s Settings) Result {
	r := begin(events.KindService, &svc.ObjectMeta, s)
	if !asksService(svc, s) {
		return r
	}
	r.Asks = true
	f := &findings{}
	a := annotated{kind: events.KindService, values: svc.Annotations, found: f}
	a.unknown()
	r.Cloud, _ = setting(a, s.Cloud, parseCloud, AnnotationCloud)
	var x events.Exposure
	a.exposure(&x, s.Services.Internal)
	if !x.Internal && s.Services.Internal {
		f.note(field(AnnotationInternal), "has no effect: every Service of this cluster is internal (watcher.services.internal-lb)")
		x.Internal = true
	}
	if x.Placement.Families == nil && svc.Spec.LoadBalancerClass != nil {
		x.Placement.Families = families(svc.Spec.IPFamilies)
	}
	givenAddress(svc, a, &x)
	p := a.service(svc, r.Cloud, refs, s)
	p.fill(&x)
	return finish(r, x, &svc.ObjectMeta, refs, f)
}

// families of a Service of two; nil for one: its members are reached from a VIP
// of either family.
func families(in []corev1.IPFamily) (out []string) {
	if len(in) < 2 {
		return nil
	}
	for _, f := range in {
		out = append(out, string(f))
	}
	return out
}

// asksService says whether a Service is ours. One that is being deleted asks
// no more, whatever finalizers hold it.
func asksService(svc *corev1.Service, s Settings) bool {
	if svc.Spec.Type != corev1.ServiceTypeLoadBalancer || svc.DeletionTimestamp != nil {
		return false
	}
	if svc.Spec.LoadBalancerClass == nil {
		return s.DefaultServiceClass
	}
	return *svc.Spec.LoadBalancerClass == LoadBalancerClass
}

// givenAddress is an address that a Service asks for: spec.loadBalancerIP, or
// what stands for it. It is that of the VIP where the Service is internal, else
// of a floating IP.
func givenAddress(svc *corev1.Service, a annotated, x *events.Exposure) {
	type given struct{ at, address string }
	var asked []given
	ask := func(at, value string) {
		address, err := parseAddress(value)
		if err != nil {
			a.found.refuse(at, "%v", err)
			return
		}
		asked = append(asked, given{at, address})
	}
	if svc.Spec.LoadBalancerIP != "" {
		ask("spec.loadBalancerIP", svc.Spec.LoadBalancerIP)
	}
	if v := a.values[occmAddress]; v != "" && !a.occmWrote() {
		ask(field(occmAddress), v)
	}
	own, at := &x.FloatingIP.Address, field(AnnotationFloatingIP)
	if x.Internal {
		own, at = &x.Placement.Address, field(AnnotationAddress)
	}
	if *own != "" {
		asked = append([]given{{at, *own}}, asked...)
	}
	for _, g := range asked {
		if *own != "" && *own != g.address {
			a.found.refuse(g.at, "says %s, and %s says %s: keep one of them", g.address, at, *own)
			continue
		}
		if *own == "" {
			*own, at = g.address, g.at
		}
	}
}

// serviceSources are the allowed sources of a Service. The field goes before
// the older annotation, as Kubernetes has it; our own annotation must not
// contradict the field.
func serviceSources(svc *corev1.Service, a annotated) []string {
	if len(svc.Spec.LoadBalancerSourceRanges) == 0 {
		sources, _ := setting(a, nil, parseSources, AnnotationAllowedSources)
		return sources
	}
	const at = "spec.loadBalancerSourceRanges"
	var ranges []string
	for i, s := range svc.Spec.LoadBalancerSourceRanges {
		p, err := netip.ParsePrefix(strings.TrimSpace(s))
		if err != nil {
			a.found.refuse(fmt.Sprintf("%s[%d]", at, i), "%q is no CIDR: allowed are networks such as 192.0.2.0/24", shown(s))
			continue
		}
		ranges = append(ranges, p.Masked().String())
	}
	slices.Sort(ranges)
	ranges = slices.Compact(ranges)
	own, name := read(a, nil, parseSources, AnnotationAllowedSources)
	read(a, nil, parseSources, annotationServiceSources) // what is wrong in it is told, though it has no effect
	if name != "" && !slices.Equal(ranges, own) {
		a.found.refuse(field(name), "says %s, and %s says %s: keep one of them", strings.Join(own, ","), at, strings.Join(ranges, ","))
	}
	return ranges
}

// backendName is namespace/service:port, and says the protocol where it is not
// TCP, because a Service may have one port in several.
func backendName(namespace, service, port string, p events.Protocol) string {
	name := namespace + "/" + service + ":" + port
	if p == events.UDP || p == events.SCTP {
		name += "/" + string(p)
	}
	return name
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
