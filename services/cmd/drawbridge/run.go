package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"drawbridge.dev/services/auditor"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/listen"
	"drawbridge.dev/services/policy"
	"drawbridge.dev/services/watcher"
)

func runCommand() *cobra.Command {
	cfg := defaults()
	var file, target string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the services, all of them or some",
		Long: "Run the services, all of them or some, until interrupted.\n\n" +
			"Every setting stands in one YAML file and can be overridden by its environment variable\n" +
			"and that by its flag. Secrets are named by file only.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			run, err := parseTargets(target)
			if err != nil {
				return err
			}
			if err := loadSettings(&cfg, file, cmd.Flags()); err != nil {
				return err
			}
			if err := cfg.makeData(run); err != nil {
				return err
			}
			full, err := cfg.complete(run)
			if err != nil {
				return err
			}
			log, err := newLogger(full.Log, os.Stderr)
			if err != nil {
				return err
			}
			return runServices(cmd.Context(), full, run, log, nil)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", configFileFromEnv(), "configuration file (YAML)")
	cmd.Flags().StringVar(&target, "target", "all", "all, or a comma-separated choice of watcher, policy, executor, auditor")
	complete(cmd, "target", append([]string{"all"}, targets...)...)
	addSettings(cmd.Flags(), &cfg)
	return cmd
}

// runServices connects to the bus, embedded when no URL is configured, and
// runs the chosen services beside each other until ctx ends or one fails. It is
// the same for one service and for all: no service knows what runs beside it.
// beside, if given, runs beside the services and is given the bus.
func runServices(ctx context.Context, cfg config, run []string, log zerolog.Logger, beside func(context.Context, *bus.Bus) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	b, closeBus, err := openBus(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer closeBus()
	if slices.Contains(run, "auditor") {
		s := bus.Streams{MaxAge: cfg.Streams.MaxAge, MaxBytes: int64(cfg.Streams.MaxBytes), Replicas: cfg.Streams.Replicas,
			LazyState: cfg.NATS.URL == ""} // an embedded server has no replicas
		if err := b.EnsureStreams(ctx, s); err != nil {
			return fmt.Errorf("streams with max-size %d bytes, max-age %s, replicas %d: %w", s.MaxBytes, s.MaxAge, s.Replicas, err)
		}
	}
	ready := newReadiness(run)
	group, ctx := errgroup.WithContext(ctx)
	ops, err := listen.Serve(ctx, cfg.Ops, opsHandler(ctx, ready, b.Ready, reg), log.With().Str("service", "ops").Logger(), listen.Open("/livez", "/readyz"))
	if err != nil {
		return fmt.Errorf("ops listener: %w", err)
	}
	group.Go(ops.Wait)
	if beside != nil {
		group.Go(func() error { return beside(ctx, b) })
	}
	for _, name := range run {
		group.Go(func() error {
			if err := startService(ctx, name, cfg, b, log, reg, ready.reporter(name)); err != nil && !errors.Is(err, context.Canceled) {
				return named(name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func startService(ctx context.Context, name string, cfg config, b *bus.Bus, log zerolog.Logger, reg prometheus.Registerer, report func(error)) error {
	switch name {
	case "watcher":
		return watcher.Run(ctx, cfg.Watcher, b, log, reg, report)
	case "policy":
		return policy.Run(ctx, cfg.Policy, b, log, reg, report)
	case "executor":
		return executor.Run(ctx, cfg.Executor, b, log, reg, report)
	case "auditor":
		return auditor.Run(ctx, cfg.Auditor, b, log, reg, report)
	}
	return fmt.Errorf("no service is called %q", name)
}

// openBus connects to the NATS server that is configured, or to one that it
// starts inside the process. The returned function closes both in order.
func openBus(ctx context.Context, cfg config, log zerolog.Logger) (*bus.Bus, func(), error) {
	log = log.With().Str("service", "bus").Logger()
	if cfg.NATS.URL != "" {
		b, err := bus.Connect(ctx, cfg.NATS.Config, log)
		if err != nil {
			return nil, nil, err
		}
		return b, b.Close, nil
	}
	s, err := startNATS(cfg.NATS, cfg.Data, log)
	if err != nil {
		return nil, nil, err
	}
	closeServer := func() {
		s.Shutdown()
		s.WaitForShutdown()
	}
	c := cfg.NATS.Config
	c.InProcess = s
	b, err := bus.Connect(ctx, c, log)
	if err != nil {
		closeServer()
		return nil, nil, err
	}
	return b, func() { b.Close(); closeServer() }, nil
}
