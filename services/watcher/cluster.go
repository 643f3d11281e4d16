package watcher

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"drawbridge.dev/events"
	"drawbridge.dev/services/watcher/source"
	"drawbridge.dev/services/watcher/translate"
)

// objects finds what a translation needs. The functions give nil for what is not there.
type objects struct {
	service   func(namespace, name string) *corev1.Service
	ingress   func(namespace, name string) *networkingv1.Ingress
	namespace func(name string) *corev1.Namespace
	classes   func() []*networkingv1.IngressClass
	nodes     func() []translate.Node
	// endpoints are the EndpointSlices of a Service; false: they are not known yet.
	endpoints func(namespace, service string) ([]*discoveryv1.EndpointSlice, bool)
	// pairs are what Secrets hold, by the names that the object has for them.
	pairs func(names map[string]string) map[string]translate.Pair
	// standing are the certificates that the last wish of an object names.
	standing func(k events.Key, uid string) []events.Certificate
}

// exposed are the Services behind the object of a key, and its annotations.
func (o objects) exposed(k events.Key) (annotations map[string]string, services []*corev1.Service) {
	switch k.Kind {
	case events.KindService:
		if svc := o.service(k.Namespace, k.Name); svc != nil {
			return svc.Annotations, []*corev1.Service{svc}
		}
	case events.KindIngress:
		if ing := o.ingress(k.Namespace, k.Name); ing != nil {
			for _, name := range translate.ServiceNames(ing) {
				if svc := o.service(k.Namespace, name); svc != nil {
					services = append(services, svc)
				}
			}
			return ing.Annotations, services
		}
	}
	return nil, nil
}

// slices are the EndpointSlices that the object of a key needs, by Service; false:
// they are not known yet, and nothing may be told of the object.
func (o objects) slices(k events.Key) (map[string][]*discoveryv1.EndpointSlice, bool) {
	var out map[string][]*discoveryv1.EndpointSlice
	annotations, services := o.exposed(k)
	for _, svc := range services {
		if !translate.NeedsEndpoints(annotations, svc) {
			continue
		}
		found, known := o.endpoints(svc.Namespace, svc.Name)
		if !known {
			return nil, false
		}
		if out == nil {
			out = map[string][]*discoveryv1.EndpointSlice{}
		}
		out[svc.Name] = found
	}
	return out, true
}

// secrets are the Secrets that the object of a key names, as namespace/name, by
// its name for each.
func (o objects) secrets(k events.Key, s translate.Settings) map[string]string {
	switch k.Kind {
	case events.KindService:
		if svc := o.service(k.Namespace, k.Name); svc != nil {
			return translate.ServiceSecrets(svc)
		}
	case events.KindIngress:
		if ing := o.ingress(k.Namespace, k.Name); ing != nil {
			return translate.IngressSecrets(ing, s)
		}
	}
	return nil
}

// certificates are what the object of a key can be given.
func (o objects) certificates(k events.Key, uid types.UID, s translate.Settings) translate.Secrets {
	names := o.secrets(k, s)
	if len(names) == 0 {
		return translate.Secrets{}
	}
	return translate.Secrets{Pairs: o.pairs(names), Standing: o.standing(k, string(uid)), Now: time.Now()}
}

// presence is how the addresses of the object of a key are told.
func (o objects) presence(k events.Key, s translate.Settings) translate.Presence {
	if svc := o.service(k.Namespace, k.Name); k.Kind == events.KindService && svc != nil {
		return translate.ServicePresence(svc, s)
	}
	if ing := o.ingress(k.Namespace, k.Name); k.Kind == events.KindIngress && ing != nil {
		return translate.IngressPresence(ing.Annotations)
	}
	return translate.Presence{}
}

// translate is what the object of a key asks for; false: there is none.
func (o objects) translate(k events.Key, s translate.Settings) (translate.Result, bool) {
	refs := translate.References{Nodes: o.nodes()}
	refs.Endpoints, _ = o.slices(k)
	if ns := o.namespace(k.Namespace); ns != nil {
		refs.NamespaceLabels = ns.Labels
	}
	switch k.Kind {
	case events.KindService:
		if svc := o.service(k.Namespace, k.Name); svc != nil {
			refs.Secrets = o.certificates(k, svc.UID, s)
			return translate.Service(svc, refs, s), true
		}
	case events.KindIngress:
		if ing := o.ingress(k.Namespace, k.Name); ing != nil {
			refs.Secrets = o.certificates(k, ing.UID, s)
			refs.IngressClasses = o.classes()
			refs.Services = map[string]*corev1.Service{}
			for _, name := range translate.ServiceNames(ing) {
				if svc := o.service(k.Namespace, name); svc != nil {
					refs.Services[name] = svc
				}
			}
			return translate.Ingress(ing, refs, s), true
		}
	}
	return translate.Result{Key: k}, false
}

// informed are the objects that the informers of a source hold.
func informed(s *source.Source, nodes func() []translate.Node) objects {
	return objects{
		service: func(namespace, name string) *corev1.Service {
			return get[corev1.Service](s.Services.GetStore(), namespace+"/"+name)
		},
		ingress: func(namespace, name string) *networkingv1.Ingress {
			return get[networkingv1.Ingress](s.Ingresses.GetStore(), namespace+"/"+name)
		},
		namespace: func(name string) *corev1.Namespace { return get[corev1.Namespace](s.Namespaces.GetStore(), name) },
		classes: func() []*networkingv1.IngressClass {
			return list[networkingv1.IngressClass](s.IngressClasses.GetStore())
		},
		nodes: nodes,
		endpoints: func(namespace, service string) ([]*discoveryv1.EndpointSlice, bool) {
			if !s.NeedEndpoints() {
				return nil, false
			}
			found, err := s.EndpointSlices.GetIndexer().ByIndex(source.ByService, namespace+"/"+service)
			if err != nil { // there is the index
				return nil, false
			}
			return typed[discoveryv1.EndpointSlice](found), true
		},
	}
}

// store is the part of an informer's store that is read.
type store interface {
	GetByKey(key string) (item any, exists bool, err error)
	List() []any
}

func get[T any](s store, key string) *T {
	o, there, err := s.GetByKey(key)
	if err != nil || !there { // the error is that of stores that read from elsewhere
		return nil
	}
	v, _ := o.(*T)
	return v
}

func list[T any](s store) []*T { return typed[T](s.List()) }

func typed[T any](objects []any) []*T {
	var out []*T
	for _, o := range objects {
		if v, ok := o.(*T); ok {
			out = append(out, v)
		}
	}
	return out
}
