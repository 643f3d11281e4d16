package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"drawbridge.dev/events"
)

// place is what a request must match; taker is who was there first.
type place struct {
	host, path string
	pathType   events.PathType
}

type taker struct {
	backend    string
	rule, path int
}

// routing gathers the routes and backends of one Ingress.
type routing struct {
	ing     *networkingv1.Ingress
	refs    References
	found   *findings
	serving serving
	raw     bool // every path is a raw prefix

	fallback string
	routes   []events.Route
	backends []events.Backend
	known    map[string]bool
	taken    map[place]taker
}

func (t *routing) fill() {
	if b := t.ing.Spec.DefaultBackend; b != nil {
		t.fallback = t.backend(b, func() string { return "spec.defaultBackend" })
	}
	if t.fallback == "" && len(t.ing.Spec.Rules) == 0 {
		t.found.refuse("spec.rules", "has neither a rule nor a default backend: name at least one")
		return
	}
	for i := range t.ing.Spec.Rules {
		t.rule(i)
	}
	if t.fallback == "" && len(t.routes) == 0 && !t.found.refused {
		t.found.refuse("spec.rules", "no rule has a path: nothing would be served")
	}
}

func (t *routing) rule(i int) {
	rule := &t.ing.Spec.Rules[i]
	host := strings.ToLower(rule.Host)
	if err := checkHost(host); err != nil {
		t.found.refuse(fmt.Sprintf("spec.rules[%d].host", i), "%v", err)
		return
	}
	if rule.HTTP == nil || len(rule.HTTP.Paths) == 0 {
		if t.fallback == "" {
			t.found.note(fmt.Sprintf("spec.rules[%d]", i), "has no path, and there is no spec.defaultBackend that would take its requests: they are refused")
			return
		}
		if host != "" {
			t.take(place{host, "/", t.prefix()}, taker{t.fallback, i, -1})
		}
		return
	}
	for j := range rule.HTTP.Paths {
		p := &rule.HTTP.Paths[j]
		at := func() string { return fmt.Sprintf("spec.rules[%d].http.paths[%d]", i, j) }
		path, pathType, ok := t.path(p, at)
		backend := t.backend(&p.Backend, func() string { return at() + ".backend" })
		if ok && backend != "" {
			t.take(place{host, path, pathType}, taker{backend, i, j})
		}
	}
}

// take gives a place to the first that asks for it.
func (t *routing) take(p place, by taker) {
	first, twice := t.taken[p]
	if !twice {
		t.taken[p] = by
		t.routes = append(t.routes, events.Route{Host: p.host, Path: p.path, PathType: p.pathType, Backend: by.backend})
		return
	}
	if first.backend != by.backend {
		t.found.note(by.field(), "%s %q of host %q is already sent to %s by %s: this one has no effect", p.pathType, p.path, p.host, first.backend, first.field())
	}
}

func (t taker) field() string {
	if t.path < 0 {
		return fmt.Sprintf("spec.rules[%d]", t.rule)
	}
	return fmt.Sprintf("spec.rules[%d].http.paths[%d]", t.rule, t.path)
}

// prefix is how a prefix matches.
func (t *routing) prefix() events.PathType {
	if t.raw {
		return events.PathRawPrefix
	}
	return events.PathPrefix
}

func (t *routing) path(p *networkingv1.HTTPIngressPath, at func() string) (string, events.PathType, bool) {
	pathType := t.prefix()
	path := p.Path
	switch {
	case p.PathType == nil:
		t.found.refuse(at()+".pathType", "is not set: Exact, Prefix and ImplementationSpecific are allowed")
		return "", "", false
	case *p.PathType == networkingv1.PathTypeExact:
		if !t.raw {
			pathType = events.PathExact
		}
	case *p.PathType == networkingv1.PathTypeImplementationSpecific:
		path = cmp.Or(path, "/")
	case *p.PathType != networkingv1.PathTypePrefix:
		t.found.refuse(at()+".pathType", "%q is none of Exact, Prefix, ImplementationSpecific", shown(string(*p.PathType)))
		return "", "", false
	}
	if err := checkPath(path); err != nil {
		t.found.refuse(at()+".path", "%v", err)
		return "", "", false
	}
	if pathType == events.PathPrefix && path != "/" {
		path = strings.TrimSuffix(path, "/") // element-wise, /foo/ is /foo
	}
	return path, pathType, true
}

// backend resolves what an Ingress refers to and says the name of the backend.
// What cannot be reached gets a backend without members. An empty name: the
// reference itself is wrong.
func (t *routing) backend(b *networkingv1.IngressBackend, at func() string) string {
	if b.Service == nil {
		if b.Resource == nil {
			t.found.refuse(at(), "names no Service")
			return ""
		}
		t.found.note(at()+".resource", "a %s cannot be served: its requests are refused", shown(b.Resource.Kind))
		return t.add(t.serving.backend(t.ing.Namespace + "/" + b.Resource.Kind + "/" + b.Resource.Name + ":0"))
	}
	ref := b.Service
	if ref.Name == "" || (ref.Port.Name == "") == (ref.Port.Number == 0) || ref.Port.Number < 0 || ref.Port.Number > 65535 {
		t.found.refuse(at()+".service", "must have a name and a port, either by name or by a number in 1-65535")
		return ""
	}
	asked := ref.Port.Name
	if asked == "" {
		asked = strconv.Itoa(int(ref.Port.Number))
	}
	out := t.serving.backend(backendName(t.ing.Namespace, ref.Name, asked, events.HTTP))
	svc := t.refs.Services[ref.Name]
	if svc == nil {
		t.found.note(at()+".service.name", "there is no Service %q in namespace %q: its requests are refused until it is there", shown(ref.Name), t.ing.Namespace)
		return t.add(out)
	}
	port := servicePortOf(svc, ref.Port)
	if port == nil {
		t.found.note(at()+".service.port", "Service %q has no TCP port %q: its requests are refused until it has", svc.Name, shown(asked))
		return t.add(out)
	}
	name := backendName(t.ing.Namespace, ref.Name, strconv.Itoa(int(port.Port)), events.HTTP)
	if t.known[name] {
		return name
	}
	members, err := t.serving.reach.members(t.refs, svc, port)
	if err != nil {
		t.found.note(at()+".service", "port %q of Service %q %v: make the Service one of type NodePort, or set %s to %q; its requests are refused until then",
			shown(asked), svc.Name, err, AnnotationMembers, toPods)
		return t.add(out)
	}
	out.Name, out.Members = name, members
	if t.serving.hinted && port.AppProtocol != nil && strings.EqualFold(*port.AppProtocol, "https") {
		out.TLS = true
	}
	out.Monitor = t.serving.monitoring.of(out.Protocol, t.serving.check)
	return t.add(out)
}

func (t *routing) add(b events.Backend) string {
	if !t.known[b.Name] {
		t.known[b.Name] = true
		b.Members = append([]events.Member{}, b.Members...)
		t.backends = append(t.backends, b)
	}
	return b.Name
}

func servicePortOf(svc *corev1.Service, ref networkingv1.ServiceBackendPort) *corev1.ServicePort {
	i := slices.IndexFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool {
		if cmp.Or(p.Protocol, corev1.ProtocolTCP) != corev1.ProtocolTCP {
			return false
		}
		if ref.Name != "" {
			return p.Name == ref.Name
		}
		return p.Port == ref.Number
	})
	if i < 0 {
		return nil
	}
	return &svc.Spec.Ports[i]
}
