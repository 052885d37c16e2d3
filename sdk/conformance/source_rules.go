package conformance

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// Work is what a source does in the cases about its activities.
type Work struct {
	Activity string    // the activity's type
	Config   cty.Value // of the activity's schema; arguments with a default may be left out
	Domain   string    // a domain of the device that can be quiesced
	// Quiesce allows the cases to quiesce the domain and bring it back.
	Quiesce bool
	// Restore allows the cases to make domains on the device, import into them
	// and remove them.
	Restore bool
}

// device configures a source.
func (b *bed) device() sdk.Source {
	b.Helper()
	i, err := b.running.ConfigureSource(b.ctx, b.s.Type, b.config)
	if err != nil {
		b.Fatalf("configure an instance: %v", err)
	}
	return i
}

func sameIdentity(b *bed) {
	seen := map[string]bool{}
	for range 2 {
		s := b.device()
		for range 2 {
			i, err := s.Inspect(b.ctx, sdk.InspectRequest{})
			if err != nil {
				b.Fatalf("inspect: %v", err)
			}
			seen[i.Facts.Identity] = true
		}
		b.end(s)
	}
	if len(seen) != 1 || seen[""] {
		b.Errorf("four inspections of one device give the identities %v", seen)
	}
}

func domainsOnce(b *bed) {
	s := b.device()
	defer b.end(s)
	i, err := s.Inspect(b.ctx, sdk.InspectRequest{})
	if err != nil {
		b.Fatalf("inspect: %v", err)
	}
	seen := map[string]bool{}
	for _, d := range i.Domains {
		if d.Name == "" || seen[d.Name] || d.QuiesceState == "" {
			b.Errorf("inspect lists the domain %q in the state %q; named before: %v", d.Name, d.QuiesceState, seen[d.Name])
		}
		seen[d.Name] = true
	}
	if w := b.s.Work; w != nil && !seen[w.Domain] {
		b.Errorf("inspect does not list the domain %q", w.Domain)
	}
}

// work returns the work with its configuration completed. It returns nil if the subject
// has none.
func (b *bed) work() *Work {
	b.Helper()
	if b.s.Work == nil {
		notAsked(b.T, "not asked: %s", "no activity is configured for it")
		return nil
	}
	w := *b.s.Work
	block, ok := b.offered.Config(schema.KindActivity, b.s.Type, w.Activity)
	if !ok {
		b.Fatalf("the plugin offers no activity %q", w.Activity)
	}
	if w.Config == cty.NilVal {
		w.Config = cty.EmptyObjectVal
	}
	var err error
	if w.Config, err = block.ApplyDefaults(w.Config); err != nil {
		b.Fatalf("the activity's configuration does not fit its schema: %v", err)
	}
	return &w
}

// withWork makes a rule's function of f, which needs a device and work.
func withWork(f func(*bed, sdk.Source, *Work)) func(*bed) {
	return func(b *bed) {
		w := b.work()
		if w == nil {
			return
		}
		s := b.device()
		defer b.end(s)
		f(b, s, w)
	}
}

func variantsNamed(b *bed, s sdk.Source, w *Work) {
	rep, err := s.Check(b.ctx, sdk.CheckRequest{Activity: w.Activity, Config: w.Config, Target: sdk.Target{Domain: w.Domain}})
	if err != nil {
		b.Fatalf("check: %v", err)
	}
	if len(rep.Variants) == 0 || len(slices.Compact(slices.Sorted(slices.Values(rep.Variants)))) != len(rep.Variants) {
		b.Errorf("check names the variants %q", rep.Variants)
	}
}

func absentDomain(b *bed, s sdk.Source, w *Work) {
	_, err := s.Check(b.ctx, sdk.CheckRequest{Activity: w.Activity, Config: w.Config, Target: sdk.Target{Domain: absent()}})
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != failure.NotFound || f.Reason != failure.UnknownDomain {
		b.Errorf("check of a domain that is not there gives %v", err)
	}
}

// absent returns the name of a domain that no device has.
func absent() string { return "conformance-" + rand.Text()[:8] }

func absentState(b *bed) {
	s := b.device()
	defer b.end(s)
	rep, err := s.QuiesceState(b.ctx, sdk.Target{Domain: absent()})
	if err == nil && rep.State != sdk.StateUnknown {
		b.Errorf("the state of a domain that is not there is %q", rep.State)
	}
}

// capture makes the first variant of the work.
func (b *bed) capture(ctx context.Context, s sdk.Source, w *Work, limit int64) (dir string, c *sdk.Capture, err error) {
	b.Helper()
	rep, err := s.Check(b.ctx, sdk.CheckRequest{Activity: w.Activity, Config: w.Config, Target: sdk.Target{Domain: w.Domain}})
	if err != nil || len(rep.Variants) == 0 {
		b.Fatalf("check: %+v, %v", rep, err)
	}
	dir = b.TempDir()
	c, err = s.Capture(ctx, sdk.CaptureRequest{
		Activity: w.Activity, Config: w.Config, Target: sdk.Target{Domain: w.Domain}, Variant: rep.Variants[0], Dir: dir, Owner: b.owner, MaxBytes: limit,
	}, func(sdk.CaptureProgress) {})
	return dir, c, err
}

func capturesWhatItNames(b *bed, s sdk.Source, w *Work) {
	dir, c, err := b.capture(b.ctx, s, w, 0)
	if err != nil {
		b.Fatalf("capture: %v", err)
	}
	if len(c.Artifacts) == 0 {
		b.Errorf("a capture names no file")
	}
	named := map[string]sdk.Artifact{}
	for _, a := range c.Artifacts {
		named[a.Name] = a
	}
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		a, known := named[filepath.ToSlash(rel)]
		delete(named, filepath.ToSlash(rel))
		content, err := os.ReadFile(name)
		sum := sha256.Sum256(content)
		switch {
		case err != nil:
			return err
		case !known || !d.Type().IsRegular():
			b.Errorf("a capture leaves %s, which it does not name or which is no regular file", rel)
		case a.Size != int64(len(content)) || a.SHA256 != hex.EncodeToString(sum[:]):
			b.Errorf("a capture says of %s that it has %d bytes and the SHA-256 %s; it has %d and %x", rel, a.Size, a.SHA256, len(content), sum)
		}
		return nil
	})
	if err != nil {
		b.Errorf("look at what a capture left: %v", err)
	}
	for name := range named {
		b.Errorf("a capture names %s, which is not there", name)
	}
}

func capturesWithinBudget(b *bed, s sdk.Source, w *Work) {
	if _, c, err := b.capture(b.ctx, s, w, 16); err == nil {
		b.Errorf("a capture that may write 16 bytes gives %+v", c.Artifacts)
	}
}

func cancelledCapture(b *bed, s sdk.Source, w *Work) {
	begin := time.Now()
	if _, _, err := b.capture(b.ctx, s, w, 0); err != nil {
		b.Fatalf("capture: %v", err)
	}
	took := time.Since(begin)
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	timer := time.AfterFunc(took/3, cancel)
	defer timer.Stop()
	begin = time.Now()
	if _, _, err := b.capture(ctx, s, w, 0); err != nil { // without an error the capture was faster
		if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != failure.Cancelled {
			b.Errorf("a cancelled capture gives %v, want a failure of the kind cancelled", err)
		}
	}
	if d := time.Since(begin); d > endLimit+took {
		b.Errorf("a cancelled capture took %v to end", d)
	}
	if _, _, err := b.capture(b.ctx, s, w, 0); err != nil {
		b.Errorf("a capture after one that was cancelled: %v", err)
	}
}

// stateLimit is how long a domain may take to quiesce and to come back.
const stateLimit = time.Minute

// comes waits until the device reports that a domain is in a state.
func (b *bed) comes(s sdk.Source, t sdk.Target, state sdk.QuiesceState) {
	b.Helper()
	var last any
	for begin := time.Now(); time.Since(begin) < stateLimit && b.ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		rep, err := s.QuiesceState(b.ctx, t)
		if err == nil && rep.State == state {
			return
		}
		if last = err; err == nil {
			last = rep.State
			if settled := rep.State == sdk.StateNormal || rep.State == sdk.StateQuiesced; settled && time.Since(begin) > stateLimit/20 {
				break
			}
		}
	}
	b.Errorf("the domain does not come to be %s; last it was %v", state, last)
}

// quiescing makes a rule's function of f, which needs a domain that may be
// quiesced.
func quiescing(f func(*bed, sdk.Source, sdk.Target)) func(*bed) {
	return withWork(func(b *bed, s sdk.Source, w *Work) {
		if !w.Quiesce {
			notAsked(b.T, "not asked: %s", "nothing may be quiesced")
			return
		}
		f(b, s, sdk.Target{Domain: w.Domain})
	})
}

func quiesces(b *bed, s sdk.Source, t sdk.Target) {
	if err := s.Quiesce(b.ctx, t, stateLimit); err != nil {
		b.Errorf("quiesce: %v", err)
	} else {
		b.comes(s, t, sdk.StateQuiesced)
	}
	if err := s.Unquiesce(context.WithoutCancel(b.ctx), t); err != nil {
		b.Errorf("unquiesce: %v", err)
	}
	b.comes(s, t, sdk.StateNormal)
}

func unquiesceTwice(b *bed, s sdk.Source, t sdk.Target) {
	for range 2 {
		if err := s.Unquiesce(b.ctx, t); err != nil {
			b.Errorf("unquiesce what is not quiesced: %v", err)
		}
	}
	b.comes(s, t, sdk.StateNormal)
}

// rehearse captures the work, changes the artifact and rehearses it.
func (b *bed) rehearse(s sdk.Source, w *Work, change func([]byte), domain string) (*sdk.RehearseReport, error) {
	b.Helper()
	file := b.artifact(s, w)
	content, err := os.ReadFile(file)
	if err == nil {
		change(content)
		err = os.WriteFile(file, content, 0o600)
	}
	if err != nil {
		b.Fatalf("change the artifact: %v", err)
	}
	rehearser, _ := sdk.As[sdk.Rehearser](s)
	return rehearser.Rehearse(b.ctx, sdk.RehearseRequest{Target: sdk.Target{Domain: domain}, File: file, Dir: b.TempDir()})
}

func rehearsesOwn(b *bed, s sdk.Source, w *Work) {
	rep, err := b.rehearse(s, w, func([]byte) {}, w.Domain)
	if err != nil {
		b.Fatalf("rehearse: %v", err)
	}
	for _, f := range rep.Findings {
		if f.Level == sdk.LevelError {
			b.Errorf("it forbids the restore: %s", f.Message)
		}
	}
	for _, c := range rep.Changes {
		if c.Effect != sdk.EffectAbsent {
			b.Errorf("%s %s would be %s", c.Class, c.Name, c.Effect)
		}
	}
}

func rehearsesDamaged(b *bed, s sdk.Source, w *Work) {
	rep, err := b.rehearse(s, w, damage, w.Domain)
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != failure.Corrupt {
		b.Errorf("a rehearsal of a damaged artifact gives %+v, %v", rep, err)
	}
}

// damage changes one byte.
func damage(content []byte) { content[len(content)/2] ^= 0x55 }

func rehearsesAbsent(b *bed, s sdk.Source, w *Work) {
	_, err := b.rehearse(s, w, func([]byte) {}, absent())
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != failure.NotFound || f.Reason != failure.UnknownDomain {
		b.Errorf("a rehearsal for a domain that is not there gives %v", err)
	}
}

// onRestorer makes a rule's function of f, which needs a device on which
// domains may be made.
func onRestorer(f func(*bed, sdk.Source, sdk.Restorer, *Work)) func(*bed) {
	return withWork(func(b *bed, s sdk.Source, w *Work) {
		if !w.Restore {
			notAsked(b.T, "not asked: %s", "nothing may be imported")
			return
		}
		r, _ := sdk.As[sdk.Restorer](s)
		f(b, s, r, w)
	})
}

// made makes a domain and returns the function that removes it.
func (b *bed) made(r sdk.Restorer) (t sdk.Target, remove func()) {
	b.Helper()
	t = sdk.Target{Domain: absent()}
	if err := r.Create(b.ctx, t); err != nil {
		b.Fatalf("create a domain: %v", err)
	}
	return t, func() {
		if err := r.Drop(context.WithoutCancel(b.ctx), t); err != nil {
			b.Errorf("drop the domain: %v", err)
		}
	}
}

// artifact returns the path of the first artifact of a capture of the work.
func (b *bed) artifact(s sdk.Source, w *Work) string {
	b.Helper()
	dir, c, err := b.capture(b.ctx, s, w, 0)
	if err != nil || len(c.Artifacts) == 0 {
		b.Fatalf("capture: %+v, %v", c, err)
	}
	return filepath.Join(dir, filepath.FromSlash(c.Artifacts[0].Name))
}

// resemble returns how a domain resembles an artifact, and whether the domain
// has unsaved changes.
func (b *bed) resemble(r sdk.Restorer, t sdk.Target, file string) (of sdk.Resemblance, unsaved bool) {
	b.Helper()
	rep, err := r.Resembles(b.ctx, sdk.ResembleRequest{Target: t, Files: []string{file}, Dir: b.TempDir()})
	if err != nil || len(rep.Of) != 1 {
		b.Fatalf("compare the domain: %+v, %v", rep, err)
	}
	return rep.Of[0], rep.SaveNeeded
}

func restoresOwn(b *bed, s sdk.Source, r sdk.Restorer, w *Work) {
	file := b.artifact(s, w)
	t, remove := b.made(r)
	defer remove()
	if of, _ := b.resemble(r, t, file); of.Equal {
		b.Errorf("a domain with nothing in it resembles the artifact")
	}
	rep, err := r.Import(b.ctx, sdk.ImportRequest{Target: t, File: file, Dir: b.TempDir()})
	if err != nil {
		b.Fatalf("import: %v", err)
	}
	for _, f := range rep.Findings {
		if f.Level == sdk.LevelError {
			b.Errorf("the import is not good: %s", f.Message)
		}
	}
	if of, _ := b.resemble(r, t, file); !of.Equal {
		b.Errorf("what was imported is not there: %q", of.Differences)
	}
	if err := r.Save(b.ctx, t); err != nil {
		b.Fatalf("save: %v", err)
	}
	if _, unsaved := b.resemble(r, t, file); unsaved {
		b.Errorf("after a save there are unsaved changes")
	}
}

func restoreRefuses(b *bed, s sdk.Source, r sdk.Restorer, w *Work) {
	file := b.artifact(s, w)
	content, err := os.ReadFile(file)
	if err != nil {
		b.Fatalf("read the artifact: %v", err)
	}
	damage(content)
	damaged := filepath.Join(b.TempDir(), "damaged")
	if err := os.WriteFile(damaged, content, 0o600); err != nil {
		b.Fatalf("damage the artifact: %v", err)
	}
	t, remove := b.made(r)
	defer remove()
	empty, _ := b.resemble(r, t, file)
	refused := func(what string, kind failure.Kind, q sdk.ImportRequest) {
		q.Dir = b.TempDir()
		rep, err := r.Import(b.ctx, q)
		if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != kind {
			b.Errorf("an import of %s gives %+v, %v", what, rep, err)
		}
	}
	refused("a damaged artifact", failure.Corrupt, sdk.ImportRequest{Target: t, File: damaged})
	refused("what another domain was before", failure.Precondition, sdk.ImportRequest{Target: t, File: file, Before: file})
	refused("something into a domain that is not there", failure.NotFound, sdk.ImportRequest{Target: sdk.Target{Domain: absent()}, File: file})
	if of, _ := b.resemble(r, t, file); of.Equal && !empty.Equal {
		b.Errorf("what was refused was imported")
	}
}

func restoreDomains(b *bed, s sdk.Source, r sdk.Restorer, _ *Work) {
	t, remove := b.made(r)
	if f, ok := errors.AsType[*failure.Error](r.Create(b.ctx, t)); !ok || f.Kind != failure.Exists {
		b.Errorf("a domain that is there is made again: %v", f)
	}
	remove()
	i, err := s.Inspect(b.ctx, sdk.InspectRequest{})
	if err != nil {
		b.Fatalf("inspect: %v", err)
	}
	if slices.ContainsFunc(i.Domains, func(d sdk.Domain) bool { return d.Name == t.Domain }) {
		b.Errorf("a domain that was removed is there")
	}
	remove()
}
