package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

const (
	// busyTimeout is the longest wait for another process that holds the journal.
	busyTimeout = 10 * time.Second
	readers     = 4
)

// Journal is an open journal. Its methods may be called concurrently.
type Journal struct {
	path    string
	writer  *sql.Conn // the only connection of writers
	reader  *sql.DB
	writers *sql.DB
	turn    chan struct{} // the goroutine that writes holds it
	hot     map[string]*sql.Stmt
	open    map[string]*openRun // by the run's ID; only the holder of turn may use it
}

// Open opens the journal in a file on a local file system. It creates a missing
// file (mode 0600), and brings an older one up to date. It waits up to ten
// seconds for other processes, and up to about twenty to connect: a try that
// begins in time may itself wait for ten. Its errors are *[Error].
func Open(path string) (*Journal, error) { return open(path, busyTimeout) }

func open(path string, busy time.Duration) (*Journal, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	marked, err := mark(abs)
	if err != nil {
		return nil, explain("look for its marker", abs, err)
	}
	if marked && empty(abs) {
		return nil, lost(abs)
	}
	if err := create(abs); err != nil {
		return nil, explain("create it", abs, err)
	}
	j := &Journal{path: abs, turn: make(chan struct{}, 1), hot: map[string]*sql.Stmt{}, open: map[string]*openRun{}}
	if err := j.connect(busy); err != nil {
		return nil, errors.Join(explain("open it", abs, err), j.Close())
	}
	if !marked {
		if err := setMark(abs); err != nil {
			return nil, errors.Join(explain("write its marker", abs, err), j.Close())
		}
	}
	return j, nil
}

// create makes a private file, because SQLite would create it with the umask's
// mode; the -wal and -shm files inherit the mode. It never opens a file that
// exists: closing it would drop the locks of every other journal in this process.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(path))
}

// syncDir makes the directory entry of a path durable.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (j *Journal) connect(busy time.Duration) error {
	common := []string{
		fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()),
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"fullfsync(1)", // macOS: fsync alone does not reach the disk
	}
	info, err := os.Stat(j.path)
	if err != nil {
		return err
	}
	if info.Size() == 0 { // it only works before the first page; later it would take the writer's lock in vain
		common = append(common, "auto_vacuum(INCREMENTAL)")
	}
	ctx := context.Background()
	if j.writers, err = sql.Open("sqlite", dsn(j.path, "immediate", common...)); err != nil {
		return err
	}
	if j.writer, err = firstConn(ctx, j.writers, busy); err != nil {
		return err
	}
	if j.reader, err = sql.Open("sqlite", dsn(j.path, "deferred", append(common, "query_only(1)")...)); err != nil {
		return err
	}
	j.reader.SetMaxOpenConns(readers)
	j.reader.SetMaxIdleConns(readers)
	if err := j.migrate(ctx); err != nil {
		return err
	}
	for _, q := range hotStatements {
		if j.hot[q], err = j.writer.PrepareContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// firstConn connects. While several processes make one new file a WAL database,
// SQLite returns SQLITE_BUSY to some of them and ignores busy_timeout.
func firstConn(ctx context.Context, db *sql.DB, busy time.Duration) (*sql.Conn, error) {
	for until := time.Now().Add(busy); ; time.Sleep(10 * time.Millisecond) {
		conn, err := db.Conn(ctx)
		if _, kind := classify("", err); kind != ErrBusy || time.Now().After(until) {
			return conn, err
		}
	}
}

func dsn(path, lock string, pragmas ...string) string {
	q := url.Values{"_pragma": pragmas, "_txlock": {lock}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Close waits for the writer and closes the journal.
func (j *Journal) Close() error {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	var errs []error
	for _, s := range j.hot {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	// The reader first: the last connection to close removes the log.
	if j.reader != nil {
		errs = append(errs, j.reader.Close())
	}
	if j.writer != nil {
		errs = append(errs, j.writer.Close())
	}
	if j.writers != nil {
		errs = append(errs, j.writers.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return explain("close it", j.path, err)
	}
	return nil
}

// Path returns the path of the journal's file.
func (j *Journal) Path() string { return j.path }

// transaction gives a writer access to its open transaction.
type transaction struct {
	ctx  context.Context
	conn *sql.Conn
	hot  map[string]*sql.Stmt

	failed func() // called if the transaction was rolled back; may be nil
}

func (t *transaction) exec(query string, args ...any) (sql.Result, error) {
	if s := t.hot[query]; s != nil {
		return s.ExecContext(t.ctx, args...)
	}
	return t.conn.ExecContext(t.ctx, query, args...)
}

func (t *transaction) query(query string, args ...any) (*sql.Rows, error) {
	return t.conn.QueryContext(t.ctx, query, args...)
}

func (t *transaction) row(query string, args ...any) *sql.Row {
	if s := t.hot[query]; s != nil {
		return s.QueryRowContext(t.ctx, args...)
	}
	return t.conn.QueryRowContext(t.ctx, query, args...)
}

// These statements, which begin and end a transaction, are prepared once. The
// driver's own transactions would prepare them each time.
const (
	begin    = "BEGIN IMMEDIATE" // a reader that turns into a writer could not wait for other writers
	commit   = "COMMIT"
	rollback = "ROLLBACK"
)

// write runs f in one transaction. ctx limits only the wait for other writers of
// this process. Nothing interrupts a transaction that has begun, so an error
// always means that nothing was written.
func (j *Journal) write(ctx context.Context, doing string, f func(*transaction) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	select {
	case j.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	defer func() { <-j.turn }()
	ctx = context.WithoutCancel(ctx)
	t := &transaction{ctx: ctx, conn: j.writer, hot: j.hot}
	if _, err := t.exec(begin); err != nil {
		return explain(doing, j.path, err)
	}
	whole := false
	defer func() {
		if whole {
			return
		}
		_, _ = t.exec(rollback) // after a disk error SQLite has rolled back already
		if t.failed != nil {
			t.failed()
		}
	}()
	err := f(t)
	if err == nil {
		_, err = t.exec(commit)
	}
	if err != nil {
		return explain(doing, j.path, err)
	}
	whole = true
	return nil
}

// exec runs one statement in a transaction of its own.
func (j *Journal) exec(ctx context.Context, doing, query string, args ...any) error {
	return j.write(ctx, doing, func(t *transaction) error {
		_, err := t.exec(query, args...)
		return err
	})
}

// each passes the rows of a query to wanted as values, until wanted returns
// false.
func each[T any](rows *sql.Rows, err error, scan func(scanner) (T, error), wanted func(T) bool) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return err
		}
		if !wanted(v) {
			return nil
		}
	}
	return rows.Err()
}

// collect reads all rows of a query.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) (out []T, _ error) {
	err = each(rows, err, scan, func(v T) bool {
		out = append(out, v)
		return true
	})
	return out, err
}

// list runs a query and returns its rows as values.
func list[T any](ctx context.Context, j *Journal, doing string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := j.reader.QueryContext(ctx, query, args...)
	out, err := collect(rows, err, scan)
	if err != nil {
		return nil, explain(doing, j.path, err)
	}
	return out, nil
}

// stream yields the rows of a query one by one. An error ends it.
func stream[T any](ctx context.Context, j *Journal, doing string, scan func(scanner) (T, error), yield func(T, error) bool, query string, args ...any) {
	rows, err := j.reader.QueryContext(ctx, query, args...)
	if err = each(rows, err, scan, func(v T) bool { return yield(v, nil) }); err != nil {
		var none T
		yield(none, explain(doing, j.path, err))
	}
}

// only returns the first value of a list, or nil if the list is empty.
func only[T any](found []T, err error) (*T, error) {
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// unique returns the one value that ref means. found holds up to two values whose
// IDs begin with ref, in order. where tells the user how to list the candidates.
func unique[T any](found []T, id func(T) string, ref, doing, where string) (one T, err error) {
	switch {
	case len(found) == 0:
		return one, fmt.Errorf("%s: %w; %s", doing, ErrNotFound, where)
	case len(found) == 2 && id(found[0]) != ref:
		return one, fmt.Errorf("%s: %w: %s and %s begin with it; give more characters", doing, ErrAmbiguous, id(found[0]), id(found[1]))
	}
	return found[0], nil
}

type scanner interface{ Scan(dest ...any) error }

// stamp returns the stored form of a time.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// moment reads a stored time in a Scan.
type moment struct{ t *time.Time }

func (m moment) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a stored time is a %T", v)
	}
	*m.t = time.Time{}
	if n != 0 {
		*m.t = time.Unix(0, n).UTC()
	}
	return nil
}

// Check reads the whole journal and reports damage as an *[Error] with [ErrDamaged].
func (j *Journal) Check(ctx context.Context) error {
	found, err := list(ctx, j, "check it", func(s scanner) (line string, err error) { return line, s.Scan(&line) }, "PRAGMA integrity_check(10)")
	if err != nil {
		return err
	}
	if len(found) == 1 && found[0] == "ok" {
		return nil
	}
	return damaged("check it", j.path, fmt.Errorf("integrity check: %q", found))
}
