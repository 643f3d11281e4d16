package harness

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Object is one Kubernetes manifest.
type Object map[string]any

// Source is a cluster that the watcher watches.
type Source interface {
	// Config is the part of the watcher's configuration that names the source.
	Config() map[string]any
	// Apply makes the objects stand as they are given.
	Apply(t testing.TB, objects ...Object)
	// Delete removes an object.
	Delete(t testing.TB, o Object)
}

func (o Object) text(path ...string) string {
	var at any = map[string]any(o)
	for _, p := range path {
		m, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = m[p]
	}
	s, _ := at.(string)
	return s
}

// Kind of the object.
func (o Object) Kind() string { return o.text("kind") }

// Name of the object.
func (o Object) Name() string { return o.text("metadata", "name") }

// Namespace of the object; empty where its kind has none.
func (o Object) Namespace() string { return o.text("metadata", "namespace") }

// Folder is a folder of manifests, one file for each object.
type Folder struct{ Path string }

// Config implements [Source].
func (f Folder) Config() map[string]any { return map[string]any{"folder": f.Path} }

// Apply implements [Source]. A file is replaced in one instant.
func (f Folder) Apply(t testing.TB, objects ...Object) {
	t.Helper()
	for _, o := range objects {
		text, err := json.MarshalIndent(o, "", "  ") // JSON is YAML
		if err != nil {
			t.Fatal(err)
		}
		f.Write(t, f.File(o), string(text))
	}
}

// Write writes one file of the folder as it is given.
func (f Folder) Write(t testing.TB, name, text string) {
	t.Helper()
	hidden := filepath.Join(f.Path, "."+name)
	if err := os.WriteFile(hidden, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hidden, filepath.Join(f.Path, name)); err != nil {
		t.Fatal(err)
	}
}

// Delete implements [Source].
func (f Folder) Delete(t testing.TB, o Object) {
	t.Helper()
	if err := os.Remove(filepath.Join(f.Path, f.File(o))); err != nil {
		t.Fatal(err)
	}
}

// File is the name of the file that holds an object.
func (f Folder) File(o Object) string {
	return strings.Trim(strings.Join([]string{o.Kind(), o.Namespace(), o.Name()}, "_"), "_") + ".yaml"
}
