package runner

import (
	"strconv"
	"strings"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
)

// Explanations puts the catalogues together: the status codes, the
// diagnostics, the exit codes.
func Explanations() []report.Explanation {
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
