package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// start plays a cloud for a test.
func start(t testing.TB, cfg Config) *Cloud {
	t.Helper()
	c, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

type credentials struct {
	Auth struct {
		Username string `yaml:"username"`
		Password string `yaml:"password"`
		Project  string `yaml:"project_name"`
		ID       string `yaml:"application_credential_id"`
		Secret   string `yaml:"application_credential_secret"`
	} `yaml:"auth"`
}

func entry(t testing.TB, c *Cloud, name string) credentials {
	t.Helper()
	var all struct {
		Clouds map[string]credentials `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(c.CloudsYAML(), &all); err != nil {
		t.Fatal(err)
	}
	e, ok := all.Clouds[name]
	if !ok {
		t.Fatalf("clouds.yaml has no entry %s:\n%s", name, c.CloudsYAML())
	}
	return e
}

// client speaks to a sandbox as one user, without a library in between.
type client struct {
	t     testing.TB
	cloud *Cloud
	token string
}

func logIn(t testing.TB, c *Cloud, name string) *client {
	t.Helper()
	cl := &client{t: t, cloud: c}
	e := entry(t, c, name)
	status, _, h := cl.send("POST", "/identity/v3/auth/tokens", passwordBody(e, e.Auth.Password))
	if status != 201 {
		t.Fatalf("log in as %s: %d", name, status)
	}
	cl.token = h.Get("X-Subject-Token")
	return cl
}

func passwordBody(e credentials, password string) object {
	d := object{"name": "Default"}
	return object{"auth": object{
		"identity": object{"methods": []string{"password"}, "password": object{"user": object{"name": e.Auth.Username, "domain": d, "password": password}}},
		"scope":    object{"project": object{"name": e.Auth.Project, "domain": d}},
	}}
}

func (cl *client) send(method, path string, body any) (int, object, http.Header) {
	cl.t.Helper()
	var data []byte
	switch b := body.(type) {
	case nil:
	case string:
		data = []byte(b)
	default:
		var err error
		if data, err = json.Marshal(b); err != nil {
			cl.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, cl.cloud.URL()+path, bytes.NewReader(data))
	if err != nil {
		cl.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", cl.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, object{"error": err.Error()}, nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		cl.t.Fatal(err)
	}
	out := object{}
	if len(answer) > 0 && answer[0] == '{' {
		if err := json.Unmarshal(answer, &out); err != nil {
			cl.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
	return resp.StatusCode, out, resp.Header
}

const lbaas = "/load-balancer/v2/lbaas"

// lb sends to Octavia, network to Neutron.
func (cl *client) lb(method, path string, body any) (int, object) {
	cl.t.Helper()
	status, out, _ := cl.send(method, lbaas+path, body)
	return status, out
}

func (cl *client) network(method, path string, body any) (int, object) {
	cl.t.Helper()
	status, out, _ := cl.send(method, "/network/v2.0"+path, body)
	return status, out
}

// must is lb for what has to work.
func (cl *client) must(want int, method, path string, body any) object {
	cl.t.Helper()
	status, out := cl.lb(method, path, body)
	if status != want {
		cl.t.Fatalf("%s %s: %d, want %d: %v", method, path, status, want, out)
	}
	return out
}

func (cl *client) subnet() string {
	cl.t.Helper()
	_, out := cl.network("GET", "/subnets?name="+SubnetName, nil)
	return out["subnets"].([]any)[0].(object)["id"].(string)
}

// settled waits until a load balancer is not pending, and shows it; nil: gone.
func (cl *client) settled(id string) object {
	cl.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		status, out := cl.lb("GET", "/loadbalancers/"+id, nil)
		if status == 404 {
			return nil
		}
		lb := out["loadbalancer"].(object)
		if !strings.HasPrefix(lb["provisioning_status"].(string), "PENDING") {
			return lb
		}
	}
	cl.t.Fatalf("load balancer %s does not settle", id)
	return nil
}

func faultString(o object) string {
	s, _ := o["faultstring"].(string)
	return s
}

// whole is a create with everything nested.
func whole(subnet string, extra object) object {
	pool := func(name string, members ...int) object {
		list := []object{}
		for _, m := range members {
			list = append(list, object{"address": "127.0.0.1", "protocol_port": m})
		}
		return object{"name": name, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": list,
			"healthmonitor": object{"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}}
	}
	lb := object{
		"name": "one", "vip_subnet_id": subnet, "tags": []string{"b=2", "a=1"},
		"listeners": []object{{
			"name": "l", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool("main", 30080),
			"l7policies": []object{{
				"action": "REDIRECT_TO_POOL", "redirect_pool": pool("api", 30081),
				"rules": []object{{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/api"}},
			}},
		}},
	}
	for k, v := range extra {
		lb[k] = v
	}
	return object{"loadbalancer": lb}
}
