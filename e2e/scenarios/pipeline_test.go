package scenarios

import (
	"testing"

	"drawbridge.dev/e2e/harness"
)

// scenarios run one after another in one fleet; each leaves nothing behind.
var scenarios = []struct {
	name string
	run  func(*testing.T, *world)
}{
	{"expose", exposing},
	{"change", changing},
	{"scale nodes", scaling},
	{"deny", denying},
	{"allow after a policy change", allowing},
	{"drift", drifting},
	{"restart", restarting},
	{"kill", killing},
	{"standby", standingBy},
	{"tls", certifying},
	{"protocols", speaking},
	{"group", sharing},
	{"adopt", adopting},
}

// few are the scenarios in which cloud and source meet; the others run with
// each of the two in other worlds. The kinds of exposure, at the end, are tried
// on every sandbox, and once on the real cloud.
const (
	few       = 3
	disturbed = 9
)

func sandboxed(t testing.TB) *harness.Cloud { return harness.NewSandbox(t) }
func folder(t testing.TB) harness.Source    { return harness.Folder{Path: t.TempDir()} }
func apiServer(t testing.TB) harness.Source { return harness.LabCluster(t) }

var worlds = []struct {
	name   string
	shape  harness.Shape
	cloud  func(testing.TB) *harness.Cloud
	source func(testing.TB) harness.Source
	run    int  // so many of the scenarios
	full   bool // only where everything runs: go tool task e2e
}{
	{"all-in-one/octavia/apiserver", harness.AllInOne, harness.LabCloud, apiServer, len(scenarios), false},
	{"processes/octavia/apiserver", harness.Processes, harness.LabCloud, apiServer, disturbed, false},
	{"all-in-one/octavia/folder", harness.AllInOne, harness.LabCloud, folder, few, false},
	{"processes/octavia/folder", harness.Processes, harness.LabCloud, folder, few, false},
	{"all-in-one/sandbox/apiserver", harness.AllInOne, sandboxed, apiServer, len(scenarios), false},
	{"processes/sandbox/apiserver", harness.Processes, sandboxed, apiServer, len(scenarios), false},
	{"processes/sandbox/folder", harness.Processes, sandboxed, folder, len(scenarios), true},
	{"all-in-one/sandbox/folder", harness.AllInOne, sandboxed, folder, len(scenarios), false},
}

// TestPipeline runs the scenarios in every shape, on every cloud, with every source.
func TestPipeline(t *testing.T) {
	for _, c := range worlds {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.full && !harness.Full() {
				t.Skip("takes minutes: go tool task e2e runs it, or DRAWBRIDGE_E2E_REQUIRE_LAB=1")
			}
			cloud, source := c.cloud(t), c.source(t)
			w := newWorld(t, c.shape, cloud, source, unclassed)
			for _, s := range scenarios[:c.run] {
				if s.name == "standby" && c.shape != harness.Processes {
					continue // one process holds everything, and kill covers it
				}
				if !t.Run(s.name, func(t *testing.T) { s.run(t, w); w.clear(t) }) {
					t.Fatal("what a failed scenario leaves would fail the next ones")
				}
			}
		})
	}
}
