package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/lifecycle"
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
			return codesOf(explanations()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: a.runE(func(_ context.Context, v view.View, args []string) error {
			all := explanations()
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
func explanation(all []view.Explanation, code string) (view.Explanation, bool) {
	code = strings.Trim(code, "[]")
	i := slices.IndexFunc(all, func(e view.Explanation) bool { return strings.EqualFold(e.Code, code) })
	if i < 0 {
		return view.Explanation{}, false
	}
	return all[i], true
}

// matching finds the codes in whose name or phase all words stand; where there
// are none, those in whose text they do.
func matching(all []view.Explanation, words []string) []view.Explanation {
	with := func(text func(view.Explanation) string) (out []view.Explanation) {
		for _, e := range all {
			s := strings.ToLower(text(e))
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(s, strings.ToLower(w)) }) {
				out = append(out, e)
			}
		}
		return out
	}
	name := func(e view.Explanation) string {
		return strings.NewReplacer("_", " ", "-", " ").Replace(e.Code) + " " + e.Code + " " + strings.Join(view.PhaseNames(e.Phases), " ")
	}
	if found := with(name); len(found) > 0 {
		return found
	}
	return with(func(e view.Explanation) string { return e.Summary + " " + e.Meaning + " " + e.Cause + " " + e.Action })
}

func unknownCode(all []view.Explanation, code string) error {
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

func codesOf(all []view.Explanation) []string {
	out := make([]string, len(all))
	for i, e := range all {
		out[i] = e.Code
	}
	return out
}

// explanations puts the catalogues together: the status codes, the
// diagnostics, the exit codes.
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
	for _, e := range runner.Exits() {
		class := "failed"
		switch e.Code {
		case exitOK:
			class = "success"
		case runner.ExitOwed:
			class = string(lifecycle.ClassCritical)
		}
		out = append(out, view.Explanation{
			Kind: "exit", Code: strconv.Itoa(e.Code), Class: class,
			Meaning: strings.ReplaceAll(e.Meaning, "**", ""), Cause: e.Cause, Action: e.Action,
		})
	}
	return out
}
