package sandbox

import (
	"fmt"
)

// SetStatus forces the provisioning status of an object of any tenant, for
// broken and stuck ones: kind is loadbalancer, listener, pool, member,
// healthmonitor, l7policy or l7rule. A PENDING status set so stays until it is
// set again.
func (c *Cloud) SetStatus(kind, id, provisioning string) error {
	c.mu.Lock()
	m := c.object(kind, id)
	if m == nil {
		c.mu.Unlock()
		return fmt.Errorf("sandbox: there is no %s %s", kind, id)
	}
	if t := c.timers[id]; t != nil {
		t.Stop()
		delete(c.timers, id)
	}
	m.Provisioning = provisioning
	m.Stuck = provisioning != Active && provisioning != Error
	m.touch(c.now())
	version := c.changed()
	c.mu.Unlock()
	return c.saver.save(version, c.snapshot)
}

func (c *Cloud) object(kind, id string) *meta {
	s := c.state
	switch kind {
	case "loadbalancer":
		return metaOf(s.LoadBalancers[id], lbMeta)
	case "listener":
		return metaOf(s.Listeners[id], listenerMeta)
	case "pool":
		return metaOf(s.Pools[id], poolMeta)
	case "member":
		return metaOf(s.Members[id], memberMeta)
	case "healthmonitor":
		return metaOf(s.Monitors[id], monitorMeta)
	case "l7policy":
		return metaOf(s.Policies[id], policyMeta)
	case "l7rule":
		return metaOf(s.Rules[id], ruleMeta)
	}
	return nil
}

func metaOf[T any](o *T, m func(*T) *meta) *meta {
	if o == nil {
		return nil
	}
	return m(o)
}
