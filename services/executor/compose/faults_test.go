package compose_test

import (
	"fmt"
	"strings"
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
	"pgregory.net/rapid"
)

// The faults of octavia-ingress-controller (OIC) and of
// openstack-cloud-controller-manager (OCCM) that composing must not have, and
// what of OIC's users rely on.

func reached(t *testing.T, l events.Listener, requests map[string]string) {
	t.Helper()
	lb, conflicts := compose.LoadBalancer(owner, []events.Exposure{exposure(l)}, defaults)
	if len(conflicts) > 0 {
		t.Fatal(conflicts)
	}
	for request, want := range requests {
		host, path, _ := strings.Cut(request, "/")
		if got := octavia(t, lb, lb.Listeners[0], host, "/"+path); got != want {
			t.Errorf("%s goes to %q, want %q", request, got, want)
		}
	}
}

func TestOICPathPrefixIsElementWise(t *testing.T) {
	reached(t, events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{
		{Host: "a.x", Path: "/foo", PathType: events.PathPrefix, Backend: "foo"}, {Host: "a.x", Path: "/bar", PathType: events.PathExact, Backend: "bar"}}},
		map[string]string{"a.x/foo": "foo", "a.x/foo/": "foo", "a.x/foo/x": "foo", "a.x/foobar": "", "a.x/bar": "bar", "a.x/bar/": ""})
}

func TestOICPrecedenceIsNotThatOfPosition(t *testing.T) {
	reached(t, events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{
		{Host: "a.x", Path: "/", PathType: events.PathPrefix, Backend: "root"}, {Host: "a.x", Path: "/foo", PathType: events.PathPrefix, Backend: "foo"},
		{Host: "a.x", Path: "/foo/bar", PathType: events.PathPrefix, Backend: "bar"}}},
		map[string]string{"a.x/": "root", "a.x/foo/x": "foo", "a.x/foo/bar/x": "bar"})
}

func TestOICWildcardHostsWork(t *testing.T) {
	for _, typ := range []events.PathType{events.PathPrefix, events.PathRawPrefix} {
		reached(t, events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{{Host: "*.x", Path: "/", PathType: typ, Backend: "wild"}}},
			map[string]string{"a.x/": "wild", "A.X:80/y": "wild", "x/": "", "a.b.x/": ""})
	}
}

// TestOICBothPortsOnOneLoadBalancer: HTTP and TERMINATED_HTTPS send to one pool,
// and neither takes the other's port.
func TestOICBothPortsOnOneLoadBalancer(t *testing.T) {
	e := exposure(events.Listener{Protocol: events.HTTP, Port: 80, Backend: "p"})
	l := events.Listener{Protocol: events.TerminatedHTTPS, Port: 443, Backend: "p", TLS: &events.TLS{Container: "https://keys/1"}}
	e.Listeners = append(e.Listeners, l)
	lb, conflicts := compose.LoadBalancer(owner, []events.Exposure{e}, defaults)
	if len(conflicts) > 0 || len(lb.Listeners) != 2 || len(lb.Pools) != 1 {
		t.Errorf("%v: %+v", conflicts, lb)
	}
}

func TestOICZeroNodesIsNoFailure(t *testing.T) {
	e := exposure(events.Listener{Protocol: events.HTTP, Port: 80, Backend: "p"})
	e.Backends[0].Members = nil
	if lb, conflicts := compose.LoadBalancer(owner, []events.Exposure{e}, defaults); len(conflicts) > 0 || len(lb.Pools) != 1 {
		t.Errorf("%v: %+v", conflicts, lb)
	}
}

func TestOCCMFault3PortsOfOneTransportCollideWhateverTheProtocol(t *testing.T) {
	a := exposure(events.Listener{Protocol: events.HTTP, Port: 443, Backend: "p"})
	b := exposure(events.Listener{Protocol: events.TerminatedHTTPS, Port: 443, Backend: "q", TLS: &events.TLS{Container: "https://keys/1"}})
	c := exposure(events.Listener{Protocol: events.UDP, Port: 443, Backend: "r"})
	b.Key.Name, c.Key.Name = "web2", "web3"
	_, conflicts := compose.LoadBalancer(loadbalancer.Owner{Fleet: "f", Group: "g"}, []events.Exposure{c, b, a}, defaults)
	if len(conflicts) != 1 || conflicts[0].Key != b.Key || !strings.Contains(conflicts[0].Message, "TCP port 443 is taken by c/Ingress/n/web (HTTP)") {
		t.Errorf("conflicts are %v", conflicts)
	}
}

// rawRule is what octavia-ingress-controller does, said without a look at
// package compose: the first of its rules whose host is the request's and whose
// path the request's begins with.
func rawRule(l events.Listener, host, path string) string {
	path, _, _ = strings.Cut(path, "?")
	for _, r := range l.Routes {
		h := strings.ToLower(host)
		known := r.Host == "" || h == r.Host || h == fmt.Sprintf("%s:%d", r.Host, l.Port)
		if known && strings.HasPrefix(path, r.Path) && r.Redirect != nil {
			return fmt.Sprintf("-> https://%s %d", r.Host, r.Redirect.Code)
		}
		if known && strings.HasPrefix(path, r.Path) {
			return r.Backend
		}
	}
	return l.Backend
}

func TestRawPrefixAgreesWithOIC(t *testing.T) {
	segments := []string{"a", "ab", "a&b", ""}
	rapid.Check(t, func(t *rapid.T) {
		l := events.Listener{Protocol: events.HTTP, Port: 8080, Backend: rapid.SampledFrom([]string{"", "d"}).Draw(t, "default")}
		l.Routes = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) events.Route {
			r := events.Route{Host: rapid.SampledFrom([]string{"a.x", "b.x"}).Draw(t, "host"), Path: paths(segments).Draw(t, "path"),
				PathType: events.PathRawPrefix, Backend: rapid.SampledFrom([]string{"p", "q"}).Draw(t, "backend")}
			if rapid.IntRange(0, 3).Draw(t, "redirect") == 0 {
				r.Backend, r.Redirect = "", &events.Redirect{Scheme: "https", Code: 308}
			}
			return r
		}), 1, 8).Draw(t, "routes")
		if rapid.Bool().Draw(t, "for every host") {
			l.Routes = append(l.Routes, events.Route{Path: "/", PathType: events.PathRawPrefix, Backend: "p"})
		}
		lb, conflicts := compose.LoadBalancer(owner, []events.Exposure{exposure(l)}, defaults)
		for _, c := range conflicts {
			if c.Fatal {
				t.Fatal(c)
			}
		}
		for range 10 {
			host, path := rapid.SampledFrom([]string{"a.x", "B.X:8080", "a.x:81", "c.x"}).Draw(t, "request host"), paths(segments).Draw(t, "request path")
			if got, want := octavia(t, lb, lb.Listeners[0], host, path), rawRule(l, host, path); got != want {
				t.Fatalf("%s%s goes to %q, OIC sends it to %q\n%+v", host, path, got, want, lb.Listeners[0])
			}
		}
	})
}

// TestGroupOf200 is a load balancer of 200 Ingresses of 2 hosts and 4 paths
// each, which send to 5 backends: 1600 routes, some tens of policies.
func TestGroupOf200(t *testing.T) {
	var group []events.Exposure
	for i := range 200 {
		l := events.Listener{Protocol: events.HTTP, Port: 80}
		for h := range 2 {
			host := fmt.Sprintf("team%d-%d.apps.example.org", i, h)
			for p, path := range []string{"/", "/api", "/api/v1/users", "/static"} {
				l.Routes = append(l.Routes, events.Route{Host: host, Path: path, PathType: events.PathPrefix, Backend: fmt.Sprint("p", (i+p)%5)})
			}
		}
		e := exposure(l)
		e.Key.Name, e.Group = fmt.Sprint("web", i), "g"
		group = append(group, e)
	}
	lb, conflicts := compose.LoadBalancer(loadbalancer.Owner{Fleet: "f", Group: "g"}, group, defaults)
	if len(conflicts) > 0 || len(lb.Listeners) != 1 || len(lb.Pools) != 5 {
		t.Fatalf("%v: %d listeners, %d pools", conflicts, len(lb.Listeners), len(lb.Pools))
	}
	if n := len(lb.Listeners[0].Policies); n > 120 {
		t.Errorf("1600 routes take %d policies", n)
	} else {
		t.Logf("1600 routes take %d policies", n)
	}
	for _, e := range group[:4] {
		for _, r := range e.Listeners[0].Routes {
			if got := octavia(t, lb, lb.Listeners[0], r.Host, r.Path+"/x"); r.Path != "/" && got != r.Backend {
				t.Fatalf("%s%s goes to %q, want %q", r.Host, r.Path, got, r.Backend)
			}
		}
	}
}

// TestGroupDoesNotDependOnOrder: whoever is first in the list, the same stands.
func TestGroupDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group := split(t, events.Listener{Protocol: events.HTTP, Port: 80, Backend: "d",
			Routes: routes(t, []string{"a", "b"}, []string{"", "a.x", "*.x"}, []string{"p", "q"})})
		shared := loadbalancer.Owner{Fleet: "f", Group: "g"}
		want, _ := compose.LoadBalancer(shared, group, defaults)
		got, _ := compose.LoadBalancer(shared, rapid.Permutation(group).Draw(t, "order"), defaults)
		if a, b := fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got); a != b {
			t.Fatalf("%s\n%s", a, b)
		}
	})
}
