package scenarios

import (
	order "cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
)

// unclassed takes Services without a class, as who comes from the
// openstack-cloud-controller-manager has them.
func unclassed(config map[string]any) {
	config["watcher"].(map[string]any)["default-service-class"] = true
}

// adopting takes over what the octavia-ingress-controller and the
// openstack-cloud-controller-manager have made: deploy/migration.md.
func adopting(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	web, api, lobby := w.port(t, "web", "TCP", 80), w.port(t, "api", "TCP", 80), w.port(t, "lobby", "TCP", 7000)
	w.Source.Apply(t, harness.NodePorts(ns, "web", web), harness.NodePorts(ns, "api", api))
	shop, docs := hosts(ns)
	site := harness.Ingress(ns, "site", map[string]any{"kubernetes.io/ingress.class": "openstack", "octavia.ingress.kubernetes.io/internal": "false"},
		harness.Path{Host: shop, Path: "/api", Service: "api", Port: 80}, harness.Path{Host: shop, Path: "/", Service: "web", Port: 80},
		harness.Path{Host: docs, Path: "/", Service: "web", Port: 80})
	delete(site["spec"].(map[string]any), "ingressClassName")
	plain := harness.Balanced(ns, "lobby", nil, lobby)
	delete(plain["spec"].(map[string]any), "loadBalancerClass")

	w.rehearses(t, shop, harness.Namespace(ns, true), harness.NodePorts(ns, "web", web), harness.NodePorts(ns, "api", api), site, plain)

	made := map[string]peer{} // by the key that it is adopted for
	made[harness.Key(site).String()] = w.ingressPeer(t, ns, "site", map[string]int{"web": web.NodePort, "api": api.NodePort},
		[][3]string{{shop, "/api", "api"}, {shop, "/", "web"}, {docs, "/", "web"}})
	made[harness.Key(plain).String()] = w.servicePeer(t, ns, "lobby", lobby)
	for _, o := range []harness.Object{site, plain} {
		p := made[harness.Key(o).String()]
		if o.Kind() == "Service" { // for people to read, as they are there
			o["metadata"].(map[string]any)["annotations"] = map[string]any{"loadbalancer.openstack.org/load-balancer-id": p.id,
				"loadbalancer.openstack.org/load-balancer-address": p.address}
		}
		w.Source.Apply(t, o)
		w.exposed = append(w.exposed, o)
		w.refused(t, o, p.id)
	}
	w.Exact(t) // nothing is built beside
	before := map[string]any{}
	for _, p := range made {
		before[p.id] = w.snapshot(t, p)
	}
	w.adopts(t, made, "dry-run", 0)
	for _, p := range made {
		if diff := cmp.Diff(before[p.id], w.snapshot(t, p)); diff != "" {
			t.Errorf("a dry run changed %s:\n%s", p.name, diff)
		}
	}
	if w.Cloud.Sandbox != nil {
		w.Cloud.Sandbox.ResetCalls()
	}
	w.adopts(t, made, "apply", 2)
	for _, o := range []harness.Object{site, plain} {
		p := made[harness.Key(o).String()]
		w.Stands(o, true)
		trip := w.Settled(t, o)
		wantState(t, trip, events.Approved, events.Applied)
		if lb := trip.Outcome.LoadBalancer; lb == nil || lb.ID != p.id || len(trip.Outcome.Steps) != 0 || trip.Outcome.Calls.Writes != 0 {
			t.Errorf("%s was adopted and led to %+v with %d writes: %q", p.name, lb, trip.Outcome.Calls.Writes, trip.Outcome.Steps)
		}
		if w.reach(t, trip) != p.address {
			t.Errorf("%s is at %s, before at %s", p.name, w.reach(t, trip), p.address)
		}
	}
	w.Exact(t)
	for _, p := range made {
		w.sameButOurs(t, p, before[p.id])
	}
	if w.Cloud.Sandbox != nil {
		if n, list := w.Cloud.Sandbox.Writes(); n != 2*len(made) {
			t.Errorf("%d writes adopted %d load balancers, want the tags and the description of each: %q", n, len(made), list)
		}
	}
	w.carriesOn(t, site, plain, shop)
	w.withdraw(t, site)
	p := made[harness.Key(site).String()]
	harness.Eventually(t, p.name+" is gone, with its floating IP", func() error { return w.absent(p) })
	w.givesBack(t, plain, made[harness.Key(plain).String()])
}

// rehearses runs what who migrates runs first: the manifests of the cluster in
// a folder, and what would become of them.
func (w *world) rehearses(t *testing.T, shop string, objects ...harness.Object) {
	t.Helper()
	folder := harness.Folder{Path: t.TempDir()}
	folder.Apply(t, append(objects, w.nodes[:2]...)...)
	text := w.Command(t, "executor", []string{"plan", "-f", folder.Path})
	if want := "with drawbridge.dev/path-matching: kubernetes, " + shop + ":80/apimore: to "; !strings.Contains(text, want) {
		t.Errorf("a plan does not say %q:\n%s", want, text)
	}
}

// givesBack is the way back: without our marks a load balancer is not ours, and
// stays when its object goes.
func (w *world) givesBack(t *testing.T, o harness.Object, p peer) {
	t.Helper()
	w.Process("executor").Stop(t)
	w.Cloud.Edit(t, http.MethodPut, "/v2/lbaas/loadbalancers/"+p.id, map[string]any{"loadbalancer": map[string]any{"tags": []string{p.name}}})
	if err := w.Cloud.Do("network", http.MethodPut, "/v2.0/floatingips/"+p.floating, map[string]any{"floatingip": map[string]any{"description": "Floating IP for Kubernetes external service"}}, nil); err != nil {
		t.Fatal(err)
	}
	w.Source.Delete(t, o)
	w.Process("executor").Start(t)
	w.Ready(t, "executor")
	trip := w.Removed(t, o)
	w.exposed = slices.DeleteFunc(w.exposed, func(e harness.Object) bool { return harness.Key(e) == harness.Key(o) })
	if n := trip.Outcome.Calls.Writes; n != 0 {
		t.Errorf("%d writes at what was given back: %q", n, trip.Outcome.Steps)
	}
	harness.Eventually(t, p.name+" stands as it was", func() error {
		now := w.snapshot(t, p)
		lb, ip := now["loadbalancer"].(map[string]any), now["floatingip"].(map[string]any)
		if lb["provisioning_status"] != "ACTIVE" || ip["port_id"] != lb["vip_port_id"] {
			return fmt.Errorf("%v, %v", lb, ip)
		}
		return nil
	})
}

// carriesOn checks that what is adopted is served, and changed as ours.
func (w *world) carriesOn(t *testing.T, site, plain harness.Object, shop string) {
	t.Helper()
	trip := w.Settled(t, site)
	w.answers(t, trip, 80, shop, "/api/orders", "api")
	w.answers(t, trip, 80, shop, "/apiary", "api") // by characters, as it was
	w.answers(t, trip, 80, shop, "/", "web")
	for _, ask := range [][]string{{"get", "exposures"}, {"history", "--namespace", site.Namespace()}} {
		if text := w.Command(t, "executor", ask); !strings.Contains(text, site.Name()) || !strings.Contains(text, plain.Name()) {
			t.Errorf("drawbridge %s does not name what is adopted:\n%s", strings.Join(ask, " "), text)
		}
	}
	if w.Cloud.Sandbox == nil {
		return // a change of what stands is one as any other, and takes its time there
	}
	added := w.nodes[2]
	trip = w.Change(t, plain, func() { w.Source.Apply(t, added) })
	wantState(t, trip, events.Approved, events.Applied)
	w.balances(t, plain, 3)
	trip = w.Change(t, plain, func() { w.Source.Delete(t, added) })
	wantState(t, trip, events.Approved, events.Applied)
	w.balances(t, plain, 2)
	w.answers(t, trip, 7000, "", "/", "lobby")
	w.Settled(t, site)
}

// peer is a load balancer that another controller has made.
type peer struct {
	id, name string
	floating string // id
	address  string // of the floating IP
}

// ingressPeer makes what the octavia-ingress-controller makes: names, no tags, a
// description that ends with a version, pools by the digest of Service and port,
// a policy for each path.
func (w *world) ingressPeer(t *testing.T, namespace, ingress string, nodePorts map[string]int, paths [][3]string) peer {
	t.Helper()
	name := strings.Join([]string{"kube_ingress", harness.ClusterName, namespace, ingress}, "_")
	of := fmt.Sprintf("ingress %s in namespace %s from cluster %s", ingress, namespace, harness.ClusterName)
	pools := []any{}
	digest := func(service string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(service+"+80"))) }
	for _, service := range slices.Sorted(maps.Keys(nodePorts)) {
		pools = append(pools, map[string]any{"name": digest(service), "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
			"members": w.members(nodePorts[service], false)})
	}
	policies := []any{}
	for _, p := range paths {
		policies = append(policies, map[string]any{"action": "REDIRECT_TO_POOL", "description": "Created by kubernetes ingress",
			"redirect_pool": map[string]any{"name": digest(p[2])}, "rules": []any{
				map[string]any{"type": "HOST_NAME", "compare_type": "REGEX", "value": "^" + strings.ReplaceAll(p[0], ".", `\.`) + "(:80)?$"},
				map[string]any{"type": "PATH", "compare_type": "STARTS_WITH", "value": p[1]}}})
	}
	return w.handmade(t, "Floating IP for Kubernetes "+of, map[string]any{"name": name, "description": "Kubernetes I" + of[1:] + ", version: 4711",
		"pools": pools, "listeners": []any{map[string]any{"name": name, "protocol": "HTTP", "protocol_port": 80, "l7policies": policies}}})
}

// servicePeer makes what the openstack-cloud-controller-manager makes: its name
// as a tag everywhere, numbered children, its own time-outs, everyone allowed.
func (w *world) servicePeer(t *testing.T, namespace, service string, port harness.Port) peer {
	t.Helper()
	name := "kube_service_kubernetes_" + namespace + "_" + service
	of := fmt.Sprintf("Kubernetes external service %s/%s from cluster kubernetes", namespace, service)
	return w.handmade(t, "Floating IP for "+of, map[string]any{"name": name, "description": of, "tags": []string{name},
		"listeners": []any{map[string]any{"name": "listener_0_" + name, "tags": []string{name}, "protocol": port.Protocol, "protocol_port": port.Port,
			"connection_limit": -1, "allowed_cidrs": []string{"0.0.0.0/0"}, "timeout_client_data": 50000, "timeout_member_connect": 5000,
			"timeout_member_data": 50000, "timeout_tcp_inspect": 0,
			"default_pool": map[string]any{"name": "pool_0_" + name, "protocol": port.Protocol, "lb_algorithm": "ROUND_ROBIN",
				"members": w.members(port.NodePort, true)}}}})
}

// members are the two nodes of the world at a node port; with their names, or
// without, as the octavia-ingress-controller has them.
func (w *world) members(nodePort int, named bool) (out []any) {
	for i, address := range w.Cloud.Nodes[:2] {
		m := map[string]any{"address": address, "protocol_port": nodePort}
		if named {
			m["name"] = w.nodes[i].Name()
		}
		out = append(out, m)
	}
	return out
}

// handmade creates a load balancer as it is given and binds a floating IP.
func (w *world) handmade(t *testing.T, description string, body map[string]any) peer {
	t.Helper()
	p := peer{name: body["name"].(string)}
	body["vip_subnet_id"] = w.Cloud.Subnet
	if w.Cloud.Sandbox != nil {
		body["vip_subnet_id"] = w.ask(t, "network", "/v2.0/subnets?name="+w.Cloud.Subnet, "subnets")["id"]
	}
	if flavor, ok := w.Cloud.Executor["flavor"]; ok {
		body["flavor_id"] = flavor
	}
	var out map[string]map[string]any
	if err := w.Cloud.Do("load-balancer", http.MethodPost, "/v2/lbaas/loadbalancers", map[string]any{"loadbalancer": body}, &out); err != nil {
		t.Fatal(err)
	}
	p.id = out["loadbalancer"]["id"].(string)
	t.Cleanup(func() { w.sweepPeer(t, p) })
	external, ok := w.Cloud.Executor["floating-network"]
	if !ok {
		external = w.ask(t, "network", "/v2.0/networks?router:external=true", "networks")["id"]
	}
	if err := w.Cloud.Do("network", http.MethodPost, "/v2.0/floatingips", map[string]any{"floatingip": map[string]any{"floating_network_id": external,
		"port_id": out["loadbalancer"]["vip_port_id"], "description": description}}, &out); err != nil {
		t.Fatal(err)
	}
	p.floating, p.address = out["floatingip"]["id"].(string), out["floatingip"]["floating_ip_address"].(string)
	harness.Eventually(t, p.name+" stands", func() error {
		if s := w.ask(t, "load-balancer", "/v2/lbaas/loadbalancers/"+p.id, "loadbalancer")["provisioning_status"]; s != "ACTIVE" {
			return fmt.Errorf("%s", s)
		}
		return nil
	})
	return p
}

// ask reads one object, or the first of a list.
func (w *world) ask(t *testing.T, service, path, field string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := w.Cloud.Do(service, http.MethodGet, path, nil, &out); err != nil {
		t.Fatal(err)
	}
	if list, ok := out[field].([]any); ok {
		if len(list) == 0 {
			t.Fatalf("%s answers none", path)
		}
		return list[0].(map[string]any)
	}
	return out[field].(map[string]any)
}

// refused waits until the executor says that it does not build a second one.
func (w *world) refused(t *testing.T, o harness.Object, id string) {
	t.Helper()
	harness.Eventually(t, harness.Key(o).String()+" is not built beside what stands", func() error {
		all, err := w.Auditor.Of(harness.Key(o))
		if err != nil {
			return err
		}
		for _, e := range all {
			var out events.Outcome
			if e.Stage != string(events.StageOutcome) {
				continue
			}
			if err := json.Unmarshal(e.Payload, &out); err != nil {
				return err
			}
			if out.State == events.Failed && strings.Contains(out.Reason, id) && strings.Contains(out.Reason, "drawbridge adopt") {
				return nil
			}
			err = fmt.Errorf("%s %q", out.State, out.Reason)
		}
		return errors.Join(errors.New("no outcome says so"), err)
	}, func() string { return w.History(o) })
}

// elsewhere is the exit status of adopt where it finds something that it does
// not adopt, as on a cloud that others use too.
const elsewhere = 2

// adopts runs the command and checks that it finds just what was made, with no
// step left, and writes so many things of each.
func (w *world) adopts(t *testing.T, made map[string]peer, how string, written int) {
	t.Helper()
	var out struct {
		LoadBalancers []struct {
			ID, Key                         string
			Steps, Hints, Problems, Written []string
		}
	}
	if err := json.Unmarshal([]byte(w.Command(t, "executor", []string{"adopt", "--" + how, "-o", "json"}, elsewhere)), &out); err != nil {
		t.Fatal(err)
	}
	mine := 0
	for _, a := range out.LoadBalancers {
		p, ok := made[a.Key]
		if !ok {
			continue // of somebody else, on a cloud that others use too
		}
		mine++
		if a.ID != p.id || len(a.Steps)+len(a.Problems) != 0 || len(a.Written) != written {
			t.Errorf("adopt --%s says %+v of %s (%s)", how, a, p.name, p.id)
		}
	}
	if mine != len(made) {
		t.Errorf("adopt --%s finds %+v, want %d", how, out.LoadBalancers, len(made))
	}
}

// snapshot is everything that the cloud says of a load balancer and its floating IP.
func (w *world) snapshot(t *testing.T, p peer) map[string]any {
	t.Helper()
	out := map[string]any{"loadbalancer": w.ask(t, "load-balancer", "/v2/lbaas/loadbalancers/"+p.id, "loadbalancer"),
		"floatingip": w.ask(t, "network", "/v2.0/floatingips/"+p.floating, "floatingip")}
	list := func(path, kind string) []any {
		var answer map[string]any
		if err := w.Cloud.Do("load-balancer", http.MethodGet, "/v2/lbaas/"+path, nil, &answer); err != nil {
			t.Fatal(err)
		}
		out[path] = answer[kind]
		return answer[kind].([]any)
	}
	for _, pool := range list("pools?loadbalancer_id="+p.id, "pools") {
		list("pools/"+id(pool)+"/members", "members")
	}
	for _, l := range list("listeners?loadbalancer_id="+p.id, "listeners") {
		for _, policy := range list("l7policies?listener_id="+id(l), "l7policies") {
			list("l7policies/"+id(policy)+"/rules", "rules")
		}
	}
	still(out)
	return out
}

// still takes away what moves without a write: what members' health says, with
// its time, and the order of what has none, in which Octavia answers as it likes.
func still(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "operating_status")
		delete(v, "updated_at")
		for _, x := range v {
			still(x)
		}
	case []any:
		slices.SortStableFunc(v, func(a, b any) int { return order.Compare(id(a), id(b)) })
		for _, x := range v {
			still(x)
		}
	}
}

// id of an object as a cloud writes it; empty for what is none.
func id(v any) string {
	o, _ := v.(map[string]any)
	s, _ := o["id"].(string)
	return s
}

// sameButOurs checks that adoption wrote tags and a description, and nothing else.
func (w *world) sameButOurs(t *testing.T, p peer, before any) {
	t.Helper()
	now := w.snapshot(t, p)
	for _, s := range []map[string]any{before.(map[string]any), now} {
		for object, fields := range map[string][]string{"loadbalancer": {"tags"}, "floatingip": {"description", "revision_number"}} {
			for _, f := range fields {
				delete(s[object].(map[string]any), f)
			}
		}
	}
	if diff := cmp.Diff(before, any(now)); diff != "" {
		t.Errorf("adoption changed more of %s than tags and a description:\n%s", p.name, diff)
	}
}

// absent says what is left of a load balancer and its floating IP.
func (w *world) absent(p peer) error {
	for _, at := range [][2]string{{"load-balancer", "/v2/lbaas/loadbalancers/" + p.id}, {"network", "/v2.0/floatingips/" + p.floating}} {
		var status *harness.StatusError
		if err := w.Cloud.Do(at[0], http.MethodGet, at[1], nil, nil); !errors.As(err, &status) || status.Code != http.StatusNotFound {
			return fmt.Errorf("%s stands: %w", at[1], err)
		}
	}
	return nil
}

// sweepPeer removes what a failed test left in a cloud that others use too.
func (w *world) sweepPeer(t *testing.T, p peer) {
	if w.Cloud.Sandbox != nil || w.absent(p) == nil {
		return
	}
	_ = w.Cloud.Do("network", http.MethodDelete, "/v2.0/floatingips/"+p.floating, nil, nil) // it may be gone
	harness.Eventually(t, p.name+" is swept", func() error {
		var status *harness.StatusError
		err := w.Cloud.Do("load-balancer", http.MethodDelete, "/v2/lbaas/loadbalancers/"+p.id+"?cascade=true", nil, nil)
		if errors.As(err, &status) && status.Code == http.StatusNotFound {
			return nil
		}
		return errors.Join(errors.New("it stands"), err)
	})
}
