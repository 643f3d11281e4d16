// Package auditor keeps every event of HISTORY and answers questions about
// them over HTTP.
//
// It reads HISTORY in order and keeps a batch on disk before the bus may forget
// that it owes it: a kill at any moment costs at most a batch that comes again.
// What HISTORY lost before it was read is known by the sequence, is a row that
// every answer shows, a metric and a line in the log. What is no event is a row
// too. While the disk refuses, the service is not ready and nothing is
// acknowledged; it goes on by itself when the disk has room.
package auditor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"drawbridge.dev/services/auditor/history"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/listen"
)

// DefaultAddress is where the HTTP API listens unless the configuration says otherwise.
const DefaultAddress = "127.0.0.1:8087"

// Config of the auditor.
type Config struct {
	Database string        `yaml:"database"` // SQLite file of the history; its folder is made
	Listen   listen.Config `yaml:"listen"`   // of the HTTP API
}

// Defaults returns c with what is not set filled in.
func (c Config) Defaults() Config {
	if c.Listen.Address == "" {
		c.Listen.Address = DefaultAddress
	}
	return c
}

// Validate names every field that is wrong.
func (c Config) Validate() error {
	var errs []error
	if c.Database == "" {
		errs = append(errs, errors.New("database is empty: name the file of the history"))
	}
	if err := c.Listen.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("listen: %w", err))
	}
	return errors.Join(errs...)
}

// Run keeps events and serves the API until ctx ends; then the batch at hand is
// kept or given back, requests in flight are answered, and Run returns nil.
// report(nil) says that events are kept, report(err) why they are not.
func Run(ctx context.Context, cfg Config, b *bus.Bus, log zerolog.Logger, reg prometheus.Registerer, report func(error)) (err error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("auditor: %w", err)
	}
	log = log.With().Str("service", "auditor").Logger()
	store, err := history.Open(ctx, cfg.Database)
	if err != nil {
		return fmt.Errorf("auditor: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api, err := listen.Serve(ctx, cfg.Listen, newAPI(store, log, time.Now), log)
	if err != nil {
		return fmt.Errorf("auditor: listen: %w", err)
	}
	k := &keeper{store: store, bus: b, log: log, metrics: newMetrics(reg), report: report, now: time.Now}
	kept := make(chan error, 1)
	go func() {
		defer cancel()
		kept <- k.run(ctx)
	}()
	served := api.Wait() // returns when ctx ends
	cancel()
	if err := errors.Join(<-kept, served); err != nil {
		return fmt.Errorf("auditor: %w", err)
	}
	return nil
}
