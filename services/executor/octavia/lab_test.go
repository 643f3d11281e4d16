package octavia_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/seal"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsecurity"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
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

// lab is the real Octavia of e2e/lab; without it the test is skipped. What the
// test makes carries a fleet of its own, and is swept.
type lab struct {
	*testing.T
	*octavia.Client
	owner   loadbalancer.Owner
	subnet  string
	subnet6 string
	sealed  materials
}

func startLab(t *testing.T) *lab {
	t.Helper()
	file, cloud := os.Getenv("DRAWBRIDGE_LAB_CLOUDS"), os.Getenv("DRAWBRIDGE_LAB_CLOUD")
	if file == "" || cloud == "" {
		t.Skip("DRAWBRIDGE_LAB_CLOUDS and DRAWBRIDGE_LAB_CLOUD name no real cloud (e2e/lab/up does)")
	}
	l := &lab{T: t, Client: must(octavia.Connect(t.Context(), octavia.Config{Cloud: cloud, CloudsFile: file})), sealed: materials{},
		subnet: os.Getenv("DRAWBRIDGE_LAB_K8S_SUBNET_ID"), subnet6: os.Getenv("DRAWBRIDGE_LAB_K8S_SUBNET6_ID"),
		owner: loadbalancer.Owner{Fleet: fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano()),
			Key: events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: "web"}}}
	l.Materials = l.sealed.get
	t.Cleanup(l.sweep)
	return l
}

// sweep removes all that carries the test's fleet.
func (l *lab) sweep() {
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
func (l *lab) settles(id string) *plan.LoadBalancer {
	l.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
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
func (l *lab) step(lb string, s plan.Step) *plan.LoadBalancer {
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
func (l *lab) secret(host string, withRSA bool) (name, ref string) {
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
func (l *lab) same(what string, got, want any) {
	l.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		l.Errorf("%s: -sent +stands:\n%s", what, diff)
	}
}

// TestLabTLS ends TLS on the real Octavia: it takes the form that certificates
// are stored in, and they are exchanged without a moment that has none.
func TestLabTLS(t *testing.T) {
	l := startLab(t)
	if !l.HasKeyManager() {
		t.Fatal("the lab has no key manager")
	}
	first, firstRef := l.secret("a.example.org", true)
	second, secondRef := l.secret("b.example.org", false)
	again, err := l.Apply(t.Context(), plan.CreateSecret{Name: first, Digest: first[len(l.owner.SecretPrefix()):]})
	if err != nil || again.ID != firstRef {
		t.Errorf("created twice: %v, %v", again, err)
	}
	want := loadbalancer.Listener{Name: "https", Protocol: "TERMINATED_HTTPS", Port: 443, DefaultPool: "p", Certificates: []string{first, second},
		TLSVersions: []string{"TLSv1.3"}, Headers: []string{"X-Forwarded-For", "X-Forwarded-Proto"}, AllowedCIDRs: []string{"10.0.0.0/8"},
		Timeouts:        loadbalancer.Timeouts{ClientData: ptr(1000), MemberConnect: ptr(2000), MemberData: ptr(3000), TCPInspect: ptr(4000)},
		ConnectionLimit: ptr(100)}
	begin := time.Now()
	lb := l.step("", plan.CreateLoadBalancer{Whole: true, Refs: map[string]string{first: firstRef, second: secondRef}, LoadBalancer: loadbalancer.LoadBalancer{
		Name: l.owner.Name(), Tags: l.owner.Tags(), VIP: loadbalancer.VIP{SubnetID: l.subnet}, Listeners: []loadbalancer.Listener{want},
		Pools: []loadbalancer.Pool{{Name: "p", Protocol: "HTTP", Algorithm: "ROUND_ROBIN"}}}})
	t.Logf("created whole with TLS in %.1f s", time.Since(begin).Seconds())
	have := lb.Listeners[0]
	l.same("certificates", have.Certificates, want.Certificates)
	l.same("references", have.Refs, []string{firstRef, secondRef})
	l.same("versions", have.TLSVersions, want.TLSVersions)
	l.same("headers", have.Headers, want.Headers)
	l.same("sources", have.AllowedCIDRs, want.AllowedCIDRs)
	l.same("timeouts", have.Timeouts, want.Timeouts)
	l.same("limit", have.ConnectionLimit, want.ConnectionLimit)
	l.same("tags", have.Tags, slices.Sorted(slices.Values(want.SetTags())))

	third, thirdRef := l.secret("c.example.org", true)
	want.Certificates = []string{third, second}
	want.TLSVersions, want.Headers, want.AllowedCIDRs, want.Timeouts, want.ConnectionLimit = nil, nil, nil, loadbalancer.Timeouts{}, nil
	begin = time.Now()
	lb = l.step(lb.ID, plan.UpdateListener{ID: have.ID, Listener: want, DefaultPoolID: have.DefaultPoolID, Refs: []string{thirdRef, secondRef}, Tags: []string{"other"},
		Reset: []string{loadbalancer.ClientData, loadbalancer.MemberConnect, loadbalancer.MemberData, loadbalancer.TCPInspect, loadbalancer.ConnectionLimit, loadbalancer.TLSVersions, loadbalancer.TLSCiphers}})
	t.Logf("certificate exchanged in %.1f s", time.Since(begin).Seconds())
	have = lb.Listeners[0]
	l.same("certificates after rotation", have.Certificates, want.Certificates)
	l.same("versions given back", have.TLSVersions, []string{"TLSv1.2", "TLSv1.3"})
	l.same("headers gone", have.Headers, []string(nil))
	l.same("sources gone", have.AllowedCIDRs, []string(nil))
	l.same("timeouts given back", have.Timeouts, loadbalancer.Timeouts{ClientData: ptr(50000), MemberConnect: ptr(5000), MemberData: ptr(50000), TCPInspect: ptr(0)})
	l.same("limit given back", have.ConnectionLimit, ptr(-1))
	l.same("tags", have.Tags, []string{"other"})
	if _, err := l.Apply(t.Context(), plan.DeleteSecret{Ref: firstRef, Name: first}); err != nil {
		t.Error(err)
	}
	if _, err := l.Apply(t.Context(), plan.DeleteSecret{Ref: firstRef, Name: first}); err != nil {
		t.Errorf("deleted twice: %v", err)
	}
	l.same("secrets", must(l.Secrets(t.Context(), l.owner)), []plan.Secret{{Ref: secondRef, Name: second}, {Ref: thirdRef, Name: third}})

	// A process that knows nothing reads the same names.
	fresh := startLab(t)
	l.same("certificates as another reads them", must(fresh.Read(t.Context(), lb.ID)).Listeners[0].Certificates, want.Certificates)
	// One that is deleted behind our back is called by its reference. Octavia 11
	// cannot delete a load balancer any more that refers to it (it stays
	// PENDING_DELETE), but the listener alone it can, and then the rest.
	if _, err := fresh.Apply(t.Context(), plan.DeleteSecret{Ref: thirdRef, Name: third}); err != nil {
		t.Fatal(err)
	}
	l.same("secrets", must(l.Secrets(t.Context(), l.owner)), []plan.Secret{{Ref: secondRef, Name: second}})
	l.same("certificates of which one is lost", must(l.Read(t.Context(), lb.ID)).Listeners[0].Certificates, []string{thirdRef, second})
	if _, err := l.Apply(t.Context(), plan.DeleteLoadBalancer{ID: lb.ID}); octavia.ClassOf(err) != octavia.Busy {
		t.Errorf("error is %v", err)
	}
	if lb = l.settles(lb.ID); len(lb.Listeners) != 0 {
		t.Errorf("the listener stands: %+v", lb.Listeners)
	}
	if _, err := l.Apply(t.Context(), plan.DeleteLoadBalancer{ID: lb.ID}); err != nil {
		t.Error(err)
	}
}

// TestLabKinds makes on the real Octavia what else an exposure can ask for, and
// reads back what was sent.
func TestLabKinds(t *testing.T) {
	l := startLab(t)
	d := loadbalancer.LoadBalancer{Name: l.owner.Name(), Tags: l.owner.Tags(), VIP: loadbalancer.VIP{SubnetID: l.subnet, Address: "10.20.0.177"},
		AdditionalVIPs: []loadbalancer.VIP{{SubnetID: l.subnet6}},
		Listeners: []loadbalancer.Listener{
			{Name: "SCTP-9", Protocol: "SCTP", Port: 9, DefaultPool: "s"}, {Name: "UDP-9", Protocol: "UDP", Port: 9, DefaultPool: "u"},
			{Name: "HTTP-80", Protocol: "HTTP", Port: 80, DefaultPool: "h", Policies: []loadbalancer.Policy{
				{Name: "away", Action: "REDIRECT_PREFIX", Redirect: "https://a.example.org", Code: 308, Rules: []loadbalancer.Rule{
					{Type: "HOST_NAME", Compare: "EQUAL_TO", Value: "a.example.org"}, {Type: "PATH", Compare: "STARTS_WITH", Value: "/x", Invert: true}}}}}},
		Pools: []loadbalancer.Pool{
			{Name: "h", Protocol: "PROXYV2", TLS: true, Algorithm: "SOURCE_IP", Persistence: &loadbalancer.Persistence{Type: "APP_COOKIE", Cookie: "id"},
				Members: []loadbalancer.Member{{Name: "n1", Address: "10.20.0.201", Port: 80, Weight: 1, SubnetID: l.subnet, MonitorPort: 81}, {Name: "n2", Address: "10.20.0.202", Port: 80, Weight: 1}},
				Monitor: &loadbalancer.Monitor{Type: "HTTPS", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 4, Method: "HEAD", Path: "/h", Codes: "200,204", Host: "h.example.org"}},
			{Name: "s", Protocol: "SCTP", Algorithm: "LEAST_CONNECTIONS", Persistence: &loadbalancer.Persistence{Type: "SOURCE_IP", Timeout: 60},
				Monitor: &loadbalancer.Monitor{Type: "SCTP", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}},
			{Name: "u", Protocol: "UDP", Algorithm: "ROUND_ROBIN", Persistence: &loadbalancer.Persistence{Type: "SOURCE_IP"},
				Monitor: &loadbalancer.Monitor{Type: "UDP-CONNECT", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}},
		}}
	lb := l.step("", plan.CreateLoadBalancer{LoadBalancer: d, Whole: true})
	byName := func(name string) plan.Pool {
		for _, p := range lb.Pools {
			if p.Name == name {
				return p
			}
		}
		t.Fatalf("no pool %q", name)
		return plan.Pool{}
	}
	check := func(what string, want loadbalancer.Pool) {
		t.Helper()
		p := byName(want.Name)
		got := loadbalancer.Pool{Name: p.Name, Protocol: p.Protocol, TLS: p.TLS, Algorithm: p.Algorithm, Persistence: p.Persistence}
		for _, m := range p.Members {
			got.Members = append(got.Members, m.Member)
			if age := time.Since(m.UpdatedAt); m.Foreign || age < -time.Minute || age > 10*time.Minute {
				t.Errorf("member is %+v", m)
			}
		}
		slices.SortFunc(got.Members, func(a, b loadbalancer.Member) int { return strings.Compare(a.Name, b.Name) })
		if p.Monitor != nil {
			got.Monitor = &p.Monitor.Monitor
		}
		l.same(what, got, want)
	}
	for _, p := range d.Pools {
		check("pool created", p)
	}
	l.same("address", lb.Address, d.VIP.Address)
	if len(lb.AdditionalVIPs) != 1 || lb.AdditionalVIPs[0].SubnetID != l.subnet6 || lb.AdditionalVIPs[0].Address == "" {
		t.Errorf("additional VIPs are %+v", lb.AdditionalVIPs)
	}
	i := slices.IndexFunc(lb.Listeners, func(x plan.Listener) bool { return x.Protocol == "HTTP" })
	away := lb.Listeners[i].Policies[0]
	l.same("redirect", []any{away.Action, away.Redirect, away.Code, away.PoolID}, []any{"REDIRECT_PREFIX", "https://a.example.org", 308, ""})
	var rules []loadbalancer.Rule
	for _, r := range away.Rules {
		rules = append(rules, r.Rule)
	}
	slices.SortFunc(rules, func(a, b loadbalancer.Rule) int { return strings.Compare(a.Type, b.Type) })
	l.same("rules", rules, d.Listeners[2].Policies[0].Rules)

	// The redirect becomes a pool's, and back.
	lb = l.step(lb.ID, plan.UpdatePolicy{ID: away.ID, Policy: loadbalancer.Policy{Name: "away", Pool: "h"}, PoolID: byName("h").ID, Position: 1})
	got := lb.Listeners[slices.IndexFunc(lb.Listeners, func(x plan.Listener) bool { return x.Protocol == "HTTP" })].Policies[0]
	l.same("policy of a pool", []any{got.Action, got.Redirect, got.Code, got.PoolID}, []any{"REDIRECT_TO_POOL", "", 0, byName("h").ID})
	lb = l.step(lb.ID, plan.UpdatePolicy{ID: away.ID, Policy: d.Listeners[2].Policies[0], Position: 1})
	got = lb.Listeners[slices.IndexFunc(lb.Listeners, func(x plan.Listener) bool { return x.Protocol == "HTTP" })].Policies[0]
	l.same("redirect again", []any{got.Action, got.Redirect, got.Code, got.PoolID}, []any{"REDIRECT_PREFIX", "https://a.example.org", 308, ""})

	// Everything that can be taken back is.
	h := d.Pools[0]
	h.TLS, h.Algorithm, h.Persistence = false, "ROUND_ROBIN", nil
	lb = l.step(lb.ID, plan.UpdatePool{ID: byName("h").ID, Pool: h})
	check("pool updated", h)
	h.Persistence = &loadbalancer.Persistence{Type: "HTTP_COOKIE"}
	lb = l.step(lb.ID, plan.UpdatePool{ID: byName("h").ID, Pool: h})
	check("persistence again", h)
	h.Persistence = &loadbalancer.Persistence{Type: "SOURCE_IP"}
	lb = l.step(lb.ID, plan.UpdatePool{ID: byName("h").ID, Pool: h})
	check("persistence of another kind", h)
	h.Members[0].MonitorPort, h.Members[0].Weight = 0, 0
	lb = l.step(lb.ID, plan.SetMembers{PoolID: byName("h").ID, Members: h.Members})
	check("members drained", h)
	m := &loadbalancer.Monitor{Type: "HTTPS", Delay: 6, Timeout: 4, MaxRetries: 3, MaxRetriesDown: 3, Method: "GET", Path: "/", Codes: "200"}
	h.Monitor = m
	lb = l.step(lb.ID, plan.UpdateMonitor{ID: byName("h").Monitor.ID, Monitor: loadbalancer.Monitor{Type: "HTTPS", Delay: 6, Timeout: 4, MaxRetries: 3, MaxRetriesDown: 3}})
	check("monitor by default", h)
	h.Monitor.Host = "again.example.org"
	lb = l.step(lb.ID, plan.UpdateMonitor{ID: byName("h").Monitor.ID, Monitor: *h.Monitor})
	check("monitor with a host", h)
	s := d.Pools[1]
	s.Persistence = nil
	lb = l.step(lb.ID, plan.UpdatePool{ID: byName("s").ID, Pool: s})
	check("SCTP pool", s)
	lb = l.step(lb.ID, plan.SetMembers{PoolID: byName("h").ID})
	if p := byName("h"); len(p.Members) != 0 {
		t.Errorf("members are %+v", p.Members)
	}
}

// neutron is the network service of a cloud, for what a test makes there itself.
func neutron(t testing.TB, cloud, file string) *gophercloud.ServiceClient {
	t.Helper()
	auth, endpoint, tlsConfig, err := clouds.Parse(clouds.WithCloudName(cloud), clouds.WithLocations(file))
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
func (l *lab) node(network *gophercloud.ServiceClient, address string, secured bool) string {
	l.Helper()
	id := node(l, network, os.Getenv("DRAWBRIDGE_LAB_K8S_NET_ID"), l.subnet, address, secured)
	l.Cleanup(func() {
		if err := ports.Delete(context.Background(), network, id).ExtractErr(); err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			l.Error(err)
		}
	})
	return id
}

// groupLife goes through the life of a security group on a cloud.
func groupLife(t *testing.T, c *octavia.Client, owner loadbalancer.Owner, network *gophercloud.ServiceClient, subnetID, first, second string, addresses [3]string) {
	sync := func(want *octavia.SecurityGroup, steps int) []string {
		t.Helper()
		var calls octavia.Calls
		begin := time.Now()
		done, err := c.SyncSecurityGroup(octavia.Count(t.Context(), &calls), owner, want)
		if err != nil {
			t.Fatal(err)
		}
		if len(done) != steps || calls.Sum().Writes != steps {
			t.Errorf("%d steps, %+v: %q", len(done), calls.Sum(), done)
		}
		t.Logf("%.1f s, %+v: %q", time.Since(begin).Seconds(), calls.Sum(), done)
		return done
	}
	groupsOf := func(port string) []string {
		t.Helper()
		return must(ports.Get(t.Context(), network, port).Extract()).SecurityGroups
	}
	before := groupsOf(first)
	source := netip.MustParsePrefix("10.20.0.0/24")
	want := octavia.SecurityGroup{Addresses: []string{addresses[0], addresses[2]}, SubnetIDs: []string{subnetID}, Rules: []octavia.SecurityRule{
		{Protocol: "tcp", Ports: octavia.PortRange{From: 80, To: 80}, Source: source}, {Protocol: "udp", Ports: octavia.PortRange{From: 53, To: 54}, Source: source}}}
	sync(&want, 5) // group, tags, two rules, one port
	sync(&want, 0)
	all := must(c.SecurityGroups(t.Context(), owner.Fleet))[owner.Description()]
	if len(all) != 1 {
		t.Fatalf("groups are %v", all)
	}
	id := all[0]
	if g := must(groups.Get(t.Context(), network, id).Extract()); g.Name != owner.Name() || !owner.Owns(g.Tags) {
		t.Errorf("group is %+v", g)
	}
	if got := groupsOf(first); !slices.Contains(got, id) || len(got) != len(before)+1 {
		t.Errorf("groups of the first port are %v, were %v", got, before)
	}
	want.Addresses = addresses[1:]
	want.Rules = append(want.Rules[1:], octavia.SecurityRule{Protocol: "sctp", Ports: octavia.PortRange{From: 9, To: 9}, Source: source})
	sync(&want, 4) // a rule and a port come, a port and a rule go
	sync(&want, 0)
	if a, b := groupsOf(first), groupsOf(second); !slices.Equal(a, before) || !slices.Contains(b, id) {
		t.Errorf("groups are %v and %v", a, b)
	}
	sync(nil, 2)
	sync(nil, 0)
	if b := groupsOf(second); slices.Contains(b, id) {
		t.Errorf("groups are %v", b)
	}
}

// TestLabSecurityGroup: see [groupLife].
func TestLabSecurityGroup(t *testing.T) {
	l := startLab(t)
	network := neutron(t, os.Getenv("DRAWBRIDGE_LAB_CLOUD"), os.Getenv("DRAWBRIDGE_LAB_CLOUDS"))
	addresses := [3]string{"10.20.0.241", "10.20.0.242", "10.20.0.243"}
	l.node(network, addresses[2], false) // takes no group
	groupLife(t, l.Client, l.owner, network, l.subnet, l.node(network, addresses[0], true), l.node(network, addresses[1], true), addresses)
}

// TestLabManySecrets: the real Barbican finds those of an owner among more than
// a page of others.
func TestLabManySecrets(t *testing.T) {
	l := startLab(t)
	digest := l.sealed.issue(t, "a.example.org", false)
	create := func(name string) plan.CreateSecret {
		o := l.owner
		o.Key.Name = name
		return plan.CreateSecret{Name: o.SecretName(digest), Digest: digest}
	}
	for i := range 101 {
		must(l.Apply(t.Context(), create(fmt.Sprint("web-", i))))
	}
	ours := must(l.Apply(t.Context(), create(l.owner.Key.Name)))
	var calls octavia.Calls
	begin := time.Now()
	found := must(l.Secrets(octavia.Count(t.Context(), &calls), l.owner))
	t.Logf("one of %d in %.2f s, %+v", 102, time.Since(begin).Seconds(), calls.Sum())
	l.same("secrets", found, []plan.Secret{{Ref: ours.ID, Name: l.owner.SecretName(digest)}})
	if all := must(l.AllSecrets(t.Context(), l.owner.Fleet)); len(all) != 102 {
		t.Errorf("%d are found", len(all))
	}
}

// TestLabPlaced puts a load balancer on a port that stands, gives it a floating
// IP of a subnet, and adopts both.
func TestLabPlaced(t *testing.T) {
	l := startLab(t)
	network := neutron(t, os.Getenv("DRAWBRIDGE_LAB_CLOUD"), os.Getenv("DRAWBRIDGE_LAB_CLOUDS"))
	port := l.node(network, "10.20.0.244", true)
	if found := must(l.Ports(t.Context(), port)); len(found) != 1 || !slices.Contains(found[0].Addresses, "10.20.0.244") {
		t.Errorf("port is %+v", found)
	}
	r := must(l.Apply(t.Context(), plan.CreateLoadBalancer{LoadBalancer: loadbalancer.LoadBalancer{Name: "kube_service_c_n_web", Description: "theirs", Tags: []string{"kube_service_c_n_web"},
		FlavorID: os.Getenv("DRAWBRIDGE_LAB_FLAVOR_SINGLE_ID"), VIP: loadbalancer.VIP{PortID: port, SubnetID: l.subnet}}}))
	t.Cleanup(func() { // it has no tags of the fleet until it is adopted
		_, _ = l.Apply(context.Background(), plan.DeleteLoadBalancer{ID: r.ID})
	})
	before := l.settles(r.ID)
	l.same("port", before.PortID, port)
	l.same("flavor", before.FlavorID, os.Getenv("DRAWBRIDGE_LAB_FLAVOR_SINGLE_ID"))
	f := must(l.Apply(t.Context(), plan.CreateFloatingIP{NetworkID: os.Getenv("DRAWBRIDGE_LAB_PUBLIC_NET_ID"), SubnetID: os.Getenv("DRAWBRIDGE_LAB_PUBLIC_SUBNET_ID"),
		PortID: port, Description: "theirs too"})).FloatingIP
	t.Cleanup(func() { _, _ = l.Apply(context.Background(), plan.DeleteFloatingIP{ID: f.ID}) })
	done := must(l.Adopt(t.Context(), l.owner, r.ID))
	t.Logf("%q", done)
	if again := must(l.Adopt(t.Context(), l.owner, l.settles(r.ID).ID)); len(done) != 2 || len(again) != 0 {
		t.Errorf("adopting again wrote %q", again)
	}
	after := l.settles(r.ID)
	if diff := cmp.Diff(before, after, cmpopts.IgnoreFields(plan.LoadBalancer{}, "Tags", "UpdatedAt")); diff != "" {
		t.Errorf("something else was written:\n%s", diff)
	}
	if found := must(l.Find(t.Context(), l.owner)); len(found) != 1 || found[0].ID != r.ID || !slices.Contains(found[0].Tags, "kube_service_c_n_web") {
		t.Errorf("found: %+v", found)
	}
	must(l.Apply(t.Context(), plan.ReleaseFloatingIP{ID: f.ID, Address: f.Address, Description: l.owner.KeptDescription(), Unbind: true}))
	if kept := must(l.FindFloatingIPs(t.Context(), octavia.FloatingIPQuery{Address: f.Address})); len(kept) != 1 || kept[0].PortID != "" || kept[0].Description != l.owner.KeptDescription() {
		t.Errorf("kept: %+v", kept)
	}
	l.step(r.ID, plan.BindFloatingIP{ID: f.ID, Address: f.Address, PortID: port})
	if bound := must(l.FindFloatingIPs(t.Context(), octavia.FloatingIPQuery{PortID: port})); len(bound) != 1 || bound[0].ID != f.ID {
		t.Errorf("bound: %+v", bound)
	}
	must(l.Apply(t.Context(), plan.DeleteFloatingIP{ID: f.ID}))
	must(l.Apply(t.Context(), plan.DeleteLoadBalancer{ID: r.ID}))
	for deadline := time.Now().Add(3 * time.Minute); len(must(l.Find(t.Context(), l.owner))) > 0; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not deleted")
		}
	}
}
