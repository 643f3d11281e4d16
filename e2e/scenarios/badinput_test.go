package scenarios

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
	"drawbridge.dev/services/sandbox"
)

// TestBadInput gives a fleet what is wrong, and each time checks that it is
// said where it is wrong, and that everything else keeps working.
func TestBadInput(t *testing.T) {
	t.Parallel()
	listen := harness.FreePort(t)
	folder := harness.Folder{Path: t.TempDir()}
	w := newWorld(t, harness.AllInOne, harness.NewSandbox(t), folder, func(config map[string]any) {
		config["nats"] = map[string]any{"listen": fmt.Sprintf("127.0.0.1:%d", listen)}
	})
	w.exposing(t, "before")
	t.Run("manifests", func(t *testing.T) { w.badManifests(t) })
	t.Run("YAML", func(t *testing.T) { w.badYAML(t, folder) })
	t.Run("rules", func(t *testing.T) { w.manyRules(t) })
	t.Run("events", func(t *testing.T) { w.badEvents(t, listen) })
	t.Run("bundle", func(t *testing.T) { w.badBundle(t) })
	w.clear(t)
}

// exposing proves that the fleet works: what is asked for now stands.
func (w *world) exposing(t *testing.T, name string) {
	t.Helper()
	ns := w.namespace(t, true)
	trip := w.expose(t, harness.Balanced(ns, name, nil, w.port(t, name, "TCP", 7000)))
	w.answers(t, trip, 7000, "", "/", name)
	w.Exact(t)
}

func (w *world) badManifests(t *testing.T) {
	ns := w.namespace(t, true)
	w.backend(t, ns, "web")
	path := func(host string) harness.Path { return harness.Path{Host: host, Path: "/", Service: "web", Port: 80} }
	port := harness.Port{Protocol: "TCP", Port: 7000, NodePort: 30999}
	for _, bad := range []struct {
		object harness.Object
		field  string
	}{
		{harness.Ingress(ns, "host", nil, path("shop_1.example.com")), "spec.rules[0].host"},
		{harness.Balanced(ns, "duplicate", nil, port, port), "spec.ports[1].port"},
		{harness.Balanced(ns, "no-node-port", nil, harness.Port{Protocol: "TCP", Port: 80}), "spec.ports[0].nodePort"},
		{harness.Balanced(ns, "value", map[string]any{"drawbridge.dev/internal": "yes please"}, port), "metadata.annotations[drawbridge.dev/internal]"},
		{harness.Balanced(ns, "misspelt", map[string]any{"drawbridge.dev/internel": "true"}, port), "metadata.annotations[drawbridge.dev/internel]"},
		{harness.Ingress(ns, "missing", nil, harness.Path{Host: "gone." + ns + ".example.com", Path: "/", Service: "gone", Port: 80}), "spec.rules[0].http.paths[0].backend"},
	} {
		w.Source.Apply(t, bad.object)
		w.rejects(t, bad.object, bad.field)
		w.Source.Delete(t, bad.object)
	}
	w.exposing(t, "after-manifests")
}

// rejects waits until history says what is wrong with a field of the object.
func (w *world) rejects(t *testing.T, o harness.Object, field string) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("%s of %s is rejected", field, harness.Key(o)), func() error {
		all, err := w.Auditor.Of(harness.Key(o))
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.Stage == string(events.StageRejected) && strings.Contains(string(e.Payload), `"field":"`+field) {
				return nil
			}
		}
		return fmt.Errorf("%d events, none rejects it", len(all))
	})
}

// badYAML breaks a file: what stood in it stays, and the log names the file and the line.
func (w *world) badYAML(t *testing.T, folder harness.Folder) {
	ns := w.namespace(t, true)
	good := harness.Balanced(ns, "good", nil, w.port(t, "good", "TCP", 7000))
	w.expose(t, good)
	file := folder.File(good)
	folder.Write(t, file, "apiVersion: v1\nkind: Service\n  metadata: [\n")
	w.logs(t, "watcher", file)
	w.exposing(t, "after-yaml")
	w.Exact(t)
	w.Source.Apply(t, good)
}

// logs waits until the process of a service has said something.
func (w *world) logs(t *testing.T, service, text string) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("the log says %q", text), func() error {
		if !strings.Contains(w.Process(service).Log(), text) {
			return errors.New("it does not")
		}
		return nil
	})
}

// manyRules asks for more than a load balancer can hold: hosts that share no
// path are served by no common policy. 2,000 hosts with one path are.
func (w *world) manyRules(t *testing.T) {
	ns := w.namespace(t, true)
	w.backend(t, ns, "web")
	var hosts, paths []harness.Path
	for i := range 2_000 {
		hosts = append(hosts, harness.Path{Host: fmt.Sprintf("h%d.%s.example.com", i, ns), Path: "/", Service: "web", Port: 80})
	}
	for i := range 1_500 {
		paths = append(paths, harness.Path{Host: fmt.Sprintf("p%d.%s.example.com", i, ns), Path: fmt.Sprintf("/p%d", i), Service: "web", Port: 80})
	}
	trip := w.expose(t, harness.Ingress(ns, "hosts", nil, hosts...))
	w.answers(t, trip, 80, "h1999."+ns+".example.com", "/", "web")
	huge := harness.Ingress(ns, "huge", nil, paths...)
	trip = w.Change(t, huge, func() { w.Source.Apply(t, huge) })
	w.exposed = append(w.exposed, huge)
	wantState(t, trip, events.Approved, events.Failed)
	if !strings.Contains(trip.Outcome.Reason, "1500 L7 policies, at most 1000") {
		t.Errorf("1,500 rules that share nothing: %q; want a reason why they cannot stand", trip.Outcome.Reason)
	}
	w.exposing(t, "after-rules")
}

// badEvents writes to the bus what no service would.
func (w *world) badEvents(t *testing.T, port int) {
	nc, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	k := events.Key{Cluster: harness.ClusterName, Kind: events.KindService, Namespace: "bad", Name: "events"}
	other := k
	other.Cluster = "green"
	bad := []struct {
		verb string // of the event type; empty: no CloudEvent
		key  events.Key
		data string
		says string
	}{
		{"", k, "hello", "no CloudEvent"},
		{"requested", k, "{", "JSON"},
		{"requested", k, `"` + strings.Repeat("x", 5<<20) + `"`, "cannot unmarshal string"},
		{"withdrawn", other, tombstone(t), "belongs on fleet.requested.default.green."},
		{"dreamt", k, "{}", "is unknown"},
		{"withdrawn", k, `{"object":{},"digest":"sha256:0"}`, "digest"},
	}
	for _, b := range bad {
		send(t, nc, events.StageRequested, k, b.verb, b.key, b.data)
	}
	harness.Eventually(t, "what is no event is on record", func() error {
		all, err := w.Auditor.Of(k)
		if err != nil {
			return err
		}
		var reasons []string
		for _, e := range all {
			if e.Verdict == "undecodable" {
				reasons = append(reasons, e.Reason)
			}
		}
		if len(reasons) != len(bad) {
			return fmt.Errorf("%d of %d: %q", len(reasons), len(bad), reasons)
		}
		for i, b := range bad {
			if !strings.Contains(reasons[i], b.says) {
				t.Errorf("%.60s: %q, want a reason that names %q", b.data, reasons[i], b.says)
			}
		}
		return nil
	})
	w.forgery(t, nc)
	w.exposing(t, "after-events")
}

// forgery publishes an approval that policy never gave.
func (w *world) forgery(t *testing.T, nc *nats.Conn) {
	t.Helper()
	k := events.Key{Cluster: harness.ClusterName, Kind: events.KindService, Namespace: "bad", Name: "forged"}
	wish := events.Exposure{Key: k, UID: "1", Cloud: harness.CloudName,
		Listeners: []events.Listener{{Protocol: events.TCP, Port: 22, Backend: "ssh"}},
		Backends:  []events.Backend{{Name: "ssh", Protocol: events.TCP, Members: []events.Member{{Address: w.Cloud.Nodes[0], Port: 22}}}}}
	approval, err := json.Marshal(events.Decided{Verdict: events.Approved, Wish: "none", Exposure: &wish}.Seal(k))
	if err != nil {
		t.Fatal(err)
	}
	send(t, nc, events.StageDecided, k, "approved", k, string(approval))
	harness.Eventually(t, "an approval without a signature is refused", func() error {
		all, err := w.Auditor.Of(k)
		if err == nil && !slices.ContainsFunc(all, func(e harness.Event) bool {
			return e.Verdict == string(events.Failed) && strings.Contains(string(e.Payload), "trusted-keys")
		}) {
			err = fmt.Errorf("%+v", all)
		}
		return err
	})
	w.Exact(t)
}

func tombstone(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(events.Requested{}.Seal())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// send publishes on the subject of one key a message that says it is of another,
// and waits until the stream has it.
func send(t *testing.T, nc *nats.Conn, stage events.Stage, on events.Key, verb string, of events.Key, data string) {
	t.Helper()
	m := &nats.Msg{Subject: events.Subject(stage, harness.CloudName, on), Data: []byte(data)}
	if verb != "" {
		m.Header = nats.Header{"ce-specversion": {"1.0"}, "ce-id": {token()}, "ce-source": {"/e2e"}, "ce-type": {events.TypePrefix + verb + ".v1"},
			"ce-subject": {of.String()}, "ce-time": {"2026-01-02T03:04:05Z"}, "ce-changeid": {"x"}, "ce-cloud": {harness.CloudName},
			"content-type": {"application/json"}}
	}
	if _, err := nc.RequestMsg(m, harness.Patience); err != nil {
		t.Fatalf("publish %s of %s: %v", verb, of, err)
	}
}

// badBundle breaks the bundle: the one before it stays in force.
func (w *world) badBundle(t *testing.T) {
	file := filepath.Join(w.Bundle, "drawbridge", "broken.rego")
	if err := os.WriteFile(file, []byte("package drawbridge\n\ndeny contains {"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.logs(t, "policy", "broken.rego")
	w.exposing(t, "after-bundle")
	ns := w.namespace(t, true)
	w.backend(t, ns, "web")
	bank := harness.Ingress(ns, "bank", nil, harness.Path{Host: "login.bank.com", Path: "/", Service: "web", Port: 80})
	trip := w.Change(t, bank, func() { w.Source.Apply(t, bank) })
	wantState(t, trip, events.Denied, events.Removed)
	w.Source.Delete(t, bank)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

// TestBadCloud starts fleets whose cloud cannot be used: the executor says why,
// wishes are decided and on record, and stand as soon as the cloud can be used.
func TestBadCloud(t *testing.T) {
	t.Parallel()
	without := func(c *sandbox.Config) { c.WithoutOctavia = true }
	for _, bad := range []struct {
		name, says string
		cloud      func(*testing.T) *harness.Cloud
		spoil      func(text string) string
	}{
		{"clouds.yaml without the entry", `"default"`, func(t *testing.T) *harness.Cloud { return harness.NewSandbox(t) },
			func(text string) string { return strings.Replace(text, "    default:", "    other:", 1) }},
		{"wrong password", "password", func(t *testing.T) *harness.Cloud { return harness.NewSandbox(t) },
			func(text string) string { return strings.Replace(text, "password: ", "password: x", 1) }},
		{"a cloud without Octavia", "Octavia", func(t *testing.T) *harness.Cloud { return harness.NewSandbox(t, without) }, nil},
	} {
		t.Run(bad.name, func(t *testing.T) {
			t.Parallel()
			cloud := bad.cloud(t)
			good, err := os.ReadFile(cloud.CloudsFile)
			if err != nil {
				t.Fatal(err)
			}
			if bad.spoil != nil {
				spoilt := bad.spoil(string(good))
				if spoilt == string(good) {
					t.Fatalf("nothing is spoilt in\n%s", good)
				}
				writeFile(t, cloud.CloudsFile, spoilt)
			}
			w := describeWorld(t, harness.AllInOne, cloud, harness.Folder{Path: t.TempDir()})
			w.Start(t)
			ns := w.namespace(t, true)
			lobby := harness.Balanced(ns, "lobby", nil, w.port(t, "lobby", "TCP", 7000))
			w.Source.Apply(t, lobby)
			harness.Eventually(t, "the executor says why it is not ready", func() error {
				status, text, err := w.Readyz("executor")
				if err == nil && (status == http.StatusOK || !strings.Contains(text, "executor") || !strings.Contains(text, bad.says)) {
					err = fmt.Errorf("%d %s", status, text)
				}
				return err
			})
			harness.Eventually(t, "the wish is decided", func() error {
				all, err := w.Auditor.Of(harness.Key(lobby))
				if err == nil && count(all, events.StageDecided) == 0 {
					err = errors.New("it is not")
				}
				return err
			})
			if bad.spoil == nil {
				return
			}
			writeFile(t, cloud.CloudsFile, string(good))
			w.Ready(t, "executor")
			trip := w.Settled(t, lobby)
			wantState(t, trip, events.Approved, events.Applied)
			w.Stands(lobby, true)
			w.Exact(t)
		})
	}
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestQuota asks for one load balancer more than the cloud gives.
func TestQuota(t *testing.T) {
	t.Parallel()
	cloud := harness.NewSandbox(t, func(c *sandbox.Config) { c.Quota = map[string]int{"load_balancer": 1} })
	w := newWorld(t, harness.AllInOne, cloud, harness.Folder{Path: t.TempDir()})
	ns := w.namespace(t, true)
	first := harness.Balanced(ns, "first", nil, w.port(t, "first", "TCP", 7000))
	w.expose(t, first)
	second := harness.Balanced(ns, "second", nil, w.port(t, "second", "TCP", 7001))
	w.Source.Apply(t, second)
	harness.Eventually(t, "the outcome names the quota", func() error {
		all, err := w.Auditor.Of(harness.Key(second))
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.Verdict == string(events.Failed) && strings.Contains(strings.ToLower(string(e.Payload)), "quota") {
				return nil
			}
		}
		return fmt.Errorf("%d events, no failed outcome for the quota", len(all))
	})
	w.Exact(t)

	w.withdraw(t, first)
	trip := w.Settled(t, second)
	wantState(t, trip, events.Approved, events.Applied)
	w.Stands(second, true)
	w.exposed = append(w.exposed, second)
	w.Exact(t)
	w.clear(t)
}
