package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// maxBody is more than any request needs; a whole create of 10,000 members
// has some MB.
const maxBody = 64 << 20

// Call is one request that the cloud got.
type Call struct {
	Time    time.Time     `json:"time"`
	Method  string        `json:"method"`
	Path    string        `json:"path"`              // with the service's prefix
	Query   string        `json:"query,omitempty"`   // raw
	Status  int           `json:"status"`            // 0: the connection was cut
	Project string        `json:"project,omitempty"` // name; empty without a token
	Took    time.Duration `json:"took"`
}

// Write tells a call that changes something from one that reads. Logging in
// changes nothing.
func (c Call) Write() bool {
	return c.Method != http.MethodGet && c.Method != http.MethodHead && !strings.HasPrefix(c.Path, "/identity/")
}

type calls struct {
	mu   sync.Mutex
	list []Call
}

// maxCalls bounds what is remembered of calls: the older half goes.
const maxCalls = 1 << 16

func (c *calls) add(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) == maxCalls {
		c.list = append([]Call(nil), c.list[maxCalls/2:]...)
	}
	c.list = append(c.list, call)
}

// Calls are the requests since the start or the last ResetCalls, oldest first:
// at most the last 65,536.
func (c *Cloud) Calls() []Call {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	return append([]Call(nil), c.calls.list...)
}

// ResetCalls forgets the requests so far.
func (c *Cloud) ResetCalls() {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	c.calls.list = nil
}

// serve is the one handler: sandbox/ for tests and operators, the services below
// their prefixes for clients.
func (c *Cloud) serve(w http.ResponseWriter, req *http.Request) {
	service, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	if service == "sandbox" {
		c.admin(w, req)
		return
	}
	call := Call{Time: c.now(), Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	fault := c.faults.take(req.Method, req.URL)
	if fault != nil && !fault.hold(req.Context(), false) {
		return
	}
	var out reply
	if fault != nil && fault.Status != 0 {
		out = reply{status: fault.Status, body: json.RawMessage(fault.body())}
	} else {
		out = c.handle(req, service, body)
	}
	call.Project = out.project
	if fault != nil {
		if !fault.hold(req.Context(), true) {
			return
		}
		if fault.DropAnswer {
			call.Took = time.Since(call.Time)
			c.calls.add(call)
			panic(http.ErrAbortHandler)
		}
	}
	call.Status, call.Took = out.status, time.Since(call.Time)
	c.calls.add(call)
	out.write(w)
}

type reply struct {
	status  int
	body    any
	header  http.Header
	project string
}

func (r reply) write(w http.ResponseWriter) {
	h := w.Header()
	for k, v := range r.header {
		h[k] = v
	}
	h.Set("X-Openstack-Request-Id", "req-"+newID())
	if r.status == http.StatusNoContent || r.body == nil {
		w.WriteHeader(r.status)
		return
	}
	if raw, ok := r.body.([]byte); ok {
		w.WriteHeader(r.status)
		_, _ = w.Write(raw) // a client that went away does not matter
		return
	}
	data, err := json.Marshal(r.body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(r.status)
	_, _ = w.Write(data) // a client that went away does not matter
}

// handle does one call under the lock, and waits until its change is saved.
func (c *Cloud) handle(req *http.Request, service string, body []byte) reply {
	c.mu.Lock()
	r := &request{
		method: req.Method, query: req.URL.Query(), body: body, header: req.Header, now: c.now(), token: c.valid(req.Header.Get("X-Auth-Token"), c.now()),
		base: c.url + "/" + service, url: c.url + req.URL.Path,
	}
	if rest := strings.TrimPrefix(strings.TrimPrefix(req.URL.EscapedPath(), "/"+service), "/"); rest != "" {
		r.path = strings.Split(rest, "/")
	}
	var out reply
	var err error
	switch service {
	case "identity":
		out.status, out.body, out.header, err = c.identity(r, req.Header)
	case "load-balancer":
		out.status, out.body, err = c.octavia(r)
	case "network":
		out.status, out.body, err = c.neutron(r)
	case "key-manager":
		if c.cfg.WithoutBarbican {
			err = keystoneError(404, c.url, "This cloud has no key manager.")
			break
		}
		out.status, out.body, out.header, err = c.barbican(r)
	default:
		err = keystoneError(404, c.url, "There is no service here; see /identity, /load-balancer, /network, /key-manager.")
	}
	if r.token != nil {
		out.project = c.state.Projects[r.token.project]
	}
	write := err == nil && req.Method != http.MethodGet && req.Method != http.MethodHead && service != "identity"
	version := c.version
	if write {
		version = c.changed()
	}
	c.mu.Unlock()
	if write {
		err = c.saver.save(version, c.snapshot)
	}
	var no *refusal
	switch {
	case errors.As(err, &no):
		out.status, out.body, out.header = no.status, no.body, no.header
	case err != nil:
		out.status, out.body, out.header = 500, octaviaFault{Code: "Server", String: err.Error()}, nil
	}
	return out
}

// pathAndQuery is what the pattern of a fault is searched in.
func pathAndQuery(u *url.URL) string {
	if u.RawQuery == "" {
		return u.Path
	}
	return u.Path + "?" + u.RawQuery
}
