package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// wire speaks the part of the Kubernetes API that the watcher uses: list and
// watch of its kinds, patches of an Ingress status, new Events. It exists
// so that the moment at which a watch event leaves an API server is known.
type wire struct {
	*httptest.Server

	mu      sync.Mutex
	version int
	objects map[string]map[string]metav1.Object // by plural, by namespace/name
	streams map[string][]chan []byte            // by plural
}

// kinds of the API by their plural.
var kinds = map[string][2]string{
	"services": {"v1", "Service"}, "nodes": {"v1", "Node"}, "namespaces": {"v1", "Namespace"},
	"ingresses": {"networking.k8s.io/v1", "Ingress"}, "ingressclasses": {"networking.k8s.io/v1", "IngressClass"},
	"secrets": {"meta.k8s.io/v1", "PartialObjectMetadata"}, // of which the watcher asks for the metadata
}

func newWire(t testing.TB) *wire {
	t.Helper()
	w := &wire{version: 1, objects: map[string]map[string]metav1.Object{}, streams: map[string][]chan []byte{}}
	for plural := range kinds {
		w.objects[plural] = map[string]metav1.Object{}
	}
	w.Server = httptest.NewServer(w)
	t.Cleanup(func() {
		w.CloseClientConnections()
		w.Close()
	})
	return w
}

// kubeconfig is a file that names the server.
func (w *wire) kubeconfig(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": [{"name": "c", "cluster": {"server": %q}}], "users": [{"name": "c", "user": {}}],
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}`, w.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// apply stores objects and tells who watches.
func (w *wire) apply(t testing.TB, objects ...metav1.Object) {
	t.Helper()
	for _, o := range objects {
		if err := w.store(o); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *wire) store(o metav1.Object) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	plural, key := pluralOf(o), o.GetNamespace()+"/"+o.GetName()
	event := "ADDED"
	if w.objects[plural][key] != nil {
		event = "MODIFIED"
	}
	w.objects[plural][key] = o
	return w.tell(plural, event, o)
}

func (w *wire) remove(t testing.TB, o metav1.Object) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.objects[pluralOf(o)], o.GetNamespace()+"/"+o.GetName())
	if err := w.tell(pluralOf(o), "DELETED", o); err != nil {
		t.Fatal(err)
	}
}

// tell sends one watch event; w.mu is held.
func (w *wire) tell(plural, event string, o metav1.Object) error {
	w.version++
	o.SetResourceVersion(fmt.Sprint(w.version))
	line, err := json.Marshal(map[string]any{"type": event, "object": o})
	for _, s := range w.streams[plural] {
		s <- append(line, '\n')
	}
	return err
}

func pluralOf(o metav1.Object) string {
	switch o := o.(type) {
	case *corev1.Service:
		o.APIVersion, o.Kind = kinds["services"][0], kinds["services"][1]
		return "services"
	case *corev1.Node:
		o.APIVersion, o.Kind = kinds["nodes"][0], kinds["nodes"][1]
		return "nodes"
	case *corev1.Namespace:
		o.APIVersion, o.Kind = kinds["namespaces"][0], kinds["namespaces"][1]
		return "namespaces"
	case *networkingv1.Ingress:
		o.APIVersion, o.Kind = kinds["ingresses"][0], kinds["ingresses"][1]
		return "ingresses"
	}
	panic(fmt.Sprintf("%T is of no kind of this API", o))
}

// ServeHTTP implements [http.Handler].
func (w *wire) ServeHTTP(out http.ResponseWriter, req *http.Request) {
	out.Header().Set("Content-Type", "application/json")
	path := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	plural := path[len(path)-1]
	switch {
	case req.Method == http.MethodGet && kinds[plural][0] != "" && req.URL.Query().Get("watch") != "":
		w.watch(out, req, plural)
	case req.Method == http.MethodGet && kinds[plural][0] != "":
		w.mu.Lock()
		defer w.mu.Unlock()
		items := []metav1.Object{}
		for _, o := range w.objects[plural] {
			items = append(items, o)
		}
		w.answer(out, http.StatusOK, map[string]any{"apiVersion": kinds[plural][0], "kind": kinds[plural][1] + "List",
			"metadata": map[string]any{"resourceVersion": fmt.Sprint(w.version)}, "items": items})
	case req.Method == http.MethodPatch && plural == "status":
		w.patch(out, req, path[len(path)-4]+"/"+path[len(path)-2])
	case req.Method == http.MethodPost && plural == "events":
		out.WriteHeader(http.StatusCreated)
		_, _ = io.Copy(out, req.Body)
	default:
		w.answer(out, http.StatusNotFound, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
			Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: req.Method + " " + req.URL.Path})
	}
}

func (w *wire) answer(out http.ResponseWriter, status int, body any) {
	out.WriteHeader(status)
	_ = json.NewEncoder(out).Encode(body) // a client that went away does not matter
}

// patch merges the status of an Ingress.
func (w *wire) patch(out http.ResponseWriter, req *http.Request, key string) {
	w.mu.Lock()
	ing, ok := w.objects["ingresses"][key].(*networkingv1.Ingress)
	w.mu.Unlock()
	if !ok {
		w.answer(out, http.StatusNotFound, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
			Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound})
		return
	}
	var change struct{ Status networkingv1.IngressStatus }
	if err := json.NewDecoder(req.Body).Decode(&change); err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	ing = ing.DeepCopy()
	ing.Status = change.Status
	if err := w.store(ing); err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	w.answer(out, http.StatusOK, ing)
}

// watch sends what stands, if that is asked for, then every change.
func (w *wire) watch(out http.ResponseWriter, req *http.Request, plural string) {
	stream := make(chan []byte, 1000)
	w.mu.Lock()
	if req.URL.Query().Get("sendInitialEvents") == "true" {
		for _, o := range w.objects[plural] {
			line, err := json.Marshal(map[string]any{"type": "ADDED", "object": o})
			if err != nil {
				panic(err) // API objects can be marshalled
			}
			stream <- append(line, '\n')
		}
		stream <- fmt.Appendf(nil, `{"type": "BOOKMARK", "object": {"apiVersion": %q, "kind": %q, "metadata": {"resourceVersion": "%d", "annotations": {%q: "true"}}}}`+"\n",
			kinds[plural][0], kinds[plural][1], w.version, metav1.InitialEventsAnnotationKey)
	}
	w.streams[plural] = append(w.streams[plural], stream)
	w.mu.Unlock()
	flush := http.NewResponseController(out)
	_ = flush.Flush()
	for {
		select {
		case line := <-stream:
			_, _ = out.Write(line)
			_ = flush.Flush()
		case <-req.Context().Done():
			return
		}
	}
}
