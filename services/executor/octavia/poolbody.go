package octavia

import (
	"slices"

	"drawbridge.dev/services/executor/loadbalancer"
)

// pool is what a create says of a pool, without what is below it.
func (b bodies) pool(p loadbalancer.Pool) object {
	o := object{"name": p.Name, "protocol": p.Protocol, "lb_algorithm": p.Algorithm}
	o.setIf(p.Persistence != nil, "session_persistence", persistence(p.Persistence))
	o.setIf(p.TLS && b.minor >= backendTLSMinor, "tls_enabled", true)
	return o
}

func (b bodies) poolUpdate(p loadbalancer.Pool) object {
	o := object{"lb_algorithm": p.Algorithm, "admin_state_up": true, "session_persistence": nil}
	o.setIf(p.Persistence != nil, "session_persistence", persistence(p.Persistence))
	o.setIf(b.minor >= backendTLSMinor && p.Protocol != "UDP" && p.Protocol != "SCTP", "tls_enabled", p.TLS)
	return o
}

func persistence(p *loadbalancer.Persistence) object {
	if p == nil {
		return nil
	}
	o := object{"type": p.Type}
	o.setIf(p.Cookie != "", "cookie_name", p.Cookie)
	o.setIf(p.Timeout > 0, "persistence_timeout", p.Timeout)
	return o
}

func (b bodies) newMember(m loadbalancer.Member) object {
	o := object{"name": m.Name, "address": m.Address, "protocol_port": m.Port, "weight": m.Weight}
	o.setIf(m.SubnetID != "", "subnet_id", m.SubnetID)
	o.setIf(m.MonitorPort != 0, "monitor_port", m.MonitorPort)
	return o
}

// batch is all members of a pool. It says of each also what ours never have: a
// member that stands keeps what is left out.
func (b bodies) batch(members []loadbalancer.Member) []object {
	out := []object{}
	for _, m := range members {
		o := b.newMember(m)
		o["admin_state_up"], o["backup"], o["monitor_address"] = true, false, nil
		o.setIf(m.MonitorPort == 0, "monitor_port", nil)
		out = append(out, o)
	}
	return out
}

// monitor is what a create says of a monitor.
func (b bodies) monitor(m loadbalancer.Monitor) object {
	o := object{"type": m.Type, "delay": m.Delay, "timeout": m.Timeout, "max_retries": m.MaxRetries}
	o.setIf(m.MaxRetriesDown > 0, "max_retries_down", m.MaxRetriesDown)
	if !asksHTTP(m.Type) {
		return o
	}
	o.setIf(m.Method != "", "http_method", m.Method)
	o.setIf(m.Path != "", "url_path", m.Path)
	o.setIf(m.Codes != "", "expected_codes", m.Codes)
	if m.Host != "" && b.minor >= domainNameMinor { // Octavia refuses one without the other
		o["domain_name"], o["http_version"] = m.Host, 1.1
	}
	return o
}

func asksHTTP(monitor string) bool { return slices.Contains([]string{"HTTP", "HTTPS"}, monitor) }

// monitorUpdate is all but the type. null is Octavia's default.
func (b bodies) monitorUpdate(m loadbalancer.Monitor) object {
	o := b.monitor(m)
	delete(o, "type")
	o["admin_state_up"] = true
	if !asksHTTP(m.Type) {
		return o
	}
	o.setIf(m.Method == "", "http_method", nil)
	o.setIf(m.Path == "", "url_path", nil)
	o.setIf(m.Codes == "", "expected_codes", nil)
	if m.Host == "" && b.minor >= domainNameMinor {
		o["domain_name"], o["http_version"] = nil, nil
	}
	return o
}
