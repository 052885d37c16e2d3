package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
)

// workload is what a comparison of two dpruns backs up to a directory.
type workload struct {
	about            string
	devices, domains int
	size             int64
}

var workloads = []workload{
	{"400 exports of 32 KiB", 4, 100, 32 << 10},
	{"3 exports of 80 MB", 1, 3, 80_000_000},
}

// measures are the figures of a comparison: the name that a contender gives one, and what people read.
var measures = []struct{ name, about, unit string }{
	{"", "time", "s"},
	{cpuTime, "processor time", "s"},
	{peakMemory, "memory, peak of PSS", "MiB"},
	{journalBytes, "journal, of one task", "bytes"},
}

// compare lets an older dprun and the current one take turns with each
// workload, and prints each figure of both.
func (b *bench) compare(ctx context.Context) error {
	b.part = "quick"
	older := b.sides()[1].bench
	for _, side := range []struct{ name, program string }{{"old", older.dprun}, {"new", b.dprun}} {
		said, err := output(command(ctx, nil, side.program, "version"))
		if err != nil {
			return fmt.Errorf("the %s dprun does not run: %w", side.name, err)
		}
		fmt.Printf("%s  %s  (%s)\n", side.name, bytes.TrimSpace(said), side.program)
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WORK\tFIGURE\tOLD\tMIN\tMAX\tNEW\tMIN\tMAX\tNEW/OLD")
	for _, w := range workloads {
		fmt.Fprintf(os.Stderr, "%s, %d rounds\n", w.about, b.rounds)
		got, err := b.turns(ctx, older, w)
		if err != nil {
			return fmt.Errorf("%s could not be measured: %w", w.about, err)
		}
		for _, m := range measures {
			printPair(t, w.about, m.about+", "+m.unit, got["old"][m.name], got["new"][m.name])
		}
	}
	return t.Flush()
}

// turns measures one workload.
func (b *bench) turns(ctx context.Context, older *bench, w workload) (times, error) {
	g, err := b.startGateways(ctx, "--devices", fmt.Sprint(w.devices), "--domains", fmt.Sprint(w.domains), "--export-size", fmt.Sprint(w.size))
	if err != nil {
		return nil, err
	}
	defer g.close()
	l := load{func(dest string) (string, error) { return g.writePlan(fileDestination(dest)) }, w.devices * w.domains, w.size, sampleEvery}
	return b.interleave(ctx, older.run("old", l), b.run("new", l))
}

// printPair prints the median, the lowest and the highest of both, and the ratio of the medians.
func printPair(t io.Writer, work, about string, old, current []float64) {
	fmt.Fprintf(t, "%s\t%s", work, about)
	for _, v := range [][]float64{old, current} {
		fmt.Fprintf(t, "\t%.2f\t%.2f\t%.2f", median(v), slices.Min(v), slices.Max(v))
	}
	fmt.Fprintf(t, "\t%.2f\n", median(current)/median(old))
}
