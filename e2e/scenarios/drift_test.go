package scenarios

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"drawbridge.dev/e2e/harness"
	"drawbridge.dev/events"
)

// drifting damages the cloud by hand.
func drifting(t *testing.T, w *world) {
	ns := w.namespace(t, true)
	site := w.site(t, ns)
	w.expose(t, site)
	shop, _ := hosts(ns)
	for _, damage := range []struct {
		name string
		do   func(lb string)
	}{
		{"a member is deleted", func(string) {
			pool := w.pools(t, site)[0].ID
			members, err := w.Cloud.Members(pool)
			if err != nil || len(members) == 0 {
				t.Fatalf("pool %s has %d members: %v", pool, len(members), err)
			}
			w.Cloud.Edit(t, http.MethodDelete, "/v2/lbaas/pools/"+pool+"/members/"+members[0].ID, nil)
		}},
		{"a listener is added", func(lb string) {
			w.Cloud.Edit(t, http.MethodPost, "/v2/lbaas/listeners", map[string]any{"listener": map[string]any{
				"name": "by hand", "loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 2222}})
		}},
		{"the listener is deleted", func(lb string) {
			listeners, err := w.Cloud.Children("listeners", lb)
			if err != nil || len(listeners) != 1 {
				t.Fatalf("%d listeners: %v", len(listeners), err)
			}
			w.Cloud.Edit(t, http.MethodDelete, "/v2/lbaas/listeners/"+listeners[0].ID, nil)
		}},
		{"the floating IP is deleted", func(string) {
			ips, err := w.Cloud.FloatingIPs("drawbridge.dev/fleet=" + w.Name)
			if err != nil || len(ips) != 1 {
				t.Fatalf("%d floating IPs: %v", len(ips), err)
			}
			if err := w.Cloud.Do("network", http.MethodDelete, "/v2.0/floatingips/"+ips[0].ID, nil, nil); err != nil {
				t.Fatal(err)
			}
		}},
		{"the load balancer is deleted", func(lb string) {
			w.Cloud.Edit(t, http.MethodDelete, "/v2/lbaas/loadbalancers/"+lb+"?cascade=true", nil)
		}},
	} {
		for tries := 1; !w.repairs(t, site, damage.name, damage.do); tries++ {
			if tries == 3 {
				t.Fatalf("%s: each time the site was decided about meanwhile, so that no drift was due\n%s", damage.name, w.History(site))
			}
			w.Settled(t, site)
			w.Exact(t)
		}
		if err := w.intact(site); err != nil {
			t.Fatalf("%s, and after the repair: %v\n%s", damage.name, err, w.History(site))
		}
		w.Exact(t)
	}
	trip, err := w.Auditor.Newest(harness.Key(site))
	if err != nil {
		t.Fatal(err)
	}
	w.answers(t, trip, 80, shop, "/api/orders", "api")
}

// repairs does a damage and waits until it is on record as drift, with an outcome
// that the drift caused. It answers false if a decision about the object came
// meanwhile: what is carried out then repairs the damage in passing.
func (w *world) repairs(t *testing.T, o harness.Object, name string, damage func(lb string)) bool {
	t.Helper()
	of := func() []harness.Event {
		all, err := w.Auditor.Of(harness.Key(o))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := len(of())
	w.Settled(t, o)
	lb, err := w.LoadBalancer(o)
	if err != nil {
		t.Fatal(err)
	}
	damage(lb.ID)
	said := true
	harness.Eventually(t, name+": drift is on record, and what was done about it", func() error {
		drift := ""
		repaired := false
		for _, e := range of()[before:] {
			switch {
			case e.Stage == string(events.StageRequested) || e.Stage == string(events.StageDecided):
				said = false
				return nil
			case e.Stage == string(events.StageDrift):
				drift, repaired = e.ID, false
			case e.Cause == drift && e.Verdict == string(events.Applied):
				repaired = true
			}
		}
		if !repaired {
			return fmt.Errorf("the last drift is %q, and no outcome follows from it", drift)
		}
		return nil
	}, func() string { return w.History(o) })
	return said
}

// intact says whether a site stands as it was asked for.
func (w *world) intact(site harness.Object) error {
	lb, err := w.LoadBalancer(site)
	if err != nil {
		return err
	}
	if lb.Provisioning != "ACTIVE" {
		return errors.New(lb.Provisioning)
	}
	listeners, err := w.Cloud.Children("listeners", lb.ID)
	if err != nil {
		return err
	}
	if len(listeners) != 1 || listeners[0].Port != 80 {
		return fmt.Errorf("listeners %+v, want one on port 80", listeners)
	}
	pools, err := w.Cloud.Children("pools", lb.ID)
	if err != nil || len(pools) != 2 {
		return errors.Join(err, fmt.Errorf("pools %+v, want 2", pools))
	}
	for _, p := range pools {
		if members, err := w.Cloud.Members(p.ID); err != nil || len(members) != 2 {
			return errors.Join(err, fmt.Errorf("pool %s has members %+v, want 2", p.Name, members))
		}
	}
	return nil
}
