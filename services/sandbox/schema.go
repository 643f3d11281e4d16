package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
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

// reason is what is wrong with a value, as a sentence of WSME.
type reason string

func (r reason) Error() string { return string(r) }

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

// decode reads a body that has its object below a key. create fills in defaults.
func (s schema) decode(body []byte, arg argument, create bool, minor int) (map[string]any, error) {
	out, err := schema{{name: arg.key, sub: s}}.root(body, arg.name, create, minor)
	if err != nil {
		return nil, err
	}
	in, ok := out[arg.key].(map[string]any)
	if !ok {
		return nil, broken("'UnsetType' object has no attribute 'project_id'")
	}
	return in, nil
}

// root reads a whole body.
func (s schema) root(body []byte, arg string, create bool, minor int) (map[string]any, error) {
	if len(body) == 0 {
		return nil, bad("Missing argument: \"%s\"", arg)
	}
	var raw any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		return nil, bad("Request is not in valid JSON format")
	}
	top, ok := raw.(map[string]any)
	if !ok {
		return nil, broken("'%s' object has no attribute 'keys'", pyType(raw))
	}
	out, err := s.object(arg, top, create, minor)
	var conv conversionError
	switch {
	case errors.As(err, &conv):
		return nil, bad("%s", invalidError{arg, raw, conv.reason}.Error())
	case err != nil:
		return nil, bad("%s", err.Error())
	}
	return out, nil
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
