package octavia

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"drawbridge.dev/services/internal/seal"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/keymanager/v1/secrets"
	"golang.org/x/sync/errgroup"
	"software.sslmate.com/src/go-pkcs12"
)

// keyManager finds the key manager (Barbican) in the catalog; nil: there is none.
// Nothing is asked of it, so one that is down keeps nobody from what needs no
// certificate.
func keyManager(p *gophercloud.ProviderClient, o gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error) {
	o.ApplyDefaults("key-manager")
	endpoint, err := p.EndpointLocator(o)
	var missing *gophercloud.ErrEndpointNotFound
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := &gophercloud.ServiceClient{ProviderClient: p, Endpoint: endpoint, Type: "key-manager", ResourceBase: endpoint}
	if !strings.HasSuffix(endpoint, "/v1/") {
		c.ResourceBase += "v1/"
	}
	return c, nil
}

// HasKeyManager says whether the cloud has a key manager. Without one no
// listener can end TLS.
func (c *Client) HasKeyManager() bool { return c.keys != nil }

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

// Secrets are those of the key manager that are the owner's, by their names.
// What [Client.Read] knows of them is corrected by it: ask it first.
func (c *Client) Secrets(ctx context.Context, o loadbalancer.Owner) ([]plan.Secret, error) {
	if c.keys == nil {
		return nil, nil
	}
	found, err := c.secretsBelow(ctx, o.SecretPrefix())
	if err != nil {
		return nil, c.keyError("find the secrets of "+o.String(), err)
	}
	c.secrets.keep(o.SecretPrefix(), found)
	return found, nil
}

// AllSecrets are those of a fleet.
func (c *Client) AllSecrets(ctx context.Context, fleet string) ([]plan.Secret, error) {
	if c.keys == nil {
		return nil, nil
	}
	found, err := c.secretsBelow(ctx, loadbalancer.OurTags+fleet+"/")
	return found, c.keyError("list the secrets of fleet "+fleet, err)
}

// maxSecretsPage is the most that Barbican lists at once (its max_limit_paging).
const maxSecretsPage = 100

// secretsBelow lists secrets whose names begin alike. A project that has not
// more than a page of secrets is read whole; of others Barbican is asked for the
// prefix, as a pattern of SQL's LIKE: it compares names so (SecretRepo in
// barbican/model/repositories.py).
func (c *Client) secretsBelow(ctx context.Context, prefix string) ([]plan.Secret, error) {
	page, err := c.secretsPage(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	if page.Total <= len(page.Secrets) {
		return c.remember(page.Secrets, func(name string) bool { return strings.HasPrefix(name, prefix) }), nil
	}
	var out []plan.Secret
	for offset := 0; ; {
		if page, err = c.secretsPage(ctx, prefix+"%", offset); err != nil {
			return nil, err
		}
		out = append(out, c.remember(page.Secrets, func(name string) bool { return strings.HasPrefix(name, prefix) })...)
		if offset += len(page.Secrets); len(page.Secrets) == 0 || offset >= page.Total {
			return out, nil
		}
	}
}

type secretsPage struct {
	Secrets []secrets.Secret `json:"secrets"`
	Total   int              `json:"total"`
}

// secretsPage is a part of a list, the oldest first. It is asked for by offset,
// not by Barbican's links, which bear the host that it believes to be called.
func (c *Client) secretsPage(ctx context.Context, name string, offset int) (page secretsPage, err error) {
	q := url.Values{"limit": {strconv.Itoa(maxSecretsPage)}, "offset": {strconv.Itoa(offset)}, "sort": {"created:asc"}}
	if name != "" {
		q.Set("name", name)
	}
	resp, err := c.keys.Get(ctx, c.keys.ServiceURL("secrets")+"?"+q.Encode(), &page, nil)
	_, _, err = gophercloud.ParseResponse(resp, err)
	return page, err
}

// remember answers those that are meant, and keeps their names.
func (c *Client) remember(all []secrets.Secret, is func(name string) bool) (out []plan.Secret) {
	for _, s := range all {
		if is(s.Name) {
			out = append(out, plan.Secret{Ref: s.SecretRef, Name: s.Name})
			c.secrets.store(s.SecretRef, s.Name)
		}
	}
	return out
}

// createSecret puts a certificate with its key into the key manager. Its name
// follows from its content, so that one which an earlier try has made, and whose
// answer was lost, is found and taken.
func (c *Client) createSecret(ctx context.Context, s plan.CreateSecret) (plan.Result, error) {
	if c.keys == nil {
		return plan.Result{}, &Error{Op: s.Describe(), Class: Permanent, local: true, err: errors.New(
			"the catalog of the cloud has no key manager (Barbican), where Octavia takes certificates from: " +
				"have it installed, or end TLS behind the load balancer")}
	}
	page, err := c.secretsPage(ctx, s.Name, 0)
	if err != nil {
		return plan.Result{}, c.keyError(s.Describe(), err)
	}
	if found := c.remember(page.Secrets, func(name string) bool { return name == s.Name }); len(found) > 0 {
		return plan.Result{ID: found[0].Ref}, nil
	}
	bundle, err := c.bundle(ctx, s.Digest)
	if err != nil {
		return plan.Result{}, &Error{Op: s.Describe(), local: true, err: err}
	}
	made, err := secrets.Create(ctx, c.keys, secrets.CreateOpts{Name: s.Name, SecretType: secrets.OpaqueSecret,
		Payload: base64.StdEncoding.EncodeToString(bundle), PayloadContentType: "application/octet-stream", PayloadContentEncoding: "base64"}).Extract()
	if err != nil {
		return plan.Result{}, c.keyError(s.Describe(), err)
	}
	c.secrets.store(made.SecretRef, s.Name)
	return plan.Result{ID: made.SecretRef}, nil
}

// bundle is the material of a digest as Octavia takes it.
func (c *Client) bundle(ctx context.Context, digest string) ([]byte, error) {
	if c.Materials == nil {
		return nil, errors.New("this executor has no seed to open certificates with: set seal-seed-file")
	}
	m, err := c.Materials(ctx, digest)
	if err != nil {
		return nil, err
	}
	if d := m.Digest(); d != digest {
		return nil, fmt.Errorf("what is sealed under %s is %s", digest, d)
	}
	return bundle(m)
}

// bundle is PKCS #12 without a password, which is the one form that Octavia
// takes certificate, chain and key in together. The algorithms are those of
// OpenSSL 3, which 1.1.1 reads too. Its errors say nothing of the key.
func bundle(m seal.Material) ([]byte, error) {
	var chain []*x509.Certificate
	for rest := m.Certificates; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		x, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(chain)+1, err)
		}
		chain = append(chain, x)
	}
	block, _ := pem.Decode(m.Key)
	if len(chain) == 0 || block == nil {
		return nil, errors.New("the material lacks a certificate or a key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the key of the material is not PKCS #8")
	}
	return pkcs12.Modern2023.Encode(key, chain[0], chain[1:], "")
}

func (c *Client) deleteSecret(ctx context.Context, s plan.DeleteSecret) error {
	id, ok := secretID(s.Ref)
	if !ok || c.keys == nil {
		return &Error{Op: s.Describe(), Class: Permanent, local: true, err: fmt.Errorf("%q is no reference of a secret of this cloud", s.Ref)}
	}
	return c.keyError(s.Describe(), secrets.Delete(ctx, c.keys, id).ExtractErr())
}

// keyError adds to a refusal of the key manager what a person can do.
func (c *Client) keyError(op string, err error) error {
	err = classify(op, err)
	var e *Error
	if errors.As(err, &e) {
		switch {
		case e.Class == Permanent && e.Status == http.StatusForbidden:
			e.Message = cmp.Or(e.Message, "forbidden") + " (the key manager wants its role creator for the user of the executor)"
		case e.Status == http.StatusRequestEntityTooLarge:
			e.Message = cmp.Or(e.Message, "too large") + " (the certificate with its chain and key is more than the key manager takes: max_allowed_secret_in_bytes)"
		}
	}
	return err
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
