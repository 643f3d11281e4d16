package sandbox

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

var ruleFilters = []string{
	"id", "provisioning_status", "operating_status", "admin_state_up", "created_at", "updated_at", "type", "compare_type", "key", "value", "invert",
}

func ruleMeta(o *l7Rule) *meta { return &o.meta }

// rules answers below l7policies/ID/rules.
func (c *Cloud) rules(r *request) (int, any, error) {
	p := c.state.Policies[r.path[1]]
	if p == nil {
		return 0, nil, pecanError(404, "Bad Request", "L7Policy %s not found.", r.path[1])
	}
	switch r.verb(3) {
	case "GET":
		if err := r.may(p.Project, false); err != nil {
			return 0, nil, err
		}
		var all []object
		for _, id := range p.Rules {
			all = append(all, c.showRule(c.state.Rules[id]))
		}
		out, err := c.page(r, "rules", all, ruleFilters)
		return 200, out, err
	case "POST":
		return c.createRule(r, p)
	case "GET id":
		rule, err := find(r, c.state.Rules, "L7 Rule", r.path[3], ruleMeta, false)
		if err != nil {
			return 0, nil, err
		}
		return 200, object{"rule": selectFields(c.showRule(rule), r.query)}, nil
	case "PUT id":
		return c.updateRule(r, p)
	case "DELETE id":
		rule, err := find(r, c.state.Rules, "L7 Rule", r.path[3], ruleMeta, true)
		if err != nil {
			return 0, nil, err
		}
		if err := c.lockPolicy(r, p); err != nil {
			return 0, nil, err
		}
		rule.Provisioning, rule.Stuck = PendingDelete, false
		return 204, nil, nil
	}
	return 0, nil, wrongMethod(r)
}

func (c *Cloud) lockPolicy(r *request, p *l7Policy) error {
	if p.Provisioning != Active {
		return immutable("L7Policy", p.ID)
	}
	return c.lockListener(r, c.state.Listeners[p.Listener], &p.meta)
}

func (c *Cloud) showRule(r *l7Rule) object {
	o := r.common()
	delete(o, "name")
	o["type"] = r.Type
	o["compare_type"] = r.Compare
	o["key"] = orNull(r.Key)
	o["value"] = r.Value
	o["invert"] = r.Invert
	return c.answer(o, rulePost)
}

func (c *Cloud) newRule(r *request, p *l7Policy, in map[string]any) (*l7Rule, error) {
	rule := &l7Rule{meta: created(r, p.Project, in), Policy: p.ID}
	rule.apply(in)
	if err := rule.validate(); err != nil {
		return nil, err
	}
	return rule, nil
}

func (c *Cloud) addRule(p *l7Policy, rule *l7Rule) {
	c.state.Rules[rule.ID] = rule
	p.Rules = append(p.Rules, rule.ID)
}

func (c *Cloud) createRule(r *request, p *l7Policy) (int, any, error) {
	in, err := rulePost.decode(r.body, argument{"rule_", "rule"}, true, c.minor)
	if err != nil {
		return 0, nil, err
	}
	if err := r.may(p.Project, true); err != nil {
		return 0, nil, err
	}
	rule, err := c.newRule(r, p, in)
	if err != nil {
		return 0, nil, err
	}
	if len(p.Rules) >= maxRules {
		return 0, nil, octaviaError(409, "Too many rules on L7 policy %s", p.ID)
	}
	if err := c.quota(p.Project, "l7rule", "L7 Rule", 1); err != nil {
		return 0, nil, err
	}
	if err := c.lockPolicy(r, p); err != nil {
		return 0, nil, err
	}
	c.addRule(p, rule)
	return 201, object{"rule": c.showRule(rule)}, nil
}

func (c *Cloud) updateRule(r *request, p *l7Policy) (int, any, error) {
	in, err := rulePut.decode(r.body, argument{"l7rule_", "rule"}, false, c.minor)
	if err != nil {
		return 0, nil, err
	}
	rule, err := find(r, c.state.Rules, "L7 Rule", r.path[3], ruleMeta, true)
	if err != nil {
		return 0, nil, err
	}
	next := *rule
	next.apply(in)
	if err := next.validate(); err != nil {
		return 0, nil, err
	}
	if err := c.lockPolicy(r, p); err != nil {
		return 0, nil, err
	}
	*rule = next
	rule.Provisioning, rule.Stuck = PendingUpdate, false
	rule.touch(r.now)
	return 200, object{"rule": c.showRule(rule)}, nil
}

var (
	headerName  = regexp.MustCompile("^[a-zA-Z0-9!#$%&'*+-.^_`|~]+$")
	cookieValue = regexp.MustCompile("^[a-zA-Z0-9!#$%&'()*+-./:<=>?@\\[\\]^_`{|}~]+$")
	headerValue = regexp.MustCompile("^[a-zA-Z0-9!\"#$%&'()*+,-./:;<=>?@\\[\\]^_`{|}~\\\\]+$")
	quotedValue = regexp.MustCompile("^\"[a-zA-Z0-9 \t!\"#$%&'()*+,-./:;<=>?@\\[\\]^_`{|}~\\\\]*\"$")
	controls    = regexp.MustCompile(`[\x00-\x1f\x7f-\x{9f}]`)
	nameField   = regexp.MustCompile(`^([a-zA-Z][A-Za-z0-9-]*)$`)
)

func wrongRule(format string, args ...any) error {
	return bad("Error parsing L7Rule: "+format, args...)
}

// validate is Octavia's validate.l7rule_data.
func (r *l7Rule) validate() error {
	if r.Value == "" {
		return wrongRule("Invalid L7 Rule: L7 rule type requires a value")
	}
	valid, what := headerValue, "comparison value"
	switch r.Type {
	case "HEADER", "COOKIE":
		if r.Key == "" {
			return wrongRule("Invalid L7 Rule: L7 rule type requires a key")
		}
		if !headerName.MatchString(r.Key) {
			return wrongRule("Invalid characters in key")
		}
		what = "header value"
		if r.Type == "COOKIE" {
			valid, what = cookieValue, "cookie value"
		}
	case "FILE_TYPE":
		if r.Compare != "REGEX" && r.Compare != "EQUAL_TO" {
			return wrongRule("Invalid L7 Rule: invalid comparison type for rule type")
		}
	case "SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD":
		return r.validateTLS()
	}
	if r.Compare == "REGEX" {
		return checkRegex(r.Value)
	}
	if valid.MatchString(r.Value) || r.Type != "COOKIE" && quotedValue.MatchString(r.Value) {
		return nil
	}
	return wrongRule("Invalid characters in %s", what)
}

func (r *l7Rule) validateTLS() error {
	wrong := func(format string, args ...any) error { return wrongRule("Invalid L7 Rule: "+format, args...) }
	switch r.Type {
	case "SSL_DN_FIELD":
		if r.Compare == "REGEX" {
			if err := checkRegex(r.Value); err != nil {
				return err
			}
		}
		if r.Key == "" {
			return wrong("L7rule type %s needs to specify a key and a value.", r.Type)
		}
		if !nameField.MatchString(r.Key) {
			return wrong("Invalid L7rule distinguished name field.")
		}
		return nil
	case "SSL_CONN_HAS_CERT":
		if r.Key == "" && !strings.EqualFold(r.Value, "true") {
			return wrong("L7rule value %s is not a boolean True string.", r.Value)
		}
	case "SSL_VERIFY_RESULT":
		if n, err := strconv.Atoi(r.Value); r.Key == "" && (err != nil || n < 0) {
			return wrong("L7rule type %s needs a int value, which is >= 0", r.Type)
		}
	}
	if r.Key != "" {
		return wrong(`L7rule type %s does not use the "key" field.`, r.Type)
	}
	if r.Compare != "EQUAL_TO" {
		return wrong("L7rule type %s only supports the EQUAL_TO compare type.", r.Type)
	}
	return nil
}

// checkRegex refuses what Python's re does, in its words for the usual
// mistakes. Go's syntax is narrower: what only Python takes (look-around,
// back references) is taken here too but never matches.
func checkRegex(expr string) error {
	if controls.MatchString(expr) {
		return wrongRule("Unable to parse regular expression: contains control characters")
	}
	_, err := syntax.Parse(expr, syntax.Perl)
	var e *syntax.Error
	if !errors.As(err, &e) {
		return nil
	}
	told := func(format string, args ...any) error {
		return wrongRule("Unable to parse regular expression: "+format, args...)
	}
	switch e.Code {
	case syntax.ErrMissingParen:
		return told("missing ), unterminated subpattern at position %d", openParen(expr))
	case syntax.ErrUnexpectedParen:
		return told("unbalanced parenthesis at position %d", strings.Index(expr, ")"))
	case syntax.ErrMissingRepeatArgument:
		return told("nothing to repeat at position %d", strings.Index(expr, e.Expr))
	case syntax.ErrMissingBracket:
		return told("unterminated character set at position %d", strings.LastIndex(expr, "["))
	case syntax.ErrInvalidRepeatOp:
		return told("multiple repeat at position %d", strings.Index(expr, e.Expr)+1)
	case syntax.ErrTrailingBackslash:
		return told("bad escape (end of pattern) at position %d", len(expr)-1)
	case syntax.ErrInvalidCharRange:
		return told("bad character range %s at position %d", e.Expr, strings.Index(expr, e.Expr))
	}
	return nil
}

// openParen is the position of the first parenthesis that nothing closes.
func openParen(expr string) int {
	var open []int
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			i++
		case '(':
			open = append(open, i)
		case ')':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		}
	}
	if len(open) == 0 {
		return strings.Index(expr, "(")
	}
	return open[len(open)-1]
}
