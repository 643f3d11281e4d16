package source

import (
	"maps"
	"slices"
	"unique"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
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
	case *discoveryv1.EndpointSlice:
		trimSlice(o)
	case *corev1.Secret:
		o.ObjectMeta, o.Type = shell(&o.ObjectMeta), ""
		o.Data, o.StringData, o.Immutable = nil, nil, nil
	case *metav1.PartialObjectMetadata:
		o.ObjectMeta = shell(&o.ObjectMeta)
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
		SessionAffinity: s.SessionAffinity, SessionAffinityConfig: s.SessionAffinityConfig,
		ExternalTrafficPolicy: s.ExternalTrafficPolicy, HealthCheckNodePort: s.HealthCheckNodePort,
		AllocateLoadBalancerNodePorts: s.AllocateLoadBalancerNodePorts}
	o.Status.Conditions = slices.DeleteFunc(o.Status.Conditions, func(c metav1.Condition) bool { return c.Type != ConditionExposed })
}

// shell is what says of which version an object is.
func shell(m *metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion}
}

// trimSlice leaves what says where the pods of a Service are. What all of them
// say alike is held once.
func trimSlice(o *discoveryv1.EndpointSlice) {
	service := o.Labels[discoveryv1.LabelServiceName]
	o.ObjectMeta = shell(&o.ObjectMeta)
	if service != "" {
		o.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	}
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		c := e.Conditions
		small := discoveryv1.Endpoint{Addresses: e.Addresses, Conditions: discoveryv1.EndpointConditions{
			Ready: shared(c.Ready), Serving: shared(c.Serving), Terminating: shared(c.Terminating)}}
		if e.NodeName != nil {
			name := unique.Make(*e.NodeName).Value()
			small.NodeName = &name
		}
		if e.TargetRef != nil {
			small.TargetRef = &corev1.ObjectReference{Name: e.TargetRef.Name}
		}
		*e = small
	}
}

var yes, no = true, false

func shared(b *bool) *bool {
	switch {
	case b == nil:
		return nil
	case *b:
		return &yes
	}
	return &no
}

// trimNode keeps the labels, which a node-selector may name.
func trimNode(o *corev1.Node) {
	o.Spec = corev1.NodeSpec{Taints: o.Spec.Taints, Unschedulable: o.Spec.Unschedulable}
	var conditions []corev1.NodeCondition
	for _, c := range o.Status.Conditions {
		if c.Type == corev1.NodeReady {
			conditions = append(conditions, corev1.NodeCondition{Type: c.Type, Status: c.Status})
		}
	}
	o.Status = corev1.NodeStatus{Addresses: o.Status.Addresses, Conditions: conditions}
}
