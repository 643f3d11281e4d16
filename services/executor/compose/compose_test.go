package compose_test

import (
	"fmt"
	"strings"
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var defaults = compose.Defaults{FloatingNetworkID: "ext", VIP: loadbalancer.VIP{SubnetID: "s"}, APIMinor: 26, MaxPolicies: 1000}

var owner = loadbalancer.Owner{Fleet: "f", Key: events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: "web"}}

func exposure(l events.Listener) events.Exposure {
	e := events.Exposure{Key: events.Key{Cluster: "c", Kind: "Ingress", Namespace: "n", Name: "web"}, UID: "u", Cloud: "default"}
	names := map[string]bool{}
	if l.Backend != "" {
		names[l.Backend] = true
	}
	for _, r := range l.Routes {
		if r.Redirect == nil {
			names[r.Backend] = true
		}
	}
	for n := range names {
		protocol := l.Protocol
		if protocol == events.TerminatedHTTPS {
			protocol = events.HTTP
		}
		e.Backends = append(e.Backends, events.Backend{Name: n, Protocol: protocol, Members: []events.Member{{Name: "node", Address: "10.0.0.1", Port: 30000}}})
	}
	e.Listeners = []events.Listener{l}
	return e.Normalize()
}

func TestRoutingTable(t *testing.T) {
	l := events.Listener{Protocol: events.HTTP, Port: 80, Backend: "default", Routes: []events.Route{
		{Host: "a.example.org", Path: "/foo", PathType: events.PathPrefix, Backend: "foo"},
		{Host: "a.example.org", Path: "/foo/bar/", PathType: events.PathPrefix, Backend: "bar"},
		{Host: "a.example.org", Path: "/foo", PathType: events.PathExact, Backend: "exact"},
		{Host: "*.example.org", Path: "/", PathType: events.PathPrefix, Backend: "wild"},
		{Path: "/any", PathType: events.PathPrefix, Backend: "any"},
		{Host: "q.example.org", Path: "/a&b'c(d)+e.f", PathType: events.PathExact, Backend: "quoted"},
	}}
	lb, conflicts := compose.LoadBalancer(owner, []events.Exposure{exposure(l)}, defaults)
	if len(conflicts) != 0 {
		t.Fatal(conflicts)
	}
	for _, tt := range []struct{ host, path, want string }{
		{"a.example.org", "/foo", "exact"},
		{"a.example.org:8080", "/foo", "exact"},
		{"A.Example.ORG", "/foo/", "foo"},
		{"a.example.org", "/foo/x?y=/foo/bar", "foo"},
		{"a.example.org", "/foobar", "default"},
		{"a.example.org", "/foo/bar", "bar"},
		{"a.example.org", "/foo/bar/x", "bar"},
		{"a.example.org", "/foo/barx", "foo"},
		{"a.example.org", "/any", "default"}, // the host is known, its rules decide
		{"b.example.org", "/foo", "wild"},
		{"b.example.org:80", "/", "wild"},
		{"x.b.example.org", "/", "default"}, // a wildcard is one label
		{"example.org", "/any/x", "any"},
		{"axexample.org", "/foo", "default"}, // dots are dots
		{"q.example.org", "/a&b'c(d)+e.f", "quoted"},
		{"q.example.org", "/a&b'c(d)+eXf", "default"},
		{"", "/any", "any"},
	} {
		t.Run(tt.host+tt.path, func(t *testing.T) {
			if got := octavia(t, lb, lb.Listeners[0], tt.host, tt.path); got != tt.want {
				t.Errorf("goes to %q, want %q", got, tt.want)
			}
			if got := kubernetes(exposure(l).Listeners[0], tt.host, tt.path); got != tt.want {
				t.Errorf("the oracle says %q, the table %q", got, tt.want)
			}
		})
	}
}

// routes draws the routes of a port. Those with an exact host redirect now and then.
func routes(t *rapid.T, segments, hosts, backends []string) []events.Route {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) events.Route {
		r := events.Route{
			Host: rapid.SampledFrom(hosts).Draw(t, "host"), Path: paths(segments).Draw(t, "path"),
			PathType: rapid.SampledFrom([]events.PathType{events.PathExact, events.PathPrefix}).Draw(t, "type"),
			Backend:  rapid.SampledFrom(backends).Draw(t, "backend"),
		}
		if r.Host != "" && r.Host[0] != '*' && rapid.IntRange(0, 4).Draw(t, "redirect") == 0 {
			r.Backend, r.Redirect = "", &events.Redirect{Scheme: "https", Code: rapid.SampledFrom([]int{301, 308}).Draw(t, "code")}
		}
		return r
	}), 1, 12, func(r events.Route) string {
		if r.PathType == events.PathPrefix {
			return fmt.Sprint(r.Host, "|", strings.TrimRight(r.Path, "/"))
		}
		return fmt.Sprint(r.Host, "=", r.Path)
	}).Draw(t, "routes")
}

func paths(segments []string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(segments), 0, 3).Draw(t, "segments"), "/")
	})
}

// TestRoutingAgreesWithKubernetes compares what Octavia does with what the
// Kubernetes rule says, for random routes, of one exposure or spread over a
// group, and random requests: as HAProxy evaluates, redirects first, and by
// position alone.
func TestRoutingAgreesWithKubernetes(t *testing.T) {
	hosts := []string{"", "a.x", "b.x", "c.x", "*.x", "a.b.x", "*.b.x", "x"}
	segments := []string{"a", "b", "ab", "a.b", "", "a+b", "a&b"}
	rapid.Check(t, func(t *rapid.T) {
		l := events.Listener{Protocol: events.HTTP, Port: 80, Routes: routes(t, segments, hosts, []string{"p", "q", "r"}),
			Backend: rapid.SampledFrom([]string{"", "d"}).Draw(t, "default")}
		group := split(t, l)
		lb, conflicts := compose.LoadBalancer(owner, group, defaults)
		if len(conflicts) != 0 {
			t.Fatal(conflicts)
		}
		for range 10 {
			host := rapid.SampledFrom([]string{"a.x", "B.x:8080", "c.x", "x", "a.b.x", "z.b.x:1", "", "other"}).Draw(t, "request host")
			p := paths(segments).Draw(t, "request path") + rapid.SampledFrom([]string{"", "?q=/a"}).Draw(t, "query")
			want := kubernetes(l, host, p)
			if got := octavia(t, lb, lb.Listeners[0], host, p); got != want {
				t.Fatalf("%s%s goes to %q, Kubernetes says %q\n%+v", host, p, got, want, lb.Listeners[0])
			}
			if got := inOrder(t, lb, lb.Listeners[0], host, p); got != want {
				t.Fatalf("%s%s goes by position to %q, Kubernetes says %q\n%+v", host, p, got, want, lb.Listeners[0])
			}
		}
	})
}

// split deals the routes of a port to one to three exposures of a group.
func split(t *rapid.T, l events.Listener) (group []events.Exposure) {
	parts := make([]events.Listener, rapid.IntRange(1, 3).Draw(t, "exposures"))
	for i := range parts {
		parts[i] = l
		parts[i].Routes = nil
		if i > 0 {
			parts[i].Backend = ""
		}
	}
	for _, r := range l.Routes {
		i := rapid.IntRange(0, len(parts)-1).Draw(t, "whose")
		parts[i].Routes = append(parts[i].Routes, r)
	}
	for i, p := range parts {
		if len(p.Routes) > 0 || p.Backend != "" {
			e := exposure(p)
			e.Key.Name, e.Group = fmt.Sprint("web", i), "g"
			group = append(group, e)
		}
	}
	return group
}

func TestConflicts(t *testing.T) {
	route := func(host, path string, typ events.PathType, b string) events.Route {
		return events.Route{Host: host, Path: path, PathType: typ, Backend: b}
	}
	many := events.Listener{Protocol: events.HTTP, Port: 80}
	for i := range 1001 {
		many.Routes = append(many.Routes, route("a.x", fmt.Sprintf("/%d", i), events.PathExact, fmt.Sprint("p", i)))
	}
	for _, tt := range []struct {
		name     string
		listener events.Listener
		defaults func(*compose.Defaults)
		want     string
		fatal    bool
	}{
		{"too many policies", many, nil, "port 80 needs 1001 L7 policies, at most 1000", true},
		{"same path twice", events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{
			route("a.x", "/p", events.PathPrefix, "p"), route("a.x", "/p/", events.PathPrefix, "q")}}, nil, "goes to two backends: p serves it, q does not", false},
		{"path with a blank", events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{
			route("", "/a b", events.PathExact, "p")}}, nil, `holds ' '`, true},
		{"path with a quote", events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{
			route("", `/a"b`, events.PathExact, "p")}}, nil, `holds '"'`, true},
		{"host with a slash", events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{
			route("a/b", "/", events.PathExact, "p")}}, nil, `holds '/'`, true},
		{"long path", events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{
			route("", "/"+strings.Repeat("a", 255), events.PathPrefix, "p")}}, nil, "too long: its PATH rule takes 262 bytes", true},
		{"sources on an old cloud", events.Listener{Protocol: events.TCP, Port: 80, Backend: "p", AllowedSources: []string{"10.0.0.0/8"}},
			func(d *compose.Defaults) { d.APIMinor = 11 }, "API 2.11 of this cloud (provider amphora) has no support for allowed_cidrs, 2.12 has", true},
		{"zone on an old cloud", events.Listener{Protocol: events.TCP, Port: 80, Backend: "p"},
			func(d *compose.Defaults) { d.APIMinor, d.AvailabilityZone = 13, "az1" }, "API 2.13 of this cloud (provider amphora) has no support for availability zones, 2.14 has", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := defaults
			if tt.defaults != nil {
				tt.defaults(&d)
			}
			_, conflicts := compose.LoadBalancer(owner, []events.Exposure{exposure(tt.listener)}, d)
			if len(conflicts) != 1 || !strings.Contains(conflicts[0].String(), tt.want) || conflicts[0].Fatal != tt.fatal {
				t.Errorf("conflicts are %v, want one (fatal: %v) that says %q", conflicts, tt.fatal, tt.want)
			}
		})
	}
}

func TestLoadBalancer(t *testing.T) {
	e := events.Exposure{
		Key: events.Key{Cluster: "c", Kind: "Service", Namespace: "n", Name: "dns"}, UID: "u", Cloud: "default",
		Listeners: []events.Listener{
			{Protocol: events.UDP, Port: 53, Backend: "n/dns:udp", AllowedSources: []string{"10.1.2.3/8"}},
			{Protocol: events.TCP, Port: 53, Backend: "n/dns:tcp"},
		},
		Backends: []events.Backend{
			{Name: "n/dns:udp", Protocol: events.UDP, Members: []events.Member{{Name: "b", Address: "10.0.0.2", Port: 2}, {Name: "a", Address: "10.0.0.1", Port: 2}},
				Monitor: &events.Monitor{Type: "UDP-CONNECT", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}},
			{Name: "n/dns:tcp", Protocol: events.TCP},
			{Name: "unused", Protocol: events.TCP},
		},
	}
	owner := loadbalancer.Owner{Fleet: "f", Key: e.Key}
	want := loadbalancer.LoadBalancer{
		Name: "drawbridge_c_n_dns", Description: "Made by Drawbridge for c/Service/n/dns",
		Tags: []string{"drawbridge.dev/fleet=f", "drawbridge.dev/key=c/Service/n/dns"},
		VIP:  loadbalancer.VIP{SubnetID: "s"}, FloatingNetworkID: "ext", FloatingIPDescription: owner.Description(),
		Listeners: []loadbalancer.Listener{
			{Name: "TCP-53", Protocol: "TCP", Port: 53, DefaultPool: "n/dns:tcp"},
			{Name: "UDP-53", Protocol: "UDP", Port: 53, DefaultPool: "n/dns:udp", AllowedCIDRs: []string{"10.0.0.0/8"}},
		},
		Pools: []loadbalancer.Pool{
			{Name: "n/dns:tcp", Protocol: "TCP", Algorithm: "ROUND_ROBIN"},
			{Name: "n/dns:udp", Protocol: "UDP", Algorithm: "ROUND_ROBIN",
				Members: []loadbalancer.Member{{Name: "a", Address: "10.0.0.1", Port: 2, Weight: 1}, {Name: "b", Address: "10.0.0.2", Port: 2, Weight: 1}},
				Monitor: &loadbalancer.Monitor{Type: "UDP-CONNECT", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3}},
		},
	}
	got, conflicts := compose.LoadBalancer(owner, []events.Exposure{e}, defaults)
	if diff := cmp.Diff(want, got); diff != "" || len(conflicts) > 0 {
		t.Errorf("%v (-want +got):\n%s", conflicts, diff)
	}
	e.Internal = true
	if got, _ := compose.LoadBalancer(owner, []events.Exposure{e}, defaults); got.FloatingNetworkID != "" {
		t.Error("an internal exposure has a floating IP")
	}
}
