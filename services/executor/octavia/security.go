package octavia

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// SyncSecurityGroup makes the security group of a load balancer what is desired
// (nil: gone), and answers what it did for that. There is one group per owner,
// known by its description, as floating IPs are: Neutron takes no tags with a
// create. Rules are added before others are removed, and of the groups of a port
// only ours is added or removed, on condition that nobody has changed the port
// since it was read. What is as desired already costs reads only.
func (c *Client) SyncSecurityGroup(ctx context.Context, o loadbalancer.Owner, desired *SecurityGroup) ([]string, error) {
	standing, err := c.standingGroups(ctx, o, desired)
	if err != nil {
		return nil, classify("look at the security group of "+o.String(), err)
	}
	var done []string
	for i, s := range standing {
		if i > 0 { // one too many, of a create whose answer was lost
			desired = nil
		}
		did, err := c.changeGroup(ctx, o, s, diffGroup(desired, o.Tags(), s))
		done = append(done, did...)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// SecurityGroups are the ids of the security groups of a fleet, by their description.
func (c *Client) SecurityGroups(ctx context.Context, fleet string) (map[string][]string, error) {
	found, err := all(ctx, groups.List(c.network, groups.ListOpts{}), groups.ExtractGroups)
	if err != nil {
		return nil, classify("list security groups", err)
	}
	out := map[string][]string{}
	for _, g := range found {
		if strings.HasPrefix(g.Description, loadbalancer.FleetTag+fleet+" ") && c.own(g.ProjectID) {
			out[g.Description] = append(out[g.Description], g.ID)
		}
	}
	return out, nil
}

// standingGroups are the groups of an owner, with one that does not stand if there is none.
func (c *Client) standingGroups(ctx context.Context, o loadbalancer.Owner, desired *SecurityGroup) ([]standingGroup, error) {
	found, err := all(ctx, groups.List(c.network, groups.ListOpts{Description: o.Description()}), groups.ExtractGroups)
	if err != nil {
		return nil, err
	}
	var out []standingGroup
	for _, g := range found {
		if g.Description == o.Description() && c.own(g.ProjectID) {
			out = append(out, standingGroup{id: g.ID, tags: g.Tags, rules: ingress(g.Rules)})
		}
	}
	slices.SortFunc(out, func(a, b standingGroup) int { return strings.Compare(a.id, b.id) })
	var members []standingPort
	if desired != nil && len(desired.Rules) > 0 {
		if members, err = c.portsAt(ctx, desired.Addresses); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return []standingGroup{{ports: members}}, nil
	}
	for i := range out {
		having, err := c.ports(ctx, ports.ListOpts{SecurityGroups: []string{out[i].id}})
		if err != nil {
			return nil, err
		}
		out[i].ports = slices.DeleteFunc(having, func(p standingPort) bool { return !slices.Contains(p.groups, out[i].id) })
		for _, p := range members {
			if !slices.ContainsFunc(out[i].ports, func(x standingPort) bool { return x.id == p.id }) {
				out[i].ports = append(out[i].ports, p)
			}
		}
	}
	return out, nil
}

func ingress(all []rules.SecGroupRule) (out []standingRule) {
	for _, r := range all {
		if r.Direction != string(rules.DirIngress) {
			continue
		}
		x := standingRule{id: r.ID, foreign: r.RemoteGroupID != "" || r.RemoteAddressGroupID != "",
			SecurityRule: SecurityRule{Protocol: r.Protocol, Ports: PortRange{r.PortRangeMin, r.PortRangeMax}}}
		prefix, err := netip.ParsePrefix(r.RemoteIPPrefix)
		x.foreign = x.foreign || err != nil
		x.Source = prefix.Masked()
		out = append(out, x)
	}
	return out
}

func (c *Client) changeGroup(ctx context.Context, o loadbalancer.Owner, have standingGroup, change groupChange) (done []string, err error) {
	name := o.Name()
	step := func(err error, format string, args ...any) error {
		op := fmt.Sprintf(format, args...)
		if err == nil {
			done = append(done, op)
		}
		return classify(op, err)
	}
	id := have.id
	if change.create {
		made, err := groups.Create(ctx, c.network, groups.CreateOpts{Name: name, Description: o.Description()}).Extract()
		if err := step(err, "create security group %q", name); err != nil {
			return done, err
		}
		id = made.ID
	}
	if change.tag && !c.tagless.Load() {
		if err := step(c.tagGroup(ctx, id, append(slices.Clone(have.tags), o.Tags()...)), "tag security group %q", name); err != nil {
			return done, err
		}
	}
	for _, r := range change.add {
		if err := step(c.addRule(ctx, id, r), "let %s %d-%d from %s into security group %q", r.Protocol, r.Ports.From, r.Ports.To, r.Source, name); err != nil {
			return done, err
		}
	}
	for _, p := range change.bind {
		if err := step(c.setGroup(ctx, p, id, true), "give security group %q to port %s of %s", name, p.id, strings.Join(p.addresses, ", ")); err != nil {
			return done, err
		}
	}
	for _, p := range change.unbind {
		if err := step(c.setGroup(ctx, p, id, false), "take security group %q from port %s of %s", name, p.id, strings.Join(p.addresses, ", ")); err != nil {
			return done, err
		}
	}
	for _, r := range change.drop {
		err := gone(rules.Delete(ctx, c.network, r.id).ExtractErr())
		if err := step(err, "let %s %d-%d from %s into security group %q no more", r.Protocol, r.Ports.From, r.Ports.To, r.Source, name); err != nil {
			return done, err
		}
	}
	if change.remove {
		if err := step(gone(groups.Delete(ctx, c.network, id).ExtractErr()), "delete security group %q", name); err != nil {
			return done, err
		}
	}
	return done, nil
}

// gone: removing what is gone is done.
func gone(err error) error {
	if gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// tagGroup tags a group, for people and their tools. Clouds before Zed take no
// tag of more than 60 bytes; without tags the description still says whose it is.
func (c *Client) tagGroup(ctx context.Context, id string, tags []string) error {
	_, err := attributestags.ReplaceAll(ctx, c.network, "security-groups", id, attributestags.ReplaceAllOpts{Tags: sorted(tags)}).Extract()
	if gophercloud.ResponseCodeIs(err, http.StatusBadRequest) || gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		c.tagless.Store(true)
		return nil
	}
	return err
}

// addRule adds a rule; one that is there already is there.
func (c *Client) addRule(ctx context.Context, group string, r SecurityRule) error {
	family := rules.EtherType4
	if r.Source.Addr().Is6() {
		family = rules.EtherType6
	}
	_, err := rules.Create(ctx, c.network, rules.CreateOpts{Direction: rules.DirIngress, EtherType: family, SecGroupID: group,
		Protocol: rules.RuleProtocol(r.Protocol), PortRangeMin: r.Ports.From, PortRangeMax: r.Ports.To, RemoteIPPrefix: r.Source.String()}).Extract()
	if gophercloud.ResponseCodeIs(err, http.StatusConflict) && strings.Contains(err.Error(), "already exists") {
		return nil
	}
	return err
}
