// Package source is where the watcher's objects come from: an API server, or a
// folder of manifests. Both feed the same informers.
//
// What an informer holds is trimmed to what translation needs, see [Trim]; the
// package watcher has the measured numbers. EndpointSlices of an API server are
// watched from the first call of [Source.NeedEndpoints] on. Of Secrets only the
// metadata are watched and held; [Source.Secret] fetches one with what is in it.
package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/go-logr/logr/funcr"
	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"drawbridge.dev/services/watcher/translate"
)

// Indexes of the informers.
const (
	ByNamespace = cache.NamespaceIndex // Services, Ingresses
	ByService   = "service"            // Ingresses by namespace/name of a Service that they refer to, EndpointSlices by that of theirs
)

// Source is the objects of one cluster.
type Source struct {
	Services, Ingresses, IngressClasses, Nodes, Namespaces cache.SharedIndexInformer
	EndpointSlices                                         cache.SharedIndexInformer
	// Secrets hold metadata only, as *metav1.PartialObjectMetadata of an API server,
	// as *corev1.Secret without data of a folder; nil: they are not read.
	Secrets cache.SharedIndexInformer
	// Writer tells the cluster's users what became of their objects.
	Writer Writer
	kinds  map[string]cache.SharedIndexInformer
	feed   func(ctx context.Context) // what the informers list and watch, if it must run itself
	gaps   func() error
	said   func(kind string) last // what was said last of a kind; nil: the source does not know
	secret func(ctx context.Context, namespace, name string) (*corev1.Secret, error)
	needed chan struct{} // closed when EndpointSlices are needed
	once   sync.Once

	mu   sync.Mutex
	errs map[string]error // of kinds that were not heard at the last attempt
}

// listers makes what an informer of one kind lists and watches. It tells heard
// how every attempt ended. nil: the kind is not read.
type listers func(kind string, heard func(error)) cache.ListerWatcher

// kindOf is one kind of objects that a source has.
type kindOf struct {
	kind    string
	example runtime.Object
	into    *cache.SharedIndexInformer
	indexes cache.Indexers
}

// newSource makes the informers. secret is an example of what Secrets are listed as.
func newSource(from listers, secret runtime.Object) (*Source, error) {
	s := &Source{errs: map[string]error{}, kinds: map[string]cache.SharedIndexInformer{}, needed: make(chan struct{})}
	namespaced := cache.Indexers{ByNamespace: cache.MetaNamespaceIndexFunc}
	for _, k := range []kindOf{
		{"Service", &corev1.Service{}, &s.Services, namespaced},
		{"Ingress", &networkingv1.Ingress{}, &s.Ingresses, cache.Indexers{ByNamespace: cache.MetaNamespaceIndexFunc, ByService: byService}},
		{"IngressClass", &networkingv1.IngressClass{}, &s.IngressClasses, nil},
		{"Node", &corev1.Node{}, &s.Nodes, nil},
		{"Namespace", &corev1.Namespace{}, &s.Namespaces, nil},
		{endpointSlice, &discoveryv1.EndpointSlice{}, &s.EndpointSlices, cache.Indexers{ByService: sliceService}},
		{"Secret", secret, &s.Secrets, nil},
	} {
		lister := from(k.kind, func(err error) { s.heard(k.kind, err) })
		if lister == nil {
			continue
		}
		informer := cache.NewSharedIndexInformer(lister, k.example, 0, k.indexes)
		if err := informer.SetTransform(Trim); err != nil {
			return nil, fmt.Errorf("informer of %s: %w", k.kind, err)
		}
		if err := informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
			zerolog.Ctx(ctx).Warn().Err(err).Str("kind", k.kind).Msg("cannot list or watch: trying again; nothing is taken for deleted")
		}); err != nil {
			return nil, fmt.Errorf("informer of %s: %w", k.kind, err)
		}
		*k.into, s.kinds[k.kind] = informer, informer
	}
	return s, nil
}

func byService(obj any) ([]string, error) {
	ing, ok := obj.(*networkingv1.Ingress)
	if !ok {
		return nil, fmt.Errorf("index of Ingresses: %T is none", obj)
	}
	names := translate.ServiceNames(ing)
	for i, n := range names {
		names[i] = ing.Namespace + "/" + n
	}
	return names, nil
}

const endpointSlice = "EndpointSlice"

func sliceService(obj any) ([]string, error) {
	s, ok := obj.(*discoveryv1.EndpointSlice)
	if !ok {
		return nil, fmt.Errorf("index of EndpointSlices: %T is none", obj)
	}
	if name := s.Labels[discoveryv1.LabelServiceName]; name != "" {
		return []string{s.Namespace + "/" + name}, nil
	}
	return nil, nil
}

// NeedEndpoints says that EndpointSlices are needed, and whether all that stood
// have been seen. Nothing can be told of the pods of a Service before.
func (s *Source) NeedEndpoints() bool {
	s.once.Do(func() { close(s.needed) })
	return s.EndpointSlices.HasSynced()
}

// Secret fetches a Secret with a certificate and its key: one of type
// kubernetes.io/tls, or an Opaque one that has both tls.crt and tls.key, with
// nothing else in it. nil: there is none, or it holds something else. An error
// says nothing about the Secret.
func (s *Source) Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	if s.Secrets == nil {
		return nil, nil
	}
	found, err := s.secret(ctx, namespace, name)
	if err != nil || found == nil {
		return nil, err
	}
	return Certified(found), nil
}

// SecretVersion is the resource version of a Secret that may hold a certificate;
// empty: there is none.
func (s *Source) SecretVersion(namespace, name string) string {
	if s.Secrets == nil {
		return ""
	}
	o, there, err := s.Secrets.GetStore().GetByKey(namespace + "/" + name)
	if m, ok := o.(metav1.Object); err == nil && there && ok {
		return m.GetResourceVersion()
	}
	return ""
}

// Certified is a Secret with nothing but a certificate and its key; nil: it
// holds something else.
func Certified(found *corev1.Secret) *corev1.Secret {
	cert, key := found.Data[corev1.TLSCertKey], found.Data[corev1.TLSPrivateKeyKey]
	if found.Type != corev1.SecretTypeTLS && (found.Type != corev1.SecretTypeOpaque || cert == nil || key == nil) {
		return nil
	}
	out := &corev1.Secret{ObjectMeta: found.ObjectMeta, Type: found.Type, Data: map[string][]byte{corev1.TLSCertKey: cert, corev1.TLSPrivateKeyKey: key}}
	trimMeta(&out.ObjectMeta)
	return out
}

// Run feeds the informers until ctx ends, and returns when all have stopped.
func (s *Source) Run(ctx context.Context, log zerolog.Logger) {
	log = log.With().Str("component", "source").Logger()
	var wg sync.WaitGroup
	if s.feed != nil {
		wg.Go(func() { s.feed(ctx) })
	}
	// What client-go has to say goes where everything goes.
	detail := funcr.New(func(prefix, args string) { log.Debug().Str("logger", prefix).Msg(args) }, funcr.Options{})
	inner := klog.NewContext(log.WithContext(ctx), detail)
	for kind, informer := range s.kinds {
		wg.Go(func() {
			if kind == endpointSlice {
				select {
				case <-s.needed:
				case <-ctx.Done():
					return
				}
			}
			informer.RunWithContext(inner)
		})
	}
	wg.Wait()
}

// Synced says whether everything that stood at the start has been seen, but for
// EndpointSlices, see [Source.NeedEndpoints].
func (s *Source) Synced() bool {
	for kind, informer := range s.kinds {
		if kind != endpointSlice && !informer.HasSynced() {
			return false
		}
	}
	return true
}

// Err says which kinds could not be listed or watched at the last attempt:
// their changes are not heard.
func (s *Source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, kind := range slices.Sorted(maps.Keys(s.errs)) {
		errs = append(errs, fmt.Errorf("%s: %w", kind, s.errs[kind]))
	}
	return errors.Join(errs...)
}

// Gaps says what could not be read, so that an object that is not there may
// still exist. While it is not nil, absence means nothing.
func (s *Source) Gaps() error {
	if s.gaps == nil {
		return nil
	}
	return s.gaps()
}

// heard notes how the last attempt to list or watch a kind ended.
func (s *Source) heard(kind string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.errs, kind)
		return
	}
	s.errs[kind] = err
}

// last is the newest change of a kind.
type last struct {
	key     string // in the store; empty: there was none
	version string
	deleted bool
}

// Behind says whether a kind has not heard yet of what was read together with
// what others have: each kind hears for itself. An API server's source never says so.
func (s *Source) Behind() bool {
	if s.said == nil {
		return false
	}
	for kind, informer := range s.kinds {
		l := s.said(kind)
		if l.key == "" {
			continue
		}
		o, there, err := informer.GetStore().GetByKey(l.key)
		if err != nil || there == l.deleted {
			return true
		}
		if m, ok := o.(metav1.Object); there && (!ok || m.GetResourceVersion() != l.version) {
			return true
		}
	}
	return false
}
