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

// copyRun makes runs of one: %[1]s is its ID, %[2]d how many there shall be. They
// are a day apart, and what is read of them is what is read of the one. Their
// histories are not copied: nothing looks at those of a run that is not shown. A
// task has the number of its run times 2^32, and its own.
const copyRun = `
PRAGMA synchronous = off;
BEGIN;
CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %[2]d - 1) SELECT i, substr('%[1]s', 1, 22) || printf('%%04d', i) AS id FROM n;
INSERT INTO runs (id, started, ended, %[3]s) SELECT n.id, x.started - n.i * 86400000000000, x.ended - n.i * 86400000000000, %[3]s FROM n CROSS JOIN runs AS x WHERE x.id = '%[1]s' ORDER BY n.i;
INSERT INTO tasks (k, %[4]s) SELECT (SELECT r.n FROM runs r WHERE r.id = n.id) * 4294967296 + x.k %% 4294967296, %[5]s
  FROM n CROSS JOIN runs o CROSS JOIN tasks AS x WHERE o.id = '%[1]s' AND x.k BETWEEN o.n * 4294967296 AND o.n * 4294967296 + 4294967295 ORDER BY 1;
COMMIT;
ANALYZE;
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
	query := func(ctx context.Context, sql string) ([]byte, error) {
		cmd := command(ctx, nil, "sqlite3", "-bail", file)
		cmd.Stdin = strings.NewReader(sql)
		return output(cmd)
	}
	said, err := query(ctx, "SELECT id FROM runs;")
	if err != nil {
		return err
	}
	run := string(bytes.TrimSpace(said))
	columns := func(table, but string) (string, error) {
		said, err := query(ctx, fmt.Sprintf("SELECT group_concat(name, ', ') FROM pragma_table_info('%s') WHERE name NOT IN (%s);", table, but))
		return string(bytes.TrimSpace(said)), err
	}
	runs, err := columns("runs", "'n', 'id', 'started', 'ended'") // times are nanoseconds since 1970
	if err != nil {
		return err
	}
	tasks, err := columns("tasks", "'k'")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "   %s  making %d runs of 1,000 tasks\n", b.part, historyRuns)
	if _, err := query(ctx, fmt.Sprintf(copyRun, run, historyRuns, runs, tasks, "x."+strings.ReplaceAll(tasks, ", ", ", x."))); err != nil {
		return err
	}
	said, err = query(ctx, "SELECT (SELECT count(*) FROM runs) || ' ' || (SELECT count(*) FROM tasks);")
	if want := fmt.Sprintf("%d %d", historyRuns, historyRuns*1_000); err != nil || strings.TrimSpace(string(said)) != want {
		return fmt.Errorf("the journal has %s runs and tasks, not %s: %w", bytes.TrimSpace(said), want, err)
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
	list := func(limit string) string { return "SELECT * FROM runs ORDER BY started DESC " + limit + ";" }
	show := fmt.Sprintf("SELECT * FROM runs WHERE id = '%[1]s'; SELECT * FROM runs r JOIN tasks t ON t.k BETWEEN r.n * 4294967296 AND r.n * 4294967296 + 4294967295 JOIN bodies b ON b.k = t.k WHERE r.id = '%[1]s';", run)
	t, err := b.interleave(ctx,
		ours("list", 20, "runs", "list"), theirs("list, sqlite3", list("LIMIT 20")),
		ours("list all", historyRuns, "runs", "list", "--limit", "0"), theirs("list all, sqlite3", list("")),
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
