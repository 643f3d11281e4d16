package translate

import (
	"cmp"

	networkingv1 "k8s.io/api/networking/v1"
)

// legacy says whether an Ingress is of the class of the octavia-ingress-controller,
// and so gets what that gave: internal, no monitor, no headers, every path a
// raw prefix, with TLS no port 80.
func legacy(ing *networkingv1.Ingress) bool {
	return ing.Spec.IngressClassName == nil && ing.Annotations[annotationIngressClass] == LegacyIngressClass
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
