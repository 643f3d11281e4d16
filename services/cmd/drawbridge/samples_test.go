package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

const samples = "../../../deploy/config"

// TestSamples: every sample is a configuration with which its services begin.
func TestSamples(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(samples, "*.yaml"))
	if err != nil || len(names) != 6 {
		t.Fatalf("samples %q, %v; want the reference, all-in-one and one for each service", names, err)
	}
	for _, file := range names {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			run := []string{name}
			switch name {
			case "reference":
				return
			case "all-in-one":
				run = targets
			}
			cfg := defaults()
			if err := loadSettings(&cfg, file, pflag.NewFlagSet("", pflag.ContinueOnError)); err != nil {
				t.Fatal(err)
			}
			cfg.Data = t.TempDir()
			if _, err := cfg.complete(run); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReference: the reference has every setting and no other, with its default.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(samples, "reference.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var said config
	if err := decodeStrict(text, &said); err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	full := defaults()
	full.Watcher, full.Policy, full.Executor, full.Auditor = full.Watcher.Defaults(), full.Policy.Defaults(), full.Executor.Defaults(), full.Auditor.Defaults()
	full.Executor.Holder = "" // of the process
	is := map[string]reflect.Value{}
	for _, s := range settingsOf(&full) {
		is[s.name] = s.value
	}
	for _, s := range settingsOf(&said) {
		at := any(tree)
		for part := range strings.SplitSeq(s.name, ".") {
			m, _ := at.(map[string]any)
			at = m[part]
		}
		if at == nil {
			t.Errorf("%s is missing", s.name)
		}
		want := is[s.name]
		if same := reflect.DeepEqual(want.Interface(), s.value.Interface()); !same && (want.Kind() != reflect.Slice && want.Kind() != reflect.Map || want.Len()+s.value.Len() > 0) {
			t.Errorf("%s: the reference says %v, the default is %v", s.name, s.value, want)
		}
	}
}
