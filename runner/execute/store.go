package execute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// checkShared is how long a destination's check serves other tasks that ask:
// hundreds of tasks that start together need not make hundreds of probes.
const checkShared = 10 * time.Second

type sharedCheck struct {
	mu     sync.Mutex
	at     time.Time
	report *sdk.DestinationReport
}

func (x *Executor) checkDestination(ctx context.Context, j engine.Job) (*event.Result, error) {
	ctx, cancel := x.limited(ctx, destinationLimit)
	defer cancel()
	x.mu.Lock()
	c := x.checks[j.Action.Destination]
	if c == nil {
		c = &sharedCheck{}
		x.checks[j.Action.Destination] = c
	}
	x.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := x.Clock.Now(); c.report != nil && now.Sub(c.at) < checkShared {
		return &event.Result{Destination: c.report}, nil
	}
	c.report = nil
	d, verify, err := x.destination(ctx, j.Action.Destination)
	if err != nil {
		return nil, err
	}
	r, err := d.Check(ctx)
	if err != nil {
		return nil, late(ctx, err)
	}
	if r.WriteOnly != "" && verify == sdk.VerifyReadBack {
		return nil, failure.New(failure.Precondition, failure.NoAccess, "check %s: stored files cannot be read back: %s", r.Location, r.WriteOnly).
			WithRemedy(`let the destination's user read what it stored, or set verify = "sent" for this destination`)
	}
	c.report, c.at = r, x.Clock.Now()
	return &event.Result{Destination: r}, nil
}

// prepare computes the stamp and where the set goes, and refuses two sets at
// one place.
func (x *Executor) prepare(ctx context.Context, j engine.Job) (*event.Result, error) {
	p := &event.Prepared{Stamp: plan.FormatStamp(j.Started), Sets: map[string]string{}}
	at := x.scope(j)
	at.Stamp = p.Stamp
	for _, d := range j.Task.Destinations {
		dir, name, err := x.Plan.Set(ctx, d.Name, at)
		if err != nil {
			return nil, err
		}
		p.Sets[d.Name], p.Name = dir, name
		key := d.Name + "\x00" + path.Join(dir, name)
		x.mu.Lock()
		other, taken := x.sets[key]
		if !taken {
			x.sets[key] = j.Task.ID
		}
		x.mu.Unlock()
		if taken && other != j.Task.ID {
			return nil, failure.New(failure.Precondition, failure.Occupied, "destination %s: the sets of %s and %s would both go to %s", d.Name, other, j.Task.ID, path.Join(dir, name)).
				WithRemedy("make the destination's path differ by device, domain or stamp")
		}
	}
	return &event.Result{Prepared: p}, nil
}

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
			r, err := d.Store(ctx, sdk.StoreRequest{
				Source: file, Path: path.Join(j.Prepared.Sets[j.Action.Destination], a.File), Size: a.Size, SHA256: a.SHA256, Verify: verify, Owner: x.owner(j),
			}, func(n int64) { j.Progress(before+n, total) })
			if err != nil {
				return nil, err
			}
			if r.SHA256 != a.SHA256 || r.Size != a.Size {
				return nil, failure.New(failure.Corrupt, failure.Mismatch, "%s has size %d and SHA-256 %s at the destination, and %d and %s in staging", r.Location, r.Size, r.SHA256, a.Size, a.SHA256)
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
	Verified  sdk.Verify         `json:"verified"`  // how each copy was verified
	Durable   bool               `json:"durable"`   // the destination made every copy durable
	ModeKept  bool               `json:"mode_kept"` // every copy has the file mode that it was to have
	Artifacts []ManifestArtifact `json:"artifacts"`
	Warnings  []string           `json:"warnings,omitempty"`
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
		Device: j.Task.Device, Domain: j.Task.Domain, Stamp: j.Prepared.Stamp, Facts: j.Facts, Verified: verify, Durable: true, ModeKept: true}
	for _, r := range j.Stored {
		m.Durable = m.Durable && r.Durable
		m.ModeKept = m.ModeKept && r.ModeKept
		m.Warnings = append(m.Warnings, r.Warnings...)
	}
	for _, c := range j.Captured {
		m.Warnings = append(m.Warnings, c.Warnings...)
		for _, a := range c.Artifacts {
			m.Artifacts = append(m.Artifacts, ManifestArtifact{File: a.File, Variant: c.Variant, Size: a.Size, SHA256: a.SHA256})
		}
	}
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	name := j.Prepared.Name + ManifestSuffix
	// It is made again from the journal whenever it is needed: it lies in
	// staging only for as long as it is stored.
	file, remove, err := x.Staging.Write(x.Run, j.Task.ID, "manifest", body)
	if err != nil {
		return nil, stagingFailure(err)
	}
	defer remove()
	sum := sha256.Sum256(body)
	r, err := d.Store(ctx, sdk.StoreRequest{
		Source: file, Path: path.Join(j.Prepared.Sets[j.Action.Destination], name), Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Verify: verify, Owner: x.owner(j),
	}, func(int64) {})
	if err != nil {
		return nil, err
	}
	return &event.Result{Store: r}, nil
}
