package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE|WORD...]",
		Short: "Say what a code means and what to do",
		Long: "Says what a status code, the code of a diagnostic or an exit code means, what usually leads to it, and what to do.\n" +
			"With other words it lists the codes whose name, phase or text contains all of them; without any word it lists all codes.",
		Example: "  dprun explain EXECUTION_STORE_ERROR\n  dprun explain 16\n  dprun explain unquiesce",
		Args:    arguments(0, -1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return runner.Codes(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: a.runE(func(_ context.Context, v view.View, args []string) error {
			found, err := runner.Explain(args)
			if err != nil {
				return misused(err)
			}
			if len(found) == 1 {
				v.Show(found[0])
			} else {
				v.Show(found)
			}
			return nil
		}),
	}
}
