package translate

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"drawbridge.dev/events"
)

// goldenObjects are the objects of all golden cases.
func goldenObjects(t *testing.T) (out []objects) {
	files, err := filepath.Glob("testdata/*.txtar")
	must(t, err)
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		must(t, err)
		var o objects
		var secrets goldenSecrets
		for _, f := range archive.Files {
			switch f.Name {
			case "objects.yaml":
				o = parseObjects(t, f.Data)
			case "secrets.yaml":
				must(t, yaml.Unmarshal(f.Data, &secrets))
			}
		}
		o.secrets = secrets.known()
		out = append(out, o)
	}
	return out
}

// Every annotation of the table stands in a golden case of every kind that it
// is read on, once with a value that is taken and once with one that is not.
func TestEveryAnnotationHasItsGoldens(t *testing.T) {
	taken, refused := map[string]bool{}, map[string]bool{}
	for _, o := range goldenObjects(t) {
		s := Settings{Cluster: "c1", Cloud: "default", DefaultServiceClass: true}
		see := func(kind string, annotations map[string]string, r Result) {
			for name := range annotations {
				wrong := slices.ContainsFunc(r.Problems, func(p events.Problem) bool { return p.Field == field(name) })
				if !wrong {
					taken[kind+" "+name] = true
				}
				if wrong && r.Refused() {
					refused[kind+" "+name] = true
				}
			}
		}
		for _, svc := range o.services {
			see(events.KindService, svc.Annotations, Service(svc, o.references(svc.Namespace), s))
		}
		for _, ing := range o.ingresses {
			see(events.KindIngress, ing.Annotations, Ingress(ing, o.references(ing.Namespace), s))
		}
	}
	for _, a := range Annotations {
		for _, kind := range a.Kinds {
			if a.Peer == Kubernetes {
				continue
			}
			if !taken[kind+" "+a.Name] {
				t.Errorf("no golden case has %s on %s with a value that is taken", a.Name, kind)
			}
			if !refused[kind+" "+a.Name] {
				t.Errorf("no golden case has %s on %s with a value that is refused", a.Name, kind)
			}
		}
	}
}

// TestAnnotationTable: every row says all, no name is there twice, and what is
// said to be our name of a setting is one, on the same kinds.
func TestAnnotationTable(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Annotations {
		if seen[a.Name] || a.Peer == "" || len(a.Kinds) == 0 || a.Values == "" || a.Default == "" || a.Means == "" {
			t.Errorf("%s is there twice, or its row lacks something: %+v", a.Name, a)
		}
		seen[a.Name] = true
		if (a.Peer == Ours) != strings.HasPrefix(a.Name, Prefix) {
			t.Errorf("%s is said to be of %s", a.Name, a.Peer)
		}
		if own, there := documented[a.Own]; a.Own != "" && (!there || own.Peer != Ours || slices.ContainsFunc(a.Kinds, func(k string) bool { return !slices.Contains(own.Kinds, k) })) {
			t.Errorf("%s is another name of %s, which is none of ours for %v", a.Name, a.Own, a.Kinds)
		}
		if a.API != "" && !regexp.MustCompile(`^2\.[0-9]+$`).MatchString(a.API) {
			t.Errorf("%s needs API %q", a.Name, a.API)
		}
	}
}

// Both names of a setting with different values are named together.
func TestContradictionsNameBoth(t *testing.T) {
	values := map[string][2]string{AnnotationInternal: {"true", "false"}, AnnotationAllowedSources: {"10.0.0.0/8", "192.0.2.0/24"},
		AnnotationAlgorithm: {"ROUND_ROBIN", "SOURCE_IP"}, AnnotationProxyProtocol: {"v1", "v2"}, AnnotationForwardedHeaders: {"none", "true"},
		AnnotationTLSContainer: {"https://a.example.org/1", "https://a.example.org/2"}, AnnotationHealthMonitor: {"true", "false"},
		AnnotationKeepFloatingIP: {"true", "false"}, AnnotationConnectionLimit: {"1", "2"}, AnnotationHostname: {"a.example.org", "b.example.org"},
		AnnotationFloatingIP: {"192.0.2.1", "192.0.2.2"}, AnnotationMonitorDelay: {"8", "9"}, AnnotationMonitorTimeout: {"1", "2"},
		AnnotationMonitorRetries: {"1", "2"}, AnnotationMonitorDown: {"1", "2"}, AnnotationTimeoutClientData: {"1", "2"},
		AnnotationTimeoutMemberConnect: {"1", "2"}, AnnotationTimeoutMemberData: {"1", "2"}, AnnotationTimeoutTCPInspect: {"1", "2"}}
	for _, a := range Annotations {
		if a.Own == "" {
			continue
		}
		v, there := values[a.Own]
		if !there {
			v = [2]string{"one", "other"}
		}
		for _, kind := range a.Kinds {
			r := annotatedAs(kind, map[string]string{a.Own: v[0], a.Name: v[1]})
			named := slices.ContainsFunc(r.Problems, func(p events.Problem) bool {
				both := p.Field + p.Message
				return strings.Contains(both, a.Own) && strings.Contains(both, a.Name)
			})
			if !r.Refused() || !named {
				t.Errorf("%s %q beside %s %q on %s: %v", a.Name, v[1], a.Own, v[0], kind, r.Problems)
			}
		}
	}
}

// annotatedAs is the translation of an object of a kind with annotations.
func annotatedAs(kind string, annotations map[string]string) Result {
	s := Settings{Cluster: "c", Cloud: "default"}
	class, ingressClass := LoadBalancerClass, IngressClass
	refs := References{Nodes: []Node{{Name: "n", IPv4: "10.0.0.1"}}, Secrets: goldenSecrets{Pairs: map[string]goldenPair{"web": {Hosts: []string{"a.example.org"}}}}.known()}
	svc := &corev1.Service{Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerClass: &class,
		Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}}}}
	svc.Namespace, svc.Name, svc.UID = "a", "b", "u"
	if kind == events.KindService {
		svc.Annotations = annotations
		return Service(svc, refs, s)
	}
	prefix, backend := networkingv1.PathTypePrefix, networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "b", Port: networkingv1.ServiceBackendPort{Number: 80}}}
	ing := &networkingv1.Ingress{Spec: networkingv1.IngressSpec{IngressClassName: &ingressClass, DefaultBackend: &backend,
		TLS: []networkingv1.IngressTLS{{SecretName: "web", Hosts: []string{"a.example.org"}}},
		Rules: []networkingv1.IngressRule{{Host: "a.example.org", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: "/x", PathType: &prefix, Backend: backend}}}}}}}}
	ing.Namespace, ing.Name, ing.UID, ing.Annotations = "a", "b", "u", annotations
	refs.Services = map[string]*corev1.Service{"b": svc}
	return Ingress(ing, refs, s)
}

// TestReference writes deploy/annotations.md, or holds it to the table.
func TestReference(t *testing.T) {
	const file = "../../../deploy/annotations.md"
	got := Reference()
	if *update {
		must(t, os.WriteFile(file, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got != string(want) {
		t.Errorf("%s is not what the table says; in services: go test ./watcher/translate -run Reference -update", file)
	}
}

// A name that is written almost right is answered with the right one.
func TestNearest(t *testing.T) {
	for wrong, want := range map[string]string{"intrenal": "internal", "loadbalancer": "load-balancer", "proxy_protocol": "proxy-protocol", "healthmonitor": "health-monitor"} {
		r := annotatedAs(events.KindService, map[string]string{Prefix + wrong: "x"})
		if !r.Refused() || !strings.Contains(fmt.Sprint(r.Problems), "nearest is "+Prefix+want+";") {
			t.Errorf("%s: %v", wrong, r.Problems)
		}
	}
}
