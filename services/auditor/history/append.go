package history

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"drawbridge.dev/events"
)

const (
	timeFormat  = "2006-01-02T15:04:05.000000000Z07:00" // of fixed width
	rawLimit    = 512                                   // bytes that are kept of a message that is no event
	reasonLimit = 1024                                  // bytes that are kept of why
)

const (
	findRepeated = `SELECT row FROM event WHERE id = ? AND epoch = ? AND data = ? AND change = ? AND cause = ? AND source = ? ORDER BY row LIMIT 1`
	putEvent     = `INSERT INTO event (row, epoch, sequence, subject, id, time, peak, stage, verdict,
		cloud, cluster, kind, namespace, name, change, cause, source, trace, data, reason, repeats)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	putLatest = `INSERT INTO latest (cloud, cluster, namespace, name, kind, stage, row) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET row = excluded.row`
)

// Progress is how far history has come.
type Progress struct {
	Epoch  int64
	Last   uint64 // sequence in HISTORY of the last message that is kept, or known to be missed
	Reader string // the name under which this history reads HISTORY
}

// Appended says what one batch added.
type Appended struct {
	Kept     []Entry // those that are new
	Repeats  int     // among Kept: published twice, listed once
	Gaps     []Gap
	Progress Progress
}

// Progress reads how far history has come.
func (s *Store) Progress(ctx context.Context) (Progress, error) {
	p, err := progress(ctx, s.read)
	return p, s.wrap("read progress", err)
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func progress(ctx context.Context, q querier) (p Progress, err error) {
	err = q.QueryRowContext(ctx, "SELECT epoch, last, reader FROM progress").Scan(&p.Epoch, &p.Last, &p.Reader)
	return p, err
}

// Begin compares history with the range that HISTORY holds, before reading
// goes on: what aged out unread is a gap, and a HISTORY that ends before
// history does is another stream.
func (s *Store) Begin(ctx context.Context, first, last uint64, now time.Time) (Appended, error) {
	return s.batch(ctx, now, func(b *batch) error {
		if last < b.at.Last {
			if err := b.restart(); err != nil {
				return err
			}
		}
		return b.skipTo(first)
	})
}

// Rename gives history another name to read HISTORY under: it reads from the beginning again.
func (s *Store) Rename(ctx context.Context) (Progress, error) {
	var p Progress
	err := s.inTransaction(ctx, func(tx *sql.Tx) (err error) {
		if _, err = tx.ExecContext(ctx, "UPDATE progress SET reader = ?", readerName()); err != nil {
			return err
		}
		p, err = progress(ctx, tx)
		return err
	})
	return p, s.wrap("rename reader", err)
}

// Append keeps entries, which are in the order of HISTORY, all or none. It
// returns when they are on disk. Entries that are kept already are passed over.
// now is the time of gaps and of messages that have none.
func (s *Store) Append(ctx context.Context, entries []Entry, now time.Time) (Appended, error) {
	return s.batch(ctx, now, func(b *batch) error {
		for _, e := range entries {
			if err := b.add(e); err != nil {
				return fmt.Errorf("sequence %d: %w", e.Sequence, err)
			}
		}
		return nil
	})
}

// batch is one transaction that appends.
type batch struct {
	ctx    context.Context
	tx     *sql.Tx
	find   *sql.Stmt // findRepeated; closed with the transaction
	put    *sql.Stmt // putEvent
	latest *sql.Stmt // putLatest
	now    time.Time
	at     Progress
	row    int64 // the last
	peak   time.Time
	lag    time.Duration
	same   uint64 // the last sequence that was there already
	out    Appended
}

func (s *Store) batch(ctx context.Context, now time.Time, f func(*batch) error) (Appended, error) {
	b := &batch{ctx: ctx, now: now.UTC()}
	err := s.inTransaction(ctx, func(tx *sql.Tx) error {
		b.tx = tx
		if err := b.load(); err != nil {
			return err
		}
		before := b.at
		if err := f(b); err != nil || b.at == before {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE progress SET epoch = ?, last = ?, lag = ?", b.at.Epoch, b.at.Last, b.lag)
		return err
	})
	if err != nil {
		return Appended{}, s.wrap("append", err)
	}
	b.out.Progress = b.at
	return b.out, nil
}

// load reads where history stands.
func (b *batch) load() (err error) {
	for text, into := range map[string]**sql.Stmt{findRepeated: &b.find, putEvent: &b.put, putLatest: &b.latest} {
		if *into, err = b.tx.PrepareContext(b.ctx, text); err != nil { //nolint:sqlclosecheck // closed with the transaction
			return err
		}
	}
	if b.at, err = progress(b.ctx, b.tx); err != nil {
		return err
	}
	if err := b.tx.QueryRowContext(b.ctx, "SELECT lag FROM progress").Scan(&b.lag); err != nil {
		return err
	}
	var peak string
	err = b.tx.QueryRowContext(b.ctx, "SELECT row, peak FROM event ORDER BY row DESC LIMIT 1").Scan(&b.row, &peak)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		b.peak, err = time.Parse(timeFormat, peak)
	}
	return err
}

func (b *batch) add(e Entry) error {
	if e.Sequence <= b.at.Last {
		known, err := b.has(e)
		if err != nil {
			return err
		}
		if known {
			b.same = e.Sequence
			return nil
		}
		if err := b.restart(); err != nil {
			return err
		}
	}
	if err := b.skipTo(e.Sequence); err != nil {
		return err
	}
	if err := b.insert(e); err != nil {
		return err
	}
	b.at.Last = e.Sequence
	b.out.Kept = append(b.out.Kept, e)
	return nil
}

// has reports whether history has this very message at its sequence. Another
// one there means that the stream is not the one that was read before.
func (b *batch) has(e Entry) (bool, error) {
	var subject, id, at string
	var data []byte
	err := b.tx.QueryRowContext(b.ctx, "SELECT subject, id, time, data FROM event WHERE epoch = ? AND sequence = ?", b.at.Epoch, e.Sequence).
		Scan(&subject, &id, &at, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	sameTime := e.Err != nil || at == e.Event.Time.UTC().Format(timeFormat)
	return err == nil && subject == e.Subject && id == e.Event.ID && sameTime && bytes.Equal(data, kept(e)), err
}

// restart begins another epoch.
func (b *batch) restart() error {
	lost := Gap{Epoch: b.at.Epoch, First: b.at.Last + 1,
		Reason: fmt.Sprintf("HISTORY is another stream than before: what followed sequence %d in the earlier one is not known", b.at.Last)}
	if err := b.gap(lost); err != nil {
		return err
	}
	b.at.Epoch, b.at.Last = b.at.Epoch+1, b.same
	return nil
}

// skipTo records what is missing before sequence.
func (b *batch) skipTo(sequence uint64) error {
	if sequence <= b.at.Last+1 {
		return nil
	}
	missed := Gap{Epoch: b.at.Epoch, First: b.at.Last + 1, Last: sequence - 1, Missed: sequence - 1 - b.at.Last,
		Reason: "gone from HISTORY before they were read: raise streams.max-age or streams.max-size, or keep the auditor running"}
	b.at.Last = sequence - 1
	return b.gap(missed)
}

func (b *batch) gap(g Gap) error {
	g.Before, g.Found = b.row+1, b.now
	b.out.Gaps = append(b.out.Gaps, g)
	_, err := b.tx.ExecContext(b.ctx, "INSERT INTO gap (epoch, first, last, before, found, reason) VALUES (?, ?, ?, ?, ?, ?)",
		g.Epoch, g.First, g.Last, g.Before, g.Found.Format(timeFormat), g.Reason)
	return err
}

func (b *batch) insert(e Entry) error {
	v, data := e.Event, kept(e)
	stage, verdict, reason := string(events.StageRejected), Undecodable, ""
	if e.Err != nil {
		reason = cut(e.Err.Error(), reasonLimit)
		v.Time = b.now
		if _, cloud, k, err := events.ParseSubject(e.Subject); err == nil {
			v.Cloud, v.Key = cloud, k
		}
	} else {
		stage = string(v.Payload.Stage())
		verdict = verb(v.Type())
	}
	repeats, err := b.earlier(v, data)
	if err != nil {
		return err
	}
	if repeats.Valid {
		b.out.Repeats++
	}
	if v.Time.After(b.peak) {
		b.peak = v.Time.UTC()
	}
	b.lag = max(b.lag, b.peak.Sub(v.Time))
	b.row++
	_, err = b.put.ExecContext(b.ctx,
		b.row, b.at.Epoch, e.Sequence, e.Subject, v.ID, v.Time.UTC().Format(timeFormat), b.peak.Format(timeFormat), stage, verdict,
		v.Cloud, v.Key.Cluster, v.Key.Kind, v.Key.Namespace, v.Key.Name, v.Change, v.Cause, v.Source, v.TraceParent, data, reason, repeats)
	if err != nil || e.Err != nil || repeats.Valid {
		return err
	}
	_, err = b.latest.ExecContext(b.ctx, v.Cloud, v.Key.Cluster, v.Key.Namespace, v.Key.Name, v.Key.Kind, stage, b.row)
	return err
}

// earlier is the row of the same event in this epoch: an event that is
// published again after the bus forgot its id comes with another sequence.
func (b *batch) earlier(e events.Event, data []byte) (row sql.NullInt64, err error) {
	if e.ID == "" {
		return row, nil
	}
	err = b.find.QueryRowContext(b.ctx, e.ID, b.at.Epoch, data, e.Change, e.Cause, e.Source).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return row, err
}

// kept are the bytes of a message that history keeps.
func kept(e Entry) []byte {
	if e.Err == nil || len(e.Data) <= rawLimit {
		return append([]byte{}, e.Data...)
	}
	return e.Data[:rawLimit]
}

// cut is s up to limit bytes.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}

// verb is the last word of a CloudEvents type, before its version.
func verb(typ string) string {
	v, _, _ := strings.Cut(strings.TrimPrefix(typ, events.TypePrefix), ".")
	return v
}
