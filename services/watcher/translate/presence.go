package translate

import (
	corev1 "k8s.io/api/core/v1"

	"drawbridge.dev/events"
)

// Presence is what the users of a Service or an Ingress are told beside its
// addresses.
type Presence struct {
	Hostname string // told instead of every address; empty: none
	// IPMode of a Service (Kubernetes API, LoadBalancerIngress.ipMode): Proxy where
	// members hear of clients by the PROXY protocol, which a short way inside the
	// cluster would leave out; VIP otherwise.
	IPMode corev1.LoadBalancerIPMode
	suffix string
}

// Name is the host name that is told instead of an address; empty: none is.
func (p Presence) Name(address string) string {
	if p.Hostname != "" || p.suffix == "" {
		return p.Hostname
	}
	return address + "." + p.suffix
}

// ServicePresence is that of a Service. What is wrong with an annotation counts
// as not there: the translation tells it.
func ServicePresence(svc *corev1.Service, s Settings) Presence {
	a := annotated{kind: events.KindService, values: svc.Annotations, found: &findings{}}
	p := Presence{IPMode: corev1.LoadBalancerIPModeVIP, Hostname: a.hostname()}
	entries, by := setting(a, nil, parsePorts(parseProxy), AnnotationProxyProtocol)
	proxies := spread(a, svc.Spec.Ports, entries, by)
	for i := range svc.Spec.Ports {
		if v, ok := proxies.at(i, protocolOf(&svc.Spec.Ports[i]) == corev1.ProtocolTCP); ok && v != "" {
			p.IPMode, p.suffix = corev1.LoadBalancerIPModeProxy, s.Services.HostnameSuffix
		}
	}
	return p
}

// IngressPresence is that of an Ingress with these annotations.
func IngressPresence(annotations map[string]string) Presence {
	a := annotated{kind: events.KindIngress, values: annotations, found: &findings{}}
	return Presence{Hostname: a.hostname()}
}

func (a annotated) hostname() string {
	v, _ := setting(a, "", parseHostname, AnnotationHostname)
	return v
}
