package translate

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"drawbridge.dev/events"
)

// The faults of the OpenStack cloud controller manager and the pains of its
// users that are decided in the translation, each by its number in the survey of
// the peers.

func faultService(edit func(*corev1.Service)) *corev1.Service {
	svc := &corev1.Service{Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{
		{Name: "web", Port: 80, NodePort: 30080}, {Name: "secure", Port: 443, NodePort: 30443}, {Name: "dns", Port: 53, NodePort: 30053, Protocol: "UDP"}}}}
	svc.Namespace, svc.Name, svc.UID, svc.Annotations = "shop", "web", "u", map[string]string{}
	edit(svc)
	return svc
}

func wish(t *testing.T, svc *corev1.Service, nodes ...Node) *events.Exposure {
	t.Helper()
	r := Service(svc, References{Nodes: nodes}, Settings{Cluster: "c", Cloud: "default", DefaultServiceClass: true})
	if r.Wish == nil {
		t.Fatalf("%s is refused: %v", r.Key, r.Problems)
	}
	return r.Wish.Exposure
}

// Fault 1: a class and annotations beside it mean the same for an internal load
// balancer as for a public one: the annotation is there in both, and the class
// only fills what is open.
func TestOCCMFault1ClassAndAnnotation(t *testing.T) {
	said := func(internal string) events.Placement {
		return wish(t, faultService(func(s *corev1.Service) {
			s.Annotations = map[string]string{occmClass: "dmz", occmSubnet: "sub", annotationServiceInternal: internal}
		})).Placement
	}
	want := events.Placement{Class: "dmz", Subnet: "sub"}
	if d := cmp.Diff(want, said("true")) + cmp.Diff(want, said("false")); d != "" {
		t.Error(d)
	}
}

// Faults 4 and 16: the port of the check is said where the check asks it, and
// only there.
func TestOCCMFault4MonitorPort(t *testing.T) {
	node := Node{Name: "n", IPv4: "10.0.0.1"}
	local := func(s *corev1.Service) {
		s.Spec.ExternalTrafficPolicy, s.Spec.HealthCheckNodePort = corev1.ServiceExternalTrafficPolicyLocal, 31999
	}
	ask := func(x *events.Exposure) (ports []int) {
		for _, b := range x.Backends {
			ports = append(ports, b.Members[0].MonitorPort)
		}
		return ports
	}
	if got := ask(wish(t, faultService(local), node)); !slices.Equal(got, []int{31999, 31999, 31999}) {
		t.Errorf("checked at %v", got)
	}
	own := faultService(func(s *corev1.Service) { local(s); s.Annotations[AnnotationMonitorType] = "TCP" })
	if got := ask(wish(t, own, node)); !slices.Equal(got, []int{0, 0, 0}) {
		t.Errorf("a check of one's own is made at %v", got)
	}
}

// Fault 10: to turn headers or TLS on or off changes the protocol of a listener
// in place: the wish never has two for one port.
func TestOCCMFault10ListenerProtocolChanges(t *testing.T) {
	for _, annotations := range []map[string]string{{}, {occmForwardedFor: "true"}, {occmTLSContainer: "https://keys.example.org/v1/secrets/1"}} {
		x := wish(t, faultService(func(s *corev1.Service) { s.Annotations = annotations }))
		seen := map[int]events.Protocol{}
		for _, l := range x.Listeners {
			if before, twice := seen[l.Port]; twice {
				t.Errorf("%v: port %d is of %s and %s", annotations, l.Port, before, l.Protocol)
			}
			seen[l.Port] = l.Protocol
		}
	}
}

// Fault 11: a change of nodes needs nothing to stand in the cloud, and does not
// stop at a port: every backend of the wish has the new nodes, also when the
// protocol of a port changes with them.
func TestOCCMFault11NodesOfEveryPort(t *testing.T) {
	before := wish(t, faultService(func(*corev1.Service) {}), Node{Name: "a", IPv4: "10.0.0.1"})
	after := wish(t, faultService(func(s *corev1.Service) { s.Annotations[AnnotationPortProtocols] = "80=HTTP" }), Node{Name: "b", IPv4: "10.0.0.2"})
	if len(before.Backends) != 3 || len(after.Backends) != 3 {
		t.Fatalf("%d and %d backends, want 3", len(before.Backends), len(after.Backends))
	}
	for _, b := range after.Backends {
		if len(b.Members) != 1 || b.Members[0].Address != "10.0.0.2" {
			t.Errorf("%s has %v", b.Name, b.Members)
		}
	}
}

// Fault 12: a Service with no node is exposed with empty pools, and follows
// every other change meanwhile.
func TestOCCMFault12NoNode(t *testing.T) {
	x := wish(t, faultService(func(s *corev1.Service) {
		s.Annotations[occmNodeSelector] = "pool=none"
		s.Spec.LoadBalancerSourceRanges = []string{"10.0.0.0/8"}
	}), Node{Name: "n", IPv4: "10.0.0.1"})
	for i, b := range x.Backends {
		if len(b.Members) != 0 || !slices.Equal(x.Listeners[i].AllowedSources, []string{"10.0.0.0/8"}) {
			t.Errorf("%s has %v, from %v", b.Name, b.Members, x.Listeners[i].AllowedSources)
		}
	}
}

// Pain 10: every annotation has an effect whenever it comes: the wish with it is
// another one than the wish without. What only the status shows is excepted.
func TestOCCMPain10EveryAnnotationCounts(t *testing.T) {
	values := append([]string{"42", "22", "7", "v1", "80=HTTP", "80=https://keys.example.org/v1/secrets/1", "80=web", "true", "false",
		"pool=edge", "5", "302", "max-age=5", "HTTPS", "raw-prefix"}, likely...)
	for _, a := range Annotations {
		if a.Peer == Kubernetes || a.Own == AnnotationHostname || a.Name == AnnotationHostname {
			continue
		}
		for _, kind := range a.Kinds {
			if !slices.ContainsFunc(values, func(v string) bool { return counts(kind, a.Name, v) }) {
				t.Errorf("%s on %s: no value that is tried here changes the wish", a.Name, kind)
			}
		}
	}
}

func counts(kind, name, value string) bool {
	base := map[string]string{}
	if kind == events.KindService && (name == AnnotationTLSVersions || name == AnnotationTLSCiphers) {
		base[AnnotationTLSContainer] = "80=https://keys.example.org/v1/secrets/1"
	}
	plain := annotatedAs(kind, maps.Clone(base))
	base[name] = value
	with := annotatedAs(kind, base)
	return plain.Wish != nil && with.Wish != nil && !reflect.DeepEqual(plain.Wish.Exposure, with.Wish.Exposure)
}

// Pain 12: what stands is told whole; a weight that another set is not kept by
// leaving it unsaid. A cordoned node is drained while another can serve, and
// stays while none can.
func TestOCCMPain12Cordon(t *testing.T) {
	a, b := Node{Name: "a", IPv4: "10.0.0.1", Cordoned: true}, Node{Name: "b", IPv4: "10.0.0.2"}
	svc := faultService(func(*corev1.Service) {})
	if m := wish(t, svc, a, b).Backends[0].Members; len(m) != 1 || m[0].Name != "b" {
		t.Errorf("members %v, want b", m)
	}
	if m := wish(t, svc, a).Backends[0].Members; len(m) != 1 || m[0].Draining {
		t.Errorf("members %v, want a, which takes connections", m)
	}
}

// Pain 17: headers by port, without making HTTP of the others.
func TestOCCMPain17HeadersByPort(t *testing.T) {
	x := wish(t, faultService(func(s *corev1.Service) { s.Annotations[AnnotationForwardedHeaders] = "80=X-Forwarded-For" }))
	got := map[int]events.Protocol{}
	for _, l := range x.Listeners {
		got[l.Port] = l.Protocol
	}
	if d := cmp.Diff(map[int]events.Protocol{80: events.HTTP, 443: events.TCP, 53: events.UDP}, got); d != "" {
		t.Error(d)
	}
}

// Pain 18: both families, in the order of the Service.
func TestOCCMPain18DualStack(t *testing.T) {
	class := LoadBalancerClass
	x := wish(t, faultService(func(s *corev1.Service) {
		s.Spec.LoadBalancerClass, s.Spec.IPFamilies = &class, []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}
	}))
	if !slices.Equal(x.Placement.Families, []string{"IPv6", "IPv4"}) {
		t.Errorf("families %v", x.Placement.Families)
	}
}

// Pain 21: a Service of another's class is not touched, whatever the settings.
func TestOCCMPain21LoadBalancerClass(t *testing.T) {
	other := "example.org/metal"
	svc := faultService(func(s *corev1.Service) { s.Spec.LoadBalancerClass = &other })
	if r := Service(svc, References{}, Settings{Cluster: "c", Cloud: "default", DefaultServiceClass: true}); r.Asks {
		t.Error("it is taken")
	}
}

func TestPresence(t *testing.T) {
	s := Settings{Services: ServiceDefaults{HostnameSuffix: "nip.io"}}
	for _, c := range []struct {
		annotations map[string]string
		mode        corev1.LoadBalancerIPMode
		name        string
	}{
		{nil, corev1.LoadBalancerIPModeVIP, ""},
		{map[string]string{occmProxyProtocol: "true"}, corev1.LoadBalancerIPModeProxy, "192.0.2.1.nip.io"},
		{map[string]string{AnnotationProxyProtocol: "web=v2"}, corev1.LoadBalancerIPModeProxy, "192.0.2.1.nip.io"},
		{map[string]string{AnnotationProxyProtocol: "none"}, corev1.LoadBalancerIPModeVIP, ""},
		{map[string]string{occmHostname: "www.example.org", occmProxyProtocol: "v1"}, corev1.LoadBalancerIPModeProxy, "www.example.org"},
		{map[string]string{AnnotationHostname: "no name", AnnotationProxyProtocol: "v9"}, corev1.LoadBalancerIPModeVIP, ""},
	} {
		p := ServicePresence(faultService(func(v *corev1.Service) { v.Annotations = c.annotations }), s)
		if p.IPMode != c.mode || p.Name("192.0.2.1") != c.name {
			t.Errorf("%v: %s %q, want %s %q", c.annotations, p.IPMode, p.Name("192.0.2.1"), c.mode, c.name)
		}
	}
	if p := IngressPresence(map[string]string{AnnotationHostname: "www.example.org"}); p.Name("192.0.2.1") != "www.example.org" {
		t.Errorf("an Ingress is told as %q", p.Name("192.0.2.1"))
	}
}

// That no node is chosen is said, by the annotation, or by the watcher's setting.
func TestNoNodeIsSaid(t *testing.T) {
	refs := References{Nodes: []Node{{Name: "n", IPv4: "10.0.0.1"}}}
	s := Settings{Cluster: "c1", Cloud: "default", DefaultServiceClass: true, NodeSelector: "pool=none"}
	for name, want := range map[string]string{"": "of watcher.node-selector", occmNodeSelector: "has these labels"} {
		svc := faultService(func(s *corev1.Service) {
			if name != "" {
				s.Annotations[name] = "pool=edge"
			}
		})
		r := Service(svc, refs, s)
		if r.Refused() || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, want) {
			t.Errorf("by %q: %v", name, r.Problems)
		}
	}
}

// How members are checked has no effect where they are not, and that is said.
func TestMonitorSettingWithoutMonitorIsSaid(t *testing.T) {
	for by, switches := range map[string]map[string]string{AnnotationHealthMonitor: {}, occmMonitor: {occmMonitor: "false"}} {
		svc := faultService(func(s *corev1.Service) {
			s.Annotations[occmMonitorDelay] = "9"
			for k, v := range switches {
				s.Annotations[k] = v
			}
		})
		r := Service(svc, References{Nodes: []Node{{Name: "n", IPv4: "10.0.0.1"}}}, Settings{Cluster: "c1", Cloud: "default", DefaultServiceClass: true})
		if r.Refused() || len(r.Problems) != 1 || r.Problems[0].Field != field(occmMonitorDelay) || !strings.Contains(r.Problems[0].Message, by) {
			t.Errorf("by %s: %v", by, r.Problems)
		}
	}
}
