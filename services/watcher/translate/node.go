package translate

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"drawbridge.dev/events"
)

// Node is a node that takes traffic, with its first InternalIP of each family.
type Node struct {
	Name, IPv4, IPv6 string
}

// autoscalerTaint marks a node that the cluster autoscaler is about to delete.
const autoscalerTaint = "ToBeDeletedByClusterAutoscaler"

// Nodes selects the nodes that take traffic from outside, by the rules of the
// Kubernetes service controller: ready, not being deleted, not excluded by
// label. A cordoned node stays. One without an InternalIP cannot be reached and
// is left out. The result is sorted.
func Nodes(nodes []*corev1.Node) []Node {
	var out []Node
	for _, n := range nodes {
		if !eligible(n) {
			continue
		}
		m := Node{Name: n.Name}
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

// members are the nodes at the nodePort of a Service, by IPv4 where the node
// and the Service have it, else by IPv6.
func members(nodes []Node, svc *corev1.Service, port int32) []events.Member {
	families := svc.Spec.IPFamilies
	v4 := len(families) == 0 || slices.Contains(families, corev1.IPv4Protocol)
	v6 := len(families) == 0 || slices.Contains(families, corev1.IPv6Protocol)
	out := make([]events.Member, 0, len(nodes))
	for _, n := range nodes {
		switch {
		case v4 && n.IPv4 != "":
			out = append(out, events.Member{Name: n.Name, Address: n.IPv4, Port: int(port)})
		case v6 && n.IPv6 != "":
			out = append(out, events.Member{Name: n.Name, Address: n.IPv6, Port: int(port)})
		}
	}
	return out
}

// monitor is the health check of a backend. The times are those of the
// OpenStack cloud controller manager: users know how fast a node drops out.
func monitor(p events.Protocol) *events.Monitor {
	kind := "TCP"
	if p == events.UDP {
		kind = "UDP-CONNECT"
	}
	return &events.Monitor{Type: kind, Delay: 5, Timeout: 3, MaxRetries: 1, MaxRetriesDown: 3}
}
