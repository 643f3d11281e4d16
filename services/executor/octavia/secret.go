package octavia

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
	"drawbridge.dev/services/executor/plan"
	"github.com/gophercloud/gophercloud/v2/openstack/keymanager/v1/secrets"
)

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
	return page, answered(resp, err)
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
	bundle, err := c.bundle(ctx, s.Describe(), s.Digest)
	if err != nil {
		return plan.Result{}, err
	}
	made, err := secrets.Create(ctx, c.keys, secrets.CreateOpts{Name: s.Name, SecretType: secrets.OpaqueSecret,
		Payload: base64.StdEncoding.EncodeToString(bundle), PayloadContentType: "application/octet-stream", PayloadContentEncoding: "base64"}).Extract()
	if err != nil {
		return plan.Result{}, c.keyError(s.Describe(), err)
	}
	c.secrets.store(made.SecretRef, s.Name)
	return plan.Result{ID: made.SecretRef}, nil
}

func (c *Client) deleteSecret(ctx context.Context, s plan.DeleteSecret) error {
	id, ok := secretID(s.Ref)
	if !ok || c.keys == nil {
		return &Error{Op: s.Describe(), Class: Permanent, local: true, err: fmt.Errorf("%q is no reference of a secret of this cloud", s.Ref)}
	}
	return c.keyError(s.Describe(), secrets.Delete(ctx, c.keys, id).ExtractErr())
}
