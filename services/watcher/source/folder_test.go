package source

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
)

func service(name string, nodePort int) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec:\n  type: NodePort\n  ports:\n  - {port: 80, nodePort: %d}\n", name, nodePort)
}

// running is a folder source at work.
type running struct {
	*Source
	t   *testing.T
	dir string
	log *lines
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, dir string) *running {
	t.Helper()
	r := &running{t: t, dir: dir, log: &lines{}}
	log := zerolog.New(r.log)
	s, err := Folder(dir, FolderConfig{Rescan: 50 * time.Millisecond, Settle: 5 * time.Millisecond, Grace: 30 * time.Millisecond}, log)
	if err != nil {
		t.Fatal(err)
	}
	r.Source = s
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx, log) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func (r *running) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) services() string {
	var out []string
	for _, o := range r.Services.GetStore().List() {
		s := o.(*corev1.Service)
		out = append(out, fmt.Sprintf("%s/%s:%d", s.Namespace, s.Name, s.Spec.Ports[0].NodePort))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// until waits for a condition, with a deadline that only a fault reaches.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 2 min", what)
		}
	}
}

func (r *running) want(services string) {
	r.t.Helper()
	until(r.t, "services "+services, func() bool { return r.services() == services })
}

func (r *running) said(text string) {
	r.t.Helper()
	until(r.t, "log line "+text, func() bool { return strings.Contains(r.log.String(), text) })
}

// passes waits until the folder has been read n times more, so that what did
// not happen by then does not happen.
func (r *running) passes(n int) {
	r.t.Helper()
	for i := range n {
		name := fmt.Sprintf("beat-%d", i)
		r.write("beat.yaml", service(name, 40000+i))
		until(r.t, name, func() bool { return strings.Contains(r.services(), name) })
	}
	if err := os.Remove(filepath.Join(r.dir, "beat.yaml")); err != nil {
		r.t.Fatal(err)
	}
	until(r.t, "end of beats", func() bool { return !strings.Contains(r.services(), "beat") })
}

func TestFolderFollowsFiles(t *testing.T) {
	dir := t.TempDir()
	r := &running{t: t, dir: dir}
	r.write("a.yaml", service("one", 30001)+"---\n"+service("two", 30002))
	r.write("deep/er/b.yml", service("three", 30003))
	r.write("c.json", `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Service","metadata":{"name":"four","namespace":"x"},"spec":{"ports":[{"port":80,"nodePort":30004}]}}]}`)
	r.write("README.md", "no manifest")
	r.write(".hidden.yaml", service("hidden", 30009))
	r.write("other.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: passed-over}\n")
	r = start(t, dir)
	until(t, "sync", r.Synced)
	r.want("default/one:30001 default/three:30003 default/two:30002 x/four:30004")
	if err := r.Gaps(); err != nil {
		t.Errorf("nothing is missing, yet: %v", err)
	}

	r.write("a.yaml", service("one", 30011))
	r.want("default/one:30011 default/three:30003 x/four:30004")
	r.write("new/folder/d.yaml", service("five", 30005))
	r.want("default/five:30005 default/one:30011 default/three:30003 x/four:30004")
	for _, gone := range []string{"c.json", "deep/er/b.yml"} {
		if err := os.Remove(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	r.want("default/five:30005 default/one:30011")
	if err := os.RemoveAll(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	r.want("default/one:30011")
}

func TestBrokenFileKeepsItsLastGoodObjects(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	r.write("a.yaml", service("one", 30001)+"---\n"+service("two", 30002))
	r.write("b.yaml", service("three", 30003))
	r.want("default/one:30001 default/three:30003 default/two:30002")

	r.write("a.yaml", service("one", 30011)+"---\n# a comment\napiVersion: v1\nkind: Service\nmetadata: {name: two\nspec: }{\n")
	r.said("a.yaml:")
	r.said("document 2")
	r.write("b.yaml", service("three", 30013))
	r.want("default/one:30001 default/three:30013 default/two:30002")
	r.passes(3)
	r.want("default/one:30001 default/three:30013 default/two:30002")
	if err := r.Gaps(); err != nil {
		t.Errorf("the file was good once, so nothing is missing: %v", err)
	}

	r.write("a.yaml", service("one", 30021))
	r.want("default/one:30021 default/three:30013")
	r.said("understood again")
	if n := strings.Count(r.log.String(), "document 2"); n != 1 {
		t.Errorf("the fault was told %d times, want once:\n%s", n, r.log)
	}
}

func TestEmptyFileDeletesNothing(t *testing.T) {
	r := start(t, t.TempDir())
	r.write("a.yaml", service("one", 30001))
	r.want("default/one:30001")
	r.write("a.yaml", "\n")
	r.said("is empty")
	r.passes(2)
	r.want("default/one:30001")
	// A comment says that somebody meant it.
	r.write("a.yaml", "# nothing\n")
	r.want("")
}

// A folder that is empty at the start may be one that is not mounted.
func TestFolderThatIsEmptyDeletesNothing(t *testing.T) {
	r := start(t, t.TempDir())
	until(t, "sync", r.Synced)
	if err := r.Gaps(); err == nil || !strings.Contains(err.Error(), "mounted") {
		t.Fatalf("gap: %v", err)
	}
	r.write("a.yaml", service("one", 30001))
	r.want("default/one:30001")
	if err := os.Remove(filepath.Join(r.dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	r.want("")
	if err := r.Gaps(); err != nil {
		t.Errorf("the last file was deleted before our eyes: %v", err)
	}
}

// What is no file, or has no end, is not waited for.
func TestWhatIsNoFileIsAFault(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "zero.yaml")); err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, dir: dir}
	r.write("laughs.yaml", laughs())
	r.write("one.yaml", service("one", 30001))
	found, faults, err := ReadFolder(dir)
	if err != nil || len(found) != 1 || len(faults) != 2 {
		t.Errorf("found %d objects, faults %v, %v", len(found), faults, err)
	}
}

// laughs is a document of a few hundred bytes that means a thousand million.
func laughs() string {
	s := "apiVersion: v1\nkind: Service\na0: &a0 [lol]\n"
	for i := range 9 {
		s += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	return s
}

func TestFolderThatVanishesDeletesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "manifests")
	r := start(t, dir)
	r.said("cannot be read")
	if r.Synced() {
		t.Fatal("a folder that is missing counts as an empty one")
	}
	r.write("a.yaml", service("one", 30001))
	r.want("default/one:30001")
	until(t, "sync", r.Synced)

	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	until(t, "gap", func() bool { return r.Gaps() != nil && r.Err() != nil })
	if r.services() != "default/one:30001" {
		t.Fatalf("a missing folder deleted objects, left: %q", r.services())
	}
	if err := os.Rename(moved, dir); err != nil {
		t.Fatal(err)
	}
	until(t, "no gap", func() bool { return r.Gaps() == nil && r.Err() == nil })
	r.write("b.yaml", service("two", 30002))
	r.want("default/one:30001 default/two:30002")
}

func TestFileNeverGoodIsAGap(t *testing.T) {
	dir := t.TempDir()
	r := &running{t: t, dir: dir}
	r.write("a.yaml", "kind: [")
	r.write("b.yaml", service("two", 30002))
	r = start(t, dir)
	r.want("default/two:30002")
	until(t, "sync", r.Synced)
	if err := r.Gaps(); err == nil || !strings.Contains(err.Error(), "a.yaml:1: document 1") {
		t.Fatalf("gap: %v", err)
	}
	r.write("a.yaml", service("one", 30001))
	r.want("default/one:30001 default/two:30002")
	until(t, "no gap", func() bool { return r.Gaps() == nil })
}

func TestObjectOfTwoFiles(t *testing.T) {
	dir := t.TempDir()
	r := &running{t: t, dir: dir}
	r.write("b.yaml", service("one", 30002))
	r.write("a.yaml", service("one", 30001))
	r = start(t, dir)
	r.want("default/one:30001")
	r.said("b.yaml:1: Service/default/one is already defined at a.yaml:1")
	if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	r.want("default/one:30002")
}

func TestParseFileNamesThePlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"syntax", "a: b\n c: d\n", "f.yaml:2: document 1: mapping values are not allowed in this context"},
		{"second document", service("a", 1) + "---\n\n# x\nkind: [\n", "f.yaml:11: document 2: "},
		{"no object", "a: b\n", "f.yaml:1: document 1: is no Kubernetes object: apiVersion and kind must be set"},
		{"a list", "- a\n", "f.yaml:1: document 1: is no Kubernetes object"},
		{"unknown field", "---\n---\n\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {loadbalancerclass: x}\n", `f.yaml:4: document 1: Service: unknown field "spec.loadbalancerclass"`},
		{"wrong type", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: x}]}\n", "f.yaml:1: document 1: Service: "},
		{"key twice", "apiVersion: v1\nkind: Service\nkind: Service\nmetadata: {name: a}\n", `f.yaml:3: document 1: key "kind" already set in map`},
		{"no name", "apiVersion: v1\nkind: Service\n", "f.yaml:1: document 1: Service: metadata.name is empty"},
		{"slash in name", "apiVersion: v1\nkind: Service\nmetadata: {name: a/b}\n", `"a/b" is no name`},
		{"old version", "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a}\n", "use networking.k8s.io/v1"},
		{"two faults", "a: b\n---\nc: d\n", "document 2"},
		{"tab", "a:\n\tb: c\n", "f.yaml:2: document 1: found character that cannot start any token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseFile("f.yaml", []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q\n gives %v\n want  %s", c.text, err, c.want)
			}
			if got != nil {
				t.Errorf("objects of a file with a fault: %v", got)
			}
		})
	}
}

func TestReadFolder(t *testing.T) {
	dir := t.TempDir()
	r := &running{t: t, dir: dir}
	r.write("a.yaml", "# first\n---\n"+service("one", 30001)+"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: x, namespace: ignored}\n")
	r.write("b.yaml", "kind: [")
	r.write("c.yaml", service("one", 30002))
	got, faults, err := ReadFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range got {
		out = append(out, m.Where()+" "+m.ID())
	}
	if d := cmp.Diff([]string{"a.yaml:3 Service/default/one", "a.yaml:11 Namespace//x"}, out); d != "" {
		t.Error(d)
	}
	if len(faults) != 2 || !strings.Contains(faults[0].Error(), "b.yaml:1") || !strings.Contains(faults[1].Error(), "c.yaml:1: Service/default/one is already defined at a.yaml:3") {
		t.Errorf("faults: %v", faults)
	}
	if _, _, err := ReadFolder(filepath.Join(dir, "gone")); err == nil {
		t.Error("a folder that is not there reads as an empty one")
	}
	if _, _, err := ReadFolder(filepath.Join(dir, "a.yaml")); err == nil {
		t.Error("a file reads as a folder")
	}
}

func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{service("a", 1), "---\n---\n", "a: &x [*x]", "kind: List\napiVersion: v1\nitems: [null, 1]", "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: []}]", "--- a\n", "\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseFile("f", data)
		if err != nil && got != nil {
			t.Fatal("objects and an error")
		}
		for _, m := range got {
			if m.Object.GetName() == "" || m.Object.GetUID() == "" || m.Line < 1 {
				t.Fatalf("%+v is not complete", m)
			}
		}
	})
}

// A link whose target is away for a while, as in a mounted ConfigMap.
func TestFileThatCannotBeReadForAWhile(t *testing.T) {
	dir, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte(service("one", 30001)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir)
	r.want("default/one:30001")
	if err := os.Rename(target, target+"-away"); err != nil {
		t.Fatal(err)
	}
	r.said("not understood")
	r.passes(1)
	r.want("default/one:30001")
	if err := os.Rename(target+"-away", target); err != nil {
		t.Fatal(err)
	}
	r.said("understood again")
	r.want("default/one:30001")
}
