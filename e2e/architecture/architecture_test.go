// Package architecture holds the import rules of the house as a test.
package architecture

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	root     = "drawbridge.dev/"
	services = root + "services/"
)

// pkg is what `go list -json` says of one package.
type pkg struct {
	ImportPath string
	Imports    []string
}

// mayImport lists what packages may import of ours; the longest prefix that
// fits a package rules it. A trailing /... stands for everything below.
var mayImport = []struct {
	pkg     string
	allowed []string
}{
	{root + "events", []string{}},
	{root + "events/internal/contract", []string{root + "events"}},
	{root + "policies", []string{}},
	{services + "internal/bus", []string{root + "events"}},
	{services + "internal/bus/bustest", []string{root + "events", services + "internal/bus"}},
	{services + "internal/listen", []string{}},
	{services + "internal/seal", []string{root + "events"}},
	{services + "watcher", []string{root + "events", services + "internal/...", services + "watcher/..."}},
	{services + "watcher/translate", []string{root + "events"}},
	{services + "policy", []string{root + "events", root + "policies", services + "internal/...", services + "policy/..."}},
	{services + "executor", []string{root + "events", services + "internal/...", services + "executor/..."}},
	{services + "executor/loadbalancer", []string{root + "events"}},
	{services + "executor/compose", []string{root + "events", services + "executor/loadbalancer"}},
	{services + "executor/plan", []string{root + "events", services + "executor/loadbalancer"}},
	{services + "auditor", []string{root + "events", services + "internal/...", services + "auditor/..."}},
	{services + "sandbox", []string{services + "sandbox/..."}},
	{services + "cmd/drawbridge", []string{root + "events", root + "policies", services + "internal/...",
		services + "watcher", services + "policy", services + "executor", services + "auditor", services + "sandbox"}},
	{root + "e2e", []string{root + "..."}},
}

// onlyIn lists what only some packages may import, by prefix.
var onlyIn = []struct {
	imported string
	in       []string
}{
	{"github.com/gophercloud/", []string{services + "executor/octavia"}},
	{"github.com/open-policy-agent/opa", []string{services + "policy"}},
	{"k8s.io/client-go/util/workqueue", []string{services}},
	{"k8s.io/client-go/", []string{services + "watcher"}},
	{"github.com/nats-io/nats.go", []string{services + "internal/bus"}},
	{"github.com/nats-io/nats-server/", []string{services + "cmd/drawbridge", services + "internal/bus/bustest"}},
	{"modernc.org/sqlite", []string{services + "auditor/history"}},
	{"database/sql", []string{services + "auditor/history"}},
}

// pure packages decide and never do: they may import none of impure.
var (
	pure   = []string{services + "watcher/translate", services + "executor/compose", services + "executor/plan", services + "executor/loadbalancer"}
	impure = []string{"context", "os", "net/http", "os/exec", "log", "log/slog", "github.com/rs/zerolog", "github.com/prometheus/", "k8s.io/client-go/", "github.com/gophercloud/", "github.com/nats-io/"}
)

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		for _, i := range p.Imports {
			if err := check(p.ImportPath, i); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestRulesBite proves that each kind of rule refuses what it is there to refuse.
func TestRulesBite(t *testing.T) {
	for _, c := range []struct{ pkg, imported string }{
		{root + "events", services + "internal/bus"},
		{services + "policy", services + "executor"},
		{services + "cmd/drawbridge", services + "executor/plan"},
		{services + "executor/plan", "context"},
		{services + "watcher/translate", "github.com/rs/zerolog"},
		{services + "executor", "github.com/gophercloud/gophercloud/v2"},
		{services + "policy", "k8s.io/client-go/kubernetes"},
		{services + "internal/unheardof", root + "events"},
	} {
		if check(c.pkg, c.imported) == nil {
			t.Errorf("%s may import %s", c.pkg, c.imported)
		}
	}
	for _, c := range []struct{ pkg, imported string }{
		{services + "executor", "k8s.io/client-go/util/workqueue"},
		{services + "executor/octavia", "github.com/gophercloud/gophercloud/v2"},
		{services + "watcher/translate", "k8s.io/api/core/v1"},
	} {
		if err := check(c.pkg, c.imported); err != nil {
			t.Error(err)
		}
	}
}

func check(pkg, imported string) error {
	if strings.HasPrefix(imported, root) {
		allowed, ok := ruleOf(pkg)
		if !ok {
			return fmt.Errorf("%s has no rule: say in mayImport what it may import", pkg)
		}
		if imported != pkg && !matches(allowed, imported) {
			return fmt.Errorf("%s imports %s: only %v are allowed", pkg, imported, allowed)
		}
	}
	for _, r := range onlyIn {
		if !under(imported, r.imported) {
			continue
		}
		if !slices.ContainsFunc(r.in, func(in string) bool { return under(pkg, in) }) {
			return fmt.Errorf("%s imports %s: only %v may", pkg, imported, r.in)
		}
		break
	}
	if slices.ContainsFunc(pure, func(p string) bool { return under(pkg, p) }) &&
		slices.ContainsFunc(impure, func(i string) bool { return under(imported, i) }) {
		return fmt.Errorf("%s is pure and imports %s: gather the facts before and pass them in", pkg, imported)
	}
	return nil
}

func ruleOf(pkg string) (allowed []string, ok bool) {
	longest := -1
	for _, r := range mayImport {
		if under(pkg, r.pkg) && len(r.pkg) > longest {
			longest, allowed, ok = len(r.pkg), r.allowed, true
		}
	}
	return allowed, ok
}

func matches(patterns []string, imported string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if prefix, all := strings.CutSuffix(p, "/..."); all {
			return under(imported, prefix)
		}
		return imported == p
	})
}

// under reports whether path is prefix or lies below it.
func under(path, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "work").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list work: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list work: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list work names %d packages: the rules would check nothing", len(all))
	}
	return all
}
