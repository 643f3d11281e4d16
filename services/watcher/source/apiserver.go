package source

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// APIServer watches the cluster that a kubeconfig file names; without one, the
// cluster that this process runs in. Secrets are read only if secrets says so.
func APIServer(kubeconfig string, secrets bool) (*Source, error) {
	load := rest.InClusterConfig
	if kubeconfig != "" {
		load = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", kubeconfig) }
	}
	cfg, err := load()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %q: %w: name a kubeconfig file, or run in a cluster with a service account", kubeconfig, err)
	}
	cfg.ContentType = runtime.ContentTypeProtobuf
	cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	cfg.UserAgent = "drawbridge-watcher"
	cfg.QPS, cfg.Burst = 50, 100
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %q: %w", kubeconfig, err)
	}
	var meta metadata.Interface
	if secrets {
		if meta, err = metadata.NewForConfig(cfg); err != nil {
			return nil, fmt.Errorf("kubeconfig %q: %w", kubeconfig, err)
		}
	}
	return Client(client, meta)
}

// Client watches the cluster of a client. Secrets are read only if there is one
// for metadata.
func Client(client kubernetes.Interface, meta metadata.Interface) (*Source, error) {
	s, err := newSource(func(kind string, heard func(error)) cache.ListerWatcher {
		if kind == "Secret" {
			return secretLister(meta, heard)
		}
		return apiLister(client, kind, heard)
	}, &metav1.PartialObjectMetadata{})
	if err != nil {
		return nil, err
	}
	s.secret = func(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
		found, err := client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("secret %s/%s: %w", namespace, name, err)
		}
		return found, nil
	}
	s.Writer = &apiWriter{client: client, source: s}
	return s, nil
}

func apiLister(client kubernetes.Interface, kind string, heard func(error)) cache.ListerWatcher {
	lw := &cache.ListWatch{}
	switch core, net := client.CoreV1(), client.NetworkingV1(); kind {
	case "Service":
		fill(lw, heard, core.Services("").List, core.Services("").Watch)
	case "Ingress":
		fill(lw, heard, net.Ingresses("").List, net.Ingresses("").Watch)
	case "IngressClass":
		fill(lw, heard, net.IngressClasses().List, net.IngressClasses().Watch)
	case "Node":
		fill(lw, heard, core.Nodes().List, core.Nodes().Watch)
	case "Namespace":
		fill(lw, heard, core.Namespaces().List, core.Namespaces().Watch)
	case endpointSlice:
		slices := client.DiscoveryV1().EndpointSlices("")
		fill(lw, heard, slices.List, slices.Watch)
	}
	return cache.ToListWatcherWithWatchListSemantics(lw, client)
}

// secretLister lists and watches the metadata of those Secrets that may hold a
// certificate.
func secretLister(meta metadata.Interface, heard func(error)) cache.ListerWatcher {
	if meta == nil {
		return nil
	}
	lw := &cache.ListWatch{}
	secrets := meta.Resource(corev1.SchemeGroupVersion.WithResource("secrets"))
	// What a service account and Helm keep are of other types, and many.
	few := func(o metav1.ListOptions) metav1.ListOptions {
		o.FieldSelector = "type!=kubernetes.io/service-account-token,type!=helm.sh/release.v1"
		return o
	}
	fill(lw, heard, func(ctx context.Context, o metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
		return secrets.List(ctx, few(o))
	}, func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		return secrets.Watch(ctx, few(o))
	})
	return cache.ToListWatcherWithWatchListSemantics(lw, meta)
}

// fill has every answer heard, be it an error or not: client-go itself keeps
// quiet about a server that refuses the connection.
func fill[L runtime.Object](lw *cache.ListWatch, heard func(error), list func(context.Context, metav1.ListOptions) (L, error), watcher func(context.Context, metav1.ListOptions) (watch.Interface, error)) {
	lw.ListWithContextFunc = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		l, err := list(ctx, o)
		heard(err)
		return l, err
	}
	lw.WatchFuncWithContext = func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		w, err := watcher(ctx, o)
		heard(err)
		return w, err
	}
}
