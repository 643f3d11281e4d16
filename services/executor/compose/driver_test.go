package compose_test

import (
	"fmt"
	"strings"
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
)

// matrix is Octavia's feature classification, the limitations of the OVN
// provider and the API's version history, as facts beside the code: what an
// exposure asks for, since which API 2.x each driver has it (never: -1), and by
// which waiver it is left out.
var matrix = []struct {
	name                string
	amphora, ovn, other int
	field               string // that a refusal names
	waiver              events.Feature
	asks                func(*events.Exposure)
	stays               func(loadbalancer.LoadBalancer) bool // it is in what is composed
}{
	{"plain TCP", 0, 0, 0, "", "", func(*events.Exposure) {}, nil},
	{"UDP", 0, 0, 0, "", "", speaks(events.UDP), nil},
	{"SCTP", 23, 23, 23, "listeners[0].protocol", "", speaks(events.SCTP), nil},
	{"HTTP", 0, -1, 0, "listeners[0].protocol", "", speaks(events.HTTP), nil},
	{"TERMINATED_HTTPS", 0, -1, 0, "listeners[0].protocol", "", terminated, nil},
	{"PROXY", 0, -1, 0, "backends[0].protocol", "", backend(func(b *events.Backend) { b.Protocol = events.PROXY }), nil},
	{"PROXYV2", 22, -1, 22, "backends[0].protocol", "", backend(func(b *events.Backend) { b.Protocol = events.PROXYV2 }), nil},
	{"TLS to members", 8, -1, 8, "backends[0].tls", "", backend(func(b *events.Backend) { b.TLS = true }), nil},
	{"TLS versions", 17, -1, 17, "listeners[0].tls.versions", "", func(e *events.Exposure) {
		terminated(e)
		e.Listeners[0].TLS.Versions = []string{"TLSv1.3"}
	}, nil},
	{"TLS ciphers", 15, -1, 15, "listeners[0].tls.ciphers", "", func(e *events.Exposure) {
		terminated(e)
		e.Listeners[0].TLS.Ciphers = "A"
	}, nil},
	{"HSTS", 27, -1, 27, "listeners[0].hsts", events.FeatureHSTS, func(e *events.Exposure) {
		terminated(e)
		e.Listeners[0].HSTS = &events.HSTS{MaxAge: 1}
	}, func(lb loadbalancer.LoadBalancer) bool { return lb.Listeners[0].HSTS.MaxAge == 1 }},
	{"X-Forwarded-For", 0, -1, 0, "listeners[0].headers", events.FeatureHeaders, headers("X-Forwarded-For"),
		func(lb loadbalancer.LoadBalancer) bool { return len(lb.Listeners[0].Headers) > 0 }},
	{"X-Forwarded-Proto", 1, -1, 1, "listeners[0].headers", events.FeatureHeaders, headers("X-Forwarded-Proto"),
		func(lb loadbalancer.LoadBalancer) bool { return len(lb.Listeners[0].Headers) > 0 }},
	{"allowed sources", 12, -1, 12, "listeners[0].allowedSources", events.FeatureAllowedSources,
		func(e *events.Exposure) { e.Listeners[0].AllowedSources = []string{"10.0.0.0/8"} },
		func(lb loadbalancer.LoadBalancer) bool { return len(lb.Listeners[0].AllowedCIDRs) > 0 }},
	{"time-outs", 1, -1, 1, "listeners[0].timeouts", events.FeatureTimeouts,
		func(e *events.Exposure) { e.Listeners[0].Timeouts.TCPInspect = new(int) },
		func(lb loadbalancer.LoadBalancer) bool { return lb.Listeners[0].Timeouts.TCPInspect != nil }},
	{"connection limit", 0, -1, 0, "listeners[0].connectionLimit", events.FeatureConnectionLimit,
		func(e *events.Exposure) { e.Listeners[0].ConnectionLimit = new(int) },
		func(lb loadbalancer.LoadBalancer) bool { return lb.Listeners[0].ConnectionLimit != nil }},
	{"redirect with 308", 9, -1, 9, "listeners[0].routes[0].redirect.code", "", redirects(308), nil},
	{"redirect with 302", 0, -1, 0, "listeners[0].protocol", "", redirects(302), nil},
	{"flavor", 6, -1, 6, "flavor", events.FeatureFlavor, func(e *events.Exposure) { e.Flavor = "ha" },
		func(lb loadbalancer.LoadBalancer) bool { return lb.FlavorID != "" }},
	{"availability zone", 14, -1, 14, "placement.availabilityZone", "", func(e *events.Exposure) { e.Placement.AvailabilityZone = "az1" }, nil},
	{"additional VIPs", 26, 26, 26, "placement", "", func(e *events.Exposure) { e.Placement.AdditionalSubnets = []string{"six"} }, nil},
	{"IPv6 VIP of IPv4 members", 0, -1, 0, "backends[0].members[0].address", "", func(e *events.Exposure) { e.Placement.Families = []string{"IPv6"} }, nil},
	{"IPv4 VIP of IPv4 members", 0, 0, 0, "", "", func(e *events.Exposure) { e.Placement.Families = []string{"IPv4"} }, nil},
	{"ROUND_ROBIN", 0, -1, 0, "backends[0].algorithm", events.FeatureAlgorithm, algorithm("ROUND_ROBIN"), composedAlgorithm("ROUND_ROBIN")},
	{"LEAST_CONNECTIONS", 0, -1, 0, "backends[0].algorithm", events.FeatureAlgorithm, algorithm("LEAST_CONNECTIONS"), composedAlgorithm("LEAST_CONNECTIONS")},
	{"SOURCE_IP", 0, -1, 0, "backends[0].algorithm", events.FeatureAlgorithm, algorithm("SOURCE_IP"), composedAlgorithm("SOURCE_IP")},
	{"SOURCE_IP_PORT", -1, 13, 13, "backends[0].algorithm", events.FeatureAlgorithm, algorithm("SOURCE_IP_PORT"), nil},
	{"persistence by source", 0, 0, 0, "", "", backend(func(b *events.Backend) { b.Persistence = &events.Persistence{Type: "SOURCE_IP"} }), nil},
	{"persistence time-out", 2, 2, 2, "backends[0].persistence.timeout", events.FeaturePersistence, func(e *events.Exposure) {
		speaks(events.UDP)(e)
		e.Backends[0].Persistence = &events.Persistence{Type: "SOURCE_IP", Timeout: 60}
	}, func(lb loadbalancer.LoadBalancer) bool { return lb.Pools[0].Persistence.Timeout > 0 }},
	{"persistence by cookie", 0, -1, 0, "backends[0].persistence", events.FeaturePersistence, backend(func(b *events.Backend) {
		b.Protocol, b.Persistence = events.HTTP, &events.Persistence{Type: "HTTP_COOKIE"}
	}), func(lb loadbalancer.LoadBalancer) bool { return lb.Pools[0].Persistence != nil }},
	{"TCP monitor", 0, 0, 0, "", "", monitor(events.Monitor{Type: "TCP"}), nil},
	{"HTTP monitor", 0, -1, 0, "backends[0].monitor.type", events.FeatureMonitor, monitor(events.Monitor{Type: "HTTP"}), monitored},
	{"TLS-HELLO monitor", 0, -1, 0, "backends[0].monitor.type", events.FeatureMonitor, monitor(events.Monitor{Type: "TLS-HELLO"}), monitored},
	{"PING monitor", 0, -1, 0, "backends[0].monitor.type", events.FeatureMonitor, monitor(events.Monitor{Type: "PING"}), monitored},
	{"monitor with host", 10, -1, 10, "backends[0].monitor", events.FeatureMonitor, monitor(events.Monitor{Type: "HTTP", Host: "h"}),
		func(lb loadbalancer.LoadBalancer) bool { return monitored(lb) && lb.Pools[0].Monitor.Host != "" }},
	{"UDP-CONNECT monitor", 0, 0, 0, "", "", func(e *events.Exposure) {
		speaks(events.UDP)(e)
		monitor(events.Monitor{Type: "UDP-CONNECT"})(e)
	}, nil},
	{"TCP monitor of UDP", 16, 16, 16, "backends[0].monitor.type", events.FeatureMonitor, func(e *events.Exposure) {
		speaks(events.UDP)(e)
		monitor(events.Monitor{Type: "TCP"})(e)
	}, monitored},
	{"monitor port", 0, -1, 0, "backends[0].members[0].monitorPort", events.FeatureMonitor, func(e *events.Exposure) {
		monitor(events.Monitor{Type: "TCP"})(e)
		e.Backends[0].Members[0].MonitorPort = 9
	}, func(lb loadbalancer.LoadBalancer) bool { return lb.Pools[0].Members[0].MonitorPort != 0 }},
}

// TestDrivers asks every driver at every version of the API for every feature.
// What it lacks is refused, or left out with a warning where policy waives it.
func TestDrivers(t *testing.T) {
	for _, tt := range matrix {
		for provider, since := range map[string]int{"": tt.amphora, "amphora": tt.amphora, "octavia": tt.amphora, "ovn": tt.ovn, "noop": tt.other, "acme": tt.other} {
			t.Run(tt.name+"/"+provider, func(t *testing.T) {
				for minor := 0; minor <= 30; minor++ {
					has := since >= 0 && minor >= since
					e := asking(tt.asks)
					d := compose.Defaults{Provider: provider, APIMinor: minor, VIP: loadbalancer.VIP{SubnetID: "s"}, AvailabilityZone: e.Placement.AvailabilityZone}
					if e.Flavor != "" {
						d.FlavorID = "ha-id"
					}
					lb, conflicts := compose.LoadBalancer(owner, []events.Exposure{e}, d)
					judged(t, conflicts, !has, tt.field, provider, minor)
					if has && tt.stays != nil && !tt.stays(lb) {
						t.Errorf("2.%d: it is not composed: %+v", minor, lb)
					}
					if has || tt.waiver == "" {
						continue
					}
					e.Waived = []events.Feature{tt.waiver}
					lb, conflicts = compose.LoadBalancer(owner, []events.Exposure{e}, d)
					waived(t, conflicts, tt.field, minor)
					if tt.stays != nil && tt.stays(lb) {
						t.Errorf("2.%d: it is not left out: %+v", minor, lb)
					}
				}
			})
		}
	}
}

// waived looks that a field is left out with a warning.
func waived(t *testing.T, conflicts []compose.Conflict, field string, minor int) {
	t.Helper()
	said := false
	for _, c := range conflicts {
		if !strings.HasPrefix(c.Field, field) {
			continue
		}
		said = true
		if c.Fatal {
			t.Errorf("2.%d: it is refused though it is waived: %s", minor, c)
		}
	}
	if !said {
		t.Errorf("2.%d: that it is left out is not said: %v", minor, conflicts)
	}
}

// judged looks for the refusal of a field: whether there is one, and what it names.
func judged(t *testing.T, conflicts []compose.Conflict, want bool, field, provider string, minor int) {
	t.Helper()
	var mine []compose.Conflict
	for _, c := range conflicts {
		if field != "" && strings.HasPrefix(c.Field, field) {
			mine = append(mine, c)
		}
	}
	if !want {
		if len(mine) > 0 || field == "" && len(conflicts) > 0 {
			t.Errorf("2.%d: conflicts are %v, want none", minor, conflicts)
		}
		return
	}
	if len(mine) != 1 || !mine[0].Fatal {
		t.Fatalf("2.%d: conflicts are %v, want one of %s", minor, conflicts, field)
	}
	name := map[string]string{"": "amphora", "octavia": "amphora"}[provider]
	if name == "" {
		name = provider
	}
	for _, text := range []string{"provider " + name, fmt.Sprintf("API 2.%d", minor), ": "} {
		if !strings.Contains(mine[0].Message, text) {
			t.Errorf("%q does not say %q", mine[0].Message, text)
		}
	}
}

func asking(asks func(*events.Exposure)) events.Exposure {
	e := exposure(events.Listener{Protocol: events.TCP, Port: 80, Backend: "p"})
	asks(&e)
	return e
}

func speaks(p events.Protocol) func(*events.Exposure) {
	return func(e *events.Exposure) { e.Listeners[0].Protocol, e.Backends[0].Protocol = p, p }
}

func terminated(e *events.Exposure) {
	e.Listeners[0].Protocol, e.Backends[0].Protocol = events.TerminatedHTTPS, events.HTTP
	e.Listeners[0].TLS = &events.TLS{Container: "https://keys/1"}
}

func headers(name string) func(*events.Exposure) {
	return func(e *events.Exposure) {
		speaks(events.HTTP)(e)
		e.Listeners[0].Headers = []string{name}
	}
}

func redirects(code int) func(*events.Exposure) {
	return func(e *events.Exposure) {
		speaks(events.HTTP)(e)
		e.Listeners[0].Routes = []events.Route{{Host: "a.x", Path: "/", PathType: events.PathPrefix, Redirect: &events.Redirect{Scheme: "https", Code: code}}}
	}
}

func backend(change func(*events.Backend)) func(*events.Exposure) {
	return func(e *events.Exposure) { change(&e.Backends[0]) }
}

func algorithm(name string) func(*events.Exposure) {
	return backend(func(b *events.Backend) { b.Algorithm = name })
}

func composedAlgorithm(name string) func(loadbalancer.LoadBalancer) bool {
	return func(lb loadbalancer.LoadBalancer) bool { return lb.Pools[0].Algorithm == name }
}

func monitor(m events.Monitor) func(*events.Exposure) {
	return backend(func(b *events.Backend) { b.Monitor = &m })
}

func monitored(lb loadbalancer.LoadBalancer) bool { return lb.Pools[0].Monitor != nil }
