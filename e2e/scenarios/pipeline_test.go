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
}

var clouds = []struct {
	name string
	open func(testing.TB) *harness.Cloud
}{
	{"sandbox", func(t testing.TB) *harness.Cloud { return harness.NewSandbox(t) }},
	{"octavia", harness.LabCloud},
}

var sources = []struct {
	name string
	open func(testing.TB) harness.Source
	// exclusive sources are seen by every fleet that uses them.
	exclusive bool
}{
	{"folder", func(t testing.TB) harness.Source { return harness.Folder{Path: t.TempDir()} }, false},
	{"apiserver", func(t testing.TB) harness.Source { return harness.LabCluster(t) }, true},
}

// TestPipeline runs every scenario in every shape, on every cloud, with every source.
func TestPipeline(t *testing.T) {
	for _, source := range sources {
		for _, cloud := range clouds {
			for _, shape := range []harness.Shape{harness.AllInOne, harness.Processes} {
				t.Run(string(shape)+"/"+cloud.name+"/"+source.name, func(t *testing.T) {
					if !source.exclusive {
						t.Parallel()
					}
					w := newWorld(t, shape, cloud.open(t), source.open(t))
					for _, s := range scenarios {
						if !t.Run(s.name, func(t *testing.T) { s.run(t, w); w.clear(t) }) {
							t.Fatal("what a failed scenario leaves would fail the next ones")
						}
					}
				})
			}
		}
	}
}
