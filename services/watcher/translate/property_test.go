package translate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"drawbridge.dev/events"
)

// What the API server lists comes in any order, and so do the members of a map.
func TestOrderNeverChangesTheDigest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t)
		classes := drawClasses(t)
		svc := drawService(t)
		ing := drawIngress(t)
		svc.Annotations = map[string]string{AnnotationMembers: rapid.SampledFrom([]string{toNodes, toPods, toNodesWithPods}).Draw(t, "members")}
		refs := References{Nodes: Nodes(nodes), IngressClasses: classes, Services: map[string]*corev1.Service{svc.Name: svc}, Endpoints: drawEndpoints(t, svc)}
		shuffled := refs
		shuffled.Endpoints = map[string][]*discoveryv1.EndpointSlice{svc.Name: rapid.Permutation(refs.Endpoints[svc.Name]).Draw(t, "slices")}
		shuffled.Nodes = Nodes(rapid.Permutation(nodes).Draw(t, "nodes"))
		shuffled.IngressClasses = rapid.Permutation(classes).Draw(t, "classes")
		s := Settings{Cluster: "c", Cloud: "default"}
		same(t, Service(svc, refs, s), Service(svc, shuffled, s))
		same(t, Ingress(ing, refs, s), Ingress(ing, shuffled, s))

		// The order of ports and of rules with distinct places means nothing either.
		other := svc.DeepCopy()
		slices.Reverse(other.Spec.Ports)
		sameWish(t, Service(svc, refs, s), Service(other, refs, s))
		if legacy(ing) { // the first of its raw prefixes wins
			return
		}
		turned := ing.DeepCopy()
		slices.Reverse(turned.Spec.Rules)
		sameWish(t, Ingress(ing, refs, s), Ingress(turned, refs, s))
	})
}

// A wish holds at least one of its parts only if nothing refused it, it keeps
// its seal, and the objects are not touched.
func TestTranslationIsSealedAndPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		svc, ing := drawService(t), drawIngress(t)
		svc.Annotations = drawAnnotations(t, events.KindService, nil)
		ing.Annotations = drawAnnotations(t, events.KindIngress, ing.Annotations)
		before, beforeIngress := svc.DeepCopy(), ing.DeepCopy()
		refs := References{Nodes: Nodes(drawNodes(t)), Services: map[string]*corev1.Service{svc.Name: svc}, Endpoints: drawEndpoints(t, svc)}
		refs.Secrets = Secrets{Now: time.Unix(1, 0), Pairs: map[string]Pair{"web": {Certificate: events.Certificate{Digest: events.Digest("web"), Hosts: []string{"a.example.org"}}, NotAfter: time.Unix(1e9, 0)}}}
		s := Settings{Cluster: "c", Cloud: "default"}
		for _, r := range []Result{Service(svc, refs, s), Ingress(ing, refs, s)} {
			if !r.Asks {
				t.Fatalf("%s does not ask", r.Key)
			}
			for _, p := range r.Problems { // what is wrong is found where it is written
				if p.Field == "exposure" {
					t.Fatalf("%s %v gives a wish that is not valid: %s", r.Key, svc.Annotations, p.Message)
				}
			}
			if r.Wish == nil {
				if len(r.Problems) == 0 {
					t.Fatalf("%s is refused without a problem", r.Key)
				}
				continue
			}
			if again := r.Wish.Seal(); again.Digest != r.Wish.Digest {
				t.Fatalf("%s is not sealed", r.Key)
			}
			if err := r.Wish.Exposure.Validate(); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(before, svc) + cmp.Diff(beforeIngress, ing); d != "" {
			t.Fatalf("an object was changed:\n%s", d)
		}
	})
}

func same(t *rapid.T, a, b Result) {
	if d := cmp.Diff(a, b); d != "" {
		t.Fatalf("order matters:\n%s", d)
	}
}

func sameWish(t *rapid.T, a, b Result) {
	if a.Wish == nil || b.Wish == nil || a.Wish.Digest != b.Wish.Digest {
		t.Fatalf("order matters: %v %v\n%s", a.Problems, b.Problems, cmp.Diff(a.Wish, b.Wish))
	}
}

func drawNodes(t *rapid.T) []*corev1.Node {
	n := rapid.IntRange(0, 6).Draw(t, "n")
	out := make([]*corev1.Node, n)
	for i := range out {
		ready := rapid.SampledFrom([]corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionTrue, corev1.ConditionFalse}).Draw(t, "ready")
		out[i] = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", i)}, Status: corev1.NodeStatus{
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.0.0.%d", i+1)}, {Type: corev1.NodeInternalIP, Address: fmt.Sprintf("fd00::%d", i+1)}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}}}
	}
	return out
}

func drawClasses(t *rapid.T) []*networkingv1.IngressClass {
	var out []*networkingv1.IngressClass
	for i := range rapid.IntRange(0, 3).Draw(t, "classes") {
		c := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("k%d", i)}}
		c.Spec.Controller = rapid.SampledFrom([]string{IngressController, "example.org/x"}).Draw(t, "controller")
		if rapid.Bool().Draw(t, "default") {
			c.Annotations = map[string]string{annotationDefaultClass: "true"}
		}
		out = append(out, c)
	}
	return out
}

func drawService(t *rapid.T) *corev1.Service {
	class := LoadBalancerClass
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web", UID: "u"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerClass: &class}}
	for i := range rapid.IntRange(1, 5).Draw(t, "ports") {
		p := corev1.ServicePort{Name: fmt.Sprintf("p%d", i), Port: int32(80 + i), NodePort: int32(30000 + i),
			Protocol: rapid.SampledFrom([]corev1.Protocol{"", "TCP", "UDP", "SCTP"}).Draw(t, "protocol")}
		if application := rapid.SampledFrom([]string{"", "http", "https"}).Draw(t, "application"); application != "" {
			p.AppProtocol = &application
		}
		svc.Spec.Ports = append(svc.Spec.Ports, p)
	}
	if rapid.Bool().Draw(t, "affinity") {
		seconds := rapid.Int32Range(1, 86400).Draw(t, "seconds")
		svc.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
		svc.Spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &seconds}}
	}
	if rapid.Bool().Draw(t, "local") {
		svc.Spec.ExternalTrafficPolicy, svc.Spec.HealthCheckNodePort = corev1.ServiceExternalTrafficPolicyLocal, 31999
	}
	svc.Spec.IPFamilies = rapid.SampledFrom([][]corev1.IPFamily{nil, {"IPv4"}, {"IPv6"}, {"IPv6", "IPv4"}}).Draw(t, "families")
	return svc
}

// drawEndpoints are up to three slices of a Service, with pods that may be in several.
func drawEndpoints(t *rapid.T, svc *corev1.Service) map[string][]*discoveryv1.EndpointSlice {
	maybe := func(what string) *bool {
		return rapid.SampledFrom([]*bool{nil, new(true), new(false)}).Draw(t, what)
	}
	var out []*discoveryv1.EndpointSlice
	for range rapid.IntRange(0, 3).Draw(t, "slices") {
		s := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4}
		for _, p := range svc.Spec.Ports {
			s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: new(p.Name), Protocol: new(protocolOf(&p)), Port: new(int32(8080))})
		}
		for range rapid.IntRange(0, 4).Draw(t, "pods") {
			i := rapid.IntRange(1, 6).Draw(t, "pod")
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.1.0.%d", i)}, NodeName: new(fmt.Sprintf("n%d", i%3)), TargetRef: &corev1.ObjectReference{Name: fmt.Sprintf("pod-%d", i)},
				Conditions: discoveryv1.EndpointConditions{Ready: maybe("ready"), Serving: maybe("serving"), Terminating: maybe("terminating")}})
		}
		out = append(out, s)
	}
	return map[string][]*discoveryv1.EndpointSlice{svc.Name: out}
}

// likely are values of which most annotations take some.
var likely = []string{"true", "false", "1", "9", "-1", "0", "10.0.0.0/8", "192.0.2.7", "web", "81=web", "81=HTTP,82=TERMINATED_HTTPS", "80=TERMINATED_HTTPS", "p1=v2,v1", "v2", "none",
	"HTTP", "PING", "UDP-CONNECT", "81=HTTP", "/ready", "200-299", "GET", "a.example.org", "X-Forwarded-For", "81=X-Forwarded-For", "https://keys.example.org/v1/secrets/1", "81=https://keys.example.org/v1/secrets/1",
	"source-ip", "http-cookie", "app-cookie:a", "81=http-cookie", "pods", "nodes-with-pods", "pool=edge", "SOURCE_IP", "IPv6,IPv4", "TLSv1.3", "AES128-SHA", "edge", "~x", "a,b"}

// drawAnnotations adds some of those that are read on a kind.
func drawAnnotations(t *rapid.T, kind string, to map[string]string) map[string]string {
	var names []string
	for _, a := range Annotations {
		if slices.Contains(a.Kinds, kind) && a.Peer != Kubernetes {
			names = append(names, a.Name)
		}
	}
	drawn := rapid.MapOfN(rapid.SampledFrom(append(names, Prefix+"x")), rapid.OneOf(rapid.SampledFrom(likely), rapid.SampledFrom(likely), rapid.String()), 0, 5).Draw(t, "annotations")
	if to == nil {
		to = map[string]string{}
	}
	for name, value := range drawn {
		to[name] = value
	}
	return to
}

func drawIngress(t *rapid.T) *networkingv1.Ingress {
	class := IngressClass
	if rapid.Bool().Draw(t, "by class") {
		ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web", UID: "u"}, Spec: networkingv1.IngressSpec{IngressClassName: &class}}
		fillRules(t, ing)
		return ing
	}
	ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web", UID: "u", Annotations: map[string]string{annotationIngressClass: LegacyIngressClass}}}
	fillRules(t, ing)
	return ing
}

func fillRules(t *rapid.T, ing *networkingv1.Ingress) {
	hosts := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"", "a.example.org", "b.example.org", "*.example.org", "c.test"}), 1, 5, rapid.ID[string]).Draw(t, "hosts")
	for _, h := range hosts {
		rule := networkingv1.IngressRule{Host: h}
		rule.HTTP = &networkingv1.HTTPIngressRuleValue{}
		for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"/", "/a", "/a/b", "/c"}), 1, 4, rapid.ID[string]).Draw(t, "paths") {
			pathType := rapid.SampledFrom([]networkingv1.PathType{networkingv1.PathTypeExact, networkingv1.PathTypePrefix}).Draw(t, "type")
			rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: p, PathType: &pathType, Backend: networkingv1.IngressBackend{
				Service: &networkingv1.IngressServiceBackend{Name: rapid.SampledFrom([]string{"web", "gone"}).Draw(t, "service"), Port: networkingv1.ServiceBackendPort{Number: 81}}}})
		}
		ing.Spec.Rules = append(ing.Spec.Rules, rule)
	}
}

// manyRules is an Ingress with n rules to n Services.
func manyRules(n int) (*networkingv1.Ingress, References) {
	class := IngressClass
	ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "many", UID: "u"}, Spec: networkingv1.IngressSpec{IngressClassName: &class}}
	refs := References{Services: map[string]*corev1.Service{}}
	for i := range 3 {
		refs.Nodes = append(refs.Nodes, Node{Name: fmt.Sprintf("n%d", i), IPv4: fmt.Sprintf("10.0.0.%d", i)})
	}
	prefix := networkingv1.PathTypePrefix
	for i := range n {
		name := fmt.Sprintf("s%d", i)
		refs.Services[name] = &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, NodePort: int32(1 + i)}}}}
		ing.Spec.Rules = append(ing.Spec.Rules, networkingv1.IngressRule{Host: fmt.Sprintf("h%d.example.org", i), IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: name, Port: networkingv1.ServiceBackendPort{Number: 80}}}}}}}})
	}
	return ing, refs
}

// An Ingress of 10,000 rules is a wish like another; its faults are counted,
// not listed without end.
func TestTenThousandRules(t *testing.T) {
	ing, refs := manyRules(10_000)
	r := Ingress(ing, refs, Settings{Cluster: "c", Cloud: "default"})
	if r.Wish == nil || len(r.Wish.Exposure.Listeners[0].Routes) != 10_000 || len(r.Wish.Exposure.Backends) != 10_000 {
		t.Fatalf("10,000 rules became %v", r.Problems)
	}
	refs.Services = nil
	r = Ingress(ing, refs, Settings{Cluster: "c", Cloud: "default"})
	if r.Wish == nil || len(r.Problems) != MaxProblems+1 {
		t.Fatalf("%d problems, want %d", len(r.Problems), MaxProblems+1)
	}
	if last := r.Problems[MaxProblems].Message; !strings.HasPrefix(last, "9980 problems more") {
		t.Errorf("the last problem counts the rest wrongly: %s", last)
	}
}

// Linear: allocations for one rule must not grow with the number of rules.
func TestTranslationIsLinear(t *testing.T) {
	cost := func(n int) float64 {
		ing, refs := manyRules(n)
		return testing.AllocsPerRun(1, func() { Ingress(ing, refs, Settings{Cluster: "c", Cloud: "default"}) }) / float64(n)
	}
	if few, many := cost(100), cost(10_000); many > 1.5*few {
		t.Errorf("%.1f allocations a rule for 100 rules, %.1f for 10,000", few, many)
	}
}

func BenchmarkIngress10000Rules(b *testing.B) {
	ing, refs := manyRules(10_000)
	b.ReportAllocs()
	for b.Loop() {
		Ingress(ing, refs, Settings{Cluster: "c", Cloud: "default"})
	}
}

func BenchmarkService100Nodes(b *testing.B) {
	class := LoadBalancerClass
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web", UID: "u"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerClass: &class,
		Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}, {Port: 443, NodePort: 30443}}}}
	var refs References
	for i := range 100 {
		refs.Nodes = append(refs.Nodes, Node{Name: fmt.Sprintf("n%d", i), IPv4: fmt.Sprintf("10.0.0.%d", i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		Service(svc, refs, Settings{Cluster: "c", Cloud: "default"})
	}
}
