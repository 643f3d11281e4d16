package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// NATS is a nats-server process with the configuration of deploy/nats.
type NATS struct {
	*Process
	URL string

	authority *Authority
	port      int
}

// StartNATS starts the server below folder, on a free port of loopback.
func StartNATS(t testing.TB, folder string) *NATS {
	t.Helper()
	bin, err := built.nats()
	if err != nil {
		t.Fatal(err)
	}
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	n := &NATS{authority: NewAuthority(t, folder), port: FreePort(t)}
	n.URL = fmt.Sprintf("tls://127.0.0.1:%d", n.port)
	n.Process = NewProcess(t, folder, "nats", bin, "-c", filepath.Join(root, "deploy", "nats", "hub.conf"), "-p", fmt.Sprint(n.port))
	cert, key := n.authority.Issue(t, "nats")
	n.env = append(n.env, "DRAWBRIDGE_NATS_STORE="+filepath.Join(folder, "nats"),
		"DRAWBRIDGE_NATS_CERT="+cert, "DRAWBRIDGE_NATS_KEY="+key, "DRAWBRIDGE_NATS_CA="+n.authority.File)
	n.Start(t)
	return n
}

// Start starts the server and waits until it listens.
func (n *NATS) Start(t testing.TB) {
	t.Helper()
	n.Process.Start(t)
	Eventually(t, "nats-server listens", func() error {
		if !n.Running() {
			t.Fatalf("nats-server ended: %v\n%s", n.Exit(), n.Log())
		}
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", n.port), time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// User is the section `nats` of a service's configuration: its certificate says that it is CN=name.
func (n *NATS) User(t testing.TB, name string) map[string]any {
	t.Helper()
	file := filepath.Join(n.authority.folder, name)
	cert, key := file+".crt", file+".key"
	if _, err := os.Stat(cert); err != nil {
		cert, key = n.authority.Issue(t, name)
	}
	return map[string]any{"url": n.URL, "ca-file": n.authority.File, "cert-file": cert, "key-file": key}
}

// FreePort is a port of loopback that nobody listened on a moment ago. It is
// below those that the system gives to outgoing connections, as one of these
// could take it before it is used, or while its owner is stopped.
func FreePort(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		port := 27000 + rand.N(3000)
		if _, given := ports.LoadOrStore(port, true); given {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			err = l.Close()
		}
		if err == nil {
			return port
		}
	}
	t.Fatalf("no port of loopback is free: %v", err)
	return 0
}

// ports that FreePort gave away.
var ports sync.Map
