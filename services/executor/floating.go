package executor

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/octavia"
)

// floating is the external network that a floating IP comes from, and the
// subnet of it if one is asked for.
func (o offer) floating(w wishes) (network, subnet string, err error) {
	if w.e.FloatingIP.Address != "" { // it stands, wherever it is from
		return unknownNetwork, "", nil
	}
	s := w.of("floatingIP.network", w.e.FloatingIP.Network, "floating-network", w.class.FloatingNetwork, w.cfg.FloatingNetwork)
	if network, err = o.floatingNetwork(s); err != nil {
		return "", "", err
	}
	name, tags := nearest([][2]setting{
		{exposures("floatingIP.subnet", w.e.FloatingIP.Subnet), exposures("floatingIP.subnetTags", w.e.FloatingIP.SubnetTags)},
		{w.classes("floating-subnet", w.class.FloatingSubnet), w.classes("floating-subnet-tags", w.class.FloatingSubnetTags)},
		{executors("floating-subnet", w.cfg.FloatingSubnet), executors("floating-subnet-tags", w.cfg.FloatingSubnetTags)},
	})
	if name.value == "" && tags.value == "" {
		return network, "", nil
	}
	subnet, err = o.floatingSubnet(network, name, tags)
	return network, subnet, err
}

// nearest is the first pair of which anything is set; of two the first goes before the second.
func nearest(levels [][2]setting) (a, b setting) {
	for _, l := range levels {
		if l[0].value != "" {
			return l[0], setting{}
		}
		if l[1].value != "" {
			return setting{}, l[1]
		}
	}
	return a, b
}

func (o offer) floatingNetwork(s setting) (string, error) {
	if s.value != "" {
		i, err := named("external network", s, o.external, networkNames)
		if err != nil {
			return "", err
		}
		return o.external[i].ID, nil
	}
	if len(o.external) == 1 {
		return o.external[0].ID, nil
	}
	var names []string
	for _, n := range o.external {
		names = append(names, n.Name)
	}
	return "", fmt.Errorf("%w: the cloud has %d external networks for floating IPs: set the executor's floating-network to one of %s, or make the exposure internal",
		errPlacement, len(o.external), list(names))
}

// floatingSubnet is the first subnet of the network, in order of names, that a
// name, a pattern or tags select.
func (o offer) floatingSubnet(network string, name, tags setting) (string, error) {
	var all, fit []octavia.Subnet
	for _, s := range o.subnets {
		if s.NetworkID == network {
			all = append(all, s)
		}
	}
	what := name
	if name.value != "" {
		matches, err := subnetPattern(name.value)
		if err != nil {
			return "", fmt.Errorf("%w: %s: %w", errPlacement, name.where, err)
		}
		for _, s := range all {
			if matches(s) {
				fit = append(fit, s)
			}
		}
	} else {
		what = tags
		matches := tagExpression(tags.value)
		for _, s := range all {
			if matches(s.Tags) {
				fit = append(fit, s)
			}
		}
	}
	if len(fit) == 0 {
		names := make([]string, 0, len(all))
		for _, s := range all {
			names = append(names, strings.TrimSpace(s.Name+" "+strings.Join(s.Tags, ",")))
		}
		return "", fmt.Errorf("%w: %s %q selects none of the external network's subnets (%s): correct it", errPlacement, what.where, what.value, list(names))
	}
	slices.SortFunc(fit, func(a, b octavia.Subnet) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return fit[0].ID, nil
}

// subnetPattern reads an id, a name, a glob, or "~" and a regular expression,
// each of them with "!" before it for the others (cloud-provider-openstack,
// "expose-applications-using-loadbalancer-type-service").
func subnetPattern(text string) (func(octavia.Subnet) bool, error) {
	pattern, negated := strings.CutPrefix(text, "!")
	match := func(string) bool { return false }
	if expression, ok := strings.CutPrefix(pattern, "~"); ok {
		r, err := regexp.Compile(expression)
		if err != nil {
			return nil, fmt.Errorf("%q is no regular expression: %w", text, err)
		}
		match = r.MatchString
	} else {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("%q is no glob: %w", text, err)
		}
		match = func(name string) bool {
			ok, _ := path.Match(pattern, name)
			return ok
		}
	}
	return func(s octavia.Subnet) bool { return (match(s.Name) || s.ID == pattern) != negated }, nil
}

// tagExpression reads "a,b": any of them; "&a,b": all; "!a,b": not any; "!&a,b": not all.
func tagExpression(text string) func(tags []string) bool {
	text, negated := strings.CutPrefix(strings.TrimSpace(text), "!")
	text, all := strings.CutPrefix(text, "&")
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	return func(tags []string) bool {
		has := func(w string) bool { return slices.Contains(tags, w) }
		found := slices.ContainsFunc(words, has)
		if all {
			found = !slices.ContainsFunc(words, func(w string) bool { return !has(w) })
		}
		return found != negated
	}
}
