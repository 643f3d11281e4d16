package octavia

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
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
