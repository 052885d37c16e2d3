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

// PruneBackupsRequest asks to delete the sets of a plan that its retention does
// not keep.
type PruneBackupsRequest struct {
	Source Source
	Plan   string // the plan's name; empty: the only one of the file
	DryRun bool   // only say what would go
}

// PruneBackups deletes what the retention of a plan does not keep, at each of
// its destinations, and goes on with what an earlier prune began. No device is
// contacted. It gives nothing and no error when the diagnostics say what is
// wrong with the plan.
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
		return nil, res, errorf(ExitOwed, "nothing is deleted: which sets a restore that is not proven may need is not known: %w", err)
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

// deletedBy are the sets that were deleted, or may be.
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

// exitPruned is 1 where nothing could be done and 3 where a part was left.
func exitPruned(p report.PrunedBackups) int {
	switch {
	case p.Error != "":
		return 1
	case slices.ContainsFunc(p.Sets, func(s report.PrunedSet) bool { return s.Error != "" }):
		return ExitPartly
	}
	return 0
}

// shelf is what a prune needs of destinations.
type shelf interface {
	Root(ctx context.Context, destination string) (string, error)
	List(ctx context.Context, destination, prefix string) ([]sdk.Object, error)
	Fetch(ctx context.Context, destination string, q sdk.FetchRequest, most int64) (*sdk.FetchReport, error)
	Delete(ctx context.Context, destination, path string) error
}

// ledger is what a prune needs of the journal.
type ledger interface {
	Copies(ctx context.Context, f journal.CopyFilter) iter.Seq2[backups.Copy, error]
	Origins(ctx context.Context, plan string) (files []string, runs map[string]string, err error)
	MarkCopies(ctx context.Context, marks ...journal.CopyMark) error
}

// pruning is a prune at one destination.
//
// What is to be deleted is owed from the moment that its row says "deleting",
// which is entered before. It is not a pending file: nothing is out of service
// because of it, the journal holds all that is needed, and when the journal is
// lost too, a set without a manifest is nobody's backup. A prune that died left
// the manifest, and then nothing was deleted and the set is whole; or it did
// not, and the next prune deletes the files.
type pruning struct {
	shelf       shelf
	ledger      ledger
	lock        func(set string, mode lock.Mode) (release func(), err error)
	now         func() time.Time
	work        string // directory for fetched manifests
	own         string // ID of the state directory
	plan        *plan.Plan
	origin      string // the file that holds the plan
	destination string
	rule        *plan.Retention // nil: none is set
	others      []*pruning      // at other destinations of the plan that are the same place
	restoring   map[string]bool // sets that restores which are not proven may need

	root    string                  // empty: it was not asked
	due     bool                    // there may be something to delete
	err     error                   // why it was not begun
	objects map[string]int64        // sizes by path, as listed at the beginning; nil: not listed
	claims  map[string][]string     // sets of whatever plan that have a file, by its path
	theirs  func(run string) string // says why a set of a run is none of this plan; empty: it is
	unread  map[string]error        // sets whose deletion was begun and whose manifest was not read
	silent  bool                    // the destination does not answer any more
}

// samePlace are those whose destination names itself as this one does: what one rule keeps stays,
// whatever another one says.
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

// beginPrune finds out how destinations name themselves, if there may be something to delete at one of
// them, and lists those where there is.
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

// anything reports whether a prune has anything to do.
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
	// The newest of everything always stays, so some set must stand there: else it
	// is another directory, or an empty mount point, and nothing is gone.
	stored, standing := 0, 0
	for _, c := range copies {
		if c.State == backups.Whole {
			if stored++; !w.begun(c) {
				standing++
			}
		}
	}
	if stored > 0 && standing == 0 {
		return fmt.Errorf("none of the %d sets that were stored at %s is in its list; see whether it is mounted, and whether its directory is the right one", stored, w.root)
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

// know finds out which sets have which files, and which are those of this plan.
func (w *pruning) know(ctx context.Context, copies map[string]backups.Copy) (err error) {
	w.claims = map[string][]string{}
	for id, c := range copies {
		if !c.Imported || w.objects == nil || !w.begun(c) { // a manifest that was removed because it lied claims nothing
			for _, name := range filePaths(c) {
				w.claims[name] = append(w.claims[name], id)
			}
		}
	}
	w.theirs, err = w.otherFiles(ctx)
	return err
}

// otherFiles tells the sets of another file's plan with the same name, which competes with none of this
// one. A file that is gone was moved, and its sets are those of this one.
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

// copies are those of a filter, by set, without those that are deleted.
func (w *pruning) copies(ctx context.Context, f journal.CopyFilter) (map[string]backups.Copy, error) {
	copies := map[string]backups.Copy{}
	for c, err := range w.ledger.Copies(ctx, f) {
		if err != nil {
			return nil, err
		}
		if c.State != backups.Deleted { // of those there may be many
			c.Facts, c.Withheld, c.Warnings = nil, nil, nil
			copies[c.Set] = c
		}
	}
	return copies, nil
}

// wholeAgain makes a copy a backup again that a prune wanted to delete and of
// which nothing is deleted, unless somebody is at it.
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
		w.unread[c.Set] = err // what is not good does not count: the others of its device are judged without it
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

// list gives the sizes of what stands at the destination, by path.
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

// decide puts the plan's sets to the rule, and deletes what goes.
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

// shared says why a copy cannot be deleted alone: another set has a file of it. One of the two manifests
// lies, and was imported: no run stores over what stands there.
func (w *pruning) shared(c backups.Copy) string {
	for _, name := range filePaths(c) {
		for _, other := range w.claims[name] {
			if other != c.Set {
				return fmt.Sprintf("set %s lists %s too: look at both with `dprun backups show`, and remove the manifest that lies by hand", other, name)
			}
		}
	}
	return ""
}

// begun reports whether something of a copy is deleted: its manifest, which goes first.
func (w *pruning) begun(c backups.Copy) bool {
	_, there := w.objects[c.Path]
	return !there
}

// remove deletes a copy, unless somebody reads it, and says what became of it.
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
	// Another process may have been at it before the lock was free.
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

// refused is what became of a set whose manifest could not be deleted. It stays
// a backup only where its manifest was seen after a clear refusal: a request
// that got no answer may still be at work.
func (w *pruning) refused(ctx context.Context, c backups.Copy, why error) (report.Outcome, error) {
	if failure.From(why).Kind.Retryable() {
		return report.Unfinished, fmt.Errorf("nobody knows whether its manifest is deleted: %w; the next prune looks", why)
	}
	if state, err := w.manifest(ctx, c); err != nil || state != backups.Whole {
		return report.Unfinished, fmt.Errorf("its manifest may be deleted: %w; the next prune looks", errors.Join(why, err))
	}
	if err := w.mark(ctx, c, backups.Whole); err != nil {
		return report.Unfinished, err
	}
	return report.Left, fmt.Errorf("the destination refuses to delete it, and it stays whole: %w", why)
}

// row is the copy as the journal has it now; empty: it has none.
func (w *pruning) row(ctx context.Context, set string) (backups.Copy, error) {
	for c, err := range w.ledger.Copies(ctx, journal.CopyFilter{Set: set, Root: w.root}) {
		return c, err
	}
	return backups.Copy{}, nil
}

// manifest says whether the manifest of a copy is the one that was stored, was
// altered or is missing.
func (w *pruning) manifest(ctx context.Context, c backups.Copy) (backups.State, error) {
	dir, err := os.MkdirTemp(w.work, "prune-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what stays is in the state directory, and small
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

// confirm enters as deleted what is seen to be gone.
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
			s.Outcome, s.Error = report.Unfinished, fmt.Sprintf("it was not seen to be gone: %v; the next prune looks", why)
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
