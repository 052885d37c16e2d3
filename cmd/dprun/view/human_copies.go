package view

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

// faultWords are what a person calls the kinds of faults.
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
		fmt.Fprintf(b, "; every byte of %d was read (%s)", d.Read, size(d.ReadBytes))
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
		p.paint(bold, Clean(r.Dir)), Clean(r.Device), plural(r.Files, "file", "files"), size(r.Bytes))
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
