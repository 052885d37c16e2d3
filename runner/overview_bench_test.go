package runner

import (
	"database/sql"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

// historyOf describes a journal that many plans leave over ten nights. Each plan
// has the given domains on ten gateways. stale is how many of a hundred domains
// have failed in the last two nights.
type historyOf struct{ plans, nights, domains, stale int }

// enter writes the history directly into the file of a closed journal.
func (h historyOf) enter(tb testing.TB, path string) {
	tb.Helper()
	db := need.Value(sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)"))(tb)
	defer func() { need.Done(tb, db.Close()) }()
	tx := need.Value(db.BeginTx(tb.Context(), nil))(tb)
	series := func(name string, n int) string {
		return fmt.Sprintf("%[1]s(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM %[1]s WHERE value < %[2]d)", name, n-1)
	}
	failed := fmt.Sprintf("(t.v %% 100 < %d AND r.night < 2)", h.stale)
	day := int64(24 * time.Hour)
	for _, query := range []string{
		"WITH " + series("n", h.nights) + "," + series("p", h.plans) + fmt.Sprintf(`
			INSERT INTO runs (id, plan, origin, narrowed, machine_version, started, ended, host, pid, partial, state, code, exit_code, tasks, succeeded)
			SELECT printf('R%%03d%%05d', p.value, %[1]d - n.value), printf('plan%%03d', p.value), printf('/plans/%%03d.hcl', p.value), '', 1,
				%[2]d - n.value * %[3]d, %[2]d - n.value * %[3]d + 600000000000, 'box', 1, 0, 'finished', 'PLAN_PARTLY_FAILED', 3, %[4]d, %[4]d FROM n, p ORDER BY n.value DESC, p.value`,
			h.nights, night(0).UnixNano(), day, h.domains),
		"CREATE TEMP TABLE r AS SELECT n, id, plan, origin, started, cast((" + fmt.Sprint(night(0).UnixNano()) + " - started) / " + fmt.Sprint(day) + " AS INTEGER) AS night FROM runs",
		"CREATE TEMP TABLE t AS WITH " + series("t", h.domains) + " SELECT value AS v FROM t",
		`INSERT INTO tasks SELECT r.n * 4294967296 + t.v + 1, printf('export/gw%02d/app%04d', t.v % 10, t.v), 'export', printf('gw-%s-%02d', r.plan, t.v % 10), printf('app%04d', t.v),
			iif(` + failed + `, 'EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR', 'SUCCESS'), 1, NOT ` + failed + `, 100, 100 FROM r, t ORDER BY 1`,
		`INSERT INTO bodies SELECT k, '[{"c":"EXECUTION_STARTED","t":12345678},{"c":"` + "SUCCESS" + `","t":1,"f":true,"m":"it is so"}]', '' FROM tasks ORDER BY 1`,
		`INSERT INTO sizes SELECT r.origin, r.plan, k.device, k.activity, k.domain, 100, 1, 100, max(r.n) FROM tasks k JOIN r ON r.n = k.k / 4294967296 WHERE good GROUP BY 1, 2, 3, 4, 5`,
		// One copy of each last set is enough for an overview; an ID begins with its
		// time.
		`INSERT INTO roots (root) VALUES ('/backup')`,
		`INSERT INTO rooms SELECT id, 'file.b', '/backup', 100, 200, started FROM r`,
	} {
		need.Value(tx.ExecContext(tb.Context(), query))(tb)
	}
	for n := range h.nights {
		if n != 0 && n != 2 {
			continue
		}
		prefix := backups.FirstID(night(n).Add(time.Minute))[:10]
		need.Value(tx.ExecContext(tb.Context(), `INSERT INTO copies (id, root, destination, plan, path, digest, run, task, device, identity, domain, activity, type, stamp, bytes, files, facts, verified, durable, origin, imported, state, stored, checked)
			SELECT ? || printf('%016d', k.k % 4294967296 + r.n * 100000), 1, 'file.b', r.plan, '', '', r.id, k.id, k.device, '', k.domain, k.activity, 'export_domain', ?, 1, '{}', 0, '', 1, 'MINE', 0, 'whole', r.started, 0
			FROM tasks k JOIN r ON r.n = k.k / 4294967296 WHERE r.night = ? AND k.good`, prefix, night(n).Add(time.Minute).Format("2006-01-02-15-04-05")+"-000", n))(tb)
	}
	need.Done(tb, tx.Commit())
}

// open creates a state directory with that history.
func (h historyOf) open(tb testing.TB) *Runner {
	tb.Helper()
	dir := tb.TempDir()
	r := need.Value(Open(Options{StateDir: dir, Version: "0.1.0-test"}))(tb)
	path := r.state.Journal()
	need.Done(tb, r.Close())
	h.enter(tb, path)
	r = need.Value(Open(Options{StateDir: dir, Version: "0.1.0-test", Clock: stopped{at: three}}))(tb)
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

func (h historyOf) served() (all []ServedPlan) {
	for p := range h.plans {
		all = append(all, ServedPlan{Scheduled: journal.Scheduled{Plan: fmt.Sprintf("plan%03d", p), Origin: fmt.Sprintf("/plans/%03d.hcl", p)}})
	}
	return all
}

// An overview of many plans counts all their domains, and is fast. The bound
// leaves room for a busy machine.
func TestAnOverviewOfManyPlansIsThereAtOnce(t *testing.T) {
	t.Parallel()
	h := historyOf{plans: 20, nights: 10, domains: 300, stale: 1}
	r := h.open(t)
	var o report.Overview
	best := time.Hour
	for range 3 {
		begun := time.Now()
		o = r.Overview(t.Context(), OverviewRequest{Served: h.served(), Zone: time.UTC})
		best = min(best, time.Since(begun))
	}
	if best > 3*time.Second {
		t.Errorf("it takes %s", best)
	}
	fresh, stale := 0, 0
	for _, p := range o.Coverage.Plans {
		fresh, stale = fresh+p.Fresh, stale+p.Stale
	}
	if fresh != 20*297 || stale != 20*3 || o.Coverage.More != 0 || len(o.Coverage.Worst) != 60 || len(o.Failures.Causes) != 1 || o.Failures.Causes[0].Tasks != 60 {
		t.Errorf("fresh %d, stale %d, worst %d, more %d, causes %+v, unknown %q %q", fresh, stale, len(o.Coverage.Worst), o.Coverage.More, o.Failures.Causes, o.Coverage.Unknown, o.Failures.Unknown)
	}
}

// BenchmarkOverview reads 100 plans, 1,000 runs and 1,000,000 tasks, on a quiet
// night and on one in which everything has failed for two days.
func BenchmarkOverview(b *testing.B) {
	for name, stale := range map[string]int{"1 in 100 failed": 1, "all failed": 100} {
		b.Run(name, func(b *testing.B) {
			h := historyOf{plans: 100, nights: 10, domains: 1000, stale: stale}
			r := h.open(b)
			served := h.served()
			for what, look := range map[string]func() error{
				"overview": func() error {
					o := r.Overview(b.Context(), OverviewRequest{Served: served, Zone: time.UTC})
					if why := o.Coverage.Unknown + o.Failures.Unknown; why != "" || o.Coverage.Plans[0].Expected != 1000 {
						return fmt.Errorf("%q, %+v", why, o.Coverage.Plans[0])
					}
					return nil
				},
				"nights": func() error { _, err := r.Nights(b.Context(), NightsRequest{Nights: 30}); return err },
				"outcomes": func() error {
					_, err := r.Outcomes(b.Context(), OutcomesRequest{Device: "gw-plan007-03", Limit: 50})
					return err
				},
			} {
				b.Run(what, func(b *testing.B) {
					for b.Loop() {
						need.Done(b, look())
					}
					runtime.GC()
					b.ReportMetric(float64(resident(b))/1e6, "MB-resident")
				})
			}
		})
	}
}

// resident returns the memory that this process uses, in bytes.
func resident(tb testing.TB) int {
	var size, pages int
	need.Value(fmt.Sscan(strings.TrimSpace(string(need.Value(os.ReadFile("/proc/self/statm"))(tb))), &size, &pages))(tb)
	return pages * os.Getpagesize()
}
