package listen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/rs/zerolog"
)

const (
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 10 * time.Second // for requests in flight when the service stops
	maxHeader     = 64 << 10
)

// Listener is a running HTTP server.
type Listener struct {
	addr net.Addr
	done chan struct{}
	err  error
}

// Option changes how one listener is served.
type Option func(*gate)

// Open exempts paths, such as /livez, from authentication. TLS still holds.
func Open(paths ...string) Option {
	return func(g *gate) {
		for _, p := range paths {
			g.open[p] = true
		}
	}
}

// Serve listens as c says until ctx ends, then lets requests in flight finish
// for up to 10 s. Errors of the configuration and of the address are returned
// at once and name the field.
func Serve(ctx context.Context, c Config, h http.Handler, log zerolog.Logger, opts ...Option) (*Listener, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	g, err := newGate(c, h, log)
	if err != nil {
		return nil, err
	}
	for _, o := range opts {
		o(g)
	}
	tlsConfig, err := c.tls(log)
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w: choose another port or end what holds it", c.Address, err)
	}
	// A name such as localhost is what the system's tables make of it.
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		if err := c.beyondLoopback(); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	s := &http.Server{
		Handler:           g,
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          stdlog.New(log, "", 0),
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	out := &Listener{addr: l.Addr(), done: make(chan struct{})}
	go out.run(ctx, s, l)
	log.Info().Stringer("address", l.Addr()).Bool("tls", tlsConfig != nil).Msg("listening")
	return out, nil
}

// Addr is where it listens, with the port that was chosen.
func (l *Listener) Addr() net.Addr { return l.addr }

// Wait returns when the listener has stopped: nil because ctx ended.
func (l *Listener) Wait() error {
	<-l.done
	return l.err
}

func (l *Listener) run(ctx context.Context, s *http.Server, on net.Listener) {
	defer close(l.done)
	served := make(chan error, 1)
	go func() {
		if s.TLSConfig != nil {
			served <- s.ServeTLS(on, "", "")
			return
		}
		served <- s.Serve(on)
	}()
	select {
	case err := <-served:
		l.err = fmt.Errorf("listener %s: %w", l.addr, err)
		return
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		l.err = fmt.Errorf("listener %s: requests did not finish within %s: %w", l.addr, stopTimeout, errors.Join(err, s.Close()))
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		l.err = errors.Join(l.err, err)
	}
}

// tls is nil for plain HTTP.
func (c Config) tls(log zerolog.Logger) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	last, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("cert-file %q and key-file %q: %w", c.CertFile, c.KeyFile, err)
	}
	t := &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			fresh, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			if err != nil {
				log.Warn().Err(err).Str("cert-file", c.CertFile).Msg("certificate cannot be read, the one of the start serves on")
				return &last, nil
			}
			return &fresh, nil
		},
	}
	if c.ClientCAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("client-ca-file: %w", err)
	}
	t.ClientCAs = x509.NewCertPool()
	if !t.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client-ca-file %q holds no certificate in PEM", c.ClientCAFile)
	}
	t.ClientAuth = tls.VerifyClientCertIfGiven
	return t, nil
}
