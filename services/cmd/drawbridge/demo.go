package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"drawbridge.dev/services/auditor"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/sandbox"
	"drawbridge.dev/services/watcher"
)

//go:embed demo/cluster
var sampleCluster embed.FS

func demoCommand() *cobra.Command {
	var dir string
	var pending time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole pipeline in one process, with a sample cluster and a sandbox cloud",
		Long: "Run the whole pipeline in one process: embedded NATS JetStream, OPA, SQLite history, a folder of\n" +
			"manifests as the cluster and a cloud on loopback that carries real traffic. Everything is kept in one\n" +
			"folder, so that the next start finds what stands and does nothing. Edit or delete a manifest and\n" +
			"watch the change travel; Ctrl-C stops it.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), cmd.OutOrStdout(), dir, pending)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "drawbridge-demo", "folder that keeps everything")
	cmd.Flags().DurationVar(&pending, "pending", time.Second, "how long the sandbox cloud takes for a change")
	return cmd
}

func runDemo(ctx context.Context, out io.Writer, dir string, pending time.Duration) (err error) {
	closing := func(c io.Closer) { err = errors.Join(err, c.Close()) }
	manifests := filepath.Join(dir, "cluster")
	if err := unpackSample(manifests); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	logFile, err := os.OpenFile(filepath.Join(dir, "drawbridge.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer closing(logFile)

	cloudsFile := filepath.Join(dir, "clouds.yaml")
	cfg := demoConfig(ctx, dir, manifests, cloudsFile)
	expected, err := watcher.Translate(manifests, cfg.Watcher)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	nodes := sandbox.NewNodes()
	defer closing(nodes)
	// The nodes answer before the load balancers of an earlier run look whether they do.
	if err := nodes.Set(nodePorts(expected.Wishes)); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	cloud, err := sandbox.Start(ctx, sandbox.Config{Pending: pending, DataPlane: true, Nodes: nodes, StateFile: filepath.Join(dir, "cloud.json")})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer closing(cloud)
	if err := os.WriteFile(cloudsFile, cloud.CloudsYAML(), 0o600); err != nil {
		return fmt.Errorf("demo: %w", err)
	}

	full, err := cfg.complete(targets)
	if err != nil {
		return err
	}
	log, err := newLogger(logConfig{Level: "info", Format: "json"}, logFile)
	if err != nil {
		return err
	}
	screen := newScreen(out, dir, full, cloud, nodes, expected)
	screen.welcome()
	err = runServices(ctx, full, targets, log, func(ctx context.Context, b *bus.Bus) error {
		return b.Watch(ctx, nil, bus.Watcher{Row: screen.row, Synced: screen.synced})
	})
	if err != nil && ctx.Err() == nil {
		return err
	}
	fmt.Fprintln(out, "\nstopped; start again and it finds everything as it stands")
	return nil
}

func demoConfig(ctx context.Context, dir, manifests, cloudsFile string) config {
	cfg := defaults()
	cfg.Data = filepath.Join(dir, "data")
	cfg.Streams.MaxBytes = 64 << 20 // a full disk shall not keep a newcomer out
	cfg.Ops.Address = freeAddress(ctx, cfg.Ops.Address)
	cfg.Auditor.Listen.Address = freeAddress(ctx, auditor.DefaultAddress)
	cfg.Watcher.Cluster, cfg.Watcher.Folder = "demo", manifests
	cfg.Executor.CloudsFile, cfg.Executor.OpenStackCloud = cloudsFile, "sandbox"
	cfg.Executor.VIPSubnet, cfg.Executor.FloatingNetwork, cfg.Executor.Flavor = sandbox.SubnetName, sandbox.ExternalName, "ha"
	cfg.Executor.DriftInterval = 30 * time.Second
	cfg.Executor.LeaseTTL = 5 * time.Second // after a kill the next start waits for it
	return cfg
}

// freeAddress is the wanted address, or one with a free port if that is taken.
func freeAddress(ctx context.Context, wanted string) string {
	for _, a := range []string{wanted, "127.0.0.1:0"} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a)
		if err != nil {
			continue
		}
		free := l.Addr().String()
		if l.Close() == nil {
			return free
		}
	}
	return wanted
}

// unpackSample writes the sample cluster, unless the folder is there already.
func unpackSample(to string) error {
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	sample, err := fs.Sub(sampleCluster, "demo/cluster")
	if err != nil {
		return err
	}
	if err := os.CopyFS(to, sample); err != nil {
		return err
	}
	return sampleCertificate(filepath.Dir(to), to)
}
