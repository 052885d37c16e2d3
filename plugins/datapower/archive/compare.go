package archive

import (
	"fmt"
	"slices"
	"strings"
)

// Asked is what the archive should contain.
type Asked struct {
	Kind    Kind
	Serial  string   // of the gateway; empty: not known
	Domains []string // each of them must be in the archive
	// Also lists domains that may be in the archive: those that came or went while it was
	// made.
	Also []string
}

// Compare adds findings about differences between the archive and what was asked for. Names must be equal as they
// are written.
func (r *Report) Compare(a Asked) {
	add := func(c Code, format string, args ...any) {
		r.Findings = append(r.Findings, Finding{Severity: Problem, Code: c, Text: fmt.Sprintf(format, args...)})
	}
	defer r.sort()
	if r.Kind == "" {
		return // its other errors are known
	}
	if r.Kind != a.Kind {
		add(CodeList, "%s was asked for, but this is %s", kindText[a.Kind], kindText[r.Kind])
	}
	switch got, want := squeezed(r.Device.Serial), squeezed(Printable(a.Serial)); {
	case want == "":
	case got == "":
		r.Findings = append(r.Findings, Finding{Severity: Warning, Code: CodeOtherDevice, Text: "it names no serial number to compare with that of the gateway"})
	case got != want:
		add(CodeOtherDevice, "it comes from the gateway with serial number %q, but this gateway has %q", r.Device.Serial, Printable(a.Serial))
	}
	has := func(names []string, name string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return Printable(n) == Printable(name) })
	}
	switch {
	case len(r.Domains) == 0 && slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == CodeNoDetails }): // that finding says so already
	case len(r.Domains) == 0:
		add(CodeOtherDomain, "it does not say which domain it comes from")
	case len(r.Domains) == 1 && len(a.Domains) == 1 && !has(a.Domains, r.Domains[0]):
		add(CodeOtherDomain, "it comes from domain %q, but %q was asked for", r.Domains[0], Printable(a.Domains[0]))
	default:
		for _, d := range a.Domains {
			if !has(r.Domains, d) {
				add(CodeMissingDomain, "domain %q is not in it", Printable(d))
			}
		}
		for _, d := range r.Domains {
			if !has(a.Domains, d) && !has(a.Also, d) {
				add(CodeExtraDomain, "domain %q is in it but was not asked for", d)
			}
		}
	}
	// If a gateway is asked for all files, it lists at least its own.
	for i, f := range r.Findings {
		if f.Code == CodeNoFiles {
			r.Findings[i].Severity = Problem
		}
	}
}

// kindText describes each kind.
var kindText = map[Kind]string{KindExport: "the export of one domain", KindBackup: "a backup of domains", KindSecureBackup: "a secure backup"}

// squeezed removes white space, because gateways group the digits of a serial number
// differently.
func squeezed(s string) string { return strings.Join(strings.Fields(s), "") }
