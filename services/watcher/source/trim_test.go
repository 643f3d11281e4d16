package source

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"drawbridge.dev/services/watcher/translate"
)

// realistic is what a cluster's object carries besides what is needed.
func realistic(i int) metav1.ObjectMeta {
	name := fmt.Sprintf("app-%d", i)
	return metav1.ObjectMeta{Name: name, Namespace: "ns", UID: types.UID(fmt.Sprintf("%036d", i)), ResourceVersion: fmt.Sprint(i), Generation: 3,
		Labels:      map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm"},
		Finalizers:  []string{"service.kubernetes.io/load-balancer-cleanup"},
		Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": fmt.Sprintf(`{"apiVersion":"v1","kind":"Service","metadata":{"annotations":{},"name":"%s","namespace":"ns"},"spec":{"ports":[{"name":"http","port":80,"targetPort":8080}],"selector":{"app":"%s"},"type":"LoadBalancer"}}`, name, name), "meta.helm.sh/release-name": name, "drawbridge.dev/internal": "true"},
		ManagedFields: []metav1.ManagedFieldsEntry{
			{Manager: "helm", Operation: "Update", APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fmt.Sprintf(`{"f:metadata":{"f:annotations":{".":{},"f:meta.helm.sh/release-name":{}},"f:labels":{".":{},"f:app.kubernetes.io/name":{}}},"f:spec":{"f:allocateLoadBalancerNodePorts":{},"f:externalTrafficPolicy":{},"f:internalTrafficPolicy":{},"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{},"f:targetPort":{}}},"f:selector":{},"f:sessionAffinity":{},"f:type":{}}}%d`, i))},
			{Manager: "controller", Operation: "Update", APIVersion: "v1", Subresource: "status", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fmt.Sprintf(`{"f:metadata":{"f:finalizers":{".":{},"v:\"service.kubernetes.io/load-balancer-cleanup\"":{}}},"f:status":{"f:loadBalancer":{"f:ingress":{}}}}%d`, i))}}}
}

func realisticService(i int) *corev1.Service {
	class := translate.LoadBalancerClass
	yes := true
	policy := corev1.IPFamilyPolicySingleStack
	return &corev1.Service{ObjectMeta: realistic(i), Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerClass: &class,
		Selector: map[string]string{"app.kubernetes.io/name": fmt.Sprintf("app-%d", i)}, ClusterIP: "10.96.0.1", ClusterIPs: []string{"10.96.0.1"},
		IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}, IPFamilyPolicy: &policy, AllocateLoadBalancerNodePorts: &yes,
		Ports: []corev1.ServicePort{{Name: "http", Protocol: "TCP", Port: 80, NodePort: int32(30000 + i%2000)}, {Name: "https", Protocol: "TCP", Port: 443, NodePort: int32(32000 + i%700)}}},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}}}}
}

func realisticIngress(i int) *networkingv1.Ingress {
	class, prefix := translate.IngressClass, networkingv1.PathTypePrefix
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: fmt.Sprintf("app-%d", i), Port: networkingv1.ServiceBackendPort{Number: 80}}}
	return &networkingv1.Ingress{ObjectMeta: realistic(i), Spec: networkingv1.IngressSpec{IngressClassName: &class, Rules: []networkingv1.IngressRule{{Host: fmt.Sprintf("app-%d.example.org", i),
		IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: backend}}}}}}}}
}

func realisticNode(i int) *corev1.Node {
	n := &corev1.Node{ObjectMeta: realistic(i), Spec: corev1.NodeSpec{ProviderID: "openstack:///x", PodCIDR: "10.0.0.0/24"}, Status: corev1.NodeStatus{
		Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)}, {Type: corev1.NodeHostName, Address: fmt.Sprintf("node-%d", i)}},
		Conditions: []corev1.NodeCondition{{Type: "MemoryPressure", Status: "False", Reason: "KubeletHasSufficientMemory"}, {Type: "Ready", Status: "True", Reason: "KubeletReady", Message: "kubelet is posting ready status"}},
		NodeInfo:   corev1.NodeSystemInfo{MachineID: fmt.Sprint(i), KernelVersion: "6.1"}}}
	for j := range 50 {
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{fmt.Sprintf("registry.example.org/team/app-%d@sha256:%064d", j, i), fmt.Sprintf("registry.example.org/team/app-%d:v1", j)}, SizeBytes: 1 << 20})
	}
	return n
}

// Trimming must never change a translation.
func TestTrimKeepsWhatTranslationNeeds(t *testing.T) {
	svc, ing := realisticService(1), realisticIngress(1)
	svc.Spec.LoadBalancerSourceRanges = []string{"10.0.0.0/8"}
	svc.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	svc.Spec.LoadBalancerIP = "192.0.2.9"
	nodes := []*corev1.Node{realisticNode(1), realisticNode(2)}
	nodes[1].Labels[corev1.LabelNodeExcludeBalancers] = ""
	class := &networkingv1.IngressClass{ObjectMeta: realistic(7), Spec: networkingv1.IngressClassSpec{Controller: translate.IngressController}}
	class.Name = translate.IngressClass
	all := func() []translate.Result {
		refs := translate.References{Nodes: translate.Nodes(nodes), Services: map[string]*corev1.Service{svc.Name: svc}, IngressClasses: []*networkingv1.IngressClass{class}}
		s := translate.Settings{Cluster: "c", Cloud: "default"}
		return []translate.Result{translate.Service(svc, refs, s), translate.Ingress(ing, refs, s)}
	}
	whole := all()
	for _, o := range []any{svc, ing, nodes[0], nodes[1], class} {
		if _, err := Trim(o); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(whole, all()); d != "" {
		t.Errorf("trimming changed the wish:\n%s", d)
	}
	if svc.ManagedFields != nil || len(svc.Annotations) != 1 || svc.Spec.Selector != nil || len(nodes[0].Status.Images) != 0 || len(nodes[1].Labels) != 3 {
		t.Error("something that is not needed was kept")
	}
}

// BenchmarkHeld reports what 10,000 objects of each kind hold on the heap.
func BenchmarkHeld(b *testing.B) {
	for _, kind := range []struct {
		name string
		make func(int) any
	}{
		{"services", func(i int) any { return realisticService(i) }},
		{"ingresses", func(i int) any { return realisticIngress(i) }},
		{"nodes", func(i int) any { return realisticNode(i) }},
		{"endpointslices of 10 pods", func(i int) any { return realisticSlice(i) }},
	} {
		for _, trim := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/trimmed=%v", kind.name, trim), func(b *testing.B) {
				const n = 10_000
				var held uint64
				for b.Loop() {
					before := heap()
					objects := make([]any, n)
					for i := range objects {
						objects[i] = kind.make(i)
						if trim {
							objects[i], _ = Trim(objects[i])
						}
					}
					held = heap() - before
					runtime.KeepAlive(objects)
				}
				b.ReportMetric(float64(held)/n, "heldB/object")
				b.ReportMetric(float64(held), "heldB/10k")
			})
		}
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
