package plan

import (
	"cmp"
	"net/netip"
	"slices"

	"drawbridge.dev/services/executor/loadbalancer"
)

// mine says whether a floating IP is the owner's, to be given back one day.
func (o Observed) mine(f FloatingIP) bool { return f.Description == o.Owner.Description() }

// dismissed gives a floating IP of ours back, or leaves it to whoever wants it kept.
func dismissed(o Observed, f FloatingIP, keep bool) Step {
	if keep {
		return ReleaseFloatingIP{ID: f.ID, Address: f.Address, Description: o.Owner.KeptDescription(), Unbind: true}
	}
	return DeleteFloatingIP{ID: f.ID, Address: f.Address}
}

// floatingIP keeps one floating IP on the VIP's port, if one is wanted. Its
// address is never changed: that another external network is configured since
// changes nothing.
func floatingIP(desired *loadbalancer.LoadBalancer, o Observed, port string) []Step {
	keep := desired.KeepFloatingIP || o.LoadBalancer != nil && slices.Contains(o.LoadBalancer.Tags, loadbalancer.KeepTag)
	switch {
	case desired.FloatingAddress != "":
		return givenAddress(desired.FloatingAddress, o, port, keep)
	case desired.FloatingNetworkID != "":
		return ownAddress(desired, o, port, keep)
	}
	return noAddress(o, port, desired.ID != "", keep, "")
}

// fixedIP is the address of the port that a floating IP leads to. Neutron finds
// it by itself, unless the port has several of IPv4.
func fixedIP(o Observed) string {
	if o.LoadBalancer == nil || len(o.LoadBalancer.AdditionalVIPs) == 0 {
		return ""
	}
	addresses := []string{o.LoadBalancer.Address}
	for _, v := range o.LoadBalancer.AdditionalVIPs {
		addresses = append(addresses, v.Address)
	}
	for _, a := range addresses {
		if ip, err := netip.ParseAddr(a); err == nil && ip.Is4() {
			return a
		}
	}
	return ""
}

// noAddress takes every floating IP but one from the port: ours is given back,
// another's is unbound. The port of a load balancer that another made is not ours.
func noAddress(o Observed, port string, given, keep bool, except string) (steps []Step) {
	for _, f := range o.FloatingIPs {
		switch {
		case f.ID == except:
		case o.mine(f):
			steps = append(steps, dismissed(o, f, keep))
		case !given && port != "" && f.PortID == port:
			steps = append(steps, ReleaseFloatingIP{ID: f.ID, Address: f.Address, Unbind: true})
		}
	}
	return steps
}

// givenAddress binds the floating IP that the exposure names, which is not ours
// and does not become ours.
func givenAddress(address string, o Observed, port string, keep bool) []Step {
	f := o.FloatingIPs[slices.IndexFunc(o.FloatingIPs, func(f FloatingIP) bool { return f.Address == address })] // [Blocked] says if there is none
	steps := noAddress(o, port, false, keep, f.ID)
	if f.PortID != port || port == "" {
		steps = append(steps, BindFloatingIP{ID: f.ID, Address: f.Address, PortID: port, FixedIP: fixedIP(o)})
	}
	if o.mine(f) {
		steps = append(steps, ReleaseFloatingIP{ID: f.ID, Address: f.Address, Description: o.Owner.KeptDescription()})
	}
	return steps
}

// ownAddress keeps one of ours, or makes one. On a load balancer that another
// made, whatever is bound there already will do.
func ownAddress(desired *loadbalancer.LoadBalancer, o Observed, port string, keep bool) (steps []Step) {
	var have []FloatingIP
	bound := false
	for _, f := range o.FloatingIPs {
		if o.mine(f) {
			have = append(have, f)
		} else if port != "" && f.PortID == port {
			bound = true
		}
	}
	slices.SortFunc(have, func(a, b FloatingIP) int {
		return cmp.Or(-cmp.Compare(bit(a.PortID == port), bit(b.PortID == port)), -cmp.Compare(bit(a.PortID != ""), bit(b.PortID != "")), cmp.Compare(a.ID, b.ID))
	})
	if bound && desired.ID != "" {
		return noAddress(o, port, true, keep, "")
	}
	if len(have) == 0 {
		steps = noAddress(o, port, false, keep, "")
		return append(steps, CreateFloatingIP{NetworkID: desired.FloatingNetworkID, SubnetID: desired.FloatingSubnetID, PortID: port, FixedIP: fixedIP(o), Description: desired.FloatingIPDescription})
	}
	steps = noAddress(o, port, false, keep, have[0].ID)
	if have[0].PortID != port || port == "" {
		steps = append(steps, BindFloatingIP{ID: have[0].ID, Address: have[0].Address, PortID: port, FixedIP: fixedIP(o)})
	}
	return steps
}
