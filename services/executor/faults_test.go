package executor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/sandbox"
)

// Faults of the octavia-ingress-controller (OIC) and of the
// openstack-cloud-controller-manager (OCCM), each as a test that they fail.

// listeners are the protocols and ports of a load balancer.
func (w *world) listeners(lb string) (out []string) {
	w.Helper()
	for _, x := range w.api().do("GET", lbaas+"/listeners?loadbalancer_id="+lb, nil)["listeners"].([]any) {
		l := x.(map[string]any)
		out = append(out, l["protocol"].(string)+map[float64]string{80: ":80", 443: ":443"}[l["protocol_port"].(float64)])
	}
	slices.Sort(out)
	return out
}

// TestFaultTLSAddedToLivingIngressStaysInTheClear (OIC): the listener is found
// by its name and never changed, so that spec.tls has no effect, either way.
func TestFaultTLSAddedToLivingIngressStaysInTheClear(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.withSeed()
	w.run()
	k := key("web")
	first := w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11")))
	m, publish := w.certificate("web.example.org")
	publish()
	o := w.applied(k, w.decide(k, events.Approved, secure("web", "", m.Digest())))
	if l := w.listeners(o.LoadBalancer.ID); !slices.Equal(l, []string{"TERMINATED_HTTPS:443"}) || o.LoadBalancer.ID != first.LoadBalancer.ID {
		t.Errorf("listeners are %q", l)
	}
	o = w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11")))
	if l := w.listeners(o.LoadBalancer.ID); !slices.Equal(l, []string{"HTTP:80"}) || len(w.secrets()) != 0 {
		t.Errorf("listeners are %q, secrets %q", l, w.secrets())
	}
}

// TestFaultListenerProtocolChangeOnOnePort (OCCM 10): the listener of the new
// protocol is created before the obsolete one is removed, which Octavia refuses each time.
func TestFaultListenerProtocolChangeOnOnePort(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.withSeed()
	w.run()
	k := key("web")
	w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11")))
	m, publish := w.certificate("web.example.org")
	publish()
	e := secure("web", "", m.Digest())
	e.Listeners[0].Port = 80
	o := w.applied(k, w.decide(k, events.Approved, e))
	if l := w.listeners(o.LoadBalancer.ID); !slices.Equal(l, []string{"TERMINATED_HTTPS:80"}) {
		t.Errorf("listeners are %q", l)
	}
}

// TestFaultSecretsOfNamesake (OIC): secrets are deleted by a part of their name,
// so that those of web-2 go with web.
func TestFaultSecretsOfNamesake(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.withSeed()
	w.run()
	a, b := key("web"), key("web-2")
	m, publish := w.certificate("web.example.org")
	publish()
	w.applied(a, w.decide(a, events.Approved, secure("web", "", m.Digest())))
	w.applied(b, w.decide(b, events.Approved, secure("web-2", "", m.Digest())))
	w.removed(a, w.decide(a, events.Approved, nil))
	if s := w.secrets(); len(s) != 1 {
		t.Errorf("secrets are %q, want that of web-2", s)
	}
	w.applied(b, w.decide(b, events.Approved, secure("web-2", "", m.Digest())))
}

// TestFaultNoNodes (OCCM 12, OIC): without a node nothing else of the object is changed.
func TestFaultNoNodes(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	k := key("web")
	w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11")))
	e := member("", "web")
	e.Listeners[0].AllowedSources = []string{"10.0.0.0/8"}
	o := w.applied(k, w.decide(k, events.Approved, e))
	if len(w.weights()) != 0 || !slices.ContainsFunc(o.Steps, func(s string) bool { return strings.HasPrefix(s, "update listener") }) {
		t.Errorf("members' weights are %v after %q", w.weights(), o.Steps)
	}
}

// TestFaultWeightZeroKept (#2008): a node that is cordoned has weight 0, and one
// that is back takes connections again.
func TestFaultWeightZeroKept(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.cfg.DrainDelay = time.Hour
	w.run()
	k := key("web")
	w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11", "10.0.0.12")))
	w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11")))
	if weights := w.weights(); len(weights) != 2 || !slices.Contains(weights, 0) {
		t.Errorf("weights are %v", weights)
	}
	w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11", "10.0.0.12")))
	if weights := w.weights(); len(weights) != 2 || slices.Contains(weights, 0) {
		t.Errorf("weights are %v", weights)
	}
}

// TestFaultTimeoutNeverRestored (OIC): a timeout whose annotation is taken away
// stays. The operator's own, which nobody set, is left alone.
func TestFaultTimeoutNeverRestored(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	k := key("web")
	timeout := func(field string) float64 {
		a := w.api()
		id := a.ids(lbaas+"/listeners", "listeners")[0]
		return a.do("GET", lbaas+"/listeners/"+id, nil)["listener"].(map[string]any)[field].(float64)
	}
	w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11")))
	operators := timeout("timeout_client_data")
	e := member("", "web", "10.0.0.11")
	ms := 7000
	e.Listeners[0].Timeouts.ClientData = &ms
	w.applied(k, w.decide(k, events.Approved, e))
	if got := timeout("timeout_client_data"); got != 7000 {
		t.Errorf("the timeout is %v", got)
	}
	w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11")))
	if got := timeout("timeout_client_data"); got != operators {
		t.Errorf("the timeout is %v, the operator's %v", got, operators)
	}
}

// TestFaultGivenFloatingIPDeleted (OIC): a floating IP that the user supplied is
// deleted with the object. Here one that another's port has is refused, too.
func TestFaultGivenFloatingIPDeleted(t *testing.T) {
	w := newWorld(t, sandbox.Config{})
	w.run()
	a := w.api()
	network := a.ids("/network/v2.0/networks?name="+sandbox.ExternalName, "networks")[0]
	f := a.do("POST", "/network/v2.0/floatingips", map[string]any{"floatingip": map[string]any{"floating_network_id": network, "description": "mine"}})["floatingip"].(map[string]any)
	address := f["floating_ip_address"].(string)
	k := key("web")
	e := member("", "web", "10.0.0.11")
	own := w.applied(k, w.decide(k, events.Approved, e)).Addresses[0].IP
	e.FloatingIP.Address = address
	if o := w.applied(k, w.decide(k, events.Approved, e)); o.Addresses[0].IP != address || own == address || floatingIPs(w) != 1 {
		t.Errorf("outcome is %+v", o)
	}
	second := member("", "second", "10.0.0.11")
	second.FloatingIP.Address = address
	w.failed(second.Key, w.decide(second.Key, events.Approved, second), "is attached to port")
	w.removed(second.Key, w.decide(second.Key, events.Approved, nil))
	w.removed(k, w.decide(k, events.Approved, nil))
	left := a.do("GET", "/network/v2.0/floatingips", nil)["floatingips"].([]any)
	if len(left) != 1 || left[0].(map[string]any)["description"] != "mine" {
		t.Errorf("left: %+v", left)
	}
}

// TestFaultOneBadObjectBlocksTheWorker (OIC, OCCM): one worker waits for one
// load balancer while all others wait for it.
func TestFaultOneBadObjectBlocksTheWorker(t *testing.T) {
	w := newWorld(t, sandbox.Config{Pending: time.Hour})
	w.run()
	slow := key("slow")
	w.decide(slow, events.Approved, member("", "slow", "10.0.0.11"))
	w.stands(1)
	w.cloud.SetPending(0)
	k := key("web")
	w.applied(k, w.decide(k, events.Approved, member("", "web", "10.0.0.11")))
}
