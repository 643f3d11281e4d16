package plan

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
)

// Protected says whether what stands outlives the wish for it.
func Protected(desired *loadbalancer.LoadBalancer, o Observed) bool {
	return desired == nil && o.LoadBalancer != nil && o.Owner.Owns(o.LoadBalancer.Tags) && slices.Contains(o.LoadBalancer.Tags, loadbalancer.ProtectTag)
}

// Blocked says why no step can lead to what is desired, and what a person can
// do; empty: a plan leads there.
func Blocked(desired *loadbalancer.LoadBalancer, o Observed) string {
	lb := o.LoadBalancer
	switch {
	case Protected(desired, o):
		return "protected: load balancer " + lb.ID + " stays as it is though its object is gone: to remove it take the protection away " +
			"(openstack loadbalancer unset --tag " + loadbalancer.ProtectTag + " " + lb.ID + "), or create the object anew, unprotected, and delete it"
	case desired == nil:
		return ""
	}
	if msg := blockedAddress(desired, o); msg != "" {
		return msg
	}
	if desired.ID != "" {
		return blockedGiven(desired, o)
	}
	switch {
	case lb == nil || lb.Fresh:
		return ""
	case lb.Status == Error && !desired.Replace:
		return "load balancer " + lb.ID + " is in ERROR and has served before, so it is not replaced, which would change its address: " +
			"have an operator fail it over (openstack loadbalancer failover " + lb.ID + "), or annotate drawbridge.dev/replace: \"true\" to have it built anew, " +
			"or delete the object to give the address up"
	case o.Stuck():
		return stuck(lb)
	}
	return ""
}

func stuck(lb *LoadBalancer) string {
	return "something below load balancer " + lb.ID + " stays pending though the load balancer is ACTIVE: " +
		"have an operator reset it (openstack loadbalancer status show " + lb.ID + " shows which)"
}

// blockedAddress says why the floating IP that is asked for cannot be had.
func blockedAddress(desired *loadbalancer.LoadBalancer, o Observed) string {
	if desired.FloatingAddress == "" {
		return ""
	}
	i := slices.IndexFunc(o.FloatingIPs, func(f FloatingIP) bool { return f.Address == desired.FloatingAddress })
	if i < 0 {
		return "the project has no floating IP " + desired.FloatingAddress + ": create it (openstack floating ip create), or ask for another one or for none"
	}
	f := o.FloatingIPs[i]
	if !o.mine(f) && strings.HasPrefix(f.Description, loadbalancer.FleetTag) {
		return "floating IP " + f.Address + " belongs to another exposure (" + f.Description + "): have that keep it (drawbridge.dev/keep-floating-ip: \"true\") and go first, or ask for another one"
	}
	for _, lb := range []*LoadBalancer{o.LoadBalancer, o.Old} {
		if f.PortID == "" || lb != nil && lb.PortID == f.PortID {
			return ""
		}
	}
	if o.mine(f) {
		return "" // of a load balancer of ours that is gone
	}
	return "floating IP " + f.Address + " is attached to port " + f.PortID + ", which is not ours: detach it there (openstack floating ip unset --port " +
		f.Address + "), or ask for another one"
}

// blockedGiven says why a load balancer that another made cannot carry what is desired.
func blockedGiven(desired *loadbalancer.LoadBalancer, o Observed) string {
	lb := o.LoadBalancer
	switch {
	case lb == nil || lb.ID != desired.ID:
		return "there is no load balancer " + desired.ID + " in the project, which the exposure names: correct the id, or leave it out to get one made"
	case o.foreign(lb):
		return "load balancer " + lb.ID + ", which the exposure names, is made by Drawbridge for another exposure, which would remove what is not its own: " +
			"share one by drawbridge.dev/group, or name one that is not Drawbridge's"
	case lb.Status == Error:
		return "load balancer " + lb.ID + ", which the exposure names, is in ERROR: have its owner repair it"
	case o.Stuck():
		return stuck(lb)
	}
	for _, want := range desired.Listeners {
		for _, l := range lb.Listeners {
			if l.Port == want.Port && loadbalancer.Family(l.Protocol) == loadbalancer.Family(want.Protocol) && !o.Owner.Owns(l.Tags) {
				return fmt.Sprintf("port %d of load balancer %s, which the exposure names, is taken by listener %q (%s), which is not ours: choose another port or load balancer",
					want.Port, lb.ID, l.Name, l.ID)
			}
		}
	}
	return ""
}

// foreign says whether a load balancer has the tags of another owner, of any fleet.
func (o Observed) foreign(lb *LoadBalancer) bool {
	return !o.Owner.Owns(lb.Tags) && slices.ContainsFunc(lb.Tags, func(t string) bool { return strings.HasPrefix(t, loadbalancer.FleetTag) })
}

// Warnings names what is desired and cannot be had without replacing what stands.
func Warnings(desired *loadbalancer.LoadBalancer, o Observed) (out []string) {
	if desired == nil || o.LoadBalancer == nil {
		return nil
	}
	for _, d := range differences(desired, o.LoadBalancer) {
		out = append(out, "needs recreate: "+d+", which Octavia cannot change: annotate drawbridge.dev/replace: \"true\" to have the load balancer built anew, keeping its floating IP")
	}
	a := desired.Asked
	for _, f := range o.FloatingIPs {
		if !o.mine(f) {
			continue
		}
		if a.FloatingNetworkID != "" && f.NetworkID != a.FloatingNetworkID || a.FloatingSubnetID != "" && f.SubnetID != "" && f.SubnetID != a.FloatingSubnetID {
			out = append(out, fmt.Sprintf("needs recreate: floating IP %s is of another network or subnet than is asked for, and is kept: delete the object and create it again to get another address", f.Address))
		}
	}
	return out
}
