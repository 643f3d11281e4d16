package watcher

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
	"drawbridge.dev/services/watcher/source"
	"drawbridge.dev/services/watcher/translate"
)

// lab is a namespace of its own on a real API server, seen by an administrator,
// and a watcher that has no more than [Rights].
type lab struct {
	t      *testing.T
	name   string // of the namespace, and of all that has no namespace
	admin  kubernetes.Interface
	config string // kubeconfig of the watcher
	bus    *bus.Bus
	ahead  time.Duration // of the clock by which policy and executor speak
}

func newLab(t *testing.T) *lab {
	t.Helper()
	path := os.Getenv("DRAWBRIDGE_LAB_KUBECONFIG")
	if path == "" {
		t.Skip("DRAWBRIDGE_LAB_KUBECONFIG names no API server: start the lab with e2e/lab/up")
	}
	rest, err := clientcmd.BuildConfigFromFlags("", path)
	must(t, err)
	admin, err := kubernetes.NewForConfig(rest)
	must(t, err)
	l := &lab{t: t, name: "watcher-test-" + strings.ToLower(rand.Text()[:8]), admin: admin, bus: bustest.Start(t)}
	_, err = admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: l.name, Labels: map[string]string{"team": "a"}}}, metav1.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = admin.CoreV1().Nodes().Delete(ctx, l.name, metav1.DeleteOptions{})
		_ = admin.RbacV1().ClusterRoleBindings().Delete(ctx, l.name, metav1.DeleteOptions{})
		_ = admin.RbacV1().ClusterRoles().Delete(ctx, l.name, metav1.DeleteOptions{})
		if err := admin.CoreV1().Namespaces().Delete(ctx, l.name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	// The watcher is the administrator in the guise of a user without rights.
	raw, err := clientcmd.LoadFromFile(path)
	must(t, err)
	for _, user := range raw.AuthInfos {
		user.Impersonate = l.name
	}
	l.config = writeKubeconfig(t, raw)
	return l
}

func writeKubeconfig(t *testing.T, raw *api.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(*raw, path))
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (l *lab) grant() {
	l.t.Helper()
	_, err := l.admin.RbacV1().ClusterRoles().Create(l.t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: l.name}, Rules: Rights()}, metav1.CreateOptions{})
	must(l.t, err)
	_, err = l.admin.RbacV1().ClusterRoleBindings().Create(l.t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: l.name},
		Subjects: []rbacv1.Subject{{Kind: "User", Name: l.name, APIGroup: rbacv1.GroupName}},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: l.name}}, metav1.CreateOptions{})
	must(l.t, err)
}

// start runs a watcher on the API server.
func (l *lab) start() *run { return l.startWith(Config{}) }

func (l *lab) startWith(cfg Config) *run {
	l.t.Helper()
	r := &run{t: l.t, bus: l.bus, log: &safeBuffer{}, ready: make(chan error, 1), done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(l.t.Context())
	r.cancel = cancel
	report := func(err error) {
		select {
		case <-r.ready:
		default:
		}
		r.ready <- err
	}
	cfg.Cluster, cfg.Kubeconfig, cfg.IngressClass, cfg.NodeWindow = "c1", l.config, l.name, 50*time.Millisecond
	go func() { r.done <- Run(ctx, cfg, l.bus, zerolog.New(r.log), prometheus.NewRegistry(), report) }()
	l.t.Cleanup(r.stop)
	return r
}

func (l *lab) node() {
	l.t.Helper()
	_, err := l.admin.CoreV1().Nodes().Create(l.t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: l.name}}, metav1.CreateOptions{})
	must(l.t, err)
	_, err = l.admin.CoreV1().Nodes().Patch(l.t.Context(), l.name, types.MergePatchType,
		[]byte(`{"status":{"addresses":[{"type":"InternalIP","address":"10.99.0.1"}],"conditions":[{"type":"Ready","status":"True"}]}}`), metav1.PatchOptions{}, "status")
	must(l.t, err)
}

func (l *lab) service(name string, kind corev1.ServiceType) *corev1.Service {
	l.t.Helper()
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Type: kind, Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
	if kind == corev1.ServiceTypeLoadBalancer {
		class := translate.LoadBalancerClass
		svc.Spec.LoadBalancerClass = &class
	}
	svc, err := l.admin.CoreV1().Services(l.name).Create(l.t.Context(), svc, metav1.CreateOptions{})
	must(l.t, err)
	return svc
}

func (l *lab) ingress(name, backend string) *networkingv1.Ingress {
	l.t.Helper()
	prefix := networkingv1.PathTypePrefix
	ing, err := l.admin.NetworkingV1().Ingresses(l.name).Create(l.t.Context(), &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.IngressSpec{IngressClassName: &l.name,
		Rules: []networkingv1.IngressRule{{Host: "*.lab.example.org", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
			Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: backend, Port: networkingv1.ServiceBackendPort{Name: "http"}}}}}}}}}}}, metav1.CreateOptions{})
	must(l.t, err)
	return ing
}

// wish waits until the wish of a key is as it shall be, nil for a tombstone.
func (l *lab) wish(kind, name, what string, ok func(events.Requested) bool) events.Event {
	l.t.Helper()
	k := events.Key{Cluster: "c1", Kind: kind, Namespace: l.name, Name: name}
	var last bus.Record
	until(l.t, func() string { return fmt.Sprintf("wish of %s: %s; it is %s", k, what, last.Data) }, func() bool {
		r, found, err := l.bus.Last(l.t.Context(), events.StageRequested, "default", k)
		must(l.t, err)
		last = r
		v, is := r.Event.Payload.(events.Requested)
		return found && is && ok(v)
	})
	return last.Event
}

func until(t *testing.T, what func() string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what())
		}
	}
}

// says publishes as policy or executor would, and returns the event.
func (l *lab) says(source string, p events.Payload, cause events.Event) events.Event {
	l.t.Helper()
	e := events.New(source, "default", cause.Key, p, rand.Text(), &cause, time.Now().Add(l.ahead))
	_, err := l.bus.Publish(l.t.Context(), e)
	must(l.t, err)
	return e
}

func (l *lab) approve(wish events.Event) events.Event {
	d := events.Decided{Verdict: events.Approved, Wish: wish.Payload.(events.Requested).Digest, Policy: events.PolicyRef{Revision: "r1"}}.Seal(wish.Key)
	return l.says("/policy", d, wish)
}

func (l *lab) outcome(decided events.Event, o events.Outcome) {
	o.Decision = decided.Payload.(events.Decided).Digest
	l.says("/executor", o, decided)
}

// told are the Events of an object, as "Type Reason xCount: message", sorted.
func (l *lab) told(name string) []string {
	l.t.Helper()
	list, err := l.admin.CoreV1().Events(l.name).List(l.t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
	must(l.t, err)
	var out []string
	for _, e := range list.Items {
		if e.ReportingController == "drawbridge.dev/watcher" {
			out = append(out, fmt.Sprintf("%s %s x%d: %s", e.Type, e.Reason, e.Count, e.Message))
		}
	}
	slices.Sort(out)
	return out
}

func (l *lab) wantTold(name string, want ...string) {
	l.t.Helper()
	var got []string
	until(l.t, func() string { return fmt.Sprintf("Events of %s: %q\nwant %q", name, got, want) }, func() bool {
		got = l.told(name)
		return slices.Equal(got, want)
	})
}

// status waits for addresses and condition of a Service, as one line.
func (l *lab) status(name, want string) *corev1.Service {
	l.t.Helper()
	var got string
	var svc *corev1.Service
	until(l.t, func() string { return fmt.Sprintf("status of %s: %q, want %q", name, got, want) }, func() bool {
		var err error
		svc, err = l.admin.CoreV1().Services(l.name).Get(l.t.Context(), name, metav1.GetOptions{})
		must(l.t, err)
		got = ""
		for _, i := range svc.Status.LoadBalancer.Ingress {
			got += i.IP + " "
			if i.IPMode != nil {
				got += string(*i.IPMode) + " "
			}
		}
		for _, c := range svc.Status.Conditions {
			if c.Type == source.ConditionExposed {
				got += fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message)
			}
		}
		return strings.TrimSpace(got) == want
	})
	return svc
}

func member(r events.Requested, ip string) bool {
	return r.Exposure != nil && slices.ContainsFunc(r.Exposure.Backends[0].Members, func(m events.Member) bool { return m.Address == ip && m.Port >= 30000 })
}

func TestLabServiceFromWishToStatus(t *testing.T) {
	l := newLab(t)
	l.grant()
	l.node()
	l.service("web", corev1.ServiceTypeLoadBalancer)
	r := l.start()
	r.awaitReady()
	wish := l.wish(events.KindService, "web", "our node at its nodePort", func(w events.Requested) bool {
		return member(w, "10.99.0.1") && w.Object.NamespaceLabels["team"] == "a"
	})
	l.outcome(l.approve(wish), events.Outcome{State: events.Applied, Warnings: []string{"SINGLE"}, Addresses: []events.Address{{IP: "10.0.0.9", Type: "vip"}, {IP: "192.0.2.7", Type: "floating"}}})
	l.status("web", "192.0.2.7 VIP True Applied: reachable at 192.0.2.7; SINGLE")
	applied := []string{"Normal Applied x1: reachable at 192.0.2.7", "Normal Approved x1: approved by policy r1", "Warning Warning x1: SINGLE"}
	l.wantTold("web", applied...)

	// Started again: nothing is published, nothing is told twice, nothing is written.
	before := l.status("web", "192.0.2.7 VIP True Applied: reachable at 192.0.2.7; SINGLE").ResourceVersion
	events0 := history(t, l.bus)
	r.stop()
	r = l.start()
	r.awaitReady()
	l.service("later", corev1.ServiceTypeLoadBalancer)
	later := l.wish(events.KindService, "later", "there", func(w events.Requested) bool { return w.Exposure != nil })
	l.says("/policy", events.Decided{Verdict: events.Denied, Wish: later.Payload.(events.Requested).Digest, Reasons: []string{"namespace may expose nothing: label it"}}.Seal(later.Key), later)
	l.status("later", "False Denied: namespace may expose nothing: label it")
	l.wantTold("later", "Warning Denied x1: namespace may expose nothing: label it")
	l.wantTold("web", applied...)
	if after := l.status("web", "192.0.2.7 VIP True Applied: reachable at 192.0.2.7; SINGLE").ResourceVersion; after != before {
		t.Errorf("the restart wrote the status of a Service that did not change: %s, %s", before, after)
	}
	if n := history(t, l.bus) - events0; n != 2 {
		t.Errorf("%d events since the restart, want the wish and the decision", n)
	}

	// The same failure again is counted, another address replaces the first.
	decided := l.approve(wish)
	for i := range 2 {
		l.ahead += 2 * time.Second // Kubernetes keeps whole seconds: two within one are one
		l.outcome(decided, events.Outcome{State: events.Failed, Reason: "quota of load balancers reached", Retry: true})
		want := fmt.Sprintf("Warning Failed x%d: quota of load balancers reached (it is tried again)", i+1)
		until(t, func() string { return fmt.Sprintf("%q is not told: %q", want, l.told("web")) }, func() bool { return slices.Contains(l.told("web"), want) })
	}
	l.status("web", "192.0.2.7 VIP False Failed: quota of load balancers reached (it is tried again)")
	l.outcome(decided, events.Outcome{State: events.Applied, Addresses: []events.Address{{IP: "10.0.0.9", Type: "vip"}}})
	l.status("web", "10.0.0.9 VIP True Applied: reachable at 10.0.0.9")

	// It becomes an object that asks no more.
	svc := l.status("web", "10.0.0.9 VIP True Applied: reachable at 10.0.0.9")
	svc.Spec.Type, svc.Spec.LoadBalancerClass = corev1.ServiceTypeNodePort, nil
	_, err := l.admin.CoreV1().Services(l.name).Update(t.Context(), svc, metav1.UpdateOptions{})
	must(t, err)
	gone := l.wish(events.KindService, "web", "a tombstone", func(w events.Requested) bool { return w.Exposure == nil })
	l.outcome(l.approve(gone), events.Outcome{State: events.Removed})
	l.status("web", "")
	must(t, l.admin.CoreV1().Services(l.name).Delete(t.Context(), "later", metav1.DeleteOptions{}))
	l.wish(events.KindService, "later", "a tombstone", func(w events.Requested) bool { return w.Exposure == nil })
}

func TestLabIngressFollowsWhatItRefersTo(t *testing.T) {
	l := newLab(t)
	l.grant()
	l.node()
	l.service("app", corev1.ServiceTypeClusterIP)
	l.ingress("site", "app")
	r := l.start()
	r.awaitReady()
	l.wish(events.KindIngress, "site", "a backend without members", func(w events.Requested) bool { return w.Exposure != nil && len(w.Exposure.Backends[0].Members) == 0 })
	l.wantTold("site", `Warning Invalid x1: `+reasonPartly+`: spec.rules[0].http.paths[0].backend.service: port "http" of Service "app" has no nodePort, so that no node can be reached: make the Service one of type NodePort, or set drawbridge.dev/members to "pods"; its requests are refused until then`)

	app, err := l.admin.CoreV1().Services(l.name).Get(t.Context(), "app", metav1.GetOptions{})
	must(t, err)
	app.Spec.Type = corev1.ServiceTypeNodePort
	_, err = l.admin.CoreV1().Services(l.name).Update(t.Context(), app, metav1.UpdateOptions{})
	must(t, err)
	wish := l.wish(events.KindIngress, "site", "our node", func(w events.Requested) bool { return member(w, "10.99.0.1") })
	l.outcome(l.approve(wish), events.Outcome{State: events.Applied, Addresses: []events.Address{{IP: "192.0.2.8", Type: "floating"}}})
	address := func(want string) func() bool {
		return func() bool {
			ing, err := l.admin.NetworkingV1().Ingresses(l.name).Get(t.Context(), "site", metav1.GetOptions{})
			must(t, err)
			got := ""
			for _, i := range ing.Status.LoadBalancer.Ingress {
				got += i.IP
			}
			return got == want
		}
	}
	until(t, func() string { return "the Ingress has no address" }, address("192.0.2.8"))

	// Nodes, labels of the namespace.
	_, err = l.admin.CoreV1().Nodes().Patch(t.Context(), l.name, types.MergePatchType, []byte(`{"metadata":{"labels":{"node.kubernetes.io/exclude-from-external-load-balancers":""}}}`), metav1.PatchOptions{})
	must(t, err)
	l.wish(events.KindIngress, "site", "without our node", func(w events.Requested) bool { return w.Exposure != nil && !member(w, "10.99.0.1") })
	_, err = l.admin.CoreV1().Namespaces().Patch(t.Context(), l.name, types.MergePatchType, []byte(`{"metadata":{"labels":{"team":"b"}}}`), metav1.PatchOptions{})
	must(t, err)
	l.wish(events.KindIngress, "site", "the namespace's label", func(w events.Requested) bool { return w.Object.NamespaceLabels["team"] == "b" })

	// Another class takes it over and gives it an address: ours goes, its stays.
	other := "other-" + l.name
	ing, err := l.admin.NetworkingV1().Ingresses(l.name).Get(t.Context(), "site", metav1.GetOptions{})
	must(t, err)
	ing.Spec.IngressClassName = &other
	_, err = l.admin.NetworkingV1().Ingresses(l.name).Update(t.Context(), ing, metav1.UpdateOptions{})
	must(t, err)
	gone := l.wish(events.KindIngress, "site", "a tombstone", func(w events.Requested) bool { return w.Exposure == nil })
	l.outcome(l.approve(gone), events.Outcome{State: events.Removed})
	until(t, func() string { return "the address stays" }, address(""))
	_, err = l.admin.NetworkingV1().Ingresses(l.name).Patch(t.Context(), "site", types.MergePatchType, []byte(`{"status":{"loadBalancer":{"ingress":[{"ip":"198.51.100.1"}]}}}`), metav1.PatchOptions{}, "status")
	must(t, err)
	r.stop()
	r = l.start()
	r.awaitReady()
	l.ingress("beat", "app")
	l.wish(events.KindIngress, "beat", "there", func(w events.Requested) bool { return w.Exposure != nil })
	if !address("198.51.100.1")() {
		t.Error("the address of another controller was taken away")
	}
}

func TestLabRefusedIngressIsTold(t *testing.T) {
	l := newLab(t)
	l.grant()
	l.service("app", corev1.ServiceTypeNodePort)
	r := l.start()
	r.awaitReady()
	ing := l.ingress("site", "app")
	l.wish(events.KindIngress, "site", "there", func(w events.Requested) bool { return w.Exposure != nil })
	ing.Spec.TLS = []networkingv1.IngressTLS{{SecretName: "cert"}}
	_, err := l.admin.NetworkingV1().Ingresses(l.name).Update(t.Context(), ing, metav1.UpdateOptions{})
	must(t, err)
	l.wantTold("site", "Warning Invalid x1: "+reasonRefused+`: spec.tls: TLS cannot be served in cloud "default": the watcher has no key to seal certificates with; set watcher.seal-keys for it to the public key of its executor`)
}

// Without its rights a watcher is not ready, and says which are missing.
func TestLabWithoutRights(t *testing.T) {
	l := newLab(t)
	r := l.start()
	var last error
	until(t, func() string { return fmt.Sprintf("the missing right is not reported: %v", last) }, func() bool {
		select {
		case last = <-r.ready:
		default:
		}
		return last != nil && strings.Contains(last.Error(), "forbidden")
	})
	if n := history(t, l.bus); n != 0 {
		t.Errorf("%d events were published by a watcher that saw nothing", n)
	}
}
