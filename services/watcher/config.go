package watcher

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/seal"
	"drawbridge.dev/services/watcher/source"
	"drawbridge.dev/services/watcher/translate"
)

// Config of a watcher. It watches the API server of Kubeconfig, or Folder if
// that is set, or the cluster that it runs in if neither is.
type Config struct {
	Cluster    string `yaml:"cluster"`    // name of the cluster in the fleet
	Cloud      string `yaml:"cloud"`      // where an object goes that names no cloud; empty: "default"
	Kubeconfig string `yaml:"kubeconfig"` // file
	Folder     string `yaml:"folder"`     // of manifests, instead of an API server

	DefaultServiceClass bool   `yaml:"default-service-class"` // take Services of type LoadBalancer without a class
	IngressClass        string `yaml:"ingress-class"`         // class that needs no IngressClass object; empty: "drawbridge"

	NodeSelector string         `yaml:"node-selector"` // labels of the nodes that are members, as "pool=edge,public"; empty: all
	KeepCordoned bool           `yaml:"keep-cordoned"` // cordoned nodes stay members; else they are drained
	Services     ServicesConfig `yaml:"services"`

	// SealKeys are the public keys (X...) of the executors by cloud, which TLS
	// certificates are sealed to. Without any no Secret is read, and TLS is refused.
	SealKeys         map[string]string `yaml:"seal-keys"`
	DefaultTLSSecret string            `yaml:"default-tls-secret"` // namespace/name, for an entry of an Ingress' spec.tls that names no Secret

	// AllGone: that the cluster holds none of the objects whose wishes stand is
	// meant; it was emptied or built anew. Otherwise it is taken for another one.
	AllGone bool `yaml:"all-gone"`

	NodeWindow time.Duration `yaml:"node-window"` // changes of nodes within it count as one; 0: 1s
	Rescan     time.Duration `yaml:"rescan"`      // how often Folder is read without a notice of change; 0: 5s
	Workers    int           `yaml:"workers"`     // objects translated and published at a time; 0: 4
}

// Defaults fills what is not set.
func (c Config) Defaults() Config {
	c.Cloud = cmp.Or(c.Cloud, "default")
	c.IngressClass = cmp.Or(c.IngressClass, translate.IngressClass)
	c.Services = c.Services.defaults()
	c.NodeWindow = cmp.Or(c.NodeWindow, time.Second)
	c.Rescan = cmp.Or(c.Rescan, 5*time.Second)
	c.Workers = cmp.Or(c.Workers, 4)
	return c
}

// Validate names the field that is wrong.
func (c Config) Validate() error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("watcher: "+field+": "+format, args...))
	}
	if err := (events.Key{Cluster: c.Cluster, Kind: "x", Namespace: "x", Name: "x"}).Validate(); err != nil {
		wrong("cluster", "%w: name the cluster as the fleet shall know it", err)
	}
	if err := translate.CheckCloud(c.Cloud); err != nil {
		wrong("cloud", "%w", err)
	}
	if c.Kubeconfig != "" && c.Folder != "" {
		wrong("folder", "%q and kubeconfig %q are both set: keep one", c.Folder, c.Kubeconfig)
	}
	if err := translate.CheckNodeSelector(c.NodeSelector); err != nil {
		wrong("node-selector", "%w", err)
	}
	for _, cloud := range slices.Sorted(maps.Keys(c.SealKeys)) {
		if err := cmp.Or(translate.CheckCloud(cloud), seal.CheckPublic(c.SealKeys[cloud])); err != nil {
			wrong("seal-keys", "%q: %w", cloud, err)
		}
	}
	if namespace, name, _ := strings.Cut(c.DefaultTLSSecret, "/"); c.DefaultTLSSecret != "" && (namespace == "" || name == "" || strings.Contains(name, "/")) {
		wrong("default-tls-secret", "%q is not of the form namespace/name", c.DefaultTLSSecret)
	}
	if err := c.Services.validate(); err != nil {
		errs = append(errs, err)
	}
	if c.NodeWindow < 0 {
		wrong("node-window", "%s is negative", c.NodeWindow)
	}
	if c.Rescan < 0 {
		wrong("rescan", "%s is negative", c.Rescan)
	}
	if c.Workers < 1 || c.Workers > 256 {
		wrong("workers", "%d is not in 1-256", c.Workers)
	}
	return errors.Join(errs...)
}

func (c Config) settings() translate.Settings {
	return translate.Settings{Cluster: c.Cluster, Cloud: c.Cloud, DefaultServiceClass: c.DefaultServiceClass, IngressClass: c.IngressClass,
		SealedFor: append([]string{}, slices.Sorted(maps.Keys(c.SealKeys))...), DefaultTLSSecret: c.DefaultTLSSecret,
		NodeSelector: c.NodeSelector, KeepCordoned: c.KeepCordoned, Services: c.Services.settings()}
}

func (c Config) open(log zerolog.Logger) (*source.Source, error) {
	if c.Folder != "" {
		return source.Folder(c.Folder, source.FolderConfig{Rescan: c.Rescan}, log)
	}
	return source.APIServer(c.Kubeconfig, len(c.SealKeys) > 0)
}
