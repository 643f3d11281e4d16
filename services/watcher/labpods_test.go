package watcher

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/seal"
	"drawbridge.dev/services/watcher/translate"
)

// A Service without nodePorts is served by its pods: a real API server allows it,
// and the rights suffice for its EndpointSlices.
func TestLabServiceWithoutNodePorts(t *testing.T) {
	l := newLab(t)
	l.grant()
	class := translate.LoadBalancerClass
	svc, err := l.admin.CoreV1().Services(l.name).Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "pods"}, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeLoadBalancer, LoadBalancerClass: &class, AllocateLoadBalancerNodePorts: new(false), Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}, metav1.CreateOptions{})
	must(t, err)
	if svc.Spec.Ports[0].NodePort != 0 {
		t.Fatalf("the API server gave it nodePort %d", svc.Spec.Ports[0].NodePort)
	}
	l.startWith(Config{}).awaitReady()
	pods := func(want ...events.Member) func(events.Requested) bool {
		return func(w events.Requested) bool {
			return w.Exposure != nil && slices.Equal(w.Exposure.Backends[0].Members, want)
		}
	}
	l.wish(events.KindService, "pods", "without a pod", pods())
	slice, err := l.admin.DiscoveryV1().EndpointSlices(l.name).Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "pods-1", Labels: map[string]string{discoveryv1.LabelServiceName: "pods"}}, AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(8080)), Protocol: new(corev1.ProtocolTCP)}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}},
			{Addresses: []string{"10.1.0.2"}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}}}, metav1.CreateOptions{})
	must(t, err)
	l.wish(events.KindService, "pods", "two pods", pods(events.Member{Address: "10.1.0.1", Port: 8080}, events.Member{Address: "10.1.0.2", Port: 8080}))
	slice.Endpoints[1].Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)}
	_, err = l.admin.DiscoveryV1().EndpointSlices(l.name).Update(t.Context(), slice, metav1.UpdateOptions{})
	must(t, err)
	l.wish(events.KindService, "pods", "one that drains", pods(events.Member{Address: "10.1.0.1", Port: 8080}, events.Member{Address: "10.1.0.2", Port: 8080, Draining: true}))
}

// The certificate of a Secret of a real API server, and of its successor: the
// metadata tell of the change, and the rights suffice to fetch it.
func TestLabCertificateOfASecret(t *testing.T) {
	l := newLab(t)
	l.grant()
	_, public, err := seal.NewKey()
	must(t, err)
	l.service("app", corev1.ServiceTypeNodePort)
	put := func(c issued) {
		t.Helper()
		data := map[string][]byte{corev1.TLSCertKey: c.cert, corev1.TLSPrivateKeyKey: c.key}
		secrets := l.admin.CoreV1().Secrets(l.name)
		s, err := secrets.Get(t.Context(), "cert", metav1.GetOptions{})
		if err != nil {
			_, err = secrets.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "cert"}, Type: corev1.SecretTypeTLS, Data: data}, metav1.CreateOptions{})
			must(t, err)
			return
		}
		s.Data = data
		_, err = secrets.Update(t.Context(), s, metav1.UpdateOptions{})
		must(t, err)
	}
	first, second := issue(t, 90, "*.lab.example.org"), issue(t, 90, "*.lab.example.org")
	put(first)
	l.startWith(Config{SealKeys: map[string]string{"default": public}}).awaitReady()
	ing := l.ingress("site", "app")
	l.wish(events.KindIngress, "site", "there", func(w events.Requested) bool { return w.Exposure != nil })
	ing.Spec.TLS = []networkingv1.IngressTLS{{SecretName: "cert", Hosts: []string{"*.lab.example.org"}}}
	_, err = l.admin.NetworkingV1().Ingresses(l.name).Update(t.Context(), ing, metav1.UpdateOptions{})
	must(t, err)
	shows := func(c issued) func(events.Requested) bool {
		return func(w events.Requested) bool {
			return w.Exposure != nil && slices.ContainsFunc(w.Exposure.Listeners, func(x events.Listener) bool {
				return x.TLS != nil && len(x.TLS.Certificates) == 1 && x.TLS.Certificates[0].Digest == c.digest(t)
			})
		}
	}
	l.wish(events.KindIngress, "site", "the first certificate", shows(first))
	put(second)
	l.wish(events.KindIngress, "site", "its successor", shows(second))
	_, err = l.admin.CoreV1().Secrets(l.name).Patch(t.Context(), "cert", types.MergePatchType, []byte(`{"data":{"tls.key":"aHVzaA=="}}`), metav1.PatchOptions{})
	must(t, err)
	until(t, func() string { return fmt.Sprintf("the fault of the Secret is not told: %q", l.told("site")) }, func() bool {
		return slices.ContainsFunc(l.told("site"), func(s string) bool { return strings.HasPrefix(s, "Warning Invalid") })
	})
	l.wish(events.KindIngress, "site", "the successor still", shows(second))
}
