package harness

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"
)

// labVariable is what e2e/lab/up says of the real servers. Without it the test
// is skipped, or fails where the lab is required.
func labVariable(t testing.TB, name string) string {
	t.Helper()
	return variable(t, "DRAWBRIDGE_LAB_"+name)
}

func variable(t testing.TB, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		if Full() {
			t.Fatalf(`%s is not set, and DRAWBRIDGE_E2E_REQUIRE_LAB asks for the real servers: eval "$(e2e/lab/up)"`, name)
		}
		t.Skipf(`needs the real servers, and %s is not set: eval "$(e2e/lab/up)", or go tool task e2e`, name)
	}
	return v
}

// Full says whether everything shall run, the real servers included, and
// nothing be skipped.
func Full() bool { return os.Getenv("DRAWBRIDGE_E2E_REQUIRE_LAB") != "" }

// Prefix of the names that tests give to what they make where others are too.
const Prefix = "e2e-"

// clusters are the kubeconfigs of real API servers that no test uses now.
var clusters = sync.OnceValue(func() chan string {
	files := strings.Split(os.Getenv("DRAWBRIDGE_LAB_KUBECONFIG"), string(os.PathListSeparator))
	free := make(chan string, len(files))
	for _, f := range files {
		free <- f
	}
	return free
})

// LabCluster is a real API server, for this test alone: every watcher of a
// cluster sees everything in it. DRAWBRIDGE_LAB_KUBECONFIG names one or several.
func LabCluster(t testing.TB) *Cluster {
	t.Helper()
	labVariable(t, "KUBECONFIG")
	free := clusters()
	kubeconfig := <-free
	t.Cleanup(func() { free <- kubeconfig })
	lock(t, kubeconfig)
	c := OpenCluster(t, kubeconfig)
	c.sweep(t, Prefix)
	return c
}

// turns at the real cloud: its one worker shares the machine with the tests.
var turns = make(chan struct{}, 2)

// LabCloud is the real Octavia.
func LabCloud(t testing.TB) *Cloud {
	t.Helper()
	text, err := os.ReadFile(labVariable(t, "CLOUDS"))
	if err != nil {
		t.Fatal(err)
	}
	file, entry := readClouds(t, text, labVariable(t, "CLOUD"))
	turns <- struct{}{}
	t.Cleanup(func() { <-turns })
	return &Cloud{
		OpenStack:  NewOpenStack(entry),
		CloudsFile: file,
		Executor: map[string]any{
			"vip-subnet":       labVariable(t, "K8S_VIP_SUBNET_ID"),
			"floating-network": labVariable(t, "PUBLIC_NET_ID"),
			"flavor":           labVariable(t, "FLAVOR_SINGLE_ID"),
		},
		Subnet: labVariable(t, "K8S_VIP_SUBNET_ID"),
		Other:  labVariable(t, "K8S_VIP_SUBNET_B_ID"),
		Nodes:  []string{"10.20.0.201", "10.20.0.202", "10.20.0.203"},
	}
}

// Cloud is an OpenStack cloud that carries load balancers.
type Cloud struct {
	*OpenStack
	CloudsFile string         // a clouds.yaml whose entry CloudName is this cloud
	Executor   map[string]any // how the executor is configured for it
	Nodes      []string       // addresses that nodes of a cluster can have
	Subnet     string         // name or id of the subnet of VIPs
	Other      string         // of another one of its network
	Sandbox    *Sandbox       // nil for the real one
}

// readClouds writes the entry of a clouds.yaml to a file of its own, where it
// is called CloudName.
func readClouds(t testing.TB, text []byte, name string) (string, Entry) {
	t.Helper()
	var clouds struct {
		Clouds map[string]Entry
	}
	if err := yaml.Unmarshal(text, &clouds); err != nil {
		t.Fatalf("clouds.yaml: %v", err)
	}
	entry, ok := clouds.Clouds[name]
	if !ok {
		t.Fatalf("clouds.yaml has no entry %q", name)
	}
	text, err := yaml.Marshal(map[string]any{"clouds": map[string]any{CloudName: entry}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, entry
}
