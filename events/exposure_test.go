package events_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drawbridge.dev/events"
)

func TestNormalize(t *testing.T) {
	in := events.Exposure{Key: shop, UID: "u", Cloud: "c",
		Listeners: []events.Listener{
			{Protocol: events.HTTP, Port: 443, Routes: []events.Route{
				{Host: "B.example.org", Path: "/", PathType: events.PathPrefix, Backend: "b"},
				{Host: "a.example.org", Path: "/", PathType: events.PathPrefix, Backend: "b"},
				{Host: "b.example.org", Path: "/", PathType: events.PathPrefix, Backend: "b"},
			}},
			{Protocol: events.UDP, Port: 53, Backend: "u", AllowedSources: []string{"192.0.2.9/24", "10.0.0.0/8", "192.0.2.0/24", "nonsense"}},
			{Protocol: events.TCP, Port: 53, Backend: "t"},
		},
		Backends: []events.Backend{
			{Name: "u", Protocol: events.UDP, Members: []events.Member{{Name: "n2", Address: "FD00:0::1", Port: 1}, {Name: "n1", Address: "fd00::1", Port: 1}}},
			{Name: "b", Protocol: events.HTTP},
		}}
	want := events.Exposure{Key: shop, UID: "u", Cloud: "c",
		Listeners: []events.Listener{
			{Protocol: events.TCP, Port: 53, Backend: "t"},
			{Protocol: events.UDP, Port: 53, Backend: "u", AllowedSources: []string{"10.0.0.0/8", "192.0.2.0/24", "nonsense"}},
			{Protocol: events.HTTP, Port: 443, Routes: []events.Route{
				{Host: "a.example.org", Path: "/", PathType: events.PathPrefix, Backend: "b"},
				{Host: "b.example.org", Path: "/", PathType: events.PathPrefix, Backend: "b"},
			}},
		},
		Backends: []events.Backend{
			{Name: "b", Protocol: events.HTTP, Members: []events.Member{}},
			{Name: "u", Protocol: events.UDP, Members: []events.Member{{Name: "n1", Address: "fd00::1", Port: 1}}},
		}}
	if d := cmp.Diff(want, in.Normalize()); d != "" {
		t.Errorf("Normalize (-want +got):\n%s", d)
	}
}

func TestNormalizeHasNoNullLists(t *testing.T) {
	b, err := json.Marshal(events.Exposure{}.Normalize())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"listeners", "backends"} {
		if got[f] == nil {
			t.Errorf("%s is null in %s", f, b)
		}
	}
}

// Normal form does not depend on the order written, is its own normal form,
// is still valid, and leaves the argument alone.
func TestNormalizeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := anyExposure().Draw(t, "wish")
		if err := x.Validate(); err != nil {
			t.Fatalf("the generator drew an invalid wish: %v", err)
		}
		before, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		n := x.Normalize()
		after, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(before), string(after)); d != "" {
			t.Fatalf("Normalize changed its argument:\n%s", d)
		}
		if d := cmp.Diff(n, n.Normalize()); d != "" {
			t.Fatalf("not idempotent:\n%s", d)
		}
		if d := cmp.Diff(n, shuffle(t, n).Normalize()); d != "" {
			t.Fatalf("depends on the order:\n%s", d)
		}
		if err := n.Validate(); err != nil {
			t.Fatalf("the normal form of a valid wish is invalid: %v", err)
		}
	})
}

func TestValidateNamesTheField(t *testing.T) {
	tests := []struct {
		want []string
		edit func(*events.Exposure)
	}{
		{nil, func(*events.Exposure) {}},
		{nil, func(x *events.Exposure) { x.Listeners[1].Routes[0].Host = "UPPER.example.org" }},
		{nil, func(x *events.Exposure) { x.Listeners[0].Port = 80 }}, // UDP beside HTTP on 80
		{[]string{"key field name"}, func(x *events.Exposure) { x.Key.Name = "" }},
		{[]string{"cloud:"}, func(x *events.Exposure) { x.Cloud = "" }},
		{[]string{"uid:"}, func(x *events.Exposure) { x.UID = "" }},
		{[]string{"listeners: an exposure without a port"}, func(x *events.Exposure) { x.Listeners = nil }},
		{[]string{"listeners[0].protocol", `"HTTPS"`}, func(x *events.Exposure) { x.Listeners[0].Protocol = "HTTPS" }},
		{[]string{"listeners[0].port", "0 is not in 1-65535"}, func(x *events.Exposure) { x.Listeners[0].Port = 0 }},
		{[]string{"listeners[1].port", "65536"}, func(x *events.Exposure) { x.Listeners[1].Port = 65536 }},
		{[]string{"listeners[3].port", "TCP/80", "listeners[1]"}, func(x *events.Exposure) {
			x.Listeners = append(x.Listeners, events.Listener{Protocol: events.TCP, Port: 80, Backend: "shop/dns:53"})
		}},
		{[]string{"listeners[0].backend", `"gone"`}, func(x *events.Exposure) { x.Listeners[0].Backend = "gone" }},
		{[]string{"listeners[0].backend", "speaks HTTP, which a listener of UDP cannot send to"}, func(x *events.Exposure) { x.Listeners[0].Backend = "shop/web:80" }},
		{[]string{"listeners[0].backend", "needs a backend or a route"}, func(x *events.Exposure) { x.Listeners[0].Backend = "" }},
		{[]string{"listeners[0].routes"}, func(x *events.Exposure) { x.Listeners[0].Routes = x.Listeners[1].Routes[:1] }},
		{[]string{"listeners[0].allowedSources[1]", `"10.0.0.1"`}, func(x *events.Exposure) { x.Listeners[0].AllowedSources[1] = "10.0.0.1" }},
		{[]string{"listeners[1].routes[0].backend", `"gone"`}, func(x *events.Exposure) { x.Listeners[1].Routes[0].Backend = "gone" }},
		{[]string{"listeners[1].routes[0].path", `"cart"`}, func(x *events.Exposure) { x.Listeners[1].Routes[0].Path = "cart" }},
		{[]string{"listeners[1].routes[0].pathType", `"Regex"`}, func(x *events.Exposure) { x.Listeners[1].Routes[0].PathType = "Regex" }},
		{[]string{"listeners[1].routes[0].host"}, func(x *events.Exposure) { x.Listeners[1].Routes[0].Host = "a_b.example.org" }},
		{[]string{"listeners[1].routes[0].host"}, func(x *events.Exposure) { x.Listeners[1].Routes[0].Host = "a.*.org" }},
		{[]string{"listeners[1].routes[0].host"}, func(x *events.Exposure) { x.Listeners[1].Routes[0].Host = "a.org\n" }},
		{[]string{"listeners[1].routes[0].host"}, func(x *events.Exposure) { x.Listeners[1].Routes[0].Host = "*" }},
		{[]string{"backends[2].name", "twice"}, func(x *events.Exposure) { x.Backends[1].Name = x.Backends[2].Name }},
		{[]string{"backends[0].name", "empty"}, func(x *events.Exposure) { x.Backends[0].Name = "" }},
		{[]string{"backends[0].protocol", `"PROXYV3"`}, func(x *events.Exposure) { x.Backends[0].Protocol = "PROXYV3" }},
		{[]string{"backends[2].members[1].address", `"node-2"`}, func(x *events.Exposure) { x.Backends[2].Members[1].Address = "node-2" }},
		{[]string{"backends[2].members[1].address"}, func(x *events.Exposure) { x.Backends[2].Members[1].Address = "fe80::1%\n server evil" }},
		{[]string{"backends[2].monitor.path"}, func(x *events.Exposure) { x.Backends[2].Monitor.Path = "/ HTTP/1.0\nserver evil" }},
		{[]string{"backends[2].monitor.path"}, func(x *events.Exposure) { x.Backends[2].Monitor.Path = "health" }},
		{[]string{"backends[2].monitor.codes"}, func(x *events.Exposure) { x.Backends[2].Monitor.Codes = "200 fall 1" }},
		{nil, func(x *events.Exposure) {
			x.Backends[2].Monitor.Path, x.Backends[2].Monitor.Codes = "/health?full=1", "200,204"
		}},
		{[]string{"backends[2].members[1].port", "-1"}, func(x *events.Exposure) { x.Backends[2].Members[1].Port = -1 }},
		{[]string{"backends[2].monitor.type", `"HTTP2"`}, func(x *events.Exposure) { x.Backends[2].Monitor.Type = "HTTP2" }},
		{[]string{"backends[2].monitor", "PING has neither"}, func(x *events.Exposure) { x.Backends[2].Monitor.Type, x.Backends[2].Monitor.Path = "PING", "/" }},
		{nil, func(x *events.Exposure) { terminate(x) }},
		{[]string{"listeners[1].tls", "belongs to"}, func(x *events.Exposure) { terminate(x).TLS = nil }},
		{[]string{"listeners[1].tls", "belongs to"}, func(x *events.Exposure) { terminate(x).Protocol = events.HTTP }},
		{[]string{"listeners[1].tls", "either certificates or a container"}, func(x *events.Exposure) { terminate(x).TLS.Container = "https://keys/v1/containers/1" }},
		{[]string{"listeners[1].tls.certificates[0].digest"}, func(x *events.Exposure) { terminate(x).TLS.Certificates[0].Digest = "sha256:0" }},
		{[]string{"listeners[1].tls.versions[0]", `"SSLv3"`}, func(x *events.Exposure) { terminate(x).TLS.Versions = []string{"SSLv3"} }},
		{[]string{"listeners[1].tls.ciphers"}, func(x *events.Exposure) { terminate(x).TLS.Ciphers = "ALL\nbind" }},
		// With these HAProxy does not start, and all of the load balancer ends in ERROR.
		{[]string{"listeners[1].tls.ciphers", "TLS 1.2"}, func(x *events.Exposure) { terminate(x).TLS.Ciphers = "FOO" }},
		{[]string{"listeners[1].tls.ciphers", "TLS 1.2"}, func(x *events.Exposure) { terminate(x).TLS.Ciphers = "TLS_AES_256_GCM_SHA384" }},
		{nil, func(x *events.Exposure) {
			terminate(x).TLS.Ciphers = "TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:FOO"
		}},
		{[]string{"backends[2].persistence.cookie"}, func(x *events.Exposure) {
			x.Backends[2].Persistence = &events.Persistence{Type: "APP_COOKIE", Cookie: "a#b"}
		}},
		{[]string{"backends[2].persistence.cookie"}, func(x *events.Exposure) {
			x.Backends[2].Persistence = &events.Persistence{Type: "APP_COOKIE", Cookie: "a'b"}
		}},
		{[]string{"backends[2].monitor.path"}, func(x *events.Exposure) { x.Backends[2].Monitor.Path = "/a'b" }},
		{[]string{"listeners[1].hsts"}, func(x *events.Exposure) { terminate(x).HSTS = &events.HSTS{} }},
		{[]string{"listeners[1].headers[0]", `"X-Evil"`}, func(x *events.Exposure) { x.Listeners[1].Headers = []string{"X-Evil"} }},
		{[]string{"listeners[0].headers"}, func(x *events.Exposure) { x.Listeners[0].Headers = []string{"X-Forwarded-For"} }},
		{[]string{"listeners[0].timeouts.clientData", "-1"}, func(x *events.Exposure) { x.Listeners[0].Timeouts.ClientData = number(-1) }},
		{[]string{"listeners[0].connectionLimit", "-2"}, func(x *events.Exposure) { x.Listeners[0].ConnectionLimit = number(-2) }},
		{nil, func(x *events.Exposure) { redirect(x, "shop.example.org") }},
		{[]string{"listeners[1].routes[0].redirect", "exact host"}, func(x *events.Exposure) { redirect(x, "*.example.org") }},
		{[]string{"listeners[1].routes[0].redirect.code", "300"}, func(x *events.Exposure) { redirect(x, "shop.example.org").Redirect.Code = 300 }},
		{[]string{"listeners[1].routes[0].backend", "not both"}, func(x *events.Exposure) { redirect(x, "shop.example.org").Backend = "shop/web:80" }},
		{[]string{"backends[2].persistence.cookie"}, func(x *events.Exposure) {
			x.Backends[2].Persistence = &events.Persistence{Type: "APP_COOKIE", Cookie: "a;b"}
		}},
		{[]string{"backends[1].persistence.type"}, func(x *events.Exposure) {
			x.Backends[1].Persistence = &events.Persistence{Type: "HTTP_COOKIE"}
		}},
		{[]string{"backends[2].persistence.timeout"}, func(x *events.Exposure) {
			x.Backends[2].Persistence = &events.Persistence{Type: "SOURCE_IP", Timeout: 60}
		}},
		{[]string{"backends[2].algorithm"}, func(x *events.Exposure) { x.Backends[2].Algorithm = "RANDOM" }},
		{[]string{"backends[2].drainDelay"}, func(x *events.Exposure) { x.Backends[2].DrainDelay = number(-1) }},
		{[]string{"backends[1].tls"}, func(x *events.Exposure) { x.Backends[1].TLS = true }},
		{[]string{"group:"}, func(x *events.Exposure) { x.Group = "a b" }},
		{[]string{"tags[0]"}, func(x *events.Exposure) { x.Tags = []string{"drawbridge.dev/fleet=other"} }},
		{[]string{"waived[0]"}, func(x *events.Exposure) { x.Waived = []events.Feature{"policy"} }},
		{[]string{"placement.address"}, func(x *events.Exposure) { x.Placement.Address = "vip" }},
		{[]string{"placement.families[1]", "twice"}, func(x *events.Exposure) { x.Placement.Families = []string{"IPv4", "IPv4"} }},
		{[]string{"floatingIP.address", "internal"}, func(x *events.Exposure) { x.Internal, x.FloatingIP.Address = true, "203.0.113.5" }},
		{[]string{"floatingIP.subnet"}, func(x *events.Exposure) { x.FloatingIP.Subnet = "!~(" }},
		{[]string{"backends[2].monitor: delay"}, func(x *events.Exposure) { x.Backends[2].Monitor.Timeout = 5 }},
		{[]string{"backends[2].monitor: maxRetries"}, func(x *events.Exposure) { x.Backends[2].Monitor.MaxRetriesDown = 11 }},
		{[]string{"uid:", "cloud:"}, func(x *events.Exposure) { x.UID, x.Cloud = "", "" }}, // everything, not the first
	}
	for _, tt := range tests {
		x := wish()
		tt.edit(&x)
		wantError(t, x.Validate(), tt.want)
	}
}

func number(n int) *int { return &n }

// terminate makes the routed listener one that ends TLS.
func terminate(x *events.Exposure) *events.Listener {
	l := &x.Listeners[1]
	l.Protocol = events.TerminatedHTTPS
	l.TLS = &events.TLS{Certificates: []events.Certificate{{Digest: events.Digest([]byte("c")), NotAfter: "2027-01-01T00:00:00Z"}}}
	return l
}

// redirect makes the first route one that redirects.
func redirect(x *events.Exposure, host string) *events.Route {
	r := &x.Listeners[1].Routes[0]
	r.Host, r.Backend, r.Redirect = host, "", &events.Redirect{Scheme: "https", Code: 301}
	return r
}
