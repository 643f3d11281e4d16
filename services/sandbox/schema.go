package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// A schema is one of Octavia's WSME types: the attributes that a body may
// have, in the order in which Octavia checks them, which is the order of its
// sources (octavia/api/v2/types). What it says about bad input is WSME's words.
type schema []field

type field struct {
	name  string
	check check
	must  bool
	since int // API minor version from which the attribute is known
	def   any // for what is absent in a create, and for null
	sub   schema
	many  bool // a list of sub
}

// check turns a JSON value into what the model holds: string, int, float64,
// bool, []string or map[string]string. minor is the API version played.
type check func(v any, minor int) (any, error)

// conversionError is a value that WSME could not convert at all: it blames the
// whole argument, not the attribute.
type conversionError struct{ reason string }

func (e conversionError) Error() string { return e.reason }

// unknownError names attributes that the type does not have.
type unknownError struct {
	path  string
	names []string
}

func (e unknownError) Error() string {
	plural := ""
	if len(e.names) > 1 {
		plural = "s"
	}
	return fmt.Sprintf("Unknown attribute%s for argument %s: %s", plural, e.path, strings.Join(e.names, ", "))
}

type invalidError struct {
	name   string
	value  any
	reason string
}

func (e invalidError) Error() string {
	return fmt.Sprintf("Invalid input for field/attribute %s. Value: '%s'. %s", e.name, pyString(e.value), e.reason)
}

// argument is how a controller of Octavia calls its body, which shows in
// error words: name is the Python argument, key the one attribute of the body.
type argument struct{ name, key string }

// decode reads a request's body by its schema. create fills in defaults.
func (s schema) decode(body []byte, arg argument, create bool, minor int) (map[string]any, error) {
	if len(body) == 0 {
		return nil, bad("Missing argument: \"%s\"", arg.name)
	}
	var raw any
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		return nil, bad("Request is not in valid JSON format")
	}
	top, ok := raw.(map[string]any)
	if !ok {
		return nil, broken("'%s' object has no attribute 'keys'", pyType(raw))
	}
	root := schema{{name: arg.key, sub: s}}
	out, err := root.object(arg.name, top, create, minor)
	var conv conversionError
	switch {
	case errors.As(err, &conv):
		return nil, bad("%s", invalidError{arg.name, raw, conv.reason}.Error())
	case err != nil:
		return nil, bad("%s", err.Error())
	}
	in, ok := out[arg.key].(map[string]any)
	if !ok {
		return nil, broken("'UnsetType' object has no attribute 'project_id'")
	}
	return in, nil
}

func (s schema) object(path string, in map[string]any, create bool, minor int) (map[string]any, error) {
	var unknown []string
	for name := range in {
		if !slices.ContainsFunc(s, func(f field) bool { return f.name == name && f.since <= minor }) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return nil, unknownError{path, unknown}
	}
	out := make(map[string]any, len(s))
	for _, f := range s {
		v, given := in[f.name]
		switch {
		case f.since > minor:
		case given && v == nil:
			out[f.name] = f.def
		case given:
			got, err := f.value(path, v, create, minor)
			if err != nil {
				return nil, err
			}
			out[f.name] = got
		case f.must:
			return nil, invalidError{f.name, nil, "Mandatory field missing."}
		case create && f.def != nil:
			out[f.name] = f.def
		}
	}
	return out, nil
}

func (f field) value(path string, v any, create bool, minor int) (any, error) {
	if f.sub == nil {
		got, err := f.check(v, minor)
		var conv conversionError
		var told invalidError
		if err != nil && !errors.As(err, &conv) && !errors.As(err, &told) {
			return nil, invalidError{f.name, v, err.Error()}
		}
		return got, err
	}
	path += "." + f.name
	if !f.many {
		in, ok := v.(map[string]any)
		if !ok {
			return nil, conversionError{fmt.Sprintf("'%s' object has no attribute 'keys'", pyType(v))}
		}
		return f.sub.object(path, in, create, minor)
	}
	items, ok := v.([]any)
	if !ok {
		return nil, conversionError{"Value not a valid list: " + pyString(v)}
	}
	out := make([]map[string]any, 0, len(items))
	for _, item := range items {
		in, ok := item.(map[string]any)
		if !ok {
			return nil, conversionError{fmt.Sprintf("'%s' object has no attribute 'keys'", pyType(item))}
		}
		got, err := f.sub.object(path, in, create, minor)
		if err != nil {
			return nil, err
		}
		out = append(out, got)
	}
	return out, nil
}

func text(limit int) check {
	return func(v any, _ int) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errors.New("Value should be string")
		}
		if limit > 0 && len([]rune(s)) > limit {
			return nil, fmt.Errorf("Value should have a maximum character requirement of %d", limit)
		}
		return s, nil
	}
}

func pattern(limit int, shown string, re *regexp.Regexp) check {
	length := text(limit)
	return func(v any, minor int) (any, error) {
		got, err := length(v, minor)
		if err == nil && !re.MatchString(got.(string)) {
			return nil, fmt.Errorf("Value should match the pattern %s", shown)
		}
		return got, err
	}
}

var uuidForm = regexp.MustCompile(`^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)

func id(v any, _ int) (any, error) {
	s, ok := v.(string)
	if !ok || !uuidForm.MatchString(s) {
		return nil, errors.New("Value should be UUID format")
	}
	h := strings.ToLower(strings.ReplaceAll(s, "-", ""))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

func integer(least, most int) check {
	return func(v any, _ int) (any, error) {
		n, err := pyInt(v)
		if err != nil {
			return nil, err
		}
		if n < least {
			return nil, fmt.Errorf("Value should be greater or equal to %d", least)
		}
		if n > most {
			return nil, fmt.Errorf("Value should be lower or equal to %d", most)
		}
		return n, nil
	}
}

// pyInt is Python's int().
func pyInt(v any) (int, error) {
	switch t := v.(type) {
	case bool:
		if t {
			return 1, nil
		}
		return 0, nil
	case json.Number:
		f, err := t.Float64()
		return int(f), err
	case string:
		n, err := strconv.Atoi(strings.TrimSpace(t))
		if err != nil {
			return 0, conversionError{fmt.Sprintf("invalid literal for int() with base 10: '%s'", t)}
		}
		return n, nil
	}
	return 0, conversionError{fmt.Sprintf("int() argument must be a string, a bytes-like object or a real number, not '%s'", pyType(v))}
}

func boolean(v any, _ int) (any, error) {
	switch t := v.(type) {
	case bool:
		return t, nil
	case json.Number:
		return t.String() != "0", nil
	case string:
		switch strings.ToLower(t) {
		case "true", "on", "yes", "y", "t", "1":
			return true, nil
		case "false", "off", "no", "n", "f", "0":
			return false, nil
		}
	}
	return nil, conversionError{"Value not an unambiguous boolean: " + pyString(v)}
}

// enum knows words; WORD@12 is known from API 2.12 on.
func enum(words ...string) check {
	return func(v any, minor int) (any, error) {
		var known []string
		for _, w := range words {
			word, since, later := strings.Cut(w, "@")
			if n, _ := strconv.Atoi(since); !later || n <= minor {
				known = append(known, word)
			}
		}
		if s, ok := v.(string); ok && slices.Contains(known, s) {
			return s, nil
		}
		return nil, errors.New("Value should be one of: " + strings.Join(known, ", "))
	}
}

func intEnum(numbers ...int) check {
	return func(v any, _ int) (any, error) {
		n, err := pyInt(v)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(numbers, n) {
			return nil, errors.New("Value should be one of: " + strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ", "), "[]"))
		}
		return n, nil
	}
}

func httpVersion(v any, _ int) (any, error) {
	n, ok := v.(json.Number)
	if s, is := v.(string); is {
		n, ok = json.Number(s), true
	}
	f, err := n.Float64()
	if !ok || err != nil {
		return nil, conversionError{fmt.Sprintf("could not convert string to float: '%s'", pyString(v))}
	}
	if f != 1.0 && f != 1.1 {
		shown := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(shown, ".") {
			shown += ".0"
		}
		return nil, invalidError{"http_version", shown, "Value should be one of: 1.0, 1.1"}
	}
	return f, nil
}

func address(v any, _ int) (any, error) {
	s, ok := v.(string)
	if _, err := netip.ParseAddr(s); !ok || err != nil {
		return nil, errors.New("Value should be IPv4 or IPv6 format")
	}
	return s, nil
}

func cidr(v any, _ int) (any, error) {
	s, _ := v.(string)
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()).String(), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, errors.New("Value should be IPv4 or IPv6 CIDR format")
	}
	return p.Masked().String(), nil
}

func list(item check) check {
	return func(v any, minor int) (any, error) {
		items, ok := v.([]any)
		if !ok {
			return nil, conversionError{"Value not a valid list: " + pyString(v)}
		}
		out := make([]string, 0, len(items))
		for _, i := range items {
			got, err := item(i, minor)
			if err != nil {
				return nil, err
			}
			out = append(out, got.(string))
		}
		return out, nil
	}
}

func dictionary(v any, _ int) (any, error) {
	in, ok := v.(map[string]any)
	if !ok {
		return nil, conversionError{"Value not a valid dict: " + pyString(v)}
	}
	out := make(map[string]string, len(in))
	for k, item := range in {
		s, ok := item.(string)
		if !ok {
			return nil, errors.New("Value should be string")
		}
		out[k] = s
	}
	return out, nil
}

// pyString is Python's str() of a JSON value, for error words.
func pyString(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return pyRepr(v)
}

func pyRepr(v any) string {
	switch t := v.(type) {
	case nil:
		return "None"
	case bool:
		if t {
			return "True"
		}
		return "False"
	case string:
		return "'" + t + "'"
	case []any:
		parts := make([]string, len(t))
		for i, item := range t {
			parts[i] = pyRepr(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		keys := make([]string, 0, len(t))
		for k := range t {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for i, k := range keys {
			keys[i] = pyRepr(k) + ": " + pyRepr(t[k])
		}
		return "{" + strings.Join(keys, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func pyType(v any) string {
	switch v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case string:
		return "str"
	case []any:
		return "list"
	case map[string]any:
		return "dict"
	}
	return "int"
}
