package octavia

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

// Class says what a caller does about an error.
type Class int

// Classes of errors.
const (
	Retry     Class = iota // passing: 5xx, 429, time-outs, no connection: try again with back-off
	Busy                   // the load balancer is at work: wait until it has settled
	Stale                  // what was read is not true any more: look again
	Gone                   // it is not there (any more)
	Quota                  // a quota is met, or addresses are taken: somebody must raise it or free something
	Permanent              // the request is refused: the same one always will be
)

// Error is a refusal of the cloud, or the lack of an answer. Without an answer
// what was asked for may have been done all the same: look before asking again.
type Error struct {
	Op         string // what was tried
	Class      Class
	Status     int    // HTTP; 0: there was no answer
	Message    string // of the cloud
	RetryAfter time.Duration
	local      bool // nothing was sent: it is this side that lacks something
	err        error
}

// Error implements error.
func (e *Error) Error() string {
	text := cmp.Or(e.Message, fmt.Sprint(e.err))
	if e.Status != 0 {
		text = fmt.Sprintf("%d: %s", e.Status, text)
	}
	if h := e.hint(); h != "" {
		text += " (" + h + ")"
	}
	return e.Op + ": " + text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.err }

// ClassOf is the class of an error; what is not of the cloud is [Retry].
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Retry
}

// Throttled says whether the cloud asks to slow down, and for how long (0: it does not say).
func Throttled(err error) (time.Duration, bool) {
	var e *Error
	if errors.As(err, &e) && (e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable) {
		return e.RetryAfter, true
	}
	return 0, false
}

// Unreachable says whether the cloud did not answer, or does not let us in.
func Unreachable(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == 0 && e.Class == Retry && !e.local || e.Status == http.StatusUnauthorized)
}

// classify wraps an error of gophercloud. What is classified already stays so.
func classify(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if known := (*Error)(nil); errors.As(err, &known) {
		return err
	}
	e := &Error{Op: op, err: err}
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) {
		return e
	}
	e.Status, e.Message = code.Actual, message(code.Body)
	if s, err := strconv.Atoi(code.ResponseHeader.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	e.Class = classOf(e.Status, strings.ToLower(e.Message))
	return e
}

func classOf(status int, text string) Class {
	says := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	switch {
	case status == http.StatusNotFound:
		return Gone
	case says("quota") && (status == http.StatusForbidden || status == http.StatusConflict || status == http.StatusRequestEntityTooLarge):
		return Quota
	case says("already allocated in subnet", "no more ip addresses"): // Octavia passes Neutron's 409 on as 500
		return Quota
	case status == http.StatusInternalServerError && says("is not a valid ip for the specified subnet"):
		return Permanent
	case status == http.StatusBadRequest && says("could not retrieve certificate"): // a secret that is not there any more
		return Stale
	case status == http.StatusConflict && says("immutable", "invalid state", "pending"):
		return Busy
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return Stale
	case status == http.StatusUnauthorized, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return Retry
	case status == http.StatusNotImplemented, status >= 400 && status < 500:
		return Permanent
	}
	return Retry
}

// hint is what a person can do about a refusal.
func (e *Error) hint() string {
	text := strings.ToLower(e.Message)
	switch {
	case strings.Contains(text, "already allocated in subnet"):
		return "ask for another address, or free it"
	case strings.Contains(text, "no more ip addresses"):
		return "free addresses of the network, or give it another subnet"
	case e.Class == Quota:
		return "raise the quota of the project, or delete what is not needed"
	case e.Status == http.StatusNotImplemented:
		return "the driver of the load balancer lacks it: leave it out, or use another provider or flavor"
	}
	return ""
}

// message is what the services say in their several shapes of an error body.
func message(body []byte) string {
	var b struct {
		Fault   string          `json:"faultstring"`
		Title   string          `json:"title"`
		Desc    string          `json:"description"`
		Neutron json.RawMessage `json:"NeutronError"`
		Error   struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &b) == nil {
		var neutron struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(b.Neutron, &neutron) != nil {
			neutron.Message = string(b.Neutron)
		}
		if text := cmp.Or(b.Fault, neutron.Message, b.Error.Message, b.Desc, b.Title); text != "" {
			text, _, _ = strings.Cut(text, "\nNeutron server returns request_ids") // what Octavia passes on
			return text
		}
	}
	text := strings.TrimSpace(string(body))
	return text[:min(len(text), 300)]
}
