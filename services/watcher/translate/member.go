package translate

import (
	"cmp"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"drawbridge.dev/events"
)

// Values of the annotation drawbridge.dev/members.
const (
	toNodes         = "nodes"           // every node, by NodePort
	toNodesWithPods = "nodes-with-pods" // those with a ready pod, by NodePort
	toPods          = "pods"            // by the pods' own addresses
)

// reach is how the members of a backend are found.
type reach struct {
	to       string
	by       string // the annotation that says so; empty: none
	selector selector
	cordoned bool // cordoned nodes stay members
}

// reach reads how the members of an object are found. otherwise is what holds
// where nothing is said.
func (a annotated) reach(otherwise string, nodes []Node, s Settings) reach {
	r := reach{cordoned: s.KeepCordoned}
	r.to, r.by = setting(a, otherwise, parseOneOf(toNodes, toNodesWithPods, toPods), AnnotationMembers)
	all, _ := parseSelector(s.NodeSelector) // checked by CheckNodeSelector
	if s.NodeSelector == "" {
		all = nil
	}
	var by string
	r.selector, by = setting(a, all, parseSelector, AnnotationNodeSelector)
	chosen := func(n Node) bool { return r.selector.matches(n.Labels) }
	if len(nodes) == 0 || r.to == toPods || slices.ContainsFunc(nodes, chosen) {
		return r
	}
	if by == "" {
		a.found.note(field(AnnotationNodeSelector), "is not set, and none of the %d nodes that take traffic has the labels %q of watcher.node-selector: nobody is served until one has", len(nodes), shown(s.NodeSelector))
	} else {
		a.found.note(field(by), "%q: none of the %d nodes that take traffic has these labels: nobody is served until one has", shown(a.values[by]), len(nodes))
	}
	return r
}

// NeedsEndpoints says whether the members of a Service cannot be told without
// its EndpointSlices. The annotations are those of the object that exposes it,
// which is the Service itself or an Ingress.
func NeedsEndpoints(annotations map[string]string, svc *corev1.Service) bool {
	to, err := parseOneOf(toNodes, toNodesWithPods, toPods)(annotations[AnnotationMembers])
	if err == nil {
		return to != toNodes
	}
	return withoutNodePorts(svc)
}

// withoutNodePorts says whether a Service of type LoadBalancer asks for none.
func withoutNodePorts(svc *corev1.Service) bool {
	ask := svc.Spec.AllocateLoadBalancerNodePorts
	return svc.Spec.Type == corev1.ServiceTypeLoadBalancer && ask != nil && !*ask &&
		!slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.NodePort != 0 })
}

var errNoNodePort = errors.New("has no nodePort, so that no node can be reached")

// members of one port of a Service. The error says why there can be none; that
// nothing serves at the moment is none.
func (r reach) members(refs References, svc *corev1.Service, p *corev1.ServicePort) ([]events.Member, error) {
	pods := refs.Endpoints[svc.Name]
	if r.to == toPods {
		return podMembers(pods, svc, p), nil
	}
	if p.NodePort < 1 || p.NodePort > 65535 {
		return nil, errNoNodePort
	}
	var serving map[string]bool
	if r.to == toNodesWithPods {
		serving = nodesWithPods(pods, p)
	}
	return r.nodeMembers(refs.Nodes, svc, p.NodePort, serving), nil
}

// nodeMembers are the nodes at a NodePort. Cordoned ones are left out, so that
// they are drained, unless no other is left. serving says of every node with a
// pod whether that is ready (else it ends); nil: all count.
func (r reach) nodeMembers(nodes []Node, svc *corev1.Service, port int32, serving map[string]bool) []events.Member {
	out := make([]events.Member, 0, len(nodes))
	var cordoned []events.Member
	for _, n := range nodes {
		address := n.address(svc)
		ready, there := serving[n.Name]
		if address == "" || !r.selector.matches(n.Labels) || serving != nil && !there {
			continue
		}
		m := events.Member{Name: n.Name, Address: address, Port: int(port), Draining: serving != nil && !ready}
		if n.Cordoned && !r.cordoned {
			cordoned = append(cordoned, m)
			continue
		}
		out = append(out, m)
	}
	if !slices.ContainsFunc(out, takes) {
		out = append(out, cordoned...)
	}
	return out
}

func takes(m events.Member) bool { return !m.Draining }

// nodesWithPods are the nodes of the pods behind a port: true where one is
// ready, false where all of them end.
func nodesWithPods(all []*discoveryv1.EndpointSlice, p *corev1.ServicePort) map[string]bool {
	out := map[string]bool{}
	for _, s := range all {
		if endpointPort(s, p) == 0 {
			continue
		}
		for i := range s.Endpoints {
			e := &s.Endpoints[i]
			if takes, draining := serves(e); e.NodeName != nil && (takes || draining) {
				out[*e.NodeName] = out[*e.NodeName] || takes
			}
		}
	}
	return out
}

// serves says whether a pod takes new connections, or, as it ends, only those
// that it has (Kubernetes API, EndpointConditions).
func serves(e *discoveryv1.Endpoint) (takes, draining bool) {
	c := e.Conditions
	if c.Ready == nil || *c.Ready {
		return true, false
	}
	ends := c.Terminating != nil && *c.Terminating
	return false, ends && (c.Serving == nil || *c.Serving)
}

// podMembers are the pods behind a port, by IPv4 where the Service has it.
func podMembers(all []*discoveryv1.EndpointSlice, svc *corev1.Service, p *corev1.ServicePort) []events.Member {
	family := discoveryv1.AddressTypeIPv4
	if f := svc.Spec.IPFamilies; len(f) > 0 && !slices.Contains(f, corev1.IPv4Protocol) {
		family = discoveryv1.AddressTypeIPv6
	}
	out := []events.Member{}
	at := map[string]int{} // an address may be in two slices, while it moves
	for _, s := range all {
		port := endpointPort(s, p)
		if port == 0 || s.AddressType != family {
			continue
		}
		for i := range s.Endpoints {
			e := &s.Endpoints[i]
			takes, draining := serves(e)
			if len(e.Addresses) == 0 || !takes && !draining {
				continue
			}
			m := events.Member{Address: e.Addresses[0], Port: port, Draining: draining}
			if e.TargetRef != nil {
				m.Name = e.TargetRef.Name
			}
			if j, twice := at[m.Address]; twice {
				out[j].Draining = out[j].Draining && draining
				continue
			}
			at[m.Address] = len(out)
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b events.Member) int { return cmp.Compare(a.Address, b.Address) })
	return out
}

// endpointPort is the port of the pods of a slice for a port of their Service,
// which has its name and protocol; 0: it has none.
func endpointPort(s *discoveryv1.EndpointSlice, p *corev1.ServicePort) int {
	for _, e := range s.Ports {
		name, protocol := "", corev1.ProtocolTCP
		if e.Name != nil {
			name = *e.Name
		}
		if e.Protocol != nil {
			protocol = *e.Protocol
		}
		if e.Port != nil && name == p.Name && protocol == cmp.Or(p.Protocol, corev1.ProtocolTCP) && *e.Port > 0 {
			return int(*e.Port)
		}
	}
	return 0
}
