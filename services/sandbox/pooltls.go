package sandbox

// checkPoolTLS is what Octavia says of a new pool's TLS towards its members.
func (c *Cloud) checkPoolTLS(r *request, in map[string]any) error {
	ref, _ := in["tls_container_ref"].(string)
	ca, _ := in["ca_tls_container_ref"].(string)
	crl, _ := in["crl_container_ref"].(string)
	if crl != "" && ca == "" {
		return invalid("A CA certificate reference is required to specify a revocation list.")
	}
	if err := c.checkPoolRefs(r, ref, ca, crl); err != nil {
		return err
	}
	ciphers, _ := in["tls_ciphers"].(string)
	if err := checkCiphers(ciphers); err != nil {
		return err
	}
	if in["tls_enabled"] != true {
		return nil
	}
	return checkVersions(in["tls_versions"], in["alpn_protocols"])
}

func (c *Cloud) checkPoolRefs(r *request, ref, ca, crl string) error {
	if ref != "" {
		if err := c.checkRefs(r, []string{ref}); err != nil {
			return err
		}
	}
	if ca == "" {
		return nil
	}
	return c.checkAuthority(r, ca, crl)
}

// checkPoolUpdate is what Octavia says of an update of it, and makes a null
// what it stands for.
func (c *Cloud) checkPoolUpdate(r *request, p *pool, in map[string]any) error {
	for name, def := range map[string]any{"tls_ciphers": defaultCiphers, "tls_versions": defaultTLSVersions} {
		if v, given := in[name]; given && v == nil {
			in[name] = def
		}
	}
	ref, _ := in["tls_container_ref"].(string)
	ca, crl := p.CARef, p.CRLRef
	set(in, "ca_tls_container_ref", &ca)
	set(in, "crl_container_ref", &crl)
	switch {
	case ca == "" && p.CARef != "" && crl != "":
		return invalid("A CA reference cannot be removed when a certificate revocation list is present.")
	case ca == "" && crl != "":
		return invalid("A CA reference is required to specify a certificate revocation list.")
	}
	if err := c.checkPoolRefs(r, ref, ca, crl); err != nil {
		return err
	}
	ciphers, _ := in["tls_ciphers"].(string)
	if err := checkCiphers(ciphers); err != nil {
		return err
	}
	return checkVersions(in["tls_versions"], in["alpn_protocols"])
}

// defaultTLS fills in what a new pool with TLS does not say.
func (p *pool) defaultTLS() {
	if !p.TLS {
		return
	}
	if p.Ciphers == "" {
		p.Ciphers = defaultCiphers
	}
	if p.TLSVersions == nil {
		p.TLSVersions = defaultTLSVersions
	}
	if p.ALPN == nil {
		p.ALPN = defaultALPN
	}
}
