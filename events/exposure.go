package events

// Protocol of a listener, a backend or a member, in Octavia's words.
type Protocol string

// Protocols of the Octavia API reference that exposures use. The first five are
// those of listeners; a backend may speak any but TERMINATED_HTTPS.
const (
	TCP             Protocol = "TCP"
	UDP             Protocol = "UDP"
	SCTP            Protocol = "SCTP"
	HTTP            Protocol = "HTTP"
	TerminatedHTTPS Protocol = "TERMINATED_HTTPS" // the load balancer ends TLS and routes by host and path
	PROXY           Protocol = "PROXY"            // TCP with the PROXY protocol, version 1, before it
	PROXYV2         Protocol = "PROXYV2"          // and version 2
)

// PathType says how a path matches (Kubernetes API, networking.k8s.io/v1 HTTPIngressPath).
type PathType string

// Path types. ImplementationSpecific is translated to one of these by the watcher.
const (
	PathExact  PathType = "Exact"
	PathPrefix PathType = "Prefix" // element-wise: /foo matches /foo and /foo/bar, not /foobar
	// PathRawPrefix is how the octavia-ingress-controller matches every path,
	// whatever its pathType: /foo matches /foobar too, and of several that match
	// the first one in the object wins.
	PathRawPrefix PathType = "RawPrefix"
)

// Exposure is the wish of one Kubernetes object to be reachable from outside:
// whole, and independent of every earlier wish. What is not set is left to the
// operator of the cloud.
type Exposure struct {
	Key   Key    `json:"key"`
	UID   string `json:"uid"`             // of the object: a deleted and recreated object is another one
	Cloud string `json:"cloud"`           // entry of clouds.yaml that carries the load balancer
	Group string `json:"group,omitempty"` // exposures of one cloud and group share a load balancer; empty: one of its own

	Internal   bool       `json:"internal,omitempty"` // reachable at the VIP only: no floating IP
	Flavor     string     `json:"flavor,omitempty"`   // Octavia flavor, name or id; empty: the executor's choice
	Placement  Placement  `json:"placement,omitzero"`
	FloatingIP FloatingIP `json:"floatingIP,omitzero"`
	Tags       []string   `json:"tags,omitempty"` // of the user, on the load balancer, for whoever pays

	// Protected: what stands is kept when the object goes, until an operator removes it.
	Protected bool `json:"protected,omitempty"`
	// Replace: what Octavia cannot change may be built anew, keeping the floating IP.
	Replace bool `json:"replace,omitempty"`
	// Waived are features that may be left out where the driver has none of them;
	// without it the exposure fails there. Set by policy. See [Feature].
	Waived []Feature `json:"waived,omitempty"`

	Listeners []Listener `json:"listeners"`
	Backends  []Backend  `json:"backends"`
}

// Placement says where the load balancer stands. Every name may be an id.
type Placement struct {
	Class             string   `json:"class,omitempty"` // section of the executor's configuration, which fills what is empty below
	AvailabilityZone  string   `json:"availabilityZone,omitempty"`
	Network           string   `json:"network,omitempty"`           // of the VIP
	Subnet            string   `json:"subnet,omitempty"`            // of the VIP; goes before Network
	Port              string   `json:"port,omitempty"`              // that the VIP is bound to; goes before Subnet
	Address           string   `json:"address,omitempty"`           // of the VIP
	AdditionalSubnets []string `json:"additionalSubnets,omitempty"` // of further VIPs, API 2.26
	Families          []string `json:"families,omitempty"`          // IPv4, IPv6: the first is that of the VIP, the second of an additional one
	MemberSubnet      string   `json:"memberSubnet,omitempty"`
	LoadBalancer      string   `json:"loadBalancer,omitempty"` // id of one that stands, which another made: it is never deleted
}

// FloatingIP says which address outside the exposure gets.
type FloatingIP struct {
	Address    string `json:"address,omitempty"` // of one that stands, which another made: it is bound, and never deleted
	Network    string `json:"network,omitempty"` // name or id of the external network
	Subnet     string `json:"subnet,omitempty"`  // id or name; a glob; "~" and a regular expression; "!" before either negates it
	SubnetTags string `json:"subnetTags,omitempty"`
	Keep       bool   `json:"keep,omitempty"` // it stays when the exposure goes
}

// Listener is one open port. (protocol family, port) is unique in an exposure;
// TCP, HTTP and TERMINATED_HTTPS are one family, UDP and SCTP are two others.
type Listener struct {
	Protocol        Protocol `json:"protocol"`
	Port            int      `json:"port"`                     // 1-65535
	Backend         string   `json:"backend,omitempty"`        // name of the backend for what no route takes; empty: refused
	Routes          []Route  `json:"routes,omitempty"`         // HTTP and TERMINATED_HTTPS only
	AllowedSources  []string `json:"allowedSources,omitempty"` // CIDRs; empty: everywhere
	TLS             *TLS     `json:"tls,omitempty"`            // TERMINATED_HTTPS only, which needs it
	HSTS            *HSTS    `json:"hsts,omitempty"`           // TERMINATED_HTTPS only, API 2.27
	Headers         []string `json:"headers,omitempty"`        // X-Forwarded-For, -Port, -Proto: added to what is sent on; HTTP and TERMINATED_HTTPS only
	Timeouts        Timeouts `json:"timeouts,omitzero"`
	ConnectionLimit *int     `json:"connectionLimit,omitempty"` // -1: none; nil: the cloud's
}

// Timeouts of a listener, in milliseconds; nil: the cloud's.
type Timeouts struct {
	ClientData    *int `json:"clientData,omitempty"`
	MemberConnect *int `json:"memberConnect,omitempty"`
	MemberData    *int `json:"memberData,omitempty"`
	TCPInspect    *int `json:"tcpInspect,omitempty"`
}

// TLS is what a listener that ends TLS shows. It has Certificates or Container.
type TLS struct {
	Certificates []Certificate `json:"certificates,omitempty"` // the first is shown to who names no known host
	Container    string        `json:"container,omitempty"`    // of the cloud's key manager, by its URL, which another made
	Versions     []string      `json:"versions,omitempty"`     // TLSv1.2, TLSv1.3; empty: the cloud's
	Ciphers      string        `json:"ciphers,omitempty"`      // OpenSSL's notation; empty: the cloud's
}

// Certificate names a certificate with its key. They travel sealed, apart from
// the events, under the digest.
type Certificate struct {
	Digest   string   `json:"digest"`             // sha256:..., of certificates and key in PEM
	Secret   string   `json:"secret,omitempty"`   // namespace/name, for people
	Hosts    []string `json:"hosts,omitempty"`    // that it is valid for, sorted
	NotAfter string   `json:"notAfter,omitempty"` // RFC 3339
}

// HSTS is the header Strict-Transport-Security (RFC 6797).
type HSTS struct {
	MaxAge            int  `json:"maxAge"` // seconds, positive
	IncludeSubdomains bool `json:"includeSubdomains,omitempty"`
	Preload           bool `json:"preload,omitempty"`
}

// Route sends requests of one host and path to a backend, or redirects them.
// The more specific route wins whatever the order: exact host before wildcard
// before none, Exact before Prefix, longer before shorter (Kubernetes docs, "Ingress").
type Route struct {
	Host     string    `json:"host,omitempty"` // lower case; "*.example.org" is one label; empty: every host
	Path     string    `json:"path"`           // absolute
	PathType PathType  `json:"pathType"`
	Backend  string    `json:"backend,omitempty"` // name of a backend; empty with Redirect
	Redirect *Redirect `json:"redirect,omitempty"`
}

// Redirect answers with the same host and path in another scheme. It needs an
// exact host: Octavia's REDIRECT_PREFIX is a fixed text.
type Redirect struct {
	Scheme string `json:"scheme"`         // https
	Port   int    `json:"port,omitempty"` // 0: that of the scheme
	Code   int    `json:"code"`           // 301, 302, 303, 307 or 308
}

// Backend is a set of members that serve the same.
type Backend struct {
	Name        string       `json:"name"` // namespace/service:port, unique in the exposure
	Protocol    Protocol     `json:"protocol"`
	TLS         bool         `json:"tls,omitempty"`       // members are spoken to in TLS, without a look at their names
	Algorithm   string       `json:"algorithm,omitempty"` // ROUND_ROBIN, LEAST_CONNECTIONS, SOURCE_IP, SOURCE_IP_PORT; empty: the driver's first
	Persistence *Persistence `json:"persistence,omitempty"`
	DrainDelay  *int         `json:"drainDelay,omitempty"` // seconds between weight 0 and removal of a member that goes; nil: the executor's
	Members     []Member     `json:"members"`              // may be empty: answers are refused until there is one
	Monitor     *Monitor     `json:"monitor,omitempty"`
}

// Persistence sends a client to the member that served it before.
type Persistence struct {
	Type    string `json:"type"`              // SOURCE_IP, HTTP_COOKIE or APP_COOKIE
	Cookie  string `json:"cookie,omitempty"`  // APP_COOKIE only: its name
	Timeout int    `json:"timeout,omitempty"` // seconds; UDP and SCTP only (API 2.2); 0: the cloud's
}

// Member is one address that serves, a node or a pod.
type Member struct {
	Name        string `json:"name,omitempty"`        // node or pod, for people
	Address     string `json:"address"`               // IP
	Port        int    `json:"port"`                  // 1-65535
	MonitorPort int    `json:"monitorPort,omitempty"` // that the monitor asks; 0: Port
	Draining    bool   `json:"draining,omitempty"`    // it gets no new connections (weight 0)
}

// Monitor is a health check of every member of a backend.
type Monitor struct {
	Type           string `json:"type"`    // TCP, HTTP, HTTPS, TLS-HELLO, PING, SCTP or UDP-CONNECT
	Delay          int    `json:"delay"`   // seconds between checks
	Timeout        int    `json:"timeout"` // seconds, less than Delay
	MaxRetries     int    `json:"maxRetries"`
	MaxRetriesDown int    `json:"maxRetriesDown"`
	Method         string `json:"method,omitempty"` // HTTP and HTTPS only; empty: GET
	Path           string `json:"path,omitempty"`   // HTTP and HTTPS only
	Codes          string `json:"codes,omitempty"`  // HTTP and HTTPS only: "200", "200,204", "200-299"
	Host           string `json:"host,omitempty"`   // HTTP and HTTPS only: header Host, API 2.10
}

// Feature is something that a driver may lack.
type Feature string

// Features that policy may waive. Those that a driver lacks and that are not
// in this list, such as L7 routing, are always refused there.
const (
	FeatureAllowedSources  Feature = "allowed-sources"
	FeatureTimeouts        Feature = "timeouts"
	FeatureConnectionLimit Feature = "connection-limit"
	FeatureMonitor         Feature = "monitor" // of another kind than the driver has
	FeatureAlgorithm       Feature = "algorithm"
	FeaturePersistence     Feature = "persistence"
	FeatureHSTS            Feature = "hsts"
	FeatureHeaders         Feature = "headers"
	FeatureFlavor          Feature = "flavor"
)

// Family is the transport that a listener's port belongs to: a port number can
// be taken once in each (Octavia API reference, "Create Listener").
func (p Protocol) Family() string {
	if p == UDP || p == SCTP {
		return string(p)
	}
	return "TCP"
}

// Serves says whether a listener of protocol p may send to a backend that
// speaks b (Octavia API reference, "Protocol Combinations").
func (p Protocol) Serves(b Protocol) bool {
	switch p {
	case TCP:
		return b == TCP || b == HTTP || b == PROXY || b == PROXYV2
	case HTTP, TerminatedHTTPS:
		return b == HTTP || b == PROXY || b == PROXYV2
	}
	return p == b && (p == UDP || p == SCTP)
}

// Routed says whether a listener of this protocol routes by host and path.
func (p Protocol) Routed() bool { return p == HTTP || p == TerminatedHTTPS }
