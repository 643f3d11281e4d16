package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is sent in whatever order, the state stays whole: no child without
// its parent, no id in a parent's list that is not there, no load balancer
// pending without an end, positions without gaps.
func TestRandomCalls(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := start(t, Config{Pending: time.Duration(rapid.IntRange(0, 1).Draw(rt, "pending")) * time.Hour, WholeCreateBroken: rapid.Bool().Draw(rt, "broken")})
		defer c.Close()
		cl := logIn(t, c, "sandbox")
		subnet := cl.subnet()
		steps := rapid.IntRange(1, 40).Draw(rt, "steps")
		for range steps {
			method, path, body := randomCall(rt, c, subnet)
			status, out := cl.lb(method, path, body)
			if status == 0 || status == 500 {
				rt.Fatalf("%s %s %v: %d %v", method, path, body, status, out)
			}
			if rapid.Bool().Draw(rt, "settle") {
				settle(rt, c)
			}
			whyBroken(rt, c)
		}
		settle(rt, c)
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, lb := range c.state.LoadBalancers {
			if lb.Provisioning != Active {
				rt.Fatalf("load balancer %s is %s in the end", lb.ID, lb.Provisioning)
			}
			c.state.tree(lb, func(kind string, m *meta) {
				if m.Provisioning != Active && !m.Stuck {
					rt.Fatalf("%s %s is %s in the end", kind, m.ID, m.Provisioning)
				}
			})
		}
	})
}

func settle(t *rapid.T, c *Cloud) {
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
}

func randomCall(t *rapid.T, c *Cloud, subnet string) (string, string, any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	lb, l, p, m := some(t, s.LoadBalancers), some(t, s.Listeners), some(t, s.Pools), some(t, s.Members)
	hm, pol, r := some(t, s.Monitors), some(t, s.Policies), some(t, s.Rules)
	parent, policy := nowhere, nowhere
	if o := s.Members[m]; o != nil {
		parent = o.Pool
	}
	if o := s.Rules[r]; o != nil {
		policy = o.Policy
	}
	port := rapid.IntRange(1, 4).Draw(t, "port")
	member := object{"address": "10.0.0.1", "protocol_port": port}
	calls := []struct {
		method, path string
		body         any
	}{
		{"POST", "/loadbalancers", whole(subnet, nil)},
		{"POST", "/loadbalancers", object{"loadbalancer": object{"vip_subnet_id": subnet}}},
		{"DELETE", "/loadbalancers/" + lb + "?cascade=true", nil},
		{"DELETE", "/loadbalancers/" + lb, nil},
		{"PUT", "/loadbalancers/" + lb, object{"loadbalancer": object{"name": "n"}}},
		{"POST", "/listeners", object{"listener": object{"loadbalancer_id": lb, "protocol": "HTTP", "protocol_port": port, "default_pool_id": p}}},
		{"POST", "/listeners", object{"listener": object{"loadbalancer_id": lb, "protocol": "HTTP", "protocol_port": port}}},
		{"PUT", "/listeners/" + l, object{"listener": object{"default_pool_id": nil}}},
		{"DELETE", "/listeners/" + l, nil},
		{"POST", "/pools", object{"pool": object{"loadbalancer_id": lb, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}}},
		{"POST", "/pools", object{"pool": object{"listener_id": l, "loadbalancer_id": lb, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}}},
		{"PUT", "/pools/" + p, object{"pool": object{"lb_algorithm": "SOURCE_IP"}}},
		{"DELETE", "/pools/" + p, nil},
		{"POST", "/pools/" + p + "/members", object{"member": member}},
		{"PUT", "/pools/" + p + "/members", object{"members": []object{member}}},
		{"PUT", "/pools/" + p + "/members?additive_only=true", object{"members": []object{member}}},
		{"DELETE", "/pools/" + parent + "/members/" + m, nil},
		{"POST", "/healthmonitors", object{"healthmonitor": object{"pool_id": p, "type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}}},
		{"DELETE", "/healthmonitors/" + hm, nil},
		{"POST", "/l7policies", object{"l7policy": object{"listener_id": l, "action": "REJECT", "position": port}}},
		{"POST", "/l7policies", object{"l7policy": object{"listener_id": l, "action": "REDIRECT_TO_POOL", "redirect_pool_id": p}}},
		{"PUT", "/l7policies/" + pol, object{"l7policy": object{"position": port}}},
		{"DELETE", "/l7policies/" + pol, nil},
		{"POST", "/l7policies/" + pol + "/rules", object{"rule": object{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}}},
		{"DELETE", "/l7policies/" + policy + "/rules/" + r, nil},
	}
	i := rapid.IntRange(0, len(calls)-1).Draw(t, "call")
	return calls[i].method, calls[i].path, calls[i].body
}

func some[T any](t *rapid.T, in map[string]*T) string {
	ids := []string{nowhere}
	for id := range in {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids[rapid.IntRange(0, len(ids)-1).Draw(t, "which")]
}

func whyBroken(t *rapid.T, c *Cloud) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	check := func(ok bool, format string, args ...any) {
		if !ok {
			t.Fatalf(format, args...)
		}
	}
	reached := 0
	for id, lb := range s.LoadBalancers {
		check(s.Ports[lb.Port] != nil, "load balancer %s has no port", id)
		check(!strings.HasPrefix(lb.Provisioning, "PENDING") || c.timers[id] != nil, "load balancer %s is %s for ever", id, lb.Provisioning)
		s.tree(lb, func(string, *meta) { reached++ })
		taken := map[string]string{}
		for _, l := range lb.Listeners {
			o := s.Listeners[l]
			key := fmt.Sprint(transport(o.Protocol), o.Port)
			check(taken[key] == "", "listeners %s and %s share %s", taken[key], l, key)
			taken[key] = l
			check(o.DefaultPool == "" || s.Pools[o.DefaultPool] != nil, "listener %s sends to no pool", l)
			for _, p := range o.Policies {
				pool := s.Policies[p].Pool
				check(pool == "" || s.Pools[pool] != nil, "policy %s sends to no pool", p)
			}
		}
	}
	have := len(s.Listeners) + len(s.Pools) + len(s.Members) + len(s.Monitors) + len(s.Policies) + len(s.Rules)
	check(have == reached, "%d objects are there, %d are reached from load balancers", have, reached)
	used := count(s.Ports, func(p *networkPort) bool { return s.LoadBalancers[strings.TrimPrefix(p.Device, "lb-")] != nil })
	check(used == len(s.LoadBalancers), "%d ports for %d load balancers", used, len(s.LoadBalancers))
}
