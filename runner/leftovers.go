package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
)

// leftovers notes what the stores of one run may have left at destinations that
// could not remove it. The next run of a plan in the same directory that uses the
// destination removes it.
type leftovers struct {
	Dir  string             `json:"dir"` // the plan's directory, which gives the destination's name its meaning
	Left []execute.Leftover `json:"left"`
}

// beginSweep begins to remove what earlier stores left. A recovered run removes
// its own leftovers before it stores again; other runs' leftovers are removed
// beside the run.
func (r *Runner) beginSweep(ctx context.Context, x *execute.Executor, machine *lifecycle.Run, dir string, first event.Kind) *sync.WaitGroup {
	beside := &sync.WaitGroup{}
	if first == event.Interrupted {
		x.Expect(leftByDead(x, machine))
		return beside
	}
	beside.Go(func() { r.sweepNoted(ctx, x, machine.Spec(), dir) })
	return beside
}

// leftByDead returns what the stores of a run under recovery may have left.
func leftByDead(x *execute.Executor, machine *lifecycle.Run) (out []execute.Leftover) {
	for _, t := range machine.Tasks() {
		for _, name := range t.Unstored() {
			out = append(out, x.LeftBy(t.Spec().ID, name, t.Prepared().Sets[name]))
		}
	}
	return out
}

// sweepNoted removes the noted leftovers at the run's destinations. It works
// beside the run.
func (r *Runner) sweepNoted(ctx context.Context, x *execute.Executor, spec lifecycle.RunSpec, dir string) {
	entries, err := os.ReadDir(r.state.Leftovers())
	if err != nil {
		r.Log.Warn("the notes of temporary files at destinations cannot be read", "error", err)
		return
	}
	for _, e := range entries {
		file := filepath.Join(r.state.Leftovers(), e.Name())
		var note leftovers
		body, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(body, &note)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // another run has removed it
		}
		if err != nil {
			r.Log.Warn("a note of temporary files at destinations cannot be read; remove it, and old *.part files at the destinations", "file", file, "error", err)
			continue
		}
		if note.Dir != dir {
			continue
		}
		var ours, rest []execute.Leftover
		for _, l := range note.Left {
			if slices.ContainsFunc(spec.Destinations, func(d lifecycle.Destination) bool { return d.Name == l.Destination }) {
				ours = append(ours, l)
			} else {
				rest = append(rest, l)
			}
		}
		if len(ours) == 0 {
			continue
		}
		note.Left = append(rest, x.Sweep(ctx, ours)...)
		if err := writeLeftovers(file, note); err != nil {
			r.Log.Warn("the note of temporary files at destinations could not be changed", "error", err)
		}
	}
}

// sweepOwn removes what the run's own stores left, and notes what it could not
// remove.
func (r *Runner) sweepOwn(ctx context.Context, x *execute.Executor, run, dir string) {
	left := x.Left()
	if len(left) == 0 {
		return
	}
	file := filepath.Join(r.state.Leftovers(), run+".json")
	if err := writeLeftovers(file, leftovers{Dir: dir, Left: x.Sweep(ctx, left)}); err != nil {
		r.Log.Warn("temporary files at destinations could not be noted", "error", err)
	}
}

// writeLeftovers writes a note, or removes an empty one.
func writeLeftovers(file string, note leftovers) error {
	if len(note.Left) == 0 {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a note of temporary files at destinations: %w", err)
		}
		return nil
	}
	body, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("encode a note of temporary files at destinations: %w", err)
	}
	next := file + ".new"
	if err := os.WriteFile(next, body, 0o600); err != nil {
		return fmt.Errorf("write a note of temporary files at destinations: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("write a note of temporary files at destinations: %w", err)
	}
	return nil
}

// SweepRequest asks to remove temporary files at a plan's destinations.
type SweepRequest struct {
	Source    Source
	Plan      string // the plan's name; empty: the only one of the file
	OlderThan time.Duration
}

// Sweep removes temporary files of failed stores, no matter which process made
// them. It lists everything at the plan's destinations, and contacts no device.
// It returns neither a result nor an error if the diagnostics say that the plan
// is wrong.
func (r *Runner) Sweep(ctx context.Context, q SweepRequest) ([]report.Swept, *report.Result, error) {
	res := &report.Result{}
	loaded, p, err := r.load(ctx, q.Source, q.Plan, Only{}, res)
	if err != nil || p == nil {
		return nil, res, err
	}
	host := r.startUnlockedHost()
	defer func() { _ = host.Close() }()
	exec := r.beside(loaded, p, execute.Options{Run: "sweep", Plugins: host})
	defer exec.Close()
	out := make([]report.Swept, 0, len(p.Destinations))
	for _, d := range p.Destinations {
		s := report.Swept{Destination: d.Address, Removed: []string{}}
		removed, err := exec.SweepAll(ctx, d.Address, q.OlderThan)
		s.Removed = append(s.Removed, removed...)
		if err != nil {
			s.Error = err.Error()
			res.ExitCode = graverExit(res.ExitCode, 1)
		}
		out = append(out, s)
		if ctx.Err() != nil {
			return out, res, ctx.Err()
		}
	}
	return out, res, nil
}
