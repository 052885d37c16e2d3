package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) diffCommand() *cobra.Command {
	var exitCode bool
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "Show how two exports of a gateway differ",
		Long: "Shows what export B has otherwise than export A: objects with their properties, and files; of backups of several domains, domain by\n" +
			"domain. The order of objects, times, comments and who made the export do not count. What is secret is \"not shown\". A and B are\n" +
			"archives, or manifests (*.dprun.json) that list one. Both are verified first, and no device is contacted.\n\n" +
			"Exit codes: 0; 3 with --exit-code when they differ; 1 when they cannot be compared.",
		Args: arguments(2, 2),
		RunE: a.runE(func(ctx context.Context, v view.View, args []string) error {
			d, err := runner.Diff(ctx, args[0], args[1])
			if err != nil {
				return err
			}
			v.Diff(d)
			if exitCode && !d.Same {
				return status(runner.ExitPartly)
			}
			return nil
		}),
	}
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{"zip", "dprun.json"}, cobra.ShellCompDirectiveFilterFileExt
	}
	c.Flags().BoolVar(&exitCode, "exit-code", false, "end with 3 if they differ")
	return c
}
