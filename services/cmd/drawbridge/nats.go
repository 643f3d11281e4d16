package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"
)

// startNATS runs a NATS server with JetStream on disk inside this process.
// Every message is on disk before it is acknowledged, unless c.Relaxed.
func startNATS(c natsConfig, data string, log zerolog.Logger) (*server.Server, error) {
	o := &server.Options{
		ServerName: "drawbridge", DontListen: true, NoSigs: true, JetStream: true,
		StoreDir: filepath.Join(data, "nats"), SyncAlways: !c.Relaxed,
		JetStreamMaxStore: int64(c.MaxStore), MaxPayload: 8 << 20,
	}
	if c.Listen != "" {
		host, port, err := loopback(c.Listen)
		if err != nil {
			return nil, fmt.Errorf("nats.listen: %w", err)
		}
		o.DontListen, o.Host, o.Port = false, host, port
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	s.SetLoggerV2(natsLog{log.With().Str("service", "nats").Logger()}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		s.Shutdown()
		return nil, fmt.Errorf("embedded NATS is not ready after 30 s: is another process using %s?", o.StoreDir)
	}
	return s, nil
}

// loopback splits host:port and refuses what others could reach: the embedded
// server asks for no credentials.
func loopback(address string) (string, int, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q: %w", address, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return "", 0, fmt.Errorf("%q: port %q is not in 1-65535", address, port)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", 0, fmt.Errorf("%q is no loopback address: the embedded server asks for no credentials; run a NATS server with TLS and accounts and set nats.url", address)
	}
	return host, n, nil
}

// natsLog passes on what the embedded server says, when it matters.
type natsLog struct{ zerolog.Logger }

func (l natsLog) Noticef(f string, v ...any) { l.Debug().Msgf(f, v...) }
func (l natsLog) Warnf(f string, v ...any)   { l.Warn().Msgf(f, v...) }
func (l natsLog) Errorf(f string, v ...any)  { l.Error().Msgf(f, v...) }
func (l natsLog) Fatalf(f string, v ...any)  { l.Error().Err(errors.New("fatal")).Msgf(f, v...) }
func (l natsLog) Debugf(f string, v ...any)  { l.Trace().Msgf(f, v...) }
func (l natsLog) Tracef(f string, v ...any)  { l.Trace().Msgf(f, v...) }
