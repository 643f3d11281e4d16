package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"

	"drawbridge.dev/events"
	"drawbridge.dev/policies"
)

// embeddedName is what decisions call the bundle that is built in.
const embeddedName = "drawbridge (built in)"

// source is a policy bundle that was read and parsed, and not yet compiled.
type source struct {
	ref     events.PolicyRef
	modules map[string]*ast.Module
	data    map[string]any
}

// readSource reads the bundle at path: a folder or an OPA bundle file; empty
// is the one that is built in. Tests (*_test.rego) and hidden files are left out.
func readSource(where string) (source, error) {
	name, loader, err := openSource(where)
	if err != nil {
		return source{}, fmt.Errorf("policy.bundle %q: %w", where, err)
	}
	b, err := bundle.NewCustomReader(loader.WithFilter(leaveOut).WithFollowSymlinks(true)).Read()
	if err != nil {
		return source{}, fmt.Errorf("policy.bundle %q: %w", where, err)
	}
	if b.Type() != bundle.SnapshotBundleType {
		return source{}, fmt.Errorf("policy.bundle %q: is a delta bundle, give a whole one", where)
	}
	return newSource(name, b), nil
}

func openSource(where string) (string, bundle.DirectoryLoader, error) {
	if where == "" {
		loader, err := bundle.NewFSLoader(policies.Bundle)
		return embeddedName, loader, err
	}
	info, err := os.Stat(where)
	if err != nil {
		return "", nil, err
	}
	if info.IsDir() {
		loader, err := bundle.NewFSLoader(os.DirFS(where))
		return where, loader, err
	}
	b, err := os.ReadFile(where)
	if err != nil {
		return "", nil, err
	}
	if len(b) == 0 {
		return "", nil, errors.New("is empty, want a tar.gz as `opa build` writes it")
	}
	return where, bundle.NewTarballLoader(bytes.NewReader(b)), nil
}

// leaveOut also passes over the "..data" links by which Kubernetes mounts a ConfigMap.
func leaveOut(file string, _ fs.FileInfo, _ int) bool {
	base := path.Base(file)
	hidden := strings.HasPrefix(base, ".") && base != "." && base != bundle.ManifestExt && !bundle.IsSignaturesFile(base)
	return hidden || strings.HasSuffix(base, "_test.rego")
}

func newSource(name string, b bundle.Bundle) source {
	s := source{modules: map[string]*ast.Module{}, data: b.Data}
	type file struct{ Path, Text string }
	content := struct {
		Revision string
		Data     map[string]any
		Modules  []file
	}{b.Manifest.Revision, b.Data, nil}
	for _, m := range b.Modules {
		p := strings.TrimPrefix(m.Path, "/")
		s.modules[p] = m.Parsed
		content.Modules = append(content.Modules, file{p, string(m.Raw)})
	}
	slices.SortFunc(content.Modules, func(a, b file) int { return strings.Compare(a.Path, b.Path) })
	s.ref = events.PolicyRef{Bundle: name, Revision: b.Manifest.Revision, Digest: events.Digest(content)}
	return s
}
