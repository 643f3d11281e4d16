package compose

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
)

// rules say what an item takes.
func (a item) rules() (out []loadbalancer.Rule) {
	if a.hosts[0] != "" {
		out = append(out, loadbalancer.Rule{Type: loadbalancer.RuleHostName, Compare: loadbalancer.CompareRegex, Value: hostRegex(a.hosts)})
	}
	if a.paths[0] != everyPath {
		out = append(out, pathRule(a.paths))
	}
	for _, chunk := range chunks(a.except) {
		r := pathRule(chunk)
		r.Invert = true
		out = append(out, r)
	}
	return out
}

// chunks divides paths so that each part has room in one rule.
func chunks(paths []path) (out [][]path) {
	for _, p := range paths {
		if n := len(out); n > 0 {
			if more := append(slices.Clone(out[n-1]), p); len(pathRule(more).Value) <= loadbalancer.MaxRuleValue {
				out[n-1] = more
				continue
			}
		}
		out = append(out, []path{p})
	}
	return out
}

// rawRules are those of the octavia-ingress-controller: the host with the
// listener's port or without, and the beginning of the path.
func rawRules(host, path string, port int) (out []loadbalancer.Rule) {
	if host != "" {
		value := strings.TrimSuffix(hostRegex([]string{host}), anyPort) + fmt.Sprintf("(:%d)?$", port)
		out = append(out, loadbalancer.Rule{Type: loadbalancer.RuleHostName, Compare: loadbalancer.CompareRegex, Value: value})
	}
	r := loadbalancer.Rule{Type: loadbalancer.RulePath, Compare: loadbalancer.CompareStartsWith, Value: path}
	if escaped(path) {
		r.Compare, r.Value = loadbalancer.CompareRegex, "^"+quote(path)
	}
	return append(out, r)
}

const anyPort = "(:[0-9]+)?$"

// hostRegex matches the Host header, which carries the port if it is not the
// protocol's own. Octavia compares without regard to case. A wildcard stands
// for exactly one label (networking.k8s.io/v1 IngressRule.host). What several
// hosts end in is there once.
func hostRegex(hosts []string) string {
	var heads [][]string
	var tail []string
	for _, h := range hosts {
		heads = append(heads, strings.Split(h, "."))
	}
	for len(hosts) > 1 {
		last := heads[0][len(heads[0])-1]
		if slices.ContainsFunc(heads, func(h []string) bool { return len(h) < 2 || h[len(h)-1] != last }) {
			break
		}
		tail = append([]string{last}, tail...)
		for i := range heads {
			heads[i] = heads[i][:len(heads[i])-1]
		}
	}
	var texts []string
	for _, h := range heads {
		t := strings.Join(h, `\.`)
		if h[0] == "*" {
			t = `[^.:]+` + t[1:]
		}
		texts = append(texts, t)
	}
	text := texts[0]
	if len(texts) > 1 {
		text = "(" + strings.Join(texts, "|") + ")"
	}
	for _, label := range tail {
		text += `\.` + label
	}
	return "^" + text + anyPort
}

// pathRule matches any of the paths: as they are, or followed by further elements.
func pathRule(paths []path) loadbalancer.Rule {
	r := loadbalancer.Rule{Type: loadbalancer.RulePath, Compare: loadbalancer.CompareRegex}
	if p := paths[0]; len(paths) == 1 && p.exact && !escaped(p.text) {
		r.Compare, r.Value = loadbalancer.CompareEqual, p.text
		return r
	}
	var texts []string
	ends := map[bool]string{true: "$", false: "(/|$)"}
	alike := !slices.ContainsFunc(paths, func(p path) bool { return p.exact != paths[0].exact })
	for _, p := range paths {
		t := quote(p.text)
		if !alike {
			t += ends[p.exact]
		}
		texts = append(texts, t)
	}
	text := texts[0]
	if len(texts) > 1 {
		text = "(" + strings.Join(texts, "|") + ")"
	}
	if alike {
		text += ends[paths[0].exact]
	}
	r.Value = "^" + text
	return r
}

// escaped says whether a path cannot be compared as it is written. See [quote].
func escaped(path string) bool { return strings.ContainsAny(path, "&'") }

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
	rules := item{hosts: []string{r.Host}, paths: []path{{r.Path, r.PathType == events.PathExact}}}.rules()
	if r.PathType == events.PathRawPrefix {
		rules = rawRules(r.Host, r.Path, 65535)
	}
	for _, x := range rules {
		if len(x.Value) > loadbalancer.MaxRuleValue {
			return fmt.Sprintf("host %q path %q is too long: its %s rule takes %d bytes, Octavia allows %d",
				r.Host, r.Path, x.Type, len(x.Value), loadbalancer.MaxRuleValue)
		}
	}
	return ""
}
