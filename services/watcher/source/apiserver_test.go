package source

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// emptyCluster answers lists with nothing and keeps watches open, while it is up.
type emptyCluster struct {
	down  atomic.Bool
	lists map[string]string // by the last element of the path: the kind of the list
}

func (c *emptyCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	list := c.lists[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]]
	version := "v1"
	if strings.HasPrefix(r.URL.Path, "/apis/networking.k8s.io/") {
		version = "networking.k8s.io/v1"
	}
	q := r.URL.Query()
	switch {
	case c.down.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	case q.Get("watch") == "":
		_, _ = io.WriteString(w, `{"kind":"`+list+`","apiVersion":"`+version+`","metadata":{"resourceVersion":"1"},"items":[]}`)
	case q.Get("sendInitialEvents") != "": // as an API server that does not know it
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422,"message":"sendInitialEvents is forbidden"}`)
	default:
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

// A cluster that goes away after everything was read is reported until it is heard again.
func TestAPIServerThatGoesAway(t *testing.T) {
	cluster := &emptyCluster{lists: map[string]string{"services": "ServiceList", "ingresses": "IngressList",
		"ingressclasses": "IngressClassList", "nodes": "NodeList", "namespaces": "NamespaceList"}}
	cluster.down.Store(true)
	server := httptest.NewServer(cluster)
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Client(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx, zerolog.Nop()) }()
	defer func() { cancel(); <-done }()

	every := func(kinds ...string) func() bool {
		return func() bool {
			err := s.Err()
			for _, k := range kinds {
				if err == nil || !strings.Contains(err.Error(), k+": ") {
					return false
				}
			}
			return err != nil || len(kinds) == 0
		}
	}
	until(t, "every kind is reported before it is read", every("Ingress", "IngressClass", "Namespace", "Node", "Service"))
	if s.Synced() {
		t.Error("nothing was read, and it counts as synced")
	}
	cluster.down.Store(false)
	until(t, "everything is read", func() bool { return s.Synced() && s.Err() == nil })
	cluster.down.Store(true)
	server.CloseClientConnections()
	until(t, "every kind is reported after it was read", every("Ingress", "IngressClass", "Namespace", "Node", "Service"))
	cluster.down.Store(false)
	until(t, "everything is heard again", every())
	if !s.Synced() {
		t.Error("it is synced no more")
	}
}
