// Package deploy proves that what is in folder deploy works on real servers.
package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	namespace = "drawbridge"
	account   = "drawbridge-watcher"
)

// kubectl talks to the API server of a kubeconfig.
type kubectl struct{ bin, kubeconfig string }

func (k kubectl) run(args ...string) (string, error) {
	out, err := exec.Command(k.bin, append([]string{"--kubeconfig", k.kubeconfig}, args...)...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

func (k kubectl) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := k.run(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// asAccount is a cluster that is watched with a token of the manifest's
// ServiceAccount, while the test changes it as an administrator.
type asAccount struct {
	*harness.Cluster
	kubeconfig string
}

// Config implements [harness.Source].
func (a asAccount) Config() map[string]any { return map[string]any{"kubeconfig": a.kubeconfig} }

// login writes a kubeconfig that holds nothing but a token of the ServiceAccount.
func login(t *testing.T, admin kubectl) kubectl {
	t.Helper()
	text, err := os.ReadFile(admin.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	own := kubectl{admin.bin, filepath.Join(t.TempDir(), "kubeconfig")}
	if err := os.WriteFile(own.kubeconfig, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for user := range strings.FieldsSeq(own.must(t, "config", "get-users")) {
		if user != "NAME" {
			own.must(t, "config", "delete-user", user)
		}
	}
	token := strings.TrimSpace(admin.must(t, "create", "token", account, "-n", namespace))
	own.must(t, "config", "set-credentials", account, "--token", token)
	own.must(t, "config", "set-context", "--current", "--user", account)
	return own
}

// TestWatcherManifest applies the manifest to a real API server and runs the
// watcher as the ServiceAccount in it: it can do its job, and nothing more.
func TestWatcherManifest(t *testing.T) {
	cluster := harness.LabCluster(t)
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "deploy", "kubernetes", "watcher.yaml")
	admin := kubectl{os.Getenv("DRAWBRIDGE_LAB_KUBECTL"), cluster.Config()["kubeconfig"].(string)}
	t.Cleanup(func() { admin.must(t, "delete", "-f", file, "--ignore-not-found", "--timeout", "2m") })
	if out := admin.must(t, "apply", "-f", file); strings.Contains(strings.ToLower(out), "warning") {
		t.Errorf("the API server warns:\n%s", out)
	}
	harness.Eventually(t, "a pod of the Deployment is admitted", func() error {
		out, err := admin.run("get", "pods", "-n", namespace, "-o", "name")
		if err == nil && !strings.Contains(out, account) {
			err = errors.New("there is none")
		}
		return err
	})

	own := login(t, admin)
	if who := own.must(t, "auth", "whoami", "-o", "json"); !strings.Contains(who, "system:serviceaccount:"+namespace+":"+account) {
		t.Fatalf("the kubeconfig is not that of the ServiceAccount: %s", who)
	}
	t.Run("job", func(t *testing.T) { job(t, asAccount{cluster, own.kubeconfig}) })
	t.Run("nothing more", func(t *testing.T) { nothingMore(t, admin, own) })
}

// job exposes a Service and withdraws it.
func job(t *testing.T, source asAccount) {
	fleet := harness.NewFleet(t, harness.Processes, harness.NewSandbox(t), source)
	lobby := harness.Balanced("deploy-test", "lobby", nil, harness.Port{Protocol: "TCP", Port: 7000, NodePort: 31990})
	source.Apply(t, harness.Node("deploy-test", fleet.Cloud.Nodes[0]), harness.Namespace("deploy-test", true))
	trip := fleet.Expose(t, lobby)
	harness.Eventually(t, "the Service shows its address, and what happened to it", func() error {
		stands, err := source.Get(lobby)
		if err != nil {
			return err
		}
		status, err := json.Marshal(stands["status"])
		if err != nil || !strings.Contains(string(status), trip.Outcome.Addresses[0].IP) || !strings.Contains(string(status), "drawbridge.dev/Exposed") {
			return fmt.Errorf("status %s, %w", status, err)
		}
		told, err := source.Events(lobby)
		for _, reason := range []string{"Approved", "Applied"} {
			if !slices.ContainsFunc(told, func(e string) bool { return strings.HasPrefix(e, reason+":") }) {
				return fmt.Errorf("no Event %s in %q, %w", reason, told, err)
			}
		}
		return nil
	})
	if trip := fleet.Withdraw(t, lobby); trip.Outcome.State != events.Removed {
		t.Errorf("withdrawn: %+v", trip.Outcome)
	}
	if log := fleet.Process("watcher").Log(); strings.Contains(log, "forbidden") {
		t.Errorf("the watcher lacks a right:\n%s", log)
	}
}

// rights are what `kubectl auth can-i --list` shows: resource and verbs.
func rights(t *testing.T, k kubectl, args ...string) (out []string) {
	t.Helper()
	blanks := regexp.MustCompile(` {2,}`)
	for line := range strings.Lines(k.must(t, append([]string{"auth", "can-i", "--list", "-n", namespace}, args...)...)) {
		cells := blanks.Split(strings.TrimSpace(line), -1)
		out = append(out, cells[0]+" "+cells[len(cells)-1])
	}
	slices.Sort(out)
	return out
}

// nothingMore compares the rights of the account with those of an account that
// was given none, and tries some that it must not have.
func nothingMore(t *testing.T, admin, own kubectl) {
	everybody := rights(t, admin, "--as", "system:serviceaccount:"+namespace+":default")
	got := slices.DeleteFunc(rights(t, own), func(r string) bool { return slices.Contains(everybody, r) })
	want := []string{
		"endpointslices.discovery.k8s.io [get list watch]",
		"events [create get patch]",
		"ingressclasses.networking.k8s.io [get list watch]",
		"ingresses.networking.k8s.io [get list watch]",
		"ingresses.networking.k8s.io/status [patch]",
		"namespaces [get list watch]",
		"nodes [get list watch]",
		"secrets [get list watch]", // for TLS; without it the manifest says how
		"services [get list watch]",
		"services/status [patch]",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rights of the account (-want +got):\n%s", d)
	}
	for _, try := range [][]string{
		{"create", "secret", "generic", "deploy-other", "-n", namespace}, {"delete", "secret", "deploy-other", "-n", namespace},
		{"get", "configmaps", "-A"}, {"get", "pods", "-A"},
		{"label", "namespace", "default", "drawbridge.dev/public=true"}, {"delete", "service", "kubernetes", "-n", "default"},
		{"create", "namespace", "deploy-other"}, {"create", "token", account, "-n", namespace},
		{"create", "clusterrolebinding", "deploy-other", "--clusterrole=cluster-admin", "--user=x"},
	} {
		if out, err := own.run(try...); err == nil || !strings.Contains(strings.ToLower(err.Error()), "forbidden") {
			t.Errorf("kubectl %q: %v\n%s; want it forbidden", try, err, out)
		}
	}
}
