package sandbox

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

var (
	errNoSecret   = errors.New("there is no such secret")
	errNoPassword = errors.New("the PKCS#12 bundle needs a pass phrase or is damaged")
)

// certificate reads a reference as Octavia does: a secret that is a PKCS#12
// bundle without a pass phrase, or a container of type certificate.
func (c *Cloud) certificate(ref, project string) (*tls.Certificate, error) {
	if id, ok := c.last(ref, "secrets"); ok {
		s := c.state.Secrets[id]
		if s == nil || s.Project != project || s.Media == "" {
			return nil, errNoSecret
		}
		d, known := c.decoded[id]
		if !known {
			d.certificate, d.err = decode(s.Payload)
			c.decoded[id] = d
		}
		return d.certificate, d.err
	}
	id, ok := c.last(ref, "containers")
	b := c.state.Containers[id]
	if !ok || b == nil || b.Project != project {
		return nil, errNoSecret
	}
	part := func(name string) []byte {
		id, _ := c.last(b.Refs[name], "secrets")
		if s := c.state.Secrets[id]; s != nil {
			return s.Payload
		}
		return nil
	}
	chain := append(append(slices.Clone(part("certificate")), '\n'), part("intermediates")...)
	pair, err := tls.X509KeyPair(chain, part("private_key"))
	return &pair, err
}

// decoded is what a secret was read to; a secret never changes.
type decoded struct {
	certificate *tls.Certificate
	err         error
}

func decode(payload []byte) (*tls.Certificate, error) {
	key, leaf, chain, err := pkcs12.DecodeChain(payload, "")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoPassword, err)
	}
	out := &tls.Certificate{PrivateKey: key, Leaf: leaf, Certificate: [][]byte{leaf.Raw}}
	for _, above := range chain {
		out.Certificate = append(out.Certificate, above.Raw)
	}
	return out, nil
}

// checkRefs is Octavia's validation of references to certificates: those that
// cannot be had are named together.
func (c *Cloud) checkRefs(r *request, refs []string) error {
	var gone []string
	for _, ref := range refs {
		_, err := c.certificate(ref, r.token.project)
		switch {
		case errors.Is(err, errNoPassword):
			return bad("The PKCS12 bundle is unreadable. Please check the PKCS12 bundle validity. In addition, make sure it does not require a pass phrase. Error: [%s]", c.openSSL(ref, err))
		case err != nil:
			gone = append(gone, "'"+ref+"'")
		}
	}
	if len(gone) > 0 {
		return bad("Could not retrieve certificate: [%s]", strings.Join(gone, ", "))
	}
	return nil
}

// openSSL is what OpenSSL says of a bundle that it cannot read.
func (c *Cloud) openSSL(ref string, err error) string {
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return "('PKCS12 routines', '', 'mac verify failure')"
	}
	id, _ := c.last(ref, "secrets")
	if data := c.state.Secrets[id].Payload; len(data) < 2 || int(data[1]) > len(data)-2 && data[1] < 0x80 {
		return "('asn1 encoding routines', '', 'not enough data')"
	}
	return "('asn1 encoding routines', '', 'wrong tag'), ('asn1 encoding routines', '', 'nested asn1 error')"
}

// authority reads a CA or a revocation list, which are plain PEM.
func (c *Cloud) authority(ref, project string) ([]byte, error) {
	id, ok := c.last(ref, "secrets")
	if s := c.state.Secrets[id]; ok && s != nil && s.Project == project && s.Media != "" {
		return s.Payload, nil
	}
	return nil, errNoSecret
}

// checkAuthority is Octavia's validation of a client CA and its revocation list.
func (c *Cloud) checkAuthority(r *request, ca, crl string) error {
	var gone []string
	text, err := c.authority(ca, r.token.project)
	if err != nil {
		gone = append(gone, "'"+ca+"'")
	}
	if crl != "" {
		if _, err := c.authority(crl, r.token.project); err != nil {
			gone = append(gone, "'"+crl+"'")
		}
	}
	if len(gone) > 0 {
		return bad("Could not retrieve certificate: [%s]", strings.Join(gone, ", "))
	}
	block, _ := pem.Decode(text)
	if block != nil {
		_, err = x509.ParseCertificate(block.Bytes)
	}
	if block == nil || err != nil {
		return invalid("The client authentication CA certificate is invalid. It must be a valid x509 PEM format certificate. Error: Unable to load PEM file. See https://cryptography.io/en/latest/faq/#why-can-t-i-import-my-pem-file for more details. MalformedFraming")
	}
	return nil
}

// BrokenReference is a listener whose certificate is not to be had any more.
type BrokenReference struct {
	LoadBalancer string `json:"loadbalancer"`
	Listener     string `json:"listener"`
	Ref          string `json:"ref"`
	Why          string `json:"why"`
}

// BrokenReferences are the references of listeners to certificates that cannot
// be read at this moment: Barbican lets go what Octavia still needs. With one,
// a real Octavia takes a change of a member, pool or monitor and never ends it.
func (c *Cloud) BrokenReferences() []BrokenReference {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []BrokenReference{}
	for _, lb := range c.state.LoadBalancers {
		out = append(out, c.brokenOf(lb)...)
	}
	slices.SortFunc(out, func(a, b BrokenReference) int { return strings.Compare(a.Listener+a.Ref, b.Listener+b.Ref) })
	return out
}

func (c *Cloud) brokenOf(lb *loadBalancer) (out []BrokenReference) {
	for _, id := range lb.Listeners {
		l := c.state.Listeners[id]
		for _, ref := range l.refs() {
			if _, err := c.certificate(ref, l.Project); err != nil {
				out = append(out, BrokenReference{lb.ID, id, ref, err.Error()})
			}
		}
	}
	return out
}

// refs are a listener's certificates, the default one first.
func (l *listener) refs() []string {
	if l.TLSRef == "" {
		return l.SNIRefs
	}
	return append([]string{l.TLSRef}, l.SNIRefs...)
}
