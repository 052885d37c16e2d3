package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/backups"
)

// The copies table holds a row for each set at each destination. The rows outlive
// their runs. Two tables hold values that many rows share: the name that a
// destination gives itself, and the facts of a device in a run.
const copies = `
CREATE TABLE roots (n INTEGER PRIMARY KEY, root TEXT NOT NULL UNIQUE);
CREATE TABLE facts (n INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, facts TEXT NOT NULL);
CREATE TABLE copies (
  k INTEGER PRIMARY KEY, id TEXT NOT NULL, root INTEGER NOT NULL, destination TEXT NOT NULL, plan TEXT NOT NULL, path TEXT NOT NULL, digest BLOB NOT NULL,
  run TEXT NOT NULL, task TEXT NOT NULL, device TEXT NOT NULL, identity TEXT NOT NULL, domain TEXT NOT NULL, activity TEXT NOT NULL, type TEXT NOT NULL,
  stamp TEXT NOT NULL, bytes INTEGER NOT NULL, files TEXT NOT NULL, facts INTEGER NOT NULL, verified TEXT NOT NULL, durable INTEGER NOT NULL,
  origin TEXT NOT NULL, imported INTEGER NOT NULL, state TEXT NOT NULL, stored INTEGER NOT NULL, checked INTEGER NOT NULL);
CREATE UNIQUE INDEX copies_set ON copies (id, root);
CREATE INDEX copies_device ON copies (device, domain, id);
`

// subjects lets a query find the copies of one subject, and list the subjects,
// without reading a copy.
const subjects = `
DROP INDEX copies_device;
CREATE INDEX copies_subject ON copies (device, domain, activity, id);
`

const (
	enterRoot  = "INSERT INTO roots (root) VALUES (?) ON CONFLICT DO NOTHING"
	enterFacts = "INSERT INTO facts (digest, facts) VALUES (?,?) ON CONFLICT DO NOTHING"
	insertCopy = `INSERT INTO copies (id, root, destination, plan, path, digest, run, task, device, identity, domain, activity, type, stamp, bytes, files, facts, verified, durable,
		origin, imported, state, stored, checked)
		VALUES (?1,(SELECT n FROM roots WHERE root = ?2),?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,coalesce((SELECT n FROM facts WHERE digest = ?17),0),?18,?19,?20,?21,?22,?23,?24)
		ON CONFLICT (id, root) DO UPDATE SET destination = ?3, plan = ?4, path = ?5, digest = ?6, run = ?7, task = ?8, device = ?9, identity = ?10, domain = ?11, activity = ?12,
		type = ?13, stamp = ?14, bytes = ?15, files = ?16, facts = excluded.facts, verified = ?18, durable = ?19, origin = ?20, imported = ?21, state = ?22, stored = ?23, checked = ?24`
	copyColumns = `c.id, r.root, c.destination, c.plan, c.path, c.digest, c.run, c.task, c.device, c.identity, c.domain, c.activity, c.type, c.stamp, c.bytes, c.files,
		f.facts, c.verified, c.durable, c.origin, c.imported, c.state, c.stored, c.checked`
	selectCopies = "SELECT " + copyColumns + " FROM copies c CROSS JOIN roots r ON r.n = c.root LEFT JOIN facts f ON f.n = c.facts WHERE "
	markCopy     = "UPDATE copies SET state = ?, checked = ? WHERE id = ? AND root = (SELECT n FROM roots WHERE root = ?)"
)

// copyBody holds the fields of a copy that no query filters by.
type copyBody struct {
	Files    []backups.File `json:"f"`
	Withheld []string       `json:"k,omitempty"`
	Warnings []string       `json:"w,omitempty"`
	// Signature is here, although it decides about trust, because few copies have one.
	Signature *backups.Signature `json:"s,omitempty"`
}

// writeCopy enters a copy. It replaces an earlier entry of the same set and root.
func writeCopy(t *transaction, c backups.Copy) error {
	fail := func(err error) error { return fmt.Errorf("set %s at %s: %w", c.Set, c.Root, err) }
	body, err := json.Marshal(copyBody{c.Files, c.Withheld, c.Warnings, c.Signature})
	if err != nil {
		return fail(err)
	}
	digest, err := hex.DecodeString(c.SHA256)
	if err != nil {
		return fail(err)
	}
	if _, err := t.exec(enterRoot, c.Root); err != nil {
		return fail(err)
	}
	var facts []byte
	if len(c.Facts) > 0 {
		sum := sha256.Sum256(c.Facts)
		facts = sum[:16]
		if _, err := t.exec(enterFacts, facts, string(c.Facts)); err != nil {
			return fail(err)
		}
	}
	_, err = t.exec(insertCopy, c.Set, c.Root, c.Destination, c.Plan, c.Path, digest, c.Run, c.Task, c.Device, c.Identity, c.Domain, c.Activity, c.Type, c.Stamp,
		c.Bytes, string(body), facts, c.Verified, c.Durable, c.StateID, c.Imported, string(c.State), stamp(c.Stored), stamp(c.Checked))
	if err != nil {
		return fail(err)
	}
	return nil
}

func scanCopy(s scanner) (c backups.Copy, err error) {
	var digest, body, facts []byte
	if err := s.Scan(&c.Set, &c.Root, &c.Destination, &c.Plan, &c.Path, &digest, &c.Run, &c.Task, &c.Device, &c.Identity, &c.Domain, &c.Activity, &c.Type, &c.Stamp, &c.Bytes,
		&body, &facts, &c.Verified, &c.Durable, &c.StateID, &c.Imported, &c.State, moment{&c.Stored}, moment{&c.Checked}); err != nil {
		return c, err
	}
	var b copyBody
	if err := json.Unmarshal(body, &b); err != nil {
		return c, fmt.Errorf("the files of set %s: %w", c.Set, err)
	}
	c.SHA256, c.Facts, c.Files, c.Withheld, c.Warnings = hex.EncodeToString(digest), orNil(facts), b.Files, b.Withheld, b.Warnings
	c.Signature = b.Signature
	c.Captured, err = backups.ParseStamp(c.Stamp)
	return c, err
}

// CopyFilter narrows a list of copies. An empty field does not narrow it.
type CopyFilter struct {
	Set    string    // this set only
	After  string    // only sets that are older than this one: the cursor of a list
	Before time.Time // only sets that were captured before it, to the millisecond
	Run    string    // of this run, which began at Since or later
	Since  time.Time
	Device string
	Domain string // with or without Device
	Whole  bool   // only copies of whole devices
	// Activity together with Device, and Domain or Whole, is fast: it names one
	// subject.
	Activity string
	Plan     string
	Root     string
	State    backups.State
	// Identity is the box's own.
	Identity string
}

func (f CopyFilter) query() (query string, args []any) {
	query = selectCopies + "true"
	add := func(on bool, condition string, arg any) {
		if on {
			query += " AND " + condition
			args = append(args, arg)
		}
	}
	add(f.Set != "", "c.id = ?", f.Set)
	add(f.After != "", "c.id < ?", f.After)
	add(!f.Before.IsZero(), "c.id < ?", backups.FirstID(f.Before))
	add(!f.Since.IsZero(), "c.id >= ?", backups.FirstID(f.Since))
	add(f.Run != "", "c.run = ?", f.Run)
	add(f.Device != "", "c.device = ?", f.Device)
	add(f.Domain != "", "c.domain = ?", f.Domain)
	add(f.Activity != "", "c.activity = ?", f.Activity)
	add(f.Whole, "c.domain = ?", "")
	add(f.Plan != "", "c.plan = ?", f.Plan)
	add(f.Root != "", "r.root = ?", f.Root)
	add(f.State != "", "c.state = ?", string(f.State))
	add(f.Identity != "", "c.identity = ?", f.Identity)
	return query + " ORDER BY c.id DESC, r.root", args
}

// Copies yields the known copies: the newest set first, and the copies of one set
// together, ordered by destination. An error ends the sequence. A caller may
// break the loop; while the loop runs, SQLite cannot shorten its write-ahead log.
func (j *Journal) Copies(ctx context.Context, f CopyFilter) iter.Seq2[backups.Copy, error] {
	return func(yield func(backups.Copy, error) bool) {
		query, args := f.query()
		stream(ctx, j, "list the copies of backups", scanCopy, yield, query, args...)
	}
}

const selectSubjects = "SELECT DISTINCT device, domain, activity FROM copies INDEXED BY copies_subject WHERE (?1 = '' OR device = ?1) AND (?2 = '' OR domain = ?2)"

// Subjects lists the subjects that have or had copies. An empty device or domain
// means all.
func (j *Journal) Subjects(ctx context.Context, device, domain string) ([]backups.Subject, error) {
	return list(ctx, j, "list what there are backups of", func(s scanner) (of backups.Subject, err error) {
		return of, s.Scan(&of.Device, &of.Domain, &of.Activity)
	},
		selectSubjects, device, domain)
}

const selectSets = "SELECT DISTINCT id FROM copies WHERE id >= ?1 AND id < ?1 || char(1114111) ORDER BY id LIMIT 2"

// Set finds a set by its ID, or by a prefix of the ID that no other set shares.
// It returns ErrNotFound or ErrAmbiguous.
func (j *Journal) Set(ctx context.Context, ref string) (string, error) {
	doing := fmt.Sprintf("find set %q", ref)
	ref = strings.ToUpper(ref)
	var found []string
	var err error
	if ref != "" {
		found, err = list(ctx, j, doing, func(s scanner) (id string, err error) { return id, s.Scan(&id) }, selectSets, ref)
	}
	if err != nil {
		return "", err
	}
	return unique(found, func(id string) string { return id }, ref, doing, "list the sets with `dprun backups list`")
}

// CopyMark is the state that dprun found a copy in, or brought it into.
type CopyMark struct {
	Set, Root string
	State     backups.State
	At        time.Time
}

// MarkCopies enters the states of copies in one transaction. It returns
// ErrNotFound, and enters nothing, if the journal does not know one of them.
func (j *Journal) MarkCopies(ctx context.Context, marks ...CopyMark) error {
	return j.write(ctx, "enter what was found of backups", func(t *transaction) error {
		for _, m := range marks {
			res, err := t.exec(markCopy, string(m.State), stamp(m.At), m.Set, m.Root)
			if err := touched(res, err, "a copy of set "+m.Set+" at "+m.Root); err != nil {
				return err
			}
		}
		return nil
	})
}

// Import enters copies that were found at a destination, and returns how many it
// entered as new. It leaves a copy that the journal knows from a run of its own
// as it is, unless that copy was deleted: if it is there again, only the
// destination vouches for it. For a copy from an earlier import it enters only
// the signature again, because the trusted keys may have changed. A trusted
// manifest replaces another manifest of its set that nobody vouches for.
func (j *Journal) Import(ctx context.Context, found ...backups.Copy) (entered int, err error) {
	err = j.write(ctx, "enter the backups of a destination", func(t *transaction) error {
		entered = 0
		for _, c := range found {
			c.Imported = true
			known, err := scanCopy(t.row(selectCopies+"c.id = ? AND r.root = ?", c.Set, c.Root))
			if err == nil && known.State != backups.Deleted && !c.Outranks(&known) {
				if known.Imported && known.SHA256 == c.SHA256 && !reflect.DeepEqual(known.Signature, c.Signature) {
					known.Signature = c.Signature
					err = writeCopy(t, known)
				}
				if err != nil {
					return err
				}
				continue
			}
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			if err := writeCopy(t, c); err != nil {
				return err
			}
			entered++
		}
		return nil
	})
	return entered, err
}

// Origins returns the files whose plans of this name have made backups (of any
// device), and the file of each run of this name that the journal still knows.
func (j *Journal) Origins(ctx context.Context, plan string) (files []string, runs map[string]string, err error) {
	const doing = "find the plans of a name"
	files, err = list(ctx, j, doing, func(s scanner) (file string, err error) { return file, s.Scan(&file) }, "SELECT DISTINCT origin FROM sizes WHERE plan = ? ORDER BY origin", plan)
	if err != nil {
		return nil, nil, err
	}
	type run struct{ id, origin string }
	all, err := list(ctx, j, doing, func(s scanner) (r run, err error) { return r, s.Scan(&r.id, &r.origin) }, "SELECT id, origin FROM runs WHERE plan = ?", plan)
	runs = make(map[string]string, len(all))
	for _, r := range all {
		runs[r.id] = r.origin
	}
	return files, runs, err
}
