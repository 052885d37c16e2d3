package runner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/metrics"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
)

// setsAtMost is the most domains that get a metric of their own, because each
// line costs a Prometheus server memory.
const setsAtMost = 5000

// Metrics returns what the state directory knows, for a Prometheus server. It
// contacts nothing. With an error it returns what could be read.
func (r *Runner) Metrics(ctx context.Context) (*metrics.Values, error) {
	v := &metrics.Values{State: r.StateDir}
	now := r.Clock.Now()
	v.Set(metrics.BuildInfo, 1, r.Version)
	v.SetTime(metrics.WrittenTime, now)
	r.owedMetrics(ctx, v)
	sizing := r.sizeMetrics(v)
	k := r.kept.Load()
	if k.journal == nil {
		v.Set(metrics.JournalReadable, 0)
		return v, errors.Join(k.lost, sizing)
	}
	err := errors.Join(runMetrics(ctx, v, k.journal), setMetrics(ctx, v, k.journal, now, setsAtMost))
	v.Set(metrics.JournalReadable, truth(err == nil))
	if err = errors.Join(err, sizing); err != nil {
		return v, &Error{ExitBug, err}
	}
	return v, nil
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// owedMetrics counts what must still be undone, and what stops quiesces.
func (r *Runner) owedMetrics(ctx context.Context, v *metrics.Values) {
	left := r.Owed(ctx)
	type key struct {
		kind string
		held bool
	}
	count, since := map[key]int{}, map[key]time.Time{}
	for _, kind := range []string{string(pending.Unquiesce), lifecycle.OwedAfterUnquiesce, string(pending.Discard), string(pending.PostScript), string(lifecycle.OweDrop), string(lifecycle.OweRestore)} {
		count[key{kind, false}], count[key{kind, true}] = 0, 0 // a query cannot compare anything with a missing metric
	}
	for _, o := range left.Owed {
		k := key{kindOf(o), o.Held}
		count[k]++
		if s := since[k]; s.IsZero() || o.Since.Before(s) {
			since[k] = o.Since
		}
	}
	for k, n := range count {
		v.Set(metrics.Owed, float64(n), k.kind, strconv.FormatBool(k.held))
		v.SetTime(metrics.OwedSince, since[k], k.kind, strconv.FormatBool(k.held))
	}
	v.Set(metrics.OwedUnknown, truth(left.Unknown != nil))
	for _, s := range left.Stops {
		if s.Device == "" {
			v.SetTime(metrics.Hold, s.Since)
			continue
		}
		v.SetTime(metrics.Breakers, s.Since, s.Device, s.Environment)
	}
}

func kindOf(o report.Owed) string {
	if o.ID == lifecycle.OwedAfterUnquiesce {
		return o.ID
	}
	return o.Kind
}

// runMetrics returns the last run of each plan, and the runs under way.
func runMetrics(ctx context.Context, v *metrics.Values, j *journal.Journal) error {
	last, err := j.LastRuns(ctx, false)
	if err != nil {
		return err
	}
	for _, run := range last {
		v.SetTime(metrics.RunStart, run.Started, run.Plan, run.Origin)
		v.SetTime(metrics.RunEnd, run.Ended, run.Plan, run.Origin)
		v.Set(metrics.RunDuration, run.Ended.Sub(run.Started).Seconds(), run.Plan, run.Origin)
		v.Set(metrics.RunExitCode, float64(run.ExitCode), run.Plan, run.Origin)
		tasks, err := j.Tasks(ctx, run.ID)
		if err != nil {
			return err
		}
		codes := map[string]int{}
		for _, t := range tasks {
			codes[t.Code]++
		}
		for code, n := range codes {
			v.Set(metrics.RunTasks, float64(n), run.Plan, run.Origin, code)
		}
		rooms, err := j.RoomsOf(ctx, run.ID)
		if err != nil {
			return err
		}
		for _, room := range rooms {
			if room.Free >= 0 && room.Total > 0 {
				v.Set(metrics.Free, float64(room.Free), run.Plan, run.Origin, room.Destination)
				v.Set(metrics.Total, float64(room.Total), run.Plan, run.Origin, room.Destination)
			}
		}
	}
	good, err := j.LastRuns(ctx, true)
	if err != nil {
		return err
	}
	for _, run := range good {
		v.SetTime(metrics.RunSuccess, run.Ended, run.Plan, run.Origin)
	}
	unfinished, err := j.UnfinishedRuns(ctx)
	if err != nil {
		return err
	}
	seen := map[[2]string]bool{}
	for _, run := range unfinished { // the oldest first, because it is the one to look at
		if of := [2]string{run.Plan, run.Origin}; !seen[of] {
			seen[of] = true
			v.SetTime(metrics.RunRunning, run.Started, run.Plan, run.Origin)
		}
	}
	return nil
}

// setMetrics returns the last set of each subject. If there are more than most,
// it returns only the oldest of each device.
func setMetrics(ctx context.Context, v *metrics.Values, j *journal.Journal, now time.Time, most int) error {
	sets, err := j.LastSets(ctx, now)
	if err != nil {
		return err
	}
	if len(sets) <= most {
		for _, s := range sets {
			v.SetTime(metrics.SetTime, s.Captured, s.Plan, s.Activity, s.Device, s.Domain)
		}
		v.Set(metrics.SetsLeftOut, 0)
		return nil
	}
	type key struct{ plan, activity, device string }
	oldest := map[key]time.Time{}
	for _, s := range sets {
		k := key{s.Plan, s.Activity, s.Device}
		if at, known := oldest[k]; !known || s.Captured.Before(at) {
			oldest[k] = s.Captured
		}
	}
	for k, at := range oldest {
		v.SetTime(metrics.SetTime, at, k.plan, k.activity, k.device, "")
	}
	v.Set(metrics.SetsLeftOut, float64(len(sets)))
	return nil
}

// sizeMetrics returns the size of the state directory. Files that disappear
// during the walk do not count.
func (r *Runner) sizeMetrics(v *metrics.Values) error {
	var size int64
	err := filepath.WalkDir(r.StateDir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoring(err)
		}
		info, err := d.Info()
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return ignoring(err)
	})
	if err == nil {
		v.Set(metrics.StateSize, float64(size))
	}
	if r.staging == nil {
		return err
	}
	free, freeErr := r.staging.Free()
	if freeErr == nil {
		v.Set(metrics.StateFree, float64(free))
	}
	return errors.Join(err, freeErr)
}

func ignoring(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
