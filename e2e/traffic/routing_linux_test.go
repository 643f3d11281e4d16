package traffic

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/services/sandbox/l7"
)

var (
	ruleHosts = []string{"", "a.example.org", "b.example.org", "*.example.org", "*.b.example.org", "example.org"}
	rulePaths = []string{"/", "/a", "/a/", "/a/b", "/ab", "/A", "/a.b", "/a%20b", "/a+b"}
	pathTypes = []string{"Prefix", "Exact", "ImplementationSpecific"}
	hosts     = []string{"a.example.org", "A.Example.Org", "a.example.org:80", "b.example.org", "c.example.org", "x.b.example.org", "x.y.example.org", "example.org", "other.test"}
	paths     = []string{"/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/ab", "/abc", "/A", "/a.b", "/axb", "/a%20b", "/a+b", "/aa", "/a/?q=/ab"}
)

// routing: HAProxy in an amphora, the sandbox's evaluator and the Kubernetes
// documentation send the same requests to the same Services.
func (w *world) routing(t *testing.T) func(*testing.T) {
	type site struct {
		harness.Object
		rules    []harness.Path
		fallback string
	}
	var sites []site
	for seed := range 3 { // made side by side: every later change of a rule takes an amphora seconds
		s := site{rules: rapid.Custom(drawRules).Example(seed), fallback: []string{"", services[0]}[seed%2]}
		s.Object = harness.Ingress(namespace, fmt.Sprintf("site-%d", seed), map[string]any{"drawbridge.dev/internal": "true"}, s.rules...)
		if s.fallback != "" {
			s.Object["spec"].(map[string]any)["defaultBackend"] = map[string]any{
				"service": map[string]any{"name": s.fallback, "port": map[string]any{"number": 80}}}
		}
		sites = append(sites, s)
		w.Source.Apply(t, s.Object)
	}
	return func(t *testing.T) {
		for _, s := range sites {
			trip := w.applied(t, s.Object)
			address := net.JoinHostPort(trip.Outcome.Addresses[0].IP, "80")
			w.answering(t, address)
			table := w.table(t, trip.Outcome.LoadBalancer.ID)
			for _, host := range hosts {
				for _, path := range paths {
					measured, want, said := w.ask(t, address, host, path), kubernetes(s.rules, s.fallback, host, path), w.evaluate(t, table, host, path)
					if measured != want || said != want {
						t.Errorf("%s%s: HAProxy sends it to %q, the sandbox's evaluator to %q, Kubernetes to %q, by %+v else %q", host, path, measured, said, want, s.rules, s.fallback)
					}
				}
			}
			t.Logf("%d rules, %d requests: HAProxy, evaluator and Kubernetes agree: %t", len(s.rules), len(hosts)*len(paths), !t.Failed())
		}
	}
}

func drawRules(t *rapid.T) []harness.Path {
	var rules []harness.Path
	for range rapid.IntRange(4, 10).Draw(t, "rules") {
		p := harness.Path{Host: rapid.SampledFrom(ruleHosts).Draw(t, "host"), Path: rapid.SampledFrom(rulePaths).Draw(t, "path"),
			Type: rapid.SampledFrom(pathTypes).Draw(t, "type"), Service: rapid.SampledFrom(services).Draw(t, "service"), Port: 80}
		same := func(o harness.Path) bool {
			return o.Host == p.Host && strings.TrimSuffix(o.Path, "/") == strings.TrimSuffix(p.Path, "/") && (o.Type == "Exact") == (p.Type == "Exact")
		}
		if !slices.ContainsFunc(rules, same) {
			rules = append(rules, p)
		}
	}
	return rules
}

// kubernetes is the Service that the documentation of Ingress chooses, written
// from its text: "Hostname wildcards", "Path types", "Multiple matches".
// ImplementationSpecific is Prefix.
func kubernetes(rules []harness.Path, fallback, host, target string) string {
	host, _, _ = strings.Cut(strings.ToLower(host), ":")
	path, _, _ := strings.Cut(target, "?")
	_, domain, _ := strings.Cut(host, ".")
	for _, wanted := range []string{host, "*." + domain, ""} {
		var of []harness.Path
		for _, r := range rules {
			if r.Host == wanted {
				of = append(of, r)
			}
		}
		if len(of) == 0 {
			continue
		}
		of = slices.DeleteFunc(of, func(r harness.Path) bool { return !covers(r, path) })
		if len(of) == 0 {
			return fallback
		}
		return slices.MinFunc(of, func(a, b harness.Path) int {
			return cmp.Or(exactness(b)-exactness(a), len(strings.TrimSuffix(b.Path, "/"))-len(strings.TrimSuffix(a.Path, "/")))
		}).Service
	}
	return fallback
}

func exactness(r harness.Path) int {
	if r.Type == "Exact" {
		return 1
	}
	return 0
}

func covers(r harness.Path, path string) bool {
	if r.Type == "Exact" {
		return path == r.Path
	}
	prefix := strings.TrimSuffix(r.Path, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// table is what the real Octavia says of the L7 policies of a load balancer.
func (w *world) table(t *testing.T, loadBalancer string) *l7.Table {
	t.Helper()
	var listeners struct {
		Listeners []struct {
			ID          string
			DefaultPool string `json:"default_pool_id"`
		}
	}
	w.get(t, "/listeners?loadbalancer_id="+loadBalancer, &listeners)
	l := listeners.Listeners[0]
	var policies struct {
		L7Policies []struct {
			ID, Action string
			Position   int
			Pool       string `json:"redirect_pool_id"`
		}
	}
	w.get(t, "/l7policies?listener_id="+l.ID, &policies)
	var out []l7.Policy
	for _, p := range policies.L7Policies {
		var rules struct {
			Rules []struct {
				Type, Value string
				Compare     string `json:"compare_type"`
				Invert      bool
			}
		}
		w.get(t, "/l7policies/"+p.ID+"/rules", &rules)
		policy := l7.Policy{ID: p.ID, Position: p.Position, Action: p.Action, Pool: w.pool(t, p.Pool)}
		for _, r := range rules.Rules {
			policy.Rules = append(policy.Rules, l7.Rule{Type: r.Type, Compare: r.Compare, Value: r.Value, Invert: r.Invert})
		}
		out = append(out, policy)
	}
	return l7.New(out, w.pool(t, l.DefaultPool))
}

// pool is the name of a pool; empty where there is none, and for one without
// members, which answers nothing.
func (w *world) pool(t *testing.T, id string) string {
	t.Helper()
	if id == "" {
		return ""
	}
	var pool struct {
		Pool struct {
			Name    string
			Members []struct{ ID string }
		}
	}
	w.get(t, "/pools/"+id, &pool)
	return pool.Pool.Name
}

func (w *world) get(t *testing.T, path string, out any) {
	t.Helper()
	if err := w.cloud.Do("load-balancer", http.MethodGet, "/v2/lbaas"+path, nil, out); err != nil {
		t.Fatal(err)
	}
}

// evaluate is the Service that the evaluator chooses.
func (w *world) evaluate(t *testing.T, table *l7.Table, host, target string) string {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatal(err)
	}
	pool := table.Route(l7.Request{Host: host, Path: u.EscapedPath(), Query: u.RawQuery}).Pool
	for _, s := range services {
		if strings.HasPrefix(pool, fmt.Sprintf("%s/%s:", namespace, s)) {
			return s
		}
	}
	return ""
}
