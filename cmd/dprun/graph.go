package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner/graph"
)

func (a *app) graphCommand() *cobra.Command {
	var src source
	var format string
	c := &cobra.Command{
		Use:   "graph FILE|DIR",
		Short: "Draw what a run will do",
		Long:  "Draws the steps of a run and what waits for what, as far as it is known without contacting a device.",
		Args:  planArg,
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) error {
			f := graph.Format(format)
			if f != graph.DOT && f != graph.Mermaid && f != graph.JSON {
				return &usageError{err: fmt.Errorf("--format is %q; it is dot, mermaid or json", format)}
			}
			p, err := a.preview(ctx, v, src, args[0], true)
			var foreseen exitStatus // how a run would end does not matter for a drawing
			if err != nil && (p == nil || !errors.As(err, &foreseen)) {
				return err
			}
			v.Graph(graph.Of(p.Spec), f)
			return nil
		}),
	}
	src.variables(c.Flags())
	src.selection(c.Flags())
	a.planFlags(c, &src)
	c.Flags().StringVar(&format, "format", string(graph.DOT), "dot, mermaid or json")
	return c
}
