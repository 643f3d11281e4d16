package policy

import (
	"errors"
	"fmt"
	"time"
)

// Config of the policy service.
type Config struct {
	// Bundle is a folder or an OPA bundle file (tar.gz); empty: the bundle of module policies, which is built in.
	Bundle string `yaml:"bundle"`
	// BundleInterval is how often the bundle is read again where the file system tells of no change.
	BundleInterval time.Duration `yaml:"bundle-interval"`
	// Timeout of one evaluation; a wish that takes longer is denied.
	Timeout time.Duration `yaml:"timeout"`
	// Clusters tells policies about the clusters of the fleet, by name. A wish cannot say this of itself.
	Clusters map[string]Cluster `yaml:"clusters"`
	// KeyFile holds the nkeys seed (account or user) that signs decisions.
	KeyFile string `yaml:"key-file"`
	// GenerateKey makes the seed in KeyFile if the file is not there.
	GenerateKey bool `yaml:"generate-key"`
	// TrustedKeys are further public keys whose decisions are believed: of replicas
	// that sign with another seed, and of the seed before, while it is changed. A
	// decision that nobody of them signed is decided again, as if nothing stood.
	TrustedKeys []string `yaml:"trusted-keys"`
}

// Cluster is what policies may know of a cluster.
type Cluster struct {
	Labels map[string]string `yaml:"labels"`
}

// Defaults returns c with what is not set filled in.
func (c Config) Defaults() Config {
	if c.BundleInterval == 0 {
		c.BundleInterval = 30 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = time.Second
	}
	return c
}

// Validate names every field that is wrong.
func (c Config) Validate() error {
	var errs []error
	if c.KeyFile == "" {
		errs = append(errs, errors.New("policy.key-file is empty: name the file of the nkeys seed that signs decisions"))
	}
	if c.Timeout < time.Millisecond {
		errs = append(errs, fmt.Errorf("policy.timeout: %s is too short for any evaluation", c.Timeout))
	}
	if c.BundleInterval < time.Second {
		errs = append(errs, fmt.Errorf("policy.bundle-interval: %s is less than a second", c.BundleInterval))
	}
	return errors.Join(errs...)
}
