package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor"
)

// get is the status and text of a URL.
func get(url string) (int, string, error) {
	r, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, string(b), err
}

func TestOps(t *testing.T) {
	ctx, fail := context.WithCancelCause(t.Context())
	defer fail(nil)
	ready := newReadiness([]string{"policy", "watcher"})
	var busErr error
	reg := prometheus.NewRegistry()
	answered := prometheus.NewCounter(prometheus.CounterOpts{Name: "drawbridge_test_total", Help: "x"})
	reg.MustRegister(answered)
	answered.Add(3)
	srv := httptest.NewServer(opsHandler(ctx, ready, func() error { return busErr }, reg))
	defer srv.Close()
	want := func(path string, status int, text string) {
		t.Helper()
		code, got, err := get(srv.URL + path)
		if err != nil || code != status || !strings.Contains(got, text) {
			t.Errorf("%s: %d %q, %v; want %d with %q", path, code, got, err, status, text)
		}
	}
	want("/livez", 200, "ok\n")
	want("/readyz", 503, "policy: is starting\nwatcher: is starting\n")
	ready.reporter("policy")(nil)
	want("/readyz", 503, "watcher: is starting\n")
	ready.reporter("watcher")(nil)
	want("/readyz", 200, "ok\n")
	ready.reporter("policy")(errors.New("bundle x.rego:3: does not compile"))
	want("/readyz", 503, "policy: bundle x.rego:3: does not compile\n")
	ready.reporter("policy")(errors.New("policy: gives no answer")) // it is named once
	if got := ready.err().Error(); got != "policy: gives no answer" {
		t.Errorf("not ready: %s", got)
	}
	want("/livez", 200, "ok\n") // a restart would not help
	ready.reporter("policy")(nil)
	busErr = errors.New("not connected")
	want("/readyz", 503, "bus: not connected\n")
	busErr = nil
	want("/readyz", 200, "ok\n")
	want("/metrics", 200, "drawbridge_test_total 3")
	want("/nothing", 404, "")
	fail(errors.New("policy: gave up"))
	want("/livez", 503, "policy: gave up\n")
}

// running is a process's worth of services.
type running struct {
	cfg config
	log *buffer
	end func() error
}

// run starts services as the command does, and stops them with the test.
func run(t *testing.T, cfg config, targets []string) running {
	t.Helper()
	if err := cfg.makeData(targets); err != nil {
		t.Fatal(err)
	}
	full, err := cfg.complete(targets)
	if err != nil {
		t.Fatal(err)
	}
	r := running{cfg: full, log: &buffer{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runServices(ctx, full, targets, zerolog.New(r.log), nil) }()
	ended := false
	r.end = func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return r
}

// answers is a condition for until.
func (r running) answers(path string, status int, texts ...string) func() error {
	return func() error {
		code, got, err := get("http://" + r.cfg.Ops.Address + path)
		if err != nil {
			return err
		}
		if code != status {
			return fmt.Errorf("%s: %d %s", path, code, got)
		}
		for _, text := range texts {
			if !strings.Contains(got, text) {
				return fmt.Errorf("%s: no %q in %s", path, text, got)
			}
		}
		return nil
	}
}

// without is a condition for until: readyz names none of these.
func (r running) without(services ...string) func() error {
	return func() error {
		code, got, err := get("http://" + r.cfg.Ops.Address + "/readyz")
		for _, s := range services {
			if strings.Contains(got, s) {
				return fmt.Errorf("%d %s", code, got)
			}
		}
		return err
	}
}

// verdicts are those of an object, the newest first.
func (r running) verdicts(t *testing.T, name string) string {
	p, err := auditor.Client{BaseURL: "http://" + r.cfg.Auditor.Listen.Address}.Events(t.Context(), auditor.Filter{Name: name})
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, e := range p.Events {
		out = append(out, e.Verdict)
	}
	return strings.Join(out, " ")
}

const brokenRego = "package drawbridge\n\nimport rego.v1\n\ndeny contains {\n"

// TestBadBundleAtStart: policy says which file is wrong, denies and exposes
// nothing; all the others work, and it goes on by itself when the file is good.
func TestBadBundleAtStart(t *testing.T) {
	cfg := allInOne(t)
	cfg.Policy.Bundle = t.TempDir()
	if err := os.CopyFS(cfg.Policy.Bundle, os.DirFS("../../../policies")); err != nil {
		t.Fatal(err)
	}
	broken := write(t, filepath.Join(cfg.Policy.Bundle, "drawbridge", "broken.rego"), brokenRego)
	write(t, filepath.Join(cfg.Watcher.Folder, "namespaces.yaml"), sample(t, "namespaces.yaml"))
	write(t, filepath.Join(cfg.Watcher.Folder, "bank.yaml"), sample(t, "bank.yaml"))
	write(t, filepath.Join(cfg.Watcher.Folder, "shop.yaml"), sample(t, "shop.yaml"))
	cfg.Executor.CloudsFile, cfg.Executor.OpenStackCloud = "/nowhere/clouds.yaml", "west"
	r := run(t, cfg, targets)
	until(t, "readyz names the file, its line, and the clouds file", r.answers("/readyz", 503, "policy: ", "broken.rego:6", "executor: ", "/nowhere/clouds.yaml"))
	until(t, "livez", r.answers("/livez", 200, "ok"))
	until(t, "metrics", r.answers("/metrics", 200, "go_goroutines", "drawbridge_"))
	until(t, "watcher and auditor are well", r.without("watcher:", "auditor:"))
	denied := func(name string, n int) func() error {
		return func() error {
			if v := r.verdicts(t, name); strings.Count(v, string(events.Denied)) < n || strings.Contains(v, string(events.Approved)) {
				return errors.New(v)
			}
			return nil
		}
	}
	until(t, "the wish is denied while there is no bundle", denied("storefront", 1))
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	until(t, "the wish is approved", func() error {
		if v := r.verdicts(t, "storefront"); !strings.Contains(v, string(events.Approved)) {
			return errors.New(v)
		}
		return nil
	})
	until(t, "the other one is denied by the bundle", denied("bank", 2))
	until(t, "policy is well again", r.without("policy:", "watcher:", "auditor:"))
	if err := r.end(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, _, err := get("http://" + r.cfg.Ops.Address + "/livez"); err == nil {
		t.Error("it answers after its end")
	}
}

func sample(t *testing.T, name string) string {
	t.Helper()
	b, err := sampleCluster.ReadFile("demo/cluster/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRunFails at once and says where, if a service cannot begin.
func TestRunFails(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	address := strings.TrimPrefix(taken.URL, "http://")
	for name, c := range map[string]struct {
		set  func(*config)
		says []string
	}{
		"ops address taken":     {func(c *config) { c.Ops.Address = address }, []string{"ops listener", address}},
		"ops open to all":       {func(c *config) { c.Ops.Address = "0.0.0.0:0" }, []string{"ops listener", "not loopback", "cert-file"}},
		"auditor address taken": {func(c *config) { c.Auditor.Listen.Address = address }, []string{"auditor", address}},
		"not in a cluster":      {func(c *config) { c.Watcher.Folder = "" }, []string{"watcher", "name a kubeconfig file, or run in a cluster"}},
		"NATS not there":        {func(c *config) { c.NATS.URL = "nats://" + address }, []string{"bus: connect", address}},
		"NATS certificate":      {func(c *config) { c.NATS.URL, c.NATS.CertFile = "nats://x", "y" }, []string{"cert-file and key-file"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := allInOne(t)
			c.set(&cfg)
			full, err := cfg.complete(targets)
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("KUBERNETES_SERVICE_HOST", "")
			err = runServices(t.Context(), full, targets, zerolog.Nop(), nil)
			for _, s := range c.says {
				if err == nil || !strings.Contains(err.Error(), s) {
					t.Errorf("%v; want it to say %q", err, s)
				}
			}
		})
	}
}
