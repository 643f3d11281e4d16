package events

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Protocol of a listener, a backend or a member, in Octavia's words.
type Protocol string

// Protocols of the Octavia API reference that exposures use.
const (
	TCP  Protocol = "TCP"
	UDP  Protocol = "UDP"
	HTTP Protocol = "HTTP"
)

// PathType says how a path matches (Kubernetes API, networking.k8s.io/v1 HTTPIngressPath).
type PathType string

// Path types. ImplementationSpecific is translated to one of these by the watcher.
const (
	PathExact  PathType = "Exact"
	PathPrefix PathType = "Prefix" // element-wise: /foo matches /foo and /foo/bar, not /foobar
)

// Exposure is the wish of one Kubernetes object to be reachable from outside:
// whole, and independent of every earlier wish.
type Exposure struct {
	Key   Key    `json:"key"`
	UID   string `json:"uid"`             // of the object: a deleted and recreated object is another one
	Cloud string `json:"cloud"`           // entry of clouds.yaml that carries the load balancer
	Group string `json:"group,omitempty"` // exposures of one group share a load balancer; empty: one of its own

	Internal  bool       `json:"internal,omitempty"` // reachable at the VIP only: no floating IP
	Flavor    string     `json:"flavor,omitempty"`   // Octavia flavor, name or id; empty: the executor's choice
	Listeners []Listener `json:"listeners"`
	Backends  []Backend  `json:"backends"`
}

// Listener is one open port. (protocol family, port) is unique in an exposure;
// TCP and HTTP are one family, UDP is another.
type Listener struct {
	Protocol       Protocol `json:"protocol"`
	Port           int      `json:"port"`                     // 1-65535
	Backend        string   `json:"backend,omitempty"`        // name of the backend for what no route takes; empty: refused
	Routes         []Route  `json:"routes,omitempty"`         // HTTP only
	AllowedSources []string `json:"allowedSources,omitempty"` // CIDRs; empty: everywhere
}

// Route sends requests of one host and path to a backend. The more specific
// route wins whatever the order: exact host before wildcard before none, Exact
// before Prefix, longer before shorter (Kubernetes docs, "Ingress").
type Route struct {
	Host     string   `json:"host,omitempty"` // lower case; "*.example.org" is one label; empty: every host
	Path     string   `json:"path"`           // absolute
	PathType PathType `json:"pathType"`
	Backend  string   `json:"backend"` // name of a backend
}

// Backend is a set of members that serve the same.
type Backend struct {
	Name     string   `json:"name"` // namespace/service:port, unique in the exposure
	Protocol Protocol `json:"protocol"`
	Members  []Member `json:"members"` // may be empty: answers are refused until there is one
	Monitor  *Monitor `json:"monitor,omitempty"`
}

// Member is one address that serves, usually a node.
type Member struct {
	Name    string `json:"name,omitempty"` // node or pod, for people
	Address string `json:"address"`        // IP
	Port    int    `json:"port"`           // 1-65535
}

// Monitor is a health check of every member of a backend.
type Monitor struct {
	Type           string `json:"type"`    // TCP, HTTP or UDP-CONNECT
	Delay          int    `json:"delay"`   // seconds between checks
	Timeout        int    `json:"timeout"` // seconds, less than Delay
	MaxRetries     int    `json:"maxRetries"`
	MaxRetriesDown int    `json:"maxRetriesDown"`
	Path           string `json:"path,omitempty"`  // HTTP only
	Codes          string `json:"codes,omitempty"` // HTTP only: "200", "200,204", "200-299"
}

// Family is the transport that a listener's port belongs to: a port number can
// be taken once in each (Octavia API reference, "Create Listener").
func (p Protocol) Family() string {
	if p == UDP {
		return "UDP"
	}
	return "TCP"
}

func (p Protocol) valid() bool { return p == TCP || p == UDP || p == HTTP }

// Normalize returns the same wish in its one canonical form: sorted, host names
// in lower case, addresses in their shortest text, CIDRs masked, no duplicates,
// and one form of the empty list. The argument is not changed.
func (e Exposure) Normalize() Exposure {
	e.Listeners = append([]Listener{}, e.Listeners...)
	for i := range e.Listeners {
		l := &e.Listeners[i]
		l.Routes = append([]Route(nil), l.Routes...)
		for j := range l.Routes {
			l.Routes[j].Host = strings.ToLower(l.Routes[j].Host)
		}
		slices.SortFunc(l.Routes, compareRoutes)
		l.Routes = slices.Compact(l.Routes)
		l.AllowedSources = normalizeCIDRs(l.AllowedSources)
	}
	slices.SortFunc(e.Listeners, func(a, b Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	e.Backends = append([]Backend{}, e.Backends...)
	for i := range e.Backends {
		e.Backends[i].Members = normalizeMembers(e.Backends[i].Members)
	}
	slices.SortFunc(e.Backends, func(a, b Backend) int { return cmp.Compare(a.Name, b.Name) })
	return e
}

func compareRoutes(a, b Route) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.PathType, b.PathType), cmp.Compare(a.Backend, b.Backend))
}

func normalizeMembers(in []Member) []Member {
	out := append([]Member{}, in...)
	for i := range out {
		if a, err := netip.ParseAddr(out[i].Address); err == nil {
			out[i].Address = a.String()
		}
	}
	slices.SortFunc(out, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Name, b.Name))
	})
	return slices.CompactFunc(out, func(a, b Member) bool { return a.Address == b.Address && a.Port == b.Port })
}

func normalizeCIDRs(in []string) []string {
	var out []string
	for _, s := range in {
		if p, err := netip.ParsePrefix(s); err == nil {
			s = p.Masked().String()
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Validate names everything that is wrong with the wish, each with its field.
func (e Exposure) Validate() error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if err := e.Key.Validate(); err != nil {
		errs = append(errs, err)
	}
	if err := validToken(e.Cloud); err != nil {
		add("cloud", "%v", err)
	}
	if e.UID == "" {
		add("uid", "is empty")
	}
	if len(e.Listeners) == 0 {
		add("listeners", "an exposure without a port exposes nothing")
	}
	backends := map[string]Protocol{}
	for i, b := range e.Backends {
		field := fmt.Sprintf("backends[%d]", i)
		if _, twice := backends[b.Name]; twice || b.Name == "" {
			add(field+".name", "%q is empty or there twice", b.Name)
		}
		backends[b.Name] = b.Protocol
		errs = append(errs, b.validate(field)...)
	}
	taken := map[string]int{}
	for i, l := range e.Listeners {
		field := fmt.Sprintf("listeners[%d]", i)
		slot := fmt.Sprintf("%s/%d", l.Protocol.Family(), l.Port)
		if j, twice := taken[slot]; twice {
			add(field+".port", "%s is already taken by listeners[%d]", slot, j)
		}
		taken[slot] = i
		errs = append(errs, l.validate(field, backends)...)
	}
	return errors.Join(errs...)
}

func (l Listener) validate(field string, backends map[string]Protocol) (errs []error) {
	add := func(f, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %s", field, f, fmt.Sprintf(format, args...)))
	}
	if !l.Protocol.valid() {
		add("protocol", "%q is none of TCP, UDP, HTTP", l.Protocol)
	}
	if l.Port < 1 || l.Port > 65535 {
		add("port", "%d is not in 1-65535", l.Port)
	}
	known := func(f, name string) {
		p, ok := backends[name]
		if !ok {
			add(f, "backend %q is not in backends", name)
		} else if p != l.Protocol {
			add(f, "backend %q speaks %s, the listener %s", name, p, l.Protocol)
		}
	}
	if l.Backend != "" {
		known("backend", l.Backend)
	}
	if len(l.Routes) > 0 && l.Protocol != HTTP {
		add("routes", "only an HTTP listener has routes")
	}
	if l.Backend == "" && len(l.Routes) == 0 {
		add("backend", "a listener needs a backend or a route")
	}
	for j, r := range l.Routes {
		f := fmt.Sprintf("routes[%d]", j)
		known(f+".backend", r.Backend)
		if !validHost(r.Host) {
			add(f+".host", "%q is no host name, nor a wildcard of one label such as *.example.org", r.Host)
		}
		if !strings.HasPrefix(r.Path, "/") {
			add(f+".path", "%q is not absolute", r.Path)
		}
		if r.PathType != PathExact && r.PathType != PathPrefix {
			add(f+".pathType", "%q is neither Exact nor Prefix", r.PathType)
		}
	}
	for j, s := range l.AllowedSources {
		if _, err := netip.ParsePrefix(s); err != nil {
			add(fmt.Sprintf("allowedSources[%d]", j), "%q is no CIDR", s)
		}
	}
	return errs
}

var hostName = regexp.MustCompile(`^(\*\.)?([a-z0-9]([-a-z0-9]*[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// validHost follows the rule of the Kubernetes API for the host of an Ingress
// rule: an RFC 1123 subdomain, or "*." and one. Case does not matter here.
func validHost(h string) bool {
	return h == "" || len(h) <= 253 && hostName.MatchString(strings.ToLower(h))
}

// What a monitor says ends up in the configuration of HAProxy: nothing but the
// characters of a URL (RFC 3986, 3.3 and 3.4), and codes as Octavia takes them.
var (
	monitorPath  = regexp.MustCompile(`^/[-._~!$&'()*+,;=:@%/?A-Za-z0-9]*$`)
	monitorCodes = regexp.MustCompile(`^[0-9]{3}(-[0-9]{3}|(,[0-9]{3})*)$`)
)

func (b Backend) validate(field string) (errs []error) {
	if !b.Protocol.valid() {
		errs = append(errs, fmt.Errorf("%s.protocol: %q is none of TCP, UDP, HTTP", field, b.Protocol))
	}
	for j, m := range b.Members {
		f := fmt.Sprintf("%s.members[%d]", field, j)
		if a, err := netip.ParseAddr(m.Address); err != nil || a.Zone() != "" { // a zone may be any text
			errs = append(errs, fmt.Errorf("%s.address: %q is no IP address", f, m.Address))
		}
		if m.Port < 1 || m.Port > 65535 {
			errs = append(errs, fmt.Errorf("%s.port: %d is not in 1-65535", f, m.Port))
		}
	}
	if m := b.Monitor; m != nil {
		f := field + ".monitor"
		if !slices.Contains([]string{"TCP", "HTTP", "UDP-CONNECT"}, m.Type) {
			errs = append(errs, fmt.Errorf("%s.type: %q is none of TCP, HTTP, UDP-CONNECT", f, m.Type))
		}
		if m.Delay < 1 || m.Timeout < 1 || m.Timeout >= m.Delay {
			errs = append(errs, fmt.Errorf("%s: delay %d s and timeout %d s must be positive, the timeout the smaller", f, m.Delay, m.Timeout))
		}
		if m.MaxRetries < 1 || m.MaxRetries > 10 || m.MaxRetriesDown < 1 || m.MaxRetriesDown > 10 {
			errs = append(errs, fmt.Errorf("%s: maxRetries %d and maxRetriesDown %d must be in 1-10", f, m.MaxRetries, m.MaxRetriesDown))
		}
		if m.Path != "" && !monitorPath.MatchString(m.Path) {
			errs = append(errs, fmt.Errorf("%s.path: %q is no absolute path of a URL", f, m.Path))
		}
		if m.Codes != "" && !monitorCodes.MatchString(m.Codes) {
			errs = append(errs, fmt.Errorf("%s.codes: %q is none of the forms 200, 200,204 and 200-299", f, m.Codes))
		}
	}
	return errs
}
