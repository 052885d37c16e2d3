package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/signing"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// ImportRequest asks for an import of the sets at a plan's destinations.
type ImportRequest struct {
	Source      Source
	Plan        string // the plan's name; empty: the only one of the file
	Destination string // address of the only destination; empty: all of the plan
	DPOD        bool   // also import DPOD's old files, which have no manifest
}

// fetchesAtOnce is the number of manifests that are fetched at the same time.
const fetchesAtOnce = 8

// ImportBackups reads every manifest at a plan's destinations and enters the sets
// that the journal does not know, of all plans. It contacts no device. It does
// not change what a run has entered, except that it marks a copy as altered if
// the manifest differs from the stored one. It returns neither a result nor an
// error if the diagnostics say that the plan is wrong.
func (r *Runner) ImportBackups(ctx context.Context, q ImportRequest) ([]report.Imported, *report.Result, error) {
	res := &report.Result{}
	s, err := r.reach(ctx, q.Source, q.Plan, noDevices(), "import", res)
	if err != nil || s == nil {
		return nil, res, err
	}
	defer s.close()
	p := s.of
	at := slices.DeleteFunc(slices.Clone(p.Destinations), func(d *plan.Destination) bool { return q.Destination != "" && d.Address != q.Destination })
	if len(at) == 0 {
		return nil, res, errorf(ExitUsage, "plan %s has no destination %q", p.Name, q.Destination)
	}
	keys, err := r.keysOf(s.loaded, p)
	if err != nil {
		return nil, res, err
	}
	var out []report.Imported
	for _, d := range at {
		i := importing{reached: s, keys: keys, destination: d.Address, dpod: q.DPOD, found: report.Imported{Destination: d.Address}}
		if err := i.all(ctx); err != nil {
			i.found.Error = err.Error()
			res.ExitCode = graverExit(res.ExitCode, 1)
		}
		if len(i.found.Refused) > 0 {
			res.ExitCode = graverExit(res.ExitCode, ExitPartly)
		}
		out = append(out, i.found)
		if ctx.Err() != nil {
			return out, res, ctx.Err()
		}
	}
	return out, res, nil
}

// importing is the import of one destination.
type importing struct {
	*reached
	keys        *signing.Keys // the trusted signing keys
	destination string
	dpod        bool
	dir         string // for fetched manifests

	sizes map[string]int64         // sizes of the listed objects, by path
	known map[string]*backups.Copy // by set; only the fields that distinguish copies
	mu    sync.Mutex
	read  []backups.Copy // not entered yet
	found report.Imported
}

// told returns a copy with only the fields that distinguish it from others of its
// set.
func told(c backups.Copy) *backups.Copy {
	return &backups.Copy{Path: c.Path, SHA256: c.SHA256, Imported: c.Imported, Signature: c.Signature}
}

// manifestsAtOnce is the number of manifests that are read before the new sets
// are entered.
const manifestsAtOnce = 500

func (i *importing) all(ctx context.Context) error {
	var err error
	if i.found.Root, err = i.exec.Root(ctx, i.destination); err != nil {
		if i.found.Root, err = i.rootBefore(ctx, err); err != nil {
			return err
		}
	}
	objects, err := i.exec.List(ctx, i.destination, "")
	if err != nil {
		return err
	}
	i.sizes = make(map[string]int64, len(objects))
	for _, o := range objects {
		i.sizes[o.Path] = o.Size
	}
	i.known = map[string]*backups.Copy{}
	for c, err := range i.journal.Copies(ctx, journal.CopyFilter{Root: i.found.Root}) {
		if err != nil {
			return err
		}
		if c.State != backups.Deleted { // a set that exists although it was deleted counts as new
			i.known[c.Set] = told(c)
		}
	}
	if i.dir, err = os.MkdirTemp(i.state.Work(), "import-"); err != nil {
		return err
	}
	defer os.RemoveAll(i.dir) //nolint:errcheck // it is in the state directory, and small
	manifests := slices.DeleteFunc(slices.Clone(objects), func(o sdk.Object) bool { return !strings.HasSuffix(o.Path, backups.Suffix) })
	i.found.Manifests = len(manifests)
	for some := range slices.Chunk(manifests, manifestsAtOnce) {
		group, at := errgroup.WithContext(ctx)
		group.SetLimit(fetchesAtOnce)
		for n, o := range some {
			group.Go(func() error { return i.one(at, o, filepath.Join(i.dir, strconv.Itoa(n))) })
		}
		if err := errors.Join(group.Wait(), i.enter(context.WithoutCancel(ctx))); err != nil { // what was read is entered even if the read was cancelled
			return err
		}
	}
	if i.dpod {
		err = i.withoutManifest(ctx, objects)
	}
	slices.SortFunc(i.found.Refused, func(a, b report.RefusedManifest) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Why, b.Why))
	})
	i.found.Refused = slices.Compact(i.found.Refused)
	return err
}

// rootBefore returns the name under which the destination stored its copies, if
// why says that it accepts nothing now.
func (i *importing) rootBefore(ctx context.Context, why error) (string, error) {
	roots := map[string]int{}
	for c, err := range i.journal.Copies(ctx, journal.CopyFilter{}) {
		if err != nil {
			return "", err
		}
		if c.Destination == i.destination {
			roots[c.Root]++
		}
	}
	if root := rootWithout(why, roots); root != "" {
		return root, nil
	}
	return "", why
}

func (i *importing) refuse(path, why string) {
	i.found.Refused = append(i.found.Refused, report.RefusedManifest{Path: path, Why: why})
}

// one reads a manifest. An error ends the import.
func (i *importing) one(ctx context.Context, o sdk.Object, file string) error {
	defer os.Remove(file) //nolint:errcheck // its directory is removed anyway
	var m *backups.Manifest
	_, err := i.exec.Fetch(ctx, i.destination, sdk.FetchRequest{Path: o.Path, File: file}, backups.MaxManifest)
	if f := failure.From(err); err != nil && f.Kind != failure.Corrupt && f.Kind != failure.NotFound {
		return err
	}
	var body []byte
	if err == nil {
		body, err = os.ReadFile(file)
	}
	if err == nil {
		m, err = backups.ParseManifest(body, o.Path)
	}
	var signature *backups.Signature
	if err == nil {
		var broken error
		if signature, broken = i.signature(ctx, m, body, file+signing.Suffix); broken != nil {
			return broken
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		i.refuse(o.Path, err.Error())
		return nil
	}
	c := m.Copy(body)
	c.Signature, c.Imported = signature, true
	c.Root, c.Destination, c.Stored = i.found.Root, i.destination, i.Clock.Now()
	i.read = append(i.read, c)
	return nil
}

// signature reads the signature beside a manifest; nil: there is none. An error
// ends the import.
func (i *importing) signature(ctx context.Context, m *backups.Manifest, body []byte, file string) (*backups.Signature, error) {
	name := m.Path + signing.Suffix
	if _, listed := i.sizes[name]; !listed {
		return nil, nil
	}
	defer os.Remove(file) //nolint:errcheck // its directory is removed anyway
	r, err := i.exec.Fetch(ctx, i.destination, sdk.FetchRequest{Path: name, File: file}, signing.MaxSignature)
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	switch f := failure.From(err); {
	case err != nil && isAbsent(err): // removed since the listing
		return nil, nil
	case err != nil && f.Kind == failure.Corrupt:
		return &backups.Signature{Size: i.sizes[name], Verdict: signing.Verdict{Why: "its signature cannot be read: " + err.Error()}}, nil
	case err != nil:
		return nil, err
	}
	return &backups.Signature{Size: r.Size, SHA256: r.SHA256, Verdict: i.keys.Check(signing.Manifest, body, text, m.Captured)}, nil
}

// stands returns the state of a set by the destination's listing: a manifest
// without its files is not a backup.
func (i *importing) stands(c backups.Copy) (backups.State, string) {
	for _, f := range c.Files {
		switch size, listed := i.sizes[c.At(f)]; {
		case !listed:
			return backups.Missing, "the destination does not list its file " + c.At(f)
		case size != f.Size:
			return backups.Altered, fmt.Sprintf("its file %s has %d bytes, and %d were stored", c.At(f), size, f.Size)
		}
	}
	return backups.Whole, ""
}

// enter enters the manifests that were read, and refuses those that contradict
// the journal.
func (i *importing) enter(ctx context.Context) error {
	slices.SortFunc(i.read, func(a, b backups.Copy) int { return strings.Compare(a.Path, b.Path) }) // so of two with one ID the same one always counts, unless the other is signed
	var fresh []backups.Copy
	var marks []journal.CopyMark
	for _, c := range i.read {
		k, is := i.known[c.Set]
		other := func(path, known string) { i.refuse(path, "it is of set "+c.Set+", whose manifest is "+known) }
		if is && c.Outranks(k) {
			if _, listed := i.sizes[k.Path]; listed && k.Path != c.Path {
				other(k.Path, c.Path)
			}
			is = false
		}
		switch {
		case !is:
			i.known[c.Set] = told(c)
			if state, why := i.stands(c); state != backups.Whole {
				c.State, c.Checked = state, c.Stored
				i.refuse(c.Path, fmt.Sprintf("%s: the set is entered as %s; `dprun backups check` looks again", why, state))
			}
			fresh = append(fresh, c)
			if c.StateID != i.own {
				i.found.Foreign++
			}
		case k.Path != c.Path:
			other(c.Path, k.Path)
		case k.SHA256 != c.SHA256:
			i.refuse(c.Path, "it is not what was stored: it was changed")
			marks = append(marks, journal.CopyMark{Set: c.Set, Root: c.Root, State: backups.Altered, At: i.Clock.Now()})
		default:
			k.Signature = c.Signature
			fresh = append(fresh, c) // only its signature matters
		}
	}
	i.read = i.read[:0]
	entered, err := i.journal.Import(ctx, fresh...)
	if i.found.Entered += entered; err != nil {
		return err
	}
	return i.journal.MarkCopies(ctx, marks...)
}

// withoutManifest enters DPOD's sets. A set counts only after every file was
// read: its present SHA-256 is all that later checks and fetches can compare
// with.
func (i *importing) withoutManifest(ctx context.Context, objects []sdk.Object) error {
	var known []backups.Copy
	names := map[string]bool{} // paths of sets and of manifests
	for c, err := range i.journal.Copies(ctx, journal.CopyFilter{Root: i.found.Root}) {
		if err != nil {
			return err
		}
		if c.State == backups.Deleted {
			continue
		}
		known = append(known, c)
		if !c.HasManifest() {
			i.found.DPOD++
			names[c.Path] = true
		}
	}
	all := make([]backups.Object, len(objects))
	for n, o := range objects {
		all[n] = backups.Object(o)
		if strings.HasSuffix(o.Path, backups.Suffix) {
			names[o.Path] = true
		}
	}
	_, others := backups.NewLedger(i.own, known).Unknown(all)
	sets, refused := backups.DPOD(others, names, i.Clock.Now())
	for at, why := range refused {
		i.refuse(at, why)
	}
	for _, c := range sets {
		if names[c.Path] {
			i.refuse(c.Path, "it is known already, without "+c.Files[0].File+", which came later")
			continue
		}
		why, err := i.sum(ctx, c)
		switch {
		case err != nil:
			return err
		case why != nil:
			i.refuse(c.Path, why.Error())
			continue
		}
		now := i.Clock.Now()
		c.Root, c.Destination, c.Stored = i.found.Root, i.destination, now
		c.Warnings = []string{"this is an old backup of DPOD: no checksum is known from the time of the backup, and its SHA-256 is that of " + now.UTC().Format(time.DateOnly) + ", when it was found",
			"DPOD does not document the time zone of its stamps; it was taken as UTC"}
		entered, err := i.journal.Import(context.WithoutCancel(ctx), c)
		if err != nil {
			return err
		}
		i.found.DPOD++
		i.found.Entered += entered
		i.found.Foreign += entered
	}
	return nil
}

// sum fills in the SHA-256 of a set's files. why says what is wrong with the set;
// err ends the import.
func (i *importing) sum(ctx context.Context, c backups.Copy) (why, err error) {
	for n := range c.Files {
		f := &c.Files[n]
		r, err := i.exec.Sum(ctx, i.destination, c.At(*f), f.Size, filepath.Join(i.dir, "dpod"))
		switch {
		case err != nil && failure.From(err).Kind != failure.Corrupt && failure.From(err).Kind != failure.NotFound:
			return nil, err
		case err != nil:
			return err, nil
		case r.Size != f.Size:
			return fmt.Errorf("%s had %d bytes when it was listed, and %d when it was read: something is writing it", f.File, f.Size, r.Size), nil
		}
		f.SHA256 = r.SHA256
	}
	return nil, nil
}
