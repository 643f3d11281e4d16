// Package history keeps every event of the fleet in an SQLite file.
//
// One transaction takes one batch and is on disk (WAL, synchronous FULL) before
// Append returns, so that the reader may acknowledge. What is delivered twice is
// kept once; what never came is a [Gap] beside the rows, found by the sequence
// in HISTORY. The rows are append only: nothing here updates or deletes one.
package history

import (
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite" // the driver registers itself as "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	applicationID = 0x44726277 // "Drbw", in the header of the file
	version       = 1          // of the tables
	readers       = 4
)

//go:embed schema.sql
var schema string

// ErrNotFound says that no event of history names the change.
var ErrNotFound = errors.New("no such change in history")

// Store is one open history. Append and Begin are for one goroutine, queries for any.
type Store struct {
	file  string
	write *sql.DB
	read  *sql.DB
}

// Open opens or creates the history in file, and its folder. Only the owner may read it.
func Open(ctx context.Context, file string) (*Store, error) {
	s := &Store{file: file}
	fail := func(err error) (*Store, error) { return nil, s.wrap("open", errors.Join(err, s.Close())) }
	abs, err := filepath.Abs(file)
	if err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o700); err != nil {
		return fail(err)
	}
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fail(err)
	}
	if err := f.Close(); err != nil {
		return fail(err)
	}
	s.write, err = open(abs, "journal_mode(WAL)", "synchronous(FULL)")
	if err != nil {
		return fail(err)
	}
	s.write.SetMaxOpenConns(1)
	if err := s.migrate(ctx); err != nil {
		return fail(err)
	}
	s.read, err = open(abs, "query_only(1)")
	if err != nil {
		return fail(err)
	}
	s.read.SetMaxOpenConns(readers)
	return s, nil
}

func open(file string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_pragma": append([]string{"busy_timeout(10000)"}, pragmas...), "_txlock": {"immediate"}}
	return sql.Open("sqlite", (&url.URL{Scheme: "file", Path: file, RawQuery: q.Encode()}).String())
}

// Close closes the file.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// migrate makes the tables in an empty file and refuses a file that is none of ours.
func (s *Store) migrate(ctx context.Context) error {
	return s.inTransaction(ctx, func(tx *sql.Tx) error {
		var app, have, tables int
		for query, into := range map[string]*int{"PRAGMA application_id": &app, "PRAGMA user_version": &have, "SELECT count(*) FROM sqlite_schema": &tables} {
			if err := tx.QueryRowContext(ctx, query).Scan(into); err != nil {
				return err
			}
		}
		switch {
		case tables > 0 && app != applicationID:
			return errors.New("the file is a database of something else: choose another file")
		case have > version:
			return fmt.Errorf("the tables have version %d, this drawbridge knows %d: use the newer drawbridge", have, version)
		case have == version:
			return nil
		}
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO progress (one, epoch, last, reader, lag) VALUES (1, 1, 0, ?, 0)", readerName())
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version))
		return err
	})
}

// readerName is a name that no other history has, so that each reads all of HISTORY.
func readerName() string { return "auditor-" + strings.ToLower(rand.Text()[:12]) }

func (s *Store) inTransaction(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			err = errors.Join(err, undo)
		}
		return err
	}
	return tx.Commit()
}

// wrap names the file and says what to do about the kinds of errors that a person can mend.
func (s *Store) wrap(action string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("history %s: %s: %w", s.file, action, err)
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the rest of an extended code is detail
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: free space on its disk, nothing is lost while the bus keeps the events", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("%w: let the service write to the file and its folder", err)
	case sqlite3.SQLITE_IOERR:
		return fmt.Errorf("%w: look at its disk", err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: the file is damaged or no history: restore it from a backup, or move it away to read anew what the bus still holds", err)
	}
	return err
}
