package architecture

import (
	"os/exec"
	"strings"
	"testing"
)

// TestOneOPA: the opa command that tests the bundle is the library that evaluates it.
func TestOneOPA(t *testing.T) {
	version := func(dir string) string {
		cmd := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/open-policy-agent/opa")
		cmd.Dir, cmd.Env = dir, append(cmd.Environ(), "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", dir, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if tool, library := version("../tools"), version("../../services"); tool != library {
		t.Errorf("e2e/tools has opa %s, services has %s: pin the same", tool, library)
	}
}
