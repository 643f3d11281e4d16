package octavia_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/sandbox"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func start(t *testing.T, c sandbox.Config) (*sandbox.Cloud, octavia.Config) {
	t.Helper()
	cloud, err := sandbox.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cloud.Close() })
	return cloud, octavia.Config{Cloud: "sandbox", CloudsFile: write(t, string(cloud.CloudsYAML()))}
}

func write(t *testing.T, yaml string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestConnectErrors: each says what is wrong and what to do about it.
func TestConnectErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cloud sandbox.Config
		spoil func(t *testing.T, c *sandbox.Cloud, cfg *octavia.Config)
		want  []string
		class octavia.Class
	}{
		{"no such entry", sandbox.Config{}, func(_ *testing.T, _ *sandbox.Cloud, cfg *octavia.Config) { cfg.Cloud = "elsewhere" },
			[]string{`"elsewhere"`, "not found in clouds.yaml", "add the entry"}, octavia.Permanent},
		{"no such file", sandbox.Config{}, func(_ *testing.T, _ *sandbox.Cloud, cfg *octavia.Config) { cfg.CloudsFile = "/nowhere/clouds.yaml" },
			[]string{"/nowhere/clouds.yaml", "no such file"}, octavia.Permanent},
		{"malformed file", sandbox.Config{}, func(t *testing.T, _ *sandbox.Cloud, cfg *octavia.Config) { cfg.CloudsFile = write(t, "clouds: [") },
			[]string{"yaml"}, octavia.Permanent},
		{"wrong password", sandbox.Config{}, func(t *testing.T, c *sandbox.Cloud, cfg *octavia.Config) {
			yaml := string(c.CloudsYAML())
			line := yaml[strings.Index(yaml, "password: "):]
			line = line[:strings.Index(line, "\n")]
			cfg.CloudsFile = write(t, strings.Replace(yaml, line, "password: wrong", 1))
		}, []string{"401", "Check auth_url, user, domain, project and password"}, octavia.Permanent},
		{"no Octavia", sandbox.Config{WithoutOctavia: true}, nil, []string{"no load-balancer endpoint", "Octavia is not installed there"}, octavia.Permanent},
		{"another region", sandbox.Config{}, func(_ *testing.T, _ *sandbox.Cloud, cfg *octavia.Config) { cfg.Region = "Nowhere" },
			[]string{`region "Nowhere"`}, octavia.Permanent},
		{"unreachable", sandbox.Config{}, func(t *testing.T, c *sandbox.Cloud, _ *octavia.Config) {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}, []string{"authenticate at http://", "refused"}, octavia.Retry},
		{"too old", sandbox.Config{APIVersion: "2.4"}, nil, []string{"its API is 2.4", "tags"}, octavia.Permanent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cloud, cfg := start(t, tt.cloud)
			if tt.spoil != nil {
				tt.spoil(t, cloud, &cfg)
			}
			_, err := octavia.Connect(t.Context(), cfg)
			if err == nil {
				t.Fatal("it connects")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
			if octavia.ClassOf(err) != tt.class {
				t.Errorf("class is %d, want %d", octavia.ClassOf(err), tt.class)
			}
		})
	}
}

// TestEnvironment: the variables of an openrc do without clouds.yaml.
func TestEnvironment(t *testing.T) {
	cloud, _ := start(t, sandbox.Config{})
	yaml := string(cloud.CloudsYAML())
	value := func(field string) string {
		_, rest, _ := strings.Cut(yaml, field+": ")
		v, _, _ := strings.Cut(rest, "\n")
		return v
	}
	t.Setenv("OS_CLOUD", "")
	if _, err := octavia.Connect(t.Context(), octavia.Config{}); err == nil || !strings.Contains(err.Error(), "OS_CLOUD") {
		t.Errorf("error is %v", err)
	}
	for variable, field := range map[string]string{"OS_AUTH_URL": "auth_url", "OS_USERNAME": "username", "OS_PASSWORD": "password",
		"OS_PROJECT_NAME": "project_name", "OS_DOMAIN_NAME": "user_domain_name", "OS_REGION_NAME": "region_name"} {
		t.Setenv(variable, value(field))
	}
	if _, err := octavia.Connect(t.Context(), octavia.Config{}); err != nil {
		t.Error(err)
	}
	t.Setenv("OS_CACERT", "/nowhere.pem")
	if _, err := octavia.Connect(t.Context(), octavia.Config{}); err == nil || !strings.Contains(err.Error(), "OS_CACERT") {
		t.Errorf("error is %v", err)
	}
}

func TestApplicationCredential(t *testing.T) {
	_, cfg := start(t, sandbox.Config{})
	cfg.Cloud = "sandbox-appcred"
	if _, err := octavia.Connect(t.Context(), cfg); err != nil {
		t.Error(err)
	}
}

func desired(t *testing.T, c *octavia.Client) loadbalancer.LoadBalancer {
	t.Helper()
	subnets, err := c.Subnets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	owner := loadbalancer.Owner{Fleet: "f", Key: events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: "web"}}
	d := loadbalancer.LoadBalancer{Name: owner.Name(), Description: "d", Tags: owner.Tags(),
		Listeners: []loadbalancer.Listener{
			{Name: "HTTP-80", Protocol: "HTTP", Port: 80, DefaultPool: "p", Policies: []loadbalancer.Policy{
				{Name: "one", Pool: "q", Rules: []loadbalancer.Rule{{Type: "HOST_NAME", Compare: "REGEX", Value: `^a\.b(:[0-9]+)?$`}, {Type: "PATH", Compare: "EQUAL_TO", Value: "/x"}}},
				{Name: "two", Pool: "p", Rules: []loadbalancer.Rule{{Type: "PATH", Compare: "REGEX", Value: "^/y(/|$)"}}},
			}},
			{Name: "UDP-53", Protocol: "UDP", Port: 53, DefaultPool: "u"},
		},
		Pools: []loadbalancer.Pool{
			{Name: "p", Protocol: "HTTP", Algorithm: "ROUND_ROBIN", Members: []loadbalancer.Member{{Name: "a", Address: "10.0.0.1", Port: 80, Weight: 1}, {Name: "b", Address: "fd00::2", Port: 80, Weight: 1}},
				Monitor: &loadbalancer.Monitor{Type: "HTTP", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3, Method: "GET", Path: "/h", Codes: "200-299"}},
			{Name: "q", Protocol: "HTTP", Algorithm: "ROUND_ROBIN"},
			{Name: "u", Protocol: "UDP", Algorithm: "ROUND_ROBIN", Monitor: &loadbalancer.Monitor{Type: "UDP-CONNECT", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}},
		}}
	for _, s := range subnets {
		if s.Name == sandbox.SubnetName {
			d.VIP = loadbalancer.VIP{SubnetID: s.ID, NetworkID: s.NetworkID}
		}
	}
	return d
}

// settled waits until a load balancer is not pending, and reads it whole.
func settled(t *testing.T, c *octavia.Client, id string) *plan.LoadBalancer {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		lb, err := c.Read(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !lb.Status.Pending() {
			return lb
		}
	}
	t.Fatal("it does not settle")
	return nil
}

// TestWholeCreate: what the answer to a whole create says, completed by one read
// of the status tree, is what a deep read finds, and leaves nothing to be done.
func TestWholeCreate(t *testing.T) {
	for _, version := range []string{"2.26", "2.5"} {
		t.Run(version, func(t *testing.T) {
			_, cfg := start(t, sandbox.Config{APIVersion: version})
			c, err := octavia.Connect(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			d := desired(t, c)
			var calls octavia.Calls
			r, err := c.Apply(octavia.Count(t.Context(), &calls), plan.CreateLoadBalancer{LoadBalancer: d, Whole: true})
			if err != nil {
				t.Fatal(err)
			}
			if n := calls.Sum(); n.Writes != 1 || n.Reads != 0 {
				t.Errorf("calls are %+v", n)
			}
			read := settled(t, c, r.ID)
			tree, err := c.Settled(t.Context(), *r.LoadBalancer)
			if err != nil {
				t.Fatal(err)
			}
			byID := cmpopts.SortSlices(func(a, b plan.Pool) bool { return a.ID < b.ID })
			if diff := cmp.Diff(read, tree, cmpopts.EquateEmpty(), byID, cmpopts.SortSlices(func(a, b plan.Listener) bool { return a.ID < b.ID }),
				cmpopts.SortSlices(func(a, b plan.Member) bool { return a.ID < b.ID }), cmpopts.SortSlices(func(a, b plan.Rule) bool { return a.ID < b.ID }),
				cmpopts.IgnoreFields(plan.LoadBalancer{}, "Fresh", "UpdatedAt")); diff != "" {
				t.Errorf("-read +known:\n%s", diff)
			}
			if steps := plan.Diff(&d, plan.Observed{LoadBalancer: read}); len(steps) != 0 {
				t.Errorf("left to do: %v", steps)
			}
			found, err := c.Find(t.Context(), loadbalancer.Owner{Fleet: "f", Key: events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: "web"}})
			if err != nil || len(found) != 1 || found[0].ID != r.ID {
				t.Errorf("found %v, %v", found, err)
			}
			if other, err := c.Find(t.Context(), loadbalancer.Owner{Fleet: "g", Key: events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: "web"}}); err != nil || len(other) != 0 {
				t.Errorf("found of another fleet %v, %v", other, err)
			}
		})
	}
}

// TestGuard: a write that is sent again with a new token is asked for again.
func TestGuard(t *testing.T) {
	cloud, cfg := start(t, sandbox.Config{})
	c := must(octavia.Connect(t.Context(), cfg))
	lb := desired(t, c)
	if err := cloud.Inject(sandbox.Fault{Method: "POST", PathPattern: "/loadbalancers$", Times: 1, Status: 401}); err != nil {
		t.Fatal(err)
	}
	lost, sent := errors.New("lost"), 0
	_, err := c.Apply(octavia.Guard(t.Context(), func(context.Context) error {
		if sent++; sent > 1 {
			return lost
		}
		return nil
	}), plan.CreateLoadBalancer{LoadBalancer: lb})
	if !errors.Is(err, lost) {
		t.Errorf("error is %v", err)
	}
	if found := must(c.Summaries(t.Context(), "f")); len(found) != 0 {
		t.Errorf("it was sent: %v", found)
	}
}

// TestErrorClasses: what a caller does next follows from the class.
func TestErrorClasses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault sandbox.Fault
		class octavia.Class
		says  string
	}{
		{"busy", sandbox.Fault{Status: 409, Body: `{"faultcode":"Client","faultstring":"Load Balancer x is immutable and cannot be updated."}`}, octavia.Busy, "immutable"},
		{"duplicate", sandbox.Fault{Status: 409, Body: `{"faultcode":"Client","faultstring":"Another Listener on this Load Balancer is already using protocol TCP and protocol_port 80"}`}, octavia.Stale, "already using"},
		{"quota", sandbox.Fault{Status: 403, Body: `{"faultcode":"Client","faultstring":"Quota has been met for resources: load_balancer"}`}, octavia.Quota, "load_balancer (raise the quota"},
		{"neutron quota", sandbox.Fault{Status: 409, Body: `{"NeutronError":{"type":"OverQuota","message":"Quota exceeded for resources: ['floatingip'].","detail":""}}`}, octavia.Quota, "floatingip"},
		{"forbidden", sandbox.Fault{Status: 403, Body: `{"faultcode":"Client","faultstring":"Policy does not allow this request to be performed."}`}, octavia.Permanent, "Policy"},
		{"invalid", sandbox.Fault{Status: 400, Body: `{"faultcode":"Client","faultstring":"Validation failure: x"}`}, octavia.Permanent, "Validation failure"},
		{"driver cannot", sandbox.Fault{Status: 501, Body: `{"faultcode":"Server","faultstring":"Provider 'ovn' does not support a requested action"}`}, octavia.Permanent, "use another provider"},
		{"address taken", sandbox.Fault{Status: 500, Body: `{"faultcode":"Server","faultstring":"Provider 'amphora' reports error: IP address 10.20.0.1 already allocated in subnet s\nNeutron server returns request_ids: ['req-1']"}`}, octavia.Quota, "subnet s (ask for another address"},
		{"address outside", sandbox.Fault{Status: 500, Body: `{"faultcode":"Server","faultstring":"Provider 'amphora' reports error: IP address 10.99.0.1 is not a valid IP for the specified subnet."}`}, octavia.Permanent, "not a valid IP"},
		{"no address left", sandbox.Fault{Status: 409, Body: `{"NeutronError":{"type":"IpAddressGenerationFailure","message":"No more IP addresses available on network n.","detail":""}}`}, octavia.Quota, "another subnet"},
		{"changed by another", sandbox.Fault{Status: 412, Body: `{"NeutronError":{"type":"RevisionNumberConstraintFailed","message":"Constrained to 4, but current revision is 5","detail":""}}`}, octavia.Stale, "revision"},
		{"certificate lost", sandbox.Fault{Status: 400, Body: `{"faultcode":"Client","faultstring":"Could not retrieve certificate: ['x']"}`}, octavia.Stale, "certificate"},
		{"gone", sandbox.Fault{Status: 404, Body: `{"faultcode":"Client","faultstring":"pool x not found."}`}, octavia.Gone, "not found"},
		{"broken", sandbox.Fault{Status: 500}, octavia.Retry, "500"},
		{"gateway", sandbox.Fault{Status: 504}, octavia.Retry, "504"},
		{"slow down", sandbox.Fault{Status: 429}, octavia.Retry, "429"},
		{"no answer", sandbox.Fault{DropAnswer: true}, octavia.Retry, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cloud, cfg := start(t, sandbox.Config{})
			c, err := octavia.Connect(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			tt.fault.Method, tt.fault.PathPattern = "POST", "/pools$"
			if err := cloud.Inject(tt.fault); err != nil {
				t.Fatal(err)
			}
			_, err = c.Apply(t.Context(), plan.CreatePool{LoadBalancerID: "x", Pool: loadbalancer.Pool{Name: "p", Protocol: "TCP", Algorithm: "ROUND_ROBIN"}})
			if octavia.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), `create TCP pool "p"`) {
				t.Errorf("class %d: %v", octavia.ClassOf(err), err)
			}
		})
	}
}

// TestRemovingTwice: what is gone is removed.
func TestRemovingTwice(t *testing.T) {
	_, cfg := start(t, sandbox.Config{})
	c, err := octavia.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	const id = "00000000-0000-4000-8000-000000000000"
	for _, s := range []plan.Step{plan.DeleteLoadBalancer{ID: id}, plan.DeleteFloatingIP{ID: id}, plan.DeletePool{ID: id}, plan.DeleteListener{ID: id},
		plan.DeletePolicy{ID: id}, plan.DeleteMonitor{ID: id}} {
		if _, err := c.Apply(t.Context(), s); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Apply(t.Context(), plan.UpdatePool{ID: id, Pool: loadbalancer.Pool{Algorithm: "ROUND_ROBIN"}}); octavia.ClassOf(err) != octavia.Gone {
		t.Errorf("updating what is gone: %v", err)
	}
}

// TestOthersWithOurTags: neither what another project has marked as ours, which
// an administrator is listed, nor what a cloud answers that compares no tags.
func TestOthersWithOurTags(t *testing.T) {
	cloud, cfg := start(t, sandbox.Config{})
	var tagless *httptest.Server
	tagless = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(must(url.Parse(cloud.URL())))
			q := r.Out.URL.Query()
			q.Del("tags")
			r.Out.URL.RawQuery = q.Encode()
		},
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			body = bytes.ReplaceAll(body, []byte(cloud.URL()), []byte(tagless.URL))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return err
		},
	})
	defer tagless.Close()
	connect := func(entry, file string) *octavia.Client {
		return must(octavia.Connect(t.Context(), octavia.Config{Cloud: entry, CloudsFile: file}))
	}
	theirs := connect("sandbox-other", cfg.CloudsFile)
	owner := loadbalancer.Owner{Fleet: "f", Key: events.Key{Cluster: "c", Kind: "Service", Namespace: "n", Name: "web"}}
	lb := desired(t, theirs)
	lb.Tags = owner.Tags()
	must(theirs.Apply(t.Context(), plan.CreateLoadBalancer{LoadBalancer: lb}))
	external := must(theirs.ExternalNetworks(t.Context()))[0].ID
	must(theirs.Apply(t.Context(), plan.CreateFloatingIP{NetworkID: external, Description: owner.Description()}))
	ours := connect("sandbox", cfg.CloudsFile)
	other := desired(t, ours)
	other.Tags = loadbalancer.Owner{Fleet: "F", Key: owner.Key}.Tags()
	must(ours.Apply(t.Context(), plan.CreateLoadBalancer{LoadBalancer: other}))
	for name, c := range map[string]*octavia.Client{
		"administrator": connect("sandbox-admin", cfg.CloudsFile),
		"no tags":       connect("sandbox", write(t, strings.ReplaceAll(string(cloud.CloudsYAML()), cloud.URL(), tagless.URL))),
	} {
		if found := must(c.Find(t.Context(), owner)); len(found) != 0 {
			t.Errorf("%s: Find answers %v", name, found)
		}
		if found := must(c.Summaries(t.Context(), "f")); len(found) != 0 {
			t.Errorf("%s: Summaries answers %v", name, found)
		}
		if found := must(c.FloatingIPs(t.Context(), owner.Description())); len(found) != 0 {
			t.Errorf("%s: FloatingIPs answers %v", name, found)
		}
		if found := must(c.AllFloatingIPs(t.Context(), "f")); len(found) != 0 {
			t.Errorf("%s: AllFloatingIPs answers %v", name, found)
		}
	}
	if found := must(theirs.Find(t.Context(), owner)); len(found) != 1 {
		t.Errorf("of one's own are found %v", found)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
