package policy

import (
	"archive/tar"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"

	"drawbridge.dev/policies"
)

// TestRego runs the Rego tests of the shipped bundle, as `opa test --coverage policies` does.
func TestRego(t *testing.T) {
	modules, store, err := tester.Load([]string{"../../policies"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	txn, err := store.NewTransaction(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Abort(t.Context(), txn)
	coverage := cover.New()
	results, err := tester.NewRunner().SetStore(store).SetCoverageQueryTracer(coverage).SetModules(modules).RunTests(t.Context(), txn)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r := range results {
		if n++; !r.Pass() {
			t.Errorf("%s: %s", r.Name, r)
		}
	}
	if n < 70 {
		t.Errorf("%d Rego tests ran, want at least 70", n)
	}
	for name := range modules {
		if strings.HasSuffix(name, "_test.rego") {
			delete(modules, name)
		}
	}
	if report := coverage.Report(modules); report.Coverage < 100 {
		t.Errorf("the Rego tests cover %.1f %% of the bundle, want all", report.Coverage)
	}
}

// copyShipped writes the shipped bundle into a folder.
func copyShipped(t *testing.T, dir string) string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(policies.Bundle, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(policies.Bundle, path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return writeBundle(t, dir, files)
}

func writeTarball(t *testing.T, folder string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bundle.tar.gz")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	if err := w.AddFS(os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []interface{ Close() error }{w, z, f} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestSourceHasOneDigestInEveryForm(t *testing.T) {
	built, err := readSource("")
	if err != nil {
		t.Fatal(err)
	}
	folder := copyShipped(t, t.TempDir())
	for _, where := range []string{folder, writeTarball(t, folder)} {
		s, err := readSource(where)
		if err != nil {
			t.Fatal(err)
		}
		if s.ref.Digest != built.ref.Digest || s.ref.Revision != "drawbridge-2" || s.ref.Bundle != where {
			t.Errorf("%s: got %+v, want the digest and revision of %+v", where, s.ref, built.ref)
		}
		for name := range s.modules {
			if strings.HasSuffix(name, "_test.rego") {
				t.Errorf("%s: the test %s is in force", where, name)
			}
		}
	}
}

func TestSourceDigestFollowsContent(t *testing.T) {
	folder := copyShipped(t, t.TempDir())
	digest := func() string {
		t.Helper()
		s, err := readSource(folder)
		if err != nil {
			t.Fatal(err)
		}
		return s.ref.Digest
	}
	before := digest()
	writeBundle(t, folder, map[string]string{"drawbridge/more_test.rego": "package drawbridge_test\n", "README.md": "more", ".git/x.rego": "broken"})
	if got := digest(); got != before {
		t.Error("files that are not in force change the digest")
	}
	for _, file := range []string{"data.yaml", "drawbridge/ports.rego", ".manifest"} {
		b, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.NewReplacer(`"*": 20`, `"*": 21`, "forbidden", "prohibited", "drawbridge-2", "drawbridge-3").Replace(string(b))
		writeBundle(t, folder, map[string]string{file: changed})
		if got := digest(); got == before {
			t.Errorf("a change of %s does not change the digest", file)
		}
		writeBundle(t, folder, map[string]string{file: string(b)})
	}
}

// TestSourceOfConfigMap reads the links by which Kubernetes mounts a ConfigMap.
func TestSourceOfConfigMap(t *testing.T) {
	mount := t.TempDir()
	writeBundle(t, filepath.Join(mount, "..2026_01"), map[string]string{".manifest": manifest, "a.rego": "package drawbridge\n\ndecision := {}\n"})
	for link, target := range map[string]string{"..data": "..2026_01", "a.rego": "..data/a.rego", ".manifest": "..data/.manifest"} {
		if err := os.Symlink(target, filepath.Join(mount, link)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := readSource(mount)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.modules) != 1 || s.ref.Revision != "r1" {
		t.Errorf("got %d modules of revision %q, want one of r1", len(s.modules), s.ref.Revision)
	}
}

func TestBadBundles(t *testing.T) {
	folder := func(rego string) string {
		return writeBundle(t, t.TempDir(), map[string]string{".manifest": manifest, "a.rego": rego})
	}
	file := func(text string) string {
		return filepath.Join(writeBundle(t, t.TempDir(), map[string]string{"bundle.tar.gz": text}), "bundle.tar.gz")
	}
	for name, c := range map[string]struct{ bundle, want string }{
		"missing":           {filepath.Join(t.TempDir(), "none"), "no such file"},
		"syntax":            {folder("package drawbridge\n\ndecision := {"), "a.rego"},
		"unsafe variable":   {folder("package drawbridge\n\ndecision := x"), "a.rego:3"},
		"no entry point":    {folder("package drawbridge\n\nallow := true\n"), "no rule data.drawbridge.decision"},
		"network":           {folder("package drawbridge\n\ndecision := http.send({})\n"), "undefined function http.send"},
		"clock":             {folder("package drawbridge\n\ndecision := time.now_ns()\n"), "undefined function time.now_ns"},
		"outside its roots": {folder("package other\n\ndecision := {}\n"), "roots"},
		"no tar":            {file("hello"), "archive read failed"},
		"empty file":        {file(""), "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewEngine(t.Context(), Config{Bundle: c.bundle})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.bundle) {
				t.Errorf("got %v, want an error with %q and the bundle's name", err, c.want)
			}
		})
	}
}

func shippedData(t *testing.T) string {
	t.Helper()
	b, err := fs.ReadFile(policies.Bundle, "data.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
