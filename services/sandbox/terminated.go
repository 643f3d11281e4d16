package sandbox

import (
	"regexp"
	"slices"
	"strings"
)

// Defaults of octavia.conf, [api_settings]: OWASP's suite B.
var (
	defaultCiphers = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:DHE-RSA-AES256-GCM-SHA384:" +
		"DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA256:" +
		"DHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256"
	defaultTLSVersions = []string{"TLSv1.2", "TLSv1.3"}
	defaultALPN        = []string{"h2", "http/1.1", "http/1.0"}

	allTLSVersions = []string{"SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}
	cipherForm     = regexp.MustCompile(`^[A-Za-z0-9\-+!:@=_.]+$`)
)

// offloads: the listener has TLS of its own.
func (l *listener) offloads() bool {
	return l.Protocol == "TERMINATED_HTTPS" || l.Protocol == "PROMETHEUS" && (len(l.refs()) > 0 || l.ClientCA != "")
}

// checkTLS is what Octavia says of a new listener's TLS, in its order.
func (c *Cloud) checkTLS(r *request, l *listener) error {
	refs := len(l.refs()) > 0 || l.ClientCA != ""
	switch {
	case transport(l.Protocol) != "TCP" && (refs || len(l.Headers) > 0):
		return invalid("%s protocol listener does not support TLS.", l.Protocol)
	case refs && !l.offloads():
		return invalid("Certificate container references are not allowed on %s protocol listeners.", l.Protocol)
	case l.ClientCA != "" && len(l.refs()) == 0:
		return invalid("An SNI or default certificate container reference must be provided with a client CA container reference.")
	case l.offloads() && len(l.refs()) == 0:
		return invalid("An SNI or default certificate container reference must be provided for %s protocol listeners.", l.Protocol)
	case l.ClientAuth != "NONE" && l.ClientCA == "":
		return invalid("Client authentication setting %s requires a client CA container reference.", l.ClientAuth)
	case l.ClientCRL != "" && l.ClientCA == "":
		return invalid("A client authentication CA reference is required to specify a client authentication revocation list.")
	}
	if err := checkCiphers(l.Ciphers); err != nil {
		return err
	}
	all := slices.Clone(l.SNIRefs)
	if l.TLSRef != "" {
		all = append(all, l.TLSRef)
	}
	if err := c.checkRefs(r, all); err != nil {
		return err
	}
	if l.ClientCA != "" {
		return c.checkAuthority(r, l.ClientCA, l.ClientCRL)
	}
	return nil
}

func checkCiphers(ciphers string) error {
	if ciphers != "" && !cipherForm.MatchString(ciphers) {
		return invalid("Invalid characters in cipher string. Only alphanumeric, -, +, !, :, @, =, _, and . are allowed.")
	}
	return nil
}

// checkVersions is for a list that was given: an empty one is not the default.
func checkVersions(versions, alpn any) error {
	if list, ok := versions.([]string); ok {
		if len(list) == 0 {
			return invalid("Empty TLS version list. Either specify at least one TLS version or remove this parameter to use the default.")
		}
		if wrong := slices.DeleteFunc(slices.Clone(list), func(v string) bool { return slices.Contains(allTLSVersions, v) }); len(wrong) > 0 {
			return invalid("Invalid TLS versions: %s", strings.Join(wrong, ", "))
		}
	}
	if list, ok := alpn.([]string); ok && len(list) == 0 {
		return invalid("Empty ALPN protocol list. Either specify at least one ALPN protocol or remove this parameter to use the default.")
	}
	return nil
}

// defaultTLS fills in what a new listener with TLS does not say.
func (l *listener) defaultTLS() {
	if l.Protocol != "TERMINATED_HTTPS" {
		return
	}
	if l.Ciphers == "" {
		l.Ciphers = defaultCiphers
	}
	if l.TLSVersions == nil {
		l.TLSVersions = defaultTLSVersions
	}
	if l.ALPN == nil {
		l.ALPN = defaultALPN
	}
}

// resetTLS makes a null of an update what it stands for: the default, on a
// listener of any protocol.
func resetTLS(in map[string]any) {
	for name, def := range map[string]any{"tls_ciphers": defaultCiphers, "tls_versions": defaultTLSVersions, "alpn_protocols": defaultALPN} {
		if v, given := in[name]; given && v == nil {
			in[name] = def
		}
	}
}

// checkTLSUpdate is what Octavia says of an update of a listener's TLS.
func (c *Cloud) checkTLSUpdate(r *request, l *listener, in map[string]any) error {
	tlsRef, _ := in["default_tls_container_ref"].(string)
	sni, _ := in["sni_container_refs"].([]string)
	ca, _ := in["client_ca_tls_container_ref"].(string)
	crl, _ := in["client_crl_container_ref"].(string)
	auth, _ := in["client_authentication"].(string)
	headers, _ := in["insert_headers"].(map[string]string)
	refs := tlsRef != "" || len(sni) > 0 || ca != ""
	switch {
	case transport(l.Protocol) != "TCP" && (refs || len(headers) > 0):
		return invalid("%s protocol listener does not support TLS or header insertion.", l.Protocol)
	case refs && l.Protocol != "TERMINATED_HTTPS" && l.Protocol != "PROMETHEUS":
		return invalid("Certificate container references are not allowed on %s protocol listeners.", l.Protocol)
	case auth != "" && auth != "NONE" && ca == "" && l.ClientCA == "":
		return invalid("Client authentication setting %s requires a client CA container reference.", auth)
	}
	if err := checkHeaders(l.Protocol, headers, true); err != nil {
		return err
	}
	all := slices.Clone(sni)
	if tlsRef != "" {
		all = append(all, tlsRef)
	}
	if err := c.checkRefs(r, all); err != nil {
		return err
	}
	if ca == "" {
		ca = l.ClientCA
	}
	if crl == "" {
		crl = l.ClientCRL
	}
	if crl != "" && ca == "" {
		return invalid("A client authentication CA reference is required to specify a client authentication revocation list.")
	}
	if ca != "" {
		return c.checkAuthority(r, ca, crl)
	}
	return nil
}

// checkHSTS is for Strict-Transport-Security: it needs an age, and TLS.
func (l *listener) checkHSTS(in map[string]any) error {
	age, sub, preload := l.HSTSAge, in["hsts_include_subdomains"] == true, in["hsts_preload"] == true
	setPointer(in, "hsts_max_age", &age)
	if (sub || preload) && age == nil {
		return invalid("HSTS configuration options hsts_include_subdomains and hsts_preload only make sense if hsts_max_age is set.")
	}
	if age != nil && l.Protocol != "TERMINATED_HTTPS" {
		return invalid("The HSTS feature can only be used for listeners using the TERMINATED_HTTPS protocol.")
	}
	return nil
}
