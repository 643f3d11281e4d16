package auditor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"drawbridge.dev/services/auditor/history"
)

// ErrNotFound says that history knows no such change.
var ErrNotFound = history.ErrNotFound

const (
	clientTimeout = 30 * time.Second
	maxAnswer     = 256 << 20
)

// Client asks an auditor. Its errors say which auditor did not answer and why;
// a [*Problem] in them is the auditor's own answer.
type Client struct {
	BaseURL string       // http://127.0.0.1:8087
	Token   string       // bearer token; empty: none is sent
	HTTP    *http.Client // nil: one with a time-out of 30 s
}

// Events is one page of what f selects, the newest first. Filter.Limit 0 leaves
// the size to the auditor; the following page is asked for with Page.Next as
// Filter.Before.
func (c Client) Events(ctx context.Context, f Filter) (Page, error) {
	var p Page
	err := c.get(ctx, &p, queryOf(f), "v1", "events")
	return p, err
}

// Change is the whole trip with this id, or that an event with this id belongs to.
// An unknown one is [ErrNotFound].
func (c Client) Change(ctx context.Context, id string) (Change, error) {
	var out Change
	err := c.get(ctx, &out, nil, "v1", "changes", id)
	return out, err
}

// Exposures is the last event of every stage of every exposure.
func (c Client) Exposures(ctx context.Context) ([]Exposure, error) {
	var out exposureList
	err := c.get(ctx, &out, nil, "v1", "exposures")
	return out.Exposures, err
}

// Gaps is every gap of history, the newest first.
func (c Client) Gaps(ctx context.Context) ([]Gap, error) {
	var out gapList
	err := c.get(ctx, &out, nil, "v1", "gaps")
	return out.Gaps, err
}

func (c Client) get(ctx context.Context, into any, q url.Values, path ...string) error {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" {
		return errors.Join(fmt.Errorf("auditor %q: want a URL such as http://%s", c.BaseURL, DefaultAddress), err)
	}
	for i, p := range path {
		path[i] = url.PathEscape(p)
	}
	u := base.JoinPath(path...)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fmt.Errorf("auditor %s: %w", base, err)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	h := c.HTTP
	if h == nil {
		h = &http.Client{Timeout: clientTimeout}
	}
	resp, err := h.Do(req)
	if err != nil {
		return fmt.Errorf("auditor %s does not answer, does it run there? %w", base, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("auditor %s: %w", base, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("auditor %s: %w", base, problemOf(resp, body))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("auditor %s: its answer is no JSON of this API, is it an auditor? %w", base, err)
	}
	return nil
}

// problemOf reads an answer that is an error.
func problemOf(resp *http.Response, body []byte) error {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || p.Status != resp.StatusCode {
		p = &Problem{Title: http.StatusText(resp.StatusCode), Status: resp.StatusCode, Detail: strings.TrimSpace(string(body[:min(len(body), 200)]))}
	}
	return p
}
