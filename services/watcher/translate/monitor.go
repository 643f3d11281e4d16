package translate

import (
	"cmp"
	"slices"

	"drawbridge.dev/events"
)

// The times of checks are those of the OpenStack cloud controller manager:
// users know how fast a node drops out.
const (
	monitorDelay   = 5 // seconds
	monitorTimeout = 3 // seconds
	monitorUp      = 1 // good checks
	monitorDown    = 3 // failed ones
)

// monitoring is how the members of an object are checked.
type monitoring struct {
	on    bool
	by    string // the annotation that says so; empty: it is the default
	kinds []portValue[string]
	named string // the annotation that names the kinds
	asks  bool   // an annotation says what HTTP checks ask for
	check events.Monitor
}

// monitoring reads the annotations of health checks. Ports may be named where
// the kind of the object has several.
func (a annotated) monitoring(on bool, defaults events.Monitor) monitoring {
	m := monitoring{check: defaults}
	m.on, m.by = setting(a, on, parseBool, AnnotationHealthMonitor)
	parse := parsePorts(parseOneOf(events.MonitorTypes...))
	if a.kind == events.KindService {
		m.kinds, m.named = setting(a, nil, parse, AnnotationMonitorType)
	} else {
		var kind string
		if kind, m.named = setting(a, "", whole(parse), AnnotationMonitorType); kind != "" {
			m.kinds = []portValue[string]{{"", kind}}
		}
	}
	number := func(otherwise, most int, own string) (int, string) {
		v, by := setting(a, &otherwise, parseNumber(1, most), own)
		return *v, by
	}
	c := &m.check
	var delay, timeout string
	c.Delay, delay = number(cmp.Or(c.Delay, monitorDelay), mostSeconds, AnnotationMonitorDelay)
	c.Timeout, timeout = number(cmp.Or(c.Timeout, monitorTimeout), mostSeconds, AnnotationMonitorTimeout)
	c.MaxRetries, _ = number(cmp.Or(c.MaxRetries, monitorUp), 10, AnnotationMonitorRetries)
	c.MaxRetriesDown, _ = number(cmp.Or(c.MaxRetriesDown, monitorDown), 10, AnnotationMonitorDown)
	if c.Timeout >= c.Delay {
		at, other := cmp.Or(timeout, delay, AnnotationMonitorTimeout), cmp.Or(delay, AnnotationMonitorDelay)
		a.found.refuse(field(at), "the time-out of %d s is not less than the delay of %d s (%s): checks would overlap", c.Timeout, c.Delay, other)
		c.Timeout, c.Delay = monitorTimeout, monitorDelay
	}
	c.Method, _ = setting(a, "", parseOneOf(monitorVerbs...), AnnotationMonitorMethod)
	c.Path, _ = setting(a, "", parseChecked("absolute path of a URL", monitorPath.MatchString), AnnotationMonitorPath)
	c.Codes, _ = setting(a, "", parseChecked("list of codes of the forms 200, 200,204 and 200-299", monitorCodes.MatchString), AnnotationMonitorCodes)
	c.Host, _ = setting(a, "", parseHostname, AnnotationMonitorHost)
	m.asks = c.Method+c.Path+c.Codes+c.Host != ""
	return m
}

// checks are the kinds of checks that Octavia makes of members that speak a
// protocol ("Protocol Combinations" of its API reference; its validation).
func checks(p events.Protocol) []string {
	switch p {
	case events.UDP:
		return []string{"UDP-CONNECT", "HTTP", "TCP"}
	case events.SCTP:
		return []string{"SCTP", "HTTP", "TCP"}
	}
	return []string{"TCP", "HTTP", "HTTPS", "TLS-HELLO", "PING"}
}

// of is the check of members that speak a protocol; nil: there is none. kind is
// what the annotations say of the port; empty: nothing.
func (m monitoring) of(p events.Protocol, kind string) *events.Monitor {
	if !m.on {
		return nil
	}
	out := m.check
	out.Type = cmp.Or(kind, checks(p)[0])
	if kind == "" && m.asks && slices.Contains(checks(p), "HTTP") && p.Family() == "TCP" {
		out.Type = "HTTP"
	}
	if out.Type != "HTTP" && out.Type != "HTTPS" {
		out.Method, out.Path, out.Codes, out.Host = "", "", "", ""
	}
	return &out
}
