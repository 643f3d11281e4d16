package main

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"drawbridge.dev/services/watcher"
)

// manifest is one kind of the watcher's manifests; a field that Kubernetes does
// not know fails the test.
func manifest[T any](t *testing.T, kind string) (out T) {
	t.Helper()
	b, err := os.ReadFile("../../../deploy/kubernetes/watcher.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range strings.Split(string(b), "\n---\n") {
		if strings.Contains(doc, "\nkind: "+kind+"\n") {
			if err := yaml.UnmarshalStrict([]byte(doc), &out); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			return out
		}
	}
	t.Fatalf("no %s", kind)
	return out
}

// TestWatcherManifest holds the manifests to the code: the rights are those that
// the watcher names, the container starts with what is mounted, on a read-only
// disk, and the probes ask where it listens.
func TestWatcherManifest(t *testing.T) {
	if d := cmp.Diff(watcher.Rights(), manifest[rbacv1.ClusterRole](t, "ClusterRole").Rules); d != "" {
		t.Errorf("the ClusterRole (-code +manifest):\n%s", d)
	}
	pod := manifest[appsv1.Deployment](t, "Deployment").Spec.Template.Spec
	c := pod.Containers[0]
	mounted := func(file string) bool {
		for _, m := range c.VolumeMounts {
			if file == m.MountPath || strings.HasPrefix(file, m.MountPath+"/") {
				return true
			}
		}
		return false
	}
	cmd := runCommand()
	if c.Args[0] != cmd.Name() || cmd.ParseFlags(c.Args[1:]) != nil {
		t.Fatalf("args %q are none of the command", c.Args)
	}
	target, file := cmd.Flags().Lookup("target").Value.String(), cmd.Flags().Lookup("config").Value.String()
	if target != "watcher" || !mounted(file) {
		t.Errorf("args %q: target %q, configuration %q mounted %v", c.Args, target, file, mounted(file))
	}
	text := manifest[corev1.ConfigMap](t, "ConfigMap").Data["drawbridge.yaml"]
	cfg, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if cfg, err = cfg.complete([]string{target}); err != nil {
		t.Fatal(err)
	}
	if cfg.keepsData([]string{target}) {
		t.Error("it writes to its data folder, but the disk is read-only")
	}
	for _, s := range settingsOf(&cfg) {
		of, _, _ := strings.Cut(s.name, ".")
		if v := s.value.String(); strings.HasSuffix(s.name, "-file") && (of == "nats" || of == "ops") && v != "" && !mounted(v) {
			t.Errorf("%s: %s is not mounted", s.name, v)
		}
	}
	if err := cfg.Ops.Validate(); err != nil {
		t.Error(err)
	}
	_, port, err := net.SplitHostPort(cfg.Ops.Address)
	if err != nil || len(c.Ports) != 1 || strconv.Itoa(int(c.Ports[0].ContainerPort)) != port {
		t.Errorf("it listens on %s, the container names %v", cfg.Ops.Address, c.Ports)
	}
	for path, p := range map[string]*corev1.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if p == nil || p.HTTPGet.Path != path || p.HTTPGet.Scheme != corev1.URISchemeHTTPS || p.HTTPGet.Port.String() != c.Ports[0].Name {
			t.Errorf("the probe of %s is %v", path, p)
		}
	}
	if own := pod.SecurityContext; !*own.RunAsNonRoot || !*c.SecurityContext.ReadOnlyRootFilesystem || *c.SecurityContext.AllowPrivilegeEscalation {
		t.Errorf("security: %v, %v", own, c.SecurityContext)
	}
}
