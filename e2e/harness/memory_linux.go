package harness

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Memory of a running process, in bytes: resident now, and at most so far.
func (p *Process) Memory(t testing.TB) (now, most int64) {
	t.Helper()
	p.mu.Lock()
	pid := p.cmd.Process.Pid
	p.mu.Unlock()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err == nil {
			now = kb << 10
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			most = kb << 10
		}
	}
	return now, most
}
