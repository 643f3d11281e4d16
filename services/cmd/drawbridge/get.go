package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"drawbridge.dev/services/auditor"
	"drawbridge.dev/services/executor"
)

func getCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "get", Short: "What stands: exposures or load balancers"}
	cmd.AddCommand(getExposuresCommand(), getLoadBalancersCommand())
	return cmd
}

func getExposuresCommand() *cobra.Command {
	var at auditorFlags
	var out output
	cmd := &cobra.Command{
		Use:   "exposures",
		Short: "Every exposure of the fleet: verdict, state and addresses, as the auditor knows them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := at.client()
			if err != nil {
				return err
			}
			list, err := c.Exposures(cmd.Context())
			if err != nil {
				return err
			}
			return out.write(cmd.OutOrStdout(), list, func(w io.Writer) error { return exposuresTable(w, list) })
		},
	}
	at.addTo(cmd)
	out.addTo(cmd)
	return cmd
}

func exposuresTable(w io.Writer, list []auditor.Exposure) error {
	var lines [][]string
	for _, x := range list {
		s := standingFrom(x)
		verdict, state, detail := s.state()
		lines = append(lines, []string{x.Cloud, x.Key().String(), verdict, state, strings.Join(s.addresses(), " "), detail})
	}
	return rows(w, []string{"CLOUD", "EXPOSURE", "VERDICT", "STATE", "ADDRESS", "DETAIL"}, lines)
}

func getLoadBalancersCommand() *cobra.Command {
	cfg := defaults()
	var file string
	var out output
	cmd := &cobra.Command{
		Use:   "loadbalancers",
		Short: "Every load balancer of the fleet, as it stands in the cloud",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := loadSettings(&cfg, file, cmd.Flags()); err != nil {
				return err
			}
			list, err := executor.LoadBalancers(cmd.Context(), cfg.Executor)
			if err != nil {
				return err
			}
			return out.write(cmd.OutOrStdout(), list, func(w io.Writer) error {
				var lines [][]string
				for _, lb := range list {
					lines = append(lines, []string{lb.Key, lb.Name, lb.ID, lb.Status, lb.VIP, lb.FloatingIP})
				}
				return rows(w, []string{"EXPOSURE", "NAME", "ID", "STATUS", "VIP", "FLOATING IP"}, lines)
			})
		},
	}
	cloudFlags(cmd, &file, &cfg)
	out.addTo(cmd)
	return cmd
}

// cloudFlags add the flags of commands that look at a cloud, and those of more sections.
func cloudFlags(cmd *cobra.Command, file *string, cfg *config, more ...string) {
	cmd.Flags().StringVarP(file, "config", "c", configFileFromEnv(), "configuration file (YAML)")
	for _, s := range settingsOf(cfg) {
		if slices.ContainsFunc(append(more, "executor."), func(section string) bool { return strings.HasPrefix(s.name, section) }) {
			cmd.Flags().Var(&flagValue{setting: s}, s.name, fmt.Sprintf("also %s", s.env()))
		}
	}
}
