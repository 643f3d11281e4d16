package translate

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"drawbridge.dev/events"
)

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
	r.Cloud, _ = read(a, s.Cloud, parseCloud, AnnotationCloud)
	var x events.Exposure
	x.Internal, _ = read(a, false, parseBool, AnnotationInternal, annotationServiceInternal)
	x.Flavor, _ = read(a, "", parseName("flavor"), AnnotationFlavor)
	monitored, _ := read(a, true, parseBool, AnnotationHealthMonitor)
	sources := serviceSources(svc, a)
	unserved(svc, monitored, f)

	if len(svc.Spec.Ports) == 0 {
		f.refuse("spec.ports", "has no port: name at least one")
	}
	taken := map[string]int{}
	for i, p := range svc.Spec.Ports {
		at := fmt.Sprintf("spec.ports[%d]", i)
		protocol, ok := servicePort(p, at, f)
		if !ok {
			continue
		}
		slot := fmt.Sprintf("%s/%d", protocol, p.Port)
		if j, twice := taken[slot]; twice {
			f.refuse(at+".port", "%s is already taken by spec.ports[%d]: every port and protocol may be there once", slot, j)
			continue
		}
		taken[slot] = i
		b := events.Backend{Name: backendName(svc.Namespace, svc.Name, fmt.Sprint(p.Port), protocol), Protocol: protocol,
			Members: members(refs.Nodes, svc, p.NodePort)}
		if monitored {
			b.Monitor = monitor(protocol)
		}
		x.Backends = append(x.Backends, b)
		x.Listeners = append(x.Listeners, events.Listener{Protocol: protocol, Port: int(p.Port), Backend: b.Name, AllowedSources: sources})
	}
	return finish(r, x, &svc.ObjectMeta, refs, f)
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

// servicePort checks one port and says its protocol.
func servicePort(p corev1.ServicePort, at string, f *findings) (events.Protocol, bool) {
	protocol := events.Protocol(cmp.Or(p.Protocol, corev1.ProtocolTCP))
	ok := true
	refuse := func(field, format string, args ...any) {
		f.refuse(at+field, format, args...)
		ok = false
	}
	if protocol != events.TCP && protocol != events.UDP {
		refuse(".protocol", "%q is not served: TCP and UDP are", protocol)
	}
	if p.Port < 1 || p.Port > 65535 {
		refuse(".port", "%d is not in 1-65535", p.Port)
	}
	switch {
	case p.NodePort == 0:
		refuse(".nodePort", "port %d has none, so that no node can be reached: leave spec.allocateLoadBalancerNodePorts true, or set one (a folder of manifests has no API server that does)", p.Port)
	case p.NodePort < 1 || p.NodePort > 65535:
		refuse(".nodePort", "%d is not in 1-65535", p.NodePort)
	}
	return protocol, ok
}

// serviceSources are the allowed sources of a Service. The field goes before
// the older annotation, as Kubernetes has it; our own annotation must not
// contradict the field.
func serviceSources(svc *corev1.Service, a annotated) []string {
	sources, name := read(a, nil, parseSources, AnnotationAllowedSources, annotationServiceSources)
	if len(svc.Spec.LoadBalancerSourceRanges) == 0 {
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
	if name == AnnotationAllowedSources && !slices.Equal(ranges, sources) {
		a.found.refuse(field(name), "says %s, and %s says %s: keep one of them", strings.Join(sources, ","), at, strings.Join(ranges, ","))
	}
	return ranges
}

// unserved reports fields that cannot be fulfilled.
func unserved(svc *corev1.Service, monitored bool, f *findings) {
	if svc.Spec.LoadBalancerIP != "" {
		f.note("spec.loadBalancerIP", "%q has no effect: the address is assigned", shown(svc.Spec.LoadBalancerIP))
	}
	if svc.Spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		f.note("spec.sessionAffinity", `"ClientIP" has no effect at the load balancer`)
	}
	if svc.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		return
	}
	const at = "spec.externalTrafficPolicy"
	if !monitored {
		f.refuse(at, `"Local" needs the health monitor, which alone finds the nodes with a pod: remove %s, or use "Cluster"`, AnnotationHealthMonitor)
	}
	if slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.Protocol == corev1.ProtocolUDP }) {
		f.refuse(at, `"Local" cannot be served for UDP, whose check does not find the nodes without a pod: use "Cluster"`)
	}
}

// backendName is namespace/service:port, and says the protocol where it is not
// TCP, because a Service may have one port in both.
func backendName(namespace, service, port string, p events.Protocol) string {
	name := namespace + "/" + service + ":" + port
	if p == events.UDP {
		name += "/UDP"
	}
	return name
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
