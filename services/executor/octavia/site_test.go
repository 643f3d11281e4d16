package octavia_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/seal"
	"drawbridge.dev/services/sandbox"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsecurity"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// materials are certificates by their digest.
type materials map[string]seal.Material

func (m materials) get(_ context.Context, digest string) (seal.Material, error) {
	if x, ok := m[digest]; ok {
		return x, nil
	}
	return seal.Material{}, errors.New("nobody has sealed " + digest)
}

// ed25519Host gets a key that Octavia does not take.
const ed25519Host = "ed25519.example.org"

// issue makes a certificate of a host with its chain of one, and answers its digest.
func (m materials) issue(t testing.TB, host string, withRSA bool) string {
	t.Helper()
	ca := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	root := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "root of " + host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign}
	rootDER := must(x509.CreateCertificate(rand.Reader, root, root, ca.Public(), ca))
	var public, private any
	if withRSA {
		k := must(rsa.GenerateKey(rand.Reader, 2048))
		public, private = k.Public(), k
	} else if host == ed25519Host {
		_, k, _ := ed25519.GenerateKey(rand.Reader)
		public, private = k.Public(), k
	} else {
		k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		public, private = k.Public(), k
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafDER := must(x509.CreateCertificate(rand.Reader, leaf, root, public, ca))
	text := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	x, _, err := seal.Parse(append(text("CERTIFICATE", leafDER), text("CERTIFICATE", rootDER)...), text("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(private))))
	if err != nil {
		t.Fatal(err)
	}
	m[x.Digest()] = x
	return x.Digest()
}

// site is a cloud that a test works in: the real Octavia of e2e/lab or a sandbox.
// What the test makes carries a fleet of its own, and is swept.
type site struct {
	*testing.T
	*octavia.Client
	cfg              octavia.Config
	owner            loadbalancer.Owner
	network          string // of VIPs and members
	subnet, subnet6  string
	nodes            netip.Prefix // of subnet
	external, public string       // network of floating IPs, and its subnet
	flavor           string       // SINGLE
	sealed           materials
}

func newSite(t *testing.T, cfg octavia.Config) *site {
	s := &site{T: t, Client: must(octavia.Connect(t.Context(), cfg)), cfg: cfg, sealed: materials{},
		owner: loadbalancer.Owner{Fleet: fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano()),
			Key: events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: "web"}}}
	s.Materials = s.sealed.get
	return s
}

// startLab is the lab; where there is none, the test is skipped.
func startLab(t *testing.T) *site {
	t.Helper()
	file, cloud := os.Getenv("DRAWBRIDGE_LAB_CLOUDS"), os.Getenv("DRAWBRIDGE_LAB_CLOUD")
	if file == "" || cloud == "" {
		t.Skip("DRAWBRIDGE_LAB_CLOUDS and DRAWBRIDGE_LAB_CLOUD name no real cloud (e2e/lab/up does)")
	}
	s := newSite(t, octavia.Config{Cloud: cloud, CloudsFile: file})
	id := func(name string) string { return os.Getenv("DRAWBRIDGE_LAB_" + name + "_ID") }
	s.network, s.subnet, s.subnet6, s.nodes = id("K8S_NET"), id("K8S_SUBNET"), id("K8S_SUBNET6"), netip.MustParsePrefix("10.20.0.0/24")
	s.external, s.public, s.flavor = id("PUBLIC_NET"), id("PUBLIC_SUBNET"), id("FLAVOR_SINGLE")
	t.Cleanup(s.sweep)
	return s
}

// startSandbox is a sandbox, which goes with the test.
func startSandbox(t *testing.T) *site {
	t.Helper()
	_, cfg := start(t, sandbox.Config{})
	s := newSite(t, cfg)
	s.external = must(s.ExternalNetworks(t.Context()))[0].ID
	for _, x := range must(s.Subnets(t.Context())) {
		switch {
		case x.Name == sandbox.NodeSubnetName:
			s.network, s.subnet, s.nodes = x.NetworkID, x.ID, x.CIDR
		case x.Name == sandbox.NodeSubnet6Name:
			s.subnet6 = x.ID
		case x.NetworkID == s.external:
			s.public = x.ID
		}
	}
	for _, f := range must(s.Flavors(t.Context())) {
		if f.Topology == octavia.Single {
			s.flavor = f.ID
		}
	}
	return s
}

// address is one of the nodes' subnet.
func (l *site) address(n byte) string {
	a := l.nodes.Masked().Addr().As4()
	a[3] = n
	return netip.AddrFrom4(a).String()
}

// sweep removes all that carries the test's fleet.
func (l *site) sweep() {
	ctx := context.Background()
	for _, list := range must(l.AllFloatingIPs(ctx, l.owner.Fleet)) {
		for _, f := range list {
			if _, err := l.Apply(ctx, plan.DeleteFloatingIP{ID: f.ID}); err != nil {
				l.Error(err)
			}
		}
	}
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(time.Second) {
		left := must(l.Summaries(ctx, l.owner.Fleet))
		for _, lb := range left {
			if !lb.Status.Pending() {
				_, _ = l.Apply(ctx, plan.DeleteLoadBalancer{ID: lb.ID, Name: lb.Name, Why: "the test is over"})
			}
		}
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			l.Error("load balancers of the test are left in the cloud")
			break
		}
	}
	for _, s := range must(l.AllSecrets(ctx, l.owner.Fleet)) {
		if _, err := l.Apply(ctx, plan.DeleteSecret(s)); err != nil {
			l.Error(err)
		}
	}
}

// settles waits until the load balancer is not pending, and reads it whole.
func (l *site) settles(id string) *plan.LoadBalancer {
	l.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		lb, err := l.Read(l.Context(), id)
		if err != nil {
			l.Fatal(err)
		}
		if !lb.Status.Pending() {
			if lb.Status != plan.Active || (plan.Observed{LoadBalancer: lb}).Stuck() {
				l.Fatalf("load balancer is %+v", lb)
			}
			return lb
		}
	}
	l.Fatal("it does not settle")
	return nil
}

// step applies a step to what stands, and answers what stands then.
func (l *site) step(lb string, s plan.Step) *plan.LoadBalancer {
	l.Helper()
	r, err := l.Apply(l.Context(), s)
	if err != nil {
		l.Fatal(err)
	}
	if lb == "" {
		lb = r.ID
	}
	return l.settles(lb)
}

// secret puts a certificate into the key manager, and answers its name and reference.
func (l *site) secret(host string, withRSA bool) (name, ref string) {
	l.Helper()
	digest := l.sealed.issue(l, host, withRSA)
	name = l.owner.SecretName(digest)
	r, err := l.Apply(l.Context(), plan.CreateSecret{Name: name, Digest: digest})
	if err != nil {
		l.Fatal(err)
	}
	return name, r.ID
}

// same compares what stands with what was sent, as a plan would.
func (l *site) same(what string, got, want any) {
	l.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		l.Errorf("%s: -sent +stands:\n%s", what, diff)
	}
}

// neutron is the network service of a cloud, for what a test makes there itself.
func neutron(t testing.TB, c octavia.Config) *gophercloud.ServiceClient {
	t.Helper()
	auth, endpoint, tlsConfig, err := clouds.Parse(clouds.WithCloudName(c.Cloud), clouds.WithLocations(c.CloudsFile))
	if err != nil {
		t.Fatal(err)
	}
	provider := must(config.NewProviderClient(t.Context(), auth, config.WithTLSConfig(tlsConfig)))
	return must(openstack.NewNetworkV2(provider, endpoint))
}

// node makes a port with an address, as an instance has.
func node(t testing.TB, network *gophercloud.ServiceClient, networkID, subnetID, address string, secured bool) string {
	t.Helper()
	var o ports.CreateOptsBuilder = ports.CreateOpts{NetworkID: networkID, Name: "drawbridge-test-node", FixedIPs: []ports.IP{{SubnetID: subnetID, IPAddress: address}}}
	if !secured {
		o = portsecurity.PortCreateOptsExt{PortSecurityEnabled: &secured, CreateOptsBuilder: o}
	}
	p := must(ports.Create(t.Context(), network, o).Extract())
	return p.ID
}

// node makes a port until the test ends.
func (l *site) node(network *gophercloud.ServiceClient, address string, secured bool) string {
	l.Helper()
	id := node(l, network, l.network, l.subnet, address, secured)
	l.Cleanup(func() { _ = ports.Delete(context.Background(), network, id).ExtractErr() })
	return id
}
