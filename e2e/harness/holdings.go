package harness

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"drawbridge.dev/events"
)

func (f *Fleet) tag() string { return "drawbridge.dev/fleet=" + f.Name }

func keyTag(k events.Key) string { return "drawbridge.dev/key=" + k.String() }

// LoadBalancer is the one that the cloud holds for an object.
func (f *Fleet) LoadBalancer(o Object) (LoadBalancer, error) {
	all, err := f.Cloud.LoadBalancers(f.tag())
	if err != nil {
		return LoadBalancer{}, err
	}
	for _, lb := range all {
		if slices.Contains(lb.Tags, keyTag(Key(o))) {
			return lb, nil
		}
	}
	return LoadBalancer{}, fmt.Errorf("the cloud has no load balancer for %s", Key(o))
}

// Exact fails the test unless the cloud holds what must stand and nothing else:
// a load balancer for each, ACTIVE, and a floating IP on it if it is public.
func (f *Fleet) Exact(t testing.TB) {
	t.Helper()
	Eventually(t, "the cloud holds exactly what must stand", f.exact)
}

func (f *Fleet) exact() error {
	lbs, err := f.Cloud.LoadBalancers(f.tag())
	if err != nil {
		return err
	}
	fips, err := f.Cloud.FloatingIPs(f.tag())
	if err != nil {
		return err
	}
	ports, public := map[string]bool{}, 0
	var errs []error
	for k, wantsIP := range f.stands {
		found := 0
		for _, lb := range lbs {
			if !slices.Contains(lb.Tags, keyTag(k)) {
				continue
			}
			found++
			ports[lb.PortID] = wantsIP
			if lb.Provisioning != "ACTIVE" {
				errs = append(errs, fmt.Errorf("the load balancer of %s is %s", k, lb.Provisioning))
			}
		}
		if found != 1 {
			errs = append(errs, fmt.Errorf("%d load balancers for %s", found, k))
		}
		if wantsIP {
			public++
		}
	}
	if len(lbs) != len(f.stands) {
		errs = append(errs, fmt.Errorf("%d load balancers of the fleet, want %d: %+v", len(lbs), len(f.stands), lbs))
	}
	for _, ip := range fips {
		if !ports[ip.PortID] {
			errs = append(errs, fmt.Errorf("floating IP %+v belongs to nothing that must have one", ip))
		}
		ports[ip.PortID] = false
	}
	if len(fips) != public {
		errs = append(errs, fmt.Errorf("%d floating IPs of the fleet, want %d: %+v", len(fips), public, fips))
	}
	return errors.Join(errs...)
}

// sweep removes what a failed test left in a cloud that others use too.
func (f *Fleet) sweep(t testing.TB) {
	t.Helper()
	if f.Cloud.Sandbox != nil {
		return
	}
	for _, p := range f.process {
		p.kill()
	}
	err := poll(Patience, func() error {
		fips, err := f.Cloud.FloatingIPs(f.tag())
		if err != nil {
			return err
		}
		for _, ip := range fips {
			if err := f.Cloud.Do("network", http.MethodDelete, "/v2.0/floatingips/"+ip.ID, nil, nil); err != nil {
				return err
			}
		}
		lbs, err := f.Cloud.LoadBalancers(f.tag())
		if err != nil || len(lbs) == 0 {
			return err
		}
		for _, lb := range lbs {
			_ = f.Cloud.Do("load-balancer", http.MethodDelete, "/v2/lbaas/loadbalancers/"+lb.ID+"?cascade=true", nil, nil) // pending ones refuse
		}
		return fmt.Errorf("%d load balancers are left", len(lbs))
	})
	if err != nil {
		t.Errorf("sweep of %s: %v", f.tag(), err)
	}
}
