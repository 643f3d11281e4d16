package octavia_test

import (
	"slices"
	"strings"
	"testing"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/sandbox"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// peersWords describe a floating IP that a peer made for the owner.
func peersWords(o loadbalancer.Owner) string {
	return "Floating IP for Kubernetes ingress " + o.Key.Name + " in namespace " + o.Key.Namespace + " from cluster theirs"
}

// TestTakeable: a floating IP becomes ours only if it was made for the object;
// it may stay another's only if the exposure names it.
func TestTakeable(t *testing.T) {
	ingress := someOwner("web")
	service := ingress
	service.Key.Kind = "Service"
	for _, c := range []struct {
		owner              loadbalancer.Owner
		description, given string
		says               string // empty: it is taken, or left as the one given
	}{
		{owner: ingress, description: ingress.Description()},
		{owner: ingress, description: peersWords(ingress)},
		{owner: service, description: "Floating IP for Kubernetes external service n/web from cluster kubernetes"},
		{owner: ingress, description: "by hand", given: "203.0.113.9"},
		{owner: ingress, description: "by hand", given: "203.0.113.8", says: "annotate drawbridge.dev/floating-ip: 203.0.113.9"},
		{owner: ingress, description: "", says: "made by somebody else"},
		{owner: ingress, description: ingress.KeptDescription(), says: "made by somebody else"},
		{owner: service, description: peersWords(service), says: "made by somebody else"},
		{owner: ingress, description: peersWords(someOwner("web-2")), says: "made by somebody else"},
		{owner: service, description: "Floating IP for Kubernetes external service n/web-2 from cluster kubernetes", says: "made by somebody else"},
		{owner: ingress, description: someOwner("other").Description(), given: "203.0.113.9", says: "owned by another"},
	} {
		err := octavia.Takeable(c.owner, plan.FloatingIP{Address: "203.0.113.9", Description: c.description}, c.given)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, %q, given %q: %v", c.owner, c.description, c.given, err)
		}
	}
}

// TestAdopt: our tags and the description of the floating IP are written, once,
// and nothing else; what is another's is refused.
func TestAdopt(t *testing.T) {
	theirs := peersWords(someOwner("web"))
	_, cfg := start(t, sandbox.Config{})
	c := must(octavia.Connect(t.Context(), cfg))
	d := desired(t, c)
	d.Name, d.Tags, d.Description = "kube_ingress_c_n_web", []string{"cost=7"}, "theirs"
	r := must(c.Apply(t.Context(), plan.CreateLoadBalancer{LoadBalancer: d, Whole: true}))
	before := settled(t, c, r.ID)
	external := must(c.ExternalNetworks(t.Context()))[0].ID
	given := must(c.Apply(t.Context(), plan.CreateFloatingIP{NetworkID: external, PortID: before.PortID, Description: theirs})).FloatingIP
	if all := must(c.LoadBalancers(t.Context())); len(all) != 1 || all[0].Name != d.Name {
		t.Errorf("all are %+v", all)
	}
	if all := must(c.ProjectFloatingIPs(t.Context())); len(all) != 1 || all[0].Description != theirs {
		t.Errorf("all are %+v", all)
	}
	for _, q := range []octavia.FloatingIPQuery{{Address: given.Address}, {PortID: before.PortID}, {Address: given.Address, PortID: before.PortID, Description: theirs}} {
		if found := must(c.FindFloatingIPs(t.Context(), q)); len(found) != 1 || found[0].ID != given.ID {
			t.Errorf("%+v finds %+v", q, found)
		}
	}
	if found := must(c.FindFloatingIPs(t.Context(), octavia.FloatingIPQuery{})); len(found) != 0 {
		t.Errorf("asked for nothing, %+v", found)
	}

	owner, other := someOwner("web"), someOwner("other")
	if _, err := c.Adopt(t.Context(), other, r.ID, ""); octavia.ClassOf(err) != octavia.Permanent || !strings.Contains(err.Error(), given.Address) {
		t.Errorf("the floating IP of another object is taken: %v", err)
	}
	var calls octavia.Calls
	done := must(c.Adopt(octavia.Count(t.Context(), &calls), owner, r.ID, ""))
	if len(done) != 2 || calls.Sum().Writes != 2 {
		t.Errorf("%+v: %q", calls.Sum(), done)
	}
	after := settled(t, c, r.ID)
	if want := append([]string{"cost=7", loadbalancer.AdoptedTag}, owner.Tags()...); !cmp.Equal(slices.Sorted(slices.Values(after.Tags)), slices.Sorted(slices.Values(want))) {
		t.Errorf("tags are %v", after.Tags)
	}
	if diff := cmp.Diff(before, after, cmpopts.IgnoreFields(plan.LoadBalancer{}, "Tags", "UpdatedAt")); diff != "" {
		t.Errorf("something else was written:\n%s", diff)
	}
	if found := must(c.FloatingIPs(t.Context(), owner.Description())); len(found) != 1 || found[0].PortID != before.PortID {
		t.Errorf("floating IPs are %+v", found)
	}
	if done := must(c.Adopt(t.Context(), owner, r.ID, "")); len(done) != 0 {
		t.Errorf("again: %q", done)
	}
	if _, err := c.Adopt(t.Context(), other, r.ID, ""); octavia.ClassOf(err) != octavia.Permanent || !strings.Contains(err.Error(), "owned by another") {
		t.Errorf("another adopts: %v", err)
	}
	if _, err := c.Adopt(t.Context(), owner, "00000000-0000-4000-8000-000000000000", ""); octavia.ClassOf(err) != octavia.Gone {
		t.Errorf("nothing is adopted: %v", err)
	}
}

// TestKeepFloatingIP: it is unbound and nobody's, and can be given again.
func TestKeepFloatingIP(t *testing.T) {
	_, cfg := start(t, sandbox.Config{})
	c := must(octavia.Connect(t.Context(), cfg))
	owner := someOwner("web")
	r := must(c.Apply(t.Context(), plan.CreateLoadBalancer{LoadBalancer: desired(t, c)}))
	port := settled(t, c, r.ID).PortID
	f := must(c.Apply(t.Context(), plan.CreateFloatingIP{NetworkID: must(c.ExternalNetworks(t.Context()))[0].ID, PortID: port, Description: owner.Description()})).FloatingIP
	must(c.Apply(t.Context(), plan.ReleaseFloatingIP{ID: f.ID, Address: f.Address, Description: owner.KeptDescription(), Unbind: true}))
	if found := must(c.FloatingIPs(t.Context(), owner.Description())); len(found) != 0 {
		t.Errorf("still ours: %+v", found)
	}
	kept := must(c.FindFloatingIPs(t.Context(), octavia.FloatingIPQuery{Address: f.Address}))
	if len(kept) != 1 || kept[0].PortID != "" || kept[0].Description != owner.KeptDescription() {
		t.Fatalf("kept: %+v", kept)
	}
	must(c.Apply(t.Context(), plan.BindFloatingIP{ID: f.ID, Address: f.Address, PortID: port}))
	if bound := must(c.FindFloatingIPs(t.Context(), octavia.FloatingIPQuery{PortID: port})); len(bound) != 1 || bound[0].Description != owner.KeptDescription() {
		t.Errorf("bound: %+v", bound)
	}
	must(c.Apply(t.Context(), plan.ReleaseFloatingIP{ID: f.ID, Address: f.Address, Unbind: true}))
	if free := must(c.FindFloatingIPs(t.Context(), octavia.FloatingIPQuery{Address: f.Address})); len(free) != 1 || free[0].PortID != "" {
		t.Errorf("given back: %+v", free)
	}
}
