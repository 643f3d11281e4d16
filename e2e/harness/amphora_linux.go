package harness

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Amphora is a real Octavia whose load balancers carry traffic: amphorae with
// the real agent, HAProxy and keepalived, in a network of their own on this
// machine (e2e/lab, OSLAB_MODE=amphora).
type Amphora struct {
	*Cloud
	scripts string
}

// amphoraNamespace is the network namespace that the lab's bridges are in.
const amphoraNamespace = "oslab"

// turn at the amphora mode: one test has it.
var amphoraTurn = make(chan struct{}, 1)

// LabAmphora is the amphora mode of the lab. DRAWBRIDGE_AMPHORA_CLOUDS names its
// clouds.yaml; without it the test is skipped, or fails where the lab is required.
func LabAmphora(t testing.TB) *Amphora {
	t.Helper()
	text, err := os.ReadFile(variable(t, "DRAWBRIDGE_AMPHORA_CLOUDS"))
	if err != nil {
		t.Fatal(err)
	}
	file, entry := readClouds(t, text, variable(t, "DRAWBRIDGE_AMPHORA_CLOUD"))
	amphoraTurn <- struct{}{}
	t.Cleanup(func() { <-amphoraTurn })
	scripts, err := filepath.Abs("../lab/openstack/amphora")
	if err != nil {
		t.Fatal(err)
	}
	return &Amphora{scripts: scripts, Cloud: &Cloud{
		OpenStack:  NewOpenStack(entry),
		CloudsFile: file,
		Executor: map[string]any{
			"vip-subnet":       variable(t, "DRAWBRIDGE_AMPHORA_K8S_SUBNET_ID"),
			"floating-network": variable(t, "DRAWBRIDGE_AMPHORA_PUBLIC_NET_ID"),
			"flavor":           variable(t, "DRAWBRIDGE_AMPHORA_FLAVOR_SINGLE_ID"),
		},
		Nodes: []string{"10.20.0.201", "10.20.0.202", "10.20.0.203"},
	}}
}

// HighlyAvailable is the name of the flavor with two amphorae.
func (a *Amphora) HighlyAvailable(t testing.TB) string {
	return variable(t, "DRAWBRIDGE_AMPHORA_FLAVOR_HA_ID")
}

// script runs one of the lab's scripts.
func (a *Amphora) script(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(a.scripts, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Node makes a machine on the cluster's network, with a web server at a port
// that tells its name and what it was asked.
func (a *Amphora) Node(t testing.TB, name, address string, port int) {
	t.Helper()
	_ = exec.Command(filepath.Join(a.scripts, "backend.sh"), "del", name).Run() // one that an earlier run left
	a.script(t, "backend.sh", "add", name, address, fmt.Sprint(port))
	t.Cleanup(func() { a.script(t, "backend.sh", "del", name) })
}

// Listen opens a port of a machine that Node made.
func (a *Amphora) Listen(t testing.TB, node, address string) net.Listener {
	t.Helper()
	var l net.Listener
	err := within("oslabbe-"+node, func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// Serve answers requests at a port of a machine that Node made.
func (a *Amphora) Serve(t testing.TB, l net.Listener, h http.Handler) {
	t.Helper()
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }() // ends with the listener
	t.Cleanup(func() { _ = s.Close() })
}

// Dial connects from the network of the load balancers, as a client outside does.
func (a *Amphora) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var c net.Conn
	err := within(amphoraNamespace, func() (err error) {
		c, err = (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// KillMaster powers off the amphora that holds the address, as a dying hypervisor
// does.
func (a *Amphora) KillMaster(t testing.TB, address string) {
	t.Helper()
	folders, err := os.ReadDir(filepath.Join(variable(t, "DRAWBRIDGE_AMPHORA_STATE"), "amphorae"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if strings.Contains(a.script(t, "ctl.sh", "vrrp", f.Name()), address+"/32") {
			a.script(t, "ctl.sh", "kill", f.Name())
			return
		}
	}
	t.Fatalf("no amphora holds %s", address)
}

// within runs f in a network namespace. What f opens stays there.
func within(namespace string, f func() error) error {
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = own.Close() }()
	other, err := os.Open("/run/netns/" + namespace)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = other.Close() }()
	if err := unix.Setns(int(other.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering network namespace %s: %w: root may", namespace, err)
	}
	err = f()
	if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
		return fmt.Errorf("leaving network namespace %s: %w", namespace, back) // the thread stays locked and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}
