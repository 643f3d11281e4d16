package octavia_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
)

func TestTLS(t *testing.T)    { tlsLife(startSandbox(t)) }
func TestLabTLS(t *testing.T) { tlsLife(startLab(t)) }

// tlsLife ends TLS: Octavia takes the form that certificates are stored in, and
// they are exchanged without a moment that has none.
func tlsLife(l *site) {
	t := l.T
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
	fresh := newSite(t, l.cfg)
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
