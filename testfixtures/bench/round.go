package main

import (
	"context"
	"fmt"
	"os"
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
		return map[string]float64{"": time.Since(start).Seconds()}, err
	}}
}

// times holds what was measured, by contender, then by the name of the time.
type times map[string]map[string][]float64

func (t times) of(contender string) []float64 { return t[contender][""] }

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
			got, err := c.run(ctx, round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if all[c.name] == nil {
				all[c.name] = map[string][]float64{}
			}
			line := fmt.Sprintf("   %s  round %d  %-18s", b.part, round+1, c.name)
			for name, v := range got {
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
