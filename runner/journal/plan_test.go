package journal

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// TestLookingBackDoesNotReadEverything checks that an index answers the queries
// of the commands, however many runs and tasks there are. A list of runs reads
// the runs in their order, up to its limit.
func TestLookingBackDoesNotReadEverything(t *testing.T) {
	t.Parallel()
	j := openTest(t)
	all, _ := Filter{}.query(0)
	some, _ := Filter{}.query(20)
	next, _ := Filter{After: "R"}.query(20)
	plan, _ := Filter{Plan: "nightly", After: "R"}.query(20)
	sets, _ := CopyFilter{}.query()
	older, _ := CopyFilter{After: "S"}.query()
	set, _ := CopyFilter{Set: "S"}.query()
	device, _ := CopyFilter{Device: "gw", Domain: "d"}.query()
	subject, _ := CopyFilter{Device: "gw", Domain: "d", Activity: "a"}.query()
	for query, walks := range map[string]string{
		sets: "c USING INDEX copies_set", older: "", set: "", device: "", selectSets: "", markCopy: "", subject: "",
		selectSubjects: "copies USING COVERING INDEX copies_subject", selectLastSets: "copies USING COVERING INDEX copies_subject, s",
		all: "runs USING INDEX runs_started", some: "runs USING INDEX runs_started", next: "", plan: "",
		selectUnfinished: "runs USING INDEX runs_unfinished",
		selectNewest:     "runs USING INDEX runs_started",
		selectByPrefix:   "", selectRecords: "", selectEntries: "", lastEntry: "", selectTasks: "", countGood: "",
		selectDetails: "t", // in the order in which they are shown
		selectHistory: "", selectOwn: "",
		selectOwed:    "obligations USING INDEX obligations_owed",
		selectOwing:   "",
		selectSizes:   "",
		selectLogs:    "",
		selectBegun:   "",
		selectBack:    "",
		selectDown:    "",
		selectOld:     "runs USING INDEX runs_started, sizes", // as many as the fleet has tasks
		rememberSizes: "",
		payObligation: "",
		selectDone:    "specs", // those of unfinished runs
		selectAged:    "", selectOldest: "", selectBad: "", selectFailed: "", selectBody: "", selectSince: "", selectNotices: "",
		selectOpen:  "runs USING INDEX runs_unfinished",
		selectWhole: "runs USING INDEX runs_whole", // reads only runs
	} {
		rows := need.Value(j.reader.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...))(t)
		var walked []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			need.Done(t, rows.Scan(&id, &parent, &unused, &detail))
			if what, ok := strings.CutPrefix(detail, "SCAN "); ok && what != "CONSTANT ROW" {
				walked = append(walked, what)
			}
		}
		need.Done(t, rows.Err())
		if got := strings.Join(walked, ", "); got != walks {
			t.Errorf("it walks through %q, want %q:\n%s", got, walks, query)
		}
	}
}

// BenchmarkHistory reads the history of 1,000 runs with 1,000 tasks each.
func BenchmarkHistory(b *testing.B) {
	j := need.Value(Open(filepath.Join(b.TempDir(), "journal.db")))(b)
	defer j.Close()
	makeHistory(b, j, 1000, 1000)
	for name, look := range map[string]func() error{
		"list 20":  func() error { _, err := j.Runs(b.Context(), Filter{}, 20); return err },
		"list all": func() error { _, err := j.Runs(b.Context(), Filter{}, 0); return err },
		"show":     func() error { _, _, err := j.Record(b.Context(), "R0500"); return err },
		"tasks":    func() error { _, err := j.Tasks(b.Context(), "R0500"); return err },
		"owed":     func() error { _, err := j.Owed(b.Context()); return err },
		"prune dry": func() error {
			_, err := j.Prune(b.Context(), PruneRequest{Before: noon.AddDate(1, 0, 0), DryRun: true})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				need.Done(b, look())
			}
		})
	}
}

// makeHistory enters finished runs with the given number of tasks each.
func makeHistory(tb testing.TB, j *Journal, runs, tasks int) {
	tb.Helper()
	history := `[` + strings.Repeat(`{"c":"EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED","t":12345678,"m":"domain app17 of gw-1"},`, 9) + `{"c":"SUCCESS","t":1,"f":true}]`
	for _, query := range []string{
		`INSERT INTO runs (id, plan, origin, narrowed, machine_version, started, ended, host, pid, partial, state, code, tasks, succeeded)
			SELECT printf('R%04d', value), 'nightly', '/plan.hcl', '', 1, ?1 + value * 86400000000000, ?1 + value * 86400000000000 + 1, 'box', 1, 0, 'finished', 'SUCCESS', ?2, ?2
			FROM generate_series(1, ?3)`,
		`INSERT INTO tasks SELECT n * 4294967296 + value, 'x/gw-' || (value % 50) || '/app' || value, 'x', 'gw-' || (value % 50), 'app' || value, 'SUCCESS', 1, 1, 100, 100
			FROM runs, generate_series(1, ?2) ORDER BY 1`,
		`INSERT INTO bodies SELECT k, ?4, '["/backup/gw-1/domain/app17/app17-export-2026-11-28-13-30-58-553-persisted.zip"]' FROM tasks ORDER BY 1`,
		`INSERT INTO sizes SELECT '/plan.hcl', 'nightly', device, activity, domain, 100, ?1, 100, max(k) / 4294967296 FROM tasks GROUP BY device, activity, domain`,
	} {
		query = strings.ReplaceAll(query, "generate_series(1, ?2)", "(WITH RECURSIVE g(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM g WHERE value < ?2) SELECT value FROM g)")
		query = strings.ReplaceAll(query, "generate_series(1, ?3)", "(WITH RECURSIVE g(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM g WHERE value < ?3) SELECT value FROM g)")
		need.Value(j.writer.ExecContext(tb.Context(), query, stamp(noon), tasks, runs, history))(tb)
	}
}
