package runner

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/testfixtures/need"
)

// written counts the batches that reach the journal.
type written struct{ batches int }

func (w *written) Owe(engine.Batch) error                     { w.batches++; return nil }
func (w *written) Append(context.Context, engine.Batch) error { return nil }
func (w *written) Paid(engine.Batch)                          {}

// unguarded is a run whose guard has died and that cannot start another one.
func unguarded(t *testing.T) *guarded {
	t.Helper()
	return &guarded{run: "01R", args: []string{"-test.run=^$"}, environ: os.Environ(), log: slog.New(slog.DiscardHandler), logFile: filepath.Join(t.TempDir(), "guard.log")}
}

func TestWhileThereIsNoGuardNoQuiesceIsWrittenDown(t *testing.T) {
	t.Parallel()
	var w written
	j := unguarded(t).journal(&w)
	if err := j.Owe(engine.Batch{Owe: []lifecycle.Obligation{{Kind: pending.PostScript}, {Kind: pending.Discard}}}); err != nil || w.batches != 1 {
		t.Errorf("what quiesces nothing: %v, %d written", err, w.batches)
	}
	err := j.Owe(engine.Batch{Owe: []lifecycle.Obligation{{Kind: pending.PostScript}, {Kind: pending.Unquiesce}}})
	if err == nil || w.batches != 1 || !strings.Contains(err.Error(), "guard process of run 01R") {
		t.Errorf("a quiesce: %v, %d written", err, w.batches)
	}
}

func TestTheLogOfGuardsIsBounded(t *testing.T) {
	t.Parallel()
	g := unguarded(t)
	for range 2 {
		need.Done(t, os.WriteFile(g.logFile, make([]byte, guardLogLimit+1), 0o600))
		f := g.openLog()
		if f == nil {
			t.Fatal("no log")
		}
		if info, err := f.Stat(); err != nil || info.Size() != 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		_ = f.Close()
	}
	if all, _ := filepath.Glob(g.logFile + "*"); len(all) != 2 {
		t.Errorf("%v, want the new one and one old one", all)
	}
}
