package watcher

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"drawbridge.dev/events"
	"drawbridge.dev/services/watcher/source"
	"drawbridge.dev/services/watcher/translate"
)

// bySecret is the index of Services and Ingresses by namespace/name of a Secret
// that they name for TLS.
const bySecret = "secret"

// handler says what a change of a kind concerns.
type handler struct {
	informer cache.SharedIndexInformer
	changed  func(before, after any) // before is nil for a new object, after for a deleted one
}

// handle says which keys a change of an object concerns.
func (w *watcher) handle() error {
	handlers := []handler{
		{w.source.Services, func(before, after any) { changed(before, after, w.serviceChanged) }},
		{w.source.Ingresses, func(before, after any) { changed(before, after, w.ingressChanged) }},
		{w.source.Namespaces, func(before, after any) { changed(before, after, w.namespaceChanged) }},
		{w.source.IngressClasses, func(_, _ any) { w.ask(events.KindIngress, w.source.Ingresses.GetStore().ListKeys()) }},
		{w.source.Nodes, func(before, after any) { changed(before, after, w.nodeChanged) }},
		{w.source.EndpointSlices, func(before, after any) { changed(before, after, w.endpointsChanged) }},
	}
	if w.source.Secrets != nil {
		handlers = append(handlers, handler{w.source.Secrets, w.secretChanged})
	}
	if err := w.index(); err != nil {
		return err
	}
	for _, h := range handlers {
		_, err := h.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { h.changed(nil, o) },
			UpdateFunc: func(before, after any) { h.changed(before, after) },
			DeleteFunc: func(o any) {
				if d, late := o.(cache.DeletedFinalStateUnknown); late {
					o = d.Obj
				}
				h.changed(o, nil)
			},
		})
		if err != nil {
			return fmt.Errorf("watch objects: %w", err)
		}
	}
	return nil
}

// index makes the index of Secrets.
func (w *watcher) index() error {
	err := errors.Join(
		w.source.Services.AddIndexers(cache.Indexers{bySecret: func(o any) ([]string, error) {
			if svc, ok := o.(*corev1.Service); ok {
				return slices.Sorted(maps.Values(translate.ServiceSecrets(svc))), nil
			}
			return nil, nil
		}}),
		w.source.Ingresses.AddIndexers(cache.Indexers{bySecret: func(o any) ([]string, error) {
			if ing, ok := o.(*networkingv1.Ingress); ok {
				return slices.Sorted(maps.Values(translate.IngressSecrets(ing, w.settings))), nil
			}
			return nil, nil
		}}))
	if err != nil {
		return fmt.Errorf("index objects by Secret: %w", err)
	}
	return nil
}

// secretChanged has those look again that name the Secret.
func (w *watcher) secretChanged(before, after any) {
	o, ok := after.(metav1.Object)
	if !ok {
		if o, ok = before.(metav1.Object); !ok {
			return
		}
	}
	for kind, informer := range map[string]cache.SharedIndexInformer{events.KindService: w.source.Services, events.KindIngress: w.source.Ingresses} {
		if keys, err := informer.GetIndexer().IndexKeys(bySecret, o.GetNamespace()+"/"+o.GetName()); err == nil { // the index is there
			w.ask(kind, keys)
		}
	}
}

// changed gives both states their type; nil stays nil.
func changed[T any](before, after any, f func(before, after *T)) {
	b, _ := before.(*T)
	a, _ := after.(*T)
	f(b, a)
}

func (w *watcher) serviceChanged(before, after *corev1.Service) {
	s := after
	if s == nil {
		s = before
	}
	key := s.Namespace + "/" + s.Name
	w.ask(events.KindService, []string{key})
	if before != nil && after != nil && reflect.DeepEqual(before.Spec, after.Spec) {
		return
	}
	if using, err := w.source.Ingresses.GetIndexer().IndexKeys(source.ByService, key); err == nil { // the index is there
		w.ask(events.KindIngress, using)
	}
	w.anew(events.KindService, key, before == nil)
}

func (w *watcher) ingressChanged(before, after *networkingv1.Ingress) {
	i := after
	if i == nil {
		i = before
	}
	w.ask(events.KindIngress, []string{i.Namespace + "/" + i.Name})
	w.anew(events.KindIngress, i.Namespace+"/"+i.Name, before == nil)
}

// anew looks at the status of an object that has come.
func (w *watcher) anew(kind, key string, added bool) {
	if k, ok := w.key(kind, key); ok && added {
		w.telling.Add(k)
	}
}

func (w *watcher) namespaceChanged(before, after *corev1.Namespace) {
	n := after
	if n == nil {
		n = before
	}
	if before != nil && after != nil && maps.Equal(before.Labels, after.Labels) {
		return
	}
	for kind, informer := range map[string]cache.SharedIndexInformer{events.KindService: w.source.Services, events.KindIngress: w.source.Ingresses} {
		if keys, err := informer.GetIndexer().IndexKeys(source.ByNamespace, n.Name); err == nil { // the index is there
			w.ask(kind, keys)
		}
	}
}

func (w *watcher) nodeChanged(before, after *corev1.Node) {
	state := func(n *corev1.Node) []translate.Node {
		if n == nil {
			return nil
		}
		return translate.Nodes([]*corev1.Node{n})
	}
	if !slices.EqualFunc(state(before), state(after), translate.Node.Equal) {
		w.window.open()
	}
}

// endpointsChanged has those look again that send to the pods of a Service, all
// changes within a window together.
func (w *watcher) endpointsChanged(before, after *discoveryv1.EndpointSlice) {
	s := after
	if s == nil {
		s = before
	}
	service := s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]
	keys := map[string][]string{events.KindService: {service}}
	if using, err := w.source.Ingresses.GetIndexer().IndexKeys(source.ByService, service); err == nil { // the index is there
		keys[events.KindIngress] = using
	}
	for kind, names := range keys {
		for _, n := range names {
			if k, ok := w.key(kind, n); ok && w.sendsToPods(k) {
				w.asked.AddAfter(k, w.config.NodeWindow)
			}
		}
	}
}

func (w *watcher) sendsToPods(k events.Key) bool {
	annotations, services := w.objects.exposed(k)
	return slices.ContainsFunc(services, func(svc *corev1.Service) bool { return translate.NeedsEndpoints(annotations, svc) })
}

// ask compares the wishes of objects, named namespace/name.
func (w *watcher) ask(kind string, names []string) {
	for _, n := range names {
		if k, ok := w.key(kind, n); ok {
			w.asked.Add(k)
		}
	}
}

func (w *watcher) key(kind, name string) (events.Key, bool) {
	namespace, n, err := cache.SplitMetaNamespaceKey(name)
	return events.Key{Cluster: w.config.Cluster, Kind: kind, Namespace: namespace, Name: n}, err == nil && namespace != ""
}

// keys are those of every Service and Ingress.
func (w *watcher) keys() (out []events.Key) {
	for kind, informer := range map[string]cache.SharedIndexInformer{events.KindService: w.source.Services, events.KindIngress: w.source.Ingresses} {
		for _, n := range informer.GetStore().ListKeys() {
			if k, ok := w.key(kind, n); ok {
				out = append(out, k)
			}
		}
	}
	return out
}
