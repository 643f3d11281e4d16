package main

import (
	"fmt"
	"strconv"
	"strings"

	"drawbridge.dev/events"
)

// exposureLines tell a wish to people: its ports, routes and members, and where
// it is to stand. Certificates are named by their digests.
func exposureLines(x events.Exposure) []string {
	var out []string
	backends := map[string]events.Backend{}
	for _, b := range x.Backends {
		backends[b.Name] = b
	}
	for _, l := range x.Listeners {
		port := fmt.Sprintf("%s/%d", l.Protocol, l.Port)
		for _, line := range listenerLines(l, backends) {
			out = append(out, port+" "+line)
		}
	}
	if x.Internal {
		out = append(out, "internal, no floating IP")
	}
	for _, s := range []struct{ what, value string }{
		{"in group", x.Group}, {"flavor", x.Flavor},
		{"class", x.Placement.Class}, {"availability zone", x.Placement.AvailabilityZone},
		{"network", x.Placement.Network}, {"subnet", x.Placement.Subnet}, {"network port", x.Placement.Port},
		{"address", x.Placement.Address}, {"further subnets", strings.Join(x.Placement.AdditionalSubnets, ", ")},
		{"members through subnet", x.Placement.MemberSubnet}, {"on load balancer", x.Placement.LoadBalancer},
		{"floating IP", x.FloatingIP.Address}, {"floating IP of network", x.FloatingIP.Network},
		{"floating IP of subnet", x.FloatingIP.Subnet}, {"floating IP of subnets tagged", x.FloatingIP.SubnetTags},
		{"tagged", strings.Join(x.Tags, ", ")},
	} {
		if s.value != "" {
			out = append(out, s.what+" "+s.value)
		}
	}
	for _, s := range []struct {
		is   bool
		text string
	}{
		{x.FloatingIP.Keep, "the floating IP is kept"},
		{x.Protected, "kept when the object goes"},
		{x.Replace, "may be built anew"},
	} {
		if s.is {
			out = append(out, s.text)
		}
	}
	return out
}

// listenerLines are what a listener does, without its port.
func listenerLines(l events.Listener, backends map[string]events.Backend) (out []string) {
	for _, r := range l.Routes {
		host := r.Host
		if host == "" {
			host = "*"
		}
		to := "redirect to "
		if r.Redirect != nil {
			to += r.Redirect.Scheme + " (" + strconv.Itoa(r.Redirect.Code) + ")"
		} else {
			to = backendLine(backends[r.Backend], r.Backend)
		}
		out = append(out, fmt.Sprintf("%s%s %s -> %s", host, r.Path, r.PathType, to))
	}
	if l.Backend != "" {
		out = append(out, "-> "+backendLine(backends[l.Backend], l.Backend))
	}
	if len(l.AllowedSources) > 0 {
		out = append(out, "only from "+strings.Join(l.AllowedSources, ", "))
	}
	if t := l.TLS; t != nil {
		out = append(out, tlsLines(*t)...)
	}
	if h := l.HSTS; h != nil {
		out = append(out, fmt.Sprintf("HSTS for %d s", h.MaxAge))
	}
	if len(l.Headers) > 0 {
		out = append(out, "adds "+strings.Join(l.Headers, ", "))
	}
	for _, n := range []struct {
		what, unit string
		value      *int
	}{
		{"client data within", " ms", l.Timeouts.ClientData}, {"member connects within", " ms", l.Timeouts.MemberConnect},
		{"member data within", " ms", l.Timeouts.MemberData}, {"TCP inspected for", " ms", l.Timeouts.TCPInspect},
		{"connections at most", "", l.ConnectionLimit},
	} {
		if n.value != nil {
			out = append(out, n.what+" "+strconv.Itoa(*n.value)+n.unit)
		}
	}
	return out
}

func tlsLines(t events.TLS) (out []string) {
	for _, c := range t.Certificates {
		line := "certificate " + c.Digest
		if c.Secret != "" {
			line += " of Secret " + c.Secret
		}
		if len(c.Hosts) > 0 {
			line += " for " + strings.Join(c.Hosts, ", ")
		}
		if c.NotAfter != "" {
			line += " until " + c.NotAfter
		}
		out = append(out, line)
	}
	if t.Container != "" {
		out = append(out, "certificate of "+t.Container)
	}
	if len(t.Versions) > 0 {
		out = append(out, "speaks "+strings.Join(t.Versions, ", "))
	}
	if t.Ciphers != "" {
		out = append(out, "ciphers "+t.Ciphers)
	}
	return out
}

// backendLine tells a backend: its members, and how one is chosen.
func backendLine(b events.Backend, name string) string {
	about := []string{fmt.Sprintf("%d members", len(b.Members))}
	draining := 0
	for _, m := range b.Members {
		if m.Draining {
			draining++
		}
	}
	if draining > 0 {
		about = append(about, fmt.Sprintf("%d draining", draining))
	}
	if b.TLS {
		about = append(about, "in TLS")
	}
	if b.Algorithm != "" {
		about = append(about, b.Algorithm)
	}
	if p := b.Persistence; p != nil {
		about = append(about, strings.TrimSpace("sticky by "+p.Type+" "+p.Cookie))
	}
	return fmt.Sprintf("%s (%s)", name, strings.Join(about, ", "))
}
