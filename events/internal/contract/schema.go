package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"drawbridge.dev/events"
)

// node is one JSON object of a generated document.
type node = map[string]any

// payload is one kind of data and the events that carry it.
type payload struct {
	name   string
	value  events.Payload
	sealed bool // a digest covers every field: one that is unknown is an error
	types  []events.Payload
}

// payloads are all of them; the test holds the list against the golden events.
var payloads = []payload{
	{"requested", events.Requested{}, true, []events.Payload{events.Requested{Exposure: &events.Exposure{}}, events.Requested{}}},
	{"decided", events.Decided{}, true, []events.Payload{events.Decided{Verdict: events.Approved}, events.Decided{Verdict: events.Denied}, events.Decided{Verdict: events.Held}}},
	{"outcome", events.Outcome{}, false, []events.Payload{events.Outcome{State: events.Applied}, events.Outcome{State: events.Failed}, events.Outcome{State: events.Removed}}},
	{"drift", events.Drift{}, false, []events.Payload{events.Drift{}}},
	{"rejected", events.Rejected{}, false, []events.Payload{events.Rejected{}}},
}

var (
	text   = node{"minLength": 1}
	word   = node{"minLength": 1, "maxLength": 253, "pattern": "^[^/\\x00-\\x1f\\x7f]*$"}
	port   = node{"minimum": 1, "maximum": 65535}
	count  = node{"minimum": 0}
	above0 = node{"minimum": 1}
	tries  = node{"minimum": 1, "maximum": 10}
	filled = node{"minItems": 1}
)

// rules are what Validate asks of single fields beyond their types, by Type.Field.
var rules = map[string]node{
	"Key.Cluster": word, "Key.Kind": word, "Key.Namespace": word, "Key.Name": word,
	"Exposure.UID": text, "Exposure.Cloud": word, "Exposure.Listeners": filled,
	"Listener.Port": port, "Member.Port": port, "Backend.Name": text,
	"Route.Path": {"pattern": "^/"}, "Monitor.Type": {"enum": []string{"TCP", "HTTP", "UDP-CONNECT"}},
	"Monitor.Delay": above0, "Monitor.Timeout": above0, "Monitor.MaxRetries": tries, "Monitor.MaxRetriesDown": tries,
	"Requested.Digest": {"pattern": "^sha256:[0-9a-f]{64}$"},
	"Decided.Wish":     text, "Decided.Digest": text, "Outcome.Decision": text, "Outcome.Lease": count,
	"Calls.Writes": count, "Calls.Reads": count, "Calls.Polls": count,
	"Drift.Decision": text, "Drift.Steps": filled, "Rejected.Reason": text,
}

// generator collects the definitions that one schema needs.
type generator struct {
	src    source
	sealed bool
	defs   node
}

// payloadSchema is the JSON Schema of one payload.
func payloadSchema(p payload, src source) ([]byte, error) {
	g := generator{src: src, sealed: p.sealed, defs: node{}}
	root, err := g.object(reflect.TypeOf(p.value))
	if err != nil {
		return nil, err
	}
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["$id"] = "https://drawbridge.dev/schemas/v1/" + p.name + ".json"
	root["title"] = reflect.TypeOf(p.value).Name()
	if len(g.defs) > 0 {
		root["definitions"] = g.defs
	}
	b, err := json.MarshalIndent(root, "", "  ")
	return append(b, '\n'), err
}

func (g *generator) schema(t reflect.Type) (node, error) {
	switch t.Kind() {
	case reflect.Pointer:
		return g.schema(t.Elem())
	case reflect.Struct:
		if _, done := g.defs[t.Name()]; !done {
			g.defs[t.Name()] = nil
			def, err := g.object(t)
			if err != nil {
				return nil, err
			}
			g.defs[t.Name()] = def
		}
		return node{"$ref": "#/definitions/" + t.Name()}, nil
	case reflect.Slice:
		items, err := g.schema(t.Elem())
		return node{"type": "array", "items": items}, err
	case reflect.Map:
		values, err := g.schema(t.Elem())
		return node{"type": "object", "additionalProperties": values}, err
	case reflect.String:
		if values := g.src.values[t.Name()]; t.Name() != "string" && len(values) > 0 {
			return node{"type": "string", "enum": values}, nil
		}
		return node{"type": "string"}, nil
	case reflect.Int, reflect.Uint64:
		return node{"type": "integer"}, nil
	case reflect.Bool:
		return node{"type": "boolean"}, nil
	default:
		return nil, fmt.Errorf("type %s has no schema: teach the generator", t)
	}
}

func (g *generator) object(t reflect.Type) (node, error) {
	properties, required := node{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || f.Anonymous {
			return nil, fmt.Errorf("field %s.%s has no JSON name", t.Name(), f.Name)
		}
		s, err := g.schema(f.Type)
		if err != nil {
			return nil, fmt.Errorf("field %s.%s: %w", t.Name(), f.Name, err)
		}
		for k, v := range rules[t.Name()+"."+f.Name] {
			s[k] = v
		}
		if doc := g.src.docs[t.Name()+"."+f.Name]; doc != "" {
			if ref, is := s["$ref"]; is { // draft 07 reads nothing beside a $ref
				s = node{"allOf": []node{{"$ref": ref}}}
			}
			s["description"] = doc
		}
		properties[name] = s
		if options != "omitempty" && options != "omitzero" {
			required = append(required, name)
		}
	}
	out := node{"type": "object", "properties": properties, "description": g.src.docs[t.Name()]}
	if len(required) > 0 {
		out["required"] = required
	}
	if g.sealed {
		out["additionalProperties"] = false
	}
	return out, nil
}
