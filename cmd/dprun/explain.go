package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE|WORD...]",
		Short: "Say what a code means and what to do",
		Long: "Says what a status code, the code of a diagnostic or an exit code means, what usually leads to it, and what to do.\n" +
			"With other words it lists the codes in whose name, phase or text all of them stand; without any it lists all codes.",
		Example: "  dprun explain EXECUTION_STORE_ERROR\n  dprun explain 16\n  dprun explain unquiesce",
		Args:    arguments(0, -1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return codesOf(runner.Explanations()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: a.runE(func(_ context.Context, v view.View, args []string) error {
			all := runner.Explanations()
			if len(args) == 0 {
				v.Codes(all)
				return nil
			}
			if len(args) == 1 {
				if e, ok := explanation(all, args[0]); ok {
					v.Explanation(e)
					return nil
				}
			}
			found := matching(all, args)
			switch len(found) {
			case 0:
				return unknownCode(all, strings.Join(args, " "))
			case 1:
				v.Explanation(found[0])
			default:
				v.Codes(found)
			}
			return nil
		}),
	}
}

// explanation finds a code, however it is written.
func explanation(all []report.Explanation, code string) (report.Explanation, bool) {
	code = strings.Trim(code, "[]")
	i := slices.IndexFunc(all, func(e report.Explanation) bool { return strings.EqualFold(e.Code, code) })
	if i < 0 {
		return report.Explanation{}, false
	}
	return all[i], true
}

// matching finds the codes in whose name or phase all words stand; where there
// are none, those in whose text they do.
func matching(all []report.Explanation, words []string) []report.Explanation {
	with := func(text func(report.Explanation) string) (out []report.Explanation) {
		for _, e := range all {
			s := strings.ToLower(text(e))
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(s, strings.ToLower(w)) }) {
				out = append(out, e)
			}
		}
		return out
	}
	name := func(e report.Explanation) string {
		return strings.NewReplacer("_", " ", "-", " ").Replace(e.Code) + " " + e.Code + " " + strings.Join(view.PhaseNames(e.Phases), " ")
	}
	if found := with(name); len(found) > 0 {
		return found
	}
	return with(func(e report.Explanation) string { return e.Summary + " " + e.Meaning + " " + e.Cause + " " + e.Action })
}

func unknownCode(all []report.Explanation, code string) error {
	err := fmt.Errorf("there is no code %q, and no code is about it", code)
	s := diag.Suggest(strings.ToUpper(code), codesOf(all))
	if s == "" {
		s = diag.Suggest(strings.ToLower(code), codesOf(all))
	}
	if s != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, s)
	} else {
		err = fmt.Errorf("%w; `dprun explain` lists all", err)
	}
	return &usageError{err: err}
}

func codesOf(all []report.Explanation) []string {
	out := make([]string, len(all))
	for i, e := range all {
		out[i] = e.Code
	}
	return out
}
