package octavia

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/l7policies"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// standingPool is a pool as Octavia answers it, with what gophercloud lacks.
type standingPool struct {
	pools.Pool
	Persistence *struct {
		Type        string `json:"type"`
		Cookie      string `json:"cookie_name"`
		Timeout     int    `json:"persistence_timeout"`
		Granularity string `json:"persistence_granularity"`
	} `json:"session_persistence"`
}

func extractPools(page pagination.Page) ([]standingPool, error) {
	var s struct {
		Pools []standingPool `json:"pools"`
	}
	err := page.(pools.PoolPage).ExtractInto(&s)
	return s.Pools, err
}

// wholeAnswer reads the answer to a create of a load balancer.
func wholeAnswer(answer []byte) (*plan.LoadBalancer, error) {
	var whole struct {
		LoadBalancer loadbalancers.LoadBalancer `json:"loadbalancer"`
	}
	var below struct {
		LoadBalancer struct {
			Pools []standingPool `json:"pools"`
		} `json:"loadbalancer"`
	}
	if err := json.Unmarshal(answer, &whole); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if err := json.Unmarshal(answer, &below); err != nil {
		return nil, fmt.Errorf("read the pools of the answer: %w", err)
	}
	return graph(whole.LoadBalancer, below.LoadBalancer.Pools), nil
}

// graph is what stands, without the names of certificates.
func graph(lb loadbalancers.LoadBalancer, ps []standingPool) *plan.LoadBalancer {
	out := summary(lb)
	for _, l := range lb.Listeners {
		out.Listeners = append(out.Listeners, listener(l))
	}
	for _, p := range ps {
		out.Pools = append(out.Pools, pool(p))
	}
	return &out
}

func summary(lb loadbalancers.LoadBalancer) plan.LoadBalancer {
	out := plan.LoadBalancer{ID: lb.ID, Status: plan.Status(lb.ProvisioningStatus), Down: !lb.AdminStateUp, Name: lb.Name,
		Description: lb.Description, Tags: lb.Tags, Provider: lb.Provider, FlavorID: lb.FlavorID, AvailabilityZone: lb.AvailabilityZone,
		VIP:     loadbalancer.VIP{NetworkID: lb.VipNetworkID, SubnetID: lb.VipSubnetID},
		Address: lb.VipAddress, PortID: lb.VipPortID}
	for _, v := range lb.AdditionalVips {
		out.AdditionalVIPs = append(out.AdditionalVIPs, loadbalancer.VIP{SubnetID: v.SubnetID, Address: canonical(v.IPAddress)})
	}
	slices.SortFunc(out.AdditionalVIPs, func(a, b loadbalancer.VIP) int {
		return cmp.Or(cmp.Compare(a.SubnetID, b.SubnetID), cmp.Compare(a.Address, b.Address))
	})
	if !lb.UpdatedAt.IsZero() {
		out.UpdatedAt = lb.UpdatedAt.UTC().Format(time.RFC3339)
	}
	return out
}

func listener(l listeners.Listener) plan.Listener {
	x := plan.Listener{ID: l.ID, Status: plan.Status(l.ProvisioningStatus), Down: !l.AdminStateUp, Name: l.Name, Tags: l.Tags, Protocol: l.Protocol,
		Port: l.ProtocolPort, DefaultPoolID: l.DefaultPoolID, AllowedCIDRs: cidrs(l.AllowedCIDRs),
		Refs: refs(l.DefaultTlsContainerRef, l.SniContainerRefs), TLSVersions: sorted(l.TLSVersions), TLSCiphers: l.TLSCiphers,
		HSTS:            loadbalancer.HSTS{MaxAge: l.HSTSMaxAge, IncludeSubdomains: l.HSTSIncludeSubdomains, Preload: l.HSTSPreload},
		Timeouts:        loadbalancer.Timeouts{ClientData: &l.TimeoutClientData, MemberConnect: &l.TimeoutMemberConnect, MemberData: &l.TimeoutMemberData, TCPInspect: &l.TimeoutTCPInspect},
		ConnectionLimit: &l.ConnLimit}
	for name, value := range l.InsertHeaders {
		if value == "true" {
			x.Headers = append(x.Headers, name)
		}
	}
	slices.Sort(x.Headers)
	slices.SortFunc(l.L7Policies, func(a, b l7policies.L7Policy) int { return cmp.Compare(a.Position, b.Position) })
	for _, p := range l.L7Policies {
		x.Policies = append(x.Policies, policy(p))
	}
	return x
}

// refs are the references of a listener, the default one first. Octavia keeps
// the others as a set.
func refs(first string, others []string) []string {
	others = slices.DeleteFunc(sorted(others), func(r string) bool { return r == first })
	if first == "" {
		return others
	}
	return append([]string{first}, others...)
}

func sorted(in []string) []string { return slices.Compact(slices.Sorted(slices.Values(in))) }

func policy(p l7policies.L7Policy) plan.Policy {
	x := plan.Policy{ID: p.ID, Status: plan.Status(p.ProvisioningStatus), Down: !p.AdminStateUp, Name: p.Name, Action: p.Action, PoolID: p.RedirectPoolID}
	if p.Action == loadbalancer.RedirectPrefix {
		x.Redirect, x.Code = p.RedirectPrefix, int(p.RedirectHttpCode)
	}
	for _, r := range p.Rules {
		x.Rules = append(x.Rules, plan.Rule{ID: r.ID, Status: plan.Status(r.ProvisioningStatus), Foreign: r.Key != "" || !r.AdminStateUp,
			Rule: loadbalancer.Rule{Type: r.RuleType, Compare: r.CompareType, Value: r.Value, Invert: r.Invert}})
	}
	return x
}

func pool(p standingPool) plan.Pool {
	x := plan.Pool{ID: p.ID, Status: plan.Status(p.ProvisioningStatus), Down: !p.AdminStateUp, Name: p.Name, Tags: p.Tags, Protocol: p.Protocol,
		TLS: p.TLSEnabled, Algorithm: p.LBMethod}
	if s := p.Persistence; s != nil && s.Type != "" {
		x.Persistence = &loadbalancer.Persistence{Type: s.Type, Cookie: s.Cookie, Timeout: s.Timeout}
	}
	for _, m := range p.Members {
		x.Members = append(x.Members, member(m))
	}
	if m := p.Monitor; m.ID != "" {
		x.Monitor = &plan.Monitor{ID: m.ID, Status: plan.Status(m.ProvisioningStatus), Down: !m.AdminStateUp,
			Monitor: loadbalancer.Monitor{Type: m.Type, Delay: m.Delay, Timeout: m.Timeout, MaxRetries: m.MaxRetries, MaxRetriesDown: m.MaxRetriesDown}}
		if asksHTTP(m.Type) {
			x.Monitor.Method, x.Monitor.Path, x.Monitor.Codes, x.Monitor.Host = m.HTTPMethod, m.URLPath, m.ExpectedCodes, m.DomainName
		}
	}
	return x
}

func member(m pools.Member) plan.Member {
	changed := m.UpdatedAt
	if changed.IsZero() {
		changed = m.CreatedAt
	}
	return plan.Member{ID: m.ID, Status: plan.Status(m.ProvisioningStatus), UpdatedAt: changed,
		Foreign: !m.AdminStateUp || m.Backup || m.MonitorAddress != "",
		Member: loadbalancer.Member{Name: m.Name, Address: canonical(m.Address), Port: m.ProtocolPort, Weight: m.Weight, SubnetID: m.SubnetID,
			MonitorPort: m.MonitorPort}}
}

func cidrs(in []string) (out []string) {
	for _, s := range in {
		if p, err := netip.ParsePrefix(s); err == nil {
			s = p.Masked().String()
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// canonical writes an address in its one form.
func canonical(address string) string {
	if a, err := netip.ParseAddr(address); err == nil {
		return a.String()
	}
	return address
}
