package executor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor"
	"drawbridge.dev/services/sandbox"
	"gopkg.in/yaml.v3"
)

// api speaks to the cloud as somebody else with the project's credentials.
type api struct {
	*testing.T
	url, token string
}

func (w *world) api() api {
	w.Helper()
	var file struct {
		Clouds map[string]struct {
			Auth map[string]string `yaml:"auth"`
		} `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(w.cloud.CloudsYAML(), &file); err != nil {
		w.Fatal(err)
	}
	a := file.Clouds["sandbox"].Auth
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"domain":{"name":"Default"},"password":%q}}},
		"scope":{"project":{"name":%q,"domain":{"name":"Default"}}}}}`, a["username"], a["password"], a["project_name"])
	r, err := http.Post(a["auth_url"]+"/auth/tokens", "application/json", strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	defer r.Body.Close()
	return api{w.T, w.cloud.URL(), r.Header.Get("X-Subject-Token")}
}

func (a api) do(method, path string, body any) map[string]any {
	a.Helper()
	var in bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&in).Encode(body); err != nil {
			a.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(a.Context(), method, a.url+path, &in)
	if err != nil {
		a.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", a.token)
	req.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer r.Body.Close()
	data, _ := io.ReadAll(r.Body)
	if r.StatusCode >= 400 {
		a.Fatalf("%s %s: %d %s", method, path, r.StatusCode, data)
	}
	out := map[string]any{}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &out); err != nil {
			a.Fatal(err)
		}
	}
	return out
}

func (a api) ids(path, list string) (out []string) {
	a.Helper()
	for _, x := range a.do("GET", path, nil)[list].([]any) {
		out = append(out, x.(map[string]any)["id"].(string))
	}
	return out
}

func floatingIPs(w *world) int {
	return len(w.api().ids("/network/v2.0/floatingips", "floatingips"))
}

const lbaas = "/load-balancer/v2.0/lbaas"

// TestDrift damages what stands in several ways; each is said before it is repaired.
func TestDrift(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(api, string)
		step   string
	}{
		{"pool without members", func(a api, lb string) {
			pool := a.ids(lbaas+"/pools?loadbalancer_id="+lb, "pools")[0]
			a.do("PUT", lbaas+"/pools/"+pool+"/members", map[string]any{"members": []any{}})
		}, "set members of pool"},
		{"policy deleted", func(a api, _ string) {
			a.do("DELETE", lbaas+"/l7policies/"+a.ids(lbaas+"/l7policies", "l7policies")[1], nil)
		}, "create L7 policy"},
		{"rule deleted", func(a api, _ string) {
			p := a.ids(lbaas+"/l7policies", "l7policies")[1]
			a.do("DELETE", lbaas+"/l7policies/"+p+"/rules/"+a.ids(lbaas+"/l7policies/"+p+"/rules", "rules")[0], nil)
		}, "delete L7 policy"},
		{"listener taken down", func(a api, _ string) {
			a.do("PUT", lbaas+"/listeners/"+a.ids(lbaas+"/listeners", "listeners")[0], map[string]any{"listener": map[string]any{"admin_state_up": false}})
		}, "update listener"},
		{"load balancer deleted", func(a api, lb string) { a.do("DELETE", lbaas+"/loadbalancers/"+lb+"?cascade=true", nil) }, "create load balancer"},
		{"floating IP deleted", func(a api, _ string) {
			a.do("DELETE", "/network/v2.0/floatingips/"+a.ids("/network/v2.0/floatingips", "floatingips")[0], nil)
		}, "create floating IP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, sandbox.Config{})
			w.cfg.DriftInterval = 300 * time.Millisecond
			w.run()
			k := key("web")
			d := w.decide(k, events.Approved, ingress("web", "10.0.0.11", "10.0.0.12"))
			first := w.applied(k, d)
			time.Sleep(1100 * time.Millisecond) // the cloud writes the time of a change in whole seconds
			tt.damage(w.api(), first.LoadBalancer.ID)
			o := w.await(k, d, "a repair", func(o events.Outcome) bool {
				return o.State == events.Applied && slices.ContainsFunc(o.Steps, func(s string) bool { return strings.Contains(s, tt.step) }) && len(o.Steps) < 15 && !slices.Equal(o.Steps, first.Steps)
			})
			r, ok, err := w.bus.Last(t.Context(), events.StageDrift, "default", k)
			if err != nil || !ok {
				t.Fatalf("no drift was said: %v", err)
			}
			outcome, _, err := w.bus.Last(t.Context(), events.StageOutcome, "default", k)
			if err != nil {
				t.Fatal(err)
			}
			said := r.Event.Payload.(events.Drift)
			if !said.Repair || r.Sequence > outcome.Sequence || outcome.Event.Cause != r.Event.ID || o.Calls.Writes == 0 {
				t.Errorf("drift %d %+v, outcome %d %+v", r.Sequence, said, outcome.Sequence, o)
			}
		})
	}
}

// TestDriftObserved: what is only to be observed is said once, and left.
func TestDriftObserved(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.cfg.DriftInterval, w.cfg.Drift = 100*time.Millisecond, executor.DriftObserve
	w.run()
	k := key("web")
	w.applied(k, w.decide(k, events.Approved, ingress("web", "10.0.0.11")))
	a := w.api()
	a.do("DELETE", "/network/v2.0/floatingips/"+a.ids("/network/v2.0/floatingips", "floatingips")[0], nil)
	var first uint64
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		r, ok, err := w.bus.Last(t.Context(), events.StageDrift, "default", k)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			first = r.Sequence
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no drift was said")
		}
	}
	w.calls()
	for looks := 0; looks < 10; time.Sleep(10 * time.Millisecond) { // as often as it takes to say it again
		looks = 0
		for _, c := range w.cloud.Calls() {
			if strings.HasSuffix(c.Path, "/floatingips") {
				looks++
			}
		}
	}
	if r, _, err := w.bus.Last(t.Context(), events.StageDrift, "default", k); err != nil || r.Sequence != first {
		t.Errorf("it is said again: %v", err)
	}
	if writes, _, text := w.calls(); writes != 0 {
		t.Errorf("it is repaired:%s", text)
	}
}
