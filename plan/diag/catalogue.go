package diag

import (
	_ "embed"
	"slices"
	"sync"

	"github.com/dprun/dprun/sdk/prose"
)

// Code names a kind of diagnostic. Codes are stable: they are never renamed or
// reused.
type Code string

// Entry explains a code.
type Entry struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`
	Meaning  string   `json:"meaning"`
	Cause    string   `json:"cause"`
	Fix      string   `json:"fix"`
}

// The codes.
const (
	FileUnreadable         Code = "file-unreadable"
	FileMissing            Code = "file-missing"
	NoPlanFile             Code = "no-plan-file"
	Syntax                 Code = "syntax-error"
	NewerVersion           Code = "version-not-met"
	InvalidVersion         Code = "invalid-version-constraint"
	UnknownBlock           Code = "unknown-block"
	DuplicateBlock         Code = "duplicate-block"
	MissingBlock           Code = "missing-block"
	WrongLabels            Code = "wrong-labels"
	InvalidName            Code = "invalid-name"
	UnknownArgument        Code = "unknown-argument"
	DuplicateArgument      Code = "duplicate-argument"
	MissingArgument        Code = "missing-argument"
	ConflictingArguments   Code = "conflicting-arguments"
	WrongType              Code = "wrong-type"
	InvalidValue           Code = "invalid-value"
	Deprecated             Code = "deprecated"
	RejectedByPlugin       Code = "rejected-by-plugin"
	PluginAdvice           Code = "plugin-advice"
	UnknownType            Code = "unknown-type"
	UnknownReference       Code = "unknown-reference"
	WrongReference         Code = "wrong-reference"
	NotInScope             Code = "not-in-scope"
	UnknownFunction        Code = "unknown-function"
	FunctionCall           Code = "function-call"
	InvalidExpression      Code = "invalid-expression"
	InvalidForEach         Code = "invalid-for-each"
	ReferenceCycle         Code = "reference-cycle"
	DependencyCycle        Code = "dependency-cycle"
	DuplicateDefinition    Code = "duplicate-definition"
	DuplicateDevice        Code = "duplicate-device-name"
	MissingVariable        Code = "missing-variable"
	UndeclaredVariable     Code = "undeclared-variable"
	UnusedVariableValue    Code = "unused-variable-value"
	InvalidVariable        Code = "invalid-variable-value"
	InvalidInventory       Code = "invalid-inventory"
	EmptyInventory         Code = "empty-inventory"
	NothingToBackUp        Code = "nothing-to-back-up"
	SecretShown            Code = "secret-shown"
	SecretLiteral          Code = "secret-literal"
	SecretUnreadable       Code = "secret-unreadable"
	SecretFileOpen         Code = "secret-file-open"
	SecretByValue          Code = "secret-by-value"
	NoMatch                Code = "pattern-without-match"
	SharedEndpoint         Code = "shared-endpoint"
	InvalidWindow          Code = "invalid-window"
	WindowNeverOpens       Code = "window-never-opens"
	WindowSkipped          Code = "window-skipped"
	RetentionKeepsNothing  Code = "retention-keeps-nothing"
	InvalidSchedule        Code = "invalid-schedule"
	ScheduleOutsideWindow  Code = "schedule-outside-window"
	QuiesceImpossible      Code = "quiesce-impossible"
	QuiesceTimeoutTooShort Code = "quiesce-timeout-too-short"
	DevicesWithoutGroup    Code = "devices-without-group"
	DrillDevice            Code = "drill-device"
	UnexpectedDomains      Code = "unexpected-domains"
	LabelsOfDomains        Code = "labels-of-domains"
	UnknownLabel           Code = "unknown-label"
	NeverRuns              Code = "never-runs"
	NoPlan                 Code = "no-plan"
	PathLeavesDestination  Code = "path-leaves-destination"
	InvalidPath            Code = "invalid-path"
	PathCollision          Code = "path-collision"
	InvalidRequiredPlugin  Code = "invalid-required-plugin"
	InvalidLock            Code = "invalid-lock-file"
	PluginNotLocked        Code = "plugin-not-locked"
)

//go:embed catalogue.txt
var catalogue string

// entries are read when the first one is needed: a good plan needs none.
var entries = sync.OnceValue(func() (all []Entry) {
	for s := range prose.Sections(catalogue) {
		e := Entry{Code: Code(s.Name), Severity: Error, Summary: s.Field("error"), Meaning: s.Field("meaning"), Cause: s.Field("cause"), Fix: s.Field("fix")}
		if e.Summary == "" {
			e.Severity, e.Summary = Warning, s.Field("warning")
		}
		all = append(all, e)
	}
	return all
})

// Lookup returns the entry of a code.
func Lookup(code Code) (Entry, bool) {
	for _, e := range entries() {
		if e.Code == code {
			return e, true
		}
	}
	return Entry{}, false
}

// Catalogue lists every code of the plan language, in the order in which a plan
// is processed.
func Catalogue() []Entry { return slices.Clone(entries()) }
