package execute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/signing"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// store copies one captured variant to one destination. Its report is the
// file's, or that of all files together.
func (x *Executor) store(ctx context.Context, j engine.Job) (*event.Result, error) {
	d, verify, err := x.destination(ctx, j.Action.Destination)
	if err != nil {
		return nil, err
	}
	var all *sdk.StoreReport
	for _, c := range j.Captured {
		if c.Variant != j.Action.Variant {
			continue
		}
		artifacts, err := x.artifacts(ctx, j, c)
		if err != nil {
			return nil, err
		}
		var total, before int64
		for _, a := range artifacts {
			total += a.Size
		}
		for _, a := range artifacts {
			file, err := x.Staging.Path(a.Staged)
			if err != nil {
				return nil, failure.New(failure.NotFound, failure.SourceIO, "staged file %s: %w", a.Staged, err)
			}
			r, err := x.put(ctx, j, d, sdk.StoreRequest{Source: file, Path: a.File, Size: a.Size, SHA256: a.SHA256, Verify: verify},
				func(n int64) { j.Progress(before+n, total) })
			if err != nil {
				return nil, err
			}
			before += a.Size
			if len(artifacts) > 1 {
				r = together(all, r, a)
			}
			all = r
		}
	}
	if all == nil {
		return nil, failure.New(failure.Internal, "", "nothing of %s is staged for %s", j.Action.Variant, j.Task.ID)
	}
	return &event.Result{Store: all}, nil
}

// put stores one file of a task's set, whose path is below the set's directory,
// and compares what the plugin reports with what it was asked for.
func (x *Executor) put(ctx context.Context, j engine.Job, d sdk.Destination, q sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	set := j.Prepared.Sets[j.Action.Destination]
	q.Path, q.Owner = path.Join(set, q.Path), x.owner(j)
	return x.exactly(ctx, d, Leftover{Destination: j.Action.Destination, Directory: set, Owner: q.Owner}, q, progress)
}

// Keep stores a small local file that belongs to no set.
func (x *Executor) Keep(ctx context.Context, destination, file, name string) error {
	d, verify, err := x.destination(ctx, destination)
	if err != nil {
		return x.clean("", err)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return failure.New(failure.NotFound, failure.StagingIO, "%w", err)
	}
	ctx, cancel := x.limited(ctx, readLimit(int64(len(body))))
	defer cancel()
	sum := sha256.Sum256(body)
	q := sdk.StoreRequest{Source: file, Path: name, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Verify: verify, Owner: x.Run}
	if _, err := x.exactly(ctx, d, Leftover{Destination: destination, Directory: path.Dir(name), Owner: x.Run}, q, func(int64) {}); err != nil {
		return x.clean("", late(ctx, err))
	}
	return nil
}

// Roots are the destinations that were reached, and how they name themselves.
func (x *Executor) Roots() map[string]string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.roots)
}

// exactly stores one file, and accepts only the result that was asked for.
func (x *Executor) exactly(ctx context.Context, d sdk.Destination, left Leftover, q sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	x.beforeStore(ctx, d, left)
	r, err := d.Store(ctx, q, progress)
	if err != nil {
		return nil, err
	}
	x.afterStore(left)
	if r.SHA256 != q.SHA256 || r.Size != q.Size {
		return nil, named(d, failure.New(failure.Corrupt, failure.Mismatch, "it reports that %s has size %d and SHA-256 %s at the destination, and it has %d and %s in staging",
			r.Location, r.Size, r.SHA256, q.Size, q.SHA256).WithRemedy("report it to the author of the plugin; the files stay in staging"))
	}
	if r.Verified != q.Verify && r.Verified != sdk.VerifyReadBack { // more than was asked for is good
		return nil, named(d, failure.New(failure.Corrupt, failure.Mismatch, "it was asked to verify %s by %q and reports that it did by %q: the copy does not count",
			r.Location, q.Verify, r.Verified).WithRemedy("report it to the author of the plugin; the files stay in staging"))
	}
	return r, nil
}

// together adds the report on one file of a set to the report on the files
// before it, which is nil for the first one. The path of the set is its
// directory, which ends in a slash; the set has no hash. If a destination does
// not name its files by their paths, the set has the name of the last file.
func together(before, r *sdk.StoreReport, a event.Artifact) *sdk.StoreReport {
	out := *r
	if dir, ok := strings.CutSuffix(r.Location, "/"+a.File); ok {
		out.Location = dir + "/"
	}
	out.SHA256 = ""
	if before != nil {
		out.Verified = weaker(r.Verified, before.Verified)
		out.Size += before.Size
		out.Durable = r.Durable && before.Durable
		out.ModeKept = r.ModeKept && before.ModeKept
		out.Existed = r.Existed && before.Existed
		out.Warnings = slices.Clone(before.Warnings)
		for _, w := range r.Warnings {
			if !slices.Contains(out.Warnings, w) {
				out.Warnings = append(out.Warnings, w)
			}
		}
	}
	return &out
}

// weaker returns what holds for two copies together.
func weaker(a, b sdk.Verify) sdk.Verify {
	if a == sdk.VerifyReadBack {
		return b
	}
	return a
}

func (x *Executor) manifest(ctx context.Context, j engine.Job) (*event.Result, error) {
	d, verify, err := x.destination(ctx, j.Action.Destination)
	if err != nil {
		return nil, err
	}
	name := j.Prepared.Name + backups.Suffix
	m := backups.Manifest{Version: 1, Dprun: x.Version, State: x.StateID, Path: path.Join(j.Prepared.Sets[j.Action.Destination], name), Run: x.Run, Plan: x.PlanName,
		Task: j.Task.ID, Activity: j.Task.Activity.Name, Type: j.Task.Activity.Type, Device: j.Task.Device, Domain: j.Task.Domain, Stamp: j.Prepared.Stamp,
		Durable: true, ModeKept: true}
	if m.Set, err = backups.ID(m.Run, m.Task, m.Stamp); err != nil {
		return nil, err
	}
	m.Captured, _ = backups.ParseStamp(m.Stamp) // ID has read it
	if j.Facts != nil {
		if m.Facts, err = json.Marshal(j.Facts); err != nil {
			return nil, err
		}
	}
	verified := sdk.VerifyReadBack
	for _, r := range j.Stored {
		verified = weaker(verified, r.Verified)
		m.Durable = m.Durable && r.Durable
		m.ModeKept = m.ModeKept && r.ModeKept
		m.Warnings = append(m.Warnings, r.Warnings...)
	}
	for _, c := range j.Captured {
		m.Warnings = append(m.Warnings, c.Warnings...)
		m.Withheld = append(m.Withheld, c.Withheld...)
		m.Objects = append(m.Objects, c.Objects...)
		files, err := x.listed(ctx, j, c)
		if err != nil {
			return nil, err
		}
		m.Artifacts = append(m.Artifacts, files...)
	}
	m.Verified = string(verified)
	slices.Sort(m.Withheld)
	m.Withheld = slices.Compact(m.Withheld) // the saved and the running configuration mostly name the same
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	c := m.Copy(body)
	if x.Keys.Signs() { // before the manifest: where that is, the set is whole
		if c.Signature, err = x.sign(ctx, j, d, verify, name, body); err != nil {
			return nil, err
		}
	}
	r, err := x.small(ctx, j, d, verify, name, body)
	if err != nil {
		return nil, err
	}
	x.mu.Lock() // another destination with these recipients finds it in staging
	maps.DeleteFunc(x.encrypted, func(key string, _ *instance[[]encrypted]) bool { return strings.HasPrefix(key, j.Task.ID+"\x00") })
	x.mu.Unlock()
	c.Root, c.Destination, c.Stored = x.root(ctx, j.Action.Destination, r.Location, m.Path), j.Action.Destination, x.Clock.Now()
	return &event.Result{Store: r, Copy: &c}, nil
}

// small stores a small file of a task's set. The file is made again from the
// journal whenever it is needed, so it stays in staging only while it is stored.
func (x *Executor) small(ctx context.Context, j engine.Job, d sdk.Destination, verify sdk.Verify, name string, body []byte) (*sdk.StoreReport, error) {
	file, done, err := x.Staging.Write(x.Run, j.Task.ID, body)
	if err != nil {
		return nil, stagingFailure(err)
	}
	sum := sha256.Sum256(body)
	r, err := x.put(ctx, j, d, sdk.StoreRequest{Source: file, Path: name, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Verify: verify}, func(int64) {})
	done(err == nil)
	return r, err
}

// sign stores the signature of a manifest beside it.
func (x *Executor) sign(ctx context.Context, j engine.Job, d sdk.Destination, verify sdk.Verify, manifest string, body []byte) (*backups.Signature, error) {
	text, err := x.Keys.Sign(signing.Manifest, body)
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "the manifest %s was not signed and not stored: %w", manifest, err).
			WithRemedy("correct `signing` in the plan and run again; the files stay in staging")
	}
	r, err := x.small(ctx, j, d, verify, manifest+signing.Suffix, text)
	if err != nil {
		return nil, err
	}
	return &backups.Signature{Size: r.Size, SHA256: r.SHA256, Verdict: x.Keys.Check(signing.Manifest, body, text, x.Clock.Now())}, nil
}

// root returns the name that the destination gives itself. A recovered run has
// not checked it yet; if the destination cannot be asked, the name of a file
// tells.
func (x *Executor) root(ctx context.Context, destination, location, file string) string {
	x.mu.Lock()
	root, known := x.roots[destination]
	x.mu.Unlock()
	if known {
		return root
	}
	root, err := x.Root(ctx, destination)
	if err != nil {
		return strings.TrimSuffix(location, "/"+file)
	}
	x.mu.Lock()
	x.roots[destination] = root
	x.mu.Unlock()
	return root
}
