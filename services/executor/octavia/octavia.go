// Package octavia is the way to one OpenStack cloud: it reads what stands and
// takes the steps of a plan, through gophercloud. It needs the identity,
// load-balancer and network endpoints, for certificates the key manager's, and
// no other.
package octavia

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"drawbridge.dev/services/internal/seal"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/apiversions"
)

// Config says which cloud, as every OpenStack tool reads it.
type Config struct {
	Cloud      string        // entry of clouds.yaml; empty: OS_CLOUD, and without that the OS_* variables of an openrc
	CloudsFile string        // empty: OS_CLIENT_CONFIG_FILE, ./clouds.yaml, ~/.config/openstack, /etc/openstack
	Region     string        // empty: the entry's, OS_REGION_NAME, or the only one
	Timeout    time.Duration // of one request
}

// First Octavia API 2.x that has what is always needed: tags, by which we know
// what is ours (octavia API version history).
const tagsMinor = 5

// Client reaches one project and region of one cloud. It is safe for
// concurrent use; an expired token is renewed on the way.
type Client struct {
	// Materials gives the certificate with its key of a digest. It is set before
	// the first use; nil: no secret can be created.
	Materials func(ctx context.Context, digest string) (seal.Material, error)

	lb, network *gophercloud.ServiceClient
	keys        *gophercloud.ServiceClient // nil: the cloud has no key manager
	minor       int
	project     string // id of ours; empty: the token is of none
	secrets     names
	displays    displays
	tagless     atomic.Bool // Neutron does not take our tags
}

// APIMinor is the newest minor version of Octavia's API 2 that the cloud offers.
func (c *Client) APIMinor() int { return c.minor }

// Connect authenticates and finds the endpoints. Its errors say what to
// correct; all but those of class [Retry] come again until somebody does.
func Connect(ctx context.Context, cfg Config) (*Client, error) {
	name := cmp.Or(cfg.Cloud, os.Getenv("OS_CLOUD"))
	auth, endpoint, tlsConfig, err := credentials(cfg, name)
	if err != nil {
		return nil, &Error{Op: "read credentials", Class: Permanent, err: err}
	}
	cloud := "cloud " + strconv.Quote(cmp.Or(name, "of the OS_* variables"))
	auth.AllowReauth = true
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = tlsConfig
	transport.MaxIdleConnsPerHost = 32
	count := &counter{next: transport}
	provider, err := config.NewProviderClient(ctx, auth, config.WithHTTPClient(http.Client{Transport: count, Timeout: cmp.Or(cfg.Timeout, time.Minute)}))
	if err != nil {
		return nil, authError(cloud, auth.IdentityEndpoint, err)
	}
	provider.UserAgent.Prepend("drawbridge")
	c := &Client{project: projectOf(provider)}
	if c.lb, err = openstack.NewLoadBalancerV2(provider, endpoint); err != nil {
		return nil, endpointError(cloud, "load-balancer", "Octavia is not installed there, or not in this region", endpoint, err)
	}
	if c.network, err = openstack.NewNetworkV2(provider, endpoint); err != nil {
		return nil, endpointError(cloud, "network", "Neutron is not in the catalog", endpoint, err)
	}
	if c.keys, err = keyManager(provider, endpoint); err != nil {
		return nil, classify("find the key-manager endpoint of "+cloud, err)
	}
	if c.minor, err = newestMinor(ctx, c.lb); err != nil {
		return nil, classify("read the API versions of Octavia of "+cloud+" at "+c.lb.Endpoint, err)
	}
	if c.minor < tagsMinor {
		return nil, &Error{Op: "use Octavia of " + cloud, Class: Permanent, err: fmt.Errorf(
			"its API is 2.%d, but tags, by which Drawbridge knows what is its own, came with 2.%d (Stein)", c.minor, tagsMinor)}
	}
	for _, service := range []*gophercloud.ServiceClient{c.lb, c.network, c.keys} {
		if service != nil {
			count.services = append(count.services, cmp.Or(service.ResourceBase, service.Endpoint))
		}
	}
	return c, nil
}

// projectOf is the id of the project that we are let into.
func projectOf(p *gophercloud.ProviderClient) string {
	token, ok := p.GetAuthResult().(interface {
		ExtractProject() (*tokens.Project, error)
	})
	if !ok {
		return ""
	}
	if project, err := token.ExtractProject(); err == nil && project != nil {
		return project.ID
	}
	return ""
}

func credentials(cfg Config, name string) (gophercloud.AuthOptions, gophercloud.EndpointOpts, *tls.Config, error) {
	if name == "" && cfg.CloudsFile == "" {
		return environment(cfg.Region)
	}
	if name == "" {
		return gophercloud.AuthOptions{}, gophercloud.EndpointOpts{}, nil, fmt.Errorf(
			"no entry of %s is named: set the executor's openstack-cloud or OS_CLOUD", cfg.CloudsFile)
	}
	opts := []clouds.ParseOption{clouds.WithCloudName(name)}
	if cfg.CloudsFile != "" {
		if _, err := os.Stat(cfg.CloudsFile); err != nil {
			return gophercloud.AuthOptions{}, gophercloud.EndpointOpts{}, nil, fmt.Errorf("clouds file: %w", err)
		}
		opts = append(opts, clouds.WithLocations(cfg.CloudsFile))
	}
	if cfg.Region != "" {
		opts = append(opts, clouds.WithRegion(cfg.Region))
	}
	auth, endpoint, tlsConfig, err := clouds.Parse(opts...)
	if err != nil {
		return auth, endpoint, nil, fmt.Errorf("entry %q of %s: %w: add the entry, or set the executor's openstack-cloud or OS_CLOUD to one that is there",
			name, cmp.Or(cfg.CloudsFile, "clouds.yaml"), err)
	}
	if auth.IdentityEndpoint == "" {
		return auth, endpoint, nil, fmt.Errorf("entry %q of %s has no auth_url", name, cmp.Or(cfg.CloudsFile, "clouds.yaml"))
	}
	return auth, endpoint, tlsConfig, nil
}

// environment reads the variables of an openrc.
func environment(region string) (gophercloud.AuthOptions, gophercloud.EndpointOpts, *tls.Config, error) {
	auth, err := openstack.AuthOptionsFromEnv()
	if err != nil {
		return auth, gophercloud.EndpointOpts{}, nil, fmt.Errorf("neither a cloud is named nor are the OS_* variables complete: %w: set OS_CLOUD, or source an openrc", err)
	}
	endpoint := gophercloud.EndpointOpts{Region: cmp.Or(region, os.Getenv("OS_REGION_NAME"))}
	switch strings.TrimSuffix(os.Getenv("OS_INTERFACE"), "URL") {
	case "internal":
		endpoint.Availability = gophercloud.AvailabilityInternal
	case "admin":
		endpoint.Availability = gophercloud.AvailabilityAdmin
	}
	var tlsConfig *tls.Config
	if file := os.Getenv("OS_CACERT"); file != "" {
		pem, err := os.ReadFile(file) //nolint:gosec // whoever sets the environment names the file
		if err != nil {
			return auth, endpoint, nil, fmt.Errorf("OS_CACERT: %w", err)
		}
		tlsConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
			return auth, endpoint, nil, fmt.Errorf("OS_CACERT: %s holds no PEM certificate", file)
		}
	}
	return auth, endpoint, tlsConfig, nil
}

func authError(cloud, url string, err error) error {
	e := classify("authenticate at "+url+" for "+cloud, err)
	var x *Error
	if errors.As(e, &x) && (x.Status == http.StatusUnauthorized || x.Status == http.StatusNotFound) {
		x.Class = Permanent
		x.Message = strings.TrimSpace(x.Message + " Check auth_url, user, domain, project and password (or the application credential) of the entry")
	}
	return e
}

func endpointError(cloud, service, hint string, o gophercloud.EndpointOpts, err error) error {
	var missing *gophercloud.ErrEndpointNotFound
	if !errors.As(err, &missing) {
		return classify("find the "+service+" endpoint of "+cloud, err)
	}
	return &Error{Op: "find the " + service + " endpoint of " + cloud, Class: Permanent, err: fmt.Errorf(
		"the catalog has no %s endpoint of interface %s in region %q: %s", service, cmp.Or(string(o.Availability), "public"), o.Region, hint)}
}

// newestMinor reads the versions at the root of the endpoint: Octavia negotiates
// none, and refuses fields that are newer than it is.
func newestMinor(ctx context.Context, c *gophercloud.ServiceClient) (int, error) {
	page, err := apiversions.List(c).AllPages(ctx)
	if err != nil {
		return 0, err
	}
	versions, err := apiversions.ExtractAPIVersions(page)
	if err != nil {
		return 0, err
	}
	newest := -1
	for _, v := range versions {
		if n, err := strconv.Atoi(strings.TrimPrefix(v.ID, "v2.")); err == nil && strings.HasPrefix(v.ID, "v2.") {
			newest = max(newest, n)
		}
	}
	if newest < 0 {
		return 0, errors.New("the answer lists no version v2.x: this is no Octavia")
	}
	return newest, nil
}
