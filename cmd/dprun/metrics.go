package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
)

func (a *app) metricsCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "metrics",
		Short: "Write metrics for Prometheus",
		Args:  arguments(0, 0),
		RunE: a.runE(func(ctx context.Context, v view.View, _ []string) (err error) {
			if a.json {
				return &usageError{err: errors.New("metrics are text, and --json is something else; leave it out")}
			}
			r, err := a.open(v)
			if err != nil {
				return err
			}
			defer closing(r, &err)
			values, err := r.Metrics(ctx)
			if output == "" {
				_, writing := values.WriteTo(a.stdout)
				return errors.Join(err, writing)
			}
			return errors.Join(err, replace(output, values))
		}),
	}
	c.Flags().StringVarP(&output, "output", "o", "", "the file to write, such as /var/lib/prometheus/node-exporter/dprun.prom")
	return c
}

// replace writes a file in one step: readers see the old content or the new one. The
// file is readable by everybody.
func replace(file string, text io.WriterTo) error {
	fail := func(err error) error { return fmt.Errorf("write %s: %w", file, err) }
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // the file still exists only after an error
	_, err = text.WriteTo(f)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fail(err)
	}
	return nil
}
