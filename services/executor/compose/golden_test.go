package compose_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden composes the exposures of each file, with what the file sets of the
// defaults, and compares the load balancer and the conflicts. Empty fields are
// left out of both.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var group []events.Exposure
			d := defaults
			if err := json.Unmarshal(part(a, "exposures.json"), &group); err != nil {
				t.Fatalf("exposures.json: %v", err)
			}
			if text := part(a, "defaults.json"); text != nil {
				if err := json.Unmarshal(text, &d); err != nil {
					t.Fatalf("defaults.json: %v", err)
				}
			}
			for _, e := range group {
				if err := e.Validate(); err != nil {
					t.Fatalf("exposure of %s is not valid: %v", e.Key, err)
				}
			}
			lb, conflicts := compose.LoadBalancer(loadbalancer.Owner{Fleet: "f", Key: group[0].Key, Group: group[0].Group}, group, d)
			got := map[string]string{"loadbalancer.json": plain(t, lb)}
			for _, c := range conflicts {
				mark := "warning"
				if c.Fatal {
					mark = "refused"
				}
				got["conflicts.txt"] += mark + " " + c.String() + "\n"
			}
			for _, section := range []string{"loadbalancer.json", "conflicts.txt"} {
				if *update {
					set(a, section, got[section])
				} else if diff := cmp.Diff(string(part(a, section)), got[section]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", section, diff)
				}
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func part(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func set(a *txtar.Archive, name, text string) {
	for i, f := range a.Files {
		if f.Name == name {
			a.Files[i].Data = []byte(text)
			return
		}
	}
	if text != "" {
		a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
	}
}

// plain is v in JSON without empty fields.
func plain(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(pruned(tree)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// pruned leaves out what is empty; a weight of 0 says something.
func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if x = pruned(x); x != nil || k == "Weight" {
				out[k] = x
			}
			if k == "Weight" && x == nil {
				out[k] = 0
			}
		}
		if len(out) > 0 {
			return out
		}
		return nil
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
		if len(v) > 0 {
			return v
		}
		return nil
	case string:
		if v == "" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	}
	return v
}
