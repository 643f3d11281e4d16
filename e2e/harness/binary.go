package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binaries are built once for all tests of a package.
type binaries struct {
	folder           string
	drawbridge, nats func() (string, error)
}

var built binaries

// Main runs the tests of a package and removes what was built for them.
func Main(m *testing.M) int {
	folder, err := os.MkdirTemp("", "drawbridge-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	built = binaries{
		folder: folder,
		drawbridge: sync.OnceValues(func() (string, error) {
			if bin := os.Getenv("DRAWBRIDGE_BIN"); bin != "" {
				return filepath.Abs(bin)
			}
			return build(folder, "drawbridge", "./cmd/drawbridge")
		}),
		nats: sync.OnceValues(func() (string, error) {
			return build(folder, "nats-server", "github.com/nats-io/nats-server/v2")
		}),
	}
	return m.Run()
}

// build compiles a command with the versions that module services is pinned to,
// with the race detector if the test has it.
func build(folder, name, pkg string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(folder, name)
	args := []string{"build", "-o", bin}
	if raceDetector {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = filepath.Join(root, "services")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return bin, nil
}

// Binary is the path of the drawbridge command: DRAWBRIDGE_BIN, or one that is built.
func Binary(t testing.TB) string {
	t.Helper()
	bin, err := built.drawbridge()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Root is the folder of go.work, above the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.work above the working directory: run the tests in the repository")
		}
		dir = up
	}
}
