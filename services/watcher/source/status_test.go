package source

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"drawbridge.dev/services/watcher/translate"
)

func TestPoints(t *testing.T) {
	vip, proxy := corev1.LoadBalancerIPModeVIP, corev1.LoadBalancerIPModeProxy
	both := []string{"192.0.2.1", "2001:db8::1"}
	for name, tt := range map[string]struct {
		status Status
		want   []corev1.LoadBalancerIngress
	}{
		"of an Ingress":   {Status{Addresses: both}, []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}, {IP: "2001:db8::1"}}},
		"of a Service":    {Status{Addresses: both, Presence: translate.Presence{IPMode: vip}}, []corev1.LoadBalancerIngress{{IP: "192.0.2.1", IPMode: &vip}, {IP: "2001:db8::1", IPMode: &vip}}},
		"proxied":         {Status{Addresses: both[:1], Presence: translate.Presence{IPMode: proxy}}, []corev1.LoadBalancerIngress{{IP: "192.0.2.1", IPMode: &proxy}}},
		"by name":         {Status{Addresses: both, Presence: translate.Presence{IPMode: vip, Hostname: "lb.example.org"}}, []corev1.LoadBalancerIngress{{Hostname: "lb.example.org"}}},
		"without address": {Status{Presence: translate.Presence{Hostname: "lb.example.org"}}, nil},
	} {
		if d := cmp.Diff(tt.want, tt.status.points(tt.status.Addresses)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestDiffers(t *testing.T) {
	vip, proxy := corev1.LoadBalancerIPModeVIP, corev1.LoadBalancerIPModeProxy
	asked := Status{Addresses: []string{"192.0.2.1"}, Presence: translate.Presence{IPMode: vip}}
	keep, former, named := asked, asked, asked
	keep.Keep = true
	former.Addresses, former.Former = nil, []string{"192.0.2.1"}
	named.Presence.Hostname = "lb.example.org"
	at := func(ip, host string, mode *corev1.LoadBalancerIPMode) []corev1.LoadBalancerIngress {
		return []corev1.LoadBalancerIngress{{IP: ip, Hostname: host, IPMode: mode, Ports: []corev1.PortStatus{{Port: 80}}}}
	}
	for name, tt := range map[string]struct {
		status Status
		have   []corev1.LoadBalancerIngress
		want   bool
	}{
		"nothing stands":            {asked, nil, true},
		"it stands":                 {asked, at("192.0.2.1", "", &vip), false},
		"another address":           {asked, at("192.0.2.2", "", &vip), true},
		"the mode changed":          {asked, at("192.0.2.1", "", &proxy), true},
		"a mode that was not told":  {asked, at("192.0.2.1", "", nil), true},
		"by name":                   {named, at("192.0.2.1", "", &vip), true},
		"by name, and so it stands": {named, at("", "lb.example.org", nil), false},
		"it is not known":           {keep, at("192.0.2.2", "", nil), false},
		"nothing and nothing":       {Status{}, nil, false},
		"what we gave goes":         {former, at("192.0.2.1", "", &vip), true},
		"what another gave stays":   {former, at("192.0.2.2", "", &vip), false},
	} {
		if got := tt.status.differs(tt.have); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}
