package history

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Filter selects events. An empty field selects all.
type Filter struct {
	Cluster, Kind, Namespace, Name string
	Stage, Verdict, Cloud          string
	Since, Until                   time.Time // Since <= time < Until
	Before                         int64     // only rows before this one, see Page.Next
	Limit                          int       // of the page; at least 1
}

// pageBytes of payload end a page before its limit does.
const pageBytes = 16 << 20

const columns = "row, epoch, sequence, subject, id, time, stage, verdict, cloud, cluster, kind, namespace, name, change, cause, source, trace, data, reason"

// clause is the filter in SQL, on rows from low to high. What it compares with
// is in args, never in the text. It names the index, because SQLite without
// statistics prefers one that saves a sort to one that finds few rows.
func (f Filter) clause(low, high int64) (text string, args []any) {
	conditions, index := []string{"repeats IS NULL", "row BETWEEN ? AND ?"}, ""
	args = append(args, low, high)
	add := func(condition string, arg any) {
		conditions = append(conditions, condition)
		args = append(args, arg)
	}
	for _, c := range []struct{ column, value, index string }{
		{"name", f.Name, "event_object"}, {"namespace", f.Namespace, "event_namespace"}, {"verdict", f.Verdict, "event_verdict"},
		{"cluster", f.Cluster, "event_cluster"}, {"stage", f.Stage, "event_stage"}, {"cloud", f.Cloud, "event_cloud"}, {"kind", f.Kind, ""},
	} {
		if c.value == "" {
			continue
		}
		add(c.column+" = ?", c.value)
		if index == "" && c.index != "" {
			index = "INDEXED BY " + c.index + " "
		}
	}
	if !f.Since.IsZero() {
		add("time >= ?", f.Since.UTC().Format(timeFormat))
	}
	if !f.Until.IsZero() {
		add("time < ?", f.Until.UTC().Format(timeFormat))
	}
	return index + "WHERE " + strings.Join(conditions, " AND "), args
}

// bounds are the rows between which all lie that f selects. Rows are in the
// order of HISTORY, so their times grow but for the clocks and delays of those
// who publish; peak and lag say by how much they ever differed.
func (s *Store) bounds(ctx context.Context, f Filter) (low, high int64, err error) {
	low, high = 1, math.MaxInt64
	if f.Before > 0 {
		high = f.Before - 1
	}
	if !f.Since.IsZero() {
		err := s.read.QueryRowContext(ctx, "SELECT row FROM event WHERE peak >= ? ORDER BY peak, row LIMIT 1", f.Since.UTC().Format(timeFormat)).Scan(&low)
		if errors.Is(err, sql.ErrNoRows) {
			return 1, 0, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
	if f.Until.IsZero() {
		return low, high, nil
	}
	var lag time.Duration
	if err := s.read.QueryRowContext(ctx, "SELECT lag FROM progress").Scan(&lag); err != nil {
		return 0, 0, err
	}
	var last int64
	err = s.read.QueryRowContext(ctx, "SELECT row FROM event WHERE peak < ? ORDER BY peak DESC, row DESC LIMIT 1", f.Until.Add(lag).UTC().Format(timeFormat)).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return 1, 0, nil
	}
	return low, min(high, last), err
}

// Events is one page of what f selects, the newest first.
func (s *Store) Events(ctx context.Context, f Filter) (Page, error) {
	low, high, err := s.bounds(ctx, f)
	if err != nil {
		return Page{}, s.wrap("list events", err)
	}
	clause, args := f.clause(low, high)
	// One more than asked for tells whether there is another page.
	list, more, err := s.list(ctx, pageBytes, clause+" ORDER BY row DESC LIMIT ?", append(args, f.Limit+1)...)
	if err != nil {
		return Page{}, s.wrap("list events", err)
	}
	if len(list) > f.Limit {
		list, more = list[:f.Limit], true
	}
	p := Page{Events: list}
	if more {
		p.Next = list[len(list)-1].Row
	}
	p.Gaps, err = s.gaps(ctx, "WHERE before >= ? AND (? = 0 OR before < ?)", p.Next, f.Before, f.Before)
	return p, s.wrap("list gaps", err)
}

// Gaps is every gap, the newest first.
func (s *Store) Gaps(ctx context.Context) ([]Gap, error) {
	g, err := s.gaps(ctx, "")
	return g, s.wrap("list gaps", err)
}

// Change is the trip with this id, or the trip that the event with this id belongs to.
func (s *Store) Change(ctx context.Context, id string) (Change, error) {
	c := Change{ID: id}
	list, _, err := s.list(ctx, math.MaxInt, "WHERE repeats IS NULL AND change <> '' AND change = (SELECT change FROM event WHERE id = ? OR change = ? ORDER BY row LIMIT 1) ORDER BY row", id, id)
	if err != nil {
		return c, s.wrap("read change "+id, err)
	}
	if len(list) == 0 {
		return c, fmt.Errorf("%w: %q is neither the id of a change nor of an event of one", ErrNotFound, id)
	}
	c.ID, c.Events = list[0].Change, causal(list)
	c.Gaps, err = s.gaps(ctx, "WHERE before >= ?", list[0].Row)
	return c, s.wrap("list gaps", err)
}

// causal puts every event after its cause and keeps the order of history otherwise.
func causal(list []Event) []Event {
	byID := map[string]int{}
	for i, e := range list {
		if _, twice := byID[e.ID]; !twice {
			byID[e.ID] = i
		}
	}
	out, done := make([]Event, 0, len(list)), make([]bool, len(list))
	var visit func(i int)
	visit = func(i int) {
		if done[i] {
			return
		}
		done[i] = true
		if cause, known := byID[list[i].Cause]; known {
			visit(cause)
		}
		out = append(out, list[i])
	}
	for i := range list {
		visit(i)
	}
	return out
}

// list reads rows; it stops after budget bytes of payload; more says that there would be another row.
func (s *Store) list(ctx context.Context, budget int, clause string, args ...any) (out []Event, more bool, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+columns+" FROM event "+clause, args...) //nolint:gosec // the text is ours, what is asked is in args
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []Event{}
	for rows.Next() {
		if budget <= 0 {
			return out, true, nil
		}
		e, err := scan(rows)
		if err != nil {
			return nil, false, err
		}
		budget -= len(e.Payload)
		out = append(out, e)
	}
	return out, false, rows.Err()
}

func scan(rows *sql.Rows) (Event, error) {
	var e Event
	var at, subject string
	var data []byte
	err := rows.Scan(&e.Row, &e.Epoch, &e.Sequence, &subject, &e.ID, &at, &e.Stage, &e.Verdict, &e.Cloud, &e.Cluster, &e.Kind,
		&e.Namespace, &e.Name, &e.Change, &e.Cause, &e.Source, &e.TraceParent, &data, &e.Reason)
	if err != nil {
		return e, err
	}
	if e.Time, err = time.Parse(timeFormat, at); err != nil {
		return e, fmt.Errorf("row %d: %w", e.Row, err)
	}
	if e.Verdict == Undecodable {
		e.Subject, e.Raw = subject, strings.ToValidUTF8(string(data), "\uFFFD")
		return e, nil
	}
	e.Payload = payload(data)
	return e, nil
}

// payload is the data of a message in either mode of CloudEvents: in structured
// mode the message is the whole event, and the data is one of its fields.
func payload(message []byte) Payload {
	var structured struct {
		Version string          `json:"specversion"`
		Data    json.RawMessage `json:"data"`
	}
	if bytes.Contains(message, []byte(`"specversion"`)) && json.Unmarshal(message, &structured) == nil && structured.Version != "" && len(structured.Data) > 0 {
		return Payload(structured.Data)
	}
	return message
}

func (s *Store) gaps(ctx context.Context, where string, args ...any) (out []Gap, err error) {
	const text = "SELECT epoch, first, last, before, found, reason FROM gap "
	rows, err := s.read.QueryContext(ctx, text+where+" ORDER BY number DESC", args...) //nolint:gosec // the text is ours, what is asked is in args
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var g Gap
		var found string
		if err := rows.Scan(&g.Epoch, &g.First, &g.Last, &g.Before, &found, &g.Reason); err != nil {
			return nil, err
		}
		if g.Found, err = time.Parse(timeFormat, found); err != nil {
			return nil, fmt.Errorf("gap before row %d: %w", g.Before, err)
		}
		if g.Last > 0 {
			g.Missed = g.Last - g.First + 1
		}
		out = append(out, g)
	}
	return out, rows.Err()
}
