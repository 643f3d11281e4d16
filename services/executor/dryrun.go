package executor

import (
	"context"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
)

// Planned is what would be done for one exposure.
type Planned struct {
	Key      events.Key `json:"key"`
	Steps    []string   `json:"steps"`              // none: nothing is to be done
	Problems []string   `json:"problems,omitempty"` // why it would not be done
	Warnings []string   `json:"warnings,omitempty"`
}

// newestAPI is what a dry run without a cloud takes for its Octavia API 2.x.
const newestAPI = 30

// Plan says what would be done for the exposures: against what stands in the
// cloud if one is given, else as if nothing stood. It writes nothing, and needs
// no trusted keys.
func Plan(ctx context.Context, cfg Config, exposures []events.Exposure, cloud bool) ([]Planned, error) {
	cfg = cfg.Defaults()
	var client *octavia.Client
	p := &placement{cfg: cfg, minor: newestAPI}
	if cloud {
		var err error
		if client, err = octavia.Connect(ctx, cfg.octavia()); err != nil {
			return nil, err
		}
		p.client, p.minor = client, client.APIMinor()
		if err := p.load(ctx); err != nil {
			return nil, err
		}
	}
	out := make([]Planned, 0, len(exposures))
	for _, e := range exposures {
		x, err := planOne(ctx, cfg, client, p, e)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func planOne(ctx context.Context, cfg Config, client *octavia.Client, p *placement, e events.Exposure) (Planned, error) {
	out := Planned{Key: e.Key, Steps: []string{}}
	owner := loadbalancer.Owner{Fleet: cfg.Fleet, Key: e.Key}
	at := p.resolve([]events.Exposure{e})
	if client == nil { // nowhere is anywhere
		at.flavor, at.vip, at.floating = nil, nil, nil
	}
	desired, conflicts := compose.LoadBalancer(owner, []events.Exposure{e}, at.Defaults)
	for _, c := range conflicts {
		if text := c.Field + ": " + c.Message; c.Fatal {
			out.Problems = append(out.Problems, text)
		} else {
			out.Warnings = append(out.Warnings, text)
		}
	}
	if len(out.Problems) > 0 {
		return out, nil
	}
	observed := plan.Observed{Stepwise: cfg.Create == CreateStepwise}
	if client != nil {
		if err := look(ctx, client, owner, &observed); err != nil {
			return out, err
		}
	}
	if msg := plan.Blocked(&desired, observed); msg != "" {
		out.Problems = append(out.Problems, msg)
	}
	out.Warnings = append(out.Warnings, plan.Warnings(&desired, observed)...)
	j := &job{place: at}
	for _, s := range plan.Diff(&desired, observed) {
		out.Steps = append(out.Steps, s.Describe())
		if err := j.unplaced(s); err != nil {
			out.Problems = append(out.Problems, err.Error())
		}
	}
	return out, nil
}

// look reads all that stands of an owner.
func look(ctx context.Context, client *octavia.Client, owner loadbalancer.Owner, o *plan.Observed) error {
	found, err := client.Find(ctx, owner)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		if o.LoadBalancer, err = client.Read(ctx, found[0].ID); err != nil {
			return err
		}
	}
	o.FloatingIPs, err = client.FloatingIPs(ctx, owner.Description())
	return err
}
