package translate

import (
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"drawbridge.dev/events"
)

// Ingress translates an Ingress: a listener at port 80 and, with spec.tls, one
// at port 443 that ends TLS, which route by host and path. What each shows is
// decided in [edge].
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
	a.exposure(&x, legacy(ing))
	t := routing{ing: ing, refs: refs, found: f, serving: a.serving(legacy(ing), refs.Nodes, s), raw: a.raw(legacy(ing)), known: map[string]bool{}, taken: map[place]taker{}}
	t.fill()
	e := a.edge(ing, r.Cloud, refs, s)
	x.Listeners = e.listeners(&t)
	x.Backends = t.backends
	return finish(r, x, &ing.ObjectMeta, refs, f)
}

// serving is how the backends of an Ingress are served, all of them alike.
type serving struct {
	protocol    events.Protocol
	tls         bool // towards the members
	hinted      bool // the appProtocol of a port may say tls
	algorithm   string
	persistence *events.Persistence
	drain       *int
	reach       reach
	monitoring  monitoring
	check       string // kind of the monitor that an annotation names
}

func (a annotated) serving(legacy bool, nodes []Node, s Settings) serving {
	v := serving{protocol: events.HTTP, reach: a.reach(toNodes, nodes, s)}
	spoken, by := setting(a, "HTTP", parseOneOf("HTTP", "HTTPS", "PROXY", "PROXYV2"), AnnotationBackendProtocol)
	v.hinted = by == "" && !legacy
	if spoken == "HTTPS" {
		v.tls = true
	} else {
		v.protocol = events.Protocol(spoken)
	}
	v.algorithm, _ = setting(a, "", parseOneOf(events.Algorithms...), AnnotationAlgorithm)
	kept, _ := setting(a, affinity{}, whole(parsePorts(parseAffinity)), AnnotationSessionAffinity)
	if kept.kind != "" {
		v.persistence = &events.Persistence{Type: kept.kind, Cookie: kept.cookie}
	}
	v.drain, _ = setting(a, nil, parseSeconds, AnnotationDrainDelay)
	v.monitored(a, legacy)
	return v
}

// monitored reads the health checks. What says how they are switches them on.
func (v *serving) monitored(a annotated, legacy bool) {
	detail := ""
	for _, name := range sortedKeys(a.values) {
		if strings.HasPrefix(name, AnnotationHealthMonitor+"-") {
			detail = name
			break
		}
	}
	v.monitoring = a.monitoring(!legacy || detail != "", events.Monitor{})
	if detail != "" && !v.monitoring.on {
		a.found.refuse(field(detail), "says how members are checked, and %s says that they are not: keep one of them", AnnotationHealthMonitor)
	}
	if len(v.monitoring.kinds) > 0 {
		v.check = v.monitoring.kinds[0].value
	}
	if can := checks(v.protocol); v.check != "" && !slices.Contains(can, v.check) {
		a.found.refuse(field(AnnotationMonitorType), "%q cannot check members that speak %s: %s can", v.check, v.protocol, quoted(can))
	}
}

// backend is one without members yet.
func (v serving) backend(name string) events.Backend {
	return events.Backend{Name: name, Protocol: v.protocol, TLS: v.tls, Algorithm: v.algorithm, Persistence: v.persistence, DrainDelay: v.drain}
}

// raw says whether every path is a prefix of characters.
func (a annotated) raw(legacy bool) bool {
	const kubernetes, prefix = "kubernetes", "raw-prefix"
	otherwise := kubernetes
	if legacy {
		otherwise = prefix
	}
	v, _ := setting(a, otherwise, parseOneOf(kubernetes, prefix), AnnotationPathMatching)
	return v == prefix
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
