package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/journal"
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
				if o.Kind == string(journal.Unquiesce) {
					return status(runner.ExitOwed)
				}
			}
			return nil
		}),
	}
}

// acknowledge enters that somebody looked at a device: what it owes to runs
// that are not alive is done, and it no longer keeps others from being quiesced.
func acknowledge(ctx context.Context, r *runner.Runner, device string) (view.Acknowledged, error) {
	done := view.Acknowledged{Device: device}
	owed, err := r.Owed(ctx)
	if err != nil {
		return done, err
	}
	dead := map[string]bool{} // runs that nobody works on
	var devices []string
	for _, o := range owed {
		dead[o.Run] = true
		if o.Device != "" {
			devices = append(devices, o.Device)
		}
	}
	all, err := r.Journal().Owed(ctx)
	if err != nil {
		return done, err
	}
	var ids []journal.ObligationID
	for _, o := range all {
		if o.Device == device && dead[o.Run] {
			ids = append(ids, o.ObligationID)
		}
	}
	if err := r.Journal().Pay(ctx, time.Now(), ids...); err != nil {
		return done, err
	}
	done.Obligations = len(ids)
	err = r.Journal().ClearBreaker(ctx, device)
	switch {
	case errors.Is(err, journal.ErrNotFound) && len(ids) == 0:
		err = fmt.Errorf("nothing is owed to a device %q", device)
		if len(devices) > 0 {
			err = fmt.Errorf("%w; something is to: %s", err, strings.Join(devices, ", "))
		}
		return done, &usageError{err: err}
	case errors.Is(err, journal.ErrNotFound):
		err = nil
	}
	return done, err
}
