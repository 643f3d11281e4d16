package plan_test

import (
	"fmt"
	"slices"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"pgregory.net/rapid"
)

// oneOf draws one of few values.
func oneOf[T any](t *rapid.T, label string, values ...T) T {
	return rapid.SampledFrom(values).Draw(t, label)
}

// wish draws a desired load balancer; one in six is its absence.
func wish(t *rapid.T) *loadbalancer.LoadBalancer {
	if rapid.IntRange(0, 5).Draw(t, "absent") == 0 {
		return nil
	}
	lb := &loadbalancer.LoadBalancer{Name: "lb", Tags: append(owner.Tags(), oneOf(t, "tags", nil, []string{"cost=1"}, []string{loadbalancer.KeepTag},
		[]string{loadbalancer.MemberTag + "a"}, []string{loadbalancer.MemberTag + "a", loadbalancer.MemberTag + "b"})...),
		FloatingIPDescription: owner.Description(), Description: oneOf(t, "description", "", "x"),
		FloatingNetworkID: oneOf(t, "floating network", "", "ext"), FlavorID: "small"}
	lb.KeepFloatingIP = slices.Contains(lb.Tags, loadbalancer.KeepTag)
	if oneOf(t, "given address", false, false, true) {
		lb.FloatingAddress = theirs().Address
	}
	if oneOf(t, "replaced", false, false, true) {
		lb.FlavorID, lb.Replace = oneOf(t, "flavor", "small", "big"), true
	}
	lb.Asked.FlavorID = lb.FlavorID
	lb.Replace = true // every wish here may be had
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"p", "q", "r"}), 1, 3, rapid.ID).Draw(t, "pools")
	slices.Sort(names)
	for _, n := range names {
		lb.Pools = append(lb.Pools, wishedPool(t, n))
	}
	ports := rapid.SliceOfNDistinct(rapid.IntRange(80, 82), 0, 3, rapid.ID).Draw(t, "ports")
	slices.Sort(ports)
	for _, port := range ports {
		lb.Listeners = append(lb.Listeners, wishedListener(t, port, names))
	}
	return lb
}

func wishedPool(t *rapid.T, name string) loadbalancer.Pool {
	p := loadbalancer.Pool{Name: name, Protocol: oneOf(t, "protocol", "HTTP", "TCP"), Algorithm: oneOf(t, "algorithm", "ROUND_ROBIN", "SOURCE_IP"),
		TLS: oneOf(t, "pool TLS", false, true), DrainDelay: oneOf(t, "drain delay", 0, 30),
		Persistence: oneOf(t, "persistence", nil, &loadbalancer.Persistence{Type: "SOURCE_IP"}, &loadbalancer.Persistence{Type: "APP_COOKIE", Cookie: "c"})}
	subnet := oneOf(t, "member subnet", "s", "s", "t")
	for _, port := range rapid.SliceOfNDistinct(rapid.IntRange(1, 3), 0, 3, rapid.ID).Draw(t, "members") {
		p.Members = append(p.Members, loadbalancer.Member{Name: "n", Address: "10.0.0.1", Port: port, Weight: oneOf(t, "weight", 1, 1, 0),
			SubnetID: subnet, MonitorPort: oneOf(t, "monitor port", 0, 99)})
	}
	if rapid.Bool().Draw(t, "monitored") {
		p.Monitor = &loadbalancer.Monitor{Type: oneOf(t, "type", "TCP", "HTTP"), Delay: rapid.IntRange(5, 6).Draw(t, "delay"), Host: oneOf(t, "host", "", "h")}
	}
	return p
}

func wishedListener(t *rapid.T, port int, pools []string) loadbalancer.Listener {
	number := func(label string) *int { return oneOf(t, label, nil, new(int), func() *int { n := 5; return &n }()) }
	l := loadbalancer.Listener{Name: fmt.Sprint("l", port), Port: port, Protocol: oneOf(t, "listener protocol", "HTTP", "TCP", "TERMINATED_HTTPS"),
		DefaultPool: oneOf(t, "default pool", append([]string{""}, pools...)...), AllowedCIDRs: oneOf(t, "sources", nil, []string{"10.0.0.0/8"}),
		Headers:         oneOf(t, "headers", nil, []string{"X-Forwarded-For"}),
		Timeouts:        loadbalancer.Timeouts{ClientData: number("client data"), TCPInspect: number("inspect")},
		ConnectionLimit: number("limit")}
	if l.Protocol == "TERMINATED_HTTPS" {
		l.Certificates = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{owner.SecretName("sha256:a"), owner.SecretName("sha256:b"),
			owner.SecretName("sha256:c"), "https://theirs/container"}), 1, 3, rapid.ID).Draw(t, "certificates")
		l.TLSVersions, l.TLSCiphers = oneOf(t, "versions", nil, []string{"TLSv1.3"}), oneOf(t, "ciphers", "", "A:B")
		l.HSTS.MaxAge = oneOf(t, "hsts", 0, 60)
	}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 0, 4, rapid.ID).Draw(t, "policies") {
		p := loadbalancer.Policy{Name: fmt.Sprint("policy", i), Action: loadbalancer.RedirectToPool}
		if oneOf(t, "redirect", false, false, true) {
			p.Action, p.Redirect, p.Code = loadbalancer.RedirectPrefix, oneOf(t, "prefix", "https://a", "https://b"), oneOf(t, "code", 301, 308)
		} else {
			p.Pool = rapid.SampledFrom(pools).Draw(t, "pool")
		}
		p.Rules = []loadbalancer.Rule{{Type: "PATH", Compare: "EQUAL_TO", Value: fmt.Sprint("/", i)}}
		if i > 2 {
			p.Rules = append(p.Rules, loadbalancer.Rule{Type: "HOST_NAME", Compare: "REGEX", Value: "^h$", Invert: oneOf(t, "invert", false, true)})
		}
		l.Policies = append(l.Policies, p)
	}
	return l
}

// damage changes something behind our back.
func damage(t *rapid.T, c *octavia) {
	lb := c.state.LoadBalancer
	if lb == nil || lb.Status.Pending() {
		return
	}
	switch n := rapid.IntRange(0, 17).Draw(t, "damage"); n {
	case 0:
		lb.Name = "renamed"
	case 1:
		lb.Tags = append(lb.Tags, "of another")
		if c.wish != nil {
			lb.Tags = append(lb.Tags, loadbalancer.ProtectTag)
		}
	case 2:
		for i := range lb.Pools {
			lb.Pools[i].Down, lb.Pools[i].Members, lb.Pools[i].Persistence = true, nil, nil
		}
	case 3:
		lb.Pools = append(lb.Pools, plan.Pool{ID: c.id("pool"), Status: plan.Active, Name: "p", Protocol: "HTTP", Algorithm: "SOURCE_IP"})
	case 4:
		for i := range lb.Pools {
			lb.Pools[i].Monitor = nil
			for j := range lb.Pools[i].Members {
				lb.Pools[i].Members[j].Foreign = true
			}
		}
	case 5:
		if len(lb.Listeners) > 0 {
			lb.Listeners = lb.Listeners[1:]
		}
	case 6:
		lb.Listeners = append(lb.Listeners, plan.Listener{ID: c.id("listener"), Status: plan.Active, Protocol: "TCP", Port: 99})
	case 9:
		c.state.FloatingIPs = []plan.FloatingIP{theirs()}
	case 10:
		c.unbind(lb.PortID)
	case 11:
		c.state.Secrets = append(c.state.Secrets, plan.Secret{Ref: "https://keys/" + c.id("secret"), Name: owner.SecretName("sha256:a")})
	case 12:
		for i := range lb.Pools {
			for j := range lb.Pools[i].Members {
				lb.Pools[i].Members[j].Weight = 7
			}
		}
	default:
		for i := range lb.Listeners {
			damageListener(c, &lb.Listeners[i], n)
		}
	}
}

func damageListener(c *octavia, l *plan.Listener, n int) {
	switch n {
	case 7:
		slices.Reverse(l.Policies)
	case 8:
		for j := range l.Policies {
			l.Policies[j].Rules = l.Policies[j].Rules[:len(l.Policies[j].Rules)/2]
		}
	case 13: // every secret is lost
		for i := range l.Certificates {
			l.Certificates[i] = l.Refs[i]
		}
		c.state.Secrets = nil
	case 17: // and a reader remembers their names
		c.state.Secrets = nil
	case 14:
		l.HSTS.MaxAge, l.Headers, l.AllowedCIDRs = 1, []string{"X-Forwarded-Port"}, []string{"192.0.2.0/24"}
	case 15:
		if l.Timeouts.ClientData != nil {
			l.Timeouts.ClientData = new(int)
		}
	case 16:
		for j := range l.Policies {
			l.Policies[j].Action = "REJECT"
		}
	}
}
