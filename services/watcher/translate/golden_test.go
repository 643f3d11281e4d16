package translate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"drawbridge.dev/events"
)

var update = flag.Bool("update", false, "write the golden files anew")

// objects are the parts of one golden case.
type objects struct {
	services   []*corev1.Service
	ingresses  []*networkingv1.Ingress
	classes    []*networkingv1.IngressClass
	nodes      []*corev1.Node
	namespaces map[string]map[string]string
	secrets    Secrets
	slices     []*discoveryv1.EndpointSlice
}

// goldenSecrets is what certificates are taken from, at noon of 2026-03-01.
type goldenSecrets struct {
	Pairs    map[string]goldenPair
	Standing map[string]goldenPair // by namespace/name
}

// goldenPair is valid from the beginning of January to the end of May, unless it says otherwise.
type goldenPair struct {
	Hosts               []string
	NotBefore, NotAfter string
	Fault               string
}

func (g goldenSecrets) known() Secrets {
	s := Secrets{Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Pairs: map[string]Pair{}}
	at := func(text, otherwise string) time.Time {
		when, err := time.Parse(time.DateOnly, cmp.Or(text, otherwise))
		if err != nil {
			panic(err)
		}
		return when
	}
	pair := func(name string, p goldenPair) Pair {
		if p.Fault != "" {
			return Pair{Fault: p.Fault}
		}
		end := at(p.NotAfter, "2026-06-01")
		return Pair{NotBefore: at(p.NotBefore, "2026-01-01"), NotAfter: end, Certificate: events.Certificate{
			Digest: events.Digest(name), Hosts: p.Hosts, NotAfter: end.Format(time.RFC3339)}}
	}
	for name, p := range g.Pairs {
		s.Pairs[name] = pair(name, p)
	}
	for _, name := range sortedKeys(g.Standing) {
		c := pair("standing "+name, g.Standing[name]).Certificate
		c.Secret = name
		s.Standing = append(s.Standing, c)
	}
	return s
}

func (o objects) references(namespace string) References {
	refs := References{Secrets: o.secrets, Nodes: Nodes(o.nodes), NamespaceLabels: o.namespaces[namespace], IngressClasses: o.classes, Services: map[string]*corev1.Service{}}
	for _, s := range o.services {
		if s.Namespace == namespace {
			refs.Services[s.Name] = s
		}
	}
	refs.Endpoints = map[string][]*discoveryv1.EndpointSlice{}
	for _, s := range o.slices {
		if name := s.Labels[discoveryv1.LabelServiceName]; s.Namespace == namespace {
			refs.Endpoints[name] = append(refs.Endpoints[name], s)
		}
	}
	return refs
}

func parseObjects(t *testing.T, data []byte) objects {
	t.Helper()
	o := objects{namespaces: map[string]map[string]string{}}
	for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
		var m metav1.TypeMeta
		must(t, yaml.Unmarshal(doc, &m))
		switch m.Kind {
		case "Service":
			o.services = append(o.services, decode[corev1.Service](t, doc))
		case "Ingress":
			o.ingresses = append(o.ingresses, decode[networkingv1.Ingress](t, doc))
		case "IngressClass":
			o.classes = append(o.classes, decode[networkingv1.IngressClass](t, doc))
		case "Node":
			o.nodes = append(o.nodes, decode[corev1.Node](t, doc))
		case "EndpointSlice":
			o.slices = append(o.slices, decode[discoveryv1.EndpointSlice](t, doc))
		case "Namespace":
			n := decode[corev1.Namespace](t, doc)
			o.namespaces[n.Name] = n.Labels
		default:
			t.Fatalf("kind %q is not known to this test", m.Kind)
		}
	}
	return o
}

func decode[T any](t *testing.T, doc []byte) *T {
	t.Helper()
	v := new(T)
	must(t, yaml.UnmarshalStrict(doc, v))
	return v
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestGolden reads testdata/*.txtar: the objects, optionally nodes.yaml beside
// them instead of the two usual nodes, optionally settings.json, and the result.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	must(t, err)
	if len(files) < 25 {
		t.Fatalf("%d cases found, at least 25 are expected", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

const usualNodes = `
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}], conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 10.0.0.2}], conditions: [{type: Ready, status: "True"}]}
`

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	must(t, err)
	settings := Settings{Cluster: "c1", Cloud: "default"}
	in, nodes, want := []byte(nil), []byte(usualNodes), ""
	var secrets goldenSecrets
	kept := archive.Files[:0:0]
	for _, f := range archive.Files {
		switch f.Name {
		case "objects.yaml":
			in = f.Data
		case "nodes.yaml":
			nodes = f.Data
		case "settings.json":
			must(t, json.Unmarshal(f.Data, &settings))
		case "secrets.yaml":
			must(t, yaml.UnmarshalStrict(f.Data, &secrets))
		case "result":
			want = string(f.Data)
			continue
		default:
			t.Fatalf("%s: file %q is not known", file, f.Name)
		}
		kept = append(kept, f)
	}
	o := parseObjects(t, in)
	o.secrets = secrets.known()
	o.nodes = append(o.nodes, parseObjects(t, nodes).nodes...)
	var got strings.Builder
	for _, s := range o.services {
		show(&got, Service(s, o.references(s.Namespace), settings))
	}
	for _, i := range o.ingresses {
		show(&got, Ingress(i, o.references(i.Namespace), settings))
	}
	if *update {
		archive.Files = append(kept, txtar.File{Name: "result", Data: []byte(got.String())})
		must(t, os.WriteFile(file, txtar.Format(archive), 0o644))
		return
	}
	if d := gocmp.Diff(want, got.String()); d != "" {
		t.Errorf("%s (-want +got, -update writes it):\n%s", file, d)
	}
}

func show(w *strings.Builder, r Result) {
	switch {
	case !r.Asks:
		fmt.Fprintf(w, "== %s does not ask\n", r.Key)
	case r.Refused():
		fmt.Fprintf(w, "== %s is refused\n", r.Key)
	default:
		fmt.Fprintf(w, "== %s\n", r.Key)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "problem: %s: %s\n", p.Field, p.Message)
	}
	if !r.Again.IsZero() {
		fmt.Fprintf(w, "again: %s\n", r.Again.Format(time.RFC3339))
	}
	if r.Wish == nil {
		return
	}
	// The digest is left out: it says nothing that the rest does not.
	b, _ := json.MarshalIndent(map[string]any{"exposure": r.Wish.Exposure, "object": r.Wish.Object}, "", " ")
	fmt.Fprintf(w, "%s\n", b)
}
