package octavia

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/keymanager/v1/secrets"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
)

// displays remembers what listeners refer to, by load balancer and listener.
type displays struct {
	sync.Mutex
	refs map[string]map[string][]string
}

// set is all of one load balancer.
func (d *displays) set(lb *plan.LoadBalancer) {
	all := map[string][]string{}
	for _, l := range lb.Listeners {
		all[l.ID] = l.Refs
	}
	d.Lock()
	defer d.Unlock()
	if d.refs == nil {
		d.refs = map[string]map[string][]string{}
	}
	d.refs[lb.ID] = all
}

// change is one listener of a load balancer, or of the one that has it already.
func (d *displays) change(lb, listener string, refs []string) {
	d.Lock()
	defer d.Unlock()
	for id, all := range d.refs {
		if _, has := all[listener]; has || id == lb {
			all[listener] = refs
		}
	}
}

// of are the references of a load balancer's listeners, by listener; false: not known.
func (d *displays) of(lb string) (map[string][]string, bool) {
	d.Lock()
	defer d.Unlock()
	out := map[string][]string{}
	maps.Copy(out, d.refs[lb])
	_, known := d.refs[lb]
	return out, known
}

func (d *displays) forget(lb string) {
	d.Lock()
	defer d.Unlock()
	delete(d.refs, lb)
}

// deleteLoadBalancer removes a load balancer with all below it, unless one of its
// listeners refers to a secret that is not there any more: Octavia 11 stumbles
// over that secret, and leaves the load balancer in PENDING_DELETE for ever. It
// does delete such a listener alone, so that goes first, and the load balancer
// is busy with it.
func (c *Client) deleteLoadBalancer(ctx context.Context, s plan.DeleteLoadBalancer) error {
	lost, err := c.lostListener(ctx, s.ID)
	if err != nil {
		return err
	}
	if lost != "" {
		if err := gone(listeners.Delete(ctx, c.lb, lost).ExtractErr()); err != nil {
			return err
		}
		c.displays.forget(s.ID)
		return &Error{Op: s.Describe(), Class: Busy, local: true, err: fmt.Errorf("listener %s, whose certificate is lost, goes first", lost)}
	}
	resp, err := c.lb.Delete(ctx, c.lbURL([]string{"loadbalancers", s.ID})+"?cascade=true", nil)
	if err = answered(resp, err); err == nil {
		c.displays.forget(s.ID)
	}
	return err
}

// lostListener is a listener of a load balancer that refers to a secret which is not there.
func (c *Client) lostListener(ctx context.Context, id string) (string, error) {
	if c.keys == nil {
		return "", nil
	}
	shown, known := c.displays.of(id)
	if !known {
		found, err := all(ctx, listeners.List(c.lb, listeners.ListOpts{LoadbalancerID: id}), listeners.ExtractListeners)
		if err != nil {
			return "", err
		}
		for _, l := range found {
			shown[l.ID] = refs(l.DefaultTlsContainerRef, l.SniContainerRefs)
		}
	}
	for _, listener := range slices.Sorted(maps.Keys(shown)) {
		for _, ref := range shown[listener] {
			secret, ok := secretID(ref)
			if !ok {
				continue
			}
			if _, err := secrets.Get(ctx, c.keys, secret).Extract(); gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
				return listener, nil
			} else if err != nil && !gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
				return "", c.keyError("look whether the certificates of load balancer "+id+" are there", err)
			}
		}
	}
	return "", nil
}
