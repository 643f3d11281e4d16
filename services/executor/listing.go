package executor

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
)

// Standing is one load balancer of the fleet as it stands in the cloud.
type Standing struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Key        string `json:"key"` // of the exposure: cluster/Kind/namespace/name, or its digest; "group " and its name
	Status     string `json:"status"`
	VIP        string `json:"vip"`
	FloatingIP string `json:"floatingIP,omitempty"`
	Provider   string `json:"provider,omitempty"`
	UpdatedAt  string `json:"updatedAt,omitempty"`
}

// LoadBalancers lists what of the fleet stands in the cloud, by key. It needs
// no trusted keys, and writes nothing.
func LoadBalancers(ctx context.Context, cfg Config) ([]Standing, error) {
	cfg = cfg.Defaults()
	client, err := octavia.Connect(ctx, cfg.octavia())
	if err != nil {
		return nil, err
	}
	found, err := client.Summaries(ctx, cfg.Fleet)
	if err != nil {
		return nil, err
	}
	floating, err := client.AllFloatingIPs(ctx, cfg.Fleet)
	if err != nil {
		return nil, err
	}
	byPort := map[string]string{}
	for _, list := range floating {
		for _, f := range list {
			byPort[f.PortID] = f.Address
		}
	}
	out := make([]Standing, 0, len(found))
	for _, lb := range found {
		out = append(out, Standing{ID: lb.ID, Name: lb.Name, Key: ownerText(lb.Tags),
			Status: string(lb.Status), VIP: lb.Address, FloatingIP: byPort[lb.PortID], Provider: lb.Provider, UpdatedAt: lb.UpdatedAt})
	}
	slices.SortFunc(out, func(a, b Standing) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// ownerText is whose a load balancer is, for people.
func ownerText(tags []string) string {
	tag := ownerTag(tags)
	if group, ok := strings.CutPrefix(tag, loadbalancer.GroupTag); ok {
		return unit{group: group}.String()
	}
	return strings.TrimPrefix(tag, loadbalancer.KeyTag)
}
