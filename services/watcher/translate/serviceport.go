package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"drawbridge.dev/events"
)

// service is what the annotations and fields of one Service say of its ports.
type service struct {
	annotated
	svc      *corev1.Service
	refs     References
	settings Settings
	cloud    string

	entrance  entrance
	reach     reach
	checked   monitoring
	local     bool // externalTrafficPolicy Local, to nodes
	algorithm string
	drain     *int

	protocols perPort[events.Protocol]
	proxy     perPort[events.Protocol]
	headers   perPort[string]
	affinity  perPort[affinity]
	kinds     perPort[string]
	secrets   perPort[string]
	container perPort[string]

	forwarded bool // OCCM's x-forwarded-for
}

func (a annotated) service(svc *corev1.Service, cloud string, refs References, s Settings) *service {
	ports := svc.Spec.Ports
	p := &service{annotated: a, svc: svc, refs: refs, settings: s, cloud: cloud}
	p.entrance.sources = serviceSources(svc, a)
	p.entrance.fill(a)
	p.members()
	p.monitors()
	p.algorithm, _ = setting(a, s.Services.LBMethod, parseOneOf(events.Algorithms...), AnnotationAlgorithm)
	p.drain, _ = setting(a, nil, parseSeconds, AnnotationDrainDelay)

	protocols, by := setting(a, nil, parsePorts(parseListenerProtocol), AnnotationPortProtocols)
	p.protocols = spread(a, ports, protocols, by).single(a, ports)
	if len(p.protocols.bare) > 0 {
		a.found.refuse(field(by), `%q has a protocol without a port: write it as "443=TERMINATED_HTTPS"`, shown(a.values[by]))
	}
	proxies, by := setting(a, nil, parsePorts(parseProxy), AnnotationProxyProtocol)
	p.proxy = spread(a, ports, proxies, by).single(a, ports)
	affinities, by := setting(a, nil, parsePorts(parseAffinity), AnnotationSessionAffinity)
	p.affinity = spread(a, ports, affinities, by).single(a, ports)
	secrets, by := setting(a, nil, parsePorts(parseSecretName), AnnotationTLSSecrets)
	p.secrets = spread(a, ports, secrets, by)
	containers, by := setting(a, nil, parsePorts(parseContainer), AnnotationTLSContainer)
	p.container = spread(a, ports, containers, by).single(a, ports)
	if p.container.by == "" && p.secrets.by == "" && svc.Spec.LoadBalancerClass == nil && s.Services.TLSContainer != "" {
		p.container = perPort[string]{by: occmTLSContainer, bare: []string{s.Services.TLSContainer}}
	}
	p.readHeaders()
	return p
}

// readHeaders reads our list of headers and OCCM's switch of one of them.
func (p *service) readHeaders() {
	a := p.annotated
	headers, by := read(a, nil, parsePorts(parseOneOf(append([]string{"none"}, events.HeaderNames...)...)), AnnotationForwardedHeaders)
	p.headers = spread(a, p.svc.Spec.Ports, headers, by)
	on, older := read(a, false, parseBool, occmForwardedFor)
	switch {
	case older == "":
	case by == "":
		p.forwarded = on
	case on != slices.Contains(p.headers.bare, "X-Forwarded-For"):
		a.contradict(by, older)
	}
}

func (p *service) members() {
	otherwise := toNodes
	if withoutNodePorts(p.svc) {
		otherwise = toPods
	}
	p.reach = p.annotated.reach(otherwise, p.refs.Nodes, p.settings)
	p.local = p.svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal && p.reach.to != toPods
	// The check finds the nodes whose pods are gone: a cordoned node serves until then.
	p.reach.cordoned = p.reach.cordoned || p.local
}

func (p *service) monitors() {
	d := p.settings.Services
	on := p.svc.Spec.LoadBalancerClass != nil
	if d.CreateMonitor != nil {
		on = *d.CreateMonitor
	}
	p.checked = p.monitoring(on || p.local && p.reach.to == toNodes, events.Monitor{
		Delay: d.MonitorDelay, Timeout: d.MonitorTimeout, MaxRetries: d.MaxRetries, MaxRetriesDown: d.MaxRetriesDown})
	p.kinds = spread(p.annotated, p.svc.Spec.Ports, p.checked.kinds, p.checked.named).single(p.annotated, p.svc.Spec.Ports)
	for _, name := range sortedKeys(p.values) {
		if !p.checked.on && strings.Contains(name, "/health-monitor-") && Understood(name) {
			p.found.note(field(name), "has no effect without a health monitor: set %s to %q to have one", cmp.Or(p.checked.by, AnnotationHealthMonitor), "true")
		}
	}
	if p.local && p.reach.to == toNodes && !p.checked.on {
		p.found.refuse("spec.externalTrafficPolicy", `"Local" needs the health monitor, which alone finds the nodes with a pod: remove %s, set %s to %q, or use "Cluster"`,
			p.checked.by, AnnotationMembers, toNodesWithPods)
	}
}

// fill adds a listener and a backend for every port.
func (p *service) fill(x *events.Exposure) {
	if len(p.svc.Spec.Ports) == 0 {
		p.found.refuse("spec.ports", "has no port: name at least one")
	}
	p.hints()
	taken := map[string]int{}
	for i := range p.svc.Spec.Ports {
		port := &p.svc.Spec.Ports[i]
		at := fmt.Sprintf("spec.ports[%d]", i)
		if !p.checkPort(port, at) {
			continue
		}
		slot := fmt.Sprintf("%s/%d", protocolOf(port), port.Port)
		if j, twice := taken[slot]; twice {
			p.found.refuse(at+".port", "%s is already taken by spec.ports[%d]: every port and protocol may be there once", slot, j)
			continue
		}
		taken[slot] = i
		l := p.listener(i, at)
		b := p.backend(i, at, &l)
		x.Backends = append(x.Backends, b)
		x.Listeners = append(x.Listeners, l)
	}
}

func (p *service) checkPort(port *corev1.ServicePort, at string) bool {
	ok := true
	refuse := func(field, format string, args ...any) {
		p.found.refuse(at+field, format, args...)
		ok = false
	}
	switch protocolOf(port) {
	case corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
	default:
		refuse(".protocol", "%q is not served: TCP, UDP and SCTP are", protocolOf(port))
	}
	if port.Port < 1 || port.Port > 65535 {
		refuse(".port", "%d is not in 1-65535", port.Port)
	}
	switch {
	case port.NodePort < 0 || port.NodePort > 65535:
		refuse(".nodePort", "%d is not in 1-65535", port.NodePort)
	case port.NodePort == 0 && p.reach.to != toPods:
		refuse(".nodePort", "port %d has none, so that no node can be reached: leave spec.allocateLoadBalancerNodePorts true, or set one (a folder of manifests has no API server that does), or set %s to %q",
			port.Port, AnnotationMembers, toPods)
	}
	return ok
}

// hints gives what names no port to the ports that it is for: all TCP ports
// where it is OCCM's; else those of the right protocol, or, where there is none,
// those that are marked as such.
func (p *service) hints() {
	ends := []events.Protocol{events.TerminatedHTTPS}
	for _, v := range []*perPort[string]{&p.secrets, &p.container} {
		if len(v.bare) > 0 && v.by == occmTLSContainer {
			v.give(p.open(ends))
		} else if len(v.bare) > 0 {
			v.give(p.fitting(v.by, ends, "https", 443))
		}
	}
	if len(p.headers.bare) > 0 && !slices.Equal(p.headers.bare, []string{"none"}) {
		for i := range p.svc.Spec.Ports { // ports that end TLS are of HTTP too
			if len(p.secrets.named[i])+len(p.container.named[i]) > 0 && len(p.protocols.named[i]) == 0 {
				p.protocols.named[i] = ends
			}
		}
		p.headers.give(p.fitting(p.headers.by, []events.Protocol{events.HTTP, events.TerminatedHTTPS}, "http", 80))
	}
	if p.forwarded {
		p.headers = perPort[string]{by: occmForwardedFor, bare: []string{"X-Forwarded-For"}}
		p.headers.give(p.open([]events.Protocol{events.HTTP, events.TerminatedHTTPS}))
	}
}

// open are the TCP ports that port-protocols leaves open, or makes ones of the
// protocols.
func (p *service) open(protocols []events.Protocol) (out []int) {
	for i := range p.svc.Spec.Ports {
		said := p.protocols.named[i]
		if protocolOf(&p.svc.Spec.Ports[i]) == corev1.ProtocolTCP && (len(said) == 0 || slices.Contains(protocols, said[0])) {
			out = append(out, i)
		}
	}
	return out
}

// fitting are the ports that port-protocols makes ones of the protocols, or,
// where there is none, those that are marked as ones of the application.
func (p *service) fitting(by string, protocols []events.Protocol, application string, number int32) (out []int) {
	for i := range p.svc.Spec.Ports {
		if said := p.protocols.named[i]; len(said) > 0 && slices.Contains(protocols, said[0]) {
			out = append(out, i)
		}
	}
	if len(out) == 0 {
		out = hinted(p.svc.Spec.Ports, application, number)
	}
	if len(out) == 0 {
		p.found.refuse(field(by), `fits no port: name one of %s, as in "%d=..."`, strings.Join(portNames(p.svc.Spec.Ports), ", "), number)
	}
	return out
}

// listener is that of one port, without its backend.
func (p *service) listener(i int, at string) events.Listener {
	port := &p.svc.Spec.Ports[i]
	own := events.Protocol(protocolOf(port))
	protocol := own
	tls := append(slices.Clone(p.secrets.named[i]), p.container.named[i]...)
	headers := slices.DeleteFunc(slices.Clone(p.headers.named[i]), func(h string) bool { return h == "none" })
	switch explicit := p.protocols.named[i]; {
	case len(explicit) > 0:
		protocol = explicit[0]
	case len(tls) > 0:
		protocol = events.TerminatedHTTPS
	case len(headers) > 0:
		protocol = events.HTTP
	}
	l := p.entrance.listener(protocol, int(port.Port))
	name := portNames(p.svc.Spec.Ports)[i]
	if protocol.Family() != own.Family() {
		p.found.refuse(field(cmp.Or(p.protocols.by, p.secrets.by, p.container.by, p.headers.by)), "makes port %s one of %s, which needs protocol %s in %s", name, protocol, protocol.Family(), at)
		return l
	}
	if len(headers) > 0 {
		if !protocol.Routed() {
			p.found.refuse(field(p.headers.by), "adds headers at port %s, and %s makes it one of %s: HTTP and TERMINATED_HTTPS can", name, p.protocols.by, protocol)
		}
		l.Headers = headers
	}
	if protocol != events.TerminatedHTTPS {
		if len(tls) > 0 {
			p.found.refuse(field(cmp.Or(p.secrets.by, p.container.by)), "gives port %s a certificate, and %s makes it one of %s: TERMINATED_HTTPS shows one", name, p.protocols.by, protocol)
		}
		return l
	}
	p.showTLS(i, name, &l)
	return l
}

// showTLS gives a listener that ends TLS its certificates.
func (p *service) showTLS(i int, name string, l *events.Listener) {
	secrets, container := p.secrets.named[i], p.container.named[i]
	switch {
	case len(secrets) > 0 && len(container) > 0:
		p.contradict(p.container.by, p.secrets.by)
	case len(container) > 0:
		l.TLS = p.entrance.tls(container[0], nil)
	case len(secrets) > 0:
		l.TLS = p.entrance.tls("", certificates(p.found, field(p.secrets.by), p.svc.Namespace, p.cloud, secrets, p.refs, p.settings))
	default:
		p.found.refuse(field(p.protocols.by), "port %s ends TLS and has no certificate: name one by %s or %s", name, AnnotationTLSSecrets, AnnotationTLSContainer)
	}
}
