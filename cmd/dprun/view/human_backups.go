package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

func (h *Human) showBackups(b *strings.Builder, p painter, sets []report.Backup) {
	if len(sets) == 0 {
		b.WriteString("No backups" + h.where() + ".\n")
		return
	}
	t := table{head: []string{"SET", "CAPTURED", "DEVICE", "DOMAIN", "ACTIVITY", "SIZE", "COPIES"}}
	for _, s := range sets {
		t.add(text(s.Set), text(stamp(s.Captured)), text(s.Device), text(s.Domain), text(s.Activity), number(Size(s.Bytes)), copiesCell(s))
	}
	t.write(b, p, "")
}

// copiesCell names the destinations of a set, and marks copies that are not whole and
// sets of doubtful origin.
func copiesCell(s report.Backup) cell {
	var at []string
	colour := plain
	for _, c := range s.Copies {
		if c.State != "whole" {
			colour = red
			at = append(at, c.Destination+" ("+c.State+")")
			continue
		}
		at = append(at, c.Destination)
	}
	out := strings.Join(at, ", ")
	if s.Origin != "own" {
		if out += "; " + s.Origin; s.Trusted {
			out += ", signed"
		} else if colour == plain {
			colour = yellow
		}
	}
	return toned(out, colour)
}

func (h *Human) showBackup(b *strings.Builder, p painter, d report.BackupDetail) {
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(b, "%-10s %s\n", what, Clean(value))
		}
	}
	fmt.Fprintf(b, "%s\n", p.paint(bold, Clean("Set "+d.Set)))
	line("captured", stamp(d.Captured))
	line("device", d.Device)
	line("box", d.Identity)
	domain := cmp.Or(d.Domain, "the whole device")
	line("domain", domain)
	if activity := d.Activity + " (" + d.ActivityType + ")"; d.Plan == "" {
		line("activity", activity)
	} else {
		line("activity", activity+" of plan "+d.Plan)
	}
	line("run", d.Run)
	line("origin", OriginText(d.Origin))
	if line("signed by", d.Copies[0].SignedBy); !d.Trusted {
		line("trust", "none: "+d.Untrusted)
	}
	var facts sdk.Facts
	if json.Unmarshal(d.Facts, &facts) == nil {
		line("model", facts.Model)
		line("firmware", strings.TrimSpace(facts.Firmware+" "+facts.FirmwareBuild))
		line("mode", facts.BackupMode)
	}
	fmt.Fprintf(b, "\n%s\n", p.paint(bold, "Copies"))
	for _, c := range d.Copies {
		checked := "not checked since"
		if !c.Checked.IsZero() {
			checked = "checked " + stamp(c.Checked)
		}
		state := p.paint(map[bool]tone{true: green, false: red}[c.State == "whole"], Clean(c.State))
		how := "checksum verified when stored"
		switch {
		case c.Imported && c.Verified == "":
			how = "not verified, found there"
		case c.Imported:
			how = "found there"
		case c.Verified == "sent":
			how = "checksum of what was sent"
		}
		if !c.Durable {
			how += ", not known to be durable"
		}
		fmt.Fprintf(b, "  %s: %s, %s %s, %s\n    %s/%s\n", Clean(c.Destination), state, how, stamp(c.Stored), checked, Clean(c.Root), Clean(c.Path))
		for _, r := range c.EncryptedFor {
			fmt.Fprintf(b, "    encrypted for %s\n", Clean(r))
		}
	}
	for i, was := range d.Imports {
		if i == 0 {
			fmt.Fprintf(b, "\n%s\n", p.paint(bold, "Imports"))
		}
		fmt.Fprintf(b, "  %s\n", p.paint(map[string]tone{"proven": green, "failed": red}[was.Verdict], ProofText(was)))
	}
	fmt.Fprintf(b, "\n%s\n", p.paint(bold, "Files"))
	t := table{head: []string{"FILE", "VARIANT", "SIZE", "SHA-256"}}
	for _, f := range d.Files {
		t.add(text(f.File), text(f.Variant), number(Size(f.Size)), text(f.SHA256))
	}
	t.write(b, p, "  ")
	list := func(head string, items []string) {
		if len(items) > 0 {
			fmt.Fprintf(b, "\n%s\n", p.paint(bold, head))
		}
		indented(b, "  ", items)
	}
	list(fmt.Sprintf("Not in it: %s that the device does not export", plural(len(d.Withheld), "file", "files")), d.Withheld)
	list("Warnings", d.Warnings)
}

// OriginText says who vouches for a set.
func OriginText(origin string) string {
	switch origin {
	case "own":
		return "stored by a run of this state directory"
	case "imported":
		return "found at a destination; its manifest names this state directory"
	case "foreign":
		return "found at a destination; no manifest there names this state directory"
	}
	return origin
}

func (h *Human) showImported(b *strings.Builder, p painter, i report.Imported) {
	fmt.Fprintf(b, "%s: %s, %d new.\n", Clean(i.Destination), plural(i.Manifests+i.DPOD, "backup", "backups"), i.Entered)
	if i.DPOD > 0 {
		fmt.Fprintf(b, "  %d from DPOD, without a manifest: no checksum is known from the time of the backup.\n", i.DPOD)
	}
	if i.Foreign > 0 {
		fmt.Fprintf(b, "  %d of the new ones do not name this state directory: nothing shows who stored them.\n", i.Foreign)
	}
	for _, r := range i.Refused {
		fmt.Fprintf(b, "  %s %s: %s\n", p.paint(yellow, "Refused:"), Clean(r.Path), Clean(r.Why))
	}
	if i.Error != "" {
		fmt.Fprintf(b, "  %s %s\n", p.paint(red, "Error:"), Clean(i.Error))
	}
}

func (h *Human) showPrunedBackups(b *strings.Builder, p painter, r report.PrunedBackups) {
	count := map[report.Outcome]int{}
	t := table{head: []string{"SET", "CAPTURED", "DEVICE", "DOMAIN", "ACTIVITY", "SIZE", "", "WHY"}}
	for _, s := range r.Sets {
		count[s.Outcome]++
		if s.Outcome != report.Stays || r.DryRun {
			t.add(text(s.Set), text(stamp(s.Captured)), text(s.Device), text(s.Domain), text(s.Activity), number(Size(s.Bytes)), outcomeCell(s), text(strings.Join(s.Why, ", ")))
		}
	}
	rule := "retention " + r.Retention
	if r.Retention == "" {
		rule = "no retention"
	}
	var counts []string
	for _, o := range []struct {
		report.Outcome
		text string
	}{{report.Goes, "would go"}, {report.DeletedSet, "deleted"}, {report.InUse, "in use"}, {report.Left, "not deleted"}, {report.Unfinished, "not finished"}, {report.Stays, "stay"}} {
		if n := count[o.Outcome]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, o.text))
		}
	}
	switch {
	case len(counts) > 0:
	case r.Error != "":
		counts = []string{"nothing was done"}
	case r.Retention == "":
		counts = []string{"all sets stay"}
	default:
		counts = []string{"no sets"}
	}
	fmt.Fprintf(b, "%s: %s\n", p.paint(bold, Clean(r.Destination+" ("+rule+")")), strings.Join(counts, ", "))
	if len(t.rows) > 0 {
		t.write(b, p, "  ")
	}
	for _, s := range r.Sets {
		if s.Error != "" {
			fmt.Fprintf(b, "  %s %s: %s\n", p.paint(red, "Error:"), Clean(s.Set), Clean(s.Error))
		}
	}
	if r.Error != "" {
		fmt.Fprintf(b, "  %s %s\n", p.paint(red, "Error:"), Clean(r.Error))
	}
}

func outcomeCell(s report.PrunedSet) cell {
	colour := map[report.Outcome]tone{report.Stays: green, report.InUse: yellow, report.Left: red, report.Unfinished: red}[s.Outcome]
	return toned(strings.ReplaceAll(string(s.Outcome), "_", " "), colour)
}

// faultWords are the words for kinds of faults.
var faultWords = map[string]string{
	"missing": "MISSING", "altered": "ALTERED", "truncated": "CUT SHORT", "moved": "MOVED", "planted": "DO NOT TRUST", "unknown_set": "NOT KNOWN HERE",
	"foreign_set": "of others", "stray": "stray", "partial": "stray part", "elsewhere": "elsewhere", "not_checked": "NOT CHECKED",
}

func (h *Human) showBackupFault(b *strings.Builder, p painter, f report.BackupFault) {
	colour := yellow
	if f.Grave {
		colour = alarm
	}
	fmt.Fprintf(b, "%s: %s", Clean(f.Destination), p.paint(colour, Clean(cmp.Or(faultWords[f.Kind], f.Kind))))
	if f.Set != "" {
		fmt.Fprintf(b, ", set %s of %s", Clean(f.Set), Clean(strings.TrimSuffix(f.Device+"/"+f.Domain, "/")))
	}
	b.WriteString("\n")
	if f.Path != "" {
		fmt.Fprintf(b, "  %s\n", Clean(f.Path))
	}
	fmt.Fprintf(b, "  %s\n", Clean(f.Why))
	if f.Remedy != "" {
		fmt.Fprintf(b, "  What to do: %s\n", Clean(f.Remedy))
	}
}

func (h *Human) showCheckedDestination(b *strings.Builder, p painter, d report.CheckedDestination) {
	colour := green
	if d.Whole != d.Copies {
		colour = red
	}
	fmt.Fprintf(b, "%s: %s", Clean(d.Destination), p.paint(colour, fmt.Sprintf("%d of %s whole", d.Whole, plural(d.Copies, "backup", "backups"))))
	for _, n := range []struct {
		n    int
		what string
	}{{d.Missing, "missing"}, {d.Altered, "altered"}, {d.NotChecked, "not checked"}} {
		if n.n > 0 {
			fmt.Fprintf(b, ", %d %s", n.n, n.what)
		}
	}
	if d.Read > 0 {
		fmt.Fprintf(b, "; every byte of %d was read (%s)", d.Read, Size(d.ReadBytes))
	} else {
		b.WriteString("; no data was read")
	}
	b.WriteString(".\n")
}

func (h *Human) showPack(b *strings.Builder, p painter, r report.Pack) {
	t := table{head: []string{"DOMAIN", "ACTIVITY", "CAPTURED", "SET", "DIRECTORY"}}
	for _, s := range r.Sets {
		t.add(text(cmp.Or(s.Domain, "(whole device)")), text(s.Activity), text(stamp(s.Captured)), text(s.Set), text(s.Dir))
	}
	if len(t.rows) > 0 {
		t.write(b, p, "")
		b.WriteString("\n")
	}
	for _, m := range r.Missing {
		fmt.Fprintf(b, "%s %s of %s: %s\n", p.paint(red, "Missing:"), Clean(m.Activity), Clean(cmp.Or(m.Domain, "the whole device")), Clean(m.Why))
	}
	fmt.Fprintf(b, "%s for the worst day of %s: %s, %s. Begin with README.txt; `sha256sum -c SHA256SUMS` checks all of it.\n",
		p.paint(bold, Clean(r.Dir)), Clean(r.Device), plural(r.Files, "file", "files"), Size(r.Bytes))
}

func (h *Human) showFetchedBackup(b *strings.Builder, _ painter, f report.FetchedBackup) {
	of := Clean(strings.TrimSuffix(f.Device+"/"+f.Domain, "/"))
	proof := "checksum verified"
	if f.NoManifest {
		proof = "the same as when it was imported; no checksum is known from the time of the backup"
	}
	if f.Encrypted {
		proof += " and still encrypted (`age -d -i IDENTITY FILE` decrypts)"
	}
	if f.Existed {
		fmt.Fprintf(b, "Set %s of %s, captured %s, is there already, %s:\n", Clean(f.Set), of, Clean(f.Captured), proof)
	} else {
		fmt.Fprintf(b, "Set %s of %s, captured %s, fetched from %s, %s:\n", Clean(f.Set), of, Clean(f.Captured), Clean(f.Destination), proof)
	}
	for _, name := range f.Files {
		fmt.Fprintf(b, "  %s\n", Clean(filepath.Join(f.Dir, name)))
	}
}

// freshShown is the highest number of subjects with a good backup that are listed.
const freshShown = 40

func (h *Human) showCoverage(b *strings.Builder, p painter, c report.Coverage) {
	every := h.o.EveryTask || len(c.Subjects) <= freshShown
	t := table{head: []string{"ACTIVITY", "DEVICE", "DOMAIN", "LAST GOOD", "AGE", "COPIES", "PROOF", "SET"}}
	never := table{head: []string{"ACTIVITY", "DEVICE", "DOMAIN", "WHY"}}
	for _, s := range c.Subjects {
		switch {
		case s.State == report.CoverageExcluded:
			never.add(text(s.Activity), text(s.Device), text(s.Domain), text(s.Why))
		case s.State != report.CoverageFresh || every || failed(s):
			t.add(coverageCells(s)...)
		}
	}
	if len(t.rows) > 0 {
		t.write(b, p, "")
		b.WriteString("\n")
	}
	said := map[string]bool{}
	for _, s := range c.Subjects {
		if why := Clean(strings.TrimSpace(s.Code + " " + s.Why)); (s.State == report.CoverageNone || s.State == report.CoverageStale) && why != "" {
			if where := Clean(s.Activity+" "+s.Device) + ": " + why; !said[where] {
				said[where] = true
				fmt.Fprintf(b, "%s\n", where)
			}
		}
	}
	for _, s := range c.Subjects {
		if failed(s) && s.State != report.CoverageExcluded {
			said[""] = true
			fmt.Fprintf(b, "%s: %s\n", Clean(s.Activity+" "+strings.TrimSuffix(s.Device+"/"+s.Domain, "/")), p.paint(red, ProofText(*s.Import)))
		}
	}
	if len(said) > 0 {
		b.WriteString("\n")
	}
	if len(never.rows) > 0 {
		fmt.Fprintf(b, "%s\n", p.paint(bold, "Never backed up"))
		never.write(b, p, "  ")
		b.WriteString("\n")
	}
	if len(c.Rooms) > 0 {
		writeRooms(b, p, c.Rooms)
		b.WriteString("\n")
	}
	verdict := fmt.Sprintf("%s: %d of %d have a good backup of the last %s, %d an older one, %d none", Clean(c.Plan), c.Fresh, c.Fresh+c.Stale+c.None, Span(c.MaxAge), c.Stale, c.None)
	if c.Failed > 0 {
		verdict += fmt.Sprintf("; of %d the last import FAILED", c.Failed)
	}
	colour := green
	if c.Stale+c.None+c.Failed > 0 {
		colour = red
	}
	fmt.Fprintf(b, "%s\n", p.paint(colour, verdict+"."))
}

func coverageCells(s report.CoverageSubject) []cell {
	colour := map[report.CoverageState]tone{report.CoverageStale: yellow, report.CoverageNone: red}[s.State]
	cells := []cell{text(s.Activity), text(s.Device), text(s.Domain)}
	if s.Set == "" {
		return append(cells, toned("never", colour), number(""), number(""), text(""), text(""))
	}
	proof := strings.ReplaceAll(s.Proof, "_", " ")
	switch s.Proof {
	case "sent":
		proof = "checksum of what was sent"
	case "manifest":
		proof = "found, not verified (" + s.Origin + ")"
	}
	proofColour := plain
	if i := s.Import; i != nil {
		imported := importText(*i)
		switch {
		case i.Verdict != "proven":
			proof, proofColour = imported, red
		case i.Same:
			proof, proofColour = imported, green
		default:
			proof += "; an older set " + imported
		}
	}
	return append(cells, toned(stamp(s.Captured), colour), number(Span(s.Age)), number(fmt.Sprintf("%d/%d", s.Copies, s.Places)), toned(proof, proofColour), text(s.Set))
}

// failed reports whether the last import of a subject failed.
func failed(s report.CoverageSubject) bool { return s.Import != nil && s.Import.Verdict != "proven" }

// importText tells in a few words what an import proved.
func importText(i report.Proof) string {
	how := map[bool]string{true: "drill", false: "import"}[i.Drill]
	switch i.Verdict {
	case "proven":
		return how + "-proven on " + stamp(i.At)
	case "undecided":
		return how + " on " + stamp(i.At) + " says nothing of it"
	}
	return how + " FAILED on " + stamp(i.At)
}

// ProofText tells in full what an import proved.
func ProofText(i report.Proof) string {
	out := fmt.Sprintf("%s (set %s on %s)", importText(i), i.Set, i.Device)
	if i.Why != "" {
		out += ": " + i.Why
	}
	if i.Excused > 0 {
		out += excusedText(i.Excused)
	}
	return Clean(out)
}
