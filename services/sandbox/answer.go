package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// request is one call after it was authenticated and split up.
type request struct {
	method string
	path   []string // below the service's version prefix
	query  url.Values
	body   []byte
	header http.Header
	token  *token
	now    time.Time
	base   string // URL of the service, without a version
	url    string // of the request, without its query
}

// refusal is an answer that is not a success, in the words of the service.
type refusal struct {
	status  int
	body    any
	message string
	header  http.Header
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s", r.status, r.message) }

// octaviaFault is how WSME writes an error.
type octaviaFault struct {
	Code   string  `json:"faultcode"`
	String string  `json:"faultstring"`
	Debug  *string `json:"debuginfo"`
}

// pecanFault is how Octavia writes an error that happened outside of a
// controller's method: routing, paging, look-up of a parent.
type pecanFault struct {
	Code        int    `json:"code"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

func octaviaError(status int, format string, args ...any) error {
	f := octaviaFault{Code: "Client", String: fmt.Sprintf(format, args...)}
	if status >= 500 {
		f.Code = "Server"
	}
	return &refusal{status: status, body: f, message: f.String}
}

func pecanError(status int, title, format string, args ...any) error {
	f := pecanFault{status, title, fmt.Sprintf(format, args...)}
	return &refusal{status: status, body: f, message: f.Description}
}

func bad(format string, args ...any) error    { return octaviaError(400, format, args...) }
func broken(format string, args ...any) error { return octaviaError(500, format, args...) }

func invalid(format string, args ...any) error {
	return octaviaError(400, "Validation failure: "+format, args...)
}

func forbidden() error {
	return octaviaError(403, "Policy does not allow this request to be performed.")
}

func overQuota(resource string) error {
	return octaviaError(403, "Quota has been met for resources: %s", resource)
}

func notFound(kind, id string) error { return octaviaError(404, "%s %s not found.", kind, id) }

func immutable(kind, id string) error {
	return octaviaError(409, "%s %s is immutable and cannot be updated.", kind, id)
}

// neutronError is how Neutron writes an error.
func neutronError(status int, kind, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	return &refusal{status: status, message: message, body: map[string]any{
		"NeutronError": map[string]any{"type": kind, "message": message, "detail": ""},
	}}
}

// keystoneError is how Keystone and its middleware write an error.
func keystoneError(status int, base, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	r := &refusal{status: status, message: message, body: map[string]any{
		"error": map[string]any{"code": status, "title": http.StatusText(status), "message": message},
	}}
	if status == http.StatusUnauthorized {
		r.header = http.Header{"Www-Authenticate": {`Keystone uri="` + base + `/identity/v3"`}}
	}
	return r
}

func unauthorized(base string) error {
	return keystoneError(401, base, "The request you have made requires authentication.")
}

// object is a JSON object of an answer.
type object = map[string]any

// orNull is the JSON null of an attribute that is not set.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func pointerOrNull[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

func listOrNull(l []string) any {
	if len(l) == 0 {
		return nil
	}
	return l
}

func listOrEmpty(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

func ids(list []string) []object {
	out := make([]object, len(list))
	for i, id := range list {
		out[i] = object{"id": id}
	}
	return out
}

func truth(s string) bool {
	switch strings.ToLower(s) {
	case "1", "t", "true", "on", "y", "yes":
		return true
	}
	return false
}
