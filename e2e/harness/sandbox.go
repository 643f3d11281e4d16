package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"drawbridge.dev/services/sandbox"
)

// Pending is how long the sandbox's PENDING states last: long enough to be
// caught in one.
const Pending = 300 * time.Millisecond

// Sandbox is a sandbox in the process of the test, which can count what is
// asked of it and make it fail.
type Sandbox struct{ *sandbox.Cloud }

// NewSandbox plays a cloud whose data plane carries traffic, until the test ends.
func NewSandbox(t testing.TB, adjust ...func(*sandbox.Config)) *Cloud {
	t.Helper()
	tenant := sandbox.DefaultUsers()[0]
	tenant.Entry = CloudName
	cfg := sandbox.Config{Pending: Pending, DataPlane: true, Users: []sandbox.User{tenant}}
	for _, a := range adjust {
		a(&cfg)
	}
	s, err := sandbox.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("sandbox: %v", err)
		}
	})
	file, entry := readClouds(t, s.CloudsYAML(), CloudName)
	c := &Cloud{OpenStack: NewOpenStack(entry), CloudsFile: file, Sandbox: &Sandbox{s}, Executor: map[string]any{"vip-subnet": sandbox.SubnetName},
		Subnet: sandbox.SubnetName, Other: sandbox.OtherSubnetName}
	at := fmt.Sprintf("127.%d.%d.", 200+rand.N(50), rand.N(256)) // a network of nodes of its own
	for i := range 3 {
		c.Nodes = append(c.Nodes, fmt.Sprintf("%s%d", at, i+1))
	}
	return c
}

// Slowly lets the PENDING states that begin in do last so long that what waits
// for them can be caught in one, on a busy machine too. On a real cloud they do.
func (c *Cloud) Slowly(do func()) {
	if c.Sandbox != nil {
		c.Sandbox.SetPending(10 * Pending)
		defer c.Sandbox.SetPending(Pending)
	}
	do()
}

// Endpoint is the socket behind a port of a VIP or floating IP.
func (s *Sandbox) Endpoint(protocol, ip string, port int) (string, error) {
	for _, e := range s.Endpoints() {
		if e.Transport == protocol && e.Port == port && e.Address.String() == ip {
			if e.Error != "" {
				return "", errors.New(e.Error)
			}
			return e.Real.String(), nil
		}
	}
	return "", fmt.Errorf("nothing listens on %s port %d of %s", protocol, port, ip)
}

// Writes counts the calls since the last ResetCalls that changed the cloud or tried to.
func (s *Sandbox) Writes() (n int, list []string) {
	for _, c := range s.Calls() {
		if c.Write() {
			n++
			list = append(list, fmt.Sprintf("%s %s %d", c.Method, c.Path, c.Status))
		}
	}
	return n, list
}
