package executor_test

import (
	"slices"
	"strings"
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/sandbox"
)

// legacy is an ingress as the watcher translates one of the old class: what the
// octavia-ingress-controller makes of it, and nothing more.
func legacy(name string) *events.Exposure {
	e := &events.Exposure{Key: key(name), UID: "u", Cloud: "default", Internal: true}
	e.Listeners = []events.Listener{{Protocol: events.HTTP, Port: 80, Backend: "shop/fallback:80", Routes: []events.Route{
		{Host: "a.example.org", Path: "/api", PathType: events.PathRawPrefix, Backend: "shop/api:80"}}}}
	for _, n := range []string{"api", "fallback"} {
		e.Backends = append(e.Backends, events.Backend{Name: "shop/" + n + ":80", Protocol: events.HTTP, Algorithm: "ROUND_ROBIN",
			Members: []events.Member{{Name: "node-a", Address: "10.0.0.11", Port: 30080}}})
	}
	return e
}

// oic makes what the octavia-ingress-controller makes for it, in its words.
func (w *world) oic(name string, floating bool) (lb, address string) {
	w.Helper()
	a := w.api()
	n := "kube_ingress_c1_shop_" + name
	subnet := ""
	for _, x := range a.do("GET", "/network/v2.0/subnets?name="+sandbox.SubnetName, nil)["subnets"].([]any) {
		subnet = x.(map[string]any)["id"].(string)
	}
	pool := func(name string) map[string]any {
		return map[string]any{"name": name, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
			"members": []any{map[string]any{"name": "node-a", "address": "10.0.0.11", "protocol_port": 30080}}}
	}
	made := a.do("POST", lbaas+"/loadbalancers", map[string]any{"loadbalancer": map[string]any{
		"name": n, "description": "Kubernetes Ingress " + name + " in namespace shop from cluster c1", "vip_subnet_id": subnet,
		"listeners": []any{map[string]any{"name": n, "protocol": "HTTP", "protocol_port": 80, "default_pool": pool("5f2b"),
			"l7policies": []any{map[string]any{"name": "p", "action": "REDIRECT_TO_POOL", "redirect_pool": pool("9c1d"), "position": 1,
				"rules": []any{
					map[string]any{"type": "HOST_NAME", "compare_type": "REGEX", "value": `^a\.example\.org(:80)?$`},
					map[string]any{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/api"}}}}}}}})["loadbalancer"].(map[string]any)
	if floating {
		network := a.ids("/network/v2.0/networks?name="+sandbox.ExternalName, "networks")[0]
		f := a.do("POST", "/network/v2.0/floatingips", map[string]any{"floatingip": map[string]any{"floating_network_id": network,
			"port_id": made["vip_port_id"], "description": "Floating IP for Kubernetes ingress " + name + " in namespace shop from cluster c1"}})
		address = f["floatingip"].(map[string]any)["floating_ip_address"].(string)
	}
	return made["id"].(string), address
}

// TestAdopt: what the octavia-ingress-controller made is not built a second
// time; adopted it is ours as it is, with its address, and then changes and goes as ours.
func TestAdopt(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	id, address := w.oic("web", true)
	w.run()
	k := key("web")
	e := legacy("web")
	e.Internal = false
	d := w.decide(k, events.Approved, e)
	if o := w.failed(k, d, "drawbridge adopt"); !o.Retry || !strings.Contains(o.Reason, id) {
		t.Errorf("outcome is %+v", o)
	}
	if s := w.standing(); len(s) != 0 {
		t.Errorf("a second one stands: %+v", s)
	}
	w.calls()
	found, err := executor.Adopt(t.Context(), w.cfg, w.bus, false)
	if err != nil || len(found) != 1 || found[0].ID != id || found[0].Key != k.String() || len(found[0].Problems)+len(found[0].Written) != 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	if len(found[0].Steps) != 0 {
		t.Errorf("of an unchanged object there remains %q", found[0].Steps)
	}
	if writes, _, text := w.calls(); writes != 0 {
		t.Errorf("a dry run writes:%s", text)
	}
	if found, err = executor.Adopt(t.Context(), w.cfg, w.bus, true); err != nil || len(found[0].Written) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	o := w.applied(k, d)
	if o.LoadBalancer.ID != id || o.Addresses[0].IP != address || o.LoadBalancer.Name != "kube_ingress_c1_shop_web" || len(o.Steps) != 0 {
		t.Errorf("outcome is %+v %+v, want floating IP %s", o, o.LoadBalancer, address)
	}
	if writes, _, text := w.calls(); writes != 2 {
		t.Errorf("more is written than tags and a description:%s", text)
	}
	e.Backends[0].Members = append(e.Backends[0].Members, events.Member{Name: "node-b", Address: "10.0.0.12", Port: 30080})
	if o = w.applied(k, w.decide(k, events.Approved, e)); o.LoadBalancer.ID != id || len(o.Steps) != 1 {
		t.Errorf("a change takes %q", o.Steps)
	}
	if found, err = executor.Adopt(t.Context(), w.cfg, w.bus, true); err != nil || len(found) != 0 {
		t.Errorf("it is found again: %+v, %v", found, err)
	}
	w.removed(k, w.decide(k, events.Approved, nil))
	if left := w.api().ids(lbaas+"/loadbalancers", "loadbalancers"); len(left) != 0 || floatingIPs(w) != 0 {
		t.Errorf("left: %q", left)
	}
}

// TestAdoptNot: what is nobody's, what may be of several, and what would change
// is said, and nothing is written.
func TestAdoptNot(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.oic("nobody", false)
	w.oic("web", false)
	w.oic("theirs", false)
	a := w.api()
	for _, x := range a.do("GET", lbaas+"/loadbalancers", nil)["loadbalancers"].([]any) {
		if lb := x.(map[string]any); lb["name"] == "kube_ingress_c1_shop_theirs" {
			a.do("PUT", lbaas+"/loadbalancers/"+lb["id"].(string), map[string]any{"loadbalancer": map[string]any{"tags": []string{loadbalancer.FleetTag + "other"}}})
		}
	}
	e := legacy("web")
	e.Backends[0].Monitor = &events.Monitor{Type: "TCP", Delay: 5, Timeout: 3, MaxRetries: 1, MaxRetriesDown: 3}
	w.decide(e.Key, events.Approved, e)
	grouped := legacy("nobody")
	grouped.Group = "one"
	w.decide(grouped.Key, events.Approved, grouped)
	w.calls()
	found, err := executor.Adopt(t.Context(), w.cfg, w.bus, false)
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	if f := found[0]; len(f.Problems) != 1 || !strings.Contains(f.Problems[0], "group one") {
		t.Errorf("%+v", f)
	}
	if f := found[1]; len(f.Steps) != 1 || !slices.ContainsFunc(f.Hints, func(h string) bool { return strings.Contains(h, `health-monitor: "false"`) }) {
		t.Errorf("%+v", f)
	}
	if writes, _, text := w.calls(); writes != 0 {
		t.Errorf("it writes:%s", text)
	}
}

// TestAdoptLeavesFloatingIPsOfPeople: a floating IP that no peer made does not
// become ours. Nothing is adopted until the exposure names it, and then it
// stays bound, and outlives the object.
func TestAdoptLeavesFloatingIPsOfPeople(t *testing.T) {
	const words = "ordered by hand"
	w := newWorld(t, sandbox.Config{})
	id, address := w.oic("web", true)
	f := "/network/v2.0/floatingips"
	a := w.api()
	f += "/" + a.ids(f, "floatingips")[0]
	a.do("PUT", f, map[string]any{"floatingip": map[string]any{"description": words}})
	k, e := key("web"), legacy("web")
	for _, internal := range []bool{true, false} {
		e.Internal = internal
		w.decide(k, events.Approved, e)
		w.calls()
		found, err := executor.Adopt(t.Context(), w.cfg, w.bus, true)
		if err != nil || len(found) != 1 || len(found[0].Problems) != 1 || !strings.Contains(found[0].Problems[0], "drawbridge.dev/floating-ip: "+address) {
			t.Errorf("internal %t: %+v, %v", internal, found, err)
		}
		if writes, _, text := w.calls(); writes != 0 {
			t.Errorf("internal %t: it writes:%s", internal, text)
		}
	}
	e.FloatingIP.Address = address
	d := w.decide(k, events.Approved, e)
	found, err := executor.Adopt(t.Context(), w.cfg, w.bus, true)
	if err != nil || len(found) != 1 || len(found[0].Problems)+len(found[0].Steps) != 0 || len(found[0].Written) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	w.run()
	if o := w.applied(k, d); o.LoadBalancer.ID != id || o.Addresses[0].IP != address || len(o.Steps) != 0 {
		t.Errorf("outcome is %+v %+v", o, o.LoadBalancer)
	}
	w.removed(k, w.decide(k, events.Approved, nil))
	if left := a.do("GET", f, nil)["floatingip"].(map[string]any); left["description"] != words || left["floating_ip_address"] != address {
		t.Errorf("left: %+v", left)
	}
}

// TestAdoptNever: who says so gets a load balancer beside that of another.
func TestAdoptNever(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	id, _ := w.oic("web", false)
	w.cfg.Adopt = executor.AdoptNever
	w.run()
	k := key("web")
	if o := w.applied(k, w.decide(k, events.Approved, legacy("web"))); o.LoadBalancer.ID == id {
		t.Errorf("outcome is %+v", o)
	}
}
