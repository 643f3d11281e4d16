package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
	"drawbridge.dev/services/sandbox"
	"gopkg.in/yaml.v3"
)

// ask sends a request to the sandbox, as somebody else of the project.
func ask(t *testing.T, cloud *sandbox.Cloud, method, path string, body any) map[string]any {
	t.Helper()
	var file struct {
		Clouds map[string]struct {
			Auth map[string]string `yaml:"auth"`
		} `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(cloud.CloudsYAML(), &file); err != nil {
		t.Fatal(err)
	}
	a := file.Clouds["sandbox"].Auth
	login := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"domain":{"name":"Default"},"password":%q}}},
		"scope":{"project":{"name":%q,"domain":{"name":"Default"}}}}}`, a["username"], a["password"], a["project_name"])
	r, err := http.Post(a["auth_url"]+"/auth/tokens", "application/json", strings.NewReader(login))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var in bytes.Buffer
	if err := json.NewEncoder(&in).Encode(body); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, cloud.URL()+path, &in)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", r.Header.Get("X-Subject-Token"))
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	out := map[string]any{}
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %v %v", method, path, answer.StatusCode, out, err)
	}
	return out
}

// approve puts an approved wish on the bus.
func approve(t *testing.T, b *bus.Bus, e events.Exposure) {
	t.Helper()
	wish := events.Requested{Exposure: &e}.Seal()
	requested := events.New("/watcher/blue", "default", e.Key, wish, "", nil, time.Now())
	decided := events.New("/policy", "default", e.Key, events.Decided{Verdict: events.Approved, Wish: wish.Digest, Exposure: wish.Exposure,
		Policy: events.PolicyRef{Bundle: "test", Digest: "sha256:0"}}.Seal(e.Key), "", &requested, time.Now())
	for _, x := range []events.Event{requested, decided} {
		if _, err := b.Publish(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAdopt(t *testing.T) {
	cloud, err := sandbox.Start(t.Context(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer cloud.Close()
	_, url := bustest.Server(t)
	b := bustest.Connect(t, url)
	if err := b.EnsureStreams(t.Context(), bus.Streams{}.Defaults()); err != nil {
		t.Fatal(err)
	}
	where := []string{"--nats.url", url, "--executor.clouds-file", write(t, filepath.Join(t.TempDir(), "clouds.yaml"), string(cloud.CloudsYAML())),
		"--executor.openstack-cloud", "sandbox", "--executor.vip-subnet", sandbox.SubnetName}
	adopt := func(more ...string) said { return cli(t, append(append([]string{"adopt"}, where...), more...)...) }
	if got := adopt(); got.status != 0 || !strings.HasPrefix(got.out, "no load balancer of another controller stands") {
		t.Errorf("of nothing: %+v", got)
	}
	subnet := ask(t, cloud, "GET", "/network/v2.0/subnets?name="+sandbox.SubnetName, nil)["subnets"].([]any)[0].(map[string]any)["id"]
	for _, name := range []string{"dns", "left"} {
		lb := "kube_service_kubernetes_shop_" + name
		ask(t, cloud, "POST", "/load-balancer/v2.0/lbaas/loadbalancers", map[string]any{"loadbalancer": map[string]any{"name": lb, "vip_subnet_id": subnet, "tags": []string{lb},
			"listeners": []any{map[string]any{"name": "listener_0_" + lb, "protocol": "TCP", "protocol_port": 53, "tags": []string{lb},
				"default_pool": map[string]any{"name": "pool_0_" + lb, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN",
					"members": []any{map[string]any{"name": "member_0_a", "address": "10.0.0.11", "protocol_port": 30053}}}}}}})
	}
	approve(t, b, events.Exposure{Key: events.Key{Cluster: "blue", Kind: events.KindService, Namespace: "shop", Name: "dns"}, UID: "u", Cloud: "default", Internal: true,
		Listeners: []events.Listener{{Protocol: events.TCP, Port: 53, Backend: "shop/dns:53"}},
		Backends: []events.Backend{{Name: "shop/dns:53", Protocol: events.TCP, Algorithm: "ROUND_ROBIN",
			Members: []events.Member{{Name: "member_0_a", Address: "10.0.0.11", Port: 30053}}}}})
	got := adopt()
	if got.status != 2 || !strings.Contains(got.out, "remains   nothing: it is what is wished") || !strings.Contains(got.out, "no approved exposure is of this object") ||
		!strings.Contains(got.out, "nothing is written; --apply adopts 1") {
		t.Errorf("a dry run: %+v", got)
	}
	if got = adopt("--apply", "--dry-run"); got.status != 1 || !strings.Contains(got.err, "opposite") {
		t.Errorf("both: %+v", got)
	}
	if got = adopt("--dry-run=false", "-o", "json"); got.status != 2 || !strings.Contains(got.out, `"applied": true`) || !strings.Contains(got.out, "drawbridge.dev/adopted=true") {
		t.Errorf("applied: %+v", got)
	}
	if got = adopt(); strings.Contains(got.out, "shop_dns") {
		t.Errorf("it is found again: %+v", got)
	}
	if got = cli(t, "adopt"); got.status != 1 || !strings.Contains(got.err, "nats.url") {
		t.Errorf("without a bus: %+v", got)
	}
}
