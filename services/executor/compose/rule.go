package compose

import (
	"fmt"
	"strings"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
)

func rules(host, path string, t events.PathType) (out []loadbalancer.Rule) {
	if host != "" {
		out = append(out, loadbalancer.Rule{Type: loadbalancer.RuleHostName, Compare: loadbalancer.CompareRegex, Value: hostRegex(host)})
	}
	if t == events.PathPrefix && path == "/" {
		return out
	}
	return append(out, pathRule(path, t))
}

// hostRegex matches the Host header, which carries the port if it is not the
// protocol's own. Octavia compares without regard to case. A wildcard stands
// for exactly one label (networking.k8s.io/v1 IngressRule.host).
func hostRegex(host string) string {
	label := ""
	if rest, ok := strings.CutPrefix(host, "*."); ok {
		label, host = `[^.:]+\.`, rest
	}
	return "^" + label + strings.ReplaceAll(host, ".", `\.`) + "(:[0-9]+)?$"
}

func pathRule(path string, t events.PathType) loadbalancer.Rule {
	if t == events.PathPrefix {
		return loadbalancer.Rule{Type: loadbalancer.RulePath, Compare: loadbalancer.CompareRegex, Value: "^" + quote(path) + "(/|$)"}
	}
	if strings.ContainsAny(path, "&'") {
		return loadbalancer.Rule{Type: loadbalancer.RulePath, Compare: loadbalancer.CompareRegex, Value: "^" + quote(path) + "$"}
	}
	return loadbalancer.Rule{Type: loadbalancer.RulePath, Compare: loadbalancer.CompareEqual, Value: path}
}

// quote makes a path a literal of PCRE. Ampersand and apostrophe go by their
// code: Octavia writes the HAProxy configuration through an HTML-escaping
// template (jinja_cfg.py, autoescape), which would change them.
func quote(path string) string {
	var b strings.Builder
	for _, r := range path {
		switch {
		case r == '&' || r == '\'':
			fmt.Fprintf(&b, `\x%02x`, r)
		case strings.ContainsRune(`.$()*+`, r):
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

const hostChars = "abcdefghijklmnopqrstuvwxyz0123456789-._"

// pathChars are those of a URL path (RFC 3986, 3.3: pchar and slash). Others
// never arrive in a request, and some mean something in HAProxy's configuration.
const pathChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+,;=:@/"

// problem says why a route has no equal in Octavia; empty: it has.
func problem(r events.Route) string {
	if i := strings.IndexFunc(r.Path, func(c rune) bool { return !strings.ContainsRune(pathChars, c) }); i >= 0 {
		return fmt.Sprintf("path %q holds %q, which no URL path may: percent-encode it", r.Path, []rune(r.Path[i:])[0])
	}
	host := strings.TrimPrefix(r.Host, "*.")
	for _, c := range host {
		if !strings.ContainsRune(hostChars, c) {
			return fmt.Sprintf("host %q holds %q, which no host name may", r.Host, c)
		}
	}
	for _, x := range rules(r.Host, r.Path, r.PathType) {
		if len(x.Value) > loadbalancer.MaxRuleValue {
			return fmt.Sprintf("host %q path %q is too long: its %s rule takes %d bytes, Octavia allows %d",
				r.Host, r.Path, x.Type, len(x.Value), loadbalancer.MaxRuleValue)
		}
	}
	return ""
}
