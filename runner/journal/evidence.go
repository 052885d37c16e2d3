package journal

import (
	"context"
	"database/sql"
	"errors"

	"github.com/dprun/dprun/runner/evidence"
)

// evidenceTable holds the head of the chain of records: for this state directory,
// whose root is empty, and for each destination. The records themselves are
// files.
const evidenceTable = `
CREATE TABLE evidence (root TEXT PRIMARY KEY, seq INTEGER NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID;
`

const (
	selectEvidence = "SELECT seq, digest FROM evidence WHERE root = ?"
	noteEvidence   = "INSERT INTO evidence (root, seq, digest) VALUES (?1,?2,?3) ON CONFLICT (root) DO UPDATE SET seq = ?2, digest = ?3 WHERE seq < ?2"
)

// AppendEvidence calls next to make the record that follows the last one, and
// enters the record. Processes that append at the same time take turns.
func (j *Journal) AppendEvidence(ctx context.Context, next func(after evidence.Head) (evidence.Head, error)) error {
	return j.write(ctx, "enter a record of evidence", func(t *transaction) error {
		var h evidence.Head
		err := t.row(selectEvidence, "").Scan(&h.Sequence, &h.Digest)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if h, err = next(h); err != nil {
			return err
		}
		_, err = t.exec(noteEvidence, "", h.Sequence, h.Digest)
		return err
	})
}

// Evidence returns the last record that a destination has. root is the name that
// the destination gives itself; empty: the state directory. The zero Head: none.
func (j *Journal) Evidence(ctx context.Context, root string) (evidence.Head, error) {
	found, err := only(list(ctx, j, "find the last record of evidence", func(s scanner) (h evidence.Head, err error) { return h, s.Scan(&h.Sequence, &h.Digest) }, selectEvidence, root))
	if found == nil {
		return evidence.Head{}, err
	}
	return *found, nil
}

// NoteEvidence enters the last record that a destination has. It never goes back.
func (j *Journal) NoteEvidence(ctx context.Context, root string, h evidence.Head) error {
	return j.exec(ctx, "enter which records of evidence a destination has",
		noteEvidence, root, h.Sequence, h.Digest)
}
