package octavia_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/sandbox"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// recorder stands before a sandbox and writes down every write. It answers them
// itself, so that a body is seen whatever a cloud thinks of it.
type recorder struct {
	sync.Mutex
	seen strings.Builder
}

// record connects to a cloud of an API version through a recorder.
func record(t *testing.T, version string) (*octavia.Client, *recorder) {
	t.Helper()
	cloud, _ := start(t, sandbox.Config{APIVersion: version})
	r := &recorder{}
	var front *httptest.Server
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(must(url.Parse(cloud.URL()))) },
		ModifyResponse: func(resp *http.Response) error {
			body, err := io.ReadAll(resp.Body)
			body = bytes.ReplaceAll(body, []byte(cloud.URL()), []byte(front.URL))
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return err
		},
	}
	front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet || strings.HasSuffix(req.URL.Path, "/auth/tokens") {
			proxy.ServeHTTP(w, req)
			return
		}
		r.write(t, w, req)
	}))
	t.Cleanup(front.Close)
	c := must(octavia.Connect(t.Context(), octavia.Config{Cloud: "sandbox", CloudsFile: write(t, strings.ReplaceAll(string(cloud.CloudsYAML()), cloud.URL(), front.URL))}))
	return c, r
}

func (r *recorder) write(t *testing.T, w http.ResponseWriter, req *http.Request) {
	r.Lock()
	defer r.Unlock()
	fmt.Fprintf(&r.seen, "%s %s\n", req.Method, req.URL.RequestURI())
	if m := req.Header.Get("If-Match"); m != "" {
		fmt.Fprintf(&r.seen, "If-Match: %s\n", m)
	}
	answer := map[string]map[string]any{}
	if body, _ := io.ReadAll(req.Body); len(body) > 0 {
		var out bytes.Buffer
		if err := json.Indent(&out, body, "", "  "); err != nil {
			t.Error(err)
		}
		r.seen.WriteString(out.String() + "\n")
		var kinds map[string]json.RawMessage
		_ = json.Unmarshal(body, &kinds)
		for kind := range kinds {
			answer[kind] = map[string]any{"id": "new"}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case req.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case req.Method == http.MethodPost:
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(answer)
	case strings.HasSuffix(req.URL.Path, "/members"):
		w.WriteHeader(http.StatusAccepted)
	default:
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func ptr[T any](v T) *T { return &v }

// everything is a load balancer that says all that one can.
func everything() loadbalancer.LoadBalancer {
	return loadbalancer.LoadBalancer{Name: "web", Description: "d", Tags: []string{"a=b"}, Provider: "amphora", FlavorID: "flavor", AvailabilityZone: "zone",
		VIP:            loadbalancer.VIP{NetworkID: "net", SubnetID: "sub", Address: "10.0.0.9"},
		AdditionalVIPs: []loadbalancer.VIP{{SubnetID: "sub6"}, {SubnetID: "subB", Address: "10.1.0.9"}},
		Listeners: []loadbalancer.Listener{
			{Name: "HTTP-80", Protocol: "HTTP", Port: 80, Policies: []loadbalancer.Policy{
				{Name: "to https", Action: "REDIRECT_PREFIX", Redirect: "https://a.example.org", Code: 308, Rules: []loadbalancer.Rule{
					{Type: "HOST_NAME", Compare: "EQUAL_TO", Value: "a.example.org"}, {Type: "PATH", Compare: "STARTS_WITH", Value: "/x", Invert: true}}}}},
			tls(), {Name: "SCTP-9", Protocol: "SCTP", Port: 9, DefaultPool: "s"}},
		Pools: []loadbalancer.Pool{
			{Name: "p", Protocol: "HTTP", TLS: true, Algorithm: "SOURCE_IP", Persistence: &loadbalancer.Persistence{Type: "APP_COOKIE", Cookie: "id"},
				Members: []loadbalancer.Member{{Name: "n1", Address: "10.0.0.1", Port: 80, Weight: 1, SubnetID: "sub", MonitorPort: 81}, {Name: "n2", Address: "fd00::2", Port: 80}},
				Monitor: &loadbalancer.Monitor{Type: "HTTPS", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 4, Method: "HEAD", Path: "/h", Codes: "200,204", Host: "h.example.org"}},
			{Name: "s", Protocol: "SCTP", Algorithm: "LEAST_CONNECTIONS", Persistence: &loadbalancer.Persistence{Type: "SOURCE_IP", Timeout: 60},
				Monitor: &loadbalancer.Monitor{Type: "SCTP", Delay: 5, Timeout: 3, MaxRetries: 2}},
		}}
}

func tls() loadbalancer.Listener {
	return loadbalancer.Listener{Name: "https", Protocol: "TERMINATED_HTTPS", Port: 443, DefaultPool: "p", AllowedCIDRs: []string{"10.0.0.0/8"},
		Certificates: []string{"one", "https://keys/v1/containers/c", "two"}, TLSVersions: []string{"TLSv1.2", "TLSv1.3"}, TLSCiphers: "A:B",
		HSTS: loadbalancer.HSTS{MaxAge: 300, IncludeSubdomains: true, Preload: true}, Headers: []string{"X-Forwarded-For", "X-Forwarded-Proto"},
		Timeouts:        loadbalancer.Timeouts{ClientData: ptr(1000), MemberConnect: ptr(2000), MemberData: ptr(3000), TCPInspect: ptr(0)},
		ConnectionLimit: ptr(100)}
}

var refs = map[string]string{"one": "https://keys/v1/secrets/1", "two": "https://keys/v1/secrets/2"}

// requests are steps and the versions of the API they are tried with. The golden
// shows what of them is sent.
var requests = []struct {
	name     string
	versions []string
	step     plan.Step
}{
	{"create load balancer whole", []string{"2.27", "2.26", "2.5"}, plan.CreateLoadBalancer{LoadBalancer: everything(), Whole: true, Refs: refs}},
	{"create load balancer stepwise", []string{"2.26"}, plan.CreateLoadBalancer{LoadBalancer: everything(), Refs: refs}},
	{"create load balancer on a network", []string{"2.26"}, plan.CreateLoadBalancer{LoadBalancer: loadbalancer.LoadBalancer{Name: "x", VIP: loadbalancer.VIP{NetworkID: "net"}}}},
	{"create load balancer on a port", []string{"2.26"}, plan.CreateLoadBalancer{LoadBalancer: loadbalancer.LoadBalancer{Name: "x", VIP: loadbalancer.VIP{PortID: "port", NetworkID: "net"}}}},
	{"create load balancer on a port and its subnet", []string{"2.26"}, plan.CreateLoadBalancer{LoadBalancer: loadbalancer.LoadBalancer{Name: "x", VIP: loadbalancer.VIP{PortID: "port", SubnetID: "sub"}}}},
	{"create load balancer on a port and its address", []string{"2.26"}, plan.CreateLoadBalancer{LoadBalancer: loadbalancer.LoadBalancer{Name: "x", VIP: loadbalancer.VIP{PortID: "port", SubnetID: "sub", Address: "10.0.0.9"}}}},
	{"update load balancer", []string{"2.26"}, plan.UpdateLoadBalancer{ID: "lb", Name: "n", Description: "d", Tags: []string{"a"}}},
	{"update load balancer without tags", []string{"2.26"}, plan.UpdateLoadBalancer{ID: "lb", Name: "n"}},
	{"delete load balancer", []string{"2.26"}, plan.DeleteLoadBalancer{ID: "lb"}},

	{"create TLS listener", []string{"2.27", "2.26", "2.5"}, plan.CreateListener{LoadBalancerID: "lb", Listener: tls(), DefaultPoolID: "pool", Refs: []string{"ref3", "ref1", "ref2"}, Tags: []string{"t"}}},
	{"create TCP listener", []string{"2.26"}, plan.CreateListener{LoadBalancerID: "lb", Listener: loadbalancer.Listener{Name: "l", Protocol: "TCP", Port: 1}}},
	{"update TLS listener", []string{"2.27", "2.26", "2.5"}, plan.UpdateListener{ID: "l", Listener: tls(), DefaultPoolID: "pool", Refs: []string{"ref3", "ref1"}, Tags: []string{"t"}}},
	{"update TLS listener, all given back", []string{"2.27", "2.5"}, plan.UpdateListener{ID: "l", Listener: loadbalancer.Listener{Name: "https", Protocol: "TERMINATED_HTTPS", Port: 443}, Refs: []string{"ref"},
		Reset: []string{"timeout_client_data", "timeout_member_connect", "timeout_member_data", "timeout_tcp_inspect", "connection_limit", "tls_versions", "tls_ciphers"}}},
	{"update TCP listener, nothing said", []string{"2.26", "2.11"}, plan.UpdateListener{ID: "l", Listener: loadbalancer.Listener{Name: "l", Protocol: "TCP", Port: 1}}},
	{"update HTTP listener, headers gone", []string{"2.26"}, plan.UpdateListener{ID: "l", Listener: loadbalancer.Listener{Name: "l", Protocol: "HTTP", Port: 1}, DefaultPoolID: "p", Tags: []string{}}},
	{"delete listener", []string{"2.26"}, plan.DeleteListener{ID: "l"}},

	{"create redirect policy", []string{"2.26", "2.8"}, plan.CreatePolicy{ListenerID: "l", Policy: everything().Listeners[0].Policies[0], Position: 3, Down: true}},
	{"create pool policy", []string{"2.26"}, plan.CreatePolicy{ListenerID: "l", Policy: loadbalancer.Policy{Name: "x", Pool: "p"}, PoolID: "pool", Position: 1}},
	{"create reject policy", []string{"2.26"}, plan.CreatePolicy{ListenerID: "l", Policy: loadbalancer.Policy{Name: "x", Action: "REJECT"}, Position: 1}},
	{"update policy to a redirect", []string{"2.26"}, plan.UpdatePolicy{ID: "p", Policy: everything().Listeners[0].Policies[0], Position: 2}},
	{"update policy to a pool", []string{"2.26"}, plan.UpdatePolicy{ID: "p", Policy: loadbalancer.Policy{Name: "x", Pool: "p"}, PoolID: "pool", Position: 2}},
	{"delete policy", []string{"2.26"}, plan.DeletePolicy{ID: "p"}},
	{"create rule", []string{"2.26"}, plan.CreateRule{PolicyID: "p", Rule: loadbalancer.Rule{Type: "PATH", Compare: "REGEX", Value: "^/a(/|$)"}}},
	{"create inverted rule", []string{"2.26"}, plan.CreateRule{PolicyID: "p", Rule: loadbalancer.Rule{Type: "HOST_NAME", Compare: "EQUAL_TO", Value: "a", Invert: true}}},

	{"create pool", []string{"2.26", "2.7"}, plan.CreatePool{LoadBalancerID: "lb", Pool: everything().Pools[0], Tags: []string{"t"}}},
	{"create PROXY v2 pool", []string{"2.26"}, plan.CreatePool{LoadBalancerID: "lb", Pool: loadbalancer.Pool{Name: "x", Protocol: "PROXYV2", Algorithm: "SOURCE_IP_PORT"}}},
	{"update pool", []string{"2.26", "2.7"}, plan.UpdatePool{ID: "p", Pool: everything().Pools[0]}},
	{"update pool, persistence gone", []string{"2.26"}, plan.UpdatePool{ID: "p", Pool: loadbalancer.Pool{Name: "x", Protocol: "TCP", Algorithm: "ROUND_ROBIN"}}},
	{"update SCTP pool", []string{"2.26"}, plan.UpdatePool{ID: "p", Pool: everything().Pools[1]}},
	{"delete pool", []string{"2.26"}, plan.DeletePool{ID: "p"}},
	{"set members", []string{"2.26"}, plan.SetMembers{PoolID: "p", Members: everything().Pools[0].Members}},
	{"set no members", []string{"2.26"}, plan.SetMembers{PoolID: "p"}},

	{"create HTTPS monitor", []string{"2.26", "2.9"}, plan.CreateMonitor{PoolID: "p", Monitor: *everything().Pools[0].Monitor}},
	{"create UDP monitor", []string{"2.26"}, plan.CreateMonitor{PoolID: "p", Monitor: loadbalancer.Monitor{Type: "UDP-CONNECT", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}}},
	{"update HTTPS monitor", []string{"2.26", "2.9"}, plan.UpdateMonitor{ID: "m", Monitor: *everything().Pools[0].Monitor}},
	{"update HTTP monitor, all by default", []string{"2.26", "2.9"}, plan.UpdateMonitor{ID: "m", Monitor: loadbalancer.Monitor{Type: "HTTP", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}}},
	{"update TCP monitor", []string{"2.26"}, plan.UpdateMonitor{ID: "m", Monitor: loadbalancer.Monitor{Type: "TCP", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}}},
	{"delete monitor", []string{"2.26"}, plan.DeleteMonitor{ID: "m"}},

	{"create floating IP", []string{"2.26"}, plan.CreateFloatingIP{NetworkID: "net", SubnetID: "sub", PortID: "port", Description: "d"}},
	{"bind floating IP", []string{"2.26"}, plan.BindFloatingIP{ID: "f", PortID: "port"}},
	{"keep floating IP", []string{"2.26"}, plan.ReleaseFloatingIP{ID: "f", Description: "kept", Unbind: true}},
	{"leave given floating IP", []string{"2.26"}, plan.ReleaseFloatingIP{ID: "f", Unbind: true}},
	{"delete floating IP", []string{"2.26"}, plan.DeleteFloatingIP{ID: "f"}},
	{"delete secret", []string{"2.26"}, plan.DeleteSecret{Ref: "https://elsewhere/v1/secrets/s", Name: "n"}},
}

// TestRequests: a step in, its request out; and nothing in it that is newer than
// the API of the cloud.
func TestRequests(t *testing.T) {
	const golden = "testdata/requests.txtar"
	clients := map[string]*octavia.Client{}
	recorders := map[string]*recorder{}
	got := &txtar.Archive{Comment: []byte("The request that each step is, by the version of Octavia's API. Written by go test -update.\n")}
	for _, r := range requests {
		for _, v := range r.versions {
			if clients[v] == nil {
				clients[v], recorders[v] = record(t, v)
			}
			recorders[v].seen.Reset()
			if _, err := clients[v].Apply(t.Context(), r.step); err != nil {
				t.Errorf("%s, %s: %v", r.name, v, err)
			}
			got.Files = append(got.Files, txtar.File{Name: r.name + ", " + v, Data: []byte(recorders[v].seen.String())})
		}
	}
	if *update {
		if err := os.WriteFile(golden, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(must(os.ReadFile(golden))), string(txtar.Format(got))); diff != "" {
		t.Errorf("-golden +sent (go test -update writes it anew):\n%s", diff)
	}
}
