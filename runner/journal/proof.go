package journal

import (
	"context"

	"github.com/dprun/dprun/runner/backups"
)

// proofs hold what came of imports of sets. They outlive the copies: that a
// domain could not be imported stays true until one can be.
const proofs = `
CREATE TABLE proofs (
  k INTEGER PRIMARY KEY, id TEXT NOT NULL, sha256 TEXT NOT NULL, device TEXT NOT NULL, domain TEXT NOT NULL, activity TEXT NOT NULL, at INTEGER NOT NULL,
  run TEXT NOT NULL, imported_on TEXT NOT NULL, drill INTEGER NOT NULL, verdict TEXT NOT NULL, why TEXT NOT NULL, excused INTEGER NOT NULL);
CREATE INDEX proofs_set ON proofs (id);
`

// Prove enters what came of an import.
func (j *Journal) Prove(ctx context.Context, p backups.Proof) error {
	return j.exec(ctx, "enter what the import of set "+p.Set+" has shown",
		"INSERT INTO proofs (id, sha256, device, domain, activity, at, run, imported_on, drill, verdict, why, excused) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
		p.Set, p.SHA256, p.Device, p.Domain, p.Activity, stamp(p.At), p.Run, p.On, p.Drill, string(p.Verdict), p.Why, p.Excused)
}

// Proofs lists what came of imports, the newest first: of a set, or of all.
func (j *Journal) Proofs(ctx context.Context, set string) ([]backups.Proof, error) {
	return list(ctx, j, "list what imports have shown", func(s scanner) (p backups.Proof, err error) {
		return p, s.Scan(&p.Set, &p.SHA256, &p.Device, &p.Domain, &p.Activity, moment{&p.At}, &p.Run, &p.On, &p.Drill, &p.Verdict, &p.Why, &p.Excused)
	}, "SELECT id, sha256, device, domain, activity, at, run, imported_on, drill, verdict, why, excused FROM proofs WHERE ?1 = '' OR id = ?1 ORDER BY at DESC, k DESC", set)
}
