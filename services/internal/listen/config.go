// Package listen is the one rule by which services listen: plain HTTP on
// loopback only. Beyond loopback the listener speaks TLS, and every request
// proves who it is, by a client certificate or a bearer token.
package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Config says where to listen and what protects it. Secrets are in files,
// which are read again for every connection and request: what rotates them
// need not restart the service.
type Config struct {
	Address      string `yaml:"address"`        // host:port; an empty host is every interface, port 0 a free one
	CertFile     string `yaml:"cert-file"`      // PEM of the server, with KeyFile: TLS
	KeyFile      string `yaml:"key-file"`       // PEM, with CertFile
	ClientCAFile string `yaml:"client-ca-file"` // PEM: client certificates of these authorities are let in; read at start
	TokenFile    string `yaml:"token-file"`     // a bearer token that is let in, at least 16 bytes
}

// Validate names the field that is wrong. It reads no file.
func (c Config) Validate() error {
	host, _, err := net.SplitHostPort(c.Address)
	switch {
	case err != nil:
		return fmt.Errorf("address %q: want host:port: %w", c.Address, err)
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("cert-file and key-file must be set together")
	case c.ClientCAFile != "" && c.CertFile == "":
		return errors.New("client-ca-file: client certificates need TLS: set cert-file and key-file")
	case isLoopback(host):
		return nil
	}
	return c.beyondLoopback()
}

// beyondLoopback says what is missing on an address that others can reach.
func (c Config) beyondLoopback() error {
	switch {
	case c.CertFile == "":
		return fmt.Errorf("address %q is not loopback: set cert-file and key-file, or listen on 127.0.0.1", c.Address)
	case c.ClientCAFile == "" && c.TokenFile == "":
		return fmt.Errorf("address %q is not loopback: set client-ca-file or token-file, or everyone could read", c.Address)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
