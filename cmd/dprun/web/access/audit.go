package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

// Entry is one line of the audit log. It never holds a token, a code, a cookie or the
// query of an address.
type Entry struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`          // login, logout, refused, asked, answered
	Name    string    `json:"name,omitempty"` // the caller's name for people
	Key     string    `json:"key,omitempty"`  // the caller's name at the provider
	Role    Role      `json:"role,omitempty"`
	Session string    `json:"session,omitempty"`
	Address string    `json:"address"` // of the caller; behind a trusted proxy, the one that the proxy reports
	Method  string    `json:"method,omitempty"`
	Path    string    `json:"path,omitempty"`
	Request string    `json:"request,omitempty"` // the same in asked and answered
	Status  int       `json:"status,omitempty"`  // the HTTP status
	Why     string    `json:"why,omitempty"`
	Run     string    `json:"run,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Change  string    `json:"change,omitempty"`
	Untold  int       `json:"untold,omitempty"` // refusals since the last line that were too many to write
}

// Audited describes a mutation. The handler that does it passes it to Note.
type Audited struct{ Run, Reason, Change string }

type auditedKey struct{}

// Note records for the audit log what the request's mutation is about.
func Note(ctx context.Context, a Audited) {
	if to, is := ctx.Value(auditedKey{}).(*noted); is {
		to.mu.Lock()
		defer to.mu.Unlock()
		to.Audited = a
	}
}

// noted holds what a mutation is about. It has a lock, because the handler may continue
// after the answer was given up.
type noted struct {
	mu sync.Mutex
	Audited
}

func (n *noted) get() Audited {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.Audited
}

// Audit writes who did what to a file that is only appended to, or to the server's log.
type Audit struct {
	log *slog.Logger

	mu   sync.Mutex
	path string
	file *os.File
	lost error // why the last line could not be written; nil: it was written
}

// OpenAudit opens the audit log. path names its file, which is created with mode 0600.
// If path is empty, lines go to log.
func OpenAudit(path string, log *slog.Logger) (*Audit, error) {
	a := &Audit{log: log}
	return a, a.Reopen(path)
}

// Reopen opens the file again, so that a file that was moved away is no longer used. If
// that fails, Audit continues with the file that it has.
func (a *Audit) Reopen(path string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if path == "" {
		a.leave()
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the audit log: %w; make its directory, and let the server's user write there", err)
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o027 != 0 {
		err = fmt.Errorf("others may read or change it (mode %04o); run: chmod 0600 %s", info.Mode().Perm(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open the audit log %s: %w", path, err), f.Close())
	}
	a.leave()
	a.path, a.file = path, f
	return nil
}

// leave closes the file. The caller holds the lock.
func (a *Audit) leave() {
	if a.file != nil {
		_ = a.file.Close() // each line was synced already
	}
	a.path, a.file, a.lost = "", nil, nil
}

// Close closes the file.
func (a *Audit) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leave()
}

// Lost returns why the last line could not be written; nil: it was written.
func (a *Audit) Lost() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lost
}

// Write appends a line and returns once it is durable. If it fails, the line goes to
// the server's log.
func (a *Audit) Write(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		a.log.Info("audit", "entry", json.RawMessage(line))
		return nil
	}
	err = appendLine(a.file, line)
	if err != nil {
		err = fmt.Errorf("write the audit log %s: %w", a.path, err)
		a.log.Error("a line of the audit log was not written", "error", err, "entry", json.RawMessage(line))
	}
	a.lost = err
	return err
}

// appendLine writes a line in one call, so that only the last line of a file can be
// incomplete. After a partial write it adds a line feed, so that the next line starts
// afresh.
func appendLine(f *os.File, line []byte) error {
	n, err := f.Write(append(line, '\n'))
	if err != nil && n > 0 {
		_, _ = io.WriteString(f, "\n")
	}
	if err == nil {
		if err = f.Sync(); errors.Is(err, syscall.EINVAL) { // a pipe or a device, not a file
			err = nil
		}
	}
	return err
}
