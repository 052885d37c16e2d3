package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/function"
	"github.com/dprun/dprun/plan/secret"
)

// sink collects diagnostics and completes them with snippets.
type sink struct {
	env  *environment
	list diag.List
	// folded is what all instances of the current block have in common; nil:
	// the block has one instance or is not folded.
	folded *folding
	owner  owner // of the config that is being decoded
}

func (s *sink) foldedBody(body *hclsyntax.Body) *foldedBody {
	if s.folded == nil {
		return nil
	}
	return s.folded.bodies[body]
}

// add reports a diagnostic about a place in a file.
func (s *sink) add(code diag.Code, r hcl.Range, format string, args ...any) *diag.Diagnostic {
	entry, _ := diag.Lookup(code)
	s.list = append(s.list, diag.Diagnostic{
		Severity: entry.Severity, Code: code, Summary: entry.Summary,
		Detail: fmt.Sprintf(format, args...), Range: rangeOf(r),
	})
	return &s.list[len(s.list)-1]
}

// addBare reports a diagnostic without a place in a file.
func (s *sink) addBare(code diag.Code, format string, args ...any) {
	s.add(code, hcl.Range{}, format, args...).Range = nil
}

// failed reports whether there was an error.
func (s *sink) failed() bool { return s.list.HasErrors() }

// done returns the diagnostics, sorted and with their source lines.
func (s *sink) done() Diagnostics {
	list := s.list.Sorted()
	for i := range list {
		d := &list[i]
		if d.Range != nil {
			d.Range, d.Snippet = s.env.snippet(*d.Range)
			d.Range.Filename = s.env.shown(d.Range.Filename)
		}
		if d.Related != nil {
			r, snippet := s.env.snippet(d.Related.Range)
			r.Filename = s.env.shown(r.Filename)
			d.Related = &diag.Related{Message: d.Related.Message, Range: *r, Snippet: snippet}
		}
	}
	return list
}

func rangeOf(r hcl.Range) *Range {
	return &Range{
		Filename: r.Filename,
		Start:    diag.Pos{Line: r.Start.Line, Column: r.Start.Column, Byte: r.Start.Byte},
		End:      diag.Pos{Line: r.End.Line, Column: r.End.Column, Byte: r.End.Byte},
	}
}

func related(message string, r hcl.Range) *diag.Related {
	return &diag.Related{Message: message, Range: *rangeOf(r)}
}

// unknownName reports a name that is not allowed here.
func (s *sink) unknownName(code diag.Code, r hcl.Range, given string, candidates []string, format string, args ...any) {
	s.add(code, r, format, args...).Suggestion = diag.Suggest(given, candidates)
}

// codeOf turns a summary of the HCL library into a code. Any other summary is a
// syntax error while a file is parsed, and an invalid expression afterwards.
func codeOf(summary string, parsing bool) diag.Code {
	switch summary {
	case "Attribute redefined":
		return diag.DuplicateArgument
	case "Unknown variable", "Unsupported attribute", "Invalid index", "Missing map element":
		return diag.UnknownReference
	case "Call to unknown function":
		return diag.UnknownFunction
	case "Error in function call", "Invalid function argument", "Not enough function arguments", "Too many function arguments", "Invalid expanding argument value":
		return diag.FunctionCall
	}
	if parsing {
		return diag.Syntax
	}
	return diag.InvalidExpression
}

// withheld replaces a diagnostic that could quote a secret by a neutral one. It
// returns false if the diagnostic has nothing to do with a secret, or if it
// only says that a secret cannot be read.
func (s *sink) withheld(d *hcl.Diagnostic, code diag.Code) bool {
	if d.Expression == nil { // only the syntax was checked
		return false
	}
	call, isCall := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
	if isCall && (secret.Unreadable(call.FunctionCallError()) || errors.Is(call.FunctionCallError(), function.ErrSecretArgument)) {
		return false
	}
	refs, uses := secret.Uses(d.Expression, d.EvalContext)
	if !uses {
		return false
	}
	var r hcl.Range
	if d.Subject != nil {
		r = *d.Subject
	}
	what := "The expression cannot be evaluated."
	if isCall {
		what = "The call of " + call.CalledFunctionName() + " failed."
	}
	made := s.add(code, r, "%s %s", what, secret.Withheld(refs))
	if code == diag.InvalidExpression {
		made.Summary = d.Summary
	}
	return true
}

// hcl adds the HCL library's diagnostics about syntax or an expression.
func (s *sink) hcl(ds hcl.Diagnostics, parsing bool) {
	for _, d := range ds {
		if d.Severity != hcl.DiagError {
			continue
		}
		code := codeOf(d.Summary, parsing)
		if s.withheld(d, code) {
			continue
		}
		if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && s.function(d, call) {
			continue
		}
		var r hcl.Range
		if d.Subject != nil {
			r = *d.Subject
		}
		if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); ok && s.env.functions != nil {
			name := call.CalledFunctionName()
			s.unknownName(code, r, name, slices.Collect(maps.Keys(s.env.functions)), "There is no function %q.", name)
			continue
		}
		if code == diag.UnknownReference && d.Expression != nil && s.reference(d, r) {
			continue
		}
		made := s.add(code, r, "%s", d.Detail)
		made.Detail, made.Suggestion = splitSuggestion(d.Detail)
		if code == diag.Syntax || code == diag.InvalidExpression || code == diag.DuplicateArgument {
			made.Summary = d.Summary
		}
	}
}
