package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/events"
)

// TestExposureLines tells a wish that says all there is to say.
func TestExposureLines(t *testing.T) {
	second, limit := 1000, -1
	x := events.Exposure{
		Group: "shop", Flavor: "ha", Internal: true, Protected: true, Replace: true, Tags: []string{"cost:42"},
		Placement: events.Placement{Class: "edge", AvailabilityZone: "az1", Network: "front", Subnet: "v4", Port: "p", Address: "10.0.0.5",
			AdditionalSubnets: []string{"v6"}, MemberSubnet: "nodes", LoadBalancer: "lb-1"},
		FloatingIP: events.FloatingIP{Address: "203.0.113.7", Network: "public", Subnet: "a*", SubnetTags: "edge", Keep: true},
		Listeners: []events.Listener{
			{Protocol: events.HTTP, Port: 80, Routes: []events.Route{
				{Host: "shop.example.org", Path: "/", PathType: events.PathPrefix, Redirect: &events.Redirect{Scheme: "https", Code: 301}}}},
			{Protocol: events.TerminatedHTTPS, Port: 443, Backend: "shop/web:80", AllowedSources: []string{"10.0.0.0/8"},
				Routes: []events.Route{{Path: "/cart", PathType: events.PathExact, Backend: "shop/web:80"}},
				TLS: &events.TLS{Versions: []string{"TLSv1.3"}, Ciphers: "A:B", Container: "https://keys/1", Certificates: []events.Certificate{
					{Digest: "sha256:beef", Secret: "shop/tls", Hosts: []string{"shop.example.org"}, NotAfter: "2026-06-01T00:00:00Z"}}},
				HSTS: &events.HSTS{MaxAge: 60}, Headers: []string{"X-Forwarded-For"}, ConnectionLimit: &limit,
				Timeouts: events.Timeouts{ClientData: &second, MemberConnect: &second, MemberData: &second, TCPInspect: &second}},
		},
		Backends: []events.Backend{{Name: "shop/web:80", Protocol: events.HTTP, TLS: true, Algorithm: "SOURCE_IP",
			Persistence: &events.Persistence{Type: "APP_COOKIE", Cookie: "ID"},
			Members:     []events.Member{{Address: "10.0.0.1", Port: 1}, {Address: "10.0.0.2", Port: 1, Draining: true}}}},
	}
	want := []string{
		"HTTP/80 shop.example.org/ Prefix -> redirect to https (301)",
		"TERMINATED_HTTPS/443 */cart Exact -> shop/web:80 (2 members, 1 draining, in TLS, SOURCE_IP, sticky by APP_COOKIE ID)",
		"TERMINATED_HTTPS/443 -> shop/web:80 (2 members, 1 draining, in TLS, SOURCE_IP, sticky by APP_COOKIE ID)",
		"TERMINATED_HTTPS/443 only from 10.0.0.0/8",
		"TERMINATED_HTTPS/443 certificate sha256:beef of Secret shop/tls for shop.example.org until 2026-06-01T00:00:00Z",
		"TERMINATED_HTTPS/443 certificate of https://keys/1",
		"TERMINATED_HTTPS/443 speaks TLSv1.3",
		"TERMINATED_HTTPS/443 ciphers A:B",
		"TERMINATED_HTTPS/443 HSTS for 60 s",
		"TERMINATED_HTTPS/443 adds X-Forwarded-For",
		"TERMINATED_HTTPS/443 client data within 1000 ms",
		"TERMINATED_HTTPS/443 member connects within 1000 ms",
		"TERMINATED_HTTPS/443 member data within 1000 ms",
		"TERMINATED_HTTPS/443 TCP inspected for 1000 ms",
		"TERMINATED_HTTPS/443 connections at most -1",
		"internal, no floating IP",
		"in group shop", "flavor ha", "class edge", "availability zone az1", "network front", "subnet v4", "network port p",
		"address 10.0.0.5", "further subnets v6", "members through subnet nodes", "on load balancer lb-1",
		"floating IP 203.0.113.7", "floating IP of network public", "floating IP of subnet a*", "floating IP of subnets tagged edge",
		"tagged cost:42", "the floating IP is kept", "kept when the object goes", "may be built anew",
	}
	if diff := cmp.Diff(want, exposureLines(x)); diff != "" {
		t.Error(diff)
	}
}
