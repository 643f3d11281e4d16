package auditor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"drawbridge.dev/services/auditor/history"
)

// Problem is an answer that is an error, by RFC 9457 (application/problem+json).
type Problem struct { //nolint:errname // the RFC's word
	Title     string `json:"title"` // of the status
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`    // what is wrong with this request
	Parameter string `json:"parameter,omitempty"` // of the query, that is wrong
}

func (p *Problem) Error() string {
	if p.Detail == "" {
		return fmt.Sprintf("%d %s", p.Status, p.Title)
	}
	return p.Detail
}

// Is makes a 404 an [ErrNotFound].
func (p *Problem) Is(target error) bool {
	return target == ErrNotFound && p.Status == http.StatusNotFound
}

// newAPI answers, always in JSON:
//
//	GET /v1/events?cluster=&kind=&namespace=&name=&stage=&verdict=&cloud=&since=&until=&limit=&before=
//	    a Page, the newest first; see ParseFilter. The query of the following
//	    page is the same with before=<next>.
//	    {"events":[{"row":7,"epoch":1,"sequence":9,"id":"…","time":"2026-03-01T12:00:00Z","stage":"decided",
//	      "verdict":"denied","cloud":"default","cluster":"blue","kind":"Ingress","namespace":"shop","name":"web",
//	      "change":"…","cause":"…","source":"/policy","payload":{…}}],
//	     "gaps":[{"epoch":1,"first":3,"last":4,"missed":2,"beforeRow":3,"found":"…","reason":"…"}],"next":7}
//	GET /v1/changes/{id}
//	    a Change by its id or that of any event of it, every event after its
//	    cause; the payloads say what was asked, decided by which rules of which
//	    bundle, and which steps and calls were made. 404 if there is none.
//	    {"id":"…","events":[…],"gaps":[…]}
//	GET /v1/exposures
//	    the last event of every stage of every exposure:
//	    {"exposures":[{"cloud":"default","cluster":"blue","kind":"Ingress","namespace":"shop","name":"web",
//	      "requested":{…},"decided":{…},"outcome":{…}}]}
//	GET /v1/gaps
//	    every gap, the newest first: {"gaps":[…]}
//
// A request that cannot be answered gets a Problem.
func newAPI(s *history.Store, log zerolog.Logger, now func() time.Time) http.Handler {
	a := &api{store: s, log: log, now: now}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/events", a.serve(a.events))
	mux.HandleFunc("GET /v1/changes/{id}", a.serve(a.change))
	mux.HandleFunc("GET /v1/exposures", a.serve(a.exposures))
	mux.HandleFunc("GET /v1/gaps", a.serve(a.gaps))
	mux.HandleFunc("GET /", a.serve(func(r *http.Request) (any, error) {
		return nil, &Problem{Status: http.StatusNotFound, Detail: fmt.Sprintf("there is no %s: ask for /v1/events, /v1/changes/{id}, /v1/exposures or /v1/gaps", r.URL.Path)}
	}))
	return mux
}

type api struct {
	store *history.Store
	log   zerolog.Logger
	now   func() time.Time
}

func (a *api) events(r *http.Request) (any, error) {
	q, err := parameters(r)
	if err != nil {
		return nil, err
	}
	f, err := ParseFilter(q, a.now())
	if err != nil {
		return nil, err
	}
	return a.store.Events(r.Context(), f)
}

func (a *api) change(r *http.Request) (any, error) {
	if err := noParameters(r); err != nil {
		return nil, err
	}
	return a.store.Change(r.Context(), r.PathValue("id"))
}

// exposureList is the answer of /v1/exposures.
type exposureList struct {
	Exposures []Exposure `json:"exposures"`
}

func (a *api) exposures(r *http.Request) (any, error) {
	if err := noParameters(r); err != nil {
		return nil, err
	}
	list, err := a.store.Exposures(r.Context())
	return exposureList{list}, err
}

// gapList is the answer of /v1/gaps.
type gapList struct {
	Gaps []Gap `json:"gaps"`
}

func (a *api) gaps(r *http.Request) (any, error) {
	if err := noParameters(r); err != nil {
		return nil, err
	}
	gaps, err := a.store.Gaps(r.Context())
	return gapList{append([]Gap{}, gaps...)}, err
}

// parameters is the query of a request, which unlike r.URL.Query drops nothing malformed.
func parameters(r *http.Request) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("query: %v", err)}
	}
	return q, nil
}

func noParameters(r *http.Request) error {
	q, err := parameters(r)
	for name := range q {
		return &ParameterError{name, "is unknown"}
	}
	return err
}

// serve writes what f answers.
func (a *api) serve(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := f(r)
		status, kind := http.StatusOK, "application/json"
		if err != nil {
			p := a.problem(r.Context(), err)
			answer, status, kind = p, p.Status, "application/problem+json"
		}
		body, err := json.Marshal(answer)
		if err != nil {
			a.log.Error().Err(err).Str("path", r.URL.Path).Msg("answer cannot be written as JSON")
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(status)
		if _, err := w.Write(append(body, '\n')); err != nil {
			a.log.Debug().Err(err).Str("path", r.URL.Path).Msg("client went away")
		}
	}
}

// problem is what the client may know of err.
func (a *api) problem(ctx context.Context, err error) *Problem {
	p := &Problem{Status: http.StatusInternalServerError, Detail: "history cannot be read: the log of the auditor says why"}
	var parameter *ParameterError
	var own *Problem
	switch {
	case errors.As(err, &own):
		p = own
	case errors.As(err, &parameter):
		p = &Problem{Status: http.StatusBadRequest, Detail: parameter.Error(), Parameter: parameter.Parameter}
	case errors.Is(err, history.ErrNotFound):
		p = &Problem{Status: http.StatusNotFound, Detail: err.Error()}
	case ctx.Err() == nil:
		a.log.Error().Err(err).Msg("history cannot be read")
	}
	p.Title = http.StatusText(p.Status)
	return p
}
