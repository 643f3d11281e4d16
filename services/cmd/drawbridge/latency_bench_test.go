package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/policy"
	"drawbridge.dev/services/sandbox"
)

const patience = time.Minute

// BenchmarkEventToFirstCall is the way of a new Ingress of 2 hosts x 2 paths
// through the whole process, with an fsync for every message: from the watch
// event that leaves the API server to the first request that reaches the cloud.
// The budget is 3 times two publications and one decision at the median; those
// are measured on the same bus, in turn with the trips.
func BenchmarkEventToFirstCall(b *testing.B) {
	p := newPipeline(b)
	p.trip(b, "warm")
	var trips, steps []time.Duration
	stages := map[string][]time.Duration{}
	for i := 0; b.Loop(); i++ {
		p.quiet()
		steps = append(steps, p.steps(b, i))
		p.quiet()
		took := p.trip(b, fmt.Sprint("web-", i))
		trips = append(trips, took["call"])
		for stage, d := range took {
			stages[stage] = append(stages[stage], d)
		}
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(ms(quantile(trips, 0.5)), "p50-ms")
	b.ReportMetric(ms(quantile(trips, 0.99)), "p99-ms")
	b.ReportMetric(ms(quantile(steps, 0.5)), "steps-p50-ms")
	b.ReportMetric(float64(quantile(trips, 0.5))/float64(quantile(steps, 0.5)), "ratio")
	b.ReportMetric(float64(quantile(trips, 0.1))/float64(quantile(steps, 0.1)), "p10-ratio") // in quiet moments
	for _, stage := range []string{"requested", "decided"} {
		b.ReportMetric(ms(quantile(stages[stage], 0.5)), "to-"+stage+"-p50-ms")
	}
}

func quantile(d []time.Duration, q float64) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

// pipeline is the process that `drawbridge run` is, between an API server and a cloud.
type pipeline struct {
	wire     *wire
	cloud    *sandbox.Cloud
	bus      *bus.Bus
	engine   *policy.Engine
	outcomes chan events.Event
	sample   [2]events.Event // a wish and its decision as they went over the bus
}

func newPipeline(b *testing.B) *pipeline {
	b.Helper()
	p := &pipeline{wire: newWire(b), outcomes: make(chan events.Event, 100)}
	p.wire.apply(b, node("node-1", "10.0.0.11"), node("node-2", "10.0.0.12"),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"drawbridge.dev/public": "true"}}},
		nodePort("api", 30080), nodePort("web", 30081))
	var err error
	if p.engine, err = policy.NewEngine(b.Context(), policy.Config{}); err != nil {
		b.Fatal(err)
	}
	if p.cloud, err = sandbox.Start(b.Context(), sandbox.Config{}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.cloud.Close() })
	p.start(b)
	return p
}

// start runs every service in this process and waits for the bus.
func (p *pipeline) start(b *testing.B) {
	b.Helper()
	dir := b.TempDir()
	cfg := defaults()
	cfg.Data = dir
	cfg.Ops.Address, cfg.Auditor.Listen.Address = loopbackAddress(b), loopbackAddress(b)
	cfg.Watcher.Cluster, cfg.Watcher.Kubeconfig = "blue", p.wire.kubeconfig(b)
	cfg.Executor.OpenStackCloud, cfg.Executor.CloudsFile = "sandbox", filepath.Join(dir, "clouds.yaml")
	cfg.Executor.VIPSubnet = sandbox.SubnetName
	cfg.Executor.PollMin = 10 * time.Millisecond // what comes after the first call is not measured
	if err := os.WriteFile(cfg.Executor.CloudsFile, p.cloud.CloudsYAML(), 0o600); err != nil {
		b.Fatal(err)
	}
	full, err := cfg.complete(targets)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended, connected := make(chan error, 1), make(chan *bus.Bus, 1)
	go func() {
		ended <- runServices(ctx, full, targets, zerolog.Nop(), func(ctx context.Context, bs *bus.Bus) error {
			connected <- bs
			return bs.Watch(ctx, []string{events.Filter(events.StageOutcome, "", "")}, bus.Watcher{Row: func(r bus.Record) { p.outcomes <- r.Event }})
		})
	}()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Errorf("run: %v", err)
		}
	})
	select {
	case p.bus = <-connected:
	case err := <-ended:
		b.Fatalf("run: %v", err)
	}
}

// quiet lets end what follows an outcome: the history row, the status.
func (p *pipeline) quiet() { time.Sleep(50 * time.Millisecond) }

// trip exposes an Ingress and removes it again. It answers how long after the
// watch event the wish and the decision were made, and the first call came.
func (p *pipeline) trip(b *testing.B, name string) map[string]time.Duration {
	b.Helper()
	p.cloud.ResetCalls()
	ing := ingress(name)
	k := events.Key{Cluster: "blue", Kind: events.KindIngress, Namespace: "shop", Name: name}
	began := time.Now()
	p.wire.apply(b, ing)
	p.await(b, k, events.Applied)
	calls := p.cloud.Calls()
	first := slices.IndexFunc(calls, func(c sandbox.Call) bool {
		return c.Time.After(began) && (strings.HasPrefix(c.Path, "/load-balancer/") || strings.HasPrefix(c.Path, "/network/"))
	})
	if first < 0 {
		b.Fatalf("%s was applied without a call", name)
	}
	out := map[string]time.Duration{"call": calls[first].Time.Sub(began)}
	for i, s := range []events.Stage{events.StageRequested, events.StageDecided} {
		r, _, err := p.bus.Last(b.Context(), s, "default", k)
		if err != nil {
			b.Fatal(err)
		}
		p.sample[i], out[string(s)] = r.Event, r.Event.Time.Sub(began)
	}
	p.wire.remove(b, ing)
	p.await(b, k, events.Removed)
	return out
}

func (p *pipeline) await(b *testing.B, k events.Key, want events.OutcomeState) {
	b.Helper()
	late := time.After(patience)
	for {
		select {
		case e := <-p.outcomes:
			if o, ok := e.Payload.(events.Outcome); ok && e.Key == k && o.State == want {
				return
			} else if ok && o.State == events.Failed {
				b.Fatalf("%s: %s", e.Key, o.Reason)
			}
		case <-late:
			b.Fatalf("%s: no outcome %s within %s", k, want, patience)
		}
	}
}

// steps takes what no trip can go without: the wish is published, decided, and
// the decision is published. The events are as large as those of the last trip.
func (p *pipeline) steps(b *testing.B, n int) time.Duration {
	b.Helper()
	wish := p.sample[0].Payload.(events.Requested)
	k := events.Key{Cluster: "elsewhere", Kind: events.KindIngress, Namespace: "shop", Name: fmt.Sprint("web-", n)}
	question := policy.Question{Key: p.sample[0].Key, Cloud: "default", Wish: wish, Time: p.sample[0].Time,
		Holdings: policy.NewInventory().For("default", p.sample[0].Key)}
	first, second := p.likeness(b, k, p.sample[0], ""), p.likeness(b, k, p.sample[1], "after the first")
	began := time.Now()
	p.publish(b, first)
	if d := p.engine.Decide(b.Context(), question); d.Verdict != events.Approved {
		b.Fatal(d.Reasons)
	}
	p.publish(b, second)
	return time.Since(began)
}

// likeness is an event as large as e that nobody acts on.
func (p *pipeline) likeness(b *testing.B, k events.Key, e events.Event, previous string) events.Event {
	b.Helper()
	c, err := events.Encode(e)
	if err != nil {
		b.Fatal(err)
	}
	return events.New("/benchmark", "elsewhere", k, events.Rejected{Reason: strings.Repeat("x", len(c.Data())), Digest: events.Digest(e.ID)}, previous, nil, time.Now())
}

func (p *pipeline) publish(b *testing.B, e events.Event) {
	b.Helper()
	if _, err := p.bus.Publish(b.Context(), e); err != nil {
		b.Fatal(err)
	}
}

func loopbackAddress(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func node(name, address string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{
		Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
}

func nodePort(name string, port int32) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80, NodePort: port, Protocol: corev1.ProtocolTCP}}}}
}

// ingress has 2 hosts with 2 paths each.
func ingress(name string) *networkingv1.Ingress {
	prefix, class := networkingv1.PathTypePrefix, "drawbridge"
	ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name)},
		Spec: networkingv1.IngressSpec{IngressClassName: &class}}
	for _, host := range []string{"www.example.org", "docs.example.org"} {
		rule := networkingv1.IngressRule{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{}}}
		for _, service := range []string{"api", "web"} {
			rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: "/" + service, PathType: &prefix,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: 80}}}})
		}
		ing.Spec.Rules = append(ing.Spec.Rules, rule)
	}
	return ing
}
