package watcher

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
	"drawbridge.dev/services/watcher/source"
	"drawbridge.dev/services/watcher/translate"
)

// cluster is a watcher at work on an API server without a network.
type cluster struct {
	t      *testing.T
	bus    *bus.Bus
	client *fake.Clientset
	source *source.Source
	window time.Duration
}

func startCluster(t *testing.T, window time.Duration, cfg Config) *cluster {
	t.Helper()
	c := &cluster{t: t, bus: bustest.Start(t), client: fake.NewClientset(), window: window}
	src, err := source.Client(c.client, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.source = src
	cfg.Cluster, cfg.NodeWindow = "c1", window
	w, err := newWatcher(cfg.Defaults(), src, c.bus, zerolog.Nop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.run(ctx, func(error) {}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return c
}

func (c *cluster) do(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// heard waits until the informers have caught up, which must be before the 100
// changes that a watch of the fake API server can hold.
func (c *cluster) heard(i int, is func() bool) {
	c.t.Helper()
	if i%50 != 49 {
		return
	}
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatal("the informers do not hear of what changes")
		}
	}
}

// nodes are those that the informer knows, and how many of them are cordoned.
func (c *cluster) nodes() (all, cordoned int) {
	for _, n := range list[corev1.Node](c.source.Nodes.GetStore()) {
		all++
		if n.Spec.Unschedulable {
			cordoned++
		}
	}
	return all, cordoned
}

func (c *cluster) service(name string, annotations map[string]string) {
	c.t.Helper()
	class := translate.LoadBalancerClass
	_, err := c.client.CoreV1().Services("shop").Create(c.t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: "u", Annotations: annotations},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerClass: &class, Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}}}}, metav1.CreateOptions{})
	c.do(err)
}

// members waits for the wish of a Service to be as it shall, and says how many
// wishes were published in all.
func (c *cluster) members(name, what string, is func([]events.Member) bool) uint64 {
	c.t.Helper()
	k := events.Key{Cluster: "c1", Kind: events.KindService, Namespace: "shop", Name: name}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		r, there, err := c.bus.Last(c.t.Context(), events.StageRequested, "default", k)
		c.do(err)
		if v, ok := r.Event.Payload.(events.Requested); there && ok && v.Exposure != nil && is(v.Exposure.Backends[0].Members) {
			return history(c.t, c.bus)
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("never: %s", what)
		}
	}
}

// TestOCCMPain3And12NodeChurn: 160 nodes that come one by one, are cordoned and
// go, cost one wish for each window that they took, not one for each node.
func TestOCCMPain3And12NodeChurn(t *testing.T) {
	const nodes = 160
	c := startCluster(t, 2*time.Second, Config{})
	c.service("web", nil)
	c.members("web", "the wish without nodes", func(m []events.Member) bool { return len(m) == 0 })
	began, before := time.Now(), history(t, c.bus)
	api := c.client.CoreV1().Nodes()
	for i := range nodes {
		_, err := api.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", i)}, Status: corev1.NodeStatus{
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.0.0.%d", i+1)}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}, metav1.CreateOptions{})
		c.do(err)
		c.heard(i, func() bool { all, _ := c.nodes(); return all == i+1 })
	}
	c.members("web", "160 members", func(m []events.Member) bool { return len(m) == nodes })
	for i := range nodes - 1 { // a rolling upgrade: all but one are cordoned
		n, err := api.Get(t.Context(), fmt.Sprintf("n%d", i), metav1.GetOptions{})
		c.do(err)
		n.Spec.Unschedulable = true
		_, err = api.Update(t.Context(), n, metav1.UpdateOptions{})
		c.do(err)
		c.heard(i, func() bool { _, cordoned := c.nodes(); return cordoned == i+1 })
	}
	c.members("web", "the one that is not cordoned", func(m []events.Member) bool { return len(m) == 1 && m[0].Name == "n159" })
	for i := range nodes {
		c.do(api.Delete(t.Context(), fmt.Sprintf("n%d", i), metav1.DeleteOptions{}))
		c.heard(i, func() bool { all, _ := c.nodes(); return all == nodes-i-1 })
	}
	last := c.members("web", "no member", func(m []events.Member) bool { return len(m) == 0 })
	most := 3 + uint64(time.Since(began)/c.window) // a wish as each of the three begins, and one a window
	if published := last - before; published > most {
		t.Errorf("%d wishes for 3 x 160 changes of nodes; at most %d windows passed", published, most)
	} else {
		t.Logf("%d wishes for 3 x 160 changes of nodes in %s", published, time.Since(began).Round(time.Second))
	}
}

// TestOCCMPain11Pods: members are the pods of EndpointSlices, which an API server
// is asked for only when an object needs them. A rollout costs one wish a window.
func TestOCCMPain11Pods(t *testing.T) {
	c := startCluster(t, time.Second, Config{})
	var lists atomic.Int32
	c.client.PrependReactor("list", "endpointslices", func(k8stesting.Action) (bool, runtime.Object, error) {
		lists.Add(1)
		return false, nil, nil
	})
	c.service("by-node", nil)
	c.members("by-node", "a wish", func([]events.Member) bool { return true })
	if lists.Load() != 0 {
		t.Error("EndpointSlices are listed, and nothing sends to pods")
	}
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "pods-1", Labels: map[string]string{discoveryv1.LabelServiceName: "pods"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: new(""), Port: new(int32(8080)), Protocol: new(corev1.ProtocolTCP)}}}
	pod := func(i int) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.1.0.%d", i)}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}
	}
	slice.Endpoints = []discoveryv1.Endpoint{pod(1), pod(2)}
	api := c.client.DiscoveryV1().EndpointSlices("shop")
	_, err := api.Create(t.Context(), slice, metav1.CreateOptions{})
	c.do(err)
	first := history(t, c.bus)
	c.service("pods", map[string]string{translate.AnnotationMembers: "pods"})
	addresses := func(want ...string) func([]events.Member) bool {
		return func(m []events.Member) bool {
			got := []string{}
			for _, x := range m {
				if !x.Draining {
					got = append(got, x.Address)
				}
			}
			return slices.Equal(got, want)
		}
	}
	// The first wish of it must not be one without members, which would drain all.
	before := c.members("pods", "two pods", addresses("10.1.0.1", "10.1.0.2"))
	if before != first+1 {
		t.Errorf("%d wishes until the pods were known, want the one with them", before-first)
	}
	began := time.Now()
	for i := 3; i <= 40; i++ { // a rollout: each step brings a pod and takes one
		ending := pod(i - 2)
		ending.Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)}
		slice.Endpoints = []discoveryv1.Endpoint{ending, pod(i - 1), pod(i)}
		_, err = api.Update(t.Context(), slice, metav1.UpdateOptions{})
		c.do(err)
	}
	last := c.members("pods", "the last two pods", addresses("10.1.0.39", "10.1.0.40"))
	if most := 1 + uint64(time.Since(began)/c.window); last-before > most {
		t.Errorf("%d wishes for 38 steps of a rollout; at most %d windows passed", last-before, most)
	}
	c.do(api.Delete(t.Context(), "pods-1", metav1.DeleteOptions{}))
	c.members("pods", "no pod", addresses())
}
