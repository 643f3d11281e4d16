// Command drawbridge exposes services of a fleet of Kubernetes clusters through
// OpenStack Octavia load balancers: the services, the command line and a demo in one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal ends in order, a second one at once
	status := exitStatus(rootCommand().ExecuteContext(ctx), os.Stderr)
	stop()
	os.Exit(status)
}

// exitStatus is the exit status of a command that ended with err, which is told
// to people unless the command did.
func exitStatus(err error, stderr io.Writer) int {
	var status statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	}
	fmt.Fprintln(stderr, "drawbridge:", err)
	return 1
}

// statusError is an error that has been told already and only sets the exit status.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "drawbridge",
		Short:         "Exposes services of a fleet of Kubernetes clusters through OpenStack Octavia",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(demoCommand(), runCommand(), planCommand(), adoptCommand(), getCommand(), historyCommand(), showCommand(), versionCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say what this binary was built from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return errors.New("the binary holds no build information")
			}
			fmt.Fprintf(cmd.OutOrStdout(), "drawbridge %s, %s, %s/%s\n", info.Main.Version, info.GoVersion, runtime.GOOS, runtime.GOARCH)
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" || s.Key == "vcs.time" || s.Key == "vcs.modified" {
					fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", s.Key, s.Value)
				}
			}
			return nil
		},
	}
}
