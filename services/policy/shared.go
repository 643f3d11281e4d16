package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"drawbridge.dev/events"
)

// shared is something that exposures on one load balancer have in common and
// must therefore want alike, or that one of them has alone.
type shared struct {
	scope   string // what they share: a group or a load balancer of a cloud, or the cloud
	what    What
	subject string // which of its kind: a port, a route, a setting, an address
}

// What says of what kind a [Conflict] is.
type What string

// Kinds of conflicts.
const (
	WhatPort      What = "port"      // two open one port, and do not share its listener
	WhatRoute     What = "route"     // two route one host and path
	WhatSetting   What = "setting"   // two want a setting of the load balancer or of a shared listener otherwise
	WhatGiven     What = "given"     // two load balancers want one address, or one port of the cloud's network
	WhatNamespace What = "namespace" // namespaces of one name in two clusters are in one group
)

// stake is what an exposure wants of something shared. Two exposures conflict
// exactly if they want another value of the same. An empty value goes with any.
type stake struct {
	shared
	value string
}

// say is a value with the bundle that let it be so, if that matters. Settings
// that members of a group have by different bundles are not compared: policy's
// obligations may have changed, and whoever stands by the bundle before is about
// to be decided again. Otherwise the first of them would be in conflict with all others.
type say struct{ value, bundle string }

func (s stake) under(bundle string) say {
	if s.what != WhatSetting {
		bundle = ""
	}
	return say{s.value, bundle}
}

// alone is a value that no other exposure can want, too. What stands before the
// separator is what people are told.
func alone(label, owner string) string { return label + "\x00" + owner }

// label is what people are told of a value.
func label(value string) string { text, _, _ := strings.Cut(value, "\x00"); return text }

// stakesOf are, sorted, all that an exposure shares with others, also those without a
// value: a wish that was denied waits for each of them, as policy may add one.
func stakesOf(r row, e events.Exposure) []stake {
	var s stakes
	unit := unitOf(r, e)
	if a := e.FloatingIP.Address; a != "" {
		s.add(r.cloud, WhatGiven, "floating IP "+a, alone("", unit))
	}
	if p := e.Placement.Port; p != "" {
		s.add(r.cloud, WhatGiven, "network port "+p, alone("", unit))
	}
	if id := e.Placement.LoadBalancer; id != "" {
		for _, l := range e.Listeners {
			s.add(r.cloud+"/id/"+id, WhatPort, slotOf(l), alone(string(l.Protocol), unit))
		}
	}
	if e.Group != "" {
		s.group(r, e)
	}
	slices.SortFunc(s, compareStakes)
	return s
}

// shares reports whether an exposure shares anything with others.
func shares(e events.Exposure) bool {
	return e.Group != "" || e.Placement.LoadBalancer != "" || e.Placement.Port != "" || e.FloatingIP.Address != ""
}

func compareStakes(a, b stake) int {
	return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.what, b.what), cmp.Compare(a.subject, b.subject), cmp.Compare(a.value, b.value))
}

type stakes []stake

func (s *stakes) add(scope string, what What, subject, value string) {
	*s = append(*s, stake{shared{scope, what, subject}, value})
}

// group adds what a member of a group has in common with the others. All must
// say the same of the load balancer, as to say nothing is a choice there, too:
// the executor's. Package compose of the executor holds them to the same.
func (s *stakes) group(r row, e events.Exposure) {
	scope, p, f := groupScope(r.cloud, e.Group), e.Placement, e.FloatingIP
	s.add(scope, WhatNamespace, e.Key.Namespace, e.Key.Cluster)
	for _, x := range []struct{ subject, value string }{
		{"internal", strconv.FormatBool(e.Internal)},
		{"flavor", e.Flavor},
		{"class", p.Class},
		{"availability zone", p.AvailabilityZone},
		{"network", p.Network},
		{"subnet", p.Subnet},
		{"network port", p.Port},
		{"address", p.Address},
		{"additional subnets", strings.Join(p.AdditionalSubnets, ", ")},
		{"IP families", strings.Join(p.Families, ", ")},
		{"member subnet", p.MemberSubnet},
		{"load balancer", p.LoadBalancer},
		{"floating IP", f.Address},
		{"floating network", f.Network},
		{"floating subnet", f.Subnet},
		{"tags of the floating subnet", f.SubnetTags},
	} {
		s.add(scope, WhatSetting, x.subject, cmp.Or(x.value, "not set"))
	}
	for _, l := range e.Listeners {
		s.listener(scope, r, l)
	}
}

// listener adds a port; members share it where it routes by host and path. What
// only one says of it holds for all, but for the sources: to say nothing means
// everywhere.
func (s *stakes) listener(scope string, r row, l events.Listener) {
	slot, owner := slotOf(l), r.key.String()
	if !l.Protocol.Routed() {
		s.add(scope, WhatPort, slot, alone(string(l.Protocol), owner))
		return
	}
	s.add(scope, WhatPort, slot, string(l.Protocol))
	if l.Backend != "" {
		s.add(scope, WhatRoute, routeSubject(l, events.Route{Path: "/", PathType: events.PathPrefix}), alone("", owner))
	}
	matching := ""
	for _, x := range l.Routes {
		s.add(scope, WhatRoute, routeSubject(l, x), routeValue(x, owner))
		if matching = "as Kubernetes says"; x.PathType == events.PathRawPrefix {
			matching = "by raw prefixes"
		}
	}
	set := func(subject, value string) { s.add(scope, WhatSetting, subject+" of "+slot, value) }
	set("allowed sources", cmp.Or(strings.Join(l.AllowedSources, ", "), "everywhere"))
	set("path matching", matching)
	set("timeout of client data", number(l.Timeouts.ClientData))
	set("timeout of member connects", number(l.Timeouts.MemberConnect))
	set("timeout of member data", number(l.Timeouts.MemberData))
	set("timeout of TCP inspection", number(l.Timeouts.TCPInspect))
	set("connection limit", number(l.ConnectionLimit))
	set("added headers", strings.Join(l.Headers, ", "))
	if l.Protocol != events.TerminatedHTTPS {
		return
	}
	var t events.TLS
	if l.TLS != nil {
		t = *l.TLS
	}
	set("TLS versions", strings.Join(t.Versions, ", "))
	set("TLS ciphers", t.Ciphers)
	hsts := ""
	if h := l.HSTS; h != nil {
		hsts = fmt.Sprintf("max-age=%d includeSubDomains=%t preload=%t", h.MaxAge, h.IncludeSubdomains, h.Preload)
	}
	set("HSTS", hsts)
}

// routeSubject names what a route takes. Prefixes "/foo" and "/foo/" take the
// same (Kubernetes docs, "Ingress"), and so do all kinds of prefixes of "/".
func routeSubject(l events.Listener, r events.Route) string {
	path, kind := r.Path, r.PathType
	if kind == events.PathPrefix {
		path = cmp.Or(strings.TrimRight(path, "/"), "/")
	}
	if path == "/" && kind == events.PathRawPrefix {
		kind = events.PathPrefix
	}
	return fmt.Sprintf("%s%s (%s) on port %d", cmp.Or(strings.ToLower(r.Host), "*"), path, kind, l.Port)
}

// routeValue lets exposures redirect the same in the same way.
func routeValue(r events.Route, owner string) string {
	if x := r.Redirect; x != nil {
		to := x.Scheme
		if x.Port != 0 && x.Port != 443 {
			to = fmt.Sprintf("%s port %d", x.Scheme, x.Port)
		}
		return fmt.Sprintf("a redirect to %s with code %d", to, x.Code)
	}
	return alone("", owner)
}

func slotOf(l events.Listener) string { return fmt.Sprintf("%s port %d", l.Protocol.Family(), l.Port) }

func groupScope(cloud, group string) string { return cloud + "/group/" + group }

func number(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}
