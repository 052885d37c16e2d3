package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) graphCommand() *cobra.Command {
	var src source
	var format string
	c := &cobra.Command{
		Use:   "graph FILE|DIR",
		Short: "Draw what a run will do",
		Long:  "Draws the steps of a run and what waits for what, as far as it is known without contacting a device.",
		Args:  planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) error {
			f := view.GraphFormat(format)
			if f != view.GraphDOT && f != view.GraphMermaid && f != view.GraphJSON {
				return &usageError{err: fmt.Errorf("--format is %q; it is dot, mermaid or json", format)}
			}
			g, res, err := r.Graph(ctx, runner.GraphRequest{Source: from, Plan: src.plan, Only: src.narrowed()})
			if err := foreseen(ctx, v, res, err); g == nil || err != nil {
				return err
			}
			v.Graph(*g, f)
			return nil
		}),
	}
	a.planFlags(c, &src)
	c.Flags().StringVar(&format, "format", string(view.GraphDOT), "dot, mermaid or json")
	return c
}
