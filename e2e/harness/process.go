package harness

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is one program with its arguments; it can be started again after it ended.
type Process struct {
	Name string

	bin  string
	args []string
	env  []string
	log  string // file of stdout and stderr, all runs

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the running one has ended
	err  error         // how it ended
}

// logTail is how much of a log is shown when a test fails.
const logTail = 40 << 10

// NewProcess describes a program without starting it. It is killed when the
// test ends; if the test failed, the end of its log is shown. Its log is
// below folder.
func NewProcess(t testing.TB, folder, name, bin string, args ...string) *Process {
	p := &Process{Name: name, bin: bin, args: args, env: os.Environ(), log: filepath.Join(folder, name+".log")}
	t.Cleanup(func() {
		p.kill()
		if log := p.Log(); t.Failed() && log != "" {
			t.Logf("log of %s:\n%s", name, log[max(0, len(log)-logTail):])
		}
		if strings.Contains(p.Log(), "WARNING: DATA RACE") {
			t.Errorf("%s: the race detector found a race", name)
		}
	})
	return p
}

// Start starts the program.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(p.bin, p.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, out, out
	cmd.SysProcAttr = withParent()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.Name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done, p.err = cmd, done, nil
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(done)
	}()
}

// Running reports whether the program runs.
func (p *Process) Running() bool {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done == nil {
		return false
	}
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// Stop asks the program to end and fails the test unless it ends well.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	if !p.Running() {
		t.Fatalf("%s does not run any more: %v", p.Name, p.Exit())
	}
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not end within a minute of SIGTERM", p.Name)
	}
	if err := p.Exit(); err != nil {
		t.Errorf("%s ended with %v after SIGTERM, want a clean end", p.Name, err)
	}
}

// Kill ends the program at once, as the kernel's out-of-memory killer does.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	if !p.Running() {
		t.Fatalf("%s does not run any more: %v", p.Name, p.Exit())
	}
	p.kill()
}

func (p *Process) kill() {
	if p.Running() {
		p.signal(syscall.SIGKILL)
		<-p.done
	}
}

func (p *Process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(s) // fails only if it has ended meanwhile, which the caller waits for
}

// Exit is how the last run ended; nil for status 0.
func (p *Process) Exit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Log is everything that the program wrote, in all its runs.
func (p *Process) Log() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	return string(bytes.ToValidUTF8(b, nil))
}
