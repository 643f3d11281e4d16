package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/policy"
	"drawbridge.dev/services/watcher"
)

// errRefused is the exit status of plan when something would not be exposed as it asks.
const errRefused = statusError(2)

// planned is the answer of plan.
type planned struct {
	Exposures []plannedExposure `json:"exposures"`
	Problems  []string          `json:"problems,omitempty"` // of files and objects
}

type plannedExposure struct {
	Key      events.Key     `json:"key"`
	Where    string         `json:"where"` // file:line
	Asks     []string       `json:"asks"`
	Verdict  events.Verdict `json:"verdict"`
	Reasons  []string       `json:"reasons,omitempty"`
	Rules    []string       `json:"rules,omitempty"`
	Steps    []string       `json:"steps,omitempty"`
	Problems []string       `json:"problems,omitempty"` // why the executor could not do it
	Warnings []string       `json:"warnings,omitempty"`
}

func planCommand() *cobra.Command {
	cfg := defaults()
	cfg.Watcher.Cluster = "plan"
	var file, folder string
	var against bool
	var out output
	cmd := &cobra.Command{
		Use:   "plan -f FOLDER",
		Short: "What manifests would do, and whether policy would allow it",
		Long: "Translate the manifests of a folder, ask policy about each, and say which steps would be taken in\n" +
			"the cloud: from nothing, or with --against-cloud from what stands there. Nothing is written.\n\n" +
			"Exit status 0: everything would be exposed. 2: something would be denied or held, or has a problem.\n" +
			"1: the plan could not be made.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := loadSettings(&cfg, file, cmd.Flags()); err != nil {
				return err
			}
			if folder != "" {
				cfg.Watcher.Folder = folder
			}
			p, err := makePlan(cmd.Context(), cfg, against)
			if err != nil {
				return err
			}
			if err := out.write(cmd.OutOrStdout(), p, p.print); err != nil {
				return err
			}
			if p.refused() {
				return errRefused
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&folder, "folder", "f", "", "folder of manifests")
	cmd.Flags().BoolVar(&against, "against-cloud", false, "compare with what stands in the configured cloud")
	cmd.Flags().StringVarP(&file, "config", "c", configFileFromEnv(), "configuration file (YAML)")
	addSettings(cmd.Flags(), &cfg)
	out.addTo(cmd)
	return cmd
}

func makePlan(ctx context.Context, cfg config, against bool) (planned, error) {
	if cfg.Watcher.Folder == "" {
		return planned{}, fmt.Errorf("name the folder of manifests with -f")
	}
	if _, err := os.Stat(cfg.Watcher.Folder); err != nil {
		return planned{}, fmt.Errorf("-f: %w", err)
	}
	cfg.Watcher.Kubeconfig = ""
	t, err := watcher.Translate(cfg.Watcher.Folder, cfg.Watcher)
	if err != nil {
		return planned{}, err
	}
	engine, err := policy.NewEngine(ctx, cfg.Policy)
	if err != nil {
		return planned{}, err
	}
	p := planned{Exposures: []plannedExposure{}}
	for _, problem := range t.Problems {
		p.Problems = append(p.Problems, problem.String())
	}
	approved := []events.Exposure{}
	inventory := policy.NewInventory()
	at := map[events.Key]int{}
	for i, w := range t.Wishes {
		d := engine.Decide(ctx, policy.Question{
			Key: w.Key, Cloud: w.Cloud, Wish: w.Requested, Labels: cfg.Policy.Clusters[w.Key.Cluster].Labels,
			Holdings: inventory.For(w.Cloud, w.Key), Time: time.Now(),
		})
		if d.Verdict == events.Approved && d.Exposure != nil {
			inventory.Hold(w.Cloud, w.Key, d.Exposure, uint64(i+1))
			approved = append(approved, *d.Exposure)
		}
		at[w.Key] = len(p.Exposures)
		p.Exposures = append(p.Exposures, plannedExposure{Key: w.Key, Where: w.Where, Asks: exposureLines(*w.Requested.Exposure),
			Verdict: d.Verdict, Reasons: append(d.Reasons, d.Obligations...), Rules: d.Rules})
	}
	plans, err := executor.Plan(ctx, cfg.Executor, approved, against)
	if err != nil {
		return planned{}, err
	}
	for _, x := range plans {
		e := &p.Exposures[at[x.Key]]
		e.Steps, e.Problems, e.Warnings = x.Steps, x.Problems, x.Warnings
	}
	return p, nil
}

func (p planned) refused() bool {
	for _, x := range p.Exposures {
		if x.Verdict != events.Approved || len(x.Problems) > 0 {
			return true
		}
	}
	return len(p.Problems) > 0
}

func (p planned) print(w io.Writer) error {
	if len(p.Exposures) == 0 {
		fmt.Fprintln(w, "nothing asks for exposure")
	}
	for _, x := range p.Exposures {
		fmt.Fprintf(w, "%s %s/%s (%s): %s\n", x.Key.Kind, oneLine(x.Key.Namespace), oneLine(x.Key.Name), oneLine(x.Where), strings.ToUpper(string(x.Verdict)))
		for _, part := range []struct {
			mark  string
			lines []string
		}{{"  asks", x.Asks}, {"  because", x.Reasons}, {"  step", x.Steps}, {"  cannot", x.Problems}, {"  warning", x.Warnings}} {
			for _, l := range part.lines {
				fmt.Fprintf(w, "%-10s %s\n", part.mark, oneLine(l))
			}
		}
	}
	if len(p.Problems) > 0 {
		fmt.Fprintln(w, "\nproblems:")
	}
	for _, l := range p.Problems {
		fmt.Fprintln(w, "  "+oneLine(l))
	}
	return nil
}
