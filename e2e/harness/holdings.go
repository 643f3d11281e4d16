package harness

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"testing"

	"drawbridge.dev/events"
)

func (f *Fleet) tag() string { return "drawbridge.dev/fleet=" + f.Name }

// place is where an exposure stands in the cloud.
type place struct {
	tag    string // of the load balancer, which no other has
	public bool   // it has a floating IP
}

func keyTag(k events.Key) string { return "drawbridge.dev/key=" + k.String() }

// LoadBalancer is the one that the cloud holds for an object.
func (f *Fleet) LoadBalancer(o Object) (LoadBalancer, error) {
	all, err := f.Cloud.LoadBalancers(f.tag())
	if err != nil {
		return LoadBalancer{}, err
	}
	tag := keyTag(Key(o))
	if at, ok := f.stands[Key(o)]; ok {
		tag = at.tag
	}
	for _, lb := range all {
		if slices.Contains(lb.Tags, tag) {
			return lb, nil
		}
	}
	return LoadBalancer{}, fmt.Errorf("the cloud has no load balancer for %s", Key(o))
}

// Exact fails the test unless the cloud holds what must stand and nothing else:
// a load balancer for each, ACTIVE, and a floating IP on it if it is public; in
// the key manager what a listener names; and no security group, which nothing asks for.
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
	places := map[place]events.Key{} // each once, whoever shares it
	for k, at := range f.stands {
		places[at] = k
	}
	for at, k := range places {
		found := 0
		for _, lb := range lbs {
			if !slices.Contains(lb.Tags, at.tag) {
				continue
			}
			found++
			ports[lb.PortID] = at.public
			if lb.Provisioning != "ACTIVE" {
				errs = append(errs, fmt.Errorf("the load balancer of %s is %s", k, lb.Provisioning))
			}
		}
		if found != 1 {
			errs = append(errs, fmt.Errorf("%d load balancers for %s", found, k))
		}
		if at.public {
			public++
		}
	}
	if len(lbs) != len(places) {
		errs = append(errs, fmt.Errorf("%d load balancers of the fleet, want %d: %+v", len(lbs), len(places), lbs))
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
	return errors.Join(append(errs, f.exactSecrets(lbs), f.exactGroups())...)
}

// exactSecrets says which certificates a listener of ours names that the key
// manager does not have, and which of ours no listener names.
func (f *Fleet) exactSecrets(lbs []LoadBalancer) error {
	left, err := f.Cloud.Secrets("drawbridge.dev/" + f.Name + "/")
	if err != nil {
		return err
	}
	var errs []error
	named := map[string]bool{}
	for _, lb := range lbs {
		listeners, err := f.Cloud.Children("listeners", lb.ID)
		if err != nil {
			return err
		}
		for _, l := range listeners {
			for _, ref := range l.Certificates() {
				id := path.Base(ref)
				if left[id] == "" {
					errs = append(errs, fmt.Errorf("port %d of %s names certificate %s, which is none of ours", l.Port, lb.Name, ref))
				}
				named[id] = true
			}
		}
	}
	for id, name := range left {
		if !named[id] {
			errs = append(errs, fmt.Errorf("no listener names certificate %s (%s)", name, id))
		}
	}
	return errors.Join(errs...)
}

func (f *Fleet) exactGroups() error {
	groups, err := f.Cloud.SecurityGroups(f.tag())
	if err == nil && len(groups) > 0 {
		err = fmt.Errorf("security groups of the fleet, which nothing asks for: %q", groups)
	}
	return err
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
		if err != nil {
			return err
		}
		if len(lbs) == 0 {
			secrets, err := f.Cloud.Secrets("drawbridge.dev/" + f.Name + "/")
			for id := range secrets {
				err = errors.Join(err, f.Cloud.Do("key-manager", http.MethodDelete, "/v1/secrets/"+id, nil, nil))
			}
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
