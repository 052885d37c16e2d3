package execute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
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
		var total, before int64
		for _, a := range c.Artifacts {
			total += a.Size
		}
		for _, a := range c.Artifacts {
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
			if len(c.Artifacts) > 1 {
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
	left := Leftover{Destination: j.Action.Destination, Directory: set, Owner: q.Owner}
	x.beforeStore(ctx, d, left)
	r, err := d.Store(ctx, q, progress)
	if err != nil {
		return nil, err
	}
	x.afterStore(left)
	if r.SHA256 != q.SHA256 || r.Size != q.Size {
		return nil, named(d, failure.New(failure.Corrupt, failure.Mismatch, "it reports that %s has size %d and SHA-256 %s at the destination, and it has %d and %s in staging",
			r.Location, r.Size, r.SHA256, q.Size, q.SHA256))
	}
	if r.Verified != q.Verify && r.Verified != sdk.VerifyReadBack { // more than was asked for is good
		return nil, named(d, failure.New(failure.Corrupt, failure.Mismatch, "it was asked to verify %s by %q and reports that it did by %q: the copy does not count",
			r.Location, q.Verify, r.Verified).WithRemedy("report it to the author of the plugin; the files stay in staging"))
	}
	return r, nil
}

// together adds one file of a set to the report on those before it, nil for
// the first one. The set is where its directory is, which ends in a slash; it
// has no hash. A destination that does not name its files by their paths names
// the last of them.
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

// weaker is what can be said of two copies together.
func weaker(a, b sdk.Verify) sdk.Verify {
	if a == sdk.VerifyReadBack {
		return b
	}
	return a
}

// Manifest stands beside each set and is stored last: its presence means that
// the set is whole. A destination can be read without the journal.
type Manifest struct {
	Version   int                `json:"version"` // of this form: 1
	Dprun     string             `json:"dprun"`   // the version that wrote it
	Run       string             `json:"run"`
	Plan      string             `json:"plan"`
	Task      string             `json:"task"`
	Activity  string             `json:"activity"`
	Type      string             `json:"type"` // of the activity
	Device    string             `json:"device"`
	Domain    string             `json:"domain,omitempty"`
	Stamp     string             `json:"stamp"`
	Facts     *sdk.Facts         `json:"facts,omitempty"`
	Verified  sdk.Verify         `json:"verified"`  // how every copy was verified, as the destination reported
	Durable   bool               `json:"durable"`   // the destination made every copy durable
	ModeKept  bool               `json:"mode_kept"` // every copy has the file mode that it was to have
	Artifacts []ManifestArtifact `json:"artifacts"`
	Warnings  []string           `json:"warnings,omitempty"`
	// Withheld names the files that the device has and does not give out: keys,
	// certificates and secrets, which a restore needs from elsewhere.
	Withheld []string `json:"withheld,omitempty"`
}

// ManifestArtifact is one file of the set.
type ManifestArtifact struct {
	File    string `json:"file"` // relative to the manifest's directory
	Variant string `json:"variant"`
	Size    int64  `json:"size"`   // bytes
	SHA256  string `json:"sha256"` // lower-case hex
}

// ManifestSuffix ends the name of every manifest.
const ManifestSuffix = ".dprun.json"

func (x *Executor) manifest(ctx context.Context, j engine.Job) (*event.Result, error) {
	d, verify, err := x.destination(ctx, j.Action.Destination)
	if err != nil {
		return nil, err
	}
	m := Manifest{Version: 1, Dprun: x.Version, Run: x.Run, Plan: x.PlanName, Task: j.Task.ID, Activity: j.Task.Activity.Name, Type: j.Task.Activity.Type,
		Device: j.Task.Device, Domain: j.Task.Domain, Stamp: j.Prepared.Stamp, Facts: j.Facts, Verified: sdk.VerifyReadBack, Durable: true, ModeKept: true}
	for _, r := range j.Stored {
		m.Verified = weaker(m.Verified, r.Verified)
		m.Durable = m.Durable && r.Durable
		m.ModeKept = m.ModeKept && r.ModeKept
		m.Warnings = append(m.Warnings, r.Warnings...)
	}
	for _, c := range j.Captured {
		m.Warnings = append(m.Warnings, c.Warnings...)
		m.Withheld = append(m.Withheld, c.Withheld...)
		for _, a := range c.Artifacts {
			m.Artifacts = append(m.Artifacts, ManifestArtifact{File: a.File, Variant: c.Variant, Size: a.Size, SHA256: a.SHA256})
		}
	}
	slices.Sort(m.Withheld)
	m.Withheld = slices.Compact(m.Withheld) // the saved and the running configuration mostly name the same
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	name := j.Prepared.Name + ManifestSuffix
	// It is made again from the journal whenever it is needed: it lies in
	// staging only for as long as it is stored.
	file, done, err := x.Staging.Write(x.Run, j.Task.ID, body)
	if err != nil {
		return nil, stagingFailure(err)
	}
	sum := sha256.Sum256(body)
	r, err := x.put(ctx, j, d, sdk.StoreRequest{Source: file, Path: name, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Verify: verify}, func(int64) {})
	done(err == nil)
	if err != nil {
		return nil, err
	}
	return &event.Result{Store: r}, nil
}
