package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readiness gathers what the services report. A service that has not reported
// is not ready.
type readiness struct {
	mu    sync.Mutex
	state map[string]error
}

var errStarting = errors.New("is starting")

func newReadiness(services []string) *readiness {
	r := &readiness{state: map[string]error{}}
	for _, s := range services {
		r.state[s] = errStarting
	}
	return r
}

// reporter returns what a service calls when its readiness changes.
func (r *readiness) reporter(service string) func(error) {
	return func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.state[service] = err
	}
}

// err joins the reasons why the process is not ready.
func (r *readiness) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, s := range slices.Sorted(maps.Keys(r.state)) {
		if err := r.state[s]; err != nil {
			errs = append(errs, named(s, err))
		}
	}
	return errors.Join(errs...)
}

// named says which service err is of, where it does not say so itself.
func named(service string, err error) error {
	if strings.HasPrefix(err.Error(), service+": ") {
		return err
	}
	return fmt.Errorf("%s: %w", service, err)
}

// opsHandler serves the three paths that operators and kubelets ask for.
func opsHandler(ctx context.Context, r *readiness, busReady func() error, g prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, context.Cause(ctx))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		err := r.err()
		if b := busReady(); b != nil {
			err = errors.Join(err, named("bus", b))
		}
		answer(w, err)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	return mux
}

func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, "ok")
}
