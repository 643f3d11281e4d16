package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// entry is one of a clouds.yaml.
type entry struct {
	Auth struct {
		URL      string `yaml:"auth_url"`
		Username string `yaml:"username"`
		Password string `yaml:"password"`
		Project  string `yaml:"project_name"`
	} `yaml:"auth"`
}

// session is a user who is logged in.
type session struct {
	token, project string
	urls           map[string]string // by service type
	answer         any               // of the log in
}

// cloud is one of the two that are compared.
type cloud struct {
	t        testing.TB
	identity string
	entries  map[string]entry    // by role in the script: "", other, observer, norole
	sessions map[string]*session // by the same
	vars     map[string]string
	hurry    func() error // ends what is pending; nil: it takes its time
}

// open reads a clouds.yaml whose entries are called prefix, prefix-other and so on.
func open(t testing.TB, text []byte, prefix string) *cloud {
	t.Helper()
	var all struct {
		Clouds map[string]entry `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, entries: map[string]entry{}, sessions: map[string]*session{}, vars: map[string]string{"run": fmt.Sprintf("conf-%x", time.Now().UnixNano())}}
	for _, role := range []string{"", "other", "observer", "norole"} {
		name := prefix
		if role != "" {
			name += "-" + role
		}
		e, ok := all.Clouds[name]
		if !ok {
			t.Fatalf("clouds.yaml has no entry %s", name)
		}
		c.entries[role] = e
		c.sessions[role] = c.logIn(e)
	}
	c.identity = c.entries[""].Auth.URL
	c.vars["project"] = c.sessions[""].project
	c.bundles()
	return c
}

func passwordBody(e entry) any {
	type o = map[string]any
	d := o{"name": "Default"}
	return o{"auth": o{
		"identity": o{"methods": []string{"password"}, "password": o{"user": o{"name": e.Auth.Username, "domain": d, "password": e.Auth.Password}}},
		"scope":    o{"project": o{"name": e.Auth.Project, "domain": d}},
	}}
}

func (c *cloud) logIn(e entry) *session {
	c.t.Helper()
	body, err := json.Marshal(passwordBody(e))
	if err != nil {
		c.t.Fatal(err)
	}
	status, answer, header := c.send(http.MethodPost, e.Auth.URL+"/auth/tokens", body, "")
	if status != http.StatusCreated {
		c.t.Fatalf("log in as %s: %d %v", e.Auth.Username, status, answer)
	}
	s := &session{token: header.Get("X-Subject-Token"), urls: map[string]string{}, answer: answer}
	s.project = dig(answer, "token.project.id")
	for _, service := range answer.(map[string]any)["token"].(map[string]any)["catalog"].([]any) {
		for _, e := range service.(map[string]any)["endpoints"].([]any) {
			if dig(e, "interface") == "public" {
				s.urls[dig(service, "type")] = strings.TrimSuffix(dig(e, "url"), "/")
			}
		}
	}
	return s
}

func (c *cloud) send(method, url string, body []byte, token string, header ...string) (int, any, http.Header) {
	c.t.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var answer any
	if len(data) > 0 && json.Unmarshal(data, &answer) != nil {
		answer = string(data)
	}
	return resp.StatusCode, answer, resp.Header
}

// dig follows a dotted path into an answer; a number is an index. What is not
// there is empty.
func dig(v any, path string) string {
	for _, key := range strings.Split(path, ".") {
		switch t := v.(type) {
		case map[string]any:
			v = t[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(t) {
				return ""
			}
			v = t[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func (c *cloud) expand(s string) string {
	for name, value := range c.vars {
		s = strings.ReplaceAll(s, "{"+name+"}", value)
	}
	return s
}

// do sends one step, and waits as it says.
func (c *cloud) do(s step) (int, any) {
	c.t.Helper()
	ses := c.sessions[s.as]
	if s.as == nobody {
		ses = &session{token: "no-token", urls: c.sessions[""].urls}
	}
	service := s.service
	if service == "" {
		service = "load-balancer"
	}
	url := c.expand(s.path)
	if !strings.HasPrefix(url, "http") {
		url = ses.urls[service] + url
	}
	var body []byte
	if s.body != "" {
		body = []byte(c.expand(s.body))
	}
	var header []string
	for _, h := range s.header {
		header = append(header, c.expand(h))
	}
	status, answer, _ := c.send(s.method, url, body, ses.token, header...)
	for name, path := range s.save {
		if v := dig(answer, path); v != "" {
			c.vars[name] = v
		} else {
			c.t.Errorf("%s: the answer has no %s: %d %v", s.name, path, status, answer)
		}
	}
	if s.settle != "" {
		c.settle(c.vars[s.settle])
	}
	return status, answer
}

// patience is for a real cloud that others use too.
const patience = 2 * time.Minute

func (c *cloud) settle(id string) {
	c.t.Helper()
	if c.hurry != nil {
		if err := c.hurry(); err != nil {
			c.t.Fatal(err)
		}
	}
	url := c.sessions[""].urls["load-balancer"] + "/v2/lbaas/loadbalancers/" + id
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		status, answer, _ := c.send(http.MethodGet, url, nil, c.sessions[""].token)
		if status == http.StatusNotFound || !strings.HasPrefix(dig(answer, "loadbalancer.provisioning_status"), "PENDING") {
			return
		}
	}
	c.t.Fatalf("load balancer %s does not settle", id)
}

// abandoned is how old a port is that surely belongs to no create under way.
const abandoned = time.Minute

// sweep deletes the VIP ports that the real Octavia leaves behind when it
// refuses a create after it has made the port: its subnet would run full.
func (c *cloud) sweep() {
	c.t.Helper()
	_, ports := c.do(step{service: "network", method: "GET", path: "/v2.0/ports?device_owner=Octavia"})
	list, _ := ports.(map[string]any)["ports"].([]any)
	for _, p := range list {
		made, err := time.Parse(time.RFC3339, dig(p, "created_at"))
		id, ours := strings.CutPrefix(dig(p, "device_id"), "lb-")
		if err != nil || !ours || time.Since(made) < abandoned {
			continue
		}
		if status, _ := c.do(step{method: "GET", path: lbs + "/" + id}); status == http.StatusNotFound {
			c.do(step{service: "network", method: "DELETE", path: "/v2.0/ports/" + dig(p, "id")})
		}
	}
}
