package sandbox

import (
	"cmp"

	"drawbridge.dev/services/sandbox/l7"
)

// table is how a listener routes; use says as what a policy's pool is known.
func (c *Cloud) table(l *listener, use func(pool string) string) *l7.Table {
	var policies []l7.Policy
	for i, id := range l.Policies {
		pol := c.state.Policies[id]
		if !pol.Enabled || pol.Provisioning != Active {
			continue
		}
		out := l7.Policy{ID: id, Position: i + 1, Action: pol.Action, URL: pol.URL, Prefix: pol.Prefix, Pool: use(pol.Pool)}
		if pol.Code != nil {
			out.Code = *pol.Code
		}
		for _, rid := range pol.Rules {
			if r := c.state.Rules[rid]; r.Enabled && r.Provisioning == Active {
				out.Rules = append(out.Rules, l7.Rule{Type: r.Type, Compare: r.Compare, Key: r.Key, Value: r.Value, Invert: r.Invert})
			}
		}
		policies = append(policies, out)
	}
	return l7.New(policies, use(l.DefaultPool))
}

// Table is how a listener routes HTTP at this moment, for tests that ask about
// many requests; its pools are the names of Octavia's, or the ids of those that
// have none. false: there is no such listener.
func (c *Cloud) Table(listener string) (*l7.Table, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.state.Listeners[listener]
	if l == nil {
		return nil, false
	}
	return c.table(l, func(id string) string {
		p := c.state.Pools[id]
		if p == nil || !p.Enabled {
			return ""
		}
		return cmp.Or(p.Name, id)
	}), true
}
