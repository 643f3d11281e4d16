package executor

import (
	"context"
	"net/netip"
	"slices"

	"drawbridge.dev/services/executor/octavia"
)

// guard lets the load balancer in to its members' ports, where that is
// configured, after it has settled; with nothing desired it takes the group away.
func (t *term) guard(ctx context.Context, j *job, s sight) error {
	if !t.cfg.ManageSecurityGroups || j.unit.given != "" || j.purpose == watching {
		return nil
	}
	var desired *octavia.SecurityGroup
	if j.desired != nil && s.LoadBalancer != nil {
		g := octavia.SecurityGroupOf(*j.desired, t.placement.sources(s.LoadBalancer.Provider, j.place.MemberSubnetID, s.LoadBalancer.VIP.SubnetID))
		desired = &g
	}
	send, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.cfg.RequestTimeout)
	defer cancel()
	var refused error
	steps, err := t.client.SyncSecurityGroup(octavia.Guard(send, func(ctx context.Context) error {
		refused = t.mayWrite(ctx, j)
		return refused
	}), j.owner, desired)
	j.trip.took(steps...)
	if refused != nil {
		return refused
	}
	return err
}

// sources are where members see a load balancer speak from: its legs in the
// members' and in the VIP's subnet. OVN keeps the clients' own addresses.
func (p *placement) sources(provider string, subnetIDs ...string) (out []netip.Prefix) {
	if provider == "ovn" {
		return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.subnets {
		if slices.Contains(subnetIDs, s.ID) {
			out = append(out, s.CIDR)
		}
	}
	return out
}
