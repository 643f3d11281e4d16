package source

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// APIServer watches the cluster that a kubeconfig file names; without one, the
// cluster that this process runs in.
func APIServer(kubeconfig string) (*Source, error) {
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
	return Client(client)
}

// Client watches the cluster of a client.
func Client(client kubernetes.Interface) (*Source, error) {
	s, err := newSource(func(kind string, heard func(error)) cache.ListerWatcher { return apiLister(client, kind, heard) })
	if err != nil {
		return nil, err
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
	}
	return cache.ToListWatcherWithWatchListSemantics(lw, client)
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
