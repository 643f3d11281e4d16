package translate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// What the API server lists comes in any order, and so do the members of a map.
func TestOrderNeverChangesTheDigest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t)
		classes := drawClasses(t)
		svc := drawService(t)
		ing := drawIngress(t)
		refs := References{Nodes: Nodes(nodes), IngressClasses: classes, Services: map[string]*corev1.Service{svc.Name: svc}}
		shuffled := refs
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
		svc.Annotations = rapid.MapOf(rapid.SampledFrom([]string{AnnotationInternal, AnnotationCloud, AnnotationFlavor, AnnotationAllowedSources, AnnotationHealthMonitor,
			annotationServiceInternal, annotationServiceSources, Prefix + "x"}), rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"true", "10.0.0.0/8", "x"}))).Draw(t, "annotations")
		before, beforeIngress := svc.DeepCopy(), ing.DeepCopy()
		refs := References{Nodes: Nodes(drawNodes(t)), Services: map[string]*corev1.Service{svc.Name: svc}}
		s := Settings{Cluster: "c", Cloud: "default"}
		for _, r := range []Result{Service(svc, refs, s), Ingress(ing, refs, s)} {
			if !r.Asks {
				t.Fatalf("%s does not ask", r.Key)
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
		svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: fmt.Sprintf("p%d", i), Port: int32(80 + i), NodePort: int32(30000 + i),
			Protocol: rapid.SampledFrom([]corev1.Protocol{"", "TCP", "UDP"}).Draw(t, "protocol")})
	}
	return svc
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
