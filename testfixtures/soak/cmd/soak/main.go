// Command soak kills dprun at random moments of runs over pairs of simulated
// gateways, and prints what was seen; see package soak. `make soak` runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dprun/dprun/testfixtures/soak"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	var o soak.Options
	flag.StringVar(&o.Dprun, "dprun", "bin/dprun", "the `program` that is killed")
	dir := flag.String("dir", "", "`directory` for what the rounds need (default: the system's for temporary files)")
	flag.IntVar(&o.Rounds, "rounds", 10, "rounds side by side, each with a state directory")
	flag.IntVar(&o.Pairs, "pairs", 60, "pairs of gateways in each round")
	flag.IntVar(&o.Kills, "kills", 500, "kills in all")
	flag.DurationVar(&o.For, "for", 40*time.Minute, "no run is begun after this `time`")
	flag.DurationVar(&o.Mischief, "mischief", 2*time.Second, "mean `time` between two faults of a round's gateways")
	flag.BoolVar(&o.LongStops, "long", true, "some runs stay stopped until what they have quiesced is overdue, which takes over four minutes")
	flag.Uint64Var(&o.Seed, "seed", uint64(time.Now().UnixNano()), "of the random choices")
	flag.Parse()
	if o.Dprun, err = filepath.Abs(o.Dprun); err != nil {
		return err
	}
	if _, err := os.Stat(o.Dprun); err != nil {
		return fmt.Errorf("%w: run `make build` first", err)
	}
	if o.Dir, err = os.MkdirTemp(*dir, "dprun-soak-"); err != nil {
		return err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	fmt.Printf("seed %d, in %s\n", o.Seed, o.Dir)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	figures, err := soak.Run(ctx, o)
	figures.Print(os.Stdout)
	if err != nil {
		return err
	}
	return os.Remove(o.Dir)
}
