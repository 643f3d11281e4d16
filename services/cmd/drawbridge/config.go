package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"drawbridge.dev/services/auditor"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/listen"
	"drawbridge.dev/services/internal/seal"
	"drawbridge.dev/services/policy"
	"drawbridge.dev/services/watcher"
)

// targets are the services that --target can name, in the order of a change's trip.
var targets = []string{"watcher", "policy", "executor", "auditor"}

// config is the one YAML file: a section per service, and what they share.
type config struct {
	Data     string          `yaml:"data"` // folder of what is kept: streams, history, keys
	Log      logConfig       `yaml:"log"`
	Ops      listen.Config   `yaml:"ops"` // listener of /livez, /readyz and /metrics
	NATS     natsConfig      `yaml:"nats"`
	Streams  streamsConfig   `yaml:"streams"`
	Watcher  watcher.Config  `yaml:"watcher"`
	Policy   policy.Config   `yaml:"policy"`
	Executor executor.Config `yaml:"executor"`
	Auditor  auditor.Config  `yaml:"auditor"`
}

type logConfig struct {
	Level  string `yaml:"level"`  // trace, debug, info, warn, error
	Format string `yaml:"format"` // console, json; empty: console on a terminal
}

// natsConfig says where the bus is. Without a URL the process runs its own
// NATS server, reachable by nobody else unless Listen names an address.
type natsConfig struct {
	bus.Config `yaml:",inline"`
	Listen     string   `yaml:"listen"`    // host:port of the embedded server; loopback only
	MaxStore   byteSize `yaml:"max-store"` // disk that JetStream may take, e.g. 10Gi; 0: what is free
	Relaxed    bool     `yaml:"relaxed"`   // do not fsync every message: faster, and a power cut may lose the last
}

type streamsConfig struct {
	MaxAge   time.Duration `yaml:"max-age"`  // of history on the bus; the auditor's database keeps it all
	MaxBytes byteSize      `yaml:"max-size"` // of history on the bus, e.g. 10Gi
	Replicas int           `yaml:"replicas"`
}

func defaults() config {
	return config{
		Data:     "drawbridge-data",
		Log:      logConfig{Level: "info"},
		Ops:      listen.Config{Address: "127.0.0.1:8086"},
		Executor: executor.Config{DrainDelay: 30 * time.Second},
		Streams:  streamsConfig{MaxAge: 30 * 24 * time.Hour, MaxBytes: 2 << 30, Replicas: 1},
	}
}

// complete fills what follows from the data folder and from other sections,
// and checks the sections of the services that run.
func (c config) complete(run []string) (config, error) {
	if c.Policy.KeyFile == "" {
		c.Policy.KeyFile = filepath.Join(c.Data, "policy.nk")
	}
	if c.Auditor.Database == "" {
		c.Auditor.Database = filepath.Join(c.Data, "history.db")
	}
	c.Watcher, c.Policy, c.Executor, c.Auditor = c.Watcher.Defaults(), c.Policy.Defaults(), c.Executor.Defaults(), c.Auditor.Defaults()
	if slices.Contains(run, "policy") && slices.Contains(run, "executor") && len(c.Executor.TrustedKeys) == 0 {
		c.Policy.GenerateKey = true
		key, err := policy.PublicKey(c.Policy)
		if err != nil {
			return c, err
		}
		c.Executor.TrustedKeys = []string{key}
	}
	if slices.Contains(run, "watcher") && slices.Contains(run, "executor") {
		if err := c.shareSeal(); err != nil {
			return c, err
		}
	}
	var errs []error
	for _, s := range []struct {
		name string
		err  error
	}{{"watcher", c.Watcher.Validate()}, {"policy", c.Policy.Validate()}, {"executor", c.Executor.Validate()}, {"auditor", c.Auditor.Validate()}} {
		if s.err != nil && slices.Contains(run, s.name) {
			errs = append(errs, fmt.Errorf("section %s: %w", s.name, s.err))
		}
	}
	if c.NATS.URL == "" && len(run) < len(targets) {
		errs = append(errs, errors.New("nats.url: a process that runs only some of the services needs the NATS server that the others use"))
	}
	return c, errors.Join(errs...)
}

// shareSeal has the watcher seal certificates to the key of the executor beside
// it. Where neither has one, it is made in the data folder.
func (c *config) shareSeal() error {
	made := c.Executor.SealSeedFile == ""
	if made && len(c.Watcher.SealKeys) > 0 {
		return nil
	}
	if made {
		c.Executor.SealSeedFile = filepath.Join(c.Data, "seal.nk")
	}
	if c.Watcher.SealKeys[c.Executor.Cloud] != "" {
		return nil
	}
	_, public, err := seal.ReadSeed(c.Executor.SealSeedFile, made)
	if err != nil {
		return fmt.Errorf("executor.seal-seed-file: %w", err)
	}
	keys := map[string]string{c.Executor.Cloud: public}
	maps.Copy(keys, c.Watcher.SealKeys)
	c.Watcher.SealKeys = keys
	return nil
}

// parseTargets reads --target: all, or a comma-separated choice.
func parseTargets(s string) ([]string, error) {
	if s == "all" {
		return targets, nil
	}
	chosen := strings.Split(s, ",")
	for i, t := range chosen {
		if !slices.Contains(targets, t) {
			return nil, fmt.Errorf("--target %q: %q is none of all, %s", s, t, strings.Join(targets, ", "))
		}
		if slices.Contains(chosen[:i], t) {
			return nil, fmt.Errorf("--target %q: %s is there twice", s, t)
		}
	}
	return chosen, nil
}

// keepsData says whether what runs keeps anything in the data folder. A watcher
// or executor beside a NATS server runs on a read-only disk.
func (c config) keepsData(run []string) bool {
	return c.NATS.URL == "" || c.Policy.KeyFile == "" && slices.Contains(run, "policy") ||
		c.Auditor.Database == "" && slices.Contains(run, "auditor")
}

// makeData makes the data folder, for its owner only, if it is needed.
func (c config) makeData(run []string) error {
	if !c.keepsData(run) {
		return nil
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}
