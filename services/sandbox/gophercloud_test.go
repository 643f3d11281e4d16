package sandbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"path"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/keymanager/v1/secrets"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// The client library that the executor uses must be content with every answer.
func TestGophercloud(t *testing.T) {
	c := start(t, Config{Pending: 10 * time.Millisecond})
	ctx := context.Background()
	e := entry(t, c, "sandbox")
	provider, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
		IdentityEndpoint: c.URL() + "/identity/v3", Username: e.Auth.Username, Password: e.Auth.Password, TenantName: e.Auth.Project, DomainName: "Default",
	})
	if err != nil {
		t.Fatal(err)
	}
	octavia, err := openstack.NewLoadBalancerV2(provider, gophercloud.EndpointOpts{Region: Region})
	if err != nil {
		t.Fatal(err)
	}
	neutron, err := openstack.NewNetworkV2(provider, gophercloud.EndpointOpts{Region: Region})
	if err != nil {
		t.Fatal(err)
	}
	all, err := subnets.List(neutron, subnets.ListOpts{Name: SubnetName}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	found, err := subnets.ExtractSubnets(all)
	if err != nil || len(found) != 1 {
		t.Fatalf("subnets: %v %v", found, err)
	}
	lb, err := loadbalancers.Create(ctx, octavia, loadbalancers.CreateOpts{
		Name: "one", VipSubnetID: found[0].ID, Tags: []string{"k=v"},
		Listeners: []listeners.CreateOpts{{
			Name: "l", Protocol: listeners.ProtocolTCP, ProtocolPort: 80,
			DefaultPool: &pools.CreateOpts{Name: "p", Protocol: pools.ProtocolTCP, LBMethod: pools.LBMethodRoundRobin,
				Members: []pools.CreateMemberOpts{{Address: "127.0.0.1", ProtocolPort: 1}}},
		}},
	}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if lb.ProvisioningStatus != PendingCreate || len(lb.Listeners) != 1 || len(lb.Pools) != 1 || len(lb.Pools[0].Members) != 1 {
		t.Errorf("create answered %+v", lb)
	}
	logIn(t, c, "sandbox").settled(lb.ID)
	if got, err := loadbalancers.Get(ctx, octavia, lb.ID).Extract(); err != nil || got.ProvisioningStatus != Active {
		t.Errorf("get: %+v %v", got, err)
	}
	nets, err := networks.List(neutron, networks.ListOpts{Name: ExternalName}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	external, err := networks.ExtractNetworks(nets)
	if err != nil || len(external) != 1 {
		t.Fatalf("networks: %v %v", external, err)
	}
	fip, err := floatingips.Create(ctx, neutron, floatingips.CreateOpts{FloatingNetworkID: external[0].ID, PortID: lb.VipPortID}).Extract()
	if err != nil || fip.FixedIP != lb.VipAddress {
		t.Errorf("floating ip: %+v %v", fip, err)
	}
	if err := loadbalancers.Delete(ctx, octavia, lb.ID, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr(); err != nil {
		t.Error(err)
	}
	if left := logIn(t, c, "sandbox").settled(lb.ID); left != nil {
		t.Errorf("after delete there is %v", left)
	}
	if got, err := floatingips.Get(ctx, neutron, fip.ID).Extract(); err != nil || got.PortID != "" {
		t.Errorf("floating ip after delete: %+v %v", got, err)
	}
}

// Secrets and security groups by the same library.
func TestGophercloudSecretsAndGroups(t *testing.T) {
	c := start(t, Config{})
	ctx := context.Background()
	e := entry(t, c, "sandbox")
	provider, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
		IdentityEndpoint: c.URL() + "/identity/v3", Username: e.Auth.Username, Password: e.Auth.Password, TenantName: e.Auth.Project, DomainName: "Default",
	})
	if err != nil {
		t.Fatal(err)
	}
	barbican, err := openstack.NewKeyManagerV1(provider, gophercloud.EndpointOpts{Region: Region})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := bundle(t, "a.example.org")
	made, err := secrets.Create(ctx, barbican, secrets.CreateOpts{
		Name: "one", Payload: data, PayloadContentType: "application/octet-stream", PayloadContentEncoding: "base64", SecretType: secrets.OpaqueSecret,
	}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	id := path.Base(made.SecretRef)
	pages, err := secrets.List(barbican, secrets.ListOpts{Name: "one"}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	found, err := secrets.ExtractSecrets(pages)
	if err != nil || len(found) != 1 || found[0].SecretRef != made.SecretRef || found[0].Status != "ACTIVE" {
		t.Errorf("list: %+v %v", found, err)
	}
	payload, err := secrets.GetPayload(ctx, barbican, id, secrets.GetPayloadOpts{PayloadContentType: "application/octet-stream"}).Extract()
	if want, _ := base64.StdEncoding.DecodeString(data); err != nil || !bytes.Equal(payload, want) {
		t.Errorf("payload: %d bytes, %v", len(payload), err)
	}
	if err := secrets.Delete(ctx, barbican, id).ExtractErr(); err != nil {
		t.Error(err)
	}
	neutron, err := openstack.NewNetworkV2(provider, gophercloud.EndpointOpts{Region: Region})
	if err != nil {
		t.Fatal(err)
	}
	group, err := groups.Create(ctx, neutron, groups.CreateOpts{Name: "g", Description: "d"}).Extract()
	if err != nil || len(group.Rules) != 2 {
		t.Fatalf("group: %+v %v", group, err)
	}
	if _, err := rules.Create(ctx, neutron, rules.CreateOpts{
		SecGroupID: group.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.ProtocolTCP, PortRangeMin: 80, PortRangeMax: 80, RemoteIPPrefix: "10.0.0.0/8",
	}).Extract(); err != nil {
		t.Error(err)
	}
	net := logIn(t, c, "sandbox").find("networks", NodeNetworkName)
	port, err := ports.Create(ctx, neutron, ports.CreateOpts{NetworkID: net}).Extract()
	if err != nil || len(port.FixedIPs) != 2 {
		t.Fatalf("port: %+v %v", port, err)
	}
	both := append(port.SecurityGroups, group.ID)
	revision := port.RevisionNumber
	next, err := ports.Update(ctx, neutron, port.ID, ports.UpdateOpts{SecurityGroups: &both, RevisionNumber: &revision}).Extract()
	if err != nil || next.RevisionNumber != revision+1 || len(next.SecurityGroups) != 2 {
		t.Errorf("update: %+v %v", next, err)
	}
	if _, err := ports.Update(ctx, neutron, port.ID, ports.UpdateOpts{SecurityGroups: &port.SecurityGroups, RevisionNumber: &revision}).Extract(); !gophercloud.ResponseCodeIs(err, 412) {
		t.Errorf("update at an old revision: %v", err)
	}
	if err := groups.Delete(ctx, neutron, group.ID).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("delete a group in use: %v", err)
	}
}
