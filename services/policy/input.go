package policy

import (
	"reflect"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"drawbridge.dev/events"
)

// Input is the document that a bundle is asked with. Its fields are always
// there; those of an exposure are as the contract writes them, so that what is
// empty may be missing (policies/README.md).
type Input struct {
	Wish      events.Exposure  `json:"wish"`
	Object    InputObject      `json:"object"`
	Cluster   InputCluster     `json:"cluster"`
	Approved  *events.Exposure `json:"approved"` // what stands; null: nothing
	Inventory Holdings         `json:"inventory"`
	Time      string           `json:"time"` // RFC 3339, of the wish: the same wish is answered alike whenever it is asked
}

// InputObject is the metadata of the object that asks.
type InputObject struct {
	Labels          map[string]string `json:"labels"`
	Annotations     map[string]string `json:"annotations"`
	NamespaceLabels map[string]string `json:"namespaceLabels"`
}

// InputCluster is the cluster that asks, with the labels of the policy service's own configuration.
type InputCluster struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

// Holdings is the part of the fleet's inventory that concerns one wish.
type Holdings struct {
	// Claims are approved hosts of others that overlap with the wish's, by
	// host, with the oldest claimant; one of another namespace goes first. Of
	// the many that a wildcard may overlap with, the oldest of each of at most 16 namespaces.
	Claims map[string]events.Key `json:"claims"`
	// LoadBalancers of the namespace that the wish does not count among its own.
	LoadBalancers int `json:"loadBalancers"`
	// Group is the wish's; nil: it is in none.
	Group *Group `json:"group"`
	// Conflicts are what the wish wants otherwise than others whose load
	// balancer or address it shares, at most 16.
	Conflicts []Conflict `json:"conflicts"`
}

// Group is what stands in a group beside the wish.
type Group struct {
	Size int `json:"size"` // exposures
	// Members are the oldest of each other namespace, at most 16, the oldest
	// first; if there are none, the oldest of the wish's own.
	Members []events.Key `json:"members"`
}

// Conflict is something that the wish and an exposure that stands cannot both
// have. Who stands with it sees older ones only.
type Conflict struct {
	What    What       `json:"what"`
	Subject string     `json:"subject"` // for people: "TCP port 443"
	Wanted  string     `json:"wanted"`  // by the wish; empty: nothing to tell
	Held    string     `json:"held"`
	By      events.Key `json:"by"` // the oldest that holds it
}

func (in Input) value() ast.Value { return term(reflect.ValueOf(in)).Value }

// field is one JSON field of a struct type.
type field struct {
	index int
	name  *ast.Term
	omit  bool // where it is empty
}

var fieldsOf sync.Map // reflect.Type -> []field

func structFields(t reflect.Type) []field {
	if f, ok := fieldsOf.Load(t); ok {
		return f.([]field)
	}
	var out []field
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		omit := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		out = append(out, field{i, ast.StringTerm(name), omit})
	}
	fieldsOf.Store(t, out)
	return out
}

// term is v as its JSON would be read, without the JSON; nil maps and slices
// are empty ones. It knows the kinds that the contract uses.
func term(v reflect.Value) *ast.Term {
	switch v.Kind() {
	case reflect.String:
		return ast.StringTerm(v.String())
	case reflect.Bool:
		return ast.InternedTerm(v.Bool())
	case reflect.Int:
		return ast.InternedTerm(int(v.Int()))
	case reflect.Pointer:
		if v.IsNil() {
			return ast.NullTerm()
		}
		return term(v.Elem())
	case reflect.Slice:
		items := make([]*ast.Term, v.Len())
		for i := range items {
			items[i] = term(v.Index(i))
		}
		return ast.ArrayTerm(items...)
	case reflect.Map:
		items := make([][2]*ast.Term, 0, v.Len())
		for it := v.MapRange(); it.Next(); {
			items = append(items, [2]*ast.Term{ast.StringTerm(it.Key().String()), term(it.Value())})
		}
		return ast.ObjectTerm(items...)
	case reflect.Struct:
		fields := structFields(v.Type())
		items := make([][2]*ast.Term, 0, len(fields))
		for _, f := range fields {
			if x := v.Field(f.index); !f.omit || !empty(x) {
				items = append(items, [2]*ast.Term{f.name, term(x)})
			}
		}
		return ast.ObjectTerm(items...)
	default:
		panic("policy: the input document holds a " + v.Kind().String())
	}
}

// empty is what encoding/json omits.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}
