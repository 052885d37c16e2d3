package journal

import (
	"github.com/dprun/dprun/testfixtures/need"

	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
)

// refused checks an error's kind, and that it tells the operator where it is and
// what to do.
func refused(t *testing.T, j string, err error, kind error) {
	t.Helper()
	var e *Error
	if !errors.Is(err, kind) || !errors.As(err, &e) {
		t.Fatalf("%v, want %v", err, kind)
	}
	if !strings.Contains(err.Error(), j) || e.Remedy == "" || !strings.Contains(err.Error(), e.Remedy) {
		t.Errorf("%q does not say which journal and what to do", err)
	}
}

func TestAFullDiskIsTold(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "R"})
	if _, err := j.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil { // no page more
		t.Fatal(err)
	}
	big := Batch{Events: []event.Event{{Kind: event.CancelRequested, Reason: strings.Repeat("x", 1<<20)}}}
	err := j.Append(t.Context(), "R", big)
	refused(t, j.Path(), err, ErrFull)
	need.Value(j.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 1000000"))(t)
	if err := j.Append(t.Context(), "R", big); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestAReadOnlyJournalIsTold(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "R"})
	need.Value(j.writer.ExecContext(t.Context(), "PRAGMA query_only = 1"))(t)
	err := j.Append(t.Context(), "R", Batch{Events: []event.Event{{Kind: event.Started}}})
	refused(t, j.Path(), err, ErrReadOnly)
}

func TestAJournalThatAnotherProcessHoldsIsTold(t *testing.T) {
	t.Parallel()
	holder := openTest(t)
	tx, err := holder.writer.BeginTx(t.Context(), nil) // immediate: it holds the write lock
	need.Done(t, err)
	defer tx.Rollback()
	j, err := open(holder.Path(), 20*time.Millisecond)
	need.Done(t, err)
	defer j.Close()
	if _, err := j.Runs(t.Context(), Filter{}, 0); err != nil {
		t.Errorf("reading while another process writes: %v", err)
	}
	refused(t, holder.Path(), j.CreateRun(t.Context(), Run{ID: "R"}), ErrBusy)
}

func TestDamageIsTold(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"no journal at all": strings.Repeat("these are not the pages of a journal\n", 1000),
		"a torn header":     "SQLite format 3\x00" + strings.Repeat("\xff", 8192),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "journal.db")
			need.Done(t, os.WriteFile(path, []byte(content), 0o600))
			_, err := Open(path)
			refused(t, path, err, ErrDamaged)
			if left, err := os.ReadFile(path); err != nil || string(left) != content {
				t.Error("the file was changed")
			}
		})
	}
}

func TestDamagedPagesAreFound(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.db")
	j, err := Open(path)
	need.Done(t, err)
	createRun(t, j, Run{ID: "R"})
	for range 60 {
		appendTo(t, j, "R", Batch{Events: []event.Event{{Kind: event.CancelRequested, Reason: strings.Repeat("x", 3000)}}})
	}
	need.Done(t, j.Check(t.Context()))
	need.Done(t, j.Close())
	content, err := os.ReadFile(path)
	need.Done(t, err)
	for i := len(content) * 3 / 4; i < len(content); i++ { // the pages that are read at opening come before
		content[i] ^= 0x5a
	}
	need.Done(t, os.WriteFile(path, content, 0o600))
	j, err = Open(path)
	need.Done(t, err)
	defer j.Close()
	refused(t, path, j.Check(t.Context()), ErrDamaged)
}

func TestANewerJournalIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.db")
	j, err := Open(path)
	need.Done(t, err)
	need.Value(j.writer.ExecContext(t.Context(), "PRAGMA user_version = 999"))(t)
	need.Done(t, j.Close())
	_, err = Open(path)
	refused(t, path, err, ErrNewer)
}

func TestANewerEventIsRefused(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	createRun(t, j, Run{ID: "R"})
	need.Value(j.writer.ExecContext(t.Context(), `INSERT INTO entries SELECT n * 4294967296 + 1, '[{"v":99,"kind":"teleported"}]', '', '' FROM runs`))(t)
	told := false
	for _, err := range j.Events(t.Context(), "R") {
		if told = true; !errors.Is(err, ErrNewer) {
			t.Errorf("%v, want ErrNewer", err)
		}
	}
	if !told {
		t.Error("there is no event")
	}
}
