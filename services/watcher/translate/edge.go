package translate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"drawbridge.dev/events"
)

// edge is what an Ingress shows to its clients.
//
// Without spec.tls it is port 80. With it, port 443 has all routes, and what
// spec.tls covers is not to be had in the clear: at port 80 its exact hosts are
// redirected. A wildcard, or every host, cannot be redirected, as Octavia
// redirects to a fixed host: such requests are refused there. Hosts that
// spec.tls does not cover are served at port 80 as they are at 443.
// ssl-redirect "false" serves everything at both ports. Of the class of the
// octavia-ingress-controller TLS is port 443 alone, unless ssl-redirect is set.
type edge struct {
	entrance entrance
	headers  []string
	hsts     *events.HSTS
	redirect *events.Redirect // nil: port 80 has what 443 has
	only443  bool

	found        *findings
	tls          bool // spec.tls is there
	certificates []events.Certificate
	hosts        map[string]string // that spec.tls names, and the field where
	all          string            // field of an entry of spec.tls that names no host; empty: there is none
}

func (a annotated) edge(ing *networkingv1.Ingress, cloud string, refs References, s Settings) *edge {
	e := &edge{entrance: a.entrance(), found: a.found, tls: len(ing.Spec.TLS) > 0, hosts: map[string]string{}}
	if !legacy(ing) {
		e.headers = events.HeaderNames
	}
	e.headers, _ = setting(a, e.headers, parseHeaders, AnnotationForwardedHeaders)
	redirected, by := setting(a, true, parseBool, AnnotationSSLRedirect)
	code, _ := setting(a, "308", parseOneOf("301", "302", "303", "307", "308"), AnnotationSSLRedirectCode)
	if redirected {
		n, _ := strconv.Atoi(code) // it is one of those above
		e.redirect = &events.Redirect{Scheme: "https", Code: n}
	}
	e.only443 = e.tls && legacy(ing) && by == ""
	var secured string
	e.hsts, secured = setting(a, nil, parseHSTS, AnnotationHSTS)
	if e.tls {
		e.read(ing, cloud, refs, s)
		return e
	}
	if secured != "" {
		a.found.refuse(field(secured), "needs TLS, and spec.tls is empty: add spec.tls, or remove the annotation")
	}
	for _, name := range []string{AnnotationSSLRedirect, AnnotationSSLRedirectCode, AnnotationTLSVersions, AnnotationTLSCiphers} {
		if _, there := a.values[name]; there {
			a.found.note(field(name), "has no effect without spec.tls")
		}
	}
	return e
}

// read takes the certificates and hosts of spec.tls.
func (e *edge) read(ing *networkingv1.Ingress, cloud string, refs References, s Settings) {
	if !s.sealable(e.found, "spec.tls", cloud) {
		return
	}
	var valid []string // hosts of any certificate here
	for _, t := range ing.Spec.TLS {
		valid = append(valid, refs.Secrets.Pairs[t.SecretName].Certificate.Hosts...)
	}
	for i, t := range ing.Spec.TLS {
		at := fmt.Sprintf("spec.tls[%d]", i)
		hosts := e.named(t.Hosts, at)
		if len(t.Hosts) == 0 {
			e.all = at
		}
		from := secret{key: t.SecretName, name: ing.Namespace + "/" + t.SecretName}
		if t.SecretName == "" {
			if from.name = s.DefaultTLSSecret; from.name == "" {
				e.found.refuse(at+".secretName", "is empty, and the watcher has no default-tls-secret: name a Secret of type kubernetes.io/tls")
				continue
			}
		}
		c, ok := refs.Secrets.certificate(e.found, at+".secretName", from, hosts, valid, !legacy(ing))
		if ok && !slices.ContainsFunc(e.certificates, func(o events.Certificate) bool { return o.Digest == c.Digest }) {
			e.certificates = append(e.certificates, c)
		}
	}
}

// named checks the hosts of one entry and remembers where they were named.
func (e *edge) named(hosts []string, at string) (out []string) {
	for j, h := range hosts {
		h = strings.ToLower(h)
		field := fmt.Sprintf("%s.hosts[%d]", at, j)
		if err := checkHost(h); err != nil || h == "" {
			if err == nil {
				err = fmt.Errorf("is empty: leave hosts out to have TLS for every host")
			}
			e.found.refuse(field, "%v", err)
			continue
		}
		if _, twice := e.hosts[h]; !twice {
			e.hosts[h] = field
		}
		out = append(out, h)
	}
	return out
}

// covers says whether spec.tls asks for TLS for a host; empty is every host.
func (e *edge) covers(host string) bool {
	if e.all != "" {
		return true
	}
	_, domain, dotted := strings.Cut(host, ".")
	_, itself := e.hosts[host]
	_, wildcard := e.hosts["*."+domain]
	return itself || dotted && wildcard
}

// listeners are those of the routes that t has; it may add a backend to t.
func (e *edge) listeners(t *routing) []events.Listener {
	plain := e.listener(events.HTTP, 80, t.fallback, t.routes)
	if !e.tls {
		return []events.Listener{plain}
	}
	secure := e.listener(events.TerminatedHTTPS, 443, t.fallback, t.routes)
	secure.TLS, secure.HSTS = e.entrance.tls("", e.certificates), e.hsts
	if e.only443 {
		return []events.Listener{secure}
	}
	if e.redirect != nil {
		plain.Backend, plain.Routes = e.insecure(t)
	}
	if plain.Backend == "" && len(plain.Routes) == 0 {
		return []events.Listener{secure}
	}
	return []events.Listener{plain, secure}
}

func (e *edge) listener(p events.Protocol, port int, fallback string, routes []events.Route) events.Listener {
	l := e.entrance.listener(p, port)
	l.Backend, l.Routes, l.Headers = fallback, routes, e.headers
	return l
}

// insecure is what port 80 has beside TLS: the routes of hosts that it does not
// cover, and redirects of the exact hosts that it covers.
func (e *edge) insecure(t *routing) (fallback string, routes []events.Route) {
	if !e.covers("") {
		fallback = t.fallback
	}
	covered := map[string]string{} // hosts, and the field where
	for h, field := range e.hosts {
		covered[h] = field
	}
	wide := fallback != ""
	for _, r := range t.routes {
		if e.covers(r.Host) {
			if _, named := covered[r.Host]; !named {
				covered[r.Host] = e.all
			}
			continue
		}
		wide = wide || r.Host == ""
		routes = append(routes, r)
	}
	for _, h := range sortedKeys(covered) {
		switch {
		case h == "":
		case !strings.HasPrefix(h, "*."):
			routes = append(routes, events.Route{Host: h, Path: "/", PathType: t.prefix(), Redirect: e.redirect})
		default:
			e.found.note(covered[h], "requests of %q in the clear cannot be redirected, as its hosts are not known: they are refused; name the hosts, or set %s to \"false\"", h, AnnotationSSLRedirect)
			if wide { // else nothing else takes them
				refused := t.add(t.serving.backend(t.ing.Namespace + "/Ingress/" + t.ing.Name + ":0"))
				routes = append(routes, events.Route{Host: h, Path: "/", PathType: t.prefix(), Backend: refused})
			}
		}
	}
	if _, hostless := covered[""]; hostless || e.all != "" && t.fallback != "" {
		e.found.note(e.all, "requests in the clear of hosts that no rule names cannot be redirected: they are refused; name the hosts, or set %s to \"false\"", AnnotationSSLRedirect)
	}
	return fallback, routes
}

// parseHeaders reads names of headers, or none.
func parseHeaders(s string) ([]string, error) {
	if strings.TrimSpace(s) == "none" {
		return nil, nil
	}
	return parseEach(events.HeaderNames...)(s)
}

// parseHSTS reads the value of the header Strict-Transport-Security (RFC 6797, 6.1).
func parseHSTS(s string) (*events.HSTS, error) {
	out := &events.HSTS{}
	wrong := fmt.Errorf(`%q is none of the form "max-age=31536000; includeSubDomains; preload", of which max-age, in seconds, must be there`, shown(s))
	for part := range strings.SplitSeq(s, ";") {
		name, value, valued := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "max-age":
			n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`))
			if err != nil || n < 1 || n > 1<<31-1 || out.MaxAge > 0 {
				return nil, wrong
			}
			out.MaxAge = n
		case "includesubdomains":
			out.IncludeSubdomains = true
			if valued {
				return nil, wrong
			}
		case "preload":
			out.Preload = true
			if valued {
				return nil, wrong
			}
		default:
			return nil, wrong
		}
	}
	if out.MaxAge == 0 {
		return nil, wrong
	}
	return out, nil
}
