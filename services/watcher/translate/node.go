package translate

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Node is a node that takes traffic, with its first InternalIP of each family.
type Node struct {
	Name, IPv4, IPv6 string
	Cordoned         bool
	Labels           map[string]string
}

// Equal says whether two nodes mean the same for every object.
func (n Node) Equal(o Node) bool {
	return n.Name == o.Name && n.IPv4 == o.IPv4 && n.IPv6 == o.IPv6 && n.Cordoned == o.Cordoned && maps.Equal(n.Labels, o.Labels)
}

// autoscalerTaint marks a node that the cluster autoscaler is about to delete.
const autoscalerTaint = "ToBeDeletedByClusterAutoscaler"

// Nodes selects the nodes that may take traffic from outside: ready, not being
// deleted, not excluded by label, as the Kubernetes service controller does. A
// cordoned one is marked. One without an InternalIP cannot be reached and is
// left out. The result is sorted.
func Nodes(nodes []*corev1.Node) []Node {
	var out []Node
	for _, n := range nodes {
		if !eligible(n) {
			continue
		}
		m := Node{Name: n.Name, Cordoned: n.Spec.Unschedulable, Labels: n.Labels}
		for _, a := range n.Status.Addresses {
			ip, err := netip.ParseAddr(a.Address)
			if a.Type != corev1.NodeInternalIP || err != nil {
				continue
			}
			if ip = ip.Unmap(); ip.Is4() {
				m.IPv4 = cmp.Or(m.IPv4, ip.String())
			} else {
				m.IPv6 = cmp.Or(m.IPv6, ip.String())
			}
		}
		if m.IPv4 != "" || m.IPv6 != "" {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func eligible(n *corev1.Node) bool {
	if _, excluded := n.Labels[corev1.LabelNodeExcludeBalancers]; excluded || n.DeletionTimestamp != nil {
		return false
	}
	if slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == autoscalerTaint }) {
		return false
	}
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// address is that of a node for a Service: IPv4 where both have it, else IPv6;
// empty: they have no family in common.
func (n Node) address(svc *corev1.Service) string {
	families := svc.Spec.IPFamilies
	switch {
	case n.IPv4 != "" && (len(families) == 0 || slices.Contains(families, corev1.IPv4Protocol)):
		return n.IPv4
	case n.IPv6 != "" && (len(families) == 0 || slices.Contains(families, corev1.IPv6Protocol)):
		return n.IPv6
	}
	return ""
}

// selector is labels that a node must have; a nil value is any.
type selector map[string]*string

func parseSelector(s string) (selector, error) {
	out := selector{}
	for part := range strings.SplitSeq(s, ",") {
		key, value, valued := strings.Cut(strings.TrimSpace(part), "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !labelKey.MatchString(key) || len(key) > 317 || valued && (!labelValue.MatchString(value) || len(value) > 63) {
			return nil, fmt.Errorf(`%q holds %q, which is no label: allowed are "key=value" and "key", separated by commas`, shown(s), shown(part))
		}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("%q names the label %q twice, which no node can have", shown(s), shown(key))
		}
		out[key] = nil
		if valued {
			out[key] = &value
		}
	}
	return out, nil
}

func (s selector) matches(labels map[string]string) bool {
	for key, value := range s {
		if have, there := labels[key]; !there || value != nil && have != *value {
			return false
		}
	}
	return true
}

// CheckNodeSelector refuses what the annotation drawbridge.dev/node-selector
// would refuse; empty is every node.
func CheckNodeSelector(s string) error {
	if s == "" {
		return nil
	}
	_, err := parseSelector(s)
	return err
}
