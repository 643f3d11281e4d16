package octavia

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/flavorprofiles"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// Network is a network that a floating IP can come from, or a VIP.
type Network struct {
	ID, Name string
	Tags     []string
}

// Subnet is a subnet that a floating IP can come from, or a VIP.
type Subnet struct {
	ID, Name, NetworkID string
	CIDR                netip.Prefix
	Tags                []string
}

// Port is a port that a VIP can be bound to.
type Port struct {
	ID, Name, NetworkID string
	Addresses           []string
	DeviceID            string // of what uses it; empty: nothing
}

// Flavor is a kind of load balancer that the cloud offers.
type Flavor struct {
	ID, Name string
	Topology string // SINGLE or ACTIVE_STANDBY; empty: nobody says
}

// Topologies of a load balancer.
const (
	Single        = "SINGLE"
	ActiveStandby = "ACTIVE_STANDBY"
)

// ExternalNetworks are the networks that floating IPs come from.
func (c *Client) ExternalNetworks(ctx context.Context) ([]Network, error) {
	yes := true
	return c.networks(ctx, "list external networks", external.ListOptsExt{ListOptsBuilder: networks.ListOpts{}, External: &yes})
}

// Networks are all networks that the project sees.
func (c *Client) Networks(ctx context.Context) ([]Network, error) {
	return c.networks(ctx, "list networks", networks.ListOpts{})
}

func (c *Client) networks(ctx context.Context, op string, o networks.ListOptsBuilder) ([]Network, error) {
	found, err := all(ctx, networks.List(c.network, o), networks.ExtractNetworks)
	if err != nil {
		return nil, classify(op, err)
	}
	var out []Network
	for _, n := range found {
		out = append(out, Network{ID: n.ID, Name: n.Name, Tags: n.Tags})
	}
	return out, nil
}

// Subnets are all subnets that the project sees.
func (c *Client) Subnets(ctx context.Context) ([]Subnet, error) {
	found, err := all(ctx, subnets.List(c.network, subnets.ListOpts{}), subnets.ExtractSubnets)
	if err != nil {
		return nil, classify("list subnets", err)
	}
	var out []Subnet
	for _, s := range found {
		prefix, err := netip.ParsePrefix(s.CIDR)
		if err != nil {
			continue
		}
		out = append(out, Subnet{ID: s.ID, Name: s.Name, NetworkID: s.NetworkID, CIDR: prefix, Tags: s.Tags})
	}
	return out, nil
}

// Ports are those of a name or an id that the project sees.
func (c *Client) Ports(ctx context.Context, nameOrID string) ([]Port, error) {
	var out []Port
	for _, o := range []ports.ListOpts{{ID: nameOrID}, {Name: nameOrID}} {
		found, err := all(ctx, ports.List(c.network, o), ports.ExtractPorts)
		if err != nil {
			return nil, classify("find port "+nameOrID, err)
		}
		for _, p := range found {
			x := Port{ID: p.ID, Name: p.Name, NetworkID: p.NetworkID, DeviceID: p.DeviceID}
			for _, ip := range p.FixedIPs {
				x.Addresses = append(x.Addresses, canonical(ip.IPAddress))
			}
			if p.ID == nameOrID || p.Name == nameOrID {
				out = append(out, x)
			}
		}
		if len(out) > 0 {
			break
		}
	}
	return out, nil
}

// AvailabilityZones are the names of the enabled zones of Octavia. A cloud
// without, or that does not list them, has none.
func (c *Client) AvailabilityZones(ctx context.Context) ([]string, error) {
	if c.minor < zonesMinor {
		return nil, nil
	}
	var answer struct {
		Zones []struct {
			Name    string `json:"name"`
			Enabled bool   `json:"enabled"`
		} `json:"availability_zones"`
	}
	resp, err := c.lb.Get(ctx, c.lbURL([]string{"availabilityzones"}), &answer, nil)
	if err = answered(resp, err); err != nil {
		if unlisted(err) {
			return nil, nil
		}
		return nil, classify("list availability zones", err)
	}
	var out []string
	for _, z := range answer.Zones {
		if z.Enabled {
			out = append(out, z.Name)
		}
	}
	return out, nil
}

// unlisted says that a cloud lacks a kind, or does not let us list it.
func unlisted(err error) bool {
	return gophercloud.ResponseCodeIs(err, http.StatusForbidden) || gophercloud.ResponseCodeIs(err, http.StatusNotFound)
}

// Flavors are the enabled flavors. The topology of one stands in its profile,
// which a project may usually not read; its name and description are asked then.
// A cloud without flavors, or that does not list them, has none.
func (c *Client) Flavors(ctx context.Context) ([]Flavor, error) {
	if c.minor < flavorsMinor {
		return nil, nil
	}
	found, err := all(ctx, flavors.List(c.lb, flavors.ListOpts{}), flavors.ExtractFlavors)
	if err != nil {
		if unlisted(err) {
			return nil, nil
		}
		return nil, classify("list flavors", err)
	}
	var out []Flavor
	readable := true
	for _, f := range found {
		if !f.Enabled {
			continue
		}
		x := Flavor{ID: f.ID, Name: f.Name, Topology: topology(f.Name + " " + f.Description)}
		if readable && f.FlavorProfileId != "" {
			p, err := flavorprofiles.Get(ctx, c.lb, f.FlavorProfileId).Extract()
			readable = err == nil
			var data struct {
				Topology string `json:"loadbalancer_topology"`
			}
			if readable && json.Unmarshal([]byte(p.FlavorData), &data) == nil && data.Topology != "" {
				x.Topology = data.Topology
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// topology reads the words of operators.
func topology(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' })
	joined := " " + strings.Join(words, " ") + " "
	for _, w := range []string{" active standby ", " activestandby ", " ha ", " highly available ", " high availability "} {
		if strings.Contains(joined, w) {
			return ActiveStandby
		}
	}
	for _, w := range []string{" single ", " standalone "} {
		if strings.Contains(joined, w) {
			return Single
		}
	}
	return ""
}
