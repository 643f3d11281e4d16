package translate

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"drawbridge.dev/events"
)

// defaultAffinity is the time-out that an API server gives to
// spec.sessionAffinity ClientIP.
const defaultAffinity = 10800 // seconds

// backend is that of one port, which its listener sends to.
func (p *service) backend(i int, at string, l *events.Listener) events.Backend {
	port := &p.svc.Spec.Ports[i]
	own := events.Protocol(protocolOf(port))
	b := events.Backend{Name: backendName(p.svc.Namespace, p.svc.Name, fmt.Sprint(port.Port), own), Protocol: own, Algorithm: p.algorithm, DrainDelay: p.drain}
	l.Backend = b.Name
	if l.Protocol.Routed() {
		b.Protocol = events.HTTP
	}
	if proxy, ok := p.proxy.at(i, own == events.TCP); ok && proxy != "" {
		if own != events.TCP {
			p.found.refuse(field(p.proxy.by), "port %s has no PROXY protocol: ports of TCP have", portNames(p.svc.Spec.Ports)[i])
		}
		if len(l.Headers) > 0 && (p.proxy.by == occmProxyProtocol || p.headers.by == occmForwardedFor) {
			p.found.refuse(field(p.headers.by), "and %s both tell members who the client is at port %s: keep one of them", p.proxy.by, portNames(p.svc.Spec.Ports)[i])
		}
		b.Protocol = proxy
	}
	b.Persistence = p.persistence(i, own, l.Protocol)
	members, err := p.reach.members(p.refs, p.svc, port)
	if err != nil {
		p.found.refuse(at, "%v", err)
	}
	b.Members = append([]events.Member{}, members...)
	p.check(i, at, own, &b)
	return b
}

func (p *service) persistence(i int, own, listener events.Protocol) *events.Persistence {
	kind := affinity{}
	at := "spec.sessionAffinity"
	if p.svc.Spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		kind.kind = "SOURCE_IP"
	}
	if v, ok := p.affinity.at(i, true); ok {
		kind, at = v, field(p.affinity.by)
	}
	if kind.kind == "" {
		return nil
	}
	if kind.kind != "SOURCE_IP" && !listener.Routed() {
		p.found.refuse(at, "port %s cannot set cookies as one of %s: make it one of HTTP or TERMINATED_HTTPS by %s", portNames(p.svc.Spec.Ports)[i], listener, AnnotationPortProtocols)
		return nil
	}
	out := &events.Persistence{Type: kind.kind, Cookie: kind.cookie}
	c := p.svc.Spec.SessionAffinityConfig
	if kind.kind != "SOURCE_IP" || c == nil || c.ClientIP == nil || c.ClientIP.TimeoutSeconds == nil {
		return out
	}
	seconds := *c.ClientIP.TimeoutSeconds
	const where = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
	switch {
	case seconds < 1 || seconds > mostSeconds:
		p.found.refuse(where, "%d is not in 1-%d", seconds, mostSeconds)
	case own != events.TCP:
		out.Timeout = int(seconds)
	case seconds != defaultAffinity:
		p.found.note(where, "%d has no effect for TCP: Octavia knows a time-out for UDP and SCTP only; clients stay with their member for as long as the load balancer remembers them", seconds)
	}
	return out
}

// check gives a backend its health monitor.
func (p *service) check(i int, at string, own events.Protocol, b *events.Backend) {
	kind, _ := p.kinds.at(i, true)
	b.Monitor = p.checked.of(own, kind)
	if b.Monitor == nil {
		return
	}
	if kind != "" && !slices.Contains(checks(own), kind) {
		p.found.refuse(field(p.kinds.by), "%s does not check port %s: %s do", kind, portNames(p.svc.Spec.Ports)[i], quoted(checks(own)))
		return
	}
	if !p.local || kind != "" || p.checked.asks {
		return
	}
	health := p.svc.Spec.HealthCheckNodePort
	switch {
	case health > 0 && health <= 65535:
		b.Monitor.Type, b.Monitor.Method, b.Monitor.Path, b.Monitor.Codes = "HTTP", "GET", "/healthz", "200"
		for j := range b.Members {
			b.Members[j].MonitorPort = int(health)
		}
	case own != events.TCP && p.reach.to == toNodes:
		p.found.refuse("spec.externalTrafficPolicy", `"Local" needs spec.healthCheckNodePort for %s, whose own check does not find the nodes without a pod: set it, set %s to %q, or use "Cluster"`,
			at, AnnotationMembers, toNodesWithPods)
	}
}
