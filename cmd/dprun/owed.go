package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/pending"
)

func (a *app) owedCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "owed",
		Short: "List what is still owed to devices, and how to do it by hand",
		Long:  "Lists what ended or dead runs still owe: since when, the last error, and the commands to do it by hand.\n\nExit codes: 0 no device may be quiesced, 16 one may.",
		Args:  arguments(0, 0),
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) (err error) {
			r, err := a.open(ctx, v, nil)
			if err != nil {
				return err
			}
			defer closing(r, &err)
			owed, err := r.Owed(ctx)
			if err != nil {
				return fmt.Errorf("list what is owed: %w", err)
			}
			v.Owed(owed)
			for _, o := range owed {
				if o.Kind == string(pending.Unquiesce) {
					return status(runner.ExitOwed)
				}
			}
			return nil
		}),
	}
}

// acknowledge enters that somebody looked at a device: what it owes to runs
// that are not alive is done, and it no longer keeps others from being
// quiesced. With a run's ID it enters that what the run owes to no device, its
// plan's post-script, is done.
func acknowledge(ctx context.Context, r *runner.Runner, target string) (view.Acknowledged, error) {
	done := view.Acknowledged{Device: target}
	owed, err := r.Owed(ctx)
	if err != nil {
		return done, err
	}
	dead := map[string]bool{} // runs that nobody works on
	var targets, devices []string
	for _, o := range owed {
		dead[o.Run] = true
		name := o.Device
		if name == "" {
			name = o.Run
		} else if o.Run == target && !slices.Contains(devices, name) {
			devices = append(devices, name)
		}
		if !slices.Contains(targets, name) {
			targets = append(targets, name)
		}
	}
	slices.Sort(targets)
	all, err := r.Journal().Owed(ctx)
	if err != nil {
		return done, err
	}
	var ids []pending.Key
	for _, o := range all {
		if !dead[o.Run] {
			continue
		}
		if o.Device == "" && o.Run == target {
			done = view.Acknowledged{Run: target}
		}
		if o.Device == target || o.Device == "" && o.Run == target {
			ids = append(ids, o.Key)
		}
	}
	if err := r.Journal().Pay(ctx, time.Now(), ids...); err != nil {
		return done, err
	}
	if done.Obligations = len(ids); done.Run != "" {
		return done, nil
	}
	err = r.Journal().ClearBreaker(ctx, target)
	switch {
	case errors.Is(err, journal.ErrNotFound) && len(ids) == 0:
		err = fmt.Errorf("nothing is owed to a device %q, nor to the plan of a run with that ID", target)
		if len(devices) > 0 {
			err = fmt.Errorf("what run %s owes is owed to devices; name those: %s", target, strings.Join(devices, ", "))
		} else if len(targets) > 0 {
			err = fmt.Errorf("%w; something is to: %s", err, strings.Join(targets, ", "))
		}
		return done, &usageError{err: err}
	case errors.Is(err, journal.ErrNotFound):
		err = nil
	}
	return done, err
}
