package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge.dev/services/sandbox"
)

// cluster is a folder that holds some files of the sample cluster, and more.
func cluster(t *testing.T, samples []string, more map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range samples {
		write(t, filepath.Join(dir, name), sample(t, name))
	}
	for name, text := range more {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func TestPlan(t *testing.T) {
	whole := []string{"bank.yaml", "broken.yaml", "data.yaml", "games.yaml", "namespaces.yaml", "nodes.yaml", "shop.yaml"}
	good := []string{"games.yaml", "namespaces.yaml", "nodes.yaml", "shop.yaml"}
	bad := map[string]string{"bad.yaml": "apiVersion: v1\nkind: Service\n  metadata: [\n", "odd.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: odd, namespace: shop}\nspec: {prots: []}\n"}
	for _, c := range []struct {
		name    string
		folder  string
		status  int
		formats []string
	}{
		{"good", cluster(t, good, nil), 0, []string{"table", "json"}},
		{"sample", cluster(t, whole, nil), 2, []string{"table", "json", "yaml"}},
		{"bad-yaml", cluster(t, good, bad), 2, []string{"table", "json"}},
		{"empty", cluster(t, nil, nil), 0, []string{"table", "json"}},
	} {
		for _, format := range c.formats {
			got := cli(t, "plan", "-f", c.folder, "-o", format)
			if got.status != c.status || got.err != "" {
				t.Errorf("%s: status %d, %s; want %d", c.name, got.status, got.err, c.status)
			}
			ending := map[string]string{"table": "txt"}[format]
			if ending == "" {
				ending = format
			}
			golden(t, "plan-"+c.name+"."+ending, got.out)
		}
	}
}

// TestPlanCannot be made: status 1, which a pipeline can tell from a refusal.
func TestPlanCannot(t *testing.T) {
	folder := cluster(t, []string{"games.yaml"}, nil)
	bundle := t.TempDir()
	if err := os.CopyFS(bundle, os.DirFS("../../../policies")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(bundle, "drawbridge", "broken.rego"), brokenRego)
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "name the folder of manifests with -f"},
		{[]string{"-f", "/nowhere"}, "-f: stat /nowhere"},
		{[]string{"-f", filepath.Join(folder, "games.yaml")}, "games.yaml"},
		{[]string{"-f", folder, "--policy.bundle", bundle}, "broken.rego:6"},
		{[]string{"-f", folder, "--policy.bundle", "/nowhere"}, "/nowhere"},
		{[]string{"-f", folder, "--watcher.cluster", "a/b"}, "cluster"},
		{[]string{"-f", folder, "--watcher.workers", "many"}, "--watcher.workers"},
		{[]string{"-f", folder, "-o", "xml"}, `--output "xml"`},
	} {
		if got := cli(t, append([]string{"plan"}, c.args...)...); got.status != 1 || !strings.Contains(got.err, c.says) || got.out != "" {
			t.Errorf("%q: %+v; want status 1 and %q", c.args, got, c.says)
		}
	}
}

// TestPlanFolder on the command line wins over the one in the file.
func TestPlanFolder(t *testing.T) {
	here, there := cluster(t, []string{"games.yaml"}, nil), cluster(t, []string{"shop.yaml"}, nil)
	file := write(t, filepath.Join(t.TempDir(), "c.yaml"), "watcher: {cluster: blue, kubeconfig: x, folder: \""+there+"\"}\n")
	for want, args := range map[string][]string{
		"games.yaml": {"plan", "-c", file, "-f", here, "-o", "json"},
		"shop.yaml":  {"plan", "-c", file, "-o", "json"},
	} {
		got := cli(t, args...)
		if !strings.Contains(got.out, `"where": "`+want) || !strings.Contains(got.out, `"cluster": "blue"`) {
			t.Errorf("%q plans:\n%s%s", args, got.out, got.err)
		}
	}
}

// TestBadCloud gives commands that look at a cloud one that cannot be used, or
// that holds nothing: each is told apart, and no password is shown.
func TestBadCloud(t *testing.T) {
	start := func(c sandbox.Config) (file, text string) {
		t.Helper()
		cloud, err := sandbox.Start(context.WithoutCancel(t.Context()), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := cloud.Close(); err != nil {
				t.Error(err)
			}
		})
		text = string(cloud.CloudsYAML())
		return write(t, filepath.Join(t.TempDir(), "clouds.yaml"), text), text
	}
	good, text := start(sandbox.Config{})
	without, _ := start(sandbox.Config{WithoutOctavia: true})
	wrong := write(t, filepath.Join(t.TempDir(), "clouds.yaml"), strings.ReplaceAll(text, "password: ", "password: not-this-"))
	folder := cluster(t, []string{"games.yaml", "namespaces.yaml", "nodes.yaml"}, nil)
	for _, c := range []struct {
		name, file, entry string
		says              []string
	}{
		{"good", good, "sandbox", nil},
		{"no file", "/nowhere/clouds.yaml", "sandbox", []string{"/nowhere/clouds.yaml"}},
		{"no entry", good, "west", []string{`"west"`, good}},
		{"no entry named", good, "", []string{"openstack-cloud", "OS_CLOUD"}},
		{"wrong password", wrong, "sandbox", []string{"password", "sandbox"}},
		{"no Octavia", without, "sandbox", []string{"Octavia is not installed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("OS_CLOUD", "")
			cloud := []string{"--executor.clouds-file", c.file, "--executor.openstack-cloud", c.entry}
			for _, command := range [][]string{{"get", "loadbalancers"}, {"plan", "-f", folder, "--against-cloud", "--executor.vip-subnet", sandbox.SubnetName, "--executor.floating-network", sandbox.ExternalName}} {
				got := cli(t, append(command, cloud...)...)
				if c.says == nil {
					if got.status != 0 || got.err != "" {
						t.Errorf("%q: %+v", command, got)
					}
					continue
				}
				for _, s := range c.says {
					if got.status != 1 || !strings.Contains(got.err, s) || strings.Contains(got.err, "not-this-") || got.out != "" {
						t.Errorf("%q: %+v; want status 1 and %q", command, got, s)
					}
				}
			}
		})
	}
}

// TestPlanPathMatching: what would go elsewhere with the other way to match paths
// is said of an Ingress of the octavia-ingress-controller, and of others when asked.
func TestPlanPathMatching(t *testing.T) {
	ingress := func(class string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: paths, namespace: shop, annotations: {" + class + "}}\n" +
			"spec: {rules: [{host: shop.example.com, http: {paths: [" +
			"{path: /api, pathType: Exact, backend: {service: {name: api, port: {number: 8080}}}}, " +
			"{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}\n"
	}
	ours := strings.Replace(ingress(""), "spec: {", "spec: {ingressClassName: drawbridge, ", 1)
	for _, c := range []struct {
		name, manifest string
		args           []string
		says, not      string
	}{
		{"of the old class", ingress("kubernetes.io/ingress.class: openstack"), nil, "with drawbridge.dev/path-matching: kubernetes, shop.example.com:80/apimore: to shop/web:80, not shop/api:8080", ""},
		{"of ours", ours, nil, "shop/paths", "reroutes"},
		{"of ours, asked", ours, []string{"--path-matching", "raw-prefix"}, "with drawbridge.dev/path-matching: raw-prefix, shop.example.com:80/api/more: to shop/api:8080, not shop/web:80", ""},
		{"wrong", ours, []string{"--path-matching", "regex"}, `--path-matching "regex": write kubernetes or raw-prefix`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := cluster(t, []string{"namespaces.yaml", "nodes.yaml", "shop.yaml"}, map[string]string{"paths.yaml": c.manifest})
			got := cli(t, append([]string{"plan", "-f", folder}, c.args...)...)
			if text := got.out + got.err; !strings.Contains(text, c.says) || c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("status %d: %s\nwant it to say %q, and not %q", got.status, text, c.says, c.not)
			}
		})
	}
}
