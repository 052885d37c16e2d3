package runner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
)

// Explain returns the explanation of a code, however it is written, or of all
// codes that the words are about. Without words it returns all. The error is an
// *[Error].
func Explain(words []string) ([]report.Explanation, error) {
	all := explanations()
	if len(words) == 0 {
		return all, nil
	}
	if len(words) == 1 {
		if e, ok := explanation(all, words[0]); ok {
			return []report.Explanation{e}, nil
		}
	}
	if found := matching(all, words); len(found) > 0 {
		return found, nil
	}
	return nil, unknownCode(all, strings.Join(words, " "))
}

// Codes returns all codes that can be explained.
func Codes() []string { return codesOf(explanations()) }

// explanations joins the catalogues: status codes, diagnostics and exit codes.
func explanations() []report.Explanation {
	var out []report.Explanation
	for _, e := range status.Catalogue() {
		out = append(out, report.Explanation{
			Kind: "status", Code: string(e.Code), Origin: string(e.Origin), Level: string(e.Level), Phases: e.Phases, Class: string(e.Class),
			Final: e.Final(), Neutral: e.Neutral, Meaning: e.Meaning, Cause: e.Cause, Action: e.Action,
		})
	}
	for _, e := range diag.Catalogue() {
		out = append(out, report.Explanation{
			Kind: "diagnostic", Code: string(e.Code), Class: string(e.Severity), Summary: e.Summary,
			Meaning: e.Meaning, Cause: e.Cause, Action: e.Fix,
		})
	}
	for _, e := range Exits() {
		class := "failed"
		switch e.Code {
		case 0:
			class = "success"
		case ExitOwed:
			class = string(status.ClassCritical)
		}
		out = append(out, report.Explanation{
			Kind: "exit", Code: strconv.Itoa(e.Code), Class: class,
			Meaning: strings.ReplaceAll(e.Meaning, "**", ""), Cause: e.Cause, Action: e.Action,
		})
	}
	return out
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

// matching returns the codes whose name or phase contains all words. If there are
// none, it returns those whose text contains them.
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
		return strings.NewReplacer("_", " ", "-", " ").Replace(e.Code) + " " + e.Code + " " + strings.Join(status.Doing(e.Phases...), " ")
	}
	if found := with(name); len(found) > 0 {
		return found
	}
	return with(func(e report.Explanation) string { return e.Summary + " " + e.Meaning + " " + e.Cause + " " + e.Action })
}

func unknownCode(all []report.Explanation, code string) error {
	err := fmt.Errorf("there is no code %q, and no code has a text about it", code)
	s := diag.Suggest(strings.ToUpper(code), codesOf(all))
	if s == "" {
		s = diag.Suggest(strings.ToLower(code), codesOf(all))
	}
	if s != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, s)
	} else {
		err = fmt.Errorf("%w; `dprun explain` lists all", err)
	}
	return &Error{ExitUsage, err}
}

func codesOf(all []report.Explanation) []string {
	out := make([]string, len(all))
	for i, e := range all {
		out[i] = e.Code
	}
	return out
}
