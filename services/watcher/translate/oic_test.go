package translate

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"drawbridge.dev/events"
)

// Faults of the octavia-ingress-controller, each shown to be none here.

// oicWorld is an Ingress with one Service behind it.
func oicWorld(class string, paths ...networkingv1.HTTPIngressPath) (*networkingv1.Ingress, References) {
	ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "u"}}
	if class == LegacyIngressClass {
		ing.Annotations = map[string]string{annotationIngressClass: class}
	} else {
		ing.Spec.IngressClassName = &class
	}
	ing.Spec.Rules = []networkingv1.IngressRule{{Host: "a.example.org", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: paths}}}}
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "app"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}}}}
	end := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	pair := Pair{NotBefore: end.AddDate(0, -3, 0), NotAfter: end, Certificate: events.Certificate{Digest: events.Digest("cert"), Hosts: []string{"a.example.org"}, NotAfter: end.Format(time.RFC3339)}}
	return ing, References{Nodes: []Node{{Name: "n1", IPv4: "10.0.0.1"}}, Services: map[string]*corev1.Service{"app": svc},
		Secrets: Secrets{Pairs: map[string]Pair{"cert": pair}, Now: end.AddDate(0, -2, 0)}}
}

func to(path string, kind networkingv1.PathType) networkingv1.HTTPIngressPath {
	return networkingv1.HTTPIngressPath{Path: path, PathType: &kind, Backend: networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: "app", Port: networkingv1.ServiceBackendPort{Number: 80}}}}
}

func wanted(t *testing.T, ing *networkingv1.Ingress, refs References) events.Exposure {
	t.Helper()
	r := Ingress(ing, refs, Settings{Cluster: "c1", Cloud: "default"})
	if r.Wish == nil {
		t.Fatalf("refused: %v", r.Problems)
	}
	return *r.Wish.Exposure
}

// #2598, #1961: spec.ingressClassName was not read.
func TestOICClassField(t *testing.T) {
	ours, foreign, legacyName := IngressClass, "nginx", LegacyIngressClass
	for name, tt := range map[string]struct {
		field      *string
		annotation string
		want       bool
	}{
		"our class":                            {&ours, "", true},
		"another's":                            {&foreign, "", false},
		"another's before the annotation":      {&foreign, LegacyIngressClass, false},
		"the annotation alone":                 {nil, LegacyIngressClass, true},
		"the old class in the field is no one": {&legacyName, "", false},
		"none":                                 {nil, "", false},
	} {
		ing, refs := oicWorld(IngressClass, to("/", networkingv1.PathTypePrefix))
		ing.Spec.IngressClassName, ing.Annotations = tt.field, map[string]string{annotationIngressClass: tt.annotation}
		if got := Ingress(ing, refs, Settings{Cluster: "c1", Cloud: "default"}).Asks; got != tt.want {
			t.Errorf("%s: asks is %t, want %t", name, got, tt.want)
		}
	}
}

// #603, #1074: pathType was ignored; its class keeps that, ours does not.
func TestOICPathType(t *testing.T) {
	paths := []networkingv1.HTTPIngressPath{to("/foo", networkingv1.PathTypeExact), to("/bar", networkingv1.PathTypePrefix), to("/baz", networkingv1.PathTypeImplementationSpecific)}
	for class, want := range map[string][]events.PathType{
		IngressClass:       {events.PathPrefix, events.PathPrefix, events.PathExact}, // sorted by path
		LegacyIngressClass: {events.PathRawPrefix, events.PathRawPrefix, events.PathRawPrefix},
	} {
		ing, refs := oicWorld(class, paths...)
		var got []events.PathType
		for _, r := range wanted(t, ing, refs).Listeners[0].Routes {
			got = append(got, r.PathType)
		}
		if d := gocmp.Diff(want, got); d != "" {
			t.Errorf("class %s: %s", class, d)
		}
	}
}

// #2245: wildcard hosts did not work, in either class here they do.
func TestOICWildcardHost(t *testing.T) {
	for _, class := range []string{IngressClass, LegacyIngressClass} {
		ing, refs := oicWorld(class, to("/", networkingv1.PathTypePrefix))
		ing.Spec.Rules[0].Host = "*.example.org"
		if r := wanted(t, ing, refs).Listeners[0].Routes; len(r) != 1 || r[0].Host != "*.example.org" {
			t.Errorf("class %s: %+v", class, r)
		}
	}
}

// It served 80 or 443 by what it first saw, never both; and TLS hosts are not
// to be had in the clear.
func TestOICBothPorts(t *testing.T) {
	ing, refs := oicWorld(IngressClass, to("/", networkingv1.PathTypePrefix))
	other := *ing.Spec.Rules[0].DeepCopy()
	other.Host = "plain.example.org"
	ing.Spec.Rules = append(ing.Spec.Rules, other)
	ing.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"a.example.org"}, SecretName: "cert"}}
	var got []string
	for _, l := range wanted(t, ing, refs).Listeners {
		for _, r := range l.Routes {
			got = append(got, fmt.Sprintf("%s %d %s %t", l.Protocol, l.Port, r.Host, r.Redirect != nil))
		}
	}
	want := []string{"HTTP 80 a.example.org true", "HTTP 80 plain.example.org false",
		"TERMINATED_HTTPS 443 a.example.org false", "TERMINATED_HTTPS 443 plain.example.org false"}
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A nodePort of 0 and zero nodes failed the whole Ingress.
func TestOICMissingPartsDoNotFailTheWhole(t *testing.T) {
	ing, refs := oicWorld(IngressClass, to("/", networkingv1.PathTypePrefix))
	refs.Services["app"].Spec.Ports[0].NodePort = 0
	if x := wanted(t, ing, refs); len(x.Backends) != 1 || len(x.Backends[0].Members) != 0 {
		t.Errorf("without a nodePort: %+v", x.Backends)
	}
	refs.Services["app"].Spec.Ports[0].NodePort, refs.Nodes = 30080, nil
	if x := wanted(t, ing, refs); len(x.Backends) != 1 || len(x.Backends[0].Members) != 0 {
		t.Errorf("without nodes: %+v", x.Backends)
	}
}

// Blanks around the commas of whitelist-source-range went to Octavia as they were.
func TestOICBlanksInSources(t *testing.T) {
	ing, refs := oicWorld(LegacyIngressClass, to("/", networkingv1.PathTypePrefix))
	ing.Annotations[oicSources] = " 10.0.0.0/8 ,192.0.2.0/24 "
	if d := gocmp.Diff([]string{"10.0.0.0/8", "192.0.2.0/24"}, wanted(t, ing, refs).Listeners[0].AllowedSources); d != "" {
		t.Error(d)
	}
}

// A time-out that was taken away was never restored: what is not said is not in
// the wish, which is whole.
func TestOICTimeoutTakenAway(t *testing.T) {
	ing, refs := oicWorld(LegacyIngressClass, to("/", networkingv1.PathTypePrefix))
	ing.Annotations[oicTimeoutClientData] = "1000"
	if got := wanted(t, ing, refs).Listeners[0].Timeouts.ClientData; got == nil || *got != 1000 {
		t.Errorf("client data is %v", got)
	}
	delete(ing.Annotations, oicTimeoutClientData)
	if got := wanted(t, ing, refs).Listeners[0].Timeouts; got != (events.Timeouts{}) {
		t.Errorf("time-outs are %+v", got)
	}
}
