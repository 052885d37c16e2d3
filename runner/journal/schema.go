package journal

import (
	"context"
	"fmt"
)

// migrations bring a journal from version i to i+1 (PRAGMA user_version). A
// released migration never changes.
var migrations = []string{`
CREATE TABLE runs (
  id TEXT PRIMARY KEY, plan TEXT NOT NULL, origin TEXT NOT NULL, vars TEXT NOT NULL, spec TEXT NOT NULL,
  machine_version INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0,
  exit_code INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT 'running',
  host TEXT NOT NULL, pid INTEGER NOT NULL, resumes TEXT NOT NULL, partial INTEGER NOT NULL);
CREATE INDEX runs_started ON runs (started);
CREATE INDEX runs_state ON runs (state) WHERE state <> 'finished';

CREATE TABLE tasks (
  run TEXT NOT NULL, id TEXT NOT NULL, activity TEXT NOT NULL DEFAULT '', device TEXT NOT NULL DEFAULT '',
  domain TEXT NOT NULL DEFAULT '', code TEXT NOT NULL DEFAULT '', final INTEGER NOT NULL DEFAULT 0,
  message TEXT NOT NULL DEFAULT '', started INTEGER NOT NULL DEFAULT 0, updated INTEGER NOT NULL DEFAULT 0,
  ended INTEGER NOT NULL DEFAULT 0, link_run TEXT NOT NULL DEFAULT '', link_task TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (run, id)) WITHOUT ROWID;
CREATE INDEX tasks_device ON tasks (device, started);

CREATE TABLE events (
  run TEXT NOT NULL, seq INTEGER NOT NULL, task TEXT NOT NULL, time INTEGER NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY (run, seq)) WITHOUT ROWID;

CREATE TABLE statuses (
  run TEXT NOT NULL, task TEXT NOT NULL, seq INTEGER NOT NULL, code TEXT NOT NULL, final INTEGER NOT NULL,
  time INTEGER NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY (run, task, seq)) WITHOUT ROWID;

CREATE TABLE obligations (
  run TEXT NOT NULL, task TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL,
  identity TEXT NOT NULL, domain TEXT NOT NULL, token TEXT NOT NULL, script TEXT NOT NULL, endpoint TEXT NOT NULL,
  since INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT NOT NULL DEFAULT '',
  next_try INTEGER NOT NULL DEFAULT 0, paid_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, task, id)) WITHOUT ROWID;
CREATE INDEX obligations_owed ON obligations (since) WHERE paid_at = 0;
CREATE INDEX obligations_device ON obligations (device, paid_at);

CREATE TABLE devices (
  name TEXT PRIMARY KEY, identity TEXT NOT NULL DEFAULT '', facts TEXT NOT NULL DEFAULT '', seen INTEGER NOT NULL DEFAULT 0,
  breaker_since INTEGER NOT NULL DEFAULT 0, breaker_reason TEXT NOT NULL DEFAULT '', breaker_run TEXT NOT NULL DEFAULT '');

CREATE TABLE lockouts (
  credential TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL, reason TEXT NOT NULL);

CREATE TABLE sizes (
  origin TEXT NOT NULL, device TEXT NOT NULL, activity TEXT NOT NULL, domain TEXT NOT NULL, bytes INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (origin, device, activity, domain)) WITHOUT ROWID;

CREATE TABLE good_domains (
  plan TEXT NOT NULL, origin TEXT NOT NULL, activity TEXT NOT NULL, device TEXT NOT NULL, run TEXT NOT NULL, at INTEGER NOT NULL, domains TEXT NOT NULL,
  PRIMARY KEY (plan, origin, activity, device)) WITHOUT ROWID;

CREATE TABLE logs (
  run TEXT NOT NULL, task TEXT NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL, stream TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (run, task, seq)) WITHOUT ROWID;
`, `
ALTER TABLE obligations ADD COLUMN plan TEXT NOT NULL DEFAULT '';
ALTER TABLE obligations ADD COLUMN due_back INTEGER NOT NULL DEFAULT 0;
ALTER TABLE obligations ADD COLUMN debt TEXT NOT NULL DEFAULT 'null';
`, `
ALTER TABLE obligations ADD COLUMN environment TEXT NOT NULL DEFAULT '';
ALTER TABLE sizes ADD COLUMN took INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lockouts ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE lockouts DROP COLUMN reason;

CREATE TABLE breakers (
  device TEXT NOT NULL, environment TEXT NOT NULL DEFAULT '', since INTEGER NOT NULL, reason TEXT NOT NULL, run TEXT NOT NULL,
  opened_by TEXT NOT NULL DEFAULT '', closed INTEGER NOT NULL DEFAULT 0, closed_by TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX breakers_open ON breakers (device) WHERE closed = 0;
CREATE INDEX breakers_run ON breakers (run);
INSERT INTO breakers (device, since, reason, run) SELECT name, breaker_since, breaker_reason, breaker_run FROM devices WHERE breaker_since > 0;
ALTER TABLE devices DROP COLUMN breaker_since;
ALTER TABLE devices DROP COLUMN breaker_reason;
ALTER TABLE devices DROP COLUMN breaker_run;

CREATE TABLE members (
  plan TEXT NOT NULL, origin TEXT NOT NULL, device TEXT NOT NULL, grp TEXT NOT NULL, endpoint TEXT NOT NULL,
  PRIMARY KEY (plan, origin, device)) WITHOUT ROWID;
`, compact, copies, rooms, proofs, restores, subjects, evidenceTable, scheduled, newest, asked, feed, pauses, approvals}

// compact keeps only the parts of a finished run that dprun shows: a short row
// for each task, and a body with its history and the places of its copies.
// Entries, one for each commit, hold the rest, which only a replay needs; they
// are removed when the run is finished. The rows of all three tables are numbered
// from the run's number times 2^32.
const compact = `
ALTER TABLE runs RENAME TO runs3;
DROP INDEX runs_started;
DROP INDEX runs_state;
CREATE TABLE runs (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, plan TEXT NOT NULL, origin TEXT NOT NULL, narrowed TEXT NOT NULL, machine_version INTEGER NOT NULL,
  started INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0, exit_code INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL DEFAULT 'running', host TEXT NOT NULL, pid INTEGER NOT NULL, partial INTEGER NOT NULL,
  tasks INTEGER NOT NULL DEFAULT 0, succeeded INTEGER NOT NULL DEFAULT 0, history TEXT NOT NULL DEFAULT '');
CREATE TABLE specs (run INTEGER PRIMARY KEY, spec TEXT NOT NULL);
ALTER TABLE tasks RENAME TO tasks3;
DROP INDEX tasks_device;
CREATE TABLE tasks (
  k INTEGER PRIMARY KEY, id TEXT NOT NULL, activity TEXT NOT NULL, device TEXT NOT NULL, domain TEXT NOT NULL, code TEXT NOT NULL, final INTEGER NOT NULL,
  good INTEGER NOT NULL, bytes INTEGER NOT NULL, took INTEGER NOT NULL);
CREATE TABLE bodies (k INTEGER PRIMARY KEY, history TEXT NOT NULL, files TEXT NOT NULL);
CREATE TABLE entries (k INTEGER PRIMARY KEY, events TEXT NOT NULL, statuses TEXT NOT NULL, files TEXT NOT NULL);
CREATE TABLE scripts (
  run TEXT NOT NULL, task TEXT NOT NULL, action TEXT NOT NULL, begun INTEGER NOT NULL,
  PRIMARY KEY (run, task, action)) WITHOUT ROWID;
ALTER TABLE sizes RENAME TO sizes3;
CREATE TABLE sizes (
  origin TEXT NOT NULL, plan TEXT NOT NULL, device TEXT NOT NULL, activity TEXT NOT NULL, domain TEXT NOT NULL, bytes INTEGER NOT NULL,
  at INTEGER NOT NULL, took INTEGER NOT NULL, run INTEGER NOT NULL,
  PRIMARY KEY (origin, device, activity, plan, domain)) WITHOUT ROWID;

CREATE TEMP TABLE histories AS SELECT run, task, group_concat(json, ',' ORDER BY seq) AS body FROM (
  SELECT run, task, seq, json_object('c', code, 't', time - lag(time, 1, 0) OVER (PARTITION BY run, task ORDER BY seq),
    'f', json(iif(final, 'true', 'false')), 'm', json_extract(json, '$.message'),
    'k', json(json_extract(json, '$.causes')), 'w', json(json_extract(json, '$.warnings'))) AS json FROM statuses) GROUP BY run, task;
CREATE UNIQUE INDEX temp.histories_task ON histories (run, task);
CREATE TEMP TABLE copies AS SELECT run, task, json_group_array(json_extract(json, '$.result.store.location') ORDER BY seq) AS files
  FROM events WHERE json_extract(json, '$.result.store.location') IS NOT NULL GROUP BY run, task;
CREATE UNIQUE INDEX temp.copies_task ON copies (run, task);

INSERT INTO runs (id, plan, origin, narrowed, machine_version, started, ended, exit_code, code, state, host, pid, partial, tasks, succeeded, history)
  SELECT id, plan, origin, coalesce(json_extract(nullif(spec, ''), '$.spec.only'), ''), machine_version, started, ended, exit_code, code, state, host, pid, partial,
    (SELECT count(*) FROM tasks3 WHERE run = runs3.id), (SELECT count(*) FROM tasks3 WHERE run = runs3.id AND final AND code = 'SUCCESS'),
    coalesce('[' || (SELECT body FROM histories WHERE run = runs3.id AND task = '') || ']', '')
  FROM runs3 ORDER BY started, id;
INSERT INTO specs SELECT n, spec FROM runs3 JOIN runs USING (id) WHERE runs3.state = 'running';

CREATE TEMP TABLE moved AS SELECT r.n AS run, t.id, t.activity, t.device, t.domain, t.code, t.final, coalesce('[' || h.body || ']', '') AS history, coalesce(c.files, '') AS files,
    r.state = 'finished' OR t.final AS ended,
    t.final AND t.code = 'SUCCESS' AS good, coalesce(s.bytes, 0) AS bytes, coalesce(s.took, 0) AS took, r.n * 4294967296 + row_number() OVER (PARTITION BY r.n ORDER BY t.updated, t.id) AS k
  FROM tasks3 t JOIN runs r ON r.id = t.run LEFT JOIN histories h ON h.run = t.run AND h.task = t.id LEFT JOIN copies c ON c.run = t.run AND c.task = t.id
    LEFT JOIN sizes3 s ON (s.origin, s.device, s.activity, s.domain) = (r.origin, t.device, t.activity, t.domain);
INSERT INTO bodies SELECT k, history, files FROM moved WHERE ended;
INSERT INTO tasks SELECT k, id, activity, device, domain, code, final, good, bytes, took FROM moved WHERE ended;

INSERT INTO entries SELECT n * 4294967296 + seq, '[' || json || ']', '', '' FROM events JOIN runs ON runs.id = events.run WHERE state = 'running';
INSERT INTO entries SELECT k + 4294967296 / 2, '',
    json_array(json_object('i', id, 'a', activity, 'd', device, 'o', domain, 'h', json(history))),
    coalesce((SELECT json_group_array(json_object('i', moved.id, 'f', value)) FROM json_each(nullif(files, ''))), '')
  FROM moved WHERE NOT ended;
INSERT INTO scripts SELECT run, task, json_extract(json, '$.action'), begun FROM (
  SELECT run, task, json, json_extract(json, '$.kind') = 'started' OR coalesce(json_extract(json, '$.failure.reason'), '') <> 'not_executable' AS begun,
    row_number() OVER (PARTITION BY run, task, json_extract(json, '$.action') ORDER BY seq DESC) AS last
  FROM events WHERE json_extract(json, '$.action') LIKE 'script/%' AND json_extract(json, '$.kind') IN ('started', 'finished')) WHERE last = 1;

INSERT INTO sizes SELECT origin, plan, device, activity, domain, bytes, at, took, run FROM (
  SELECT origin, plan, device, activity, domain, bytes, ended AS at, took, n AS run, max(started)
  FROM tasks JOIN runs ON n = k / 4294967296 WHERE good AND state = 'finished' GROUP BY origin, plan, device, activity, domain);
INSERT INTO sizes SELECT origin, '', device, activity, domain, bytes, at, took, 0 FROM sizes3 s
  WHERE NOT EXISTS (SELECT 1 FROM sizes z WHERE (z.origin, z.device, z.activity, z.domain) = (s.origin, s.device, s.activity, s.domain));

DROP TABLE runs3;
DROP TABLE tasks3;
DROP TABLE events;
DROP TABLE statuses;
DROP TABLE sizes3;
DROP TABLE histories;
DROP TABLE copies;
DROP TABLE moved;

CREATE INDEX runs_started ON runs (started, id);
CREATE INDEX runs_plan ON runs (plan, started, id);
CREATE INDEX runs_unfinished ON runs (started, id) WHERE state = 'running';
CREATE INDEX obligations_back ON obligations (paid_at) WHERE kind = 'unquiesce';
`

// scheduled keeps a server's decision about each time at which a plan was due.
// One row is one decision, and it is entered before the run begins.
const scheduled = `
CREATE TABLE schedules (
  plan TEXT NOT NULL, origin TEXT NOT NULL, rules TEXT NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (plan, origin)) WITHOUT ROWID;
CREATE TABLE firings (
  plan TEXT NOT NULL, origin TEXT NOT NULL, due INTEGER NOT NULL, decided INTEGER NOT NULL, verdict TEXT NOT NULL,
  run TEXT NOT NULL DEFAULT '', ended INTEGER NOT NULL DEFAULT 0, exit_code INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (plan, origin, due)) WITHOUT ROWID;
CREATE INDEX firings_due ON firings (due);
CREATE TABLE server (
  only INTEGER PRIMARY KEY CHECK (only = 1), host TEXT NOT NULL, pid INTEGER NOT NULL, plans TEXT NOT NULL, started INTEGER NOT NULL, beat INTEGER NOT NULL,
  stopped INTEGER NOT NULL, broken TEXT NOT NULL);
`

// migrate brings the journal up to date, in a transaction that only one process
// can have. It refuses a newer journal.
func (j *Journal) migrate(ctx context.Context) error {
	var found int
	if err := j.writer.QueryRowContext(ctx, "PRAGMA user_version").Scan(&found); err != nil {
		return err
	}
	if marked, err := mark(j.path); err == nil && marked && found == 0 {
		return lost(j.path) // its pages were only in the -wal file, which is gone
	}
	if found == len(migrations) {
		return nil // the usual case takes no lock, because somebody may be writing
	}
	tx, err := j.writer.BeginTx(ctx, nil) // immediate: other processes wait here
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return &Error{Doing: "open it", Path: j.path, Kind: ErrNewer,
			Err:    fmt.Errorf("it has version %d, and this dprun knows versions up to %d", version, len(migrations)),
			Remedy: "use the dprun that wrote it, or a newer one"}
	}
	if version == len(migrations) {
		return nil
	}
	for ; version < len(migrations); version++ {
		if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
			return fmt.Errorf("bring it from version %d to %d: %w", version, version+1, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		return err
	}
	return tx.Commit()
}
