package compose

import (
	"fmt"
	"reflect"
	"slices"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
)

// port is an open port of the load balancer with all that shall be served there.
type port struct {
	key      events.Key // of the exposure that opened it
	listener loadbalancer.Listener
	claims   []claim
}

// claim is a route with whose it is.
type claim struct {
	events.Route
	key    events.Key
	field  string // JSON path in the exposure
	target target
}

// target is where requests go: to a pool, or away.
type target struct {
	pool     string
	redirect string // prefix of the URL
	code     int
}

func (t target) String() string {
	if t.redirect != "" {
		return fmt.Sprintf("a redirect to %s", t.redirect)
	}
	return t.pool
}

// add puts one exposure onto the load balancer.
func (c *composer) add(e events.Exposure) {
	pools := c.addPools(e)
	for i, l := range e.Listeners {
		field := fmt.Sprintf("listeners[%d]", i)
		mine := listener(c.certificates(l), l)
		mine.DefaultPool = pools[l.Backend]
		slot := fmt.Sprintf("%s/%d", l.Protocol.Family(), l.Port)
		p, taken := c.ports[slot]
		switch {
		case !taken:
			p = &port{key: e.Key, listener: mine}
			c.ports[slot] = p
		case !l.Protocol.Routed() || string(l.Protocol) != p.listener.Protocol:
			c.refuse(e.Key, field, "%s port %d is taken by %s (%s): choose another port or group", l.Protocol.Family(), l.Port, p.key, p.listener.Protocol)
			continue
		default:
			c.share(p, mine, e.Key, field)
		}
		for j, r := range l.Routes {
			x := claim{Route: r, key: e.Key, field: fmt.Sprintf("%s.routes[%d]", field, j), target: target{pool: pools[r.Backend]}}
			if r.Redirect != nil {
				x.target = redirect(r)
			}
			p.claims = append(p.claims, x)
		}
	}
}

func redirect(r events.Route) target {
	t := target{redirect: r.Redirect.Scheme + "://" + r.Host, code: r.Redirect.Code}
	if r.Redirect.Port != 0 && r.Redirect.Port != 443 {
		t.redirect += fmt.Sprintf(":%d", r.Redirect.Port)
	}
	return t
}

// certificates are what a listener shows, the default first.
func (c *composer) certificates(l events.Listener) (out []string) {
	if l.TLS == nil {
		return nil
	}
	if l.TLS.Container != "" {
		return []string{l.TLS.Container}
	}
	for _, x := range l.TLS.Certificates {
		if name := c.owner.SecretName(x.Digest); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func listener(certificates []string, l events.Listener) loadbalancer.Listener {
	out := loadbalancer.Listener{Name: fmt.Sprintf("%s-%d", l.Protocol, l.Port), Protocol: string(l.Protocol), Port: l.Port,
		AllowedCIDRs: l.AllowedSources, Certificates: certificates, Headers: l.Headers,
		Timeouts: loadbalancer.Timeouts(l.Timeouts), ConnectionLimit: l.ConnectionLimit}
	if l.TLS != nil {
		out.TLSVersions, out.TLSCiphers = l.TLS.Versions, l.TLS.Ciphers
	}
	if h := l.HSTS; h != nil {
		out.HSTS = loadbalancer.HSTS(*h)
	}
	return out
}

// share lets an exposure in on a port that another of its group opened. What
// both say of the port must be the same; what only one says holds for both,
// except who may come in: to say nothing there means everyone.
func (c *composer) share(p *port, mine loadbalancer.Listener, key events.Key, field string) {
	l := &p.listener
	if !slices.Equal(l.AllowedCIDRs, mine.AllowedCIDRs) {
		c.refuse(key, field+".allowedSources", "%v differ from %v of %s, which shares port %d: say the same, or leave the group",
			mine.AllowedCIDRs, l.AllowedCIDRs, p.key, l.Port)
	}
	if mine.DefaultPool != "" && l.DefaultPool != "" && mine.DefaultPool != l.DefaultPool {
		c.warn(key, field+".backend", "what no route of port %d takes goes to %s of %s, not to %s", l.Port, l.DefaultPool, p.key, mine.DefaultPool)
	} else if l.DefaultPool == "" {
		l.DefaultPool = mine.DefaultPool
	}
	for _, name := range mine.Certificates {
		if !slices.Contains(l.Certificates, name) {
			l.Certificates = append(l.Certificates, name)
		}
	}
	for _, x := range []struct {
		field      string
		have, mine any // pointers
	}{
		{"tls.versions", &l.TLSVersions, &mine.TLSVersions},
		{"tls.ciphers", &l.TLSCiphers, &mine.TLSCiphers},
		{"hsts", &l.HSTS, &mine.HSTS},
		{"headers", &l.Headers, &mine.Headers},
		{"timeouts.clientData", &l.Timeouts.ClientData, &mine.Timeouts.ClientData},
		{"timeouts.memberConnect", &l.Timeouts.MemberConnect, &mine.Timeouts.MemberConnect},
		{"timeouts.memberData", &l.Timeouts.MemberData, &mine.Timeouts.MemberData},
		{"timeouts.tcpInspect", &l.Timeouts.TCPInspect, &mine.Timeouts.TCPInspect},
		{"connectionLimit", &l.ConnectionLimit, &mine.ConnectionLimit},
	} {
		have, other := reflect.ValueOf(x.have).Elem(), reflect.ValueOf(x.mine).Elem()
		switch {
		case other.IsZero() || reflect.DeepEqual(have.Interface(), other.Interface()):
		case have.IsZero():
			have.Set(other)
		default:
			c.refuse(key, field+"."+x.field, "%v differs from %v of %s, which shares port %d: say the same, or leave the group",
				reflect.Indirect(other), reflect.Indirect(have), p.key, l.Port)
		}
	}
}

// listener is a port with its routes as policies.
func (c *composer) listener(p *port) loadbalancer.Listener {
	l := p.listener
	r := c.route(p)
	if c.d.MaxPolicies > 0 && len(r.policies) > c.d.MaxPolicies {
		c.refuse(p.key, "listeners", "port %d needs %d L7 policies, at most %d are configured (max-policies): split the object or the group, or send more hosts and paths to the same backend",
			l.Port, len(r.policies), c.d.MaxPolicies)
	}
	l.DefaultPool, l.Policies = r.defaultPool, r.policies
	if r.noBackend {
		c.pools[NoBackend] = loadbalancer.Pool{Name: NoBackend, Protocol: "HTTP", Algorithm: algorithm(c.d.Provider)}
		c.used[NoBackend] = true
	}
	c.used[l.DefaultPool] = true
	for _, x := range l.Policies {
		c.used[x.Pool] = true
	}
	return l
}
