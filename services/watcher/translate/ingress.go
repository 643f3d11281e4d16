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

// Ingress translates an Ingress: one HTTP listener at port 80 that routes by
// host and path.
func Ingress(ing *networkingv1.Ingress, refs References, s Settings) Result {
	r := begin(events.KindIngress, &ing.ObjectMeta, s)
	if ing.DeletionTimestamp != nil || !asksIngress(ing, refs.IngressClasses, s) {
		return r
	}
	r.Asks = true
	f := &findings{}
	a := annotated{kind: events.KindIngress, values: ing.Annotations, found: f}
	a.unknown()
	r.Cloud, _ = read(a, s.Cloud, parseCloud, AnnotationCloud)
	var x events.Exposure
	legacy := ing.Spec.IngressClassName == nil && ing.Annotations[annotationIngressClass] == LegacyIngressClass
	x.Internal, _ = read(a, legacy, parseBool, AnnotationInternal, annotationIngressInternal)
	x.Flavor, _ = read(a, "", parseName("flavor"), AnnotationFlavor)
	monitored, _ := read(a, true, parseBool, AnnotationHealthMonitor)
	sources, _ := read(a, nil, parseSources, AnnotationAllowedSources, annotationIngressSources)
	if len(ing.Spec.TLS) > 0 {
		f.refuse("spec.tls", "TLS is not served, and what asks for it is not exposed in the clear: remove spec.tls to serve HTTP")
	}
	t := routing{ing: ing, refs: refs, found: f, monitored: monitored, known: map[string]bool{}, taken: map[place]taker{}}
	t.fill()
	x.Backends = t.backends
	x.Listeners = []events.Listener{{Protocol: events.HTTP, Port: 80, Backend: t.fallback, Routes: t.routes, AllowedSources: sources}}
	return finish(r, x, &ing.ObjectMeta, refs, f)
}

// asksIngress says whether an Ingress is of a class of ours. The field goes
// before the older annotation; a class that no IngressClass describes is ours
// by its configured name.
func asksIngress(ing *networkingv1.Ingress, classes []*networkingv1.IngressClass, s Settings) bool {
	name := ""
	switch legacy := ing.Annotations[annotationIngressClass]; {
	case ing.Spec.IngressClassName != nil:
		name = *ing.Spec.IngressClassName
	case legacy == LegacyIngressClass:
		return true
	case legacy != "":
		name = legacy
	default:
		c := defaultClass(classes)
		return c != nil && c.Spec.Controller == IngressController
	}
	for _, c := range classes {
		if c.Name == name {
			return c.Spec.Controller == IngressController
		}
	}
	return name == cmp.Or(s.IngressClass, IngressClass)
}

// defaultClass is the class of an Ingress that names none: of several the
// youngest, then the first by name (Kubernetes API, DefaultIngressClass admission).
func defaultClass(classes []*networkingv1.IngressClass) (chosen *networkingv1.IngressClass) {
	for _, c := range classes {
		if c.Annotations[annotationDefaultClass] != "true" {
			continue
		}
		if chosen == nil || cmp.Or(c.CreationTimestamp.Compare(chosen.CreationTimestamp.Time), cmp.Compare(chosen.Name, c.Name)) > 0 {
			chosen = c
		}
	}
	return chosen
}

// ServiceNames lists the Services that an Ingress refers to, each once.
func ServiceNames(ing *networkingv1.Ingress) []string {
	seen := map[string]bool{}
	add := func(b *networkingv1.IngressBackend) {
		if b != nil && b.Service != nil {
			seen[b.Service.Name] = true
		}
	}
	add(ing.Spec.DefaultBackend)
	for i := range ing.Spec.Rules {
		if h := ing.Spec.Rules[i].HTTP; h != nil {
			for j := range h.Paths {
				add(&h.Paths[j].Backend)
			}
		}
	}
	return sortedKeys(seen)
}

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
	ing       *networkingv1.Ingress
	refs      References
	found     *findings
	monitored bool

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
			t.take(place{host, "/", events.PathPrefix}, taker{t.fallback, i, -1})
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

func (t *routing) path(p *networkingv1.HTTPIngressPath, at func() string) (string, events.PathType, bool) {
	pathType := events.PathPrefix
	path := p.Path
	switch {
	case p.PathType == nil:
		t.found.refuse(at()+".pathType", "is not set: Exact, Prefix and ImplementationSpecific are allowed")
		return "", "", false
	case *p.PathType == networkingv1.PathTypeExact:
		pathType = events.PathExact
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
		return t.add(events.Backend{Name: t.ing.Namespace + "/" + b.Resource.Kind + "/" + b.Resource.Name + ":0"})
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
	out := events.Backend{Name: backendName(t.ing.Namespace, ref.Name, asked, events.HTTP)}
	svc := t.refs.Services[ref.Name]
	if svc == nil {
		t.found.note(at()+".service.name", "there is no Service %q in namespace %q: its requests are refused until it is there", shown(ref.Name), t.ing.Namespace)
		return t.add(out)
	}
	port := servicePortOf(svc, ref.Port)
	switch {
	case port == nil:
		t.found.note(at()+".service.port", "Service %q has no TCP port %q: its requests are refused until it has", svc.Name, shown(asked))
	case port.NodePort < 1 || port.NodePort > 65535:
		t.found.note(at()+".service", "port %q of Service %q has no nodePort, so that no node can be reached: make the Service one of type NodePort; its requests are refused until then", shown(asked), svc.Name)
	default:
		out.Name = backendName(t.ing.Namespace, ref.Name, strconv.Itoa(int(port.Port)), events.HTTP)
		if !t.known[out.Name] {
			out.Members = members(t.refs.Nodes, svc, port.NodePort)
		}
	}
	return t.add(out)
}

func (t *routing) add(b events.Backend) string {
	if t.known[b.Name] {
		return b.Name
	}
	t.known[b.Name] = true
	b.Protocol = events.HTTP
	if t.monitored && b.Members != nil {
		b.Monitor = monitor(events.HTTP)
	}
	b.Members = append([]events.Member{}, b.Members...)
	t.backends = append(t.backends, b)
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
