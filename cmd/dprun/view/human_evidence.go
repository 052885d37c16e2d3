package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/report"
)

func (h *Human) showEvidence(b *strings.Builder, p painter, records []report.EvidenceRecord) {
	if len(records) == 0 {
		b.WriteString("No records of evidence" + h.where() + ".\n")
		return
	}
	t := table{head: []string{"RECORD", "WRITTEN", "PLAN", "BY", "CHANGE", "RESULT", "SIGNED", "SHA-256"}}
	for _, r := range records {
		signed := map[bool]string{true: "yes", false: "no"}[r.Signed]
		t.add(number(fmt.Sprint(r.Sequence)), text(stamp(r.Written)), text(r.Plan), text(r.User+"@"+r.Host), text(r.Change), toned(r.Code, toneOf(r.Code)), text(signed), text(r.Digest))
	}
	t.write(b, p, "")
}

func (h *Human) showEvidenceRecord(b *strings.Builder, p painter, d report.EvidenceDetail) {
	fmt.Fprintf(b, "%s\n", p.paint(bold, fmt.Sprintf("Record %d", d.Sequence)))
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(b, "%-10s %s\n", what, Clean(value))
		}
	}
	line("SHA-256", d.Digest)
	line("before it", d.Previous)
	line("written", stamp(d.Written))
	line("by", d.User+"@"+d.Host)
	line("change", d.Change)
	line("dprun", d.Program.Version)
	line("plan", d.Plan)
	line("run", d.Run)
	line("kind", d.Kind)
	line("result", strings.TrimPrefix(fmt.Sprintf("%s, exit code %d", d.Code, d.Exit), ", "))
	for _, a := range d.Actions {
		line("action", action(a))
	}
	for _, f := range append(programs(d.Plugins), d.Files...) {
		line("file", f.File+"  SHA-256 "+f.SHA256)
	}
	if len(d.Outages) > 0 {
		fmt.Fprintf(b, "\n%s\n", p.paint(bold, "Out of service"))
	}
	for _, o := range d.Outages {
		how := "not back when this was written"
		if !o.Back.IsZero() {
			how = Span(time.Duration(o.Seconds * float64(time.Second)))
		}
		fmt.Fprintf(b, "  %s from %s: %s\n", Clean(strings.TrimSuffix(o.Device+"/"+o.Domain, "/")), stamp(o.From), how)
	}
	if len(d.Tasks) > 0 {
		fmt.Fprintf(b, "\n%s\n", p.paint(bold, "Tasks"))
	}
	for _, k := range d.Tasks {
		fmt.Fprintf(b, "  %s: %s\n", Clean(k.Task), Clean(k.Code))
	}
	if len(d.Copies) > 0 {
		fmt.Fprintf(b, "\n%s\n", p.paint(bold, "Copies"))
	}
	for _, c := range d.Copies {
		fmt.Fprintf(b, "  %s at %s: %s/%s\n", Clean(c.Set), Clean(c.Destination), Clean(c.Root), Clean(c.Path))
	}
}

// action describes an action in words.
func action(a evidence.Action) string {
	var of []string
	for _, part := range []string{a.Set, strings.TrimSuffix(a.Device+"/"+a.Domain, "/"), a.Run, a.Destination} {
		if part != "" {
			of = append(of, part)
		}
	}
	text := strings.Join(of, " ") + ": " + a.Outcome
	if a.Why != "" {
		text += ", " + a.Why
	}
	return text
}

// programs returns plugins as files.
func programs(all []evidence.Program) (out []evidence.File) {
	for _, p := range all {
		out = append(out, evidence.File{File: "plugin " + p.Name, SHA256: p.SHA256})
	}
	return out
}

func (h *Human) showExportedEvidence(b *strings.Builder, _ painter, e report.ExportedEvidence) {
	fmt.Fprintf(b, "%s in %s", plural(e.Records, "record", "records"), Clean(e.Dir))
	if e.Last > 0 {
		fmt.Fprintf(b, "; the newest is %d:%s", e.Last, e.Digest)
	}
	b.WriteString(".\n")
}

func (h *Human) showVerifiedEvidence(b *strings.Builder, p painter, v report.VerifiedEvidence) {
	for _, c := range v.Chains {
		fmt.Fprintf(b, "State directory %s: %s, %d to %d, %d signed; the newest is %d:%s\n", Clean(c.StateID), plural(c.Records, "record", "records"), c.First, c.Last, c.Signed, c.Last, c.Digest)
		for _, k := range c.Keys {
			fmt.Fprintf(b, "  signed by %s\n", Clean(k))
		}
	}
	for _, f := range v.Faults {
		where := ""
		if f.File != "" {
			where = f.File + ": "
		}
		fmt.Fprintf(b, "%s %s%s\n", p.paint(red, Clean(strings.ToUpper(f.Kind))), Clean(where), Clean(f.Why))
	}
	switch v.ExitCode {
	case 0:
		fmt.Fprintf(b, "All is as it was written. It proves %s.\n", v.Proves)
	case 1:
		b.WriteString("There is no record to verify.\n")
	default:
		fmt.Fprintf(b, "Not all is as it was written. Without that it would prove %s.\n", v.Proves)
	}
}
