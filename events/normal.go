package events

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Normalize returns the same wish in its one canonical form: sorted, host names
// in lower case, addresses in their shortest text, CIDRs masked, no duplicates,
// and one form of the empty list. The argument is not changed.
func (e Exposure) Normalize() Exposure {
	e.Tags = sorted(e.Tags)
	e.Waived = sorted(e.Waived)
	e.Placement.Address = canonical(e.Placement.Address)
	e.FloatingIP.Address = canonical(e.FloatingIP.Address)
	e.Listeners = append([]Listener{}, e.Listeners...)
	for i := range e.Listeners {
		l := &e.Listeners[i]
		l.Routes = append([]Route(nil), l.Routes...)
		for j := range l.Routes {
			l.Routes[j].Host = strings.ToLower(l.Routes[j].Host)
		}
		slices.SortStableFunc(l.Routes, inOrder)
		l.Routes = slices.CompactFunc(l.Routes, sameRoute)
		l.AllowedSources = normalizeCIDRs(l.AllowedSources)
		l.Headers = sorted(l.Headers)
		if l.TLS != nil {
			t := *l.TLS
			t.Versions = sorted(t.Versions)
			t.Certificates = slices.Clone(t.Certificates)
			for j := range t.Certificates {
				t.Certificates[j].Hosts = sorted(t.Certificates[j].Hosts)
			}
			l.TLS = &t
		}
	}
	slices.SortFunc(e.Listeners, func(a, b Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	e.Backends = append([]Backend{}, e.Backends...)
	for i := range e.Backends {
		e.Backends[i].Members = normalizeMembers(e.Backends[i].Members)
	}
	slices.SortFunc(e.Backends, func(a, b Backend) int { return cmp.Compare(a.Name, b.Name) })
	return e
}

// inOrder sorts routes, but leaves those of [PathRawPrefix] in the order in
// which they are given, at the end: there the first one that matches wins.
func inOrder(a, b Route) int {
	raw := cmp.Compare(bit(a.PathType == PathRawPrefix), bit(b.PathType == PathRawPrefix))
	if raw == 0 && a.PathType == PathRawPrefix {
		return 0
	}
	return cmp.Or(raw, compareRoutes(a, b))
}

func compareRoutes(a, b Route) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.PathType, b.PathType), cmp.Compare(a.Backend, b.Backend), compareRedirects(a.Redirect, b.Redirect))
}

func compareRedirects(a, b *Redirect) int {
	if a == nil || b == nil {
		return cmp.Compare(bit(a != nil), bit(b != nil))
	}
	return cmp.Or(cmp.Compare(a.Scheme, b.Scheme), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Code, b.Code))
}

func sameRoute(a, b Route) bool { return compareRoutes(a, b) == 0 }

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sorted is a sorted copy without duplicates; nil if there is nothing in it.
func sorted[T cmp.Ordered](in []T) []T {
	if len(in) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(in)))
}

func canonical(address string) string {
	if a, err := netip.ParseAddr(address); err == nil {
		return a.String()
	}
	return address
}

func normalizeMembers(in []Member) []Member {
	out := append([]Member{}, in...)
	for i := range out {
		out[i].Address = canonical(out[i].Address)
	}
	slices.SortFunc(out, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Name, b.Name))
	})
	return slices.CompactFunc(out, func(a, b Member) bool { return a.Address == b.Address && a.Port == b.Port })
}

func normalizeCIDRs(in []string) []string {
	var out []string
	for _, s := range in {
		if p, err := netip.ParsePrefix(s); err == nil {
			s = p.Masked().String()
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
