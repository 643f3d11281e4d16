package sandbox

import (
	"crypto/sha1" //nolint:gosec // see certified
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
)

// rewrite leaves the request as the client sent it, but for the headers that
// the listener inserts. The address is filled in by redispatch.
func rewrite(r *httputil.ProxyRequest) {
	t := r.In.Context().Value(tripKey{}).(*trip)
	r.Out.URL.Scheme, r.Out.URL.Host = "http", "member"
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.Out.Host = r.In.Host
	for _, name := range append([]string{"Forwarded", "X-Forwarded-Host"}, plainHeaders...) {
		if v := r.In.Header[name]; v != nil {
			r.Out.Header[name] = v
		}
	}
	for name, on := range t.settings.headers {
		if !strings.EqualFold(on, "true") {
			continue
		}
		switch {
		case name == "X-Forwarded-For" && t.backend.http:
			r.Out.Header[name] = append(r.Out.Header[name][:len(r.Out.Header[name]):len(r.Out.Header[name])], t.source.Addr().String())
		case name == "X-Forwarded-Port" && t.backend.http:
			r.Out.Header.Set(name, itoa(t.settings.port))
		case name == "X-Forwarded-Proto" && r.In.TLS != nil:
			r.Out.Header.Set(name, "https")
		case name == "X-Forwarded-Proto":
			r.Out.Header.Set(name, "http")
		case r.In.TLS != nil:
			r.Out.Header.Set(name, certified(name, r.In.TLS.PeerCertificates))
		}
	}
	if t.cookie() == haproxyCookie {
		strip(r.Out.Header, haproxyCookie)
	}
}

// certified is what an X-SSL header says of a client's certificate.
func certified(name string, chain []*x509.Certificate) string {
	switch name {
	case "X-SSL-Client-Verify":
		return "0" // what does not verify does not get here
	case "X-SSL-Client-Has-Cert":
		return itoa(min(1, len(chain)))
	}
	if len(chain) == 0 {
		return `""`
	}
	cert := chain[0]
	dn := func(n pkix.Name) string { // as OpenSSL's one line: from the root on
		out := ""
		for _, part := range n.ToRDNSequence() {
			out += "/" + strings.ReplaceAll(pkix.RDNSequence{part}.String(), "+", "/")
		}
		return out
	}
	sum := sha1.Sum(cert.Raw) //nolint:gosec // a finger print by HAProxy's name for it
	return strconv.Quote(map[string]string{
		"X-SSL-Client-DN": dn(cert.Subject), "X-SSL-Client-CN": cert.Subject.CommonName, "X-SSL-Issuer": dn(cert.Issuer),
		"X-SSL-Client-SHA1":       strings.ToUpper(hex.EncodeToString(sum[:])),
		"X-SSL-Client-Not-Before": cert.NotBefore.UTC().Format("060102150405Z"), "X-SSL-Client-Not-After": cert.NotAfter.UTC().Format("060102150405Z"),
	}[name])
}

// strip takes a cookie out of a request: the member that it names needs not
// know ("cookie ... indirect").
func strip(h http.Header, name string) {
	var kept []string
	for _, line := range h["Cookie"] {
		parts := slices.DeleteFunc(strings.Split(line, ";"), func(p string) bool {
			key, _, _ := strings.Cut(strings.TrimSpace(p), "=")
			return key == name
		})
		if rest := strings.TrimSpace(strings.Join(parts, ";")); rest != "" {
			kept = append(kept, rest)
		}
	}
	delete(h, "Cookie")
	if kept != nil {
		h["Cookie"] = kept
	}
}
