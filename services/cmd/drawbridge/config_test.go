package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/services/internal/seal"
	"drawbridge.dev/services/policy"
)

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
		says string
	}{
		{text: "all", want: targets},
		{text: "policy", want: []string{"policy"}},
		{text: "policy,executor,auditor", want: []string{"policy", "executor", "auditor"}},
		{text: "", says: `"" is none of all, watcher, policy`},
		{text: "all,policy", says: `"all" is none of`},
		{text: "watcher, policy", says: `" policy" is none of`},
		{text: "watcher,watcher", says: "twice"},
	} {
		got, err := parseTargets(c.text)
		if d := cmp.Diff(c.want, got); d != "" || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v %s", c.text, err, d)
		}
	}
}

// allInOne is a complete configuration of all services on a folder of manifests.
func allInOne(t *testing.T) config {
	t.Helper()
	c := defaults()
	c.Data = filepath.Join(t.TempDir(), "data")
	c.Watcher.Cluster, c.Watcher.Folder = "blue", t.TempDir()
	c.Ops.Address, c.Auditor.Listen.Address = freeAddress(t.Context(), "127.0.0.1:0"), freeAddress(t.Context(), "127.0.0.1:0")
	c.Streams.MaxBytes = 16 << 20
	return c
}

func TestComplete(t *testing.T) {
	c := allInOne(t)
	full, err := c.complete(targets)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(c.Data, "policy.nk"); full.Policy.KeyFile != want {
		t.Errorf("policy.key-file is %q, want %q", full.Policy.KeyFile, want)
	}
	if want := filepath.Join(c.Data, "history.db"); full.Auditor.Database != want {
		t.Errorf("auditor.database is %q, want %q", full.Auditor.Database, want)
	}
	info, err := os.Stat(full.Policy.KeyFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the signing key: %v, %v; want it made with mode 0600", info, err)
	}
	key, err := policy.PublicKey(full.Policy)
	if err != nil || !cmp.Equal(full.Executor.TrustedKeys, []string{key}) {
		t.Errorf("the executor trusts %q, policy signs with %q, %v", full.Executor.TrustedKeys, key, err)
	}
	again, err := c.complete(targets)
	if err != nil || !cmp.Equal(again.Executor.TrustedKeys, full.Executor.TrustedKeys) {
		t.Errorf("a restart has another key: %q, %v", again.Executor.TrustedKeys, err)
	}

	// Configured keys are not touched, and a missing one is not made up.
	c.Executor.TrustedKeys, c.Policy.KeyFile = []string{key}, filepath.Join(t.TempDir(), "own.nk")
	if full, err = c.complete(targets); err != nil || full.Policy.GenerateKey {
		t.Errorf("generate-key is %v, %v", full.Policy.GenerateKey, err)
	}
	if _, err := os.Stat(c.Policy.KeyFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key file that is configured: %v; want it left alone", err)
	}
}

func TestCompleteSaysWhatIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		run  []string
		set  func(*config)
		says string
	}{
		"cluster":         {targets, func(c *config) { c.Watcher.Cluster = "" }, "section watcher: watcher: cluster"},
		"trusted keys":    {[]string{"executor"}, func(c *config) { c.NATS.URL = "nats://hub" }, "section executor: executor: trusted-keys"},
		"bundle rhythm":   {targets, func(c *config) { c.Policy.BundleInterval = 1 }, "policy.bundle-interval"},
		"auditor for all": {targets, func(c *config) { c.Auditor.Listen.Address = ":8087" }, "section auditor: listen: address \":8087\" is not loopback"},
		"NATS of others":  {[]string{"policy"}, func(*config) {}, "nats.url"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := allInOne(t)
			c.set(&cfg)
			if _, err := cfg.complete(c.run); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want it to say %q", err, c.says)
			}
		})
	}
	cfg := allInOne(t)
	cfg.NATS.URL, cfg.Watcher.Cluster, cfg.Executor.MaxParallel = "nats://hub", "", -1
	if _, err := cfg.complete([]string{"policy"}); err != nil {
		t.Errorf("sections of services that do not run matter: %v", err)
	}
}

// TestDataFolder is made where something is kept in it, and only there.
func TestDataFolder(t *testing.T) {
	for name, c := range map[string]struct {
		run  []string
		set  func(*config)
		want bool
	}{
		"embedded NATS":     {targets, func(*config) {}, true},
		"watcher":           {[]string{"watcher"}, func(c *config) { c.NATS.URL = "x" }, false},
		"executor":          {[]string{"executor"}, func(c *config) { c.NATS.URL = "x" }, false},
		"policy":            {[]string{"policy"}, func(c *config) { c.NATS.URL = "x" }, true},
		"policy, own key":   {[]string{"policy"}, func(c *config) { c.NATS.URL, c.Policy.KeyFile = "x", "y" }, false},
		"auditor":           {[]string{"auditor"}, func(c *config) { c.NATS.URL = "x" }, true},
		"auditor, own file": {[]string{"auditor"}, func(c *config) { c.NATS.URL, c.Auditor.Database = "x", "y" }, false},
	} {
		cfg := allInOne(t)
		c.set(&cfg)
		if err := cfg.makeData(c.run); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(cfg.Data)
		if made := err == nil; made != c.want || made && info.Mode().Perm() != 0o700 {
			t.Errorf("%s: the folder is made %v with %v, want %v with mode 0700", name, made, info, c.want)
		}
	}
	cfg := allInOne(t)
	cfg.Data = filepath.Join(write(t, filepath.Join(t.TempDir(), "file"), ""), "data")
	if err := cfg.makeData(targets); err == nil || !strings.Contains(err.Error(), "data folder") {
		t.Errorf("a folder below a file: %v", err)
	}
}

func TestCompleteSeal(t *testing.T) {
	c := allInOne(t)
	full, err := c.complete(targets)
	if err != nil {
		t.Fatal(err)
	}
	_, public, err := seal.ReadSeed(filepath.Join(c.Data, "seal.nk"), false)
	if err != nil || full.Executor.SealSeedFile != filepath.Join(c.Data, "seal.nk") || !cmp.Equal(full.Watcher.SealKeys, map[string]string{"default": public}) {
		t.Errorf("the watcher seals to %q, the executor opens with %q, %v", full.Watcher.SealKeys, full.Executor.SealSeedFile, err)
	}
	if info, err := os.Stat(full.Executor.SealSeedFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the seed: %v, %v; want it made with mode 0600", info, err)
	}
	if again, err := c.complete(targets); err != nil || !cmp.Equal(again.Watcher.SealKeys, full.Watcher.SealKeys) {
		t.Errorf("a restart has another key: %q, %v", again.Watcher.SealKeys, err)
	}
	for name, tt := range map[string]struct {
		file string
		keys map[string]string
		want map[string]string
		err  string
	}{
		"a file that is there":      {full.Executor.SealSeedFile, nil, map[string]string{"default": public}, ""},
		"a file that is not there":  {filepath.Join(c.Data, "other.nk"), nil, nil, "executor.seal-seed-file"},
		"keys alone":                {"", map[string]string{"other": public}, map[string]string{"other": public}, ""},
		"keys of other clouds, too": {full.Executor.SealSeedFile, map[string]string{"other": public}, map[string]string{"default": public, "other": public}, ""},
		"no key":                    {full.Executor.SealSeedFile, map[string]string{"default": "x"}, nil, "seal-keys"},
	} {
		d := c
		d.Executor.SealSeedFile, d.Watcher.SealKeys = tt.file, tt.keys
		got, err := d.complete(targets)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v; want %q", name, err, tt.err)
			}
			continue
		}
		if err != nil || !cmp.Equal(got.Watcher.SealKeys, tt.want) {
			t.Errorf("%s: %q, %v; want %q", name, got.Watcher.SealKeys, err, tt.want)
		}
	}
	if _, err := os.Stat(filepath.Join(c.Data, "other.nk")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the seed file that is configured: %v; want it left alone", err)
	}
}
