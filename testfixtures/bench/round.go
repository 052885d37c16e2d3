package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"
)

// contender is one of those that take turns.
type contender struct {
	name string
	// run does the work once and gives its times in seconds, by name. A
	// contender with one time may call it "".
	run func(ctx context.Context, round int) (map[string]float64, error)
}

// timed is a contender whose whole run is its time.
func timed(name string, f func(ctx context.Context, round int) error) contender {
	return contender{name, func(ctx context.Context, round int) (map[string]float64, error) {
		start := time.Now()
		err := f(ctx, round)
		return wall(time.Since(start)), err
	}}
}

// wall is the only time of a contender.
func wall(d time.Duration) map[string]float64 { return map[string]float64{"": d.Seconds()} }

// times holds what was measured, by contender, then by the name of the time.
type times map[string]map[string][]float64

func (t times) of(contender string) []float64 { return t[contender][""] }

// cpu notes beside a figure how much processor time each side's processes took.
// It suffers less than the wall time when a machine is busy with something else.
func (t times) cpu(f figure, ours, peer string) figure {
	f.OursCPU, f.PeerCPU = median(t[ours][cpuTime]), median(t[peer][cpuTime])
	return f
}

// cpuTime is the name of the time that interleave measures itself: what the
// processes used that the contender started and waited for.
const cpuTime = "cpu"

func childrenCPU() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// interleave lets the contenders take turns for so many rounds; who begins
// changes from round to round. What one left to be written to disk is written
// before the next one starts.
func (b *bench) interleave(ctx context.Context, contenders ...contender) (times, error) {
	all := times{}
	for round := range b.rounds {
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)]
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			syscall.Sync()
			before := childrenCPU()
			got, err := c.run(ctx, round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			got[cpuTime] = childrenCPU() - before
			if all[c.name] == nil {
				all[c.name] = map[string][]float64{}
			}
			line := fmt.Sprintf("   %s  round %d  %-18s", b.part, round+1, c.name)
			for _, name := range slices.Sorted(maps.Keys(got)) {
				v := got[name]
				all[c.name][name] = append(all[c.name][name], v)
				if name != "" {
					name += " "
				}
				line += fmt.Sprintf("  %s%.2f", name, v)
			}
			fmt.Fprintln(os.Stderr, line)
		}
	}
	return all, nil
}
