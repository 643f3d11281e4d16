package events_test

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"drawbridge.dev/events"
)

var (
	shop    = events.Key{Cluster: "blue", Kind: events.KindIngress, Namespace: "shop", Name: "web.front"}
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	nothing *events.Event
)

// wish is a normalized exposure that uses nearly every field; what contradicts
// another is left out.
func wish() events.Exposure {
	minute, limit, drain := 60_000, 2_000, 45
	return events.Exposure{
		Key: shop, UID: "3f2c6a9e-0d5b-4b7e-9a51-6a0a4f4f2b11", Cloud: "default", Group: "shop", Flavor: "ha",
		Placement: events.Placement{Class: "edge", AvailabilityZone: "az1", Network: "front", Subnet: "front-v4", Address: "10.1.0.5",
			AdditionalSubnets: []string{"front-v6"}, Families: []string{"IPv4", "IPv6"}, MemberSubnet: "nodes"},
		FloatingIP: events.FloatingIP{Network: "public", Subnet: "!~test-.*", SubnetTags: "edge", Keep: true},
		Tags:       []string{"cost-center:42"}, Protected: true, Replace: true,
		Listeners: []events.Listener{
			{Protocol: events.UDP, Port: 53, Backend: "shop/dns:53", AllowedSources: []string{"10.0.0.0/8", "2001:db8::/32"}, ConnectionLimit: &limit},
			{Protocol: events.HTTP, Port: 80, Backend: "shop/web:80", Routes: []events.Route{
				{Host: "*.shop.example.org", Path: "/", PathType: events.PathPrefix, Backend: "shop/web:80"},
				{Host: "shop.example.org", Path: "/", PathType: events.PathPrefix, Redirect: &events.Redirect{Scheme: "https", Code: 301}},
			}},
			{Protocol: events.TerminatedHTTPS, Port: 443, Backend: "shop/web:80", Headers: []string{"X-Forwarded-For", "X-Forwarded-Proto"},
				Routes: []events.Route{{Host: "shop.example.org", Path: "/cart", PathType: events.PathExact, Backend: "shop/cart:80"}},
				TLS: &events.TLS{Versions: []string{"TLSv1.2", "TLSv1.3"}, Ciphers: "ECDHE-RSA-AES256-GCM-SHA384", Certificates: []events.Certificate{
					{Digest: events.Digest("certificate"), Secret: "shop/tls", Hosts: []string{"*.shop.example.org", "shop.example.org"}, NotAfter: "2026-06-01T00:00:00Z"}}},
				HSTS:     &events.HSTS{MaxAge: 31536000, IncludeSubdomains: true, Preload: true},
				Timeouts: events.Timeouts{ClientData: &minute, MemberConnect: &minute, MemberData: &minute, TCPInspect: &minute}},
		},
		Backends: []events.Backend{
			{Name: "shop/cart:80", Protocol: events.HTTP, TLS: true, Algorithm: "LEAST_CONNECTIONS", Members: []events.Member{},
				Persistence: &events.Persistence{Type: "APP_COOKIE", Cookie: "JSESSIONID"}},
			{Name: "shop/dns:53", Protocol: events.UDP, Members: []events.Member{{Address: "fd00::5", Port: 30053}},
				Persistence: &events.Persistence{Type: "SOURCE_IP", Timeout: 10800}},
			{Name: "shop/web:80", Protocol: events.HTTP, DrainDelay: &drain,
				Members: []events.Member{{Name: "node-1", Address: "10.1.0.11", Port: 30080, MonitorPort: 31000}, {Name: "node-2", Address: "10.1.0.12", Port: 30080, Draining: true}},
				Monitor: &events.Monitor{Type: "HTTP", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 3, Method: "HEAD", Path: "/healthz", Codes: "200-299", Host: "shop.example.org"}},
		},
	}
}

func requested() events.Requested {
	x := wish()
	return events.Requested{Exposure: &x, Object: events.Object{
		Labels:          map[string]string{"app": "web", "tier": "front"},
		Annotations:     map[string]string{"drawbridge.dev/flavor": "ha"},
		NamespaceLabels: map[string]string{"drawbridge.dev/public": "true"},
	}}.Seal()
}

// samples is one event of every type, by the last word of the type; together
// they are one object's life.
func samples() map[string]events.Event {
	next := func(source string, p events.Payload, cause *events.Event, minute int) events.Event {
		e := events.New(source, "default", shop, p, "", cause, noon.Add(time.Duration(minute)*time.Minute))
		if cause == nil {
			e.TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		}
		return e
	}
	ref := events.PolicyRef{Bundle: "drawbridge", Revision: "1", Digest: events.Digest("bundle")}
	x := wish()
	sign := func(d events.Decided) events.Decided {
		d.Policy = ref
		d = d.Seal(shop)
		d.Signature = events.Signature{Key: "AA7NPDHV2R5T", Value: "c2lnbmF0dXJl"}
		return d
	}
	lb := &events.LoadBalancerRef{ID: "6b0d9ac4", Name: "drawbridge_blue_shop_web.front", Provider: "amphora", Topology: "SINGLE"}
	ask := next("/watcher/blue", requested(), nothing, 0)
	gone := next("/watcher/blue", events.Requested{}.Seal(), nothing, 9)
	obliged := wish()
	obliged.Waived = []events.Feature{events.FeatureTimeouts}
	yes := sign(events.Decided{Verdict: events.Approved, Wish: requested().Digest, Exposure: &obliged, Rules: []string{"tls", "waive"},
		Obligations: []string{"tlsVersions=TLSv1.2,TLSv1.3", "waived=timeouts"}})
	no := sign(events.Decided{Verdict: events.Denied, Wish: requested().Digest, Rules: []string{"group", "public"}, Reasons: []string{
		"TCP port 443 (TERMINATED_HTTPS) is taken by HTTP of Service shop/api of cluster blue: use another port or group, or have the other one removed first",
		"namespace shop may not be exposed publicly: have it labelled drawbridge.dev/public=true, or annotate the object drawbridge.dev/internal=true"}})
	wait := sign(events.Decided{Verdict: events.Held, Wish: requested().Digest, Exposure: &x, Reasons: []string{"a person must look: flavor ha costs extra"}})
	approved := next("/policy", yes, &ask, 1)
	return map[string]events.Event{
		"requested": ask,
		"withdrawn": gone,
		"approved":  approved,
		"denied":    next("/policy", no, &ask, 1),
		"held":      next("/policy", wait, &ask, 1),
		"applied": next("/executor/default", events.Outcome{State: events.Applied, Decision: yes.Digest, LoadBalancer: lb,
			Addresses: []events.Address{{IP: "203.0.113.7", Type: "floating"}, {IP: "10.1.0.5", Type: "vip"}},
			Steps:     []string{"create load balancer", "create floating IP"}, Calls: events.Calls{Writes: 2, Reads: 4, Polls: 3},
			Warnings: []string{"the load balancer is SINGLE: choose a flavor with ACTIVE_STANDBY"}, Lease: 7}, &approved, 2),
		"failed": next("/executor/default", events.Outcome{State: events.Failed, Decision: yes.Digest, Retry: true, Lease: 7,
			Reason: "the cloud's quota of load balancers is used up: raise it or delete one", Calls: events.Calls{Writes: 1}}, &approved, 2),
		"removed": next("/executor/default", events.Outcome{State: events.Removed, Decision: no.Digest, Steps: []string{"delete load balancer"},
			Calls: events.Calls{Writes: 1, Reads: 1}, Lease: 8}, &gone, 10),
		"drifted": next("/executor/default", events.Drift{Decision: yes.Digest, LoadBalancer: lb, Steps: []string{"add member 10.1.0.12:30080"}, Repair: true}, &approved, 5),
		"rejected": next("/watcher/blue", events.Rejected{Reason: "the Ingress cannot be translated", Digest: events.Digest("object"),
			Problems: []events.Problem{{Field: "spec.rules[0].http.paths[0].backend.service.name", Message: "service shop/gone does not exist"}}}, nothing, 6),
	}
}

// anyToken draws a name that a key may hold.
func anyToken() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.RuneFrom([]rune("aZ09-_.*> %é日+=:")), 1, 12, 253).
		Filter(func(s string) bool { return s == strings.TrimSpace(s) })
}

func anyKey() *rapid.Generator[events.Key] {
	return rapid.Custom(func(t *rapid.T) events.Key {
		return events.Key{Cluster: anyToken().Draw(t, "cluster"), Kind: anyToken().Draw(t, "kind"),
			Namespace: anyToken().Draw(t, "namespace"), Name: anyToken().Draw(t, "name")}
	})
}

// anyExposure draws a valid wish in no particular order, with duplicates and
// with spellings that normalization makes one.
func anyExposure() *rapid.Generator[events.Exposure] {
	return rapid.Custom(func(t *rapid.T) events.Exposure {
		x := events.Exposure{Key: anyKey().Draw(t, "key"), UID: "u", Cloud: anyToken().Draw(t, "cloud"), Internal: rapid.Bool().Draw(t, "internal")}
		protocols := []events.Protocol{events.TCP, events.UDP, events.HTTP}
		for i, p := range protocols {
			for n := range rapid.IntRange(1, 2).Draw(t, "backends") {
				x.Backends = append(x.Backends, events.Backend{Name: fmt.Sprintf("ns/%s:%d", p, n), Protocol: p,
					Members: rapid.SliceOfN(anyMember(), 0, 4).Draw(t, "members")})
			}
			for _, port := range rapid.SliceOfNDistinct(rapid.IntRange(1, 20), 1, 3, rapid.ID[int]).Draw(t, "ports") {
				l := events.Listener{Protocol: p, Port: port + 100*i, Backend: fmt.Sprintf("ns/%s:0", p),
					AllowedSources: rapid.SliceOfN(rapid.SampledFrom([]string{"10.0.0.1/8", "10.0.0.0/8", "192.0.2.0/24", "2001:DB8::/32", "2001:db8::/32"}), 0, 4).Draw(t, "sources")}
				if p == events.HTTP {
					l.Routes = rapid.SliceOfN(anyRoute(), 0, 4).Draw(t, "routes")
				}
				x.Listeners = append(x.Listeners, l)
			}
		}
		x.Listeners = rapid.Permutation(x.Listeners).Draw(t, "listener order")
		x.Backends = rapid.Permutation(x.Backends).Draw(t, "backend order")
		return x
	})
}

func anyMember() *rapid.Generator[events.Member] {
	return rapid.Custom(func(t *rapid.T) events.Member {
		return events.Member{Name: rapid.SampledFrom([]string{"", "node-1", "node-2"}).Draw(t, "name"),
			Address: rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "fd00::1", "FD00:0::1"}).Draw(t, "address"), Port: rapid.IntRange(1, 3).Draw(t, "port")}
	})
}

func anyRoute() *rapid.Generator[events.Route] {
	return rapid.Custom(func(t *rapid.T) events.Route {
		return events.Route{Host: rapid.SampledFrom([]string{"", "A.example.org", "a.example.org", "*.example.org"}).Draw(t, "host"),
			Path:     rapid.SampledFrom([]string{"/", "/a", "/a/b"}).Draw(t, "path"),
			PathType: rapid.SampledFrom([]events.PathType{events.PathExact, events.PathPrefix}).Draw(t, "type"), Backend: "ns/HTTP:0"}
	})
}

// shuffle returns the same wish in another order.
func shuffle(t *rapid.T, x events.Exposure) events.Exposure {
	x.Listeners = rapid.Permutation(x.Listeners).Draw(t, "listeners")
	for i := range x.Listeners {
		x.Listeners[i].Routes = rapid.Permutation(x.Listeners[i].Routes).Draw(t, "routes")
		x.Listeners[i].AllowedSources = rapid.Permutation(x.Listeners[i].AllowedSources).Draw(t, "sources")
	}
	x.Backends = rapid.Permutation(x.Backends).Draw(t, "backends")
	for i := range x.Backends {
		x.Backends[i].Members = rapid.Permutation(x.Backends[i].Members).Draw(t, "members")
	}
	return x
}
