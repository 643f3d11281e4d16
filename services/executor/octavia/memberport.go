package octavia

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsecurity"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// maxFilter is how many addresses are asked for at once: they stand in the URL.
const maxFilter = 50

// portsAt are the ports of the project that have an address, without those that
// the network itself uses and those that take no security group.
func (c *Client) portsAt(ctx context.Context, addresses []string) ([]standingPort, error) {
	var out []standingPort
	for chunk := range slices.Chunk(addresses, maxFilter) {
		var o ports.ListOpts
		for _, a := range chunk {
			o.FixedIPs = append(o.FixedIPs, ports.FixedIPOpts{IPAddress: a})
		}
		found, err := c.ports(ctx, o)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if !slices.ContainsFunc(out, func(x standingPort) bool { return x.id == p.id }) {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// port is a port as Neutron answers it.
type port struct {
	ports.Port
	portsecurity.PortSecurityExt
}

// UnmarshalJSON reads both parts: the method of one would hide the other.
func (p *port) UnmarshalJSON(b []byte) error {
	p.PortSecurityEnabled = true // a cloud without the extension secures every port
	return errors.Join(json.Unmarshal(b, &p.Port), json.Unmarshal(b, &p.PortSecurityExt))
}

func (p port) standing() standingPort {
	x := standingPort{id: p.ID, groups: p.SecurityGroups, revision: p.RevisionNumber}
	for _, ip := range p.FixedIPs {
		x.addresses, x.subnets = append(x.addresses, canonical(ip.IPAddress)), append(x.subnets, ip.SubnetID)
	}
	return x
}

func (c *Client) ports(ctx context.Context, o ports.ListOpts) ([]standingPort, error) {
	page, err := ports.List(c.network, o).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Ports []port `json:"ports"`
	}
	if err := page.(ports.PortPage).ExtractInto(&answer); err != nil {
		return nil, err
	}
	var out []standingPort
	for _, p := range answer.Ports {
		if c.own(p.ProjectID) && p.PortSecurityEnabled && !strings.HasPrefix(p.DeviceOwner, "network:") {
			out = append(out, p.standing())
		}
	}
	return out, nil
}

// maxRaces bounds how often a port is read again because another has changed it.
const maxRaces = 5

// setGroup gives a port the group, or takes it. Everything else of the port
// stays: Neutron refuses the write if the port is not as it was read (412).
func (c *Client) setGroup(ctx context.Context, p standingPort, group string, want bool) error {
	for race := 0; ; race++ {
		own := slices.DeleteFunc(slices.Clone(p.groups), func(g string) bool { return g == group })
		if want {
			own = append(own, group)
		}
		if slices.Equal(slices.Sorted(slices.Values(own)), slices.Sorted(slices.Values(p.groups))) {
			return nil
		}
		own = append([]string{}, own...)
		_, err := ports.Update(ctx, c.network, p.id, ports.UpdateOpts{SecurityGroups: &own, RevisionNumber: &p.revision}).Extract()
		if !gophercloud.ResponseCodeIs(err, http.StatusPreconditionFailed) || race == maxRaces {
			return gone(err)
		}
		var now port
		if err := ports.Get(ctx, c.network, p.id).ExtractInto(&now); err != nil {
			return gone(err)
		}
		p = now.standing()
	}
}
