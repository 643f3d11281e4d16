package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrConflict: the subject has a newer message than the one that was expected.
	ErrConflict = errors.New("another writer was first: read the last record of the subject and decide again")
	// ErrTooLarge: the event does not fit into one message of the server.
	ErrTooLarge = errors.New("event is too large for the bus")
	// ErrStorage: the server has no room, on disk or within its limits, for another message.
	ErrStorage = errors.New("the bus cannot store: free disk space or raise the JetStream limits of the NATS server")
	// ErrLeaseLost: the lease is held by another, was released, or could not be proven in time.
	ErrLeaseLost = errors.New("lease lost")
)

// Config says how to reach the NATS server.
type Config struct {
	URL             string `yaml:"url"`              // nats://, tls:// or ws://; several are separated by commas
	CredentialsFile string `yaml:"credentials-file"` // NATS .creds file; empty: no authentication
	CAFile          string `yaml:"ca-file"`          // PEM; empty: the system's roots
	CertFile        string `yaml:"cert-file"`        // PEM of the client, with KeyFile
	KeyFile         string `yaml:"key-file"`         // PEM of the client, with CertFile
	Name            string `yaml:"name"`             // of the connection, seen in the server's monitoring

	InProcess InProcess `yaml:"-"` // an embedded server; URL is not used then
}

// InProcess is a NATS server in this process (*server.Server implements it).
type InProcess interface {
	InProcessConn() (net.Conn, error)
}

// Validate names the field that is wrong.
func (c Config) Validate() error {
	switch {
	case c.URL == "" && c.InProcess == nil:
		return errors.New("bus: url is empty: set it to the NATS server, for example nats://127.0.0.1:4222")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("bus: cert-file and key-file must be set together")
	case strings.Contains(c.URL, "@"):
		return errors.New("bus: url holds a user, a password or a token, which would be told to logs: name a credentials-file instead")
	}
	return nil
}

// Bus is one connection to the fleet's streams. It is safe for concurrent use.
type Bus struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	log zerolog.Logger

	mu       sync.Mutex
	restored chan struct{} // closed at the next reconnect
	unstored error         // why the last write was not stored; nil: it was
	tried    time.Time     // when that was
}

const (
	connectTimeout = 5 * time.Second
	requestTimeout = 5 * time.Second
	readyTimeout   = time.Second
	unstoredAge    = 5 * time.Minute // after which a failed write that nobody repeats says nothing any more
	reconnectWait  = 250 * time.Millisecond
	reconnectMax   = 5 * time.Second
)

// Connect reaches the server and its JetStream. It fails at once if it cannot;
// afterwards a lost connection is restored in the background for ever.
func Connect(ctx context.Context, c Config, log zerolog.Logger) (*Bus, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := &Bus{log: log.With().Str("component", "bus").Logger(), restored: make(chan struct{})}
	where := c.URL
	if c.InProcess != nil {
		where = "embedded server"
	}
	nc, err := nats.Connect(c.URL, b.options(c)...)
	if err != nil {
		return nil, fmt.Errorf("bus: connect to %s: %w: check url, credentials-file and ca-file, and that the server runs", where, err)
	}
	b.nc = nc
	if b.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout)); err != nil {
		nc.Close()
		return nil, fmt.Errorf("bus: %s: %w", where, err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, err := b.js.AccountInfo(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("bus: JetStream of %s does not answer: %w: enable JetStream for this account", where, err)
	}
	return b, nil
}

func (b *Bus) options(c Config) []nats.Option {
	opts := []nats.Option{
		nats.Name(c.Name),
		nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(reconnectDelay),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn().Err(err).Msg("connection lost, reconnecting")
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			b.log.Info().Str("server", nc.ConnectedUrlRedacted()).Msg("reconnected")
			b.mu.Lock()
			defer b.mu.Unlock()
			close(b.restored)
			b.restored = make(chan struct{})
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn().Err(err).Msg("asynchronous error of the connection")
		}),
	}
	if c.InProcess != nil {
		opts = append(opts, nats.InProcessServer(c.InProcess))
	}
	if c.CredentialsFile != "" {
		opts = append(opts, nats.UserCredentials(c.CredentialsFile))
	}
	if c.CAFile != "" {
		opts = append(opts, nats.RootCAs(c.CAFile))
	}
	if c.CertFile != "" {
		opts = append(opts, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	return opts
}

// reconnectDelay doubles up to reconnectMax, with jitter so that a fleet does
// not come back in one instant.
func reconnectDelay(attempts int) time.Duration {
	return jitter(backoff(attempts, reconnectWait, reconnectMax))
}

// reconnects is closed when the connection is restored the next time.
func (b *Bus) reconnects() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.restored
}

// Close ends the connection. Watch, Consume and leases of this bus end with an error.
func (b *Bus) Close() { b.nc.Close() }

// wrote remembers whether the server stored what it was given.
func (b *Bus) wrote(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unstored, b.tried = err, time.Now()
}

// Ready is nil while the server is connected, both streams answer, and the last
// write was stored: a server whose disk is full still answers what is read.
func (b *Bus) Ready() error {
	if !b.nc.IsConnected() {
		return fmt.Errorf("bus: connection is %s, reconnecting", b.nc.Status())
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	for _, name := range []string{HistoryStream, StateStream} {
		if _, err := b.js.Stream(ctx, name); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("%w: %s", err, b.silence())
			}
			return fmt.Errorf("bus: stream %s does not answer: %w", name, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unstored != nil && time.Since(b.tried) < unstoredAge {
		return fmt.Errorf("bus: the server does not store what is published: %w: check its disk, its JetStream limits and its log", b.unstored)
	}
	return nil
}
