package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// backend is how members of a pool are spoken to.
type backend struct {
	http      bool        // protocol HTTP: the listener inserts the client's address
	proxy     int         // version of the PROXY protocol; 0: none
	encrypted *tls.Config // nil: in the clear
}

func (c *Cloud) backend(p *pool) backend {
	b := backend{http: p.Protocol == "HTTP"}
	switch p.Protocol {
	case "PROXY":
		b.proxy = 1
	case "PROXYV2":
		b.proxy = 2
	}
	if !p.TLS {
		return b
	}
	b.encrypted = unverified.Clone()
	if text, err := c.authority(p.CARef, p.Project); err == nil {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		b.encrypted.VerifyConnection = func(s tls.ConnectionState) error { return issued(s, roots) }
	}
	if cert, err := c.certificate(p.TLSRef, p.Project); err == nil {
		b.encrypted.Certificates = []tls.Certificate{*cert}
	}
	return b
}

// issued is all that is checked of a member's certificate: that the CA issued
// it. Octavia does not compare its name.
func issued(s tls.ConnectionState, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, cert := range s.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}

// route is the client's connection, as it is told to a member.
type route struct {
	from, to netip.AddrPort
	name     string // of the client's TLS, for the member's
}

// greet sends what a member wants to hear first: the PROXY header, then TLS.
func (b backend) greet(ctx context.Context, conn net.Conn, r route, within time.Duration) (net.Conn, error) {
	if b.proxy > 0 {
		if _, err := conn.Write(proxyHeader(b.proxy, r)); err != nil {
			return nil, errors.Join(fmt.Errorf("PROXY header: %w", err), conn.Close())
		}
	}
	if b.encrypted == nil {
		return conn, nil
	}
	cfg := b.encrypted.Clone()
	cfg.ServerName = r.name
	ctx, done := context.WithTimeout(ctx, within)
	defer done()
	out := tls.Client(conn, cfg)
	if err := out.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS to the member: %w", err), conn.Close())
	}
	return out, nil
}

// proxySignature begins a header of version 2.
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// proxyHeader is the PROXY protocol's header of a version, as HAProxy's
// send-proxy writes it. Without addresses it is that of a health check.
func proxyHeader(version int, r route) []byte {
	known := r.from.IsValid() && r.to.IsValid() && r.from.Addr().Is4() == r.to.Addr().Is4()
	if version == 1 {
		if !known {
			return []byte("PROXY UNKNOWN\r\n")
		}
		family := "TCP4"
		if r.from.Addr().Is6() {
			family = "TCP6"
		}
		return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, r.from.Addr(), r.to.Addr(), r.from.Port(), r.to.Port())
	}
	out := []byte(proxySignature)
	if !known {
		return append(out, 0x20, 0, 0, 0) // LOCAL, unspecified, nothing more
	}
	family := byte(0x11) // TCP over IPv4
	if r.from.Addr().Is6() {
		family = 0x21
	}
	from, to := r.from.Addr().AsSlice(), r.to.Addr().AsSlice()
	length := 2*len(from) + 4
	out = append(out, 0x21, family, byte(length>>8), byte(length))
	out = append(append(out, from...), to...)
	return append(out, byte(r.from.Port()>>8), byte(r.from.Port()), byte(r.to.Port()>>8), byte(r.to.Port()))
}
