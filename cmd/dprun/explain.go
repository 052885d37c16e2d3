package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/lifecycle"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Say what a status code or a diagnostic means and what to do",
		Long:  "Says what a status code or the code of a diagnostic means, what usually leads to it, and what to do.\nWithout a code it lists all of them.",
		Args:  arguments(0, 1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return codesOf(explanations()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: a.runE(func(_ context.Context, v view.View, args []string) error {
			all := explanations()
			if len(args) == 0 {
				v.Codes(all)
				return nil
			}
			e, err := explanation(all, args[0])
			if err != nil {
				return err
			}
			v.Explanation(e)
			return nil
		}),
	}
}

// explanation finds a code, however it is written.
func explanation(all []view.Explanation, code string) (view.Explanation, error) {
	code = strings.Trim(code, "[]")
	for _, e := range all {
		if strings.EqualFold(e.Code, code) {
			return e, nil
		}
	}
	err := fmt.Errorf("there is no code %q", code)
	s := diag.Suggest(strings.ToUpper(code), codesOf(all))
	if s == "" {
		s = diag.Suggest(strings.ToLower(code), codesOf(all))
	}
	if s != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, s)
	} else {
		err = fmt.Errorf("%w; `dprun explain` lists all", err)
	}
	return view.Explanation{}, &usageError{err: err}
}

func codesOf(all []view.Explanation) []string {
	out := make([]string, len(all))
	for i, e := range all {
		out[i] = e.Code
	}
	return out
}

// explanations puts both catalogues together: the status codes, then the
// diagnostics.
func explanations() []view.Explanation {
	var out []view.Explanation
	for _, e := range lifecycle.Catalogue() {
		out = append(out, view.Explanation{
			Kind: "status", Code: string(e.Code), Origin: string(e.Origin), Level: string(e.Level), Phases: e.Phases, Class: string(e.Class),
			Final: e.Final(), Neutral: e.Neutral, Meaning: e.Meaning, Cause: e.Cause, Action: e.Action,
		})
	}
	for _, e := range diag.Catalogue() {
		out = append(out, view.Explanation{
			Kind: "diagnostic", Code: string(e.Code), Class: string(e.Severity), Summary: e.Summary,
			Meaning: e.Meaning, Cause: e.Cause, Action: e.Fix,
		})
	}
	return out
}
