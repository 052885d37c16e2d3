package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Part k: a journal with many runs.
const (
	historyRuns  = 1_000 // of 1,000 tasks each
	historyLooks = 10    // how often a command runs in one turn
)

// copyRun makes a thousand runs of one, whole, each a day before the other: %s are the columns
// of the run but its number, its ID and its times. What belongs to run n is
// numbered from n * 2^32 on.
const copyRun = `
PRAGMA synchronous = off;
BEGIN;
CREATE TEMP TABLE copies AS WITH RECURSIVE c(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c WHERE n < %[2]d) SELECT n, (n - 1) * 86400000000000 AS before, n << 32 AS base FROM c;
INSERT INTO runs (n, id, started, ended, %[1]s)
  SELECT c.n, substr(id, 1, 22) || printf('%%04d', c.n), started - before, ended - before, %[1]s FROM copies c JOIN runs WHERE runs.n = 1;
INSERT INTO tasks SELECT base + (k & 0xffffffff), id, activity, device, domain, code, final, good, bytes, took FROM copies c CROSS JOIN tasks WHERE k >> 32 = 1 ORDER BY 1;
INSERT INTO bodies SELECT base + (k & 0xffffffff), history, files FROM copies c CROSS JOIN bodies WHERE k >> 32 = 1 ORDER BY 1;
COMMIT;
`

// history looks back into a journal with 1,000 runs and 1,000,000 tasks, with
// dprun and with sqlite3's own program.
func (b *bench) history(ctx context.Context) error {
	state, err := b.stateDirectory()
	if err != nil {
		return err
	}
	if err := b.fewNotes(ctx, state); err != nil {
		return err
	}
	file := filepath.Join(state, "journal.db")
	query := func(ctx context.Context, sql string) (string, error) {
		cmd := command(ctx, nil, "sqlite3", "-bail", file)
		cmd.Stdin = strings.NewReader(sql)
		said, err := output(cmd)
		return strings.TrimSpace(string(said)), err
	}
	run, err := query(ctx, "SELECT id FROM runs;")
	if err != nil {
		return err
	}
	columns, err := query(ctx, "SELECT group_concat(name, ', ') FROM pragma_table_info('runs') WHERE name NOT IN ('n', 'id', 'started', 'ended');")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "   %s  making %d runs of 1,000 tasks\n", b.part, historyRuns)
	if _, err := query(ctx, fmt.Sprintf(copyRun, columns, historyRuns)); err != nil {
		return err
	}
	const all = historyRuns * 1_000
	has, err := query(ctx, "SELECT (SELECT count(*) FROM runs) || ' ' || (SELECT count(*) FROM tasks) || ' ' || (SELECT count(*) FROM bodies);")
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%d %d %d", historyRuns, all, all); has != want {
		return fmt.Errorf("the journal has %s runs, tasks and bodies, not %s", has, want)
	}

	looks := func(name string, look func(ctx context.Context) error) contender {
		return contender{name, func(ctx context.Context, _ int) (map[string]float64, error) {
			start := time.Now()
			for range historyLooks {
				if err := look(ctx); err != nil {
					return nil, err
				}
			}
			return wall(time.Since(start) / historyLooks), nil
		}}
	}
	ours := func(name string, rows int, args ...string) contender {
		return looks(name, func(ctx context.Context) error {
			said, err := output(command(ctx, nil, b.dprun, append(args, "--json", "--state-dir", state)...))
			if err == nil && bytes.Count(said, []byte{'\n'}) < rows {
				err = fmt.Errorf("dprun %s says %d lines, not %d", strings.Join(args, " "), bytes.Count(said, []byte{'\n'}), rows)
			}
			return err
		})
	}
	theirs := func(name, sql string) contender {
		return looks(name, func(ctx context.Context) error {
			said, err := query(ctx, sql)
			if err == nil && len(said) == 0 {
				err = fmt.Errorf("sqlite3 finds nothing")
			}
			return err
		})
	}
	const list = "SELECT * FROM runs ORDER BY started DESC"
	show := fmt.Sprintf("SELECT * FROM runs WHERE id = '%s'; SELECT * FROM tasks JOIN bodies USING (k) WHERE k >= 1 << 32 AND k < 2 << 32;", run)
	t, err := b.interleave(ctx,
		ours("list", 20, "runs", "list"), theirs("list, sqlite3", list+" LIMIT 20;"),
		ours("list all", historyRuns, "runs", "list", "--limit", "0"), theirs("list all, sqlite3", list+";"),
		ours("show", 1, "runs", "show", run), theirs("show, sqlite3", show))
	if err != nil {
		return err
	}
	const what = ", of a journal with 1,000 runs and 1,000,000 tasks, against sqlite3's own program that reads the same rows: time"
	for _, f := range []struct{ id, name, about string }{
		{"k.list", "list", "dprun runs list, 20 runs"}, {"k.list.all", "list all", "dprun runs list --limit 0"}, {"k.show", "show", "dprun runs show, a run of 1,000 tasks"},
	} {
		b.add(share(f.id, f.about+what, each(t.of(f.name), 1./1e3), each(t.of(f.name+", sqlite3"), 1./1e3), 0).info().in("ms"))
	}
	return nil
}
