package policy

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"pgregory.net/rapid"

	"drawbridge.dev/events"
)

// TestInputIsItsJSON holds the terms that are built without JSON to what JSON says.
func TestInputIsItsJSON(t *testing.T) {
	text := rapid.StringN(0, 8, 20)
	labels := rapid.MapOfN(text, text, 0, 4)
	port := rapid.IntRange(1, 65535)
	key := rapid.Custom(func(t *rapid.T) events.Key {
		return events.Key{Cluster: text.Draw(t, "cluster"), Kind: text.Draw(t, "kind"), Namespace: text.Draw(t, "ns"), Name: text.Draw(t, "name")}
	})
	listener := rapid.Custom(func(t *rapid.T) events.Listener {
		return events.Listener{Protocol: events.Protocol(text.Draw(t, "protocol")), Port: port.Draw(t, "port"), Backend: text.Draw(t, "backend"),
			Routes: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) events.Route {
				return events.Route{Host: text.Draw(t, "host"), Path: text.Draw(t, "path"), PathType: events.PathExact, Backend: "b",
					Redirect: rapid.SampledFrom([]*events.Redirect{nil, {Scheme: "https", Code: 301}}).Draw(t, "redirect")}
			}), 0, 3).Draw(t, "routes"),
			AllowedSources: rapid.SliceOfN(text, 0, 2).Draw(t, "sources"),
			TLS:            rapid.SampledFrom([]*events.TLS{nil, {}, {Certificates: []events.Certificate{{Digest: "d", Hosts: []string{"h"}}}, Versions: []string{"TLSv1.3"}}}).Draw(t, "tls"),
			HSTS:           rapid.SampledFrom([]*events.HSTS{nil, {MaxAge: 1, Preload: true}}).Draw(t, "hsts"),
			Timeouts:       rapid.SampledFrom([]events.Timeouts{{}, {ClientData: new(int)}}).Draw(t, "timeouts"),
			Headers:        rapid.SliceOfN(text, 0, 2).Draw(t, "headers")}
	})
	backend := rapid.Custom(func(t *rapid.T) events.Backend {
		b := events.Backend{Name: text.Draw(t, "name"), Protocol: events.TCP, Members: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) events.Member {
			return events.Member{Name: text.Draw(t, "member"), Address: "10.0.0.1", Port: port.Draw(t, "port")}
		}), 0, 2).Draw(t, "members")}
		if rapid.Bool().Draw(t, "monitored") {
			b.Monitor = &events.Monitor{Type: "HTTP", Delay: port.Draw(t, "delay"), Path: text.Draw(t, "path")}
		}
		return b
	})
	exposure := rapid.Custom(func(t *rapid.T) events.Exposure {
		return events.Exposure{Key: key.Draw(t, "key"), UID: text.Draw(t, "uid"), Cloud: text.Draw(t, "cloud"), Group: text.Draw(t, "group"),
			Internal: rapid.Bool().Draw(t, "internal"), Flavor: text.Draw(t, "flavor"),
			Placement:  rapid.SampledFrom([]events.Placement{{}, {Subnet: "s", AdditionalSubnets: []string{"a"}}}).Draw(t, "placement"),
			FloatingIP: rapid.SampledFrom([]events.FloatingIP{{}, {Address: "203.0.113.1", Keep: true}}).Draw(t, "floating IP"),
			Waived:     rapid.SampledFrom([][]events.Feature{nil, {events.FeatureHSTS}}).Draw(t, "waived"),
			Listeners:  rapid.SliceOfN(listener, 0, 3).Draw(t, "listeners"), Backends: rapid.SliceOfN(backend, 0, 3).Draw(t, "backends")}
	})
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Wish: exposure.Draw(t, "wish"),
			Object:  InputObject{Labels: labels.Draw(t, "labels"), Annotations: labels.Draw(t, "annotations"), NamespaceLabels: labels.Draw(t, "ns labels")},
			Cluster: InputCluster{Name: text.Draw(t, "cluster"), Labels: labels.Draw(t, "cluster labels")},
			Inventory: Holdings{Claims: rapid.MapOfN(text, key, 0, 3).Draw(t, "claims"),
				LoadBalancers: rapid.IntRange(0, 100000).Draw(t, "count"),
				Group:         rapid.SampledFrom([]*Group{nil, {Size: 2, Members: []events.Key{{Name: "n"}}}}).Draw(t, "group"),
				Conflicts:     rapid.SampledFrom([][]Conflict{{}, {{What: WhatPort, Subject: "s", Held: "h"}}}).Draw(t, "conflicts")},
			Time: "2026-01-01T00:00:00Z"}
		if rapid.Bool().Draw(t, "something stands") {
			e := exposure.Draw(t, "approved")
			in.Approved = &e
		}
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ast.ValueFromReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if got := in.value(); got.Compare(want) != 0 {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

// TestInputHasItsFields is what policies/README.md promises of an empty input.
func TestInputHasItsFields(t *testing.T) {
	got := Input{Wish: site(ingressKey("shop", "web"))}.value().(ast.Object)
	for _, path := range []string{"object.labels", "object.annotations", "object.namespaceLabels", "cluster.labels", "inventory.claims"} {
		v, err := got.Find(ast.MustParseRef("input." + path)[1:])
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if o, ok := v.(ast.Object); !ok || o.Len() != 0 {
			t.Errorf("%s is %v, want an empty object", path, v)
		}
	}
	if v, err := got.Find(ast.MustParseRef("input.approved")[1:]); err != nil || v.Compare(ast.NullValue) != 0 {
		t.Errorf("approved is %v (%v), want null", v, err)
	}
}
