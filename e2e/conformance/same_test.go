package conformance

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
)

var (
	uuid     = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	hex32    = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
	moment   = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?$`)
	assigned = regexp.MustCompile(`\b(10\.2[12]\.0\.\d+|203\.0\.113\.\d+|127\.(1[6-9]|[2-9]\d|1[0-8]\d|19[01])\.\d+\.\d+|fd20::[0-9a-f:]+)\b`)
	oneOf    = regexp.MustCompile(`Value should be one of: (.*)$`)
	wholeArg = regexp.MustCompile(`(?s)Value: '\{.*\}'\. `)
	proxied  = regexp.MustCompile(`https?://127\.0\.0\.1:\d+(/load-balancer|/network|/key-manager|/identity/v3|/identity|/v3)?`)
)

// free are attributes whose values are the cloud's own affair; that they are
// there is compared.
var free = []string{
	"operating_status", "mac_address", "revision_number", "standard_attr_id", "mtu", "security_groups", "audit_ids", "router_id", "gateway_ip", "cidr",
	"allocation_pools", "start", "end", "subnets", "links", "shared",
}

// same makes an answer comparable: what must differ between clouds gets one name.
func (c *cloud) same(v any) any {
	switch t := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, item := range t {
			if slices.Contains(free, k) && !listed(item) {
				out[k] = "<any>"
				continue
			}
			out[k] = c.same(item)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, item := range t {
			out[i] = c.same(item)
		}
		sort.Slice(out, func(i, j int) bool { return canonical(out[i]) < canonical(out[j]) })
		return out
	case string:
		return c.text(t)
	}
	return v
}

// listed: the value is a list of objects, which is an answer and no attribute.
func listed(v any) bool {
	list, _ := v.([]any)
	if len(list) == 0 {
		return false
	}
	_, is := list[0].(map[string]any)
	return is
}

func canonical(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

func (c *cloud) text(s string) string {
	if moment.MatchString(s) {
		return "<time>"
	}
	var names []string
	for name := range c.vars {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		s = replaceWord(s, c.vars[name], "<"+name+">")
	}
	s = proxied.ReplaceAllString(s, "<url>")
	s = uuid.ReplaceAllString(s, "<id>")
	s = hex32.ReplaceAllString(s, "<hex>")
	s = assigned.ReplaceAllString(s, "<ip>")
	s = wholeArg.ReplaceAllString(s, "Value: '<argument>'. ")
	return oneOf.ReplaceAllStringFunc(s, func(m string) string {
		words := strings.Split(strings.TrimPrefix(m, "Value should be one of: "), ", ")
		sort.Strings(words)
		return "Value should be one of: " + strings.Join(words, ", ")
	})
}

// replaceWord replaces what is not part of a longer word or number.
func replaceWord(s, old, by string) string {
	inner := func(i int) bool {
		return i >= 0 && i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z')
	}
	for from := 0; old != ""; {
		at := strings.Index(s[from:], old)
		if at < 0 {
			break
		}
		at += from
		if end := at + len(old); inner(at-1) || inner(end) {
			from = at + 1
			continue
		}
		s = s[:at] + by + s[at+len(old):]
		from = at + len(by)
	}
	return s
}

// shape are the attributes of an answer without their values.
func shape(v any, at string, into map[string]bool) {
	switch t := v.(type) {
	case map[string]any:
		for k, item := range t {
			into[at+"."+k] = true
			shape(item, at+"."+k, into)
		}
	case []any:
		for _, item := range t {
			shape(item, at+"[]", into)
		}
	}
}

// report is how a step's answer is compared and recorded.
func (c *cloud) report(s step, status int, answer any) string {
	what := c.same(answer)
	if s.shape {
		paths := map[string]bool{}
		shape(answer, "", paths)
		var list []string
		for p := range paths {
			list = append(list, p)
		}
		sort.Strings(list)
		what = list
	}
	data, err := json.MarshalIndent(what, "", " ")
	if err != nil {
		c.t.Fatal(err)
	}
	text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(data))
	return fmt.Sprintf("%s %s as %q\n%d\n%s\n", s.method, s.path, s.as, status, text)
}
