package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	metafake "k8s.io/client-go/metadata/fake"
)

const secretManifests = `apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {name: web, namespace: shop, annotations: {note: hush}}
stringData: {tls.crt: CERT, tls.key: HUSH, other: HUSH}
---
apiVersion: v1
kind: Secret
metadata: {name: opaque, namespace: shop}
data: {tls.crt: Q0VSVA==, tls.key: SFVTSA==}
---
apiVersion: v1
kind: Secret
metadata: {name: half, namespace: shop}
data: {tls.crt: Q0VSVA==}
---
apiVersion: v1
kind: Secret
type: kubernetes.io/basic-auth
metadata: {name: login, namespace: shop}
stringData: {tls.crt: CERT, tls.key: HUSH}
`

// checkSecrets: a Secret for TLS is fetched with certificate and key alone, and
// the informer holds nothing of any.
func checkSecrets(t *testing.T, s *Source) {
	t.Helper()
	for name, want := range map[string]map[string][]byte{
		"web":    {"tls.crt": []byte("CERT"), "tls.key": []byte("HUSH")},
		"opaque": {"tls.crt": []byte("CERT"), "tls.key": []byte("HUSH")},
		"half":   nil, "login": nil, "gone": nil,
	} {
		got, err := s.Secret(t.Context(), "shop", name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var data map[string][]byte
		if got != nil {
			data = got.Data
		}
		if d := cmp.Diff(want, data); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
	held := s.Secrets.GetStore().List()
	if len(held) != 4 {
		t.Errorf("%d Secrets are known, want 4", len(held))
	}
	for _, o := range held {
		if text := fmt.Sprintf("%+v", o); strings.Contains(strings.ToLower(text), "hush") || strings.Contains(text, "72 85 83 72") || o.(metav1.Object).GetUID() == "" {
			t.Errorf("the informer holds %s", text)
		}
	}
}

func TestSecretsOfAFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secrets.yaml"), []byte(secretManifests), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Folder(dir, FolderConfig{}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	runSource(t, s)
	checkSecrets(t, s)
}

// runSource feeds the informers until the test ends.
func runSource(t *testing.T, s *Source) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx, zerolog.Nop()) }()
	t.Cleanup(func() { cancel(); <-done })
	until(t, "everything is read", func() bool { return s.Synced() && !s.Behind() })
}

// Of an API server only the metadata of Secrets are listed, and none at all
// where that is not asked for.
func TestSecretsOfAnAPIServer(t *testing.T) {
	manifests, err := parseFile("secrets.yaml", []byte(secretManifests))
	if err != nil {
		t.Fatal(err)
	}
	var whole, shells []runtime.Object
	for _, m := range manifests {
		secret := m.Object.(*corev1.Secret)
		whole = append(whole, secret)
		shells = append(shells, &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: secret.ObjectMeta})
	}
	scheme := metafake.NewTestScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	client := fake.NewClientset(whole...)
	s, err := Client(client, metafake.NewSimpleMetadataClient(scheme, shells...))
	if err != nil {
		t.Fatal(err)
	}
	runSource(t, s)
	for _, a := range client.Actions() {
		if a.GetResource().Resource == "secrets" {
			t.Errorf("%s of whole Secrets, before one is asked for", a.GetVerb())
		}
	}
	checkSecrets(t, s)

	without, err := Client(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	client.ClearActions()
	runSource(t, without)
	if got, err := without.Secret(t.Context(), "shop", "web"); got != nil || err != nil {
		t.Errorf("a Secret is read: %v, %v", got, err)
	}
	for _, a := range client.Actions() {
		if a.GetResource().Resource == "secrets" {
			t.Errorf("%s of Secrets, which shall not be read", a.GetVerb())
		}
	}
}

// A slice keeps what says where pods are, and no more.
func TestTrimEndpointSlice(t *testing.T) {
	o := realisticSlice(1)
	if _, err := Trim(o); err != nil {
		t.Fatal(err)
	}
	want := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: o.Name, UID: o.UID, ResourceVersion: "1", Labels: map[string]string{discoveryv1.LabelServiceName: "app-1"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: o.Ports}
	for i := range 10 {
		want.Endpoints = append(want.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.1.1.%d", i)}, NodeName: new(fmt.Sprintf("node-%d", i)),
			Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)}, TargetRef: &corev1.ObjectReference{Name: fmt.Sprintf("app-1-%d", i)}})
	}
	if d := cmp.Diff(want, o); d != "" {
		t.Error(d)
	}
}

func realisticSlice(i int) *discoveryv1.EndpointSlice {
	m := realistic(i)
	service := m.Name
	m.Name += "-abcde"
	m.Labels[discoveryv1.LabelServiceName], m.Labels[discoveryv1.LabelManagedBy] = service, "endpointslice-controller.k8s.io"
	o := &discoveryv1.EndpointSlice{ObjectMeta: m, AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(8080)), Protocol: new(corev1.ProtocolTCP)}}}
	for j := range 10 {
		o.Endpoints = append(o.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.1.%d.%d", i%250, j)}, NodeName: new(fmt.Sprintf("node-%d", j)), Zone: new("az1"),
			Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)}, Hints: &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "az1"}}},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "ns", Name: fmt.Sprintf("%s-%d", service, j), UID: "0f4b1c2e-9d1a-4c39-8a2c-1c2f4a5b6c7d"}})
	}
	return o
}
