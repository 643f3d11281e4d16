package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/internal/bus"
)

// adopted is the answer of adopt.
type adopted struct {
	Applied       bool                `json:"applied"`
	LoadBalancers []executor.Adoption `json:"loadBalancers"`
}

func adoptCommand() *cobra.Command {
	cfg := defaults()
	var file string
	var apply bool
	dry := true
	var out output
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Take over load balancers of octavia-ingress-controller and openstack-cloud-controller-manager",
		Long: "Find the load balancers that the octavia-ingress-controller and the openstack-cloud-controller-manager\n" +
			"have made for objects whose exposure is approved, and say which steps would remain if they were ours.\n" +
			"With --apply each is made ours: it gets our tags, and its floating IP our description, and nothing\n" +
			"else is written. A running executor then goes on with it, and keeps its addresses.\n\n" +
			"Take the objects away from the other controller first, or stop it: two would change the same things.\n\n" +
			"Exit status 0: nothing stands in the way. 2: something is not adopted, or has a problem.\n" +
			"1: it could not be found out.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := loadSettings(&cfg, file, cmd.Flags()); err != nil {
				return err
			}
			if cmd.Flags().Changed("dry-run") && cmd.Flags().Changed("apply") && apply == dry {
				return errors.New("--apply and --dry-run say opposite things: write one of them")
			}
			a, err := adoptAll(cmd.Context(), cfg, apply || !dry)
			if err == nil || len(a.LoadBalancers) > 0 { // what was written is said, also where something failed after it
				err = errors.Join(err, out.write(cmd.OutOrStdout(), a, a.print))
			}
			if err == nil && a.refused() {
				return errRefused
			}
			return err
		},
	}
	cloudFlags(cmd, &file, &cfg, "nats.")
	cmd.Flags().BoolVar(&apply, "apply", false, "write the tags and the descriptions")
	cmd.Flags().BoolVar(&dry, "dry-run", true, "write nothing")
	out.addTo(cmd)
	return cmd
}

func adoptAll(ctx context.Context, cfg config, apply bool) (adopted, error) {
	a := adopted{Applied: apply, LoadBalancers: []executor.Adoption{}}
	at := cfg.NATS.Config
	switch {
	case at.URL == "" && cfg.NATS.Listen == "":
		return a, errors.New("nats.url: name the NATS server that knows the decisions; of a process that runs its own, set nats.listen there and here")
	case at.URL == "":
		at.URL = "nats://" + cfg.NATS.Listen
	}
	b, err := bus.Connect(ctx, at, zerolog.Nop())
	if err != nil {
		return a, err
	}
	defer b.Close()
	found, err := executor.Adopt(ctx, cfg.Executor, b, apply)
	a.LoadBalancers = append(a.LoadBalancers, found...)
	return a, err
}

func (a adopted) refused() bool {
	for _, x := range a.LoadBalancers {
		if len(x.Problems) > 0 {
			return true
		}
	}
	return false
}

func (a adopted) print(w io.Writer) error {
	if len(a.LoadBalancers) == 0 {
		fmt.Fprintln(w, "no load balancer of another controller stands that is not ours yet")
		return nil
	}
	todo := 0
	for _, x := range a.LoadBalancers {
		if x.Key == "" {
			fmt.Fprintf(w, "%s (%s)\n", oneLine(x.Name), x.ID)
		} else {
			fmt.Fprintf(w, "%s (%s) for %s\n", oneLine(x.Name), x.ID, oneLine(x.Key))
		}
		for _, part := range []struct {
			mark  string
			lines []string
		}{{"  cannot", x.Problems}, {"  remains", x.Steps}, {"  hint", x.Hints}, {"  warning", x.Warnings}, {"  written", x.Written}} {
			for _, l := range part.lines {
				fmt.Fprintf(w, "%-10s %s\n", part.mark, oneLine(l))
			}
		}
		if len(x.Problems) == 0 {
			todo++
			if len(x.Steps) == 0 {
				fmt.Fprintln(w, "  remains   nothing: it is what is wished")
			}
		}
	}
	if !a.Applied && todo > 0 {
		fmt.Fprintf(w, "\nnothing is written; --apply adopts %d\n", todo)
	}
	return nil
}
