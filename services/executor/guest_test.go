package executor_test

import (
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/sandbox"
)

// refusedByCloud is a member of a group with a port that no driver opens: its
// sources are of another IP version than the address.
func refusedByCloud(group, name string) *events.Exposure {
	e := member(group, name, "10.0.0.12")
	e.Listeners = append(e.Listeners, events.Listener{Protocol: events.TCP, Port: 8443, Backend: e.Backends[0].Name, AllowedSources: []string{"2001:db8::/32"}})
	return e
}

// TestGuestRefusedByCloud: what the cloud refuses of one member of a group keeps
// nobody else from changing, nor from going, also after a restart.
func TestGuestRefusedByCloud(t *testing.T) {
	for name, stoodAlone := range map[string]bool{"newcomer": false, "from a load balancer of its own": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sandbox.Config{})
			stop := w.run()
			a, b := key("a"), key("b")
			lb := w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11"))).LoadBalancer.ID
			if stoodAlone {
				w.applied(b, w.decide(b, events.Approved, member("", "b", "10.0.0.12")))
			}
			w.failed(b, w.decide(b, events.Approved, refusedByCloud("one", "b")), "IP version")
			w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11", "10.0.0.13")))
			w.becomes(lb, "shop/a:80")
			stop()
			w.run()
			w.applied(a, w.decide(a, events.Approved, member("one", "a", "10.0.0.11")))
			w.applied(b, w.decide(b, events.Approved, member("one", "b", "10.0.0.12")))
			w.becomes(lb, "shop/a:80", "shop/b:80")
			w.removed(a, w.decide(a, events.Approved, nil))
			w.becomes(lb, "shop/b:80")
		})
	}
}

// TestGuestOverQuota: who waits for a quota to be raised lets the others of the
// group go on, and gets its part when there is room.
func TestGuestOverQuota(t *testing.T) {
	w := newWorld(t, sandbox.Config{Quota: map[string]int{"pool": 2}})
	w.run()
	a, y, z := key("a"), key("y"), key("z")
	lb := w.applied(z, w.decide(z, events.Approved, member("one", "z", "10.0.0.11"))).LoadBalancer.ID
	w.applied(y, w.decide(y, events.Approved, member("one", "y", "10.0.0.11")))
	d := w.decide(a, events.Approved, member("one", "a", "10.0.0.12"))
	w.failed(a, d, "quota")
	w.applied(z, w.decide(z, events.Approved, member("one", "z", "10.0.0.11", "10.0.0.13")))
	w.applied(z, w.decide(z, events.Approved, member("one", "z", "10.0.0.13")))
	w.removed(y, w.decide(y, events.Approved, nil))
	w.applied(a, d)
	w.becomes(lb, "shop/a:80", "shop/z:80")
}

// TestGuestWithoutCertificate: a member whose certificate never comes keeps only itself waiting.
func TestGuestWithoutCertificate(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.withSeed()
	w.run()
	a, z := key("a"), key("z")
	w.applied(z, w.decide(z, events.Approved, member("one", "z", "10.0.0.11")))
	m, publish := w.certificate("a.example.org")
	d := w.decide(a, events.Approved, secure("a", "one", m.Digest()))
	w.failed(a, d, "not on the bus")
	w.applied(z, w.decide(z, events.Approved, member("one", "z", "10.0.0.12")))
	publish()
	w.applied(a, d)
}

// TestGivenLoadBalancerOfAnother: a load balancer of Drawbridge's, of any fleet, is
// nobody's to be given: its owner would remove what another puts there.
func TestGivenLoadBalancerOfAnother(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	a, b := key("a"), key("b")
	lb := w.applied(a, w.decide(a, events.Approved, member("", "a", "10.0.0.11"))).LoadBalancer.ID
	thief := member("", "b", "10.0.0.66")
	thief.Listeners[0].Port = 8443
	thief.Placement.LoadBalancer = lb
	w.failed(b, w.decide(b, events.Approved, thief), "made by Drawbridge for another exposure")
	w.becomes(lb, "shop/a:80")
	w.removed(b, w.decide(b, events.Approved, nil))
	w.becomes(lb, "shop/a:80")
}

// TestGivenFloatingIPOfAnother: the address of an exposure is not to be had while
// it is detached, because its load balancer is built anew or is gone.
func TestGivenFloatingIPOfAnother(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	a, b := key("a"), key("b")
	address := w.applied(a, w.decide(a, events.Approved, member("", "a", "10.0.0.11"))).Addresses[0].IP
	api := w.api()
	f := api.do("GET", "/network/v2.0/floatingips?floating_ip_address="+address, nil)["floatingips"].([]any)[0].(map[string]any)
	api.do("PUT", "/network/v2.0/floatingips/"+f["id"].(string), map[string]any{"floatingip": map[string]any{"port_id": nil}})
	thief := member("", "b", "10.0.0.66")
	thief.FloatingIP.Address = address
	w.failed(b, w.decide(b, events.Approved, thief), "belongs to another exposure")
}
