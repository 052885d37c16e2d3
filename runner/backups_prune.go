package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// PruneBackupsRequest asks to delete those sets of a plan that its retention does
// not keep.
type PruneBackupsRequest struct {
	Source Source
	Plan   string // the plan's name; empty: the only one of the file
	DryRun bool   // only report what would be deleted
}

// PruneBackups deletes what the retention of a plan does not keep, at each of its
// destinations, and continues deletions that an earlier prune began. It contacts
// no device. It returns neither a result nor an error if the diagnostics say that
// the plan is wrong.
func (r *Runner) PruneBackups(ctx context.Context, q PruneBackupsRequest) ([]report.PrunedBackups, *report.Result, error) {
	res := &report.Result{}
	at, err := r.reach(ctx, q.Source, q.Plan, Only{}, "prune", res)
	if err != nil || at == nil {
		return nil, res, err
	}
	defer at.close()
	loaded, p := at.loaded, at.of
	restoring, err := r.setsOfRestores()
	if err != nil {
		return nil, res, errorf(ExitOwed, "nothing is deleted, because it is not known which sets an unproven restore may need: %w", err)
	}
	all := make([]*pruning, len(p.Destinations))
	for i, d := range p.Destinations {
		all[i] = &pruning{restoring: restoring, shelf: at.exec, ledger: at.journal, lock: r.lockSet, now: r.Clock.Now, work: r.state.Work(), own: at.own, plan: p, origin: originOf(loaded, p),
			destination: d.Address, rule: p.RetentionAt(d)}
	}
	beginPrune(ctx, all)
	out := make([]report.PrunedBackups, 0, len(all))
	defer func() {
		if done := deletedBy(out); len(done) > 0 {
			r.prove(ctx, at.journal, loaded, p, evidence.Record{Kind: evidence.Prune, Plan: p.Name, Ended: r.Clock.Now(), Exit: res.ExitCode, Actions: done})
		}
	}()
	for _, w := range all {
		w.others = samePlace(w, all)
		pruned := w.prune(ctx, q.DryRun)
		out = append(out, pruned)
		res.ExitCode = graverExit(res.ExitCode, exitPruned(pruned))
		if ctx.Err() != nil {
			return out, res, ctx.Err()
		}
	}
	return out, res, nil
}

// deletedBy returns the sets that were deleted, or may have been.
func deletedBy(all []report.PrunedBackups) (out []evidence.Action) {
	for _, p := range all {
		for _, s := range p.Sets {
			if s.Outcome == report.DeletedSet || s.Outcome == report.Unfinished {
				out = append(out, evidence.Action{Device: s.Device, Domain: s.Domain, Set: s.Set, Destination: p.Destination, Outcome: string(s.Outcome), Why: strings.Join(s.Why, "; ")})
			}
		}
	}
	return out
}

// exitPruned returns 1 if the destination could not be pruned, 3 if a set could
// not be deleted, and otherwise 0.
func exitPruned(p report.PrunedBackups) int {
	switch {
	case p.Error != "":
		return 1
	case slices.ContainsFunc(p.Sets, func(s report.PrunedSet) bool { return s.Error != "" }):
		return ExitPartly
	}
	return 0
}

// shelf is the part of the destinations that a prune needs.
type shelf interface {
	Root(ctx context.Context, destination string) (string, error)
	List(ctx context.Context, destination, prefix string) ([]sdk.Object, error)
	Fetch(ctx context.Context, destination string, q sdk.FetchRequest, most int64) (*sdk.FetchReport, error)
	Delete(ctx context.Context, destination, path string) error
}

// ledger is the part of the journal that a prune needs.
type ledger interface {
	Copies(ctx context.Context, f journal.CopyFilter) iter.Seq2[backups.Copy, error]
	Origins(ctx context.Context, plan string) (files []string, runs map[string]string, err error)
	MarkCopies(ctx context.Context, marks ...journal.CopyMark) error
}

// pruning is a prune at one destination.
//
// A deletion is pending as soon as its row says "deleting", which is entered
// before anything is deleted. It needs no pending file: nothing is out of service
// because of it, the journal holds everything that is needed, and if the journal
// is lost too, a set without a manifest is nobody's backup. If a prune dies
// before it has deleted the manifest, nothing is deleted and the set is whole. If
// it dies later, the next prune deletes the files.
type pruning struct {
	shelf       shelf
	ledger      ledger
	lock        func(set string, mode lock.Mode) (release func(), err error)
	now         func() time.Time
	work        string // directory for fetched manifests
	own         string // ID of the state directory
	plan        *plan.Plan
	origin      string // the plan's file
	destination string
	rule        *plan.Retention // nil: no retention is set
	others      []*pruning      // the plan's other destinations that are the same place
	restoring   map[string]bool // sets that an unproven restore may need

	root    string                  // empty: the destination was not asked
	due     bool                    // there may be something to delete
	err     error                   // why the prune could not begin
	objects map[string]int64        // sizes by path, as listed at the beginning; nil: not listed
	claims  map[string][]string     // by path of a file: the sets of any plan that have it
	theirs  func(run string) string // returns why a set of a run does not belong to this plan; empty: it does
	unread  map[string]error        // sets whose deletion was begun and whose manifest could not be read
	silent  bool                    // the destination no longer answers
}

// samePlace returns the destinations that give themselves the same name as this
// one. A set stays if the rule of any of them keeps it.
func samePlace(w *pruning, all []*pruning) (out []*pruning) {
	for _, o := range all {
		if o != w && o.root != "" && o.root == w.root {
			out = append(out, o)
		}
	}
	return out
}

func (w *pruning) prune(ctx context.Context, dry bool) report.PrunedBackups {
	out := report.PrunedBackups{Destination: w.destination, DryRun: dry, Sets: []report.PrunedSet{}, Root: w.root}
	if w.rule != nil {
		out.Retention = w.rule.Address
	}
	err := w.err
	if err == nil && w.due {
		err = w.all(ctx, &out)
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

// beginPrune asks the destinations for their names, if there may be something to
// delete at one of them, and lists the objects of those with something to delete.
func beginPrune(ctx context.Context, all []*pruning) {
	some := false
	for _, w := range all {
		w.due, w.err = w.anything(ctx)
		some = some || w.due
	}
	for _, w := range all {
		var err error
		if some && w.err == nil {
			w.root, err = w.shelf.Root(ctx, w.destination)
		}
		if w.due && err == nil {
			w.objects, err = w.list(ctx)
		}
		if w.due && err != nil {
			w.err = err
		}
	}
}

// anything reports whether a prune may have something to do.
func (w *pruning) anything(ctx context.Context) (bool, error) {
	for _, state := range []backups.State{backups.Deleting, backups.Whole} {
		if some, err := w.copies(ctx, journal.CopyFilter{Plan: w.plan.Name, State: state}); err != nil || len(some) > 0 {
			return true, err
		}
		if w.rule == nil {
			break
		}
	}
	return false, nil
}

func (w *pruning) all(ctx context.Context, out *report.PrunedBackups) error {
	copies, err := w.copies(ctx, journal.CopyFilter{Root: w.root})
	if err != nil {
		return err
	}
	// The newest set of everything always stays, so at least one set must be there.
	// Otherwise the place is another directory or an empty mount point, and the sets
	// are not lost.
	stored, standing := 0, 0
	for _, c := range copies {
		if c.State == backups.Whole {
			if stored++; !w.begun(c) {
				standing++
			}
		}
	}
	if stored > 0 && standing == 0 {
		return fmt.Errorf("none of the %d sets that were stored at %s is in its list; find out whether it is mounted, and whether its directory is the right one", stored, w.root)
	}
	if err := w.know(ctx, copies); err != nil {
		return err
	}
	w.unread = map[string]error{}
	for id, c := range copies {
		if c.Plan != w.plan.Name {
			delete(copies, id)
		} else if c.State == backups.Deleting && !w.begun(c) {
			if copies[id], err = w.wholeAgain(ctx, c, out.DryRun); err != nil {
				return err
			}
		}
	}
	return w.decide(ctx, copies, out)
}

// know finds out which sets have which files, and which sets are not this plan's.
func (w *pruning) know(ctx context.Context, copies map[string]backups.Copy) (err error) {
	w.claims = map[string][]string{}
	for id, c := range copies {
		if !c.Imported || w.objects == nil || !w.begun(c) { // a manifest that was removed because it lied has no claims
			for _, name := range filePaths(c) {
				w.claims[name] = append(w.claims[name], id)
			}
		}
	}
	w.theirs, err = w.otherFiles(ctx)
	return err
}

// otherFiles returns a function that tells whether a set comes from a plan of the
// same name in another file. Such sets do not compete with those of this plan. If
// that file is gone, it was moved here, and its sets are this plan's.
func (w *pruning) otherFiles(ctx context.Context) (func(run string) string, error) {
	files, runs, err := w.ledger.Origins(ctx, w.plan.Name)
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(file string) bool {
		_, err := os.Stat(file)
		return file == w.origin || errors.Is(err, fs.ErrNotExist)
	})
	return func(run string) string {
		origin, known := runs[run]
		switch {
		case len(files) == 0 || origin == w.origin:
		case !known:
			return fmt.Sprintf("the plan of this name in %s may have stored it; rename one of the two plans", join(files))
		case slices.Contains(files, origin):
			return "stored by the plan of this name in " + origin
		}
		return ""
	}, nil
}

// copies returns the copies of a filter by set, except deleted ones.
func (w *pruning) copies(ctx context.Context, f journal.CopyFilter) (map[string]backups.Copy, error) {
	copies := map[string]backups.Copy{}
	for c, err := range w.ledger.Copies(ctx, f) {
		if err != nil {
			return nil, err
		}
		if c.State != backups.Deleted { // there may be many deleted ones
			c.Facts, c.Withheld, c.Warnings = nil, nil, nil
			copies[c.Set] = c
		}
	}
	return copies, nil
}

// wholeAgain makes a copy a backup again if a prune wanted to delete it and has
// deleted nothing of it. It does nothing while another process works on the copy.
func (w *pruning) wholeAgain(ctx context.Context, c backups.Copy, dry bool) (backups.Copy, error) {
	release, err := w.lock(c.Set, lock.Exclusive)
	if errors.As(err, new(*lock.HeldError)) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	defer release()
	now, err := w.row(ctx, c.Set)
	if err != nil || now.State != c.State {
		return now, err
	}
	state, err := w.manifest(ctx, c)
	switch {
	case err != nil && ctx.Err() == nil && !failure.From(err).Kind.Retryable():
		w.unread[c.Set] = err // the set does not count as good, and the others of its device are judged without it
		return c, nil
	case err != nil || state == backups.Missing:
		return c, err
	}
	c.State = state
	if dry {
		return c, nil
	}
	return c, w.mark(ctx, c, state)
}

// list returns the sizes of the objects at the destination, by path.
func (w *pruning) list(ctx context.Context) (map[string]int64, error) {
	found, err := w.shelf.List(ctx, w.destination, "")
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64, len(found))
	for _, o := range found {
		sizes[o.Path] = o.Size
	}
	return sizes, nil
}

// decide applies the rule to the plan's sets, and deletes those that the rule
// does not keep.
func (w *pruning) decide(ctx context.Context, copies map[string]backups.Copy, out *report.PrunedBackups) error {
	verdicts, err := w.verdicts(copies)
	if err != nil {
		return err
	}
	for _, v := range verdicts {
		c := copies[v.ID]
		s := report.PrunedSet{Set: c.Set, Device: c.Device, Domain: c.Domain, Activity: c.Activity, Captured: c.Captured, Bytes: c.Bytes, Outcome: report.Stays, Why: v.Why}
		goes := !v.Keep
		switch {
		case c.State == backups.Deleting && w.begun(c):
			goes, s.Why = true, []string{"its deletion was begun"}
		case w.unread[c.Set] != nil:
			s.Outcome, s.Error = report.Left, fmt.Sprintf("its deletion was begun, and its manifest cannot be read: %v", w.unread[c.Set])
		}
		if why := w.shared(c); goes && why != "" {
			goes, s.Why = false, []string{why}
		}
		switch {
		case goes && out.DryRun:
			s.Outcome = report.Goes
		case goes:
			w.remove(ctx, c, &s)
		}
		out.Sets = append(out.Sets, s)
	}
	w.confirm(ctx, out.Sets, copies)
	return nil
}

// shared says why a copy cannot be deleted alone: another set lists a file of it.
// Then one of the two manifests lies and was imported, because no run stores over
// existing files.
func (w *pruning) shared(c backups.Copy) string {
	for _, name := range filePaths(c) {
		for _, other := range w.claims[name] {
			if other != c.Set {
				return fmt.Sprintf("set %s lists %s too: look at both with `dprun backups show`, and remove the false manifest by hand", other, name)
			}
		}
	}
	return ""
}

// begun reports whether the deletion of a copy has begun: the manifest goes
// first, so it is gone.
func (w *pruning) begun(c backups.Copy) bool {
	_, there := w.objects[c.Path]
	return !there
}

// remove deletes a copy, unless another process reads it, and enters the outcome
// in s.
func (w *pruning) remove(ctx context.Context, c backups.Copy, s *report.PrunedSet) {
	if w.silent {
		s.Outcome, s.Error = report.Left, "it was not tried: the destination does not answer"
		return
	}
	release, err := w.lock(c.Set, lock.Exclusive)
	if e := new(lock.HeldError); errors.As(err, &e) {
		s.Outcome, s.Why = report.InUse, []string{"in use by " + e.Holder.String()}
		return
	}
	s.Outcome = report.Left
	if err == nil {
		s.Outcome, err = w.removeLocked(ctx, c)
		release()
	}
	if err != nil {
		s.Error = err.Error()
		w.silent = failure.From(err).Kind.Retryable()
	}
}

func (w *pruning) removeLocked(ctx context.Context, c backups.Copy) (report.Outcome, error) {
	// Another process may have changed it before the lock was free.
	now, err := w.row(ctx, c.Set)
	if err != nil {
		return report.Left, err
	}
	if now.State != c.State || now.SHA256 != c.SHA256 {
		return report.Left, fmt.Errorf("it changed meanwhile: it is %s now", cmp.Or(string(now.State), "not known"))
	}
	state, err := w.manifest(ctx, c)
	switch {
	case err != nil:
		return report.Left, fmt.Errorf("its manifest cannot be read before the delete: %w", err)
	case state == backups.Altered:
		return report.Left, errors.Join(errors.New("its manifest is not the one that was stored; look at it with `dprun backups check`, and remove it by hand"), w.mark(ctx, c, backups.Altered))
	case state == backups.Missing && c.State == backups.Whole:
		return report.Left, errors.Join(errors.New("its manifest is not there any more"), w.mark(ctx, c, backups.Missing))
	case c.State == backups.Whole:
		if err := w.mark(ctx, c, backups.Deleting); err != nil {
			return report.Left, err
		}
	}
	if state == backups.Whole {
		if err := w.shelf.Delete(ctx, w.destination, c.Path); err != nil {
			return w.refused(ctx, c, err)
		}
	}
	for _, f := range c.Parts() {
		if err := w.shelf.Delete(ctx, w.destination, c.At(f)); err != nil {
			return report.Unfinished, fmt.Errorf("its manifest is deleted, and %s is not: %w; the next prune tries again", c.At(f), err)
		}
	}
	return report.DeletedSet, nil
}

// refused returns the outcome for a set whose manifest could not be deleted. The
// set stays a backup only if the refusal was clear and its manifest was seen
// afterwards: a request without an answer may still take effect.
func (w *pruning) refused(ctx context.Context, c backups.Copy, why error) (report.Outcome, error) {
	if failure.From(why).Kind.Retryable() {
		return report.Unfinished, fmt.Errorf("it is not known whether its manifest is deleted: %w; the next prune looks again", why)
	}
	if state, err := w.manifest(ctx, c); err != nil || state != backups.Whole {
		return report.Unfinished, fmt.Errorf("its manifest may be deleted: %w; the next prune looks again", errors.Join(why, err))
	}
	if err := w.mark(ctx, c, backups.Whole); err != nil {
		return report.Unfinished, err
	}
	return report.Left, fmt.Errorf("the destination refuses to delete it, and it stays whole: %w", why)
}

// row returns the journal's present row of a copy; empty: there is none.
func (w *pruning) row(ctx context.Context, set string) (backups.Copy, error) {
	for c, err := range w.ledger.Copies(ctx, journal.CopyFilter{Set: set, Root: w.root}) {
		return c, err
	}
	return backups.Copy{}, nil
}

// manifest reports whether the manifest of a copy is as it was stored, altered or
// missing.
func (w *pruning) manifest(ctx context.Context, c backups.Copy) (backups.State, error) {
	dir, err := os.MkdirTemp(w.work, "prune-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is in the state directory, and small
	r, err := w.shelf.Fetch(ctx, w.destination, sdk.FetchRequest{Path: c.Path, File: filepath.Join(dir, "manifest")}, backups.MaxManifest)
	switch {
	case err != nil && isAbsent(err):
		return backups.Missing, nil
	case err != nil:
		return "", err
	case r.SHA256 != c.SHA256:
		return backups.Altered, nil
	}
	return backups.Whole, nil
}

func (w *pruning) mark(ctx context.Context, c backups.Copy, s backups.State) error {
	return w.ledger.MarkCopies(ctx, journal.CopyMark{Set: c.Set, Root: w.root, State: s, At: w.now()})
}

// confirm enters sets as deleted after a new listing no longer shows them.
func (w *pruning) confirm(ctx context.Context, out []report.PrunedSet, copies map[string]backups.Copy) {
	var deleted []*report.PrunedSet
	for i := range out {
		if out[i].Outcome == report.DeletedSet {
			deleted = append(deleted, &out[i])
		}
	}
	if len(deleted) == 0 {
		return
	}
	objects, err := w.list(ctx)
	var marks []journal.CopyMark
	for _, s := range deleted {
		c := copies[s.Set]
		why := err
		for _, name := range append([]string{c.Path}, filePaths(c)...) {
			if _, there := objects[name]; there {
				why = errors.New(name + " is still there after it was deleted")
			}
		}
		if why != nil {
			s.Outcome, s.Error = report.Unfinished, fmt.Sprintf("it is not proven to be gone: %v; the next prune looks again", why)
			continue
		}
		marks = append(marks, journal.CopyMark{Set: c.Set, Root: w.root, State: backups.Deleted, At: w.now()})
	}
	if err := w.ledger.MarkCopies(ctx, marks...); err != nil {
		for _, s := range deleted {
			s.Outcome, s.Error = report.Unfinished, err.Error()
		}
	}
}

func filePaths(c backups.Copy) (names []string) {
	for _, f := range c.Parts() {
		names = append(names, c.At(f))
	}
	return names
}
