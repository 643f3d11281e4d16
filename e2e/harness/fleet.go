package harness

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"drawbridge.dev/events"
)

// Cluster and cloud of every fleet, as deploy/nats/hub.conf knows them.
const (
	ClusterName = "blue"
	CloudName   = "default"
)

// Shape is how the services are spread over processes.
type Shape string

// Shapes.
const (
	AllInOne  Shape = "all-in-one"
	Processes Shape = "processes"
)

// Services in the order of a change's trip.
var Services = []string{"watcher", "policy", "executor", "auditor"}

// Fleet is the product at work: one cluster, one cloud, the services.
type Fleet struct {
	Name    string // random: marks what is ours in a cloud that others use too
	Shape   Shape
	Cloud   *Cloud
	Source  Source
	Bundle  string // folder of the policy bundle
	Auditor Auditor
	NATS    *NATS // nil in one process

	folder  string
	process map[string]*Process  // by service
	ops     map[string]string    // by process, its address
	stands  map[events.Key]place // what must stand in the cloud
}

// Adjust changes the sections of a configuration before the processes start.
type Adjust func(config map[string]any)

// NewFleet starts the services against a cloud and a cluster and waits until
// they are ready. What it made in the cloud is removed when the test ends.
func NewFleet(t testing.TB, shape Shape, cloud *Cloud, source Source, adjust ...Adjust) *Fleet {
	t.Helper()
	f := Describe(t, shape, cloud, source, adjust...)
	f.Start(t)
	for _, s := range Services {
		f.Ready(t, s)
	}
	return f
}

// Describe makes everything that a fleet needs, but starts none of its services.
func Describe(t testing.TB, shape Shape, cloud *Cloud, source Source, adjust ...Adjust) *Fleet {
	t.Helper()
	f := &Fleet{Name: Prefix + strings.ToLower(rand.Text()[:10]), Shape: shape, Cloud: cloud, Source: source,
		folder: t.TempDir(), process: map[string]*Process{}, ops: map[string]string{}, stands: map[events.Key]place{}}
	f.Bundle = copyBundle(t, f.folder)
	t.Cleanup(func() { f.sweep(t) })
	api := fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	f.Auditor.URL = "http://" + api
	section := f.sections(t, api)
	for _, a := range adjust {
		a(section)
	}
	if shape == AllInOne {
		p := f.describe(t, "drawbridge", "all", section, nil)
		for _, s := range Services {
			f.process[s] = p
		}
		f.explain(t)
		return f
	}
	f.NATS = StartNATS(t, f.folder)
	t.Cleanup(func() {
		if strings.Contains(f.NATS.Log(), "Violation") {
			t.Error("a service needs a right that deploy/nats does not give it: see the log of nats")
		}
	})
	for _, s := range Services {
		f.process[s] = f.describe(t, s, s, section, f.NATS.User(t, natsUser[s]))
	}
	f.explain(t)
	return f
}

// natsUser is the certificate of a service, as deploy/nats/hub.conf knows it.
var natsUser = map[string]string{"watcher": "watcher-" + ClusterName, "policy": "policy", "executor": "executor-" + CloudName, "auditor": "auditor"}

// sections is the configuration that every process gets; each reads its own part.
func (f *Fleet) sections(t testing.TB, api string) map[string]any {
	t.Helper()
	seed, public := newSigner(t, f.folder)
	seal, sealTo := newSealKey(t, f.folder)
	watcher := map[string]any{"cluster": ClusterName, "cloud": CloudName, "node-window": "100ms", "rescan": "1s",
		"seal-keys": map[string]any{CloudName: sealTo}}
	for k, v := range f.Source.Config() {
		watcher[k] = v
	}
	executor := map[string]any{"fleet": f.Name, "cloud": CloudName, "openstack-cloud": CloudName, "clouds-file": f.Cloud.CloudsFile,
		"trusted-keys": []string{public}, "seal-seed-file": seal, "drift-interval": "1s", "lease-ttl": "3s", "retry-max": "5s", "poll-max": "1s", "drain-delay": "0s"}
	for k, v := range f.Cloud.Executor {
		executor[k] = v
	}
	sections := map[string]any{
		"log":      map[string]any{"level": "debug", "format": "json"},
		"watcher":  watcher,
		"policy":   map[string]any{"bundle": f.Bundle, "bundle-interval": "1s", "key-file": seed},
		"executor": executor,
		"auditor":  map[string]any{"listen": map[string]any{"address": api}},
	}
	if f.Shape == AllInOne { // for commands that ask the bus
		sections["nats"] = map[string]any{"listen": fmt.Sprintf("127.0.0.1:%d", FreePort(t))}
	}
	return sections
}

// describe writes the configuration of one process.
func (f *Fleet) describe(t testing.TB, name, target string, sections map[string]any, nats map[string]any) *Process {
	t.Helper()
	config := map[string]any{"data": filepath.Join(f.folder, name)}
	for k, v := range sections {
		config[k] = v
	}
	if nats != nil {
		config["nats"] = nats
	}
	f.ops[name] = fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	config["ops"] = map[string]any{"address": f.ops[name]}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(f.folder, name+".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return NewProcess(t, f.folder, name, Binary(t), "run", "-c", file, "--target", target)
}

// Start starts every process that does not run.
func (f *Fleet) Start(t testing.TB) {
	t.Helper()
	for _, s := range Services {
		if p := f.process[s]; !p.Running() {
			p.Start(t)
		}
	}
}

// Process that runs a service.
func (f *Fleet) Process(service string) *Process { return f.process[service] }

// Ready waits until the process of a service says that it is ready.
func (f *Fleet) Ready(t testing.TB, service string) {
	t.Helper()
	p := f.process[service]
	Eventually(t, p.Name+" is ready", func() error {
		if !p.Running() {
			t.Fatalf("%s ended: %v", p.Name, p.Exit())
		}
		status, text, err := GetHTTP(f.ops[p.Name], "", "/readyz")
		if err == nil && status != http.StatusOK {
			err = errors.New(strings.TrimSpace(text))
		}
		return err
	})
}

// Readyz is what the process of a service says of itself.
func (f *Fleet) Readyz(service string) (int, string, error) {
	return GetHTTP(f.ops[f.process[service].Name], "", "/readyz")
}

// Standby starts another executor of the same cloud.
func (f *Fleet) Standby(t testing.TB) *Process {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.folder, "executor.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	p := f.describe(t, "standby", "executor", config, f.NATS.User(t, natsUser["executor"]))
	p.Start(t)
	return p
}

// newest is the newest trip, settled or not.
func (f *Fleet) newest(t testing.TB, k events.Key) Trip {
	t.Helper()
	trip, err := f.Auditor.Newest(k)
	var status *StatusError
	var unreachable *url.Error
	if errors.As(err, &status) || errors.As(err, &unreachable) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return trip
}

// Key of an object of the fleet's cluster.
func Key(o Object) events.Key {
	return events.Key{Cluster: ClusterName, Kind: o.Kind(), Namespace: o.Namespace(), Name: o.Name()}
}

// Change does something that leads to another wish of the object, and waits
// until that wish is decided and carried out.
func (f *Fleet) Change(t testing.TB, o Object, do func()) Trip {
	t.Helper()
	before := f.newest(t, Key(o)).Wish.ID
	do()
	return f.settled(t, o, func(now Trip) bool { return now.Wish.ID != before })
}

// Redecide does something that leads to another decision about the same wish.
func (f *Fleet) Redecide(t testing.TB, o Object, do func()) Trip {
	t.Helper()
	before := f.newest(t, Key(o)).Decision.ID
	do()
	return f.settled(t, o, func(now Trip) bool { return now.Decision.ID != before })
}

// Settled waits until the newest wish of the object is decided and carried out.
func (f *Fleet) Settled(t testing.TB, o Object) Trip {
	t.Helper()
	return f.settled(t, o, func(Trip) bool { return true })
}

func (f *Fleet) settled(t testing.TB, o Object, moved func(Trip) bool) (trip Trip) {
	t.Helper()
	Eventually(t, Key(o).String()+" is carried out", func() error {
		var err error
		if trip, err = f.Auditor.Newest(Key(o)); err == nil && !moved(trip) {
			err = errors.New("nothing has changed")
		}
		return err
	}, func() string { return f.History(o) })
	return trip
}

// History is what is on record of an object, the end, to explain a failure.
func (f *Fleet) History(o Object) string {
	all, err := f.Auditor.Of(Key(o))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("history of %s:%s", Key(o), Tail(all))
}

// Expose applies the object and waits until it stands at an address.
func (f *Fleet) Expose(t testing.TB, o Object) Trip {
	t.Helper()
	trip := f.Change(t, o, func() { f.Source.Apply(t, o) })
	if trip.Decided.Verdict != events.Approved || trip.Outcome.State != events.Applied || len(trip.Outcome.Addresses) == 0 {
		t.Fatalf("%s: %s %q, then %s %q at %v; want it approved and applied at an address", Key(o), trip.Decided.Verdict,
			trip.Decided.Reasons, trip.Outcome.State, trip.Outcome.Reason, trip.Outcome.Addresses)
	}
	f.StandsIn(o, trip.Decided.Exposure.Group, !trip.Decided.Exposure.Internal)
	return trip
}

// Withdraw deletes the object and waits until nothing of it stands.
func (f *Fleet) Withdraw(t testing.TB, o Object) Trip {
	t.Helper()
	f.Source.Delete(t, o)
	return f.Removed(t, o)
}

// Removed waits until nothing stands of an object that is gone.
func (f *Fleet) Removed(t testing.TB, o Object) Trip {
	t.Helper()
	trip := f.settled(t, o, func(now Trip) bool { return now.Requested.Exposure == nil })
	if trip.Outcome.State != events.Removed {
		t.Fatalf("%s: %s %q, want it removed", Key(o), trip.Outcome.State, trip.Outcome.Reason)
	}
	f.Gone(o)
	return trip
}

// Stands says that the cloud must hold a load balancer for the object, with a floating IP or not.
func (f *Fleet) Stands(o Object, public bool) { f.StandsIn(o, "", public) }

// StandsIn says the same of an object whose load balancer is that of a group;
// empty: its own.
func (f *Fleet) StandsIn(o Object, group string, public bool) {
	at := place{keyTag(Key(o)), public}
	if group != "" {
		at.tag = "drawbridge.dev/group=" + group
	}
	f.stands[Key(o)] = at
}

// Gone says that the cloud must hold nothing for the object.
func (f *Fleet) Gone(o Object) { delete(f.stands, Key(o)) }

// Command runs the command line against the fleet, with the configuration of
// the process that runs a service, and returns what it prints. Its exit status
// must be 0, or one of those that are given.
func (f *Fleet) Command(t testing.TB, service string, args []string, also ...int) string {
	t.Helper()
	cmd := exec.Command(Binary(t), args...)
	cmd.Env = append(os.Environ(), "DRAWBRIDGE_AUDITOR="+f.Auditor.URL, "DRAWBRIDGE_CONFIG="+filepath.Join(f.folder, f.process[service].Name+".yaml"))
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil && !slices.Contains(also, cmd.ProcessState.ExitCode()) {
		t.Fatalf("drawbridge %s: %v: %s", strings.Join(args, " "), err, failure.Bytes())
	}
	return string(out)
}
