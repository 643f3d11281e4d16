package octavia_test

import (
	"strings"
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/sandbox"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func someOwner(name string) loadbalancer.Owner {
	return loadbalancer.Owner{Fleet: "f", Key: events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: name}}
}

// TestSecretOnce: a secret whose creation was not answered is found, not made again.
func TestSecretOnce(t *testing.T) {
	cloud, cfg := start(t, sandbox.Config{})
	c := must(octavia.Connect(t.Context(), cfg))
	m := materials{}
	c.Materials = m.get
	owner := someOwner("web")
	digest := m.issue(t, "a.example.org", false)
	create := plan.CreateSecret{Name: owner.SecretName(digest), Digest: digest}
	if err := cloud.Inject(sandbox.Fault{Method: "POST", PathPattern: "/secrets$", Times: 1, DropAnswer: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply(t.Context(), create); octavia.ClassOf(err) != octavia.Retry || !octavia.Unreachable(err) {
		t.Fatalf("error is %v", err)
	}
	var calls octavia.Calls
	r := must(c.Apply(octavia.Count(t.Context(), &calls), create))
	if n := calls.Sum(); n.Writes != 0 || n.Reads != 1 {
		t.Errorf("calls are %+v", n)
	}
	want := []plan.Secret{{Ref: r.ID, Name: create.Name}}
	if diff := cmp.Diff(want, must(c.Secrets(t.Context(), owner))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// Another owner, whose name begins alike, has none.
	if other := must(c.Secrets(t.Context(), someOwner("we"))); len(other) != 0 {
		t.Errorf("another has %v", other)
	}
	if other := must(c.AllSecrets(t.Context(), "")); len(other) != 0 {
		t.Errorf("another fleet has %v", other)
	}
	for range 2 {
		if _, err := c.Apply(t.Context(), plan.DeleteSecret(want[0])); err != nil {
			t.Error(err)
		}
	}
	if left := must(c.AllSecrets(t.Context(), "f")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestSecretRefused: each says what is missing, and nothing of a key.
func TestSecretRefused(t *testing.T) {
	m := materials{}
	digest := m.issue(t, "a.example.org", false)
	create := plan.CreateSecret{Name: someOwner("web").SecretName(digest), Digest: digest}
	for _, tt := range []struct {
		name  string
		cloud sandbox.Config
		fault *sandbox.Fault
		spoil func(c *octavia.Client, s *plan.CreateSecret)
		class octavia.Class
		says  string
	}{
		{"no key manager", sandbox.Config{WithoutBarbican: true}, nil, nil, octavia.Permanent, "no key manager"},
		{"no seed", sandbox.Config{}, nil, func(c *octavia.Client, _ *plan.CreateSecret) { c.Materials = nil }, octavia.Retry, "seal-seed-file"},
		{"nobody has sealed it", sandbox.Config{}, nil, func(_ *octavia.Client, s *plan.CreateSecret) { s.Digest = "sha256:0" }, octavia.Retry, "nobody has sealed"},
		{"another is sealed there", sandbox.Config{}, nil, func(_ *octavia.Client, s *plan.CreateSecret) { m["sha256:1"], s.Digest = m[digest], "sha256:1" }, octavia.Retry, "is sealed under sha256:1"},
		{"Ed25519", sandbox.Config{}, nil, func(_ *octavia.Client, s *plan.CreateSecret) { s.Digest = m.issue(t, ed25519Host, false) }, octavia.Permanent, "use RSA or ECDSA"},
		{"no role", sandbox.Config{}, &sandbox.Fault{Status: 403, Body: `{"code":403,"title":"Forbidden","description":"Secret creation attempt not allowed - please review your user/project privileges"}`}, nil, octavia.Permanent, "role creator"},
		{"quota", sandbox.Config{}, &sandbox.Fault{Status: 403, Body: `{"code":403,"title":"Forbidden","description":"Quota reached for project x. Only 1 secrets are allowed."}`}, nil, octavia.Quota, "raise the quota"},
		{"too large", sandbox.Config{}, &sandbox.Fault{Status: 413, Body: `{"code":413,"title":"Request Entity Too Large","description":"Could not add new secret"}`}, nil, octavia.Permanent, "max_allowed_secret_in_bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cloud, cfg := start(t, tt.cloud)
			c := must(octavia.Connect(t.Context(), cfg))
			c.Materials = m.get
			s := create
			if tt.spoil != nil {
				tt.spoil(c, &s)
			}
			if tt.fault != nil {
				tt.fault.Method, tt.fault.PathPattern = "POST", "/secrets$"
				if err := cloud.Inject(*tt.fault); err != nil {
					t.Fatal(err)
				}
			}
			_, err := c.Apply(t.Context(), s)
			if err == nil || octavia.ClassOf(err) != tt.class || octavia.Unreachable(err) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("class %d: %v", octavia.ClassOf(err), err)
			}
			if c.HasKeyManager() == tt.cloud.WithoutBarbican {
				t.Errorf("HasKeyManager is %t", c.HasKeyManager())
			}
		})
	}
}

// TestKeyManagerDown: what needs no certificate needs no key manager.
func TestKeyManagerDown(t *testing.T) {
	cloud, cfg := start(t, sandbox.Config{})
	if err := cloud.Inject(sandbox.Fault{PathPattern: "^/key-manager", Status: 503}); err != nil {
		t.Fatal(err)
	}
	c := must(octavia.Connect(t.Context(), cfg))
	must(c.Apply(t.Context(), plan.CreateLoadBalancer{LoadBalancer: desired(t, c), Whole: true}))
	if _, err := c.Secrets(t.Context(), someOwner("web")); octavia.ClassOf(err) != octavia.Retry {
		t.Errorf("error is %v", err)
	}
}

// TestCertificates: a listener shows the names of what it refers to, in the
// order that was asked for, and after a rotation the new ones.
func TestCertificates(t *testing.T) {
	_, cfg := start(t, sandbox.Config{})
	c := must(octavia.Connect(t.Context(), cfg))
	m := materials{}
	c.Materials = m.get
	owner := someOwner("web")
	refs, names := map[string]string{}, []string{}
	for _, host := range []string{"a", "b", "c"} {
		digest := m.issue(t, host+".example.org", host == "b")
		name := owner.SecretName(digest)
		refs[name], names = must(c.Apply(t.Context(), plan.CreateSecret{Name: name, Digest: digest})).ID, append(names, name)
	}
	d := desired(t, c)
	d.Listeners = []loadbalancer.Listener{{Name: "https", Protocol: "TERMINATED_HTTPS", Port: 443, DefaultPool: "p", Certificates: names[:2]}}
	r := must(c.Apply(t.Context(), plan.CreateLoadBalancer{LoadBalancer: d, Whole: true, Refs: refs}))
	if got := r.LoadBalancer.Listeners[0].Certificates; !cmp.Equal(got, names[:2]) {
		t.Errorf("the answer names %v", got)
	}
	l := settled(t, c, r.ID).Listeners[0]
	if !cmp.Equal(l.Certificates, names[:2]) || !cmp.Equal(l.Refs, []string{refs[names[0]], refs[names[1]]}) {
		t.Errorf("certificates are %v, %v", l.Certificates, l.Refs)
	}
	want := []string{names[2], names[1]}
	must(c.Apply(t.Context(), plan.UpdateListener{ID: l.ID, Listener: loadbalancer.Listener{Name: "https", Protocol: "TERMINATED_HTTPS", Port: 443},
		DefaultPoolID: l.DefaultPoolID, Refs: []string{refs[names[2]], refs[names[1]]}}))
	for who, client := range map[string]*octavia.Client{"the same": c, "another": must(octavia.Connect(t.Context(), cfg))} {
		if got := settled(t, client, r.ID).Listeners[0].Certificates; !cmp.Equal(got, want, cmpopts.EquateEmpty()) {
			t.Errorf("%s reads %v, want %v", who, got, want)
		}
	}
	// What is not there any more is called by its reference, once that is known.
	must(c.Apply(t.Context(), plan.DeleteSecret{Ref: refs[names[1]], Name: names[1]}))
	must(c.Secrets(t.Context(), owner))
	if got := settled(t, c, r.ID).Listeners[0].Certificates; !cmp.Equal(got, []string{names[2], refs[names[1]]}) {
		t.Errorf("of which one is lost: %v", got)
	}
}

// TestLostCertificate: Octavia 11 leaves a load balancer in PENDING_DELETE for
// ever that refers to a secret which is not there. Its listener goes first.
func TestLostCertificate(t *testing.T) {
	_, cfg := start(t, sandbox.Config{})
	c := must(octavia.Connect(t.Context(), cfg))
	m := materials{}
	c.Materials = m.get
	name := someOwner("web").SecretName(m.issue(t, "a.example.org", false))
	digest, _ := someOwner("web").SecretDigest(name)
	ref := must(c.Apply(t.Context(), plan.CreateSecret{Name: name, Digest: digest})).ID
	d := desired(t, c)
	d.Listeners[0] = loadbalancer.Listener{Name: "https", Protocol: "TERMINATED_HTTPS", Port: 443, DefaultPool: "p", Certificates: []string{name}}
	remove := func(c *octavia.Client, id string, lost bool, reads int) {
		t.Helper()
		settled(t, must(octavia.Connect(t.Context(), cfg)), id)
		var calls octavia.Calls
		_, err := c.Apply(octavia.Count(t.Context(), &calls), plan.DeleteLoadBalancer{ID: id})
		if (octavia.ClassOf(err) == octavia.Busy) != lost || (err != nil) != lost {
			t.Fatalf("error is %v", err)
		}
		if n := calls.Sum(); n.Writes != 1 || n.Reads != reads {
			t.Errorf("calls are %+v, want %d reads", n, reads)
		}
	}
	create := func() string {
		t.Helper()
		return must(c.Apply(t.Context(), plan.CreateLoadBalancer{LoadBalancer: d, Whole: true, Refs: map[string]string{name: ref}})).ID
	}
	remove(c, create(), false, 1) // a look at the certificate
	id, unknown := create(), create()
	settled(t, c, id)
	must(c.Apply(t.Context(), plan.DeleteSecret{Ref: ref, Name: name}))
	remove(c, id, true, 1)
	if left := settled(t, c, id).Listeners; len(left) != 1 || left[0].Protocol != "UDP" {
		t.Errorf("left: %+v", left)
	}
	remove(c, id, false, 0)
	another := must(octavia.Connect(t.Context(), cfg)) // knows nothing of it
	remove(another, unknown, true, 2)
	remove(another, unknown, false, 1)
}
