package sandbox

import (
	"strconv"
)

var monitorFilters = []string{
	"id", "name", "provisioning_status", "operating_status", "admin_state_up", "created_at", "updated_at", "type", "delay", "timeout",
	"max_retries", "max_retries_down", "http_method", "url_path", "expected_codes", "pool_id", "http_version", "domain_name",
}

func monitorMeta(o *monitor) *meta { return &o.meta }

func (c *Cloud) monitors(r *request) (int, any, error) {
	return collection[monitor]{
		plural: "healthmonitors", singular: "healthmonitor", title: "Health Monitor", all: c.state.Monitors, meta: monitorMeta,
		show: c.showMonitor, filters: monitorFilters, create: c.createMonitor, update: c.updateMonitor,
		hidden: func(m *monitor) object { return object{"pool_id": m.Pool} },
		lock:   func(r *request, m *monitor) error { return c.lockParent(r, c.state.Pools[m.Pool]) },
	}.serve(c, r)
}

func (c *Cloud) showMonitor(m *monitor) object {
	o := m.common()
	o["type"] = m.Type
	o["delay"] = m.Delay
	o["timeout"] = m.Timeout
	o["max_retries"] = m.Retries
	o["max_retries_down"] = m.RetriesDown
	o["http_method"] = orNull(m.Method)
	o["url_path"] = orNull(m.Path)
	o["expected_codes"] = orNull(m.Codes)
	o["pools"] = ids([]string{m.Pool})
	o["http_version"] = pointerOrNull(m.HTTPVersion)
	o["domain_name"] = orNull(m.Domain)
	return c.answer(o, monitorPost)
}

func isHTTP(kind string) bool { return kind == "HTTP" || kind == "HTTPS" }

// leastUDPDelay is octavia.conf udp_connect_min_interval_health_monitor.
const leastUDPDelay = 3

// checkMonitor is what a monitor must be on a pool of a protocol.
func checkMonitor(protocol, kind string, in map[string]any) error {
	if protocol != "UDP" && protocol != "SCTP" {
		if kind == "UDP-CONNECT" || kind == "SCTP" {
			return invalid("The %s type is only supported for pools of type UDP/SCTP.", kind)
		}
		return nil
	}
	if kind != "UDP-CONNECT" && kind != "SCTP" && kind != "TCP" && kind != "HTTP" {
		return invalid("The associated pool protocol is %s, so only a UDP-CONNECT/SCTP/TCP/HTTP health monitor is supported.", protocol)
	}
	if delay, ok := in["delay"].(int); ok && kind == "UDP-CONNECT" && delay < leastUDPDelay {
		return invalid("The request delay value %d should be larger than %d for UDP-CONNECT health monitor type.", delay, leastUDPDelay)
	}
	return nil
}

var httpOnly = []string{"http_method", "url_path", "expected_codes"}

// checkHTTP is what only an HTTP monitor may have, and how its parts go together.
func checkHTTP(m *monitor, in map[string]any, update bool) error {
	if !isHTTP(m.Type) {
		for _, name := range httpOnly {
			if v, given := in[name]; given && (update || v != nil && v != "") {
				return bad("%s is not a valid option for health monitors of type %s", name, m.Type)
			}
		}
	}
	domain, version := m.Domain, m.HTTPVersion
	set(in, "domain_name", &domain)
	setPointer(in, "http_version", &version)
	if domain != "" && version == nil {
		return invalid("'http_version' must be specified when 'domain_name' is provided.")
	}
	if domain != "" && *version < 1.1 {
		return bad("http_version %s is not a valid option for health monitors HTTP 1.1 domain name health check", strconv.FormatFloat(*version, 'f', 1, 64))
	}
	return nil
}

func (c *Cloud) newMonitor(r *request, p *pool, in map[string]any) (*monitor, error) {
	m := &monitor{meta: created(r, p.Project, in), Pool: p.ID, RetriesDown: 3}
	set(in, "type", &m.Type)
	if err := checkHTTP(m, in, false); err != nil {
		return nil, err
	}
	m.apply(in)
	if isHTTP(m.Type) {
		m.defaults()
	}
	return m, nil
}

func (m *monitor) defaults() {
	if m.Method == "" {
		m.Method = "GET"
	}
	if m.Path == "" {
		m.Path = "/"
	}
	if m.Codes == "" {
		m.Codes = "200"
	}
}

func (c *Cloud) addMonitor(p *pool, m *monitor) {
	c.state.Monitors[m.ID] = m
	p.Monitor = m.ID
}

func (c *Cloud) createMonitor(r *request) (int, any, error) {
	in, err := monitorPost.decode(r.body, argument{"health_monitor_", "healthmonitor"}, true, c.minor)
	if err != nil {
		return 0, nil, err
	}
	p, err := find(r, c.state.Pools, "Pool", in["pool_id"].(string), poolMeta, true)
	if err != nil {
		return 0, nil, err
	}
	if err := checkMonitor(p.Protocol, in["type"].(string), in); err != nil {
		return 0, nil, err
	}
	if err := c.quota(p.Project, "health_monitor", "Health Monitor", 1); err != nil {
		return 0, nil, err
	}
	if p.Provisioning != Active {
		return 0, nil, immutable("Pool", p.ID)
	}
	if lb := c.state.LoadBalancers[p.LoadBalancer]; lb.Provisioning != Active {
		return 0, nil, immutable("Load Balancer", lb.ID)
	}
	m, err := c.newMonitor(r, p, in)
	if err != nil {
		return 0, nil, err
	}
	if p.Monitor != "" {
		return 0, nil, octaviaError(409, "This pool already has a health monitor")
	}
	if err := c.state.LoadBalancers[p.LoadBalancer].checkHealth(m.Type); err != nil {
		return 0, nil, err
	}
	if err := c.lockParent(r, p); err != nil {
		return 0, nil, err
	}
	c.addMonitor(p, m)
	return 201, object{"healthmonitor": c.showMonitor(m)}, nil
}

func (c *Cloud) updateMonitor(r *request) (int, any, error) {
	in, err := monitorPut.decode(r.body, argument{"health_monitor_", "healthmonitor"}, false, c.minor)
	if err != nil {
		return 0, nil, err
	}
	m, err := find(r, c.state.Monitors, "Health Monitor", r.path[1], monitorMeta, true)
	if err != nil {
		return 0, nil, err
	}
	for _, name := range []string{"delay", "max_retries", "timeout"} {
		if v, given := in[name]; given && v == nil {
			return 0, nil, bad("None is not a valid option for %s", name)
		}
	}
	if err := checkHTTP(m, in, true); err != nil {
		return 0, nil, err
	}
	p := c.state.Pools[m.Pool]
	if err := checkMonitor(p.Protocol, m.Type, in); err != nil {
		return 0, nil, err
	}
	if err := c.lockParent(r, p); err != nil {
		return 0, nil, err
	}
	m.apply(in)
	if isHTTP(m.Type) {
		m.defaults()
	}
	m.Provisioning, m.Stuck = PendingUpdate, false
	m.touch(r.now)
	return 200, object{"healthmonitor": c.showMonitor(m)}, nil
}
