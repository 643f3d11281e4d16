// Package l7 decides where an HTTP request goes, with the semantics that
// Octavia's amphora provider has: those of the HAProxy configuration that its
// templates write (octavia/common/jinja/haproxy/combined_listeners/templates/
// macros.j2).
//
//   - HAProxy evaluates "http-request deny" before "redirect" before
//     "use_backend": all REJECT policies first, then both kinds of redirects,
//     then pools, each group in order of position.
//   - The rules of a policy are ANDed. A policy that is disabled or has no
//     rule is left out; so is one whose pool is disabled.
//   - HOST_NAME compares the raw Host header, with its port, ignoring case.
//     PATH is the path as sent, without the query, with case.
//   - A header that occurs several times, or has a list, matches if one value
//     does; what is absent never matches, so that its inversion does.
//   - FILE_TYPE with EQUAL_TO compares the whole path ("path_end -m str"): only
//     REGEX is of use there.
//   - A regular expression is searched: it matches anywhere unless anchored.
//     One that Go's syntax does not have (look-around, back references) never
//     matches.
//
// The package is pure: no clock, no network.
package l7

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Rule is one L7 rule, in the words of Octavia's API.
type Rule struct {
	Type    string // HOST_NAME, PATH, FILE_TYPE, HEADER, COOKIE, SSL_*
	Compare string // EQUAL_TO, STARTS_WITH, ENDS_WITH, CONTAINS, REGEX
	Key     string // of a header or cookie
	Value   string
	Invert  bool
}

// Policy is one enabled L7 policy.
type Policy struct {
	ID       string
	Position int    // from 1
	Action   string // REJECT, REDIRECT_TO_URL, REDIRECT_PREFIX, REDIRECT_TO_POOL
	Pool     string // of REDIRECT_TO_POOL; empty: the pool is disabled
	URL      string // of REDIRECT_TO_URL
	Prefix   string // of REDIRECT_PREFIX
	Code     int    // of redirects; 0: 302
	Rules    []Rule
}

// Request is what a decision looks at.
type Request struct {
	Host   string              // raw Host header; empty: there is none
	Path   string              // as sent, without the query
	Query  string              // without the question mark
	Header map[string][]string // by canonical or any other name
}

// Decision is what becomes of a request.
type Decision struct {
	Policy   string // that decided; empty: none
	Status   int    // 403, a redirect's code, or 503 without a pool; 0: Pool takes it
	Location string // of a redirect
	Pool     string
}

// Table is a listener's policies, ready to be asked. It is immutable.
type Table struct {
	policies []policy
	fallback string
}

type policy struct {
	Policy
	rules []rule
}

type rule struct {
	Rule
	re *regexp.Regexp
}

// New makes the table of a listener; fallback is its default pool, or empty.
func New(policies []Policy, fallback string) *Table {
	t := &Table{fallback: fallback}
	for _, p := range policies {
		if len(p.Rules) == 0 || p.Action == "REDIRECT_TO_POOL" && p.Pool == "" {
			continue
		}
		ready := policy{Policy: p}
		for _, r := range p.Rules {
			ready.rules = append(ready.rules, compile(r))
		}
		t.policies = append(t.policies, ready)
	}
	slices.SortStableFunc(t.policies, func(a, b policy) int {
		return cmp.Or(cmp.Compare(group(a.Action), group(b.Action)), cmp.Compare(a.Position, b.Position))
	})
	return t
}

func group(action string) int {
	switch action {
	case "REJECT":
		return 0
	case "REDIRECT_TO_POOL":
		return 2
	}
	return 1
}

func compile(r Rule) rule {
	out := rule{Rule: r}
	if r.Compare != "REGEX" {
		return out
	}
	expr := r.Value
	if r.Type == "HOST_NAME" {
		expr = "(?i)" + expr
	}
	out.re, _ = regexp.Compile(expr) // nil never matches
	return out
}

// Route decides.
func (t *Table) Route(r Request) Decision {
	for _, p := range t.policies {
		if !p.takes(r) {
			continue
		}
		d := Decision{Policy: p.ID}
		switch p.Action {
		case "REJECT":
			d.Status = 403
		case "REDIRECT_TO_URL":
			d.Status, d.Location = cmp.Or(p.Code, 302), p.URL
		case "REDIRECT_PREFIX":
			d.Status, d.Location = cmp.Or(p.Code, 302), p.Prefix+r.Path
			if r.Query != "" {
				d.Location += "?" + r.Query
			}
		default:
			d.Pool = p.Pool
		}
		return d
	}
	if t.fallback == "" {
		return Decision{Status: 503}
	}
	return Decision{Pool: t.fallback}
}

func (p policy) takes(r Request) bool {
	for _, rule := range p.rules {
		if rule.matches(r) == rule.Invert {
			return false
		}
	}
	return true
}

// matches does not look at Invert.
func (u rule) matches(r Request) bool {
	switch u.Type {
	case "HOST_NAME":
		return r.Host != "" && slices.ContainsFunc(split(r.Host), func(h string) bool {
			return u.compare(strings.ToLower(h), strings.ToLower(u.Value), h)
		})
	case "PATH", "FILE_TYPE":
		return u.compare(r.Path, u.Value, r.Path)
	case "HEADER":
		return slices.ContainsFunc(headerValues(r.Header, u.Key), u.value)
	case "COOKIE":
		return slices.ContainsFunc(cookies(r.Header, u.Key), u.value)
	}
	return false // SSL_*: the connection has no client certificate
}

func (u rule) value(v string) bool { return u.compare(v, u.Value, v) }

// compare takes raw for a regular expression, which has its own flags.
func (u rule) compare(have, want, raw string) bool {
	switch u.Compare {
	case "EQUAL_TO":
		return have == want
	case "STARTS_WITH":
		return strings.HasPrefix(have, want)
	case "ENDS_WITH":
		return strings.HasSuffix(have, want)
	case "CONTAINS":
		return strings.Contains(have, want)
	case "REGEX":
		return u.re != nil && u.re.MatchString(raw)
	}
	return false
}

// headerValues are the values of a header, lists taken apart as HAProxy's
// req.hdr does.
func headerValues(h map[string][]string, key string) (out []string) {
	for name, values := range h {
		if !strings.EqualFold(name, key) {
			continue
		}
		for _, v := range values {
			out = append(out, split(v)...)
		}
	}
	return out
}

// split takes a list apart at its commas, but for those in double quotes.
func split(v string) (out []string) {
	from, quoted := 0, false
	for i := range len(v) {
		switch {
		case v[i] == '"':
			quoted = !quoted
		case v[i] == ',' && !quoted:
			out = append(out, strings.TrimSpace(v[from:i]))
			from = i + 1
		}
	}
	return append(out, strings.TrimSpace(v[from:]))
}

func cookies(h map[string][]string, key string) (out []string) {
	for name, values := range h {
		if !strings.EqualFold(name, "Cookie") {
			continue
		}
		for _, v := range values {
			for _, part := range strings.Split(v, ";") {
				if k, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok && k == key {
					out = append(out, value)
				}
			}
		}
	}
	return out
}
