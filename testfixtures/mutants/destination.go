package mutants

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// destination is [store.Destination] with one thing wrong.
type destination struct {
	*store.Destination
	mutant     string
	ownProcess bool
	c          config
	env        sdk.Env
	atOnce     atomic.Int32
	dead       atomic.Bool
	sums       sync.Map // by path
}

// alive are the instances of each plugin, by its private directory.
var alive = struct {
	sync.Mutex
	of map[string][]*destination
}{of: map[string][]*destination{}}

func newDestination(mutant string, ownProcess bool, c config, env sdk.Env) *destination {
	pause := 6 * time.Millisecond
	if ownProcess {
		pause = 25 * time.Millisecond // until it is killed
	}
	d := &destination{
		Destination: store.New(store.Options{Log: env.Log}, store.Always(files{dir: c.Directory, replace: mutant == "renames_over", pause: pause})),
		mutant:      mutant, ownProcess: ownProcess, c: c, env: env,
	}
	switch mutant {
	case "tells_in_logs":
		env.Log.Info("configured", "token", c.Token)
	case "leaks_goroutine":
		go func() { select {} }()
	case "closes_all":
		alive.Lock()
		defer alive.Unlock()
		alive.of[env.TempDir] = append(alive.of[env.TempDir], d)
	}
	return d
}

// Close implements [sdk.Destination].
func (d *destination) Close() error {
	alive.Lock()
	defer alive.Unlock()
	for _, other := range alive.of[d.env.TempDir] {
		other.dead.Store(true)
	}
	delete(alive.of, d.env.TempDir)
	return d.Destination.Close()
}

// opened holds what leaks_descriptor opens, so that it is not collected.
var opened struct {
	sync.Mutex
	files []*os.File
}

// Check implements [sdk.Destination].
func (d *destination) Check(ctx context.Context) (*sdk.DestinationReport, error) {
	if d.dead.Load() {
		return nil, failure.New(failure.Unavailable, failure.Unreachable, "check: the connection is closed")
	}
	rep, err := d.Destination.Check(ctx)
	switch {
	case err != nil:
	case d.mutant == "homeless":
		rep.Location = ""
	case d.mutant == "leaves_probe":
		err = os.WriteFile(filepath.Join(d.c.Directory, "probe-"+rand.Text()), nil, 0o600)
	case d.mutant == "leaks_descriptor" && d.ownProcess:
		f, openErr := os.Open(d.c.Directory)
		opened.Lock()
		defer opened.Unlock()
		opened.files, err = append(opened.files, f), openErr
	}
	return rep, err
}

// name is the name that the mutant uses for a path.
func (d *destination) name(p string) string {
	switch d.mutant {
	case "underscores":
		return strings.ReplaceAll(p, " ", "_")
	case "composes":
		return strings.ReplaceAll(p, "e\u0301", "\u00e9")
	case "cuts_names":
		parts := strings.Split(p, "/")
		for i, part := range parts {
			parts[i] = part[:min(len(part), 252)]
		}
		return strings.Join(parts, "/")
	}
	return p
}

func (d *destination) final(p string) string {
	return filepath.Join(d.c.Directory, filepath.FromSlash(p))
}

// Store implements [sdk.Destination].
func (d *destination) Store(ctx context.Context, r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	announced := r
	r.Path = d.name(r.Path)
	switch d.mutant {
	case "no_empty_files":
		if _, err := os.Stat(d.final(r.Path)); r.Size == 0 && err != nil {
			return nil, failure.New(failure.Corrupt, failure.SourceIO, "store %s: it is empty", r.Path)
		}
	case "not_read_back":
		r.Verify = sdk.VerifySent
	case "counts_on":
		tell := progress
		progress = func(n int64) { tell(r.Size + n) }
	case "overwrites":
		if st, err := os.Stat(d.final(r.Path)); err == nil && st.Mode().IsRegular() && st.Size() != r.Size && r.Size > 0 {
			_ = os.Remove(d.final(r.Path))
		}
	case "trusts_hash", "trusts_size":
		r = d.trust(r)
	case "few_at_once":
		defer d.atOnce.Add(-1)
		if d.atOnce.Add(1) > 8 {
			return nil, failure.New(failure.Unavailable, failure.Unreachable, "store %s: too many connections", r.Path)
		}
		time.Sleep(20 * time.Millisecond)
	case "writes_in_place":
		if d.ownProcess {
			return d.writeInPlace(r, progress)
		}
	case "answers_early":
		if d.ownProcess && r.Size < 8192 {
			go func() {
				time.Sleep(time.Second)
				_, _ = d.Destination.Store(context.Background(), r, progress)
			}()
			return &sdk.StoreReport{Location: d.final(r.Path), Size: r.Size, SHA256: r.SHA256, Verified: r.Verify, Durable: true, ModeKept: true}, nil
		}
	case "tells_in_arguments":
		if r.Size == 20_001 {
			_ = exec.CommandContext(ctx, "/bin/sh", "-c", "sleep 0.3; true", "helper", d.c.Token).Run()
		}
	case "leaves_helper":
		if d.ownProcess {
			_ = exec.CommandContext(ctx, "/bin/sh", "-c", "sleep 100 & true").Run()
		}
	}
	rep, err := d.Destination.Store(ctx, r, progress)
	if err != nil {
		return nil, d.fail(r, failure.From(err))
	}
	switch d.mutant {
	case "damages":
		if strings.HasSuffix(r.Path, ".zip") {
			err = os.WriteFile(d.final(r.Path), make([]byte, r.Size), 0o600)
		}
	case "nowhere":
		rep.Location = ""
	case "always_new":
		rep.Existed = false
	case "leaves_copy":
		err = os.WriteFile(filepath.Join(d.env.TempDir, "copy"), nil, 0o600)
	case "trusts_hash", "trusts_size":
		rep.Size, rep.SHA256 = announced.Size, announced.SHA256
	}
	return rep, err
}

// fail is what a store that failed does and says.
func (d *destination) fail(r sdk.StoreRequest, f *failure.Error) error {
	switch {
	case d.mutant == "confused_below" && strings.HasSuffix(r.Path, "/below"):
		f.Kind = failure.Internal
	case d.mutant == "litters" && f.Kind == failure.Exists:
		_ = os.WriteFile(filepath.Join(d.c.Directory, store.TempName(r.Owner)), nil, 0o600)
	case d.mutant == "deaf" && f.Kind == failure.Cancelled:
		_, _ = d.Destination.Store(context.Background(), r, nil)
	case d.mutant == "tells_in_failures":
		f.Message += " with " + d.c.Token
	}
	return f
}

// trust makes the request one for what there is.
func (d *destination) trust(r sdk.StoreRequest) sdk.StoreRequest {
	b, err := os.ReadFile(r.Source)
	if err != nil || (d.mutant == "trusts_hash") != (int64(len(b)) == r.Size) {
		return r
	}
	sum := sha256.Sum256(b)
	r.Size, r.SHA256 = int64(len(b)), hex.EncodeToString(sum[:])
	return r
}

func (d *destination) writeInPlace(r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	b, err := os.ReadFile(r.Source)
	if err != nil {
		return nil, failure.New(failure.Corrupt, failure.SourceIO, "store %s: %w", r.Path, err)
	}
	if err := os.MkdirAll(filepath.Dir(d.final(r.Path)), 0o700); err != nil {
		return nil, failure.From(err)
	}
	if err := os.WriteFile(d.final(r.Path), b[:len(b)/2], 0o600); err != nil {
		return nil, failure.From(err)
	}
	progress(r.Size / 2)
	time.Sleep(min(200, time.Duration(r.Size>>14)) * time.Millisecond)
	if err := os.WriteFile(d.final(r.Path), b, 0o600); err != nil {
		return nil, failure.From(err)
	}
	progress(r.Size)
	return &sdk.StoreReport{Location: d.final(r.Path), Size: r.Size, SHA256: r.SHA256, Verified: r.Verify, Durable: true, ModeKept: true}, nil
}

// Fetch implements [sdk.Reader].
func (d *destination) Fetch(ctx context.Context, r sdk.FetchRequest, progress func(int64)) (*sdk.FetchReport, error) {
	r.Path = d.name(r.Path)
	if d.mutant == "fetches_over" {
		_ = os.Remove(r.File)
	}
	progress(1) // early, so that the fetch can be cancelled while it goes on
	rep, err := d.Destination.Fetch(ctx, r, progress)
	switch {
	case err != nil && d.mutant == "fetches_nothing" && failure.From(err).Kind == failure.NotFound,
		err != nil && d.mutant == "fetches_half" && failure.From(err).Kind == failure.Cancelled:
		_ = os.WriteFile(r.File, nil, 0o600)
	}
	return rep, err
}

// Sum implements [sdk.Summer].
func (d *destination) Sum(ctx context.Context, p string, progress func(int64)) (*sdk.FetchReport, error) {
	p = d.name(p)
	if sum, known := d.sums.Load(p); known && d.mutant == "remembers_sums" {
		return sum.(*sdk.FetchReport), nil
	}
	rep, err := d.Destination.Sum(ctx, p, progress)
	switch {
	case err == nil:
		d.sums.Store(p, rep)
	case d.mutant == "sums_nothing" && failure.From(err).Kind == failure.NotFound:
		return &sdk.FetchReport{SHA256: hex.EncodeToString(sha256.New().Sum(nil))}, nil
	}
	return rep, err
}

// List implements [sdk.Lister].
func (d *destination) List(ctx context.Context, prefix string) ([]sdk.Object, error) {
	switch d.mutant {
	case "lists_alike":
		all, err := d.Destination.List(ctx, "")
		return slices.DeleteFunc(all, func(o sdk.Object) bool { return !strings.HasPrefix(o.Path, prefix) }), err
	case ListsAll:
		return d.Destination.List(ctx, "")
	case "lists_nothing":
		if _, err := os.Stat(d.final(prefix)); err != nil && strings.HasSuffix(prefix, "/nothing") {
			return nil, failure.New(failure.NotFound, failure.NoDirectory, "list %s: %w", prefix, err)
		}
	}
	objects, err := d.Destination.List(ctx, prefix)
	if d.mutant == "unsorted" {
		slices.Reverse(objects)
	}
	return objects, err
}

// Leftovers implements [sdk.LeftoverLister].
func (d *destination) Leftovers(ctx context.Context, prefix string) ([]sdk.Object, error) {
	if d.mutant == "hides_leftovers" {
		return nil, nil
	}
	return d.Destination.Leftovers(ctx, prefix)
}

// Delete implements [sdk.Deleter].
func (d *destination) Delete(ctx context.Context, p string) error {
	p = d.name(p)
	switch d.mutant {
	case "deletes_more":
		objects, _ := d.Destination.List(ctx, path.Dir(p))
		for _, o := range objects {
			if strings.HasPrefix(o.Path, p) {
				_ = d.Destination.Delete(ctx, o.Path)
			}
		}
	case "deletes_once":
		if _, err := os.Stat(d.final(p)); errors.Is(err, os.ErrNotExist) {
			return failure.New(failure.NotFound, failure.NoSuchFile, "delete %s: %w", p, err)
		}
	}
	return d.Destination.Delete(ctx, p)
}

// Sweep implements [sdk.Sweeper].
func (d *destination) Sweep(ctx context.Context, r sdk.SweepRequest) (*sdk.SweepReport, error) {
	switch d.mutant {
	case "sweeps_nothing":
		if r.Owner != "" {
			return &sdk.SweepReport{}, nil
		}
	case "sweeps_others":
		r.Owner = ""
	case "sweeps_young":
		r.OlderThan = 0
	}
	rep, err := d.Destination.Sweep(ctx, r)
	if err != nil || d.mutant != "sweeps_final" || r.Prefix == "" {
		return rep, err
	}
	objects, err := d.Destination.List(ctx, r.Prefix)
	for _, o := range objects {
		if strings.HasSuffix(o.Path, ".part") && d.Destination.Delete(ctx, o.Path) == nil {
			rep.Removed = append(rep.Removed, o.Path)
		}
	}
	return rep, err
}
