package sandbox

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
)

// offload is how a front terminates TLS. It is replaced as a whole with the
// settings: handshakes that are under way, and connections that stand, keep
// what they began with, so that a rotation fails no request.
type offload struct {
	certificates []*tls.Certificate // the default one first
	least, most  uint16
	suites       []uint16
	protocols    []string
	clients      tls.ClientAuthType
	authorities  *x509.CertPool
}

var tlsNumbers = map[string]uint16{
	"SSLv3": tls.VersionTLS10, "TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
}

// openSSLSuites are the suites of TLS 1.2 that Go has, by OpenSSL's names. Those
// of TLS 1.3 cannot be chosen in Go; others (DHE) are left out.
var openSSLSuites = map[string]uint16{
	"ECDHE-RSA-AES128-GCM-SHA256": tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES256-GCM-SHA384": tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-CHACHA20-POLY1305": tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

// offload reads a listener's certificates; one that is gone is nil and false.
func (c *Cloud) offload(l *listener) (*offload, bool) {
	o := &offload{clients: tls.NoClientCert}
	for _, ref := range l.refs() {
		cert, err := c.certificate(ref, l.Project)
		if err != nil {
			return nil, false
		}
		o.certificates = append(o.certificates, cert)
	}
	for _, name := range l.TLSVersions {
		n := tlsNumbers[name]
		if o.least == 0 || n < o.least {
			o.least = n
		}
		o.most = max(o.most, n)
	}
	for _, name := range strings.Split(l.Ciphers, ":") {
		if id, ok := openSSLSuites[name]; ok {
			o.suites = append(o.suites, id)
		}
	}
	o.protocols = slices.DeleteFunc(slices.Clone(l.ALPN), func(p string) bool { return p == "http/1.0" }) // a Go server does not negotiate it
	if l.ClientCA != "" {
		text, err := c.authority(l.ClientCA, l.Project)
		o.authorities = x509.NewCertPool()
		if err != nil || !o.authorities.AppendCertsFromPEM(text) {
			return nil, false
		}
		switch l.ClientAuth {
		case "OPTIONAL":
			o.clients = tls.VerifyClientCertIfGiven
		case "MANDATORY":
			o.clients = tls.RequireAndVerifyClientCert
		}
	}
	return o, len(o.certificates) > 0
}

// config is for one handshake.
func (o *offload) config() *tls.Config {
	return &tls.Config{ //nolint:gosec // the versions are the listener's
		MinVersion: o.least, MaxVersion: o.most, CipherSuites: o.suites, NextProtos: o.protocols, ClientAuth: o.clients, ClientCAs: o.authorities,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return o.choose(hello.ServerName), nil },
	}
}

// choose is HAProxy's: the first certificate that has the name, else the first
// that has a wildcard for it, else the default.
func (o *offload) choose(name string) *tls.Certificate {
	name = strings.ToLower(name)
	_, domain, dotted := strings.Cut(name, ".")
	for _, want := range []string{name, "*." + domain} {
		for _, cert := range o.certificates {
			if slices.Contains(hostNames(cert.Leaf), want) && (dotted || want == name) {
				return cert
			}
		}
	}
	return o.certificates[0]
}

// hostNames are those that a certificate is for: its alternative names and, as
// HAProxy has it, its common name.
func hostNames(leaf *x509.Certificate) []string {
	out := []string{strings.ToLower(leaf.Subject.CommonName)}
	for _, n := range leaf.DNSNames {
		out = append(out, strings.ToLower(n))
	}
	return out
}

// hsts is the value of Strict-Transport-Security, or empty
// (octavia/common/jinja/haproxy/combined_listeners/jinja_cfg.py of 2023.2).
func (l *listener) hsts() string {
	if l.HSTSAge == nil {
		return ""
	}
	out := "max-age=" + itoa(*l.HSTSAge) + ";"
	if l.HSTSSubdomains {
		out += " includeSubDomains;"
	}
	if l.HSTSPreload {
		out += " preload;"
	}
	return out
}
