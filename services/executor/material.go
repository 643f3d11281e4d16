package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/seal"
)

// unseal reads the seed, and says the public key that watchers are to seal to.
func (x *executor) unseal() error {
	if x.cfg.SealSeedFile == "" {
		return nil
	}
	seed, public, err := seal.ReadSeed(x.cfg.SealSeedFile, false)
	if err != nil {
		return fmt.Errorf("executor: seal-seed-file: %w", err)
	}
	x.seed = seed
	x.log.Info().Str("public", public).Msg("watchers seal certificates for this cloud to this key")
	return nil
}

// clustersKey is the key of a context's value: the clusters whose certificates
// a step may need.
type clustersKey struct{}

// material opens a certificate that a watcher has sealed for this cloud, for the
// clusters of the context. No key leaves it but to the key manager.
func (x *executor) material(ctx context.Context, digest string) (seal.Material, error) {
	clusters, _ := ctx.Value(clustersKey{}).([]string)
	var errs []error
	for _, cluster := range clusters {
		sealed, found, err := x.bus.Secret(ctx, x.cfg.Cloud, cluster, digest)
		if err != nil {
			return seal.Material{}, err
		}
		if !found {
			continue
		}
		m, err := seal.Open(sealed, x.seed)
		if err == nil && m.Digest() == digest {
			return m, nil
		}
		if err == nil {
			err = fmt.Errorf("what is sealed there is %s", m.Digest())
		}
		errs = append(errs, fmt.Errorf("of cluster %s: %w: check that its watcher's seal-keys name the public key of this executor's seal-seed-file", cluster, err))
	}
	if len(errs) > 0 {
		return seal.Material{}, fmt.Errorf("certificate %s: %w", digest, errors.Join(errs...))
	}
	return seal.Material{}, fmt.Errorf("certificate %s is not on the bus (yet): the watcher of %v puts it there before it asks for it; if it does not come, look at that watcher", digest, clusters)
}

// clusters are those of the exposures that are served.
func (j *job) clusters() (out []string) {
	for _, e := range j.crew.serving {
		if len(certificatesOf(e)) > 0 && !slices.Contains(out, e.Key.Cluster) {
			out = append(out, e.Key.Cluster)
		}
	}
	return out
}

func certificatesOf(e events.Exposure) (out []events.Certificate) {
	for _, l := range e.Listeners {
		if l.TLS != nil {
			out = append(out, l.TLS.Certificates...)
		}
	}
	return out
}

// unsealable says why certificates cannot be had here, whatever comes.
func (t *term) unsealable(j *job) error {
	switch {
	case len(j.certificates()) == 0:
		return nil
	case !t.client.HasKeyManager():
		return fmt.Errorf("%w: listeners end TLS with certificates of Secrets, and the cloud has no key manager (Barbican) in its catalog, where Octavia takes them from: have it installed, or end TLS behind the load balancer", errRefused)
	case t.seed == nil:
		return fmt.Errorf("%w: listeners end TLS, and this executor has no seed to open certificates with: set its seal-seed-file, and the watchers' seal-keys to the public key of it", errRefused)
	}
	return nil
}
