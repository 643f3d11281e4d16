package source

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"drawbridge.dev/services/watcher/translate"
)

// ConditionExposed is the type of the condition on a Service that says whether
// what it asks for stands.
const ConditionExposed = "drawbridge.dev/Exposed"

// Trim drops from an object what neither translation nor the status needs. It
// changes the object, which the informer has not shown to anyone yet.
func Trim(obj any) (any, error) {
	switch o := obj.(type) {
	case *corev1.Service:
		trimMeta(&o.ObjectMeta)
		trimService(o)
	case *networkingv1.Ingress:
		trimMeta(&o.ObjectMeta)
	case *networkingv1.IngressClass:
		trimMeta(&o.ObjectMeta)
		o.Labels, o.Spec.Parameters = nil, nil
	case *corev1.Node:
		trimMeta(&o.ObjectMeta)
		trimNode(o)
	case *corev1.Namespace:
		trimMeta(&o.ObjectMeta)
		o.Spec, o.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
	}
	return obj, nil
}

func trimMeta(m *metav1.ObjectMeta) {
	m.ManagedFields, m.OwnerReferences, m.Finalizers = nil, nil, nil
	m.GenerateName, m.Generation = "", 0
	maps.DeleteFunc(m.Annotations, func(name, _ string) bool { return !translate.Understood(name) })
	if len(m.Annotations) == 0 {
		m.Annotations = nil
	}
}

func trimService(o *corev1.Service) {
	s := &o.Spec
	o.Spec = corev1.ServiceSpec{Type: s.Type, LoadBalancerClass: s.LoadBalancerClass, Ports: s.Ports, IPFamilies: s.IPFamilies,
		LoadBalancerIP: s.LoadBalancerIP, LoadBalancerSourceRanges: s.LoadBalancerSourceRanges,
		SessionAffinity: s.SessionAffinity, ExternalTrafficPolicy: s.ExternalTrafficPolicy}
	o.Status.Conditions = slices.DeleteFunc(o.Status.Conditions, func(c metav1.Condition) bool { return c.Type != ConditionExposed })
}

func trimNode(o *corev1.Node) {
	maps.DeleteFunc(o.Labels, func(name, _ string) bool { return name != corev1.LabelNodeExcludeBalancers })
	if len(o.Labels) == 0 {
		o.Labels = nil
	}
	o.Spec = corev1.NodeSpec{Taints: o.Spec.Taints}
	var conditions []corev1.NodeCondition
	for _, c := range o.Status.Conditions {
		if c.Type == corev1.NodeReady {
			conditions = append(conditions, corev1.NodeCondition{Type: c.Type, Status: c.Status})
		}
	}
	o.Status = corev1.NodeStatus{Addresses: o.Status.Addresses, Conditions: conditions}
}
