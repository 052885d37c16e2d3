package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// side is one of the two dpruns that take turns.
type side struct {
	name string
	*bench
}

// sides are the dprun that is measured and, where -old names one, an older one
// beside it.
func (b *bench) sides() []side {
	out := []side{{"dprun", b}}
	if b.old != "" {
		older := *b
		older.dprun = b.old
		out = append(out, side{"old", &older})
	}
	return out
}

// once is the same with one round, for what takes long.
func (b *bench) once() *bench {
	single := *b
	single.rounds = 1
	return &single
}

// What is measured of a run of many tasks, beside its times.
const (
	peakMemory   = "peak"    // the highest sum of the PSS of dprun and all its descendants, MiB
	journalBytes = "journal" // of the journal, of one task
)

// sampleLarge is how often the memory of a run is looked at that lasts long
// and has much: looking costs processor time too.
const sampleLarge = 250 * time.Millisecond

// load is a run of many tasks.
type load struct {
	write func(dest string) (plan string, err error) // writes the plan, to a directory
	tasks int
	size  int64 // of each artifact
	every time.Duration
}

// run is a contender that plays a load. Its directories are empty before every turn.
func (b *bench) run(name string, l load) contender {
	return contender{name, func(ctx context.Context, _ int) (got map[string]float64, err error) {
		dest, err := b.mkdir(name)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dest)) }()
		plan, err := l.write(dest)
		if err != nil {
			return nil, err
		}
		state, err := b.stateDirectory()
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(state)) }()
		var p *sampler
		a, err := b.applyIn(ctx, state, plan, func(cmd *exec.Cmd) { p = sample(cmd.Process.Pid, l.every) })
		if p == nil { // it did not start
			return nil, err
		}
		peak, _ := p.end()
		if err != nil {
			return nil, err
		}
		if a.succeeded != l.tasks {
			return nil, fmt.Errorf("%d tasks of %d succeeded", a.succeeded, l.tasks)
		}
		journal, err := filesSize(filepath.Join(state, "journal.db*"))
		if err != nil {
			return nil, err
		}
		return map[string]float64{"": a.wall.Seconds(), peakMemory: float64(peak) / bytesPerMebi, journalBytes: float64(journal) / float64(l.tasks)},
			checkArchives(dest, l.tasks, l.size)
	}}
}

// filesSize is the size of the files that fit a pattern.
func filesSize(pattern string) (sum int64, err error) {
	files, err := filepath.Glob(pattern)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no %s", pattern)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return 0, err
		}
		sum += info.Size()
	}
	return sum, err
}

// each divides every value.
func each(values []float64, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v / by
	}
	return out
}

// plain is a figure without a peer.
func plain(id, about, unit string, values []float64, target float64) figure {
	return figure{ID: id, About: about, Ours: median(values), Unit: unit, Bound: atMost, Target: target, Rounds: values}
}

func (f figure) in(unit string) figure {
	f.Unit = unit
	return f
}
