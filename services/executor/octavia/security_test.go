package octavia_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// TestSecurityGroupRace: what another writes on a port between our look and our
// write stays.
func TestSecurityGroupRace(t *testing.T) {
	l := startSandbox(t)
	c, network, address := l.Client, neutron(t, l.cfg), l.address(241)
	port := l.node(network, address, true)
	theirs := must(groups.Create(t.Context(), network, groups.CreateOpts{Name: "theirs"}).Extract()).ID
	owner := someOwner("web")
	want := &octavia.SecurityGroup{Addresses: []string{address}, Rules: []octavia.SecurityRule{{Protocol: "tcp", Ports: octavia.PortRange{From: 80, To: 80}, Source: netip.MustParsePrefix("10.0.0.0/8")}}}
	writes := 0
	ctx := octavia.Guard(t.Context(), func(context.Context) error {
		if writes++; writes == 4 { // after group, tags and rule comes the port
			now := must(ports.Get(t.Context(), network, port).Extract())
			must(ports.Update(t.Context(), network, port, ports.UpdateOpts{SecurityGroups: ptr(append(now.SecurityGroups, theirs))}).Extract())
		}
		return nil
	})
	if _, err := c.SyncSecurityGroup(ctx, owner, want); err != nil {
		t.Fatal(err)
	}
	ours := must(c.SecurityGroups(t.Context(), owner.Fleet))[owner.Description()][0]
	if got := must(ports.Get(t.Context(), network, port).Extract()).SecurityGroups; writes != 5 || !slices.Contains(got, theirs) || !slices.Contains(got, ours) {
		t.Errorf("after %d writes, groups are %v", writes, got)
	}
	// A group that a lost answer has made twice is there once in the end.
	must(groups.Create(t.Context(), network, groups.CreateOpts{Name: owner.Name(), Description: owner.Description()}).Extract())
	must(c.SyncSecurityGroup(t.Context(), owner, want))
	if all := must(c.SecurityGroups(t.Context(), owner.Fleet))[owner.Description()]; len(all) != 1 {
		t.Errorf("groups are %v", all)
	}
	if other := must(c.SecurityGroups(t.Context(), "another")); len(other) != 0 {
		t.Errorf("another fleet has %v", other)
	}
	if _, err := c.SyncSecurityGroup(t.Context(), loadbalancer.Owner{Fleet: "another", Key: owner.Key}, nil); err != nil {
		t.Error(err)
	}
	if _, err := c.SyncSecurityGroup(t.Context(), owner, nil); err != nil {
		t.Error(err)
	}
	if got := must(ports.Get(t.Context(), network, port).Extract()).SecurityGroups; !slices.Contains(got, theirs) || slices.Contains(got, ours) {
		t.Errorf("groups are %v", got)
	}
}
