package octavia_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

func TestSecurityGroup(t *testing.T)    { groupLife(startSandbox(t), false) }
func TestLabSecurityGroup(t *testing.T) { groupLife(startLab(t), true) }

// groupLife goes through the life of a security group.
func groupLife(l *site, unsecured bool) {
	t, c, owner, network := l.T, l.Client, l.owner, neutron(l, l.cfg)
	addresses := [3]string{l.address(241), l.address(242), l.address(243)}
	first, second := l.node(network, addresses[0], true), l.node(network, addresses[1], true)
	if unsecured {
		l.node(network, addresses[2], false) // takes no group
	}
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
	want := octavia.SecurityGroup{Addresses: []string{addresses[0], addresses[2]}, SubnetIDs: []string{l.subnet}, Rules: []octavia.SecurityRule{
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

func TestPlaced(t *testing.T)    { placedLife(startSandbox(t)) }
func TestLabPlaced(t *testing.T) { placedLife(startLab(t)) }

// placedLife puts a load balancer on a port that stands, gives it a floating IP
// of a subnet, and adopts both.
func placedLife(l *site) {
	t := l.T
	port := l.node(neutron(l, l.cfg), l.address(244), true)
	if found := must(l.Ports(t.Context(), port)); len(found) != 1 || !slices.Contains(found[0].Addresses, l.address(244)) {
		t.Errorf("port is %+v", found)
	}
	r := must(l.Apply(t.Context(), plan.CreateLoadBalancer{LoadBalancer: loadbalancer.LoadBalancer{Name: "kube_service_c_n_web", Description: "theirs", Tags: []string{"kube_service_c_n_web"},
		FlavorID: l.flavor, VIP: loadbalancer.VIP{PortID: port, SubnetID: l.subnet}}}))
	t.Cleanup(func() { // it has no tags of the fleet until it is adopted
		_, _ = l.Apply(context.Background(), plan.DeleteLoadBalancer{ID: r.ID})
	})
	before := l.settles(r.ID)
	l.same("port", before.PortID, port)
	l.same("flavor", before.FlavorID, l.flavor)
	f := must(l.Apply(t.Context(), plan.CreateFloatingIP{NetworkID: l.external, SubnetID: l.public,
		PortID: port, Description: peersWords(l.owner)})).FloatingIP
	t.Cleanup(func() { _, _ = l.Apply(context.Background(), plan.DeleteFloatingIP{ID: f.ID}) })
	done := must(l.Adopt(t.Context(), l.owner, r.ID, ""))
	t.Logf("%q", done)
	if again := must(l.Adopt(t.Context(), l.owner, l.settles(r.ID).ID, "")); len(done) != 2 || len(again) != 0 {
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
