package policy

import (
	"errors"
	"sync"
)

// health sums up what is wrong with the parts of the service, and reports it
// whenever it changes.
type health struct {
	mu     sync.Mutex
	parts  []string
	wrong  map[string]error
	report func(error)
}

func newHealth(report func(error), parts ...string) *health {
	return &health{parts: parts, wrong: map[string]error{}, report: report}
}

// set says what is wrong with a part; nil: nothing.
func (h *health) set(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if before, known := h.wrong[part]; known && (before == nil) == (err == nil) &&
		(err == nil || err.Error() == before.Error()) {
		return
	}
	h.wrong[part] = err
	var errs []error
	for _, p := range h.parts {
		errs = append(errs, h.wrong[p])
	}
	h.report(errors.Join(errs...))
}
