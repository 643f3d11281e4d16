package watcher

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

const (
	nodeManifest = "apiVersion: v1\nkind: Node\nmetadata: {name: %[1]s}\nstatus: {addresses: [{type: InternalIP, address: %[2]s}], conditions: [{type: Ready, status: \"True\"}]}\n"
	lbManifest   = "apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: shop%s}\nspec:\n  type: LoadBalancer\n  loadBalancerClass: drawbridge.dev/octavia\n  ports: [{port: %d, nodePort: 30080}]\n"
)

// run is a watcher at work on a folder.
type run struct {
	t      *testing.T
	dir    string
	bus    *bus.Bus
	log    *safeBuffer
	ready  chan error // the last report
	cancel context.CancelFunc
	done   chan error
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func start(t *testing.T, b *bus.Bus, dir string) *run {
	t.Helper()
	return startWith(t, b, Config{Folder: dir})
}

func startWith(t *testing.T, b *bus.Bus, cfg Config) *run {
	t.Helper()
	r := &run{t: t, dir: cfg.Folder, bus: b, log: &safeBuffer{}, ready: make(chan error, 1), done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	report := func(err error) {
		select {
		case <-r.ready:
		default:
		}
		r.ready <- err
	}
	cfg.Cluster, cfg.NodeWindow, cfg.Rescan = "c1", 20*time.Millisecond, 50*time.Millisecond
	go func() { r.done <- Run(ctx, cfg, b, zerolog.New(r.log), prometheus.NewRegistry(), report) }()
	t.Cleanup(func() { r.stop() })
	return r
}

// stop ends the watcher as ctrl-C does, and fails if it does not end well.
func (r *run) stop() {
	r.t.Helper()
	r.cancel()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Errorf("Run: %v", err)
		}
		r.done <- nil
	case <-time.After(2 * time.Minute):
		r.t.Error("Run does not end")
	}
}

func (r *run) awaitReady() {
	r.t.Helper()
	select {
	case err := <-r.ready:
		if err != nil {
			r.awaitReady()
		}
	case <-time.After(2 * time.Minute):
		r.t.Fatalf("not ready:\n%s", r.log)
	}
}

func write(t *testing.T, dir, name, text string, args ...any) {
	t.Helper()
	// As a careful tool writes: whole, under its name at once.
	tmp := filepath.Join(dir, "."+name)
	if err := os.WriteFile(tmp, fmt.Appendf(nil, text, args...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// rows is the table of cluster c1, as "stage kind/namespace/name@cloud: what".
func rows(t *testing.T, b *bus.Bus, cluster string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	table, err := b.Table(ctx, events.Filter("", "", cluster))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range table {
		if r.Err != nil {
			out = append(out, "unreadable "+r.Subject)
			continue
		}
		e := r.Event
		what := strings.TrimPrefix(e.Type(), events.TypePrefix)
		if v, ok := e.Payload.(events.Requested); ok && v.Exposure != nil {
			members := []string{}
			for _, m := range v.Exposure.Backends[0].Members {
				members = append(members, m.Address)
			}
			what += fmt.Sprintf(" port %d members %v", v.Exposure.Listeners[0].Port, members)
		}
		out = append(out, fmt.Sprintf("%s@%s %s", e.Key.Name, e.Cloud, what))
	}
	slices.Sort(out)
	return out
}

// awaitRows waits for the table to say what is wanted.
func awaitRows(t *testing.T, b *bus.Bus, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if got = rows(t, b, "c1"); slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the table says\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

func history(t *testing.T, b *bus.Bus) uint64 {
	t.Helper()
	_, last, err := b.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func TestFolderBecomesWishes(t *testing.T) {
	b, dir := bustest.Start(t), t.TempDir()
	write(t, dir, "nodes.yaml", nodeManifest+"---\n"+"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n", "n1", "10.0.0.1")
	write(t, dir, "web.yaml", lbManifest, "web", "", 80)
	r := start(t, b, dir)
	r.awaitReady()
	awaitRows(t, b, "web@default requested.v1 port 80 members [10.0.0.1]")

	// A node comes; the port changes; another object comes; one goes.
	write(t, dir, "node2.yaml", nodeManifest, "n2", "10.0.0.2")
	awaitRows(t, b, "web@default requested.v1 port 80 members [10.0.0.1 10.0.0.2]")
	write(t, dir, "web.yaml", lbManifest, "web", "", 81)
	awaitRows(t, b, "web@default requested.v1 port 81 members [10.0.0.1 10.0.0.2]")
	write(t, dir, "api.yaml", lbManifest, "api", "", 90)
	awaitRows(t, b, "api@default requested.v1 port 90 members [10.0.0.1 10.0.0.2]", "web@default requested.v1 port 81 members [10.0.0.1 10.0.0.2]")
	remove(t, dir, "web.yaml")
	awaitRows(t, b, "api@default requested.v1 port 90 members [10.0.0.1 10.0.0.2]", "web@default withdrawn.v1")

	// A fault is a problem of that object alone, and its last wish stays.
	write(t, dir, "api.yaml", lbManifest, "api", ", annotations: {drawbridge.dev/internal: maybe}", 91)
	awaitRows(t, b, "api@default rejected.v1", "api@default requested.v1 port 90 members [10.0.0.1 10.0.0.2]", "web@default withdrawn.v1")
	if !strings.Contains(r.log.String(), `\"maybe\" is neither`) {
		t.Errorf("the log does not name the value:\n%s", r.log)
	}
	r.stop()

	// Started again it finds everything as it is, and says nothing.
	before := history(t, b)
	r = start(t, b, dir)
	r.awaitReady()
	write(t, dir, "last.yaml", lbManifest, "last", "", 99)
	awaitRows(t, b, "api@default rejected.v1", "api@default requested.v1 port 90 members [10.0.0.1 10.0.0.2]",
		"last@default requested.v1 port 99 members [10.0.0.1 10.0.0.2]", "web@default withdrawn.v1")
	if after := history(t, b); after != before+1 {
		t.Errorf("the second start published %d events, want the one for what is new", after-before)
	}
}

func TestWhatVanishedWhileItWasDown(t *testing.T) {
	b, dir := bustest.Start(t), t.TempDir()
	write(t, dir, "a.yaml", lbManifest, "a", "", 80)
	write(t, dir, "b.yaml", lbManifest, "b", "", 80)
	foreign := events.New("/watcher/c2", "default", events.Key{Cluster: "c2", Kind: events.KindService, Namespace: "shop", Name: "a"},
		events.Requested{Exposure: nil}.Seal(), "", nil, time.Now())
	if _, err := b.Publish(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	r := start(t, b, dir)
	awaitRows(t, b, "a@default requested.v1 port 80 members []", "b@default requested.v1 port 80 members []")
	r.stop()

	// A file that cannot be read might hold what is missing: nothing is deleted.
	remove(t, dir, "a.yaml")
	write(t, dir, "broken.yaml", "kind: [")
	r = start(t, b, dir)
	r.awaitReady()
	awaitLog(t, r, "its load balancer stays until that is corrected")
	awaitRows(t, b, "a@default requested.v1 port 80 members []", "b@default requested.v1 port 80 members []")
	write(t, dir, "broken.yaml", "# nothing\n")
	awaitRows(t, b, "a@default withdrawn.v1", "b@default requested.v1 port 80 members []")
	r.stop()

	// A folder that is not there is not an empty one.
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	r = start(t, b, dir)
	awaitLog(t, r, "cannot be read")
	select {
	case err := <-r.ready:
		wantError(t, err, "not read yet")
	case <-time.After(2 * time.Minute):
		t.Fatal("nothing is reported")
	}
	if err := os.Rename(dir+"-moved", dir); err != nil {
		t.Fatal(err)
	}
	r.awaitReady()
	awaitRows(t, b, "a@default withdrawn.v1", "b@default requested.v1 port 80 members []")
	if got := rows(t, b, "c2"); !slices.Equal(got, []string{"a@default withdrawn.v1"}) {
		t.Errorf("another cluster's rows were touched: %v", got)
	}
	if n := history(t, b); n != 4 {
		t.Errorf("%d events in all, want 4", n)
	}
}

// A cluster that holds nothing of what stands is another one, unless somebody
// says that it is not.
func TestAnotherClusterDeletesNothing(t *testing.T) {
	b, dir := bustest.Start(t), t.TempDir()
	write(t, dir, "a.yaml", lbManifest, "a", "", 80)
	write(t, dir, "b.yaml", lbManifest, "b", "", 80)
	r := start(t, b, dir)
	awaitRows(t, b, "a@default requested.v1 port 80 members []", "b@default requested.v1 port 80 members []")
	r.stop()

	other := t.TempDir()
	write(t, other, "c.yaml", lbManifest, "c", "", 80)
	r = start(t, b, other)
	awaitLog(t, r, "holds none of their objects")
	if err := <-r.ready; err == nil {
		t.Error("it is ready")
	}
	awaitRows(t, b, "a@default requested.v1 port 80 members []", "b@default requested.v1 port 80 members []")
	r.stop()

	startWith(t, b, Config{Folder: other, AllGone: true})
	awaitRows(t, b, "a@default withdrawn.v1", "b@default withdrawn.v1", "c@default requested.v1 port 80 members []")
}

func awaitLog(t *testing.T, r *run, text string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(r.log.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q:\n%s", text, r.log)
		}
	}
}

// answer plays policy and executor for the wish of one key in one cloud.
func answer(t *testing.T, b *bus.Bus, name, cloud string, d events.Decided, o *events.Outcome) {
	t.Helper()
	k := events.Key{Cluster: "c1", Kind: events.KindService, Namespace: "shop", Name: name}
	r, found, err := b.Last(t.Context(), events.StageRequested, cloud, k)
	if err != nil || !found {
		t.Fatalf("no wish of %s in %s: %v", k, cloud, err)
	}
	d.Wish = r.Event.Payload.(events.Requested).Digest
	d = d.Seal(k)
	decided := events.New("/policy", cloud, k, d, "", &r.Event, time.Now())
	if _, err := b.Publish(t.Context(), decided); err != nil {
		t.Fatal(err)
	}
	if o == nil {
		return
	}
	o.Decision = d.Digest
	if _, err := b.Publish(t.Context(), events.New("/executor", cloud, k, *o, "", &decided, time.Now())); err != nil {
		t.Fatal(err)
	}
}

func TestMoveBuildsBeforeItTakesDown(t *testing.T) {
	b, dir := bustest.Start(t), t.TempDir()
	write(t, dir, "a.yaml", lbManifest, "a", "", 80)
	r := start(t, b, dir)
	awaitRows(t, b, "a@default requested.v1 port 80 members []")
	answer(t, b, "a", "default", events.Decided{Verdict: events.Approved}, &events.Outcome{State: events.Applied, Addresses: []events.Address{{IP: "192.0.2.1", Type: "floating"}}})
	awaitLog(t, r, "reachable at 192.0.2.1")

	write(t, dir, "a.yaml", lbManifest, "a", ", annotations: {drawbridge.dev/cloud: west}", 80)
	awaitRows(t, b, "a@default applied.v1", "a@default approved.v1", "a@default requested.v1 port 80 members []", "a@west requested.v1 port 80 members []")
	answer(t, b, "a", "west", events.Decided{Verdict: events.Denied, Reasons: []string{"not in the west"}}, nil)
	awaitLog(t, r, "not in the west")
	awaitRows(t, b, "a@default applied.v1", "a@default approved.v1", "a@default requested.v1 port 80 members []", "a@west denied.v1", "a@west requested.v1 port 80 members []")
	answer(t, b, "a", "west", events.Decided{Verdict: events.Approved}, &events.Outcome{State: events.Applied, Addresses: []events.Address{{IP: "192.0.2.2", Type: "floating"}}})
	awaitRows(t, b, "a@default applied.v1", "a@default approved.v1", "a@default withdrawn.v1", "a@west applied.v1", "a@west approved.v1", "a@west requested.v1 port 80 members []")
}

func TestWishThatIsTooLarge(t *testing.T) {
	_, url := bustest.Server(t, func(o *server.Options) { o.MaxPayload = 64 << 10 })
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rules := make([]string, 10_000)
	for i := range rules {
		rules[i] = fmt.Sprintf(`{"host": "h%d.example.org", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}`, i)
	}
	write(t, dir, "many.json", `{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "many", "namespace": "shop"}, "spec": {"ingressClassName": "drawbridge", "rules": [%s]}}`, strings.Join(rules, ",\n"))
	write(t, dir, "a.yaml", lbManifest, "a", "", 80)
	r := start(t, b, dir)
	awaitRows(t, b, "a@default requested.v1 port 80 members []", "many@default rejected.v1")
	awaitLog(t, r, "divide it into several objects")
	r.stop()
	before := history(t, b)
	r = start(t, b, dir)
	r.awaitReady()
	write(t, dir, "b.yaml", lbManifest, "b", "", 80)
	awaitRows(t, b, "a@default requested.v1 port 80 members []", "b@default requested.v1 port 80 members []", "many@default rejected.v1")
	if n := history(t, b) - before; n != 1 {
		t.Errorf("the problem was told again: %d events, want 1", n)
	}
}

func TestBusThatGoesAndComesBack(t *testing.T) {
	s, url := bustest.Server(t)
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "a.yaml", lbManifest, "a", "", 80)
	r := start(t, b, dir)
	awaitRows(t, b, "a@default requested.v1 port 80 members []")
	options := bustest.Stop(t, s)
	remove(t, dir, "a.yaml")
	write(t, dir, "b.yaml", lbManifest, "b", "", 80)
	awaitUnready(t, r)
	bustest.Resume(t, options)
	r.awaitReady()
	awaitRows(t, b, "a@default withdrawn.v1", "b@default requested.v1 port 80 members []")
}

func awaitUnready(t *testing.T, r *run) {
	t.Helper()
	for timeout := time.After(2 * time.Minute); ; {
		select {
		case err := <-r.ready:
			if err != nil {
				return
			}
		case <-timeout:
			t.Fatal("the lost bus is not reported")
		}
	}
}

// A row of the table lives for ever, its event in the history does not.
func TestWishOlderThanTheHistory(t *testing.T) {
	_, url := bustest.Server(t)
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{MaxAge: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "a.yaml", lbManifest, "a", "", 80)
	start(t, b, dir)
	awaitRows(t, b, "a@default requested.v1 port 80 members []")
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		first, _, err := b.History(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if first > 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the history forgets nothing")
		}
	}
	write(t, dir, "a.yaml", lbManifest, "a", "", 81)
	awaitRows(t, b, "a@default requested.v1 port 81 members []")
}

func TestTwoWatchersOfOneCluster(t *testing.T) {
	_, url := bustest.Server(t)
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	start(t, b, dir)
	start(t, bustest.Connect(t, url), dir)
	for port := 80; port < 90; port++ {
		write(t, dir, "a.yaml", lbManifest, "a", "", port)
		awaitRows(t, b, fmt.Sprintf("a@default requested.v1 port %d members []", port))
	}
	remove(t, dir, "a.yaml")
	awaitRows(t, b, "a@default withdrawn.v1")
	if n := history(t, b); n != 11 {
		t.Errorf("%d events, want the 11 that one watcher would publish", n)
	}
}

func TestTranslateFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", lbManifest+"---\n"+"apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: 10.0.0.1}], conditions: [{type: Ready, status: \"True\"}]}\n", "web", "", 80)
	write(t, dir, "b.yaml", lbManifest, "bad", ", annotations: {drawbridge.dev/internal: maybe}", 80)
	write(t, dir, "c.yaml", "kind: [")
	got, err := Translate(dir, Config{Cluster: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Wishes) != 1 || got.Wishes[0].Where != "a.yaml:1" || got.Wishes[0].Requested.Exposure.Backends[0].Members[0].Address != "10.0.0.1" {
		t.Errorf("wishes: %+v", got.Wishes)
	}
	var said []string
	for _, p := range got.Problems {
		said = append(said, fmt.Sprint(p.Refused, " ", p))
	}
	if len(said) != 2 || !strings.HasPrefix(said[0], "true c.yaml:1: document 1: ") || !strings.HasPrefix(said[1], `true b.yaml:1: Service shop/bad: metadata.annotations[drawbridge.dev/internal]: "maybe" is neither`) {
		t.Errorf("problems: %q", said)
	}
	_, err = Translate(filepath.Join(dir, "gone"), Config{Cluster: "c1"})
	wantError(t, err, "gone")
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	b := bustest.Start(t)
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{}, "cluster"},
		{Config{Cluster: "c", Kubeconfig: filepath.Join(t.TempDir(), "none")}, "kubeconfig"},
	} {
		wantError(t, Run(t.Context(), c.config, b, zerolog.Nop(), prometheus.NewRegistry(), func(error) {}), c.want)
	}
}
