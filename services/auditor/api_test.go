package auditor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor/history"
)

var web = events.Key{Cluster: "blue", Kind: events.KindIngress, Namespace: "shop", Name: "web"}

// trip is a wish, its decision and its outcome.
func trip(k events.Key, n int) []events.Event {
	at := noon.Add(time.Duration(n) * time.Minute)
	ask := events.New("/watcher/"+k.Cluster, "default", k, events.Requested{Object: events.Object{Labels: map[string]string{"n": fmt.Sprint(n)}}}.Seal(), "", nil, at)
	d := events.Decided{Verdict: events.Denied, Wish: "w", Reasons: []string{"no"}, Rules: []string{"hosts.suffix"}, Policy: events.PolicyRef{Bundle: "drawbridge", Revision: "7"}}.Seal(k)
	decided := events.New("/policy", "default", k, d, "", &ask, at.Add(time.Second))
	done := events.New("/executor/default", "default", k, events.Outcome{State: events.Removed, Decision: d.Digest, Steps: []string{"delete"},
		Calls: events.Calls{Writes: 1}}, "", &decided, at.Add(2*time.Second))
	return []events.Event{ask, decided, done}
}

func entriesOf(t testing.TB, first uint64, list ...events.Event) (out []history.Entry) {
	t.Helper()
	for i, e := range list {
		b, err := json.Marshal(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, history.Entry{Sequence: first + uint64(i), Subject: e.Subject(), Event: e, Data: b})
	}
	return out
}

func newStore(t testing.TB) *history.Store {
	t.Helper()
	s, err := history.Open(t.Context(), filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// serveStore is a client of the API over a store with two trips and a gap between them.
func serveStore(t *testing.T) (Client, *history.Store) {
	t.Helper()
	s := newStore(t)
	other := web
	other.Name = "other"
	list := append(entriesOf(t, 1, trip(web, 1)...), entriesOf(t, 6, trip(other, 2)...)...)
	list = append(list, history.Entry{Sequence: 9, Subject: "fleet.x", Data: []byte("?"), Err: errors.New("no event")})
	if _, err := s.Append(t.Context(), list, noon); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(newAPI(s, zerolog.Nop(), func() time.Time { return noon.Add(time.Hour) }))
	t.Cleanup(srv.Close)
	return Client{BaseURL: srv.URL + "/"}, s
}

func TestEvents(t *testing.T) {
	c, _ := serveStore(t)
	for _, tt := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "undecodable removed denied withdrawn removed denied withdrawn"},
		{Filter{Name: "web"}, "removed denied withdrawn"},
		{Filter{Stage: "decided", Since: noon.Add(90 * time.Second)}, "denied"},
		{Filter{Verdict: "undecodable"}, "undecodable"},
		{Filter{Until: noon.Add(90 * time.Second), Limit: 2}, "undecodable removed"},
		{Filter{Cloud: "west"}, ""},
	} {
		p, err := c.Events(t.Context(), tt.f)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range p.Events {
			got = append(got, e.Verdict)
		}
		if d := cmp.Diff(tt.want, strings.Join(got, " ")); d != "" {
			t.Errorf("%+v: %s", tt.f, d)
		}
	}
	p, err := c.Events(t.Context(), Filter{Limit: 4})
	if err != nil || p.Next == 0 || len(p.Gaps) != 1 || p.Gaps[0].First != 4 || p.Gaps[0].Missed != 2 {
		t.Errorf("first page: next %d, gaps %+v, %v; the gap lies in it", p.Next, p.Gaps, err)
	}
	p, err = c.Events(t.Context(), Filter{Limit: 4, Before: p.Next})
	if err != nil || p.Next != 0 || len(p.Gaps) != 0 || len(p.Events) != 3 {
		t.Errorf("second page: %+v, %v", p, err)
	}
	x, err := c.Exposures(t.Context())
	if err != nil || len(x) != 2 || x[1].Key() != web || x[1].Outcome == nil || x[1].Outcome.Verdict != "removed" {
		t.Errorf("exposures %+v, %v", x, err)
	}
	gaps, err := c.Gaps(t.Context())
	if err != nil || len(gaps) != 1 {
		t.Errorf("gaps %+v, %v", gaps, err)
	}
}

func TestChange(t *testing.T) {
	c, _ := serveStore(t)
	want := trip(web, 1)
	got, err := c.Change(t.Context(), want[2].ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != want[0].ID || len(got.Events) != 3 || len(got.Gaps) != 1 {
		t.Fatalf("%+v", got)
	}
	for i, e := range got.Events {
		if e.ID != want[i].ID || e.Key() != web || !e.Time.Equal(want[i].Time) {
			t.Errorf("event %d: %+v, want %+v", i, e, want[i])
		}
	}
	var d events.Decided
	var o events.Outcome
	if err := errors.Join(json.Unmarshal(got.Events[1].Payload, &d), json.Unmarshal(got.Events[2].Payload, &o)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[1].Payload, events.Payload(d)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[2].Payload, events.Payload(o)); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{"nobody", "a/b", "../gaps", "%2e"} {
		if _, err := c.Change(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("change %q: %v, want ErrNotFound", id, err)
		}
	}
}

// The JSON as the documentation of newAPI has it.
func TestJSON(t *testing.T) {
	s := newStore(t)
	e := trip(web, 1)[1]
	if _, err := s.Append(t.Context(), entriesOf(t, 3, e), noon); err != nil {
		t.Fatal(err)
	}
	h := newAPI(s, zerolog.Nop(), time.Now)
	payload, err := json.Marshal(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	event := `{"row":1,"epoch":1,"sequence":3,"id":"` + e.ID + `","time":"2026-03-01T12:01:01Z","stage":"decided","verdict":"denied","cloud":"default",` +
		`"cluster":"blue","kind":"Ingress","namespace":"shop","name":"web","change":"` + e.Change + `","cause":"` + e.Cause + `","source":"/policy","payload":` + string(payload) + `}`
	gap := `{"epoch":1,"first":1,"last":2,"missed":2,"beforeRow":1,"found":"2026-03-01T12:00:00Z","reason":"gone from HISTORY before they were read: raise streams.max-age or streams.max-size, or keep the auditor running"}`
	for _, tt := range []struct {
		method, path string
		status       int
		kind, body   string
	}{
		{"GET", "/v1/events?limit=1", 200, "application/json", `{"events":[` + event + `],"gaps":[` + gap + `]}`},
		{"GET", "/v1/events?name=none&before=1", 200, "application/json", `{"events":[]}`},
		{"GET", "/v1/changes/" + e.Change, 200, "application/json", `{"id":"` + e.Change + `","events":[` + event + `],"gaps":[` + gap + `]}`},
		{"GET", "/v1/gaps", 200, "application/json", `{"gaps":[` + gap + `]}`},
		{"GET", "/v1/exposures", 200, "application/json", `{"exposures":[{"cloud":"default","cluster":"blue","kind":"Ingress","namespace":"shop","name":"web","decided":` + event + `}]}`},
		{"GET", "/v1/exposures?name=a", 400, "application/problem+json", `{"title":"Bad Request","status":400,"detail":"parameter name: is unknown","parameter":"name"}`},
		{"GET", "/v1/events?limit=0", 400, "application/problem+json", `{"title":"Bad Request","status":400,"detail":"parameter limit: \"0\" is not in 1-1000","parameter":"limit"}`},
		{"GET", "/v1/gaps?since=1h", 400, "application/problem+json", `{"title":"Bad Request","status":400,"detail":"parameter since: is unknown","parameter":"since"}`},
		{"GET", "/v1/changes/x?limit=1", 400, "application/problem+json", `{"title":"Bad Request","status":400,"detail":"parameter limit: is unknown","parameter":"limit"}`},
		{"GET", "/v1/events?a=%zz", 400, "application/problem+json", `{"title":"Bad Request","status":400,"detail":"query: invalid URL escape \"%zz\""}`},
		{"GET", "/v1/changes/x", 404, "application/problem+json", `{"title":"Not Found","status":404,"detail":"no such change in history: \"x\" is neither the id of a change nor of an event of one"}`},
		{"GET", "/v2", 404, "application/problem+json", `{"title":"Not Found","status":404,"detail":"there is no /v2: ask for /v1/events, /v1/changes/{id}, /v1/exposures or /v1/gaps"}`},
		{"POST", "/v1/events", 405, "", ""},
		{"DELETE", "/v1/changes/x", 405, "", ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.status {
			t.Errorf("%s %s = %d, want %d", tt.method, tt.path, w.Code, tt.status)
		}
		if tt.body == "" {
			continue
		}
		if got := w.Header().Get("Content-Type"); got != tt.kind {
			t.Errorf("%s: Content-Type %q, want %q", tt.path, got, tt.kind)
		}
		if d := cmp.Diff(tt.body+"\n", w.Body.String()); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.path, d)
		}
	}
}

func TestEmptyListsAreLists(t *testing.T) {
	h := newAPI(newStore(t), zerolog.Nop(), time.Now)
	for _, name := range []string{"gaps", "exposures", "events"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/"+name, nil))
		if want := "{\"" + name + "\":[]}\n"; w.Body.String() != want {
			t.Errorf("%s, want %s", w.Body.String(), want)
		}
	}
}

// What is wrong inside is in the log, and the client is told so.
func TestUnreadableHistory(t *testing.T) {
	c, s := serveStore(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := c.Events(t.Context(), Filter{})
	var p *Problem
	if !errors.As(err, &p) || p.Status != 500 || !strings.Contains(err.Error(), "log of the auditor") || strings.Contains(err.Error(), "history.db") {
		t.Errorf("closed history: %v", err)
	}
}

func TestClientErrors(t *testing.T) {
	answer := func(status int, body string) Client {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer secret-token" {
				t.Errorf("Authorization %q", r.Header.Get("Authorization"))
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		}))
		t.Cleanup(srv.Close)
		return Client{BaseURL: srv.URL, Token: "secret-token"}
	}
	for name, tt := range map[string]struct {
		c    Client
		want string
	}{
		"no URL":       {Client{}, "want a URL such as http://127.0.0.1:8087"},
		"bad URL":      {Client{BaseURL: "http://a b"}, "want a URL"},
		"nobody there": {Client{BaseURL: "http://127.0.0.1:1"}, "does it run there?"},
		"not let in":   {answer(401, "a bearer token is required\n"), "a bearer token is required"},
		"not ours":     {answer(200, "<html>"), "is it an auditor?"},
		"a proxy":      {answer(502, ""), "502 Bad Gateway"},
	} {
		_, err := tt.c.Events(t.Context(), Filter{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
