package plan

import (
	"cmp"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
)

func (d *differ) listeners() {
	have := slices.DeleteFunc(slices.Clone(d.lb.Listeners), func(l Listener) bool { return !d.owns(l.Tags) })
	slices.SortFunc(have, func(a, b Listener) int { return cmp.Compare(a.ID, b.ID) })
	matched := make([]Listener, len(d.desired.Listeners))
	for n, want := range d.desired.Listeners {
		i := slices.IndexFunc(have, func(l Listener) bool { return l.Protocol == want.Protocol && l.Port == want.Port })
		if i >= 0 {
			matched[n] = have[i]
			have = slices.Delete(have, i, i+1)
		}
	}
	for _, l := range have { // a port is free before another protocol takes it
		d.add(DeleteListener{ID: l.ID, Name: l.Name})
	}
	for n, want := range d.desired.Listeners {
		d.listener(want, matched[n])
		d.policies(want, matched[n])
	}
}

func (d *differ) listener(want loadbalancer.Listener, have Listener) {
	pool, refs := d.poolID[want.DefaultPool], d.refsOf(want.Certificates)
	if have.ID == "" {
		d.add(CreateListener{LoadBalancerID: d.lb.ID, Listener: want, DefaultPoolID: pool, Refs: refs, Tags: append(d.ownerTags(), want.SetTags()...)})
		return
	}
	if d.adopted {
		want.Name = have.Name
	}
	tags := slices.DeleteFunc(slices.Clone(have.Tags), func(t string) bool { return strings.HasPrefix(t, loadbalancer.SetTag) })
	tags = with(with(tags, d.ownerTags()), want.SetTags())
	reset := slices.DeleteFunc(loadbalancer.WasSet(have.Tags), func(name string) bool { return slices.Contains(want.Set(), name) })
	if have.Down || have.Status == Error || have.Name != want.Name || have.DefaultPoolID != pool || want.DefaultPool != "" && pool == "" ||
		!sameSet(tags, have.Tags) || len(reset) > 0 || d.open(want, have) || !sameCertificates(refs, have.Refs) || differs(want, have) {
		d.add(UpdateListener{ID: have.ID, Listener: want, DefaultPoolID: pool, Refs: refs, Tags: tags, Reset: reset})
	}
}

// differs compares the settings of a listener. What is left to the operator is
// not compared.
func differs(want loadbalancer.Listener, have Listener) bool {
	return !sameCertificates(want.Certificates, have.Certificates) ||
		have.HSTS != want.HSTS || !slices.Equal(have.Headers, want.Headers) ||
		len(want.TLSVersions) > 0 && !slices.Equal(have.TLSVersions, want.TLSVersions) ||
		want.TLSCiphers != "" && have.TLSCiphers != want.TLSCiphers ||
		other(want.Timeouts.ClientData, have.Timeouts.ClientData) || other(want.Timeouts.MemberConnect, have.Timeouts.MemberConnect) ||
		other(want.Timeouts.MemberData, have.Timeouts.MemberData) || other(want.Timeouts.TCPInspect, have.Timeouts.TCPInspect) ||
		other(want.ConnectionLimit, have.ConnectionLimit)
}

// open says whether the port lets in others than are wanted. The peers write
// everyone as a CIDR.
func (d *differ) open(want loadbalancer.Listener, have Listener) bool {
	everyone := slices.Equal(have.AllowedCIDRs, []string{"0.0.0.0/0"}) || slices.Equal(have.AllowedCIDRs, []string{"::/0"})
	return !slices.Equal(have.AllowedCIDRs, want.AllowedCIDRs) && (!d.adopted || !everyone || len(want.AllowedCIDRs) > 0)
}

// other says whether a number is wanted and is not there.
func other(want, have *int) bool { return want != nil && (have == nil || *have != *want) }
