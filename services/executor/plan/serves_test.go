package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
)

// serves says in which way the cloud is not what is desired; it reads the
// state plainly, without package plan.
func (c *octavia) serves(d *loadbalancer.LoadBalancer) string {
	lb := c.state.LoadBalancer
	if c.state.Old != nil {
		return "what was replaced stands"
	}
	if d == nil {
		if lb != nil || len(c.state.Secrets) > 0 {
			return "something stands"
		}
		return c.addressed("", nil)
	}
	if lb == nil || lb.Status != plan.Active {
		return "there is no active load balancer"
	}
	if msg := c.addressed(lb.PortID, d); msg != "" {
		return msg
	}
	have, want := standing(lb), wanted(d)
	for _, s := range c.state.Secrets {
		have = append(have, "secret "+s.Name)
	}
	slices.Sort(have)
	if !slices.Equal(have, want) {
		return "stands:\n" + strings.Join(have, "\n") + "\nwanted:\n" + strings.Join(want, "\n")
	}
	return ""
}

// addressed says whether the floating IPs are as desired.
func (c *octavia) addressed(port string, d *loadbalancer.LoadBalancer) string {
	mine, bound := 0, ""
	given := false
	for _, f := range c.state.FloatingIPs {
		if f.Description == owner.Description() {
			mine++
		}
		if port != "" && f.PortID == port {
			bound = f.Address
		}
		given = given || f.Address == theirs().Address && f.Description == "theirs"
	}
	want, own := "", 0
	switch {
	case d == nil:
	case d.FloatingAddress != "":
		want = d.FloatingAddress
	case d.FloatingNetworkID != "":
		want, own = "203.0.113.1", 1
	}
	if !given || mine != own || bound != want {
		return fmt.Sprintf("floating IPs are %v, wanted is %q", c.state.FloatingIPs, want)
	}
	return ""
}

func standing(lb *plan.LoadBalancer) (lines []string) {
	names := map[string]string{"": ""}
	lines = append(lines, fmt.Sprint("tags ", slices.Sorted(slices.Values(lb.Tags)), lb.FlavorID))
	for _, p := range lb.Pools {
		names[p.ID] = p.Name
		members := []string{}
		for _, m := range p.Members {
			members = append(members, fmt.Sprint(m.Foreign, m.Member))
		}
		slices.Sort(members)
		monitor := "none"
		if p.Monitor != nil {
			monitor = fmt.Sprint(p.Monitor.Down, p.Monitor.Monitor)
		}
		lines = append(lines, fmt.Sprint("pool ", p.Name, p.Protocol, p.Algorithm, p.TLS, plain(p.Persistence), p.Down, members, monitor))
	}
	for _, l := range lb.Listeners {
		rest := slices.Clone(l.Certificates)
		if len(rest) > 0 {
			slices.Sort(rest[1:])
		}
		line := fmt.Sprint("listener ", l.Protocol, l.Port, names[l.DefaultPoolID], l.AllowedCIDRs, l.Down, rest, l.TLSVersions, l.TLSCiphers, l.HSTS, l.Headers,
			plain(l.Timeouts), plain(l.ConnectionLimit))
		for _, p := range l.Policies {
			line += fmt.Sprint(" policy ", p.Action, names[p.PoolID], p.Redirect, p.Code, p.Down, ruleSet(p.Rules))
		}
		lines = append(lines, line)
	}
	return lines
}

func wanted(d *loadbalancer.LoadBalancer) (lines []string) {
	lines = append(lines, fmt.Sprint("tags ", slices.Sorted(slices.Values(d.Tags)), d.FlavorID))
	for _, p := range d.Pools {
		members := []string{}
		for _, m := range p.Members {
			members = append(members, fmt.Sprint(false, m))
		}
		slices.Sort(members)
		monitor := "none"
		if p.Monitor != nil {
			monitor = fmt.Sprint(false, *p.Monitor)
		}
		lines = append(lines, fmt.Sprint("pool ", p.Name, p.Protocol, p.Algorithm, p.TLS, plain(p.Persistence), false, members, monitor))
	}
	secrets := map[string]bool{}
	for _, l := range d.Listeners {
		rest := slices.Clone(l.Certificates)
		if len(rest) > 0 {
			slices.Sort(rest[1:])
		}
		for _, name := range rest {
			if !strings.Contains(name, "://") {
				secrets[name] = true
			}
		}
		line := fmt.Sprint("listener ", l.Protocol, l.Port, l.DefaultPool, l.AllowedCIDRs, false, rest, l.TLSVersions, l.TLSCiphers, l.HSTS, l.Headers,
			plain(l.Timeouts), plain(l.ConnectionLimit))
		for _, p := range l.Policies {
			rules := []string{}
			for _, r := range p.Rules {
				rules = append(rules, fmt.Sprint(r))
			}
			slices.Sort(rules)
			line += fmt.Sprint(" policy ", p.Action, p.Pool, p.Redirect, p.Code, false, rules)
		}
		lines = append(lines, line)
	}
	for name := range secrets {
		lines = append(lines, "secret "+name)
	}
	slices.Sort(lines)
	return lines
}

// plain writes what pointers point to.
func plain(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func ruleSet(rules []plan.Rule) []string {
	out := []string{}
	for _, r := range rules {
		out = append(out, fmt.Sprint(r.Rule))
	}
	slices.Sort(out)
	return out
}
