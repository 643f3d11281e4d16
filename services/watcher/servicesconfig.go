package watcher

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/watcher/translate"
)

// ServicesConfig is what Services get that say nothing else. Its names are those
// of the section [LoadBalancer] of the OpenStack cloud controller manager; what
// that section says of networks, flavors and zones is the executor's.
type ServicesConfig struct {
	LBMethod              string        `yaml:"lb-method"`                 // algorithm; empty: the driver's first
	InternalLB            bool          `yaml:"internal-lb"`               // every Service is internal, whatever it says
	CreateMonitor         string        `yaml:"create-monitor"`            // true or false; empty: true for Services of our class, false for those without one
	MonitorDelay          time.Duration `yaml:"monitor-delay"`             // 0: 5s
	MonitorTimeout        time.Duration `yaml:"monitor-timeout"`           // 0: 3s
	MonitorMaxRetries     int           `yaml:"monitor-max-retries"`       // 0: 1
	MonitorMaxRetriesDown int           `yaml:"monitor-max-retries-down"`  // 0: 3
	TLSContainer          string        `yaml:"default-tls-container-ref"` // of Services without a class, whose TCP ports all end TLS then
	EnableIngressHostname bool          `yaml:"enable-ingress-hostname"`   // Services with the PROXY protocol get a host name of their address
	IngressHostnameSuffix string        `yaml:"ingress-hostname-suffix"`   // what that ends in; empty: nip.io
}

func (c ServicesConfig) defaults() ServicesConfig {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.MonitorDelay, 5*time.Second)
	set(&c.MonitorTimeout, 3*time.Second)
	if c.MonitorMaxRetries == 0 {
		c.MonitorMaxRetries = 1
	}
	if c.MonitorMaxRetriesDown == 0 {
		c.MonitorMaxRetriesDown = 3
	}
	if c.IngressHostnameSuffix == "" {
		c.IngressHostnameSuffix = "nip.io"
	}
	return c
}

func (c ServicesConfig) validate() error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("watcher: services."+field+": "+format, args...))
	}
	if c.LBMethod != "" && !slices.Contains(events.Algorithms, c.LBMethod) {
		wrong("lb-method", "%q is none of %s", c.LBMethod, strings.Join(events.Algorithms, ", "))
	}
	if !slices.Contains([]string{"", "true", "false"}, c.CreateMonitor) {
		wrong("create-monitor", "%q is neither true nor false", c.CreateMonitor)
	}
	for field, d := range map[string]time.Duration{"monitor-delay": c.MonitorDelay, "monitor-timeout": c.MonitorTimeout} {
		if d < time.Second || d%time.Second != 0 {
			wrong(field, "%s is no whole number of seconds", d)
		}
	}
	if c.MonitorTimeout >= c.MonitorDelay {
		wrong("monitor-timeout", "%s is not less than monitor-delay, %s", c.MonitorTimeout, c.MonitorDelay)
	}
	for field, n := range map[string]int{"monitor-max-retries": c.MonitorMaxRetries, "monitor-max-retries-down": c.MonitorMaxRetriesDown} {
		if n < 1 || n > 10 {
			wrong(field, "%d is not in 1-10", n)
		}
	}
	if c.TLSContainer != "" {
		if err := translate.CheckContainer(c.TLSContainer); err != nil {
			wrong("default-tls-container-ref", "%w", err)
		}
	}
	return errors.Join(errs...)
}

func (c ServicesConfig) settings() translate.ServiceDefaults {
	out := translate.ServiceDefaults{LBMethod: c.LBMethod, Internal: c.InternalLB, TLSContainer: c.TLSContainer,
		MonitorDelay: int(c.MonitorDelay / time.Second), MonitorTimeout: int(c.MonitorTimeout / time.Second),
		MaxRetries: c.MonitorMaxRetries, MaxRetriesDown: c.MonitorMaxRetriesDown}
	if c.CreateMonitor != "" {
		on := c.CreateMonitor == "true"
		out.CreateMonitor = &on
	}
	if c.EnableIngressHostname {
		out.HostnameSuffix = c.IngressHostnameSuffix
	}
	return out
}
