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
	"os"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/seal"
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

// TestLabTLS ends TLS on the real Octavia: it takes the form that certificates
// are stored in, and they are exchanged without a moment that has none.
func TestLabTLS(t *testing.T) {
	l := startLab(t)
	first, firstRef := l.secret("a.example.org", true)
	second, secondRef := l.secret("b.example.org", false)
	again, err := l.Apply(t.Context(), plan.CreateSecret{Name: first, Digest: first[len(l.owner.SecretPrefix()):]})
	if err != nil || again.ID != firstRef {
		t.Errorf("created twice: %v, %v", again, err)
	}
	begin := time.Now()
	lb := l.step("", plan.CreateLoadBalancer{Whole: true, Refs: map[string]string{first: firstRef, second: secondRef}, LoadBalancer: loadbalancer.LoadBalancer{
		Name: l.owner.Name(), Tags: l.owner.Tags(), VIP: loadbalancer.VIP{SubnetID: l.subnet},
		Listeners: []loadbalancer.Listener{{Name: "https", Protocol: "TERMINATED_HTTPS", Port: 443, DefaultPool: "p", Certificates: []string{first, second}}},
		Pools:     []loadbalancer.Pool{{Name: "p", Protocol: "HTTP", Algorithm: "ROUND_ROBIN"}}}})
	t.Logf("created whole with TLS in %.1f s: %+v", time.Since(begin).Seconds(), lb.Listeners[0])
}
