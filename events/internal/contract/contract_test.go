package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"drawbridge.dev/events"
)

const home = "../.." // the folder of package events

// What is checked in is what the types say.
func TestGenerated(t *testing.T) {
	want, err := files(home)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(home, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if d := cmp.Diff(string(content), string(got)); d != "" {
			t.Errorf("%s is out of date, run go generate in events (-generated +checked in):\n%s", name, d)
		}
	}
	stray, err := filepath.Glob(filepath.Join(home, "schemas", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range stray {
		if _, ok := want["schemas/"+filepath.Base(f)]; !ok {
			t.Errorf("%s is generated from nothing", f)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(home)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "schemas")); err != nil {
		t.Fatal(err)
	}
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "schemas", "decided.json")); err != nil {
		t.Error(err)
	}
	if err := write(t.TempDir()); err == nil {
		t.Error("a folder without Go source is no error")
	}
}

// A rule for a field that is gone would be a rule no more.
func TestRulesNameFields(t *testing.T) {
	src, err := readSource(home)
	if err != nil {
		t.Fatal(err)
	}
	for name := range rules {
		if _, ok := src.docs[name]; !ok {
			t.Errorf("there is no field %s", name)
		}
	}
}

// document is one golden event, as the SDK writes it.
type document struct {
	attributes map[string]any
	data       any
	payload    string
}

func golden(t *testing.T) map[string]document {
	t.Helper()
	out := map[string]document{}
	names, err := filepath.Glob(filepath.Join(home, "testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		d := document{attributes: v.(map[string]any), payload: payloadOf(v.(map[string]any)["type"].(string))}
		d.data = d.attributes["data"]
		delete(d.attributes, "data")
		delete(d.attributes, "datacontenttype")
		out[strings.TrimSuffix(filepath.Base(name), ".json")] = d
	}
	return out
}

func payloadOf(typ string) string {
	for _, p := range payloads {
		if slices.ContainsFunc(p.types, func(v events.Payload) bool { return events.Event{Payload: v}.Type() == typ }) {
			return p.name
		}
	}
	return ""
}

func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join(home, "schemas", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGoldenEventsFitTheSchemas(t *testing.T) {
	seen := map[string]bool{}
	for name, d := range golden(t) {
		if d.payload == "" {
			t.Errorf("%s: type %v is in no payload of the contract", name, d.attributes["type"])
			continue
		}
		seen[d.attributes["type"].(string)] = true
		if err := compile(t, d.payload).Validate(d.data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, p := range payloads {
		for _, v := range p.types {
			if typ := (events.Event{Payload: v}).Type(); !seen[typ] {
				t.Errorf("no golden event has type %s", typ)
			}
		}
	}
}

// The schemas refuse what Decode refuses in single fields.
func TestSchemasRefuse(t *testing.T) {
	for name, tt := range map[string]struct {
		event string
		path  []any
		value any // nil: remove the field
	}{
		"port 0":                       {"requested", []any{"exposure", "listeners", 0, "port"}, json.Number("0")},
		"port as text":                 {"requested", []any{"exposure", "listeners", 0, "port"}, "53"},
		"unknown protocol":             {"requested", []any{"exposure", "listeners", 0, "protocol"}, "HTTPS"},
		"relative path":                {"requested", []any{"exposure", "listeners", 1, "routes", 0, "path"}, "cart"},
		"slash in a name":              {"requested", []any{"exposure", "key", "name"}, "a/b"},
		"no UID":                       {"requested", []any{"exposure", "uid"}, nil},
		"no digest":                    {"requested", []any{"digest"}, nil},
		"null for a list":              {"requested", []any{"exposure", "backends"}, json.RawMessage("null")},
		"unknown field of a wish":      {"requested", []any{"exposure", "mirror"}, true},
		"unknown field of a decision":  {"approved", []any{"expires"}, "tomorrow"},
		"unknown verdict":              {"approved", []any{"verdict"}, "maybe"},
		"unknown state":                {"applied", []any{"state"}, "done"},
		"negative calls":               {"applied", []any{"calls", "writes"}, json.Number("-1")},
		"a drift without steps":        {"drifted", []any{"steps"}, []any{}},
		"a rejection without a reason": {"rejected", []any{"reason"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := golden(t)[tt.event]
			set(d.data, tt.path, tt.value)
			if err := compile(t, d.payload).Validate(d.data); err == nil {
				t.Error("the schema lets it pass")
			}
		})
	}
	for _, event := range []string{"applied", "drifted", "rejected"} {
		d := golden(t)[event]
		set(d.data, []any{"newer"}, "field")
		if err := compile(t, d.payload).Validate(d.data); err != nil {
			t.Errorf("%s: Decode passes over unknown fields of reports, the schema does not: %v", event, err)
		}
	}
}

// set changes one place of a JSON value.
func set(v any, path []any, to any) {
	for _, p := range path[:len(path)-1] {
		switch k := p.(type) {
		case string:
			v = v.(map[string]any)[k]
		case int:
			v = v.([]any)[k]
		}
	}
	m, last := v.(map[string]any), path[len(path)-1].(string)
	switch x := to.(type) {
	case nil:
		delete(m, last)
	case json.RawMessage:
		m[last] = nil
	default:
		m[last] = x
	}
}

func TestAsyncAPI(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(home, "asyncapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	checkRefs(t, doc, doc)
	channels := doc["channels"].(map[string]any)
	if got, want := slices.Sorted(maps.Keys(channels)), stageNames(); !reflect.DeepEqual(got, want) {
		t.Errorf("channels %v, want one for each stage: %v", got, want)
	}
	k := events.Key{Cluster: "{cluster}", Kind: "{kind}", Namespace: "{namespace}", Name: "{name}"}
	for name, c := range channels {
		want := strings.NewReplacer("%7B", "{", "%7D", "}").Replace(events.Subject(events.Stage(name), "{cloud}", k))
		if got := c.(map[string]any)["address"]; got != want {
			t.Errorf("channel %s has address %v, want %s", name, got, want)
		}
	}
	messages := doc["components"].(map[string]any)["messages"].(map[string]any)
	for name, d := range golden(t) {
		m, ok := messages[name].(map[string]any)
		if !ok {
			t.Errorf("no message for %s", name)
			continue
		}
		checkHeaders(t, m["headers"], d)
	}
	if len(messages) != len(golden(t)) {
		t.Errorf("%d messages, %d golden events", len(messages), len(golden(t)))
	}
}

func stageNames() (out []string) {
	for _, s := range events.Stages {
		out = append(out, string(s))
	}
	slices.Sort(out)
	return out
}

// checkHeaders holds the attributes of a golden event against the headers of its message.
func checkHeaders(t *testing.T, headers any, d document) {
	t.Helper()
	c := jsonschema.NewCompiler()
	headers.(map[string]any)["additionalProperties"] = false
	if err := c.AddResource("headers.json", headers); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("headers.json")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for k, v := range d.attributes {
		got["ce-"+k] = v
	}
	if err := s.Validate(got); err != nil {
		t.Errorf("%v: %v", d.attributes["type"], err)
	}
}

// checkRefs follows every $ref, inside the document and to files.
func checkRefs(t *testing.T, root map[string]any, v any) {
	t.Helper()
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			checkRefs(t, root, e)
		}
	case map[string]any:
		for k, e := range x {
			ref, ok := e.(string)
			if k != "$ref" || !ok {
				checkRefs(t, root, e)
				continue
			}
			if file, ok := strings.CutPrefix(ref, "./"); ok {
				if !fs.ValidPath(file) {
					t.Errorf("%s leads out", ref)
				} else if _, err := os.Stat(filepath.Join(home, file)); err != nil {
					t.Error(err)
				}
				continue
			}
			at := any(root)
			for _, p := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
				m, _ := at.(map[string]any)
				at = m[p]
			}
			if at == nil {
				t.Errorf("%s leads nowhere", ref)
			}
		}
	}
}
