package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong with requests on purpose.
type Fault struct {
	// Method of the requests; empty: every one.
	Method string `json:"method,omitempty"`
	// PathPattern is a regular expression searched in path and query, with the
	// service's prefix: "/load-balancer/v2.*/loadbalancers$". Empty: every path.
	PathPattern string `json:"path,omitempty"`
	// Times is how often it happens; 0: until ClearFaults.
	Times int `json:"times,omitempty"`
	// Status and Body answer instead of the cloud, which does nothing then.
	Status int    `json:"status,omitempty"`
	Body   string `json:"body,omitempty"` // JSON; default: a fault in Octavia's form
	// Before and After are waits before the work and between work and answer.
	Before time.Duration `json:"before,omitempty"` // ns
	After  time.Duration `json:"after,omitempty"`  // ns
	// DropAnswer does the work and cuts the connection instead of answering.
	DropAnswer bool `json:"drop-answer,omitempty"`

	re *regexp.Regexp
}

func (f *Fault) body() string {
	if f.Body != "" {
		return f.Body
	}
	return fmt.Sprintf(`{"faultcode": "Server", "faultstring": "a fault injected by the sandbox: %d %s", "debuginfo": null}`, f.Status, http.StatusText(f.Status))
}

// hold waits before or after the work; false: the client went away.
func (f *Fault) hold(ctx context.Context, after bool) bool {
	d := f.Before
	if after {
		d = f.After
	}
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

type faults struct {
	mu   sync.Mutex
	list []*Fault
}

// Inject adds a fault. Of several that fit a request, the oldest happens.
func (c *Cloud) Inject(f Fault) error {
	if f.Status != 0 && (f.Status < 100 || f.Status > 599) {
		return fmt.Errorf("sandbox: fault: status %d is not in 100-599", f.Status)
	}
	if f.Body != "" && !json.Valid([]byte(f.Body)) {
		return fmt.Errorf("sandbox: fault: body is no JSON")
	}
	re, err := regexp.Compile(f.PathPattern)
	if err != nil {
		return fmt.Errorf("sandbox: fault: path: %w", err)
	}
	f.re = re
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.list = append(c.faults.list, &f)
	return nil
}

// ClearFaults ends every fault.
func (c *Cloud) ClearFaults() {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.list = nil
}

// Faults are those that can still happen.
func (c *Cloud) Faults() []Fault {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	out := []Fault{}
	for _, f := range c.faults.list {
		out = append(out, *f)
	}
	return out
}

// take is the fault that a request meets, or nil.
func (f *faults) take(method string, u *url.URL) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if fault.Method != "" && !strings.EqualFold(fault.Method, method) || !fault.re.MatchString(pathAndQuery(u)) {
			continue
		}
		met := *fault
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				f.list = append(f.list[:i:i], f.list[i+1:]...)
			}
		}
		return &met
	}
	return nil
}
