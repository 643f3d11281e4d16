package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Entry is one cloud of a clouds.yaml, as far as password authentication needs it.
type Entry struct {
	Region string `yaml:"region_name"`
	Auth   struct {
		URL           string `yaml:"auth_url"`
		Username      string `yaml:"username"`
		Password      string `yaml:"password"`
		Project       string `yaml:"project_name"`
		UserDomain    string `yaml:"user_domain_name"`
		ProjectDomain string `yaml:"project_domain_name"`
	} `yaml:"auth"`
}

// OpenStack is an operator with a client of his own, who knows nothing of the
// product: plain HTTP.
type OpenStack struct {
	entry Entry

	mu        sync.Mutex
	token     string
	issued    time.Time
	endpoints map[string]string // by service type
}

// LoadBalancer is what the tests look at of one.
type LoadBalancer struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Tags         []string `json:"tags"`
	Provisioning string   `json:"provisioning_status"`
	Operating    string   `json:"operating_status"`
	VIP          string   `json:"vip_address"`
	PortID       string   `json:"vip_port_id"`
	Flavor       string   `json:"flavor_id"`
	Additional   []VIP    `json:"additional_vips"`
}

// VIP is one more address of a load balancer.
type VIP struct {
	Subnet  string `json:"subnet_id"`
	Address string `json:"ip_address"`
}

// FloatingIP is what the tests look at of one.
type FloatingIP struct {
	ID          string `json:"id"`
	Address     string `json:"floating_ip_address"`
	Description string `json:"description"`
	PortID      string `json:"port_id"`
}

// Child is an object below a load balancer.
type Child struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Provisioning string   `json:"provisioning_status"`
	Protocol     string   `json:"protocol"`
	Port         int      `json:"protocol_port"`
	Address      string   `json:"address"`
	AdminStateUp bool     `json:"admin_state_up"`
	Monitor      string   `json:"healthmonitor_id"`
	Container    string   `json:"default_tls_container_ref"`
	Named        []string `json:"sni_container_refs"`
}

// Certificates are the references of a listener to the key manager.
func (c Child) Certificates() (refs []string) {
	for _, r := range append([]string{c.Container}, c.Named...) {
		if r != "" && !slices.Contains(refs, r) {
			refs = append(refs, r)
		}
	}
	return refs
}

// NewOpenStack is a client of the cloud that the entry names.
func NewOpenStack(e Entry) *OpenStack { return &OpenStack{entry: e} }

// LoadBalancers are those that carry the tag.
func (o *OpenStack) LoadBalancers(tag string) ([]LoadBalancer, error) {
	var out struct {
		LoadBalancers []LoadBalancer `json:"loadbalancers"`
	}
	err := o.Do("load-balancer", http.MethodGet, "/v2/lbaas/loadbalancers?tags="+url.QueryEscape(tag), nil, &out)
	return out.LoadBalancers, err
}

// FloatingIPs are those whose description holds the text.
func (o *OpenStack) FloatingIPs(text string) ([]FloatingIP, error) {
	var out struct {
		FloatingIPs []FloatingIP `json:"floatingips"`
	}
	if err := o.Do("network", http.MethodGet, "/v2.0/floatingips", nil, &out); err != nil {
		return nil, err
	}
	var ours []FloatingIP
	for _, f := range out.FloatingIPs {
		if strings.Contains(f.Description, text) {
			ours = append(ours, f)
		}
	}
	return ours, nil
}

// Secrets are the names, by id, of those secrets whose name begins with the prefix.
func (o *OpenStack) Secrets(prefix string) (map[string]string, error) {
	const page = 100
	out := map[string]string{}
	for offset := 0; ; offset += page {
		var list struct {
			Secrets []struct {
				Name string `json:"name"`
				Ref  string `json:"secret_ref"`
			}
		}
		if err := o.Do("key-manager", http.MethodGet, fmt.Sprintf("/v1/secrets?limit=%d&offset=%d", page, offset), nil, &list); err != nil {
			return nil, err
		}
		for _, s := range list.Secrets {
			if strings.HasPrefix(s.Name, prefix) {
				out[path.Base(s.Ref)] = s.Name
			}
		}
		if len(list.Secrets) < page {
			return out, nil
		}
	}
}

// SecurityGroups are the names of those whose description holds the text.
func (o *OpenStack) SecurityGroups(text string) (names []string, err error) {
	var out struct {
		Groups []struct{ Name, Description string } `json:"security_groups"`
	}
	err = o.Do("network", http.MethodGet, "/v2.0/security-groups?fields=name&fields=description", nil, &out)
	for _, g := range out.Groups {
		if strings.Contains(g.Description, text) {
			names = append(names, g.Name)
		}
	}
	return names, err
}

// Children lists the listeners or pools of a load balancer.
func (o *OpenStack) Children(kind, loadBalancer string) ([]Child, error) {
	var out map[string][]Child
	err := o.Do("load-balancer", http.MethodGet, "/v2/lbaas/"+kind+"?loadbalancer_id="+loadBalancer, nil, &out)
	return out[kind], err
}

// Members lists the members of a pool.
func (o *OpenStack) Members(pool string) ([]Child, error) {
	var out map[string][]Child
	err := o.Do("load-balancer", http.MethodGet, "/v2/lbaas/pools/"+pool+"/members", nil, &out)
	return out["members"], err
}

// Edit does one write that the product knows nothing of, as soon as the load
// balancer takes it.
func (o *OpenStack) Edit(t testing.TB, method, path string, body any) {
	t.Helper()
	Eventually(t, method+" "+path, func() error { return o.Do("load-balancer", method, path, body, nil) })
}

// Do sends one request to a service of the catalog and decodes the answer into out.
func (o *OpenStack) Do(service, method, path string, body, out any) error {
	token, base, err := o.session(service)
	if err != nil {
		return err
	}
	_, err = call(method, base+path, map[string]string{"X-Auth-Token": token}, body, out)
	return err
}

// session is a token and the endpoint of a service, without its version.
func (o *OpenStack) session(service string) (token, base string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.issued) > 10*time.Minute {
		if err := o.authenticate(); err != nil {
			return "", "", err
		}
	}
	base, ok := o.endpoints[service]
	if !ok {
		return "", "", fmt.Errorf("the catalog has no service of type %q", service)
	}
	return o.token, base, nil
}

func (o *OpenStack) authenticate() error {
	a := o.entry.Auth
	domain := func(name string) map[string]string { return map[string]string{"name": name} }
	body := map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": a.Username, "password": a.Password, "domain": domain(a.UserDomain)}}},
		"scope": map[string]any{"project": map[string]any{"name": a.Project, "domain": domain(a.ProjectDomain)}},
	}}
	var out struct {
		Token struct {
			Catalog []struct {
				Type      string
				Endpoints []struct{ Interface, URL string }
			}
		}
	}
	header, err := call(http.MethodPost, a.URL+"/auth/tokens", nil, body, &out)
	if err != nil {
		return err
	}
	o.endpoints = map[string]string{}
	for _, s := range out.Token.Catalog {
		for _, e := range s.Endpoints {
			if e.Interface == "public" {
				u := strings.TrimRight(e.URL, "/")
				u = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(u, "/v2.0"), "/v2"), "/v1")
				o.endpoints[s.Type] = u
			}
		}
	}
	o.token, o.issued = header.Get("X-Subject-Token"), time.Now()
	return nil
}

var client = &http.Client{Timeout: time.Minute}

// call sends one request with a JSON body; an answer that is no success is an
// error that holds its body.
func call(method, url string, header map[string]string, body, out any) (http.Header, error) {
	return callWith(client, method, url, header, body, out)
}

func callWith(c *http.Client, method, url string, header map[string]string, body, out any) (http.Header, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	if resp.StatusCode >= 300 {
		return nil, &StatusError{Code: resp.StatusCode, Text: fmt.Sprintf("%s %s: %s: %s", method, url, resp.Status, bytes.TrimSpace(answer))}
	}
	if out == nil {
		return resp.Header, nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	return resp.Header, nil
}

// StatusError is an answer that is no success.
type StatusError struct {
	Code int
	Text string
}

func (e *StatusError) Error() string { return e.Text }
