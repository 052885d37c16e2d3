package runner

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// DriftRequest asks how the gateways of a plan differ from their last good
// backups.
type DriftRequest struct {
	Source Source
	Plan   string
	Only   string
	Keys   Keys // decrypt what is stored encrypted
	// Found receives each device or domain as soon as its result is known.
	Found func(report.Drift)
	// Failed receives each copy of a set that could not be used.
	Failed func(report.BackupFault)
}

// Drift exports the running configuration of every domain of a plan and compares
// it with the last good backup. It quiesces nothing, runs no script, and does not
// keep the exports. The exit code is 3 if some domains could not be compared, 1
// if none could, and 14 if there is nothing to compare.
func (r *Runner) Drift(ctx context.Context, q DriftRequest) (*report.Result, error) {
	res := &report.Result{}
	loaded, p, spec, err := r.foresee(ctx, PreviewRequest{Source: q.Source, Plan: q.Plan, Only: q.Only}, res)
	if err != nil || p == nil {
		return res, err
	}
	shelves, err := r.shelves(ctx, q.Source, p.Name, "", "drift", res)
	if err != nil || shelves == nil {
		return res, err
	}
	defer shelves.close()
	if shelves.identities, err = q.Keys.read(); err != nil {
		return res, err
	}
	l, err := r.startLook(ctx, r.begin(Operation{}), loaded, p, &spec)
	if err != nil {
		return res, err
	}
	defer l.close()
	l.exec.Run = filepath.Base(shelves.scratch) // so that the captured files are removed with the scratch directory
	spec.Window, spec.PreScript, spec.PostScript = nil, nil, nil
	for i := range spec.Activities {
		a := &spec.Activities[i]
		a.Quiesce, a.PreScript, a.PostScript, a.BeforeQuiesce, a.AfterUnquiesce = lifecycle.QuiesceNone, nil, nil, nil, nil
	}
	x := &drifting{dryExecutor: dryExecutor{real: l.exec, down: map[string]bool{}}, shelves: shelves, request: q, variants: map[string][]string{}, told: map[string]bool{}}
	machine := lifecycle.NewRun(spec)
	engine.New(engine.Options{Run: machine, Executor: x, Journal: newAnswers(), Clock: r.Clock, Sink: previewing{log: r.Log}, Log: r.Log}).
		Run(ctx, event.Event{Kind: event.RunStarted})
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	for _, t := range machine.Tasks() {
		if final, s := t.Final(), t.Spec(); final != nil && !x.told[s.ID] {
			x.tell(s.ID, report.Drift{Activity: s.Activity.Name, Device: s.Device, Domain: s.Domain, State: report.DriftUnknown, Why: final.Code + ": " + final.Message})
		}
	}
	switch {
	case x.compared == 0 && x.unknown == 0:
		res.ExitCode = ExitNothing
	case x.compared == 0:
		res.ExitCode = 1
	case x.unknown > 0:
		res.ExitCode = ExitPartly
	}
	return res, nil
}

// drifting does the reads of a run and its exports, and compares the exports.
type drifting struct {
	dryExecutor
	shelves *shelves
	request DriftRequest

	mu                sync.Mutex
	variants          map[string][]string // by task: the variants to capture
	told              map[string]bool     // by task
	compared, unknown int
}

// Do implements [engine.Executor].
func (x *drifting) Do(ctx context.Context, j engine.Job) (*event.Result, error) {
	switch j.Action.Kind {
	case lifecycle.ActCapture:
	case lifecycle.ActLock: // an export waits for a run that holds the gateway or domain
		return x.real.Do(ctx, j)
	case lifecycle.ActCheckDestination: // nothing is stored
		return &event.Result{Destination: &sdk.DestinationReport{Free: -1}}, nil
	default:
		res, err := x.dryExecutor.Do(ctx, j)
		if res != nil && res.Check != nil {
			x.mu.Lock()
			x.variants[j.Task.ID] = res.Check.Variants
			x.mu.Unlock()
		}
		return res, err
	}
	d := report.Drift{Activity: j.Task.Activity.Name, Device: j.Task.Device, Domain: j.Task.Domain}
	x.mu.Lock()
	running := slices.Contains(x.variants[j.Task.ID], sdk.VariantRunning)
	x.mu.Unlock()
	switch {
	case j.Action.Variant == sdk.VariantSecureBackup:
		d.State, d.Why = report.DriftSkipped, "a secure backup is encrypted and cannot be compared"
		x.tell(j.Task.ID, d)
		return x.dryExecutor.Do(ctx, j)
	case j.Action.Variant == sdk.VariantPersisted && running:
		return x.dryExecutor.Do(ctx, j) // the running configuration is captured next
	}
	defer x.shelves.staging.Remove(filepath.Base(x.shelves.scratch), j.Task.ID) //nolint:errcheck // it goes with the scratch directory
	res, err := x.real.Do(ctx, j)
	if err != nil {
		return nil, err // the machine may try again, and tells the outcome
	}
	if err := x.compare(ctx, res.Capture, &d); err != nil {
		d.State, d.Why = report.DriftUnknown, err.Error()
	}
	x.tell(j.Task.ID, d)
	return res, nil
}

// compare compares a capture with the last good set.
func (x *drifting) compare(ctx context.Context, c *event.Captured, d *report.Drift) error {
	got, err := x.shelves.archive(ctx, FetchBackupRequest{Device: d.Device, Domain: d.Domain, Activity: d.Activity, Failed: x.request.Failed}, sdk.VariantRunning)
	if err != nil {
		return err
	}
	d.Set, d.Captured = got.set.Set, got.set.Captured.UTC().Format(time.RFC3339)
	now, err := x.shelves.staging.Path(c.Artifacts[0].Staged)
	if err != nil {
		return err
	}
	diff, err := Diff(ctx, got.path, now)
	if err != nil {
		return err
	}
	d.Differences, d.Omitted, d.Withheld = diff.Differences, diff.Omitted, diff.Withheld
	if d.State = report.DriftDiffers; diff.Same {
		d.State = report.DriftSame
	}
	return nil
}

func (x *drifting) tell(task string, d report.Drift) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.told[task] = true
	switch d.State {
	case report.DriftUnknown:
		x.unknown++
	case report.DriftSame, report.DriftDiffers:
		x.compared++
	}
	x.request.Found(d)
}
