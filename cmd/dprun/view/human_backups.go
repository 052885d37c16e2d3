package view

import (
	"encoding/json"
	"fmt"
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
		t.add(text(s.Set), text(stamp(s.Captured)), text(s.Device), text(s.Domain), text(s.Activity), number(size(s.Bytes)), copiesCell(s))
	}
	t.write(b, p, "")
}

// copiesCell names the destinations of a set, and what is not as it should be.
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
	domain := d.Domain
	if domain == "" {
		domain = "the whole device"
	}
	line("domain", domain)
	if activity := d.Activity + " (" + d.ActivityType + ")"; d.Plan == "" {
		line("activity", activity)
	} else {
		line("activity", activity+" of plan "+d.Plan)
	}
	line("run", d.Run)
	line("origin", originText(d.Origin))
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
		fmt.Fprintf(b, "  %s\n", p.paint(map[string]tone{"proven": green, "failed": red}[was.Verdict], proofText(was)))
	}
	fmt.Fprintf(b, "\n%s\n", p.paint(bold, "Files"))
	t := table{head: []string{"FILE", "VARIANT", "SIZE", "SHA-256"}}
	for _, f := range d.Files {
		t.add(text(f.File), text(f.Variant), number(size(f.Size)), text(f.SHA256))
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

// originText says who vouches for a set.
func originText(origin string) string {
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
			t.add(text(s.Set), text(stamp(s.Captured)), text(s.Device), text(s.Domain), text(s.Activity), number(size(s.Bytes)), outcomeCell(s), text(strings.Join(s.Why, ", ")))
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
