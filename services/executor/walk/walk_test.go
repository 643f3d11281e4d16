// Package walk leads one load balancer through what compose's goldens ask
// for, one after the other, at the wire of a sandbox and, some of them, of the real
// Octavia of e2e/lab: every step is taken by the cloud, and nothing is left to be done.
package walk

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/seal"
	"drawbridge.dev/services/sandbox"
	"golang.org/x/tools/txtar"
)

func TestSandbox(t *testing.T) {
	cloud, err := sandbox.Start(t.Context(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cloud.Close() })
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(file, cloud.CloudsYAML(), 0o600); err != nil {
		t.Fatal(err)
	}
	walk(t, octavia.Config{Cloud: "sandbox", CloudsFile: file}, func(s octavia.Subnet) bool { return s.Name == sandbox.NodeSubnetName })
}

func TestLab(t *testing.T) {
	file, cloud, subnet := os.Getenv("DRAWBRIDGE_LAB_CLOUDS"), os.Getenv("DRAWBRIDGE_LAB_CLOUD"), os.Getenv("DRAWBRIDGE_LAB_K8S_SUBNET_ID")
	if file == "" || cloud == "" || subnet == "" {
		t.Skip("DRAWBRIDGE_LAB_CLOUDS, DRAWBRIDGE_LAB_CLOUD and DRAWBRIDGE_LAB_K8S_SUBNET_ID name no real cloud (e2e/lab/up does)")
	}
	walk(t, octavia.Config{Cloud: cloud, CloudsFile: file}, func(s octavia.Subnet) bool { return s.ID == subnet },
		"listener-settings", "redirect-with-exception", "backend-settings", "sctp", "group-tls") // each write takes it a second or more
}

// place is where one owner's load balancer stands.
type place struct {
	*octavia.Client
	owner    loadbalancer.Owner
	defaults compose.Defaults
	digests  []string // of two certificates
}

// walk leads through the goldens that are named, or all, where front is the VIP's subnet.
func walk(t *testing.T, cfg octavia.Config, front func(octavia.Subnet) bool, names ...string) {
	client, err := octavia.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	subnets, err := client.Subnets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(subnets, front)
	if i < 0 {
		t.Fatal("the subnet of the VIP is not there")
	}
	p := place{Client: client, owner: loadbalancer.Owner{Fleet: fmt.Sprintf("walk-%d", time.Now().UnixNano()),
		Key: events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: "walk"}},
		defaults: compose.Defaults{VIP: loadbalancer.VIP{SubnetID: subnets[i].ID}, APIMinor: client.APIMinor(), MaxPolicies: 1000, DrainDelay: 1}}
	sealed := map[string]seal.Material{}
	for range 2 {
		m := certificate(t)
		sealed[m.Digest()] = m
		p.digests = append(p.digests, m.Digest())
	}
	p.Materials = func(_ context.Context, digest string) (seal.Material, error) { return sealed[digest], nil }
	defer p.reach(t, "nothing", nil) // also what a failure leaves behind
	files, err := filepath.Glob("../compose/testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("goldens of compose are %v: %v", files, err)
	}
	for i, name := range names {
		names[i] = filepath.Join("../compose/testdata", name+".txtar")
	}
	if len(names) > 0 {
		files = names
	}
	for _, file := range files {
		if w := p.wish(t, file); w != nil {
			p.reach(t, filepath.Base(file), w)
		}
	}
}

// wish composes the exposures of a golden; nil: this cloud does not serve it, or
// it needs what another made.
func (p place) wish(t *testing.T, file string) *loadbalancer.LoadBalancer {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var group []events.Exposure
	for _, f := range a.Files {
		if f.Name != "exposures.json" {
			continue
		}
		text := strings.NewReplacer("sha256:"+strings.Repeat("a", 64), p.digests[0], "sha256:"+strings.Repeat("b", 64), p.digests[1]).Replace(string(f.Data))
		if err := json.Unmarshal([]byte(text), &group); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	lb, conflicts := compose.LoadBalancer(p.owner, group, p.defaults)
	foreign := lb.ID != "" || lb.FloatingAddress != "" || slices.ContainsFunc(lb.Listeners, func(l loadbalancer.Listener) bool {
		return slices.ContainsFunc(l.Certificates, func(c string) bool { return strings.Contains(c, "://") })
	})
	if foreign || slices.ContainsFunc(conflicts, func(c compose.Conflict) bool { return c.Fatal }) {
		return nil
	}
	return &lb
}

// reach takes the first step until none is left, looking at the cloud before each.
func (p place) reach(t *testing.T, name string, w *loadbalancer.LoadBalancer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	last := ""
	for writes := 0; ; {
		o := p.look(ctx, t)
		steps := plan.Diff(w, o)
		if len(steps) == 0 {
			if msg := plan.Blocked(w, o); msg != "" {
				t.Fatalf("%s: %s", name, msg)
			}
			wake := plan.Wake(w, o)
			if wake == 0 {
				t.Logf("%s: %d writes", name, writes)
				return
			}
			pause(ctx, wake)
			continue
		}
		s := steps[0]
		if id := fmt.Sprintf("%T%s", s, events.Digest(s)); id == last {
			t.Fatalf("%s: %s: it does not take effect: %+v", name, s.Describe(), s)
		} else {
			last = id
		}
		if _, err := p.Apply(ctx, s); err != nil {
			t.Fatalf("%s: %s: %v", name, s.Describe(), err)
		}
		writes++
	}
}

// look reads all that stands, once it has settled.
func (p place) look(ctx context.Context, t *testing.T) plan.Observed {
	t.Helper()
	for ctx.Err() == nil {
		o := plan.Observed{Owner: p.owner, Now: time.Now()}
		found, err := p.Find(ctx, p.owner)
		if err == nil {
			o.Secrets, err = p.Secrets(ctx, p.owner)
		}
		if err == nil && len(found) > 0 {
			o.LoadBalancer, err = p.Read(ctx, found[0].ID)
		}
		if err == nil {
			o.FloatingIPs, err = p.FloatingIPs(ctx, p.owner.Description())
		}
		if err == nil && !o.Pending() && !o.Stuck() {
			return o
		}
		// Octavia answers a read of what is just being deleted with 404, or 500
		// ('NoneType' object has no attribute 'to_dict'): the executor looks again.
		if class := octavia.ClassOf(err); err != nil && class != octavia.Gone && class != octavia.Retry {
			t.Fatal(err)
		}
		pause(ctx, 50*time.Millisecond)
	}
	t.Fatalf("it does not settle: %v", ctx.Err())
	return plan.Observed{}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func certificate(t *testing.T) seal.Material {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "a.example.org"}, DNSNames: []string{"a.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := seal.Parse(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
