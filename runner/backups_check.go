package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/cipher"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// CheckBackupsRequest asks for a check of the backups at a plan's destinations.
type CheckBackupsRequest struct {
	Source      Source
	Plan        string  // the plan's name; empty: the only one of the file
	Destination string  // address of the only destination to check; empty: all of the plan
	Data        float64 // the share of all bytes to read, from 0 to 1
	// Found receives each fault as soon as it is known. Checked receives each
	// destination when its check is done.
	Found   func(report.BackupFault)
	Checked func(report.CheckedDestination)
}

// readersAtOnce is the number of objects of one destination that are read at the
// same time. It is low so that a check does not slow down a run.
const readersAtOnce = 2

// CheckBackups compares the content of a plan's destinations with the journal,
// and enters what it finds. It contacts no device and changes nothing at a
// destination. The exit code is 0 if every copy is whole and nothing grave was
// found, 1 if no copy is whole, and 3 otherwise.
func (r *Runner) CheckBackups(ctx context.Context, q CheckBackupsRequest) (*report.Result, error) {
	res := &report.Result{}
	s, err := r.shelves(ctx, q.Source, q.Plan, q.Destination, "check", res)
	if err != nil || s == nil {
		return res, err
	}
	defer s.close()
	whole, right := 0, true
	for _, d := range s.destinations {
		c := shelfCheck{shelves: s, request: q, told: report.CheckedDestination{Destination: d.Address}}
		if err := c.all(ctx); err != nil {
			return res, err
		}
		q.Checked(c.told)
		whole += c.told.Whole
		right = right && c.told.Whole == c.told.Copies && c.grave == 0
	}
	switch {
	case whole == 0:
		res.ExitCode = graverExit(res.ExitCode, 1)
	case !right:
		res.ExitCode = graverExit(res.ExitCode, ExitPartly)
	}
	return res, nil
}

// reached gives access to a plan's destinations.
type reached struct {
	*Runner
	journal *journal.Journal
	own     string // ID of the state directory
	loaded  *Loaded
	of      *plan.Plan
	exec    *execute.Executor
	close   func()
}

// reach opens the destinations of a plan. It returns neither a result nor an
// error if the diagnostics say that the plan is wrong.
func (r *Runner) reach(ctx context.Context, from Source, name string, only Only, doing string, res *report.Result) (*reached, error) {
	j, own, err := r.known()
	if err != nil {
		return nil, err
	}
	loaded, p, err := r.load(ctx, from, name, only, res)
	if err != nil || p == nil {
		return nil, err
	}
	host := r.startUnlockedHost()
	exec := r.beside(loaded, p, execute.Options{Run: doing, Plugins: host, Staging: r.staging})
	return &reached{r, j, own, loaded, p, exec, func() {
		exec.Close()
		_ = host.Close()
	}}, nil
}

// beside returns an executor for work on a plan outside of its runs.
func (r *Runner) beside(loaded *Loaded, p *plan.Plan, o execute.Options) *execute.Executor {
	o.PlanName, o.Version, o.Clock, o.Redact, o.Log = p.Name, r.Version, r.Clock, &r.redact, r.Log
	if o.Plan == nil {
		o.Plan = record.NewCompiledPlan(loaded.Config, p, loaded.secrets, &r.redact)
	}
	return execute.New(o)
}

// restorer is [Runner.beside] with the accounts for restores.
func (r *Runner) restorer(loaded *Loaded, p *plan.Plan, o execute.Options) *execute.Executor {
	o.Plan = record.NewCompiledPlan(loaded.Config, p, loaded.secrets, &r.redact).ForRestores()
	return r.beside(loaded, p, o)
}

// shelves are the destinations of a plan whose content is read.
type shelves struct {
	*reached
	plan         string
	destinations []*plan.Destination
	identities   *cipher.Identities // decrypt the files; nil: none given
	scratch      string             // a directory for fetched objects
	made         atomic.Int64
}

// shelves opens the destinations of a plan, or only one of them. See
// [Runner.reach].
func (r *Runner) shelves(ctx context.Context, from Source, name, only, doing string, res *report.Result) (_ *shelves, err error) {
	at, err := r.reach(ctx, from, name, Only{}, doing, res)
	if err != nil || at == nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			at.close()
		}
	}()
	s := &shelves{reached: at, plan: at.of.Name}
	var addresses []string
	for _, d := range at.of.Destinations {
		addresses = append(addresses, d.Address)
		if only == "" || d.Address == only {
			s.destinations = append(s.destinations, d)
		}
	}
	if len(s.destinations) == 0 {
		return nil, &Error{ExitUsage, suggesting(fmt.Sprintf("plan %s has no destination %q", s.plan, only), only, addresses)}
	}
	if s.scratch, err = os.MkdirTemp(r.state.Staging(), doing+"-"); err != nil {
		return nil, errorf(1, "make a directory for fetched files: %w; make room in the state directory", err)
	}
	return s, nil
}

// close ends the destinations and removes the fetched objects.
func (s *shelves) close() {
	s.reached.close()
	_ = os.RemoveAll(s.scratch)
}

// file returns the path of a new local file.
func (s *shelves) file() string {
	return filepath.Join(s.scratch, strconv.FormatInt(s.made.Add(1), 10))
}

// read returns the content of a manifest.
func (s *shelves) read(ctx context.Context, destination, path string) ([]byte, error) {
	file := s.file()
	defer os.Remove(file) //nolint:errcheck // its directory is removed anyway
	if _, err := s.exec.Fetch(ctx, destination, sdk.FetchRequest{Path: path, File: file}, backups.MaxManifest); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// copies returns the copies that the journal knows.
func (s *shelves) copies(ctx context.Context, f journal.CopyFilter) (all []backups.Copy, err error) {
	for c, err := range s.journal.Copies(ctx, f) {
		if err != nil {
			return nil, &Error{ExitBug, err}
		}
		c.Facts, c.Withheld, c.Warnings = nil, nil, nil // most of a copy's size, and no caller needs them
		all = append(all, c)
	}
	return all, nil
}

// shelfCheck checks one destination.
type shelfCheck struct {
	*shelves
	request CheckBackupsRequest
	ledger  *backups.Ledger
	gone    func(backups.Copy) bool // reports whether a copy was deleted before the destination was listed
	listed  map[string]int64
	moved   map[string]string // by set: the place where its manifest was found

	mu    sync.Mutex
	told  report.CheckedDestination
	grave int
}

func (c *shelfCheck) found(of *backups.Copy, f backups.Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := report.BackupFault{Destination: c.told.Destination, Kind: string(f.Kind), Grave: f.Kind.Grave(), Path: f.Path, Why: f.Why, Remedy: f.Remedy}
	if of != nil {
		b.Set, b.Device, b.Domain = of.Set, of.Device, of.Domain
	}
	c.told.Faults++
	if b.Grave {
		c.grave++
	}
	c.request.Found(b)
}

// nothing reports that none of the copies was checked.
func (c *shelfCheck) nothing(copies []backups.Copy, why, remedy string) {
	c.told.Copies, c.told.NotChecked = len(copies), len(copies)
	c.found(nil, backups.Fault{Kind: backups.FaultNotChecked, Why: fmt.Sprintf("none of its %d copies was checked: %s", len(copies), why), Remedy: remedy})
}

// notDeleted returns the copies that should exist. Those being deleted are left
// to the next prune.
func notDeleted(all []backups.Copy) (out []backups.Copy) {
	for _, c := range all {
		if c.State != backups.Deleted && c.State != backups.Deleting {
			out = append(out, c)
		}
	}
	return out
}

// all checks the destination. An error ends the whole check.
func (c *shelfCheck) all(ctx context.Context) error {
	ofPlan, err := c.copies(ctx, journal.CopyFilter{Plan: c.plan})
	if err != nil {
		return err
	}
	var stored []backups.Copy // by this plan, at any place that this destination has had
	roots := map[string]int{}
	for _, one := range notDeleted(ofPlan) {
		if one.Destination == c.told.Destination {
			stored = append(stored, one)
			roots[one.Root]++
		}
	}
	root, err := c.exec.Root(ctx, c.told.Destination)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if root = rootWithout(err, roots); root == "" {
			c.nothing(stored, err.Error(), "correct that, and check again")
			return nil
		}
	}
	c.told.Root = root
	before, err := c.copies(ctx, journal.CopyFilter{Root: root})
	if err != nil {
		return err
	}
	delete(roots, root)
	c.elsewhere(roots, len(notDeleted(before)) > 0)
	objects, err := c.exec.List(ctx, c.told.Destination, "")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		c.nothing(notDeleted(before), err.Error(), "correct that, and check again")
		return nil
	}
	return c.compare(ctx, before, objects)
}

// rootWithout returns the name under which a destination stored its copies, if
// err only says that it accepts nothing now. It may still be readable, because an
// account may only be allowed to read. roots counts the copies by name. It
// returns an empty text if the name is uncertain.
func rootWithout(err error, roots map[string]int) (root string) {
	if kind := failure.From(err).Kind; len(roots) != 1 || kind != failure.NoSpace && kind != failure.Denied && kind != failure.Precondition {
		return ""
	}
	for root = range roots {
	}
	return root
}

// elsewhere reports the copies that are at former places of the destination. If
// there are none at its present place, that place may be the wrong one.
func (c *shelfCheck) elsewhere(roots map[string]int, some bool) {
	kind := backups.FaultElsewhere
	if !some {
		kind = backups.FaultNotChecked
	}
	for _, root := range slices.Sorted(maps.Keys(roots)) {
		c.found(nil, backups.Fault{Kind: kind, Why: fmt.Sprintf("%d copies of plan %s were stored at %s, where this destination was then. It is at %s now, so they were not checked", roots[root], c.plan, root, c.told.Root),
			Remedy: "find out whether the destination is the right one; a plan whose destination is the old place checks these copies"})
	}
}

// compare compares the listed objects with what the journal knew before the
// listing.
func (c *shelfCheck) compare(ctx context.Context, before []backups.Copy, objects []sdk.Object) error {
	after, err := c.copies(ctx, journal.CopyFilter{Root: c.told.Root}) // sets stored since then are not strangers
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, one := range before {
		gone[one.Set] = one.State == backups.Deleted
	}
	// Objects of a set that was deleted before the listing are strangers.
	c.gone = func(one backups.Copy) bool { return gone[one.Set] && one.State == backups.Deleted }
	c.ledger, c.listed, c.moved = backups.NewLedger(c.own, slices.DeleteFunc(after, c.gone)), make(map[string]int64, len(objects)), map[string]string{}
	known := make([]backups.Object, len(objects))
	for i, o := range objects {
		known[i], c.listed[o.Path] = backups.Object(o), o.Size
	}
	should := notDeleted(before)
	some := len(should) == 0
	for i := range should {
		for _, at := range should[i].Asks(nil, true) {
			_, is := c.listed[at]
			some = some || is
		}
	}
	if !some {
		c.nothing(should, fmt.Sprintf("its list has %d objects, and none of them belongs to a set that was stored there", len(objects)),
			"find out whether it is mounted, and whether its directory is the right one")
		return nil
	}
	manifests, others := c.ledger.Unknown(known)
	strangers, err := c.strangers(ctx, manifests)
	if err != nil {
		return err
	}
	if err := c.every(ctx, should); err != nil {
		return err
	}
	if err := c.unknown(ctx, strangers, others); err != nil {
		return err
	}
	left, err := c.exec.Leftovers(ctx, c.told.Destination)
	if err != nil {
		c.found(nil, backups.Fault{Kind: backups.FaultNotChecked, Why: "temporary files of failed stores were not searched: " + err.Error(), Remedy: "correct that, and check again"})
	}
	for _, o := range left {
		c.found(nil, backups.Fault{Kind: backups.FaultPartial, Path: o.Path, Why: fmt.Sprintf("a store has left this temporary file of %d bytes, or is still writing it; its last change was at %s", o.Size, o.Modified.UTC().Format(time.RFC3339)),
			Remedy: "`dprun sweep PLAN` removes those that are a week old"})
	}
	return ctx.Err()
}

// stranger is a manifest that belongs to no set of the journal.
type stranger struct {
	path string
	body []byte
	of   *backups.Copy // the copy that has a manifest with the same hash
}

// strangers reads the manifests that belong to no set, and finds out which of
// them were moved.
func (c *shelfCheck) strangers(ctx context.Context, manifests []backups.Object) (out []stranger, err error) {
	for _, o := range manifests {
		body, err := c.read(ctx, c.told.Destination, o.Path)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && failure.From(err).Kind == failure.NotFound: // removed since the listing
			continue
		case err != nil:
			c.found(nil, backups.Fault{Kind: backups.FaultNotChecked, Path: o.Path, Why: "this manifest belongs to no set and was not read: " + err.Error(), Remedy: "correct that, and check again"})
			continue
		}
		sum := sha256.Sum256(body)
		s := stranger{o.Path, body, c.ledger.Moved(hex.EncodeToString(sum[:]))}
		if s.of != nil {
			c.moved[s.of.Set] = o.Path
		}
		out = append(out, s)
	}
	return out, nil
}

// every checks each copy.
func (c *shelfCheck) every(ctx context.Context, should []backups.Copy) error {
	c.told.Copies = len(should)
	all := make([]*backups.Copy, len(should))
	for i := range should {
		all[i] = &should[i]
	}
	data := backups.Sample(all, c.request.Data)
	next := make(chan *backups.Copy)
	var readers sync.WaitGroup
	errs := make([]error, readersAtOnce)
	for i := range readersAtOnce {
		readers.Go(func() {
			for one := range next {
				if errs[i] == nil {
					errs[i] = c.one(ctx, one, data[one] || one.State != backups.Whole) // a copy that was not whole becomes whole again only after all of it was read
				}
			}
		})
	}
	for _, one := range all {
		if ctx.Err() != nil {
			break
		}
		next <- one
	}
	close(next)
	readers.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// one checks a copy and enters the result, both under the set's lock.
func (c *shelfCheck) one(ctx context.Context, one *backups.Copy, data bool) error {
	release, err := c.lockSet(one.Set, lock.Shared)
	if held := new(lock.HeldError); errors.As(err, &held) {
		c.count(one, "", false)
		c.found(one, backups.Fault{Kind: backups.FaultNotChecked, Path: one.Path, Why: "the set is being deleted: " + err.Error(), Remedy: "check again when that is done"})
		return nil
	}
	if err != nil {
		return &Error{ExitBug, err}
	}
	defer release()
	now, err := c.copies(ctx, journal.CopyFilter{Set: one.Set, Root: one.Root})
	if err != nil {
		return err
	}
	if len(notDeleted(now)) == 0 { // deleted since
		c.mu.Lock()
		c.told.Copies--
		c.mu.Unlock()
		return nil
	}
	answers := map[string]backups.Answer{}
	for _, path := range one.Asks(c.listed, data) {
		answers[path] = c.ask(ctx, one, path)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	c.mu.Lock()
	if !answers[one.Path].Absent {
		delete(c.moved, one.Set) // it is in its place, so the one elsewhere is another
	}
	moved := c.moved[one.Set]
	c.mu.Unlock()
	state, faults := c.ledger.Judge(one, c.listed, answers, moved)
	for _, f := range faults {
		c.found(one, f)
	}
	c.count(one, state, data)
	if state == "" || state == backups.Whole && !data {
		return nil
	}
	mark := journal.CopyMark{Set: one.Set, Root: one.Root, State: state, At: c.Clock.Now()}
	if err := c.journal.MarkCopies(ctx, mark); err != nil {
		return &Error{ExitBug, err}
	}
	return nil
}

// ask reads one object of a copy.
func (c *shelfCheck) ask(ctx context.Context, of *backups.Copy, path string) backups.Answer {
	size := c.listed[path]
	for _, f := range of.Parts() {
		if of.At(f) == path {
			size = max(size, f.Size)
		}
	}
	r, err := c.exec.Sum(ctx, c.told.Destination, path, size, c.file())
	switch {
	case err != nil && isAbsent(err):
		return backups.Answer{Absent: true}
	case err != nil:
		return backups.Answer{Err: err}
	}
	a := backups.Answer{Size: r.Size, SHA256: r.SHA256}
	if path == of.Path && r.SHA256 != of.SHA256 {
		a.Body, _ = c.read(ctx, c.told.Destination, path) // it only improves the message
	}
	return a
}

// isAbsent reports whether an error proves that an object does not exist. A
// missing directory or mount proves nothing.
func isAbsent(err error) bool {
	f := failure.From(err)
	return f.Kind == failure.NotFound && (f.Reason == failure.NoSuchFile || f.Reason == "")
}

func (c *shelfCheck) count(one *backups.Copy, state backups.State, data bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case backups.Whole:
		c.told.Whole++
		if trusted, _ := one.Trust(); !trusted {
			c.told.Untrusted++
		}
	case backups.Missing:
		c.told.Missing++
	case backups.Altered:
		c.told.Altered++
	default:
		c.told.NotChecked++
	}
	if data && state == backups.Whole {
		c.told.Read++
		c.told.ReadBytes += one.Bytes
	}
}

// unknown reports the objects that belong to no set.
func (c *shelfCheck) unknown(ctx context.Context, strangers []stranger, others []backups.Object) error {
	claimed := map[string]bool{}
	claim := func(of *backups.Copy, at string) {
		at = filepath.Dir(at)
		for _, f := range of.Parts() {
			claimed[filepath.ToSlash(filepath.Join(at, f.File))] = true
		}
	}
	for _, s := range strangers {
		if s.of != nil && c.moved[s.of.Set] == s.path { // it was reported with its set
			claim(s.of, s.path)
			continue
		}
		f, files := c.ledger.Stranger(s.path, s.body)
		for _, file := range files {
			claimed[file] = true
		}
		if f.Kind == backups.FaultUnknown { // a run may have entered it meanwhile
			after, err := c.copies(ctx, journal.CopyFilter{Root: c.told.Root})
			if err != nil {
				return err
			}
			if m, _ := backups.NewLedger(c.own, slices.DeleteFunc(after, c.gone)).Unknown([]backups.Object{{Path: s.path}}); len(m) == 0 {
				continue
			}
		}
		c.found(nil, f)
	}
	for _, f := range backups.Strays(others, claimed) {
		c.found(nil, f)
	}
	return nil
}
