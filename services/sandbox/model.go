package sandbox

import (
	"slices"
	"time"
)

// Provisioning states of Octavia's objects (Octavia API reference, "Status
// Codes"). A load balancer in a PENDING state takes no other write.
const (
	Active        = "ACTIVE"
	Error         = "ERROR"
	PendingCreate = "PENDING_CREATE"
	PendingUpdate = "PENDING_UPDATE"
	PendingDelete = "PENDING_DELETE"
)

// Operating states of Octavia's objects.
const (
	online    = "ONLINE"
	offline   = "OFFLINE"
	degraded  = "DEGRADED"
	draining  = "DRAINING"
	noMonitor = "NO_MONITOR"
)

// stampLayout is how Octavia writes a time: UTC, whole seconds, no zone.
const stampLayout = "2006-01-02T15:04:05"

func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

// meta is what every object of the load balancing service has.
type meta struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Description  string   `json:"description,omitempty"`
	Project      string   `json:"project"`
	Provisioning string   `json:"provisioning"`
	Operating    string   `json:"operating"`
	Enabled      bool     `json:"enabled"`
	Tags         []string `json:"tags,omitempty"`
	Created      string   `json:"created"`
	Updated      string   `json:"updated,omitempty"`
	// Stuck objects never settle: the fault of Octavia 11 in whole creates.
	Stuck bool `json:"stuck,omitempty"`
}

func (m *meta) touch(now time.Time) { m.Updated = stamp(now) }

func (m *meta) apply(in map[string]any) {
	set(in, "name", &m.Name)
	set(in, "description", &m.Description)
	set(in, "admin_state_up", &m.Enabled)
	if tags, ok := in["tags"].([]string); ok {
		m.Tags = slices.Clone(tags)
		slices.Sort(m.Tags)
		m.Tags = slices.Compact(m.Tags)
	} // a null leaves the tags as they are
}

type loadBalancer struct {
	meta
	VIP       string   `json:"vip"`
	Port      string   `json:"port"`
	Subnet    string   `json:"subnet"`
	Network   string   `json:"network"`
	More      []fixed  `json:"more,omitempty"` // additional VIPs
	OwnsPort  bool     `json:"ownsPort"`       // the VIP port was made with the load balancer and goes with it
	Provider  string   `json:"provider"`
	Flavor    string   `json:"flavor,omitempty"`
	Zone      string   `json:"zone,omitempty"`
	QoS       string   `json:"qos,omitempty"`
	Listeners []string `json:"listeners,omitempty"`
	Pools     []string `json:"pools,omitempty"`
	// whole is set while the create that brought its children along is pending.
	Whole bool `json:"whole,omitempty"`
}

type listener struct {
	meta
	LoadBalancer  string            `json:"loadBalancer"`
	Protocol      string            `json:"protocol"`
	Port          int               `json:"port"`
	Limit         int               `json:"limit"`
	DefaultPool   string            `json:"defaultPool,omitempty"`
	Policies      []string          `json:"policies,omitempty"` // in order of position
	Headers       map[string]string `json:"headers,omitempty"`
	ClientData    int               `json:"clientData"`
	MemberConnect int               `json:"memberConnect"`
	MemberData    int               `json:"memberData"`
	Inspect       int               `json:"inspect"`
	AllowedCIDRs  []string          `json:"allowedCidrs,omitempty"`
	TLSRef        string            `json:"tlsRef,omitempty"`
	SNIRefs       []string          `json:"sniRefs,omitempty"`
	ClientAuth    string            `json:"clientAuth"`
	ClientCA      string            `json:"clientCA,omitempty"`
	ClientCRL     string            `json:"clientCRL,omitempty"`
	Ciphers       string            `json:"ciphers,omitempty"`
	TLSVersions   []string          `json:"tlsVersions,omitempty"`
	ALPN          []string          `json:"alpn,omitempty"`
	// Strict-Transport-Security, from API 2.27 on.
	HSTSAge        *int `json:"hstsAge,omitempty"`
	HSTSSubdomains bool `json:"hstsSubdomains,omitempty"`
	HSTSPreload    bool `json:"hstsPreload,omitempty"`
}

type persistence struct {
	Type        string `json:"type"`
	Cookie      string `json:"cookie,omitempty"`
	Timeout     *int   `json:"timeout,omitempty"`
	Granularity string `json:"granularity,omitempty"`
}

type pool struct {
	meta
	LoadBalancer string       `json:"loadBalancer"`
	Protocol     string       `json:"protocol"`
	Algorithm    string       `json:"algorithm"`
	Persistence  *persistence `json:"persistence,omitempty"`
	Members      []string     `json:"members,omitempty"`
	Monitor      string       `json:"monitor,omitempty"`
	TLS          bool         `json:"tls,omitempty"`
	TLSRef       string       `json:"tlsRef,omitempty"`
	CARef        string       `json:"caRef,omitempty"`
	CRLRef       string       `json:"crlRef,omitempty"`
	Ciphers      string       `json:"ciphers,omitempty"`
	TLSVersions  []string     `json:"tlsVersions,omitempty"`
	ALPN         []string     `json:"alpn,omitempty"`
}

type member struct {
	meta
	Pool           string `json:"pool"`
	Address        string `json:"address"`
	Port           int    `json:"port"`
	Weight         int    `json:"weight"`
	Backup         bool   `json:"backup,omitempty"`
	Subnet         string `json:"subnet,omitempty"`
	MonitorAddress string `json:"monitorAddress,omitempty"`
	MonitorPort    *int   `json:"monitorPort,omitempty"`
}

type monitor struct {
	meta
	Pool        string   `json:"pool"`
	Type        string   `json:"type"`
	Delay       int      `json:"delay"`
	Timeout     int      `json:"timeout"`
	Retries     int      `json:"retries"`     // good answers until a member is up
	RetriesDown int      `json:"retriesDown"` // bad answers until a member is down
	Method      string   `json:"method,omitempty"`
	Path        string   `json:"path,omitempty"`
	Codes       string   `json:"codes,omitempty"`
	HTTPVersion *float64 `json:"httpVersion,omitempty"`
	Domain      string   `json:"domain,omitempty"`
}

type l7Policy struct {
	meta
	Listener string   `json:"listener"`
	Action   string   `json:"action"`
	Pool     string   `json:"pool,omitempty"`
	URL      string   `json:"url,omitempty"`
	Prefix   string   `json:"prefix,omitempty"`
	Code     *int     `json:"code,omitempty"`
	Rules    []string `json:"rules,omitempty"`
}

type l7Rule struct {
	meta
	Policy  string `json:"policy"`
	Type    string `json:"type"`
	Compare string `json:"compare"`
	Key     string `json:"key,omitempty"`
	Value   string `json:"value"`
	Invert  bool   `json:"invert,omitempty"`
}

// set copies a decoded attribute into its place; a null empties it.
func set[T any](in map[string]any, key string, to *T) {
	v, given := in[key]
	if !given {
		return
	}
	if t, ok := v.(T); ok {
		*to = t
		return
	}
	var zero T
	*to = zero
}

// setPointer is set for what tells "not given" from zero.
func setPointer[T any](in map[string]any, key string, to **T) {
	v, given := in[key]
	if !given {
		return
	}
	*to = nil
	if t, ok := v.(T); ok {
		*to = &t
	}
}

func (l *listener) apply(in map[string]any) {
	l.meta.apply(in)
	set(in, "connection_limit", &l.Limit)
	set(in, "default_pool_id", &l.DefaultPool)
	set(in, "insert_headers", &l.Headers)
	set(in, "timeout_client_data", &l.ClientData)
	set(in, "timeout_member_connect", &l.MemberConnect)
	set(in, "timeout_member_data", &l.MemberData)
	set(in, "timeout_tcp_inspect", &l.Inspect)
	set(in, "allowed_cidrs", &l.AllowedCIDRs)
	set(in, "default_tls_container_ref", &l.TLSRef)
	set(in, "sni_container_refs", &l.SNIRefs)
	set(in, "client_authentication", &l.ClientAuth)
	set(in, "client_ca_tls_container_ref", &l.ClientCA)
	set(in, "client_crl_container_ref", &l.ClientCRL)
	set(in, "tls_ciphers", &l.Ciphers)
	set(in, "tls_versions", &l.TLSVersions)
	set(in, "alpn_protocols", &l.ALPN)
	setPointer(in, "hsts_max_age", &l.HSTSAge)
	set(in, "hsts_include_subdomains", &l.HSTSSubdomains)
	set(in, "hsts_preload", &l.HSTSPreload)
}

func (p *pool) apply(in map[string]any) {
	p.meta.apply(in)
	set(in, "lb_algorithm", &p.Algorithm)
	set(in, "tls_enabled", &p.TLS)
	set(in, "tls_container_ref", &p.TLSRef)
	set(in, "ca_tls_container_ref", &p.CARef)
	set(in, "crl_container_ref", &p.CRLRef)
	set(in, "tls_ciphers", &p.Ciphers)
	set(in, "tls_versions", &p.TLSVersions)
	set(in, "alpn_protocols", &p.ALPN)
	if v, given := in["session_persistence"]; given {
		if sp, ok := v.(map[string]any); ok {
			next := persistence{}
			if p.Persistence != nil {
				next.Type = p.Persistence.Type
			}
			set(sp, "type", &next.Type)
			set(sp, "cookie_name", &next.Cookie)
			setPointer(sp, "persistence_timeout", &next.Timeout)
			set(sp, "persistence_granularity", &next.Granularity)
			p.Persistence = &next
		} else {
			p.Persistence = nil
		}
	}
}

func (m *member) apply(in map[string]any) {
	m.meta.apply(in)
	set(in, "weight", &m.Weight)
	set(in, "backup", &m.Backup)
	set(in, "monitor_address", &m.MonitorAddress)
	setPointer(in, "monitor_port", &m.MonitorPort)
}

func (m *monitor) apply(in map[string]any) {
	m.meta.apply(in)
	set(in, "delay", &m.Delay)
	set(in, "timeout", &m.Timeout)
	set(in, "max_retries", &m.Retries)
	set(in, "max_retries_down", &m.RetriesDown)
	set(in, "http_method", &m.Method)
	set(in, "url_path", &m.Path)
	set(in, "expected_codes", &m.Codes)
	setPointer(in, "http_version", &m.HTTPVersion)
	set(in, "domain_name", &m.Domain)
}

func (p *l7Policy) apply(in map[string]any) {
	p.meta.apply(in)
	set(in, "action", &p.Action)
	set(in, "redirect_pool_id", &p.Pool)
	set(in, "redirect_url", &p.URL)
	set(in, "redirect_prefix", &p.Prefix)
	setPointer(in, "redirect_http_code", &p.Code)
}

func (r *l7Rule) apply(in map[string]any) {
	r.meta.apply(in)
	set(in, "type", &r.Type)
	set(in, "compare_type", &r.Compare)
	set(in, "key", &r.Key)
	set(in, "value", &r.Value)
	set(in, "invert", &r.Invert)
}
