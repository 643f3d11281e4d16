package main

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
	"drawbridge.dev/services/sandbox"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// world is the product at work on a sandbox, with one namespace in which two
// Services and a first Ingress stand, so that what follows costs what it costs.
type world struct {
	*harness.Fleet
	namespace string
	nodes     []harness.Object
}

// newWorld starts the services with their defaults, but for what executor says.
func newWorld(t testing.TB, shape harness.Shape, cloud *harness.Cloud, executor map[string]any) *world {
	t.Helper()
	w := describeWorld(t, shape, cloud, executor)
	w.start(t)
	w.Expose(t, w.ingress("first"))
	w.cost()
	return w
}

// describeWorld is a world whose services are not started.
func describeWorld(t testing.TB, shape harness.Shape, cloud *harness.Cloud, executor map[string]any) *world {
	t.Helper()
	w := &world{namespace: "shop"}
	w.Fleet = harness.Describe(t, shape, cloud, harness.Folder{Path: t.TempDir()}, func(c map[string]any) {
		c["log"] = map[string]any{"level": "info", "format": "json"}
		for section, shortened := range map[string][]string{"watcher": {"node-window", "rescan"}, "policy": {"bundle-interval"},
			"executor": {"drift-interval", "lease-ttl", "retry-max", "poll-max"}} {
			for _, name := range shortened {
				delete(c[section].(map[string]any), name)
			}
		}
		maps.Copy(c["executor"].(map[string]any), executor)
	})
	for i, address := range cloud.Nodes {
		w.nodes = append(w.nodes, harness.Node(fmt.Sprint("node-", i), address))
	}
	w.Source.Apply(t, w.nodes[:2]...)
	w.furnish(t, w.namespace)
	return w
}

func (w *world) start(t testing.TB) {
	t.Helper()
	w.Start(t)
	for _, s := range harness.Services {
		w.Ready(t, s)
	}
}

// furnish makes a namespace with the Services that its Ingresses name.
func (w *world) furnish(t testing.TB, namespace string) {
	t.Helper()
	w.Source.Apply(t, harness.Namespace(namespace, true),
		harness.NodePorts(namespace, "web", harness.Port{Protocol: "TCP", Port: 80, NodePort: 30080}),
		harness.NodePorts(namespace, "api", harness.Port{Protocol: "TCP", Port: 80, NodePort: 30081}))
}

func (w *world) ingress(name string) harness.Object { return ingressIn(w.namespace, name) }

// ingressIn has 2 hosts with 2 paths each, and is reachable at a floating IP.
func ingressIn(namespace, name string) harness.Object {
	var paths []harness.Path
	for _, host := range []string{"www", "docs"} {
		host = fmt.Sprintf("%s.%s.%s.example.org", host, name, namespace)
		paths = append(paths, harness.Path{Host: host, Path: "/", Service: "web", Port: 80}, harness.Path{Host: host, Path: "/api", Service: "api", Port: 80})
	}
	return harness.Ingress(namespace, name, nil, paths...)
}

// allowed exposes an object and waits until the policy knows its namespace.
func (w *world) allowed(t testing.TB, o harness.Object) {
	t.Helper()
	w.Source.Apply(t, o)
	harness.Eventually(t, harness.Key(o).String()+" stands", func() error {
		trip, err := w.Auditor.Newest(harness.Key(o))
		if err == nil && len(trip.Outcome.Addresses) == 0 {
			err = fmt.Errorf("%s %q", trip.Decided.Verdict, trip.Decided.Reasons)
		}
		return err
	})
}

// cost is what the cloud was asked for, but for tokens.
type cost struct {
	writes, reads, polls int
	looks                int // for drift: lists of all that is the fleet's; counted as reads too
	calls                []string
}

// cost counts the calls on the wire since it was last asked.
func (w *world) cost() (c cost) {
	calls := w.Cloud.Sandbox.Calls()
	w.Cloud.Sandbox.ResetCalls()
	for _, call := range calls {
		query, _ := url.ParseQuery(call.Query)
		switch {
		case strings.HasPrefix(call.Path, "/identity/"):
			continue
		case call.Write():
			c.writes++
		case slices.Contains(query["fields"], "provisioning_status"):
			c.polls++
			continue
		default:
			c.reads++
		}
		if strings.HasSuffix(call.Path, "/loadbalancers") && len(query["tags"]) == 1 && !strings.Contains(call.Query, "key") {
			c.looks++
		}
		c.calls = append(c.calls, fmt.Sprintf("%s %s?%s %d", call.Method, call.Path, call.Query, call.Status))
	}
	return c
}

func (c cost) String() string {
	return fmt.Sprintf("%d writes, %d reads, %d polls:\n%s", c.writes, c.reads, c.polls, strings.Join(c.calls, "\n"))
}

// asked fails the test unless the object was asked for in so many wishes: what
// is asked for in two costs more than it says.
func (w *world) asked(t *testing.T, o harness.Object, wishes int) {
	t.Helper()
	all, err := w.Auditor.Of(harness.Key(o))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range all {
		if e.Stage == string(events.StageRequested) {
			n++
		}
	}
	if n != wishes {
		t.Fatalf("%s was asked for in %d wishes, want %d", harness.Key(o), n, wishes)
	}
}

// looked waits until drift was looked for so often since the calls were last
// forgotten, and answers what all of that cost.
func (w *world) looked(t *testing.T, looks int) (sum cost) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("%d looks for drift", looks), func() error {
		c := w.cost()
		sum.writes, sum.reads, sum.looks, sum.calls = sum.writes+c.writes, sum.reads+c.reads, sum.looks+c.looks, append(sum.calls, c.calls...)
		if sum.looks < looks {
			return fmt.Errorf("there were %d", sum.looks)
		}
		return nil
	})
	return sum
}

func quietCloud(t testing.TB, adjust ...func(*sandbox.Config)) *harness.Cloud {
	t.Helper()
	plain := func(c *sandbox.Config) { c.DataPlane, c.Pending = false, 200*time.Millisecond }
	return harness.NewSandbox(t, append([]func(*sandbox.Config){plain}, adjust...)...)
}
