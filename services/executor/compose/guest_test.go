package compose_test

import (
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/compose"
	"drawbridge.dev/services/executor/loadbalancer"
)

// TestRawPrefixOfEveryHostTakesNothingOfOthers: whoever comes first in a group, by
// name, and takes every host or a wildcard, has not what another names.
func TestRawPrefixOfEveryHostTakesNothingOfOthers(t *testing.T) {
	var group []events.Exposure
	for _, x := range []struct{ namespace, host, pool string }{
		{"a", "", "every"}, {"b", "*.example.org", "wild"}, {"shop", "shop.example.org", "shop"},
	} {
		e := exposure(events.Listener{Protocol: events.HTTP, Port: 80, Routes: []events.Route{{Host: x.host, Path: "/", PathType: events.PathRawPrefix, Backend: x.pool}}})
		e.Key.Namespace, e.Group = x.namespace, "edge"
		group = append(group, e)
	}
	lb, conflicts := compose.LoadBalancer(loadbalancer.Owner{Fleet: "f", Group: "edge"}, group, defaults)
	if len(conflicts) != 0 {
		t.Fatal(conflicts)
	}
	for host, want := range map[string]string{"shop.example.org": "shop", "blog.example.org": "wild", "example.net": "every"} {
		if got := octavia(t, lb, lb.Listeners[0], host, "/x"); got != want {
			t.Errorf("%s goes to %q, want %q", host, got, want)
		}
	}
}
