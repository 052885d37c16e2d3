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

// CheckBackupsRequest asks how the backups at a plan's destinations stand.
type CheckBackupsRequest struct {
	Source      Source
	Plan        string  // the plan's name; empty: the only one of the file
	Destination string  // its address; empty: all of the plan
	Data        float64 // which part of all bytes is read, from 0 to 1
	// Found gets what is wrong as soon as it is known, Checked each destination
	// when it is done.
	Found   func(report.BackupFault)
	Checked func(report.CheckedDestination)
}

// readersAtOnce is how many objects of one destination are read side by side:
// a check must not get in the way of a run.
const readersAtOnce = 2

// CheckBackups compares what stands at a plan's destinations with what the
// journal knows, and enters what it finds. No device is contacted, and nothing
// is changed at a destination. The exit code is 0 when every copy is whole and
// nothing grave was found, 1 when none is, 3 otherwise.
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

// reached are the destinations of a plan, which can be asked.
type reached struct {
	*Runner
	journal *journal.Journal
	own     string // ID of the state directory
	loaded  *Loaded
	of      *plan.Plan
	exec    *execute.Executor
	close   func()
}

// reach opens the destinations of a plan. It gives nothing and no error when the
// diagnostics say what is wrong with the plan.
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

// beside does what is done with a plan beside its runs.
func (r *Runner) beside(loaded *Loaded, p *plan.Plan, o execute.Options) *execute.Executor {
	o.PlanName, o.Version, o.Clock, o.Redact, o.Log = p.Name, r.Version, r.Clock, &r.redact, r.Log
	if o.Plan == nil {
		o.Plan = record.NewCompiledPlan(loaded.Config, p, loaded.secrets, &r.redact)
	}
	return execute.New(o)
}

// restorer is [Runner.beside] with the accounts that restores log in with.
func (r *Runner) restorer(loaded *Loaded, p *plan.Plan, o execute.Options) *execute.Executor {
	o.Plan = record.NewCompiledPlan(loaded.Config, p, loaded.secrets, &r.redact).ForRestores()
	return r.beside(loaded, p, o)
}

// shelves are destinations of a plan, to look at what they keep.
type shelves struct {
	*reached
	plan         string
	destinations []*plan.Destination
	identities   *cipher.Identities // open what is encrypted; nil: nothing
	scratch      string             // a directory for objects that are looked at
	made         atomic.Int64
}

// shelves opens the destinations of a plan, or one of them; see [Runner.reach].
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
		return nil, errorf(1, "make a directory for what is read: %w; make room in the state directory", err)
	}
	return s, nil
}

// close ends the destinations, and removes what was looked at.
func (s *shelves) close() {
	s.reached.close()
	_ = os.RemoveAll(s.scratch)
}

// file is the path of a new local file.
func (s *shelves) file() string {
	return filepath.Join(s.scratch, strconv.FormatInt(s.made.Add(1), 10))
}

// read is the content of a manifest.
func (s *shelves) read(ctx context.Context, destination, path string) ([]byte, error) {
	file := s.file()
	defer os.Remove(file) //nolint:errcheck // the directory goes
	if _, err := s.exec.Fetch(ctx, destination, sdk.FetchRequest{Path: path, File: file}, backups.MaxManifest); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// copies are those that the journal knows.
func (s *shelves) copies(ctx context.Context, f journal.CopyFilter) (all []backups.Copy, err error) {
	for c, err := range s.journal.Copies(ctx, f) {
		if err != nil {
			return nil, &Error{ExitBug, err}
		}
		c.Facts, c.Withheld, c.Warnings = nil, nil, nil // most of its size, and nobody here asks for them
		all = append(all, c)
	}
	return all, nil
}

// shelfCheck is the check of one destination.
type shelfCheck struct {
	*shelves
	request CheckBackupsRequest
	ledger  *backups.Ledger
	gone    func(backups.Copy) bool // it was deleted before the destination was listed
	listed  map[string]int64
	moved   map[string]string // set: where its manifest was found

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

// nothing says that none of the copies was checked.
func (c *shelfCheck) nothing(copies []backups.Copy, why, remedy string) {
	c.told.Copies, c.told.NotChecked = len(copies), len(copies)
	c.found(nil, backups.Fault{Kind: backups.FaultNotChecked, Why: fmt.Sprintf("none of its %d copies was checked: %s", len(copies), why), Remedy: remedy})
}

// notDeleted are the copies that should be there. What is being deleted is a
// matter of the next prune.
func notDeleted(all []backups.Copy) (out []backups.Copy) {
	for _, c := range all {
		if c.State != backups.Deleted && c.State != backups.Deleting {
			out = append(out, c)
		}
	}
	return out
}

// all checks the destination. An error ends the check of all.
func (c *shelfCheck) all(ctx context.Context) error {
	ofPlan, err := c.copies(ctx, journal.CopyFilter{Plan: c.plan})
	if err != nil {
		return err
	}
	var stored []backups.Copy // by this plan, at what the destination was then
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
			c.nothing(stored, err.Error(), "mend that, and check again")
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
		c.nothing(notDeleted(before), err.Error(), "mend that, and check again")
		return nil
	}
	return c.compare(ctx, before, objects)
}

// rootWithout is how a destination has named itself, where it takes nothing now and may still be read:
// an account may have the right to read alone. Roots are those of its copies; empty: nobody knows.
func rootWithout(err error, roots map[string]int) (root string) {
	if kind := failure.From(err).Kind; len(roots) != 1 || kind != failure.NoSpace && kind != failure.Denied && kind != failure.Precondition {
		return ""
	}
	for root = range roots {
	}
	return root
}

// elsewhere says how many copies stand where the destination was before. Where
// there is none at the place that it is now, that may be the wrong one.
func (c *shelfCheck) elsewhere(roots map[string]int, some bool) {
	kind := backups.FaultElsewhere
	if !some {
		kind = backups.FaultNotChecked
	}
	for _, root := range slices.Sorted(maps.Keys(roots)) {
		c.found(nil, backups.Fault{Kind: kind, Why: fmt.Sprintf("%d copies of plan %s were stored at %s, where this destination was then; it is %s now, and they were not looked at", roots[root], c.plan, root, c.told.Root),
			Remedy: "see whether the destination is the right one; a plan whose destination is the old place checks them"})
	}
}

// compare compares what is listed with what the journal knew before the list was asked for.
func (c *shelfCheck) compare(ctx context.Context, before []backups.Copy, objects []sdk.Object) error {
	after, err := c.copies(ctx, journal.CopyFilter{Root: c.told.Root}) // sets that were stored meanwhile are no strangers
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, one := range before {
		gone[one.Set] = one.State == backups.Deleted
	}
	// What stands there of a set that was deleted before is a stranger.
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
		c.nothing(should, fmt.Sprintf("its list has %d objects, and none of them is of a set that was stored there", len(objects)),
			"see whether it is mounted, and whether its directory is the right one")
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
		c.found(nil, backups.Fault{Kind: backups.FaultNotChecked, Why: "what broken stores have left was not looked for: " + err.Error(), Remedy: "mend that, and check again"})
	}
	for _, o := range left {
		c.found(nil, backups.Fault{Kind: backups.FaultPartial, Path: o.Path, Why: fmt.Sprintf("a store has left this temporary file of %d bytes, or is writing it; it was last changed %s", o.Size, o.Modified.UTC().Format(time.RFC3339)),
			Remedy: "`dprun sweep PLAN` removes those that are a week old"})
	}
	return ctx.Err()
}

// stranger is a manifest that belongs to no set of the journal.
type stranger struct {
	path string
	body []byte
	of   *backups.Copy // whose manifest it is by its hash
}

// strangers reads the manifests that belong to no set, and finds out which of
// them were moved.
func (c *shelfCheck) strangers(ctx context.Context, manifests []backups.Object) (out []stranger, err error) {
	for _, o := range manifests {
		body, err := c.read(ctx, c.told.Destination, o.Path)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && failure.From(err).Kind == failure.NotFound: // gone since it was listed
			continue
		case err != nil:
			c.found(nil, backups.Fault{Kind: backups.FaultNotChecked, Path: o.Path, Why: "this manifest belongs to no set and was not read: " + err.Error(), Remedy: "mend that, and check again"})
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
					errs[i] = c.one(ctx, one, data[one] || one.State != backups.Whole) // what was not whole is so again only when all of it was read
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

// one checks a copy and enters what was found, both under its lock.
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
		delete(c.moved, one.Set) // it is there: what stands elsewhere is another
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
		a.Body, _ = c.read(ctx, c.told.Destination, path) // it only makes the words better
	}
	return a
}

// isAbsent reports whether a failure proves that an object is not there: a
// directory or a mount that is missing does not.
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

// unknown says what belongs to no set.
func (c *shelfCheck) unknown(ctx context.Context, strangers []stranger, others []backups.Object) error {
	claimed := map[string]bool{}
	claim := func(of *backups.Copy, at string) {
		at = filepath.Dir(at)
		for _, f := range of.Parts() {
			claimed[filepath.ToSlash(filepath.Join(at, f.File))] = true
		}
	}
	for _, s := range strangers {
		if s.of != nil && c.moved[s.of.Set] == s.path { // it was named with its set
			claim(s.of, s.path)
			continue
		}
		f, files := c.ledger.Stranger(s.path, s.body)
		for _, file := range files {
			claimed[file] = true
		}
		if f.Kind == backups.FaultUnknown { // has a run entered it meanwhile?
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
