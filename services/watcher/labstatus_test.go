package watcher

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"drawbridge.dev/events"
)

// A real API server takes two families, ipMode Proxy and a host name, each in
// the place of the one before; and a condition that needs a new load balancer.
func TestLabPresence(t *testing.T) {
	l := newLab(t)
	l.grant()
	l.service("web", corev1.ServiceTypeLoadBalancer)
	l.start().awaitReady()
	applied := events.Outcome{State: events.Applied, Addresses: []events.Address{{IP: "10.0.0.9", Type: "vip"}, {IP: "fd00::9", Type: "vip"}, {IP: "192.0.2.7", Type: "floating"}}}
	step := func(annotations, want string, o events.Outcome, ok func(events.Requested) bool) {
		t.Helper()
		_, err := l.admin.CoreV1().Services(l.name).Patch(t.Context(), "web", types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%s}}}`, annotations), metav1.PatchOptions{})
		must(t, err)
		l.outcome(l.approve(l.wish(events.KindService, "web", annotations, ok)), o)
		until(t, func() string { return fmt.Sprintf("status of %s is %q, want %q", annotations, l.points("web"), want) }, func() bool { return l.points("web") == want })
	}
	has := func(name, value string) func(events.Requested) bool {
		return func(w events.Requested) bool { return w.Exposure != nil && w.Object.Annotations[name] == value }
	}
	step(`"drawbridge.dev/flavor":"ha"`, "192.0.2.7/VIP fd00::9/VIP ", applied, has("drawbridge.dev/flavor", "ha"))
	step(`"drawbridge.dev/proxy-protocol":"v2"`, "192.0.2.7/Proxy fd00::9/Proxy ", applied, has("drawbridge.dev/proxy-protocol", "v2"))
	step(`"drawbridge.dev/hostname":"lb.example.org"`, "lb.example.org ", applied, has("drawbridge.dev/hostname", "lb.example.org"))
	applied.Warnings = []string{"needs recreate: the flavor is another one: set drawbridge.dev/replace"}
	step(`"drawbridge.dev/hostname":null`, "192.0.2.7/Proxy fd00::9/Proxy ", applied, has("drawbridge.dev/hostname", ""))
	l.status("web", "192.0.2.7 Proxy fd00::9 Proxy True NeedsRecreate: reachable at 192.0.2.7, fd00::9; needs recreate: the flavor is another one: set drawbridge.dev/replace")
}

// points are the addresses of a Service with their mode.
func (l *lab) points(name string) (out string) {
	l.t.Helper()
	svc, err := l.admin.CoreV1().Services(l.name).Get(l.t.Context(), name, metav1.GetOptions{})
	must(l.t, err)
	for _, p := range svc.Status.LoadBalancer.Ingress {
		out += p.IP + p.Hostname
		if p.IPMode != nil {
			out += "/" + string(*p.IPMode)
		}
		out += " "
	}
	return out
}
