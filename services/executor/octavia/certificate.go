package octavia

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/keymanager/v1/secrets"
	"golang.org/x/sync/errgroup"
)

// names remembers which secret a reference points to. Barbican never changes
// the name of a secret. Secrets are told apart by the last part of their
// reference: its host is what the key manager believes to be called.
type names struct {
	sync.Mutex
	byID map[string]string
}

func (n *names) store(ref, name string) {
	id, ok := secretID(ref)
	if !ok {
		return
	}
	n.Lock()
	defer n.Unlock()
	if n.byID == nil {
		n.byID = map[string]string{}
	}
	n.byID[id] = name
}

func (n *names) load(ref string) (string, bool) {
	id, ok := secretID(ref)
	if !ok {
		return ref, true // a container, or nothing of a key manager: it is its own name
	}
	n.Lock()
	defer n.Unlock()
	name, ok := n.byID[id]
	return name, ok
}

// keep forgets the secrets of an owner that are not there any more.
func (n *names) keep(prefix string, standing []plan.Secret) {
	n.Lock()
	defer n.Unlock()
	for id, name := range n.byID {
		if strings.HasPrefix(name, prefix) && !slices.ContainsFunc(standing, func(s plan.Secret) bool { return path.Base(s.Ref) == id }) {
			delete(n.byID, id)
		}
	}
}

// secretID is the id in the reference of a secret; false: it refers to something else.
func secretID(ref string) (string, bool) {
	u, err := url.Parse(ref)
	if err != nil {
		return "", false
	}
	dir, id := path.Split(strings.TrimSuffix(u.Path, "/"))
	return id, id != "" && strings.HasSuffix(dir, "/secrets/")
}

// nameCertificates finds the names of what listeners refer to. What is no secret
// of ours, or not there any more, is called by its reference.
func (c *Client) nameCertificates(ctx context.Context, lb *plan.LoadBalancer) error {
	var unknown []string
	for _, l := range lb.Listeners {
		for _, ref := range l.Refs {
			if _, known := c.secrets.load(ref); !known && !slices.Contains(unknown, ref) {
				unknown = append(unknown, ref)
			}
		}
	}
	if c.keys != nil {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(parallelReads)
		for _, ref := range unknown {
			g.Go(func() error { return c.nameOf(ctx, ref) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	c.nameKnown(lb)
	return nil
}

func (c *Client) nameOf(ctx context.Context, ref string) error {
	id, _ := secretID(ref)
	s, err := secrets.Get(ctx, c.keys, id).Extract()
	switch {
	case gophercloud.ResponseCodeIs(err, http.StatusNotFound), gophercloud.ResponseCodeIs(err, http.StatusForbidden):
		return nil
	case err != nil:
		return err
	}
	name := ref
	if strings.HasPrefix(s.Name, loadbalancer.OurTags) {
		name = s.Name
	}
	c.secrets.store(ref, name)
	return nil
}

// nameKnown names certificates by what is known without asking.
func (c *Client) nameKnown(lb *plan.LoadBalancer) {
	for i := range lb.Listeners {
		l := &lb.Listeners[i]
		l.Certificates = nil
		for _, ref := range l.Refs {
			name, known := c.secrets.load(ref)
			if !known {
				name = ref
			}
			l.Certificates = append(l.Certificates, name)
		}
	}
}
