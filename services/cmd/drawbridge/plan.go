package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
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
	// Rerouted are requests that an Ingress with the other path matching would send elsewhere.
	Rerouted []string `json:"rerouted,omitempty"`
}

func planCommand() *cobra.Command {
	cfg := defaults()
	cfg.Watcher.Cluster = "plan"
	var file, folder, matching string
	var against bool
	var out output
	cmd := &cobra.Command{
		Use:   "plan -f FOLDER",
		Short: "What manifests would do, and whether policy would allow it",
		Long: "Translate the manifests of a folder, ask policy about each, and say which steps would be taken in\n" +
			"the cloud: from nothing, or with --against-cloud from what stands there. Nothing is written.\n\n" +
			"Exit status 0: everything would be exposed. 2: something would be denied or held, or has a problem.\n" +
			"1: the plan could not be made.\n\n" +
			"Of Ingresses that match paths as the octavia-ingress-controller does, the requests are named that\n" +
			"would go elsewhere if they matched as Kubernetes says; --path-matching asks so of every Ingress.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := loadSettings(&cfg, file, cmd.Flags()); err != nil {
				return err
			}
			if folder != "" {
				cfg.Watcher.Folder = folder
			}
			p, err := makePlan(cmd.Context(), cfg, against, matching)
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
	cmd.Flags().StringVar(&matching, "path-matching", "", "say which requests would go elsewhere if Ingresses matched paths so: kubernetes or raw-prefix")
	complete(cmd, "path-matching", "kubernetes", "raw-prefix")
	cmd.Flags().BoolVar(&against, "against-cloud", false, "compare with what stands in the configured cloud")
	cmd.Flags().StringVarP(&file, "config", "c", configFileFromEnv(), "configuration file (YAML)")
	addSettings(cmd.Flags(), &cfg)
	out.addTo(cmd)
	return cmd
}

func makePlan(ctx context.Context, cfg config, against bool, matching string) (planned, error) {
	if matching != "" && matching != "kubernetes" && matching != "raw-prefix" {
		return planned{}, fmt.Errorf("--path-matching %q: write kubernetes or raw-prefix", matching)
	}
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
	if err := p.reroute(cfg, t, at, matching); err != nil {
		return planned{}, err
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

// reroute says of Ingresses which requests would go elsewhere if they matched
// paths otherwise: as Kubernetes says, or as the octavia-ingress-controller does.
// Where neither is asked about, that is said of those that do it like the latter.
func (p *planned) reroute(cfg config, t watcher.Translation, at map[events.Key]int, matching string) error {
	other, err := watcher.TranslateAs(cfg.Watcher.Folder, cfg.Watcher, map[string]string{watcher.PathMatching: cmp.Or(matching, "kubernetes")})
	if err != nil {
		return err
	}
	for _, w := range t.Wishes {
		i := slices.IndexFunc(other.Wishes, func(o watcher.Wish) bool { return o.Key == w.Key })
		if w.Key.Kind != events.KindIngress || i < 0 || matching == "" && !raw(*w.Requested.Exposure) {
			continue
		}
		for _, r := range executor.Rerouted(*w.Requested.Exposure, *other.Wishes[i].Requested.Exposure) {
			x := &p.Exposures[at[w.Key]]
			x.Rerouted = append(x.Rerouted, "with "+watcher.PathMatching+": "+cmp.Or(matching, "kubernetes")+", "+r)
		}
	}
	return nil
}

// raw says whether paths are matched as the octavia-ingress-controller does.
func raw(e events.Exposure) bool {
	return slices.ContainsFunc(e.Listeners, func(l events.Listener) bool {
		return slices.ContainsFunc(l.Routes, func(r events.Route) bool { return r.PathType == events.PathRawPrefix })
	})
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
		}{{"  asks", x.Asks}, {"  because", x.Reasons}, {"  step", x.Steps}, {"  cannot", x.Problems}, {"  warning", x.Warnings}, {"  reroutes", x.Rerouted}} {
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
