package executor_test

import (
	"strings"
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/sandbox"
)

// TestAdoptOfNamesakeCluster: two clusters that nobody named are both called
// "kubernetes" by the openstack-cloud-controller-manager: the load balancer of one
// is not taken for a Service of the other.
func TestAdoptOfNamesakeCluster(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	a := w.api()
	subnet := a.ids("/network/v2.0/subnets?name="+sandbox.SubnetName, "subnets")[0]
	const name = "kube_service_kubernetes_shop_dns"
	a.do("POST", lbaas+"/loadbalancers", map[string]any{"loadbalancer": map[string]any{"name": name, "vip_subnet_id": subnet, "tags": []string{name},
		"listeners": []any{map[string]any{"name": "listener_0_" + name, "protocol": "TCP", "protocol_port": 53, "default_pool": map[string]any{
			"name": "pool_0_" + name, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN",
			"members": []any{map[string]any{"name": "other", "address": "10.9.0.11", "protocol_port": 30053}}}}}}})
	e := events.Exposure{Key: events.Key{Cluster: "c1", Kind: events.KindService, Namespace: "shop", Name: "dns"}, UID: "u", Cloud: "default", Internal: true,
		Listeners: []events.Listener{{Protocol: events.TCP, Port: 53, Backend: "dns"}},
		Backends:  []events.Backend{{Name: "dns", Protocol: events.TCP, Members: []events.Member{{Name: "mine", Address: "10.0.0.11", Port: 30053}}}}}
	w.decide(e.Key, events.Approved, &e)
	found, err := executor.Adopt(t.Context(), w.cfg, w.bus, true)
	if err != nil || len(found) != 1 || len(found[0].Written) != 0 || !strings.Contains(strings.Join(found[0].Problems, ""), "may be of another cluster") {
		t.Errorf("%+v, %v", found, err)
	}
	w.cfg.PeerClusters = map[string]string{"c1": "kubernetes"} // somebody says so
	if found, err = executor.Adopt(t.Context(), w.cfg, w.bus, true); err != nil || len(found) != 1 || len(found[0].Written) == 0 {
		t.Errorf("%+v, %v", found, err)
	}
}
