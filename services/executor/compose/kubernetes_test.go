package compose_test

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"drawbridge.dev/events"
)

// kubernetes answers the backend that the Ingress rules choose, written from
// the Kubernetes documentation ("Ingress": path types, multiple matches, host
// name wildcards) and without a look at package compose: the host decides which
// rules are asked, the rules decide which path, the default backend takes the rest.
func kubernetes(l events.Listener, hostHeader, path string) string {
	host := hostHeader
	if h, _, err := net.SplitHostPort(hostHeader); err == nil {
		host = h
	}
	host = strings.ToLower(host)
	path, _, _ = strings.Cut(path, "?")
	wildcard := ""
	if _, rest, ok := strings.Cut(host, "."); ok && host[0] != '.' {
		wildcard = "*." + rest
	}
	for _, rule := range []string{host, wildcard, ""} {
		var best *events.Route
		known := false
		for i, r := range l.Routes {
			if r.Host != rule || rule == "" && r.Host != "" {
				continue
			}
			known = true
			if pathMatches(r, path) && (best == nil || wins(r, *best)) {
				best = &l.Routes[i]
			}
		}
		if best != nil && best.Redirect != nil {
			return fmt.Sprintf("-> https://%s %d", best.Host, best.Redirect.Code)
		}
		if best != nil {
			return best.Backend
		}
		if known {
			return l.Backend
		}
	}
	return l.Backend
}

func elements(path string) []string {
	e := strings.Split(path, "/")
	for len(e) > 0 && e[len(e)-1] == "" {
		e = e[:len(e)-1]
	}
	return e
}

func pathMatches(r events.Route, path string) bool {
	if r.PathType == events.PathExact {
		return r.Path == path
	}
	want, have := elements(r.Path), strings.Split(path, "/")
	return len(want) <= len(have) && slices.Equal(want, have[:len(want)])
}

func wins(a, b events.Route) bool {
	if (a.PathType == events.PathExact) != (b.PathType == events.PathExact) {
		return a.PathType == events.PathExact
	}
	return len(elements(a.Path)) > len(elements(b.Path))
}
