package journal

import (
	"context"
	"fmt"
)

// migrations bring a journal from version i to i+1 (PRAGMA user_version). One
// that was released is never changed.
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
`}

// migrate brings the journal up to date, in a transaction that only one
// process can have. A newer journal is refused.
func (j *Journal) migrate(ctx context.Context) error {
	var found int
	if err := j.writer.QueryRowContext(ctx, "PRAGMA user_version").Scan(&found); err != nil {
		return err
	}
	if marked, err := mark(j.path); err == nil && marked && found == 0 {
		return lost(j.path) // its pages were only in the -wal file, and that is gone
	}
	if found == len(migrations) {
		return nil // the usual case, without the lock: somebody may be writing
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
