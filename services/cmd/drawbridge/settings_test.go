package main

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"drawbridge.dev/services/policy"
)

// load reads settings as `run` does.
func load(t *testing.T, file string, args ...string) (config, error) {
	t.Helper()
	cfg := defaults()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	addSettings(fs, &cfg)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	if file != "" {
		file = write(t, filepath.Join(t.TempDir(), "drawbridge.yaml"), file)
	}
	err := loadSettings(&cfg, file, fs)
	return cfg, err
}

// TestPrecedence gives one setting at more and more places: the last one wins.
func TestPrecedence(t *testing.T) {
	const file = "ops: {address: \"127.0.0.1:2\"}\n"
	check := func(want, file string, args ...string) {
		t.Helper()
		got, err := load(t, file, args...)
		if err != nil || got.Ops.Address != want {
			t.Errorf("ops.address is %q, %v; want %q", got.Ops.Address, err, want)
		}
	}
	check("127.0.0.1:8086", "")
	check("127.0.0.1:2", file)
	check("127.0.0.1:4", file, "--ops.address=127.0.0.1:4")
	t.Setenv("DRAWBRIDGE_OPS_ADDRESS", "127.0.0.1:3")
	check("127.0.0.1:3", "")
	check("127.0.0.1:3", file)
	check("127.0.0.1:4", file, "--ops.address=127.0.0.1:4")
	t.Setenv("DRAWBRIDGE_OPS_ADDRESS", "")
	check("", file) // set to nothing is set
}

// TestKinds gives every kind of value at all three places.
func TestKinds(t *testing.T) {
	check := func(where string, got config, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		want := defaults()
		want.Executor.DriftInterval = 90 * time.Second
		want.Executor.TrustedKeys = []string{"A", "B"}
		want.Executor.MaxParallel = 3
		want.Policy.Clusters = map[string]policy.Cluster{"blue": {Labels: map[string]string{"stage": "prod"}}}
		want.Policy.GenerateKey = true
		want.NATS.MaxStore = 2 << 30
		want.NATS.URL = "nats://hub:4222"
		if d := cmp.Diff(want, got, cmp.AllowUnexported(config{})); d != "" {
			t.Errorf("%s: %s", where, d)
		}
	}
	got, err := load(t, `
nats:
  url: nats://hub:4222
  max-store: 2Gi
policy:
  generate-key: true
  clusters:
    blue: {labels: {stage: prod}}
executor:
  drift-interval: 1m30s
  trusted-keys: [A, B]
  max-parallel: 3
`)
	check("file", got, err)
	values := map[string]string{"nats.url": "nats://hub:4222", "nats.max-store": "2Gi", "policy.generate-key": "true",
		"policy.clusters": "{blue: {labels: {stage: prod}}}", "executor.drift-interval": "1m30s",
		"executor.trusted-keys": "[A, B]", "executor.max-parallel": "3"}
	var args []string
	for name, v := range values {
		args = append(args, "--"+name+"="+v)
	}
	got, err = load(t, "", args...)
	check("flags", got, err)
	i := slices.Index(args, "--policy.generate-key=true")
	args[i] = "--policy.generate-key" // what is true or false needs no value
	got, err = load(t, "", args...)
	check("flags", got, err)
	for name, v := range values {
		t.Setenv(setting{name: name}.env(), v)
	}
	got, err = load(t, "")
	check("environment", got, err)
}

func TestWrongSettings(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		args []string
		env  map[string]string
		says []string
	}{
		"unknown key":          {file: "log: {level: info}\nexecutor:\n  max-parallel: 2\n  max-parallels: 3\n", says: []string{"drawbridge.yaml", "line 4", "max-parallels"}},
		"unknown section":      {file: "data: x\n\nwatchers: {cluster: blue}\n", says: []string{"line 3: watchers: there is no such setting"}},
		"inlined section":      {file: "nats:\n  url: x\n  ulr: y\n", says: []string{"line 3", "ulr"}},
		"unknown key in a map": {file: "policy:\n  clusters:\n    blue:\n      lables: {}\n", says: []string{"line 4", "lables"}},
		"key given twice":      {file: "data: a\ndata: b\n", says: []string{"line 2", "data"}},
		"no YAML":              {file: "data: [\n", says: []string{"line"}},
		"two documents":        {file: "data: a\n---\ndata: b\n", says: []string{"line 2", "second document"}},
		"no number":            {file: "executor:\n  max-parallel: many\n", says: []string{"line 2", "executor.max-parallel", "many"}},
		"no duration":          {file: "log: {}\nexecutor:\n  poll-max: 5 minutes\n", says: []string{"line 3", "executor.poll-max", "5 minutes"}},
		"no size":              {file: "nats:\n  max-store: plenty\n", says: []string{"line 2", "nats.max-store", "plenty", "10Gi"}},
		"no list":              {file: "executor:\n  trusted-keys: A\n", says: []string{"line 2", "executor.trusted-keys"}},
		"no text in a list":    {file: "executor:\n  trusted-keys:\n    - A\n    - {b: c}\n", says: []string{"line 4", "executor.trusted-keys[1]"}},
		"flag":                 {args: []string{"--executor.max-parallel=many"}, says: []string{"--executor.max-parallel", "many"}},
		"flags, each told":     {args: []string{"--executor.max-parallel=many", "--watcher.rescan=never"}, says: []string{"--executor.max-parallel", "--watcher.rescan", "never"}},
		"flag with a map":      {args: []string{"--policy.clusters={blue: {lables: {}}}"}, says: []string{"--policy.clusters", "lables"}},
		"negative size":        {args: []string{"--nats.max-store=-1"}, says: []string{"--nats.max-store", "-1"}},
		"environment":          {env: map[string]string{"DRAWBRIDGE_NATS_RELAXED": "perhaps"}, says: []string{"DRAWBRIDGE_NATS_RELAXED", "nats.relaxed", "perhaps"}},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			_, err := load(t, c.file, c.args...)
			if err == nil {
				t.Fatal("it is taken")
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
	if err := loadSettings(&config{}, "/nowhere/drawbridge.yaml", pflag.NewFlagSet("", pflag.ContinueOnError)); err == nil || !strings.Contains(err.Error(), "/nowhere/drawbridge.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestEverySetting has every leaf of the configuration at its three places, and
// none that would hold a secret.
func TestEverySetting(t *testing.T) {
	cfg := defaults()
	flags := runCommand().Flags()
	envs := map[string]string{}
	leaves := settingsOf(&cfg)
	if len(leaves) < 50 {
		t.Fatalf("%d settings are found: is the walk broken?", len(leaves))
	}
	for _, s := range leaves {
		if s.name == "" || strings.ToLower(s.name) != s.name || strings.ContainsAny(s.name, "_ ") {
			t.Errorf("setting %q is not in kebab-case", s.name)
		}
		f := flags.Lookup(s.name)
		if f == nil {
			t.Errorf("%s has no flag", s.name)
		} else if !strings.Contains(f.Usage, s.env()) {
			t.Errorf("the usage of --%s is %q, without %s", s.name, f.Usage, s.env())
		}
		if other, twice := envs[s.env()]; twice {
			t.Errorf("%s and %s share %s", s.name, other, s.env())
		}
		envs[s.env()] = s.name
		last := s.name[strings.LastIndex(s.name, ".")+1:]
		for _, word := range []string{"password", "secret", "token", "seed", "credential", "key"} {
			public := []string{"generate-key", "trusted-keys", "seal-keys", "default-tls-secret"} // what is public, or only names
			if strings.Contains(last, word) && !strings.HasSuffix(last, "-file") && !slices.Contains(public, last) {
				t.Errorf("%s may hold a secret: let it name a file", s.name)
			}
		}
		if s.value.Kind() == reflect.Struct {
			t.Errorf("%s is a section, no setting", s.name)
		}
	}
}

// TestEmptySections leave the defaults alone.
func TestEmptySections(t *testing.T) {
	for _, file := range []string{"", "# nothing\n", "ops:\nlog:\n", "{}"} {
		got, err := load(t, file)
		if err != nil || !cmp.Equal(got, defaults(), cmp.AllowUnexported(config{})) {
			t.Errorf("%q: %v, %v", file, got, err)
		}
	}
}

func TestConfigFileOfTheEnvironment(t *testing.T) {
	t.Setenv("DRAWBRIDGE_CONFIG", write(t, filepath.Join(t.TempDir(), "of-the-environment.yaml"), "dta: x\n"))
	if got := cli(t, "run"); got.status != 1 || !strings.Contains(got.err, "of-the-environment.yaml") || !strings.Contains(got.err, "line 1") {
		t.Errorf("%+v", got)
	}
}
