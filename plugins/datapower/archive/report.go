package archive

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Kind is what was verified.
type Kind string

// The kinds. An empty kind means that the kind is unknown.
const (
	KindExport       Kind = "export"        // one domain
	KindBackup       Kind = "backup"        // an archive of domain archives
	KindSecureBackup Kind = "secure-backup" // a directory with a manifest
	KindPolicy       Kind = "api-policy"    // a policy package of API Connect, with an export inside
)

// Severity is the weight of a finding.
type Severity string

// The severities, worst first. Only a problem makes an archive unusable.
const (
	Problem  Severity = "problem"
	Warning  Severity = "warning"
	ByDesign Severity = "by-design" // the gateway leaves it out on purpose
)

// Code is the class of a finding, for programs.
type Code string

// The codes.
const (
	CodeStructure Code = "structure" // the zip's own records are wrong or contradict each other
	CodeContent   Code = "content"   // compressed data or CRC-32 is wrong
	CodeHash      Code = "hash"      // a listed hash differs
	CodeSize      Code = "size"      // a listed size differs
	CodeMissing   Code = "missing"   // listed but missing, or reported as missing
	CodeKey       Code = "key"       // key, certificate or secret withheld
	CodeNoHash    Code = "no-hash"   // there is no hash to check it with
	CodeUnlisted  Code = "unlisted"  // in the archive but not listed
	CodeName      Code = "name"      // a name that must not be used as a path
	CodeList      Code = "list"      // export.xml or backupmanifest.xml cannot be used
	CodeLimit     Code = "limit"     // more than this program is willing to read
	CodeFault     Code = "fault"     // this program failed while reading it
	CodeNoExport  Code = "no-export" // a zip archive that does not come from a gateway
	CodePattern   Code = "pattern"   // an export inside the export, compared as a file
	CodeEmpty     Code = "empty"     // no entries at all
	CodeTrailing  Code = "trailing"  // bytes after the end
	CodeNoDetails Code = "no-details"
	CodeNoFiles   Code = "no-files"   // no list of files, or an empty one
	CodeNoDomains Code = "no-domains" // no list of domains in a backup

	// The archive is not from where it should be; see [Report.Compare].
	CodeOtherDevice   Code = "other-device"
	CodeOtherDomain   Code = "other-domain"
	CodeMissingDomain Code = "missing-domain"
	CodeExtraDomain   Code = "extra-domain"
)

// Finding is one thing worth reporting. Entry is safe to print; it is empty if the finding is about the whole
// archive. Entries of inner archives are written as "orders.zip/local/a.xsl".
type Finding struct {
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	Entry    string   `json:"entry,omitempty"`
	Text     string   `json:"text"`
}

// String returns the finding as one line.
func (f Finding) String() string {
	if f.Entry == "" {
		return fmt.Sprintf("%s: %s", f.Severity, f.Text)
	}
	return fmt.Sprintf("%s: %s: %s", f.Severity, f.Entry, f.Text)
}

// Device is what an export says about the device that made it. Each value is safe to
// print.
type Device struct {
	Name     string `json:"name,omitempty"`
	Serial   string `json:"serial,omitempty"`
	Product  string `json:"product,omitempty"`
	Model    string `json:"model,omitempty"`
	Firmware string `json:"firmware,omitempty"`
	Build    string `json:"build,omitempty"`
}

// Report is the result of a verification. Sizes are in bytes; all counts include inner archives.
type Report struct {
	Kind         Kind     `json:"kind,omitempty"`
	Domains      []string `json:"domains,omitempty"`
	Device       Device   `json:"device"`
	Made         string   `json:"made,omitempty"` // date and time as the device writes them
	Entries      int      `json:"entries"`        // files and directories
	Compressed   int64    `json:"compressed"`
	Uncompressed int64    `json:"uncompressed"`
	Hashed       int      `json:"hashed"` // files whose listed hash was right
	// Withheld names the files that the gateway lists without exporting them: keys, certificates and secrets, in
	// cert: and sharedcert:.
	Withheld []string `json:"withheld,omitempty"`
	// AsListedIn names the manifests beside the archive whose sizes and SHA-256 match its files.
	AsListedIn []string  `json:"as_listed_in,omitempty"`
	Findings   []Finding `json:"findings,omitempty"`
	// Omitted counts the findings beyond the first thousand. A problem is never left out while a lesser finding
	// is kept.
	Omitted int `json:"omitted,omitempty"`
}

// Whole reports whether no finding is a problem.
func (r *Report) Whole() bool { return len(r.Problems()) == 0 }

// Problems returns the findings that make the archive unusable.
func (r *Report) Problems() []Finding { return r.with(Problem) }

// Warnings returns the findings that an operator should know although the archive is whole.
func (r *Report) Warnings() []Finding { return r.with(Warning) }

func (r *Report) with(s Severity) []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.Severity == s {
			out = append(out, f)
		}
	}
	return out
}

const maxFindings = 1000

// recorder collects a report from several goroutines.
type recorder struct {
	mu     sync.Mutex
	report Report
	lesser int // kept findings that are not problems
}

func (r *recorder) add(s Severity, c Code, entry, format string, args ...any) {
	f := Finding{Severity: s, Code: c, Entry: Printable(entry), Text: fmt.Sprintf(format, args...)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.report.Findings) < maxFindings {
		if s != Problem {
			r.lesser++
		}
		r.report.Findings = append(r.report.Findings, f)
		return
	}
	r.report.Omitted++
	if s == Problem && r.lesser > 0 {
		i := slices.IndexFunc(r.report.Findings, func(f Finding) bool { return f.Severity != Problem })
		r.report.Findings[i] = f
		r.lesser--
	}
}

func (r *recorder) count(f func(*Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.report)
}

// finish sorts the findings.
func (r *recorder) finish() *Report {
	r.report.sort()
	slices.Sort(r.report.Domains)
	r.report.Domains = slices.Compact(r.report.Domains)
	slices.Sort(r.report.Withheld)
	return &r.report
}

// sort sorts the findings: worst first, then by entry.
func (r *Report) sort() {
	rank := map[Severity]int{Problem: 0, Warning: 1, ByDesign: 2}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(rank[a.Severity]-rank[b.Severity], strings.Compare(a.Entry, b.Entry), strings.Compare(a.Text, b.Text))
	})
}
