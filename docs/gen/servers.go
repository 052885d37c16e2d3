package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dprun/dprun/testfixtures/servers/results"
)

// s3Servers renders what was seen of S3 servers: a column for each.
func s3Servers(b *bytes.Buffer, all []results.S3) {
	b.WriteString("\n" + texts["s3"] + "\n\n")
	line := func(first string, cellOf func(results.S3) string) {
		fmt.Fprintf(b, "| %s |", cell(first))
		for _, r := range all {
			fmt.Fprintf(b, " %s |", cell(cellOf(r)))
		}
		b.WriteString("\n")
	}
	line("", func(r results.S3) string { return r.Server })
	b.WriteString("|---|" + strings.Repeat("---|", len(all)) + "\n")
	line("Version", func(r results.S3) string { return r.Version })
	line("[Rules](conformance.md) that the plugin keeps", func(r results.S3) string { return fmt.Sprintf("%d of %d", r.Kept, r.Of) })
	for i, q := range all[0].Seen {
		line(q.Question, func(r results.S3) string { return r.Seen[i].Answer })
	}
	line("Seen on", func(r results.S3) string { return r.Date })
	b.WriteString("\n" + texts["s3 meaning"] + "\n")
}

// serversPage renders what was seen of each server.
func serversPage(b *bytes.Buffer, all []results.Result, s3 []results.S3) {
	generated(b, "Servers")
	b.WriteString(texts["servers"] + "\n\n")
	b.WriteString("| Server | Version | Run | Stored | Durable | Mode kept | Room | Set | Seen on |\n|---|---|---|---|---|---|---|---|---|\n")
	byProtocol := slices.Clone(all)
	slices.SortStableFunc(byProtocol, func(x, y results.Result) int { return strings.Compare(y.Protocol, x.Protocol) })
	for _, r := range byProtocol {
		if r.Built {
			r.Version += " (built)"
		}
		fmt.Fprintf(b, "| %s | %s | %s, %s | %d of %d | %s | %s | %s | %s | %s |\n", cell(r.Server), cell(r.Version), r.Protocol, cell(r.How),
			r.Stored, r.Of, durable(r), yes(r.ModeKept), yes(r.SpaceKnown), toSet(r), r.Date)
	}
	b.WriteString("\n" + texts["servers meaning"] + "\n")
	b.WriteString("\n" + texts["servers sftp"] + "\n")
	for _, r := range all {
		if s := r.SFTP; s != nil {
			fmt.Fprintf(b, "| %s | `%s` | %s | %s | %s | %s | %s | %s | %s |\n", cell(r.Server), cell(s.Banner), kib(s.LongestRead), kib(s.LongestWrite),
				s.OpenExisting, s.RenameOver, s.LstatMissing, s.Keepalive, used(s.Extensions))
		}
	}
	s3Servers(b, s3)
}

// toSet writes arguments as a plan does.
func toSet(r results.Result) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.Set)) {
		out = append(out, fmt.Sprintf("`%s = %s`", name, cell(r.Set[name])))
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// durable tells a claim that was seen to be wrong.
func durable(r results.Result) string {
	if r.Durable && r.Late {
		return "**no**, though it says so: files are in a cache at first"
	}
	return yes(r.Durable)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "**no**"
}

func kib(n int) string { return fmt.Sprintf("%d KiB", n>>10) }

// used are the extensions that decide about what dprun can do.
func used(all []string) string {
	var out []string
	for _, e := range []string{"fsync@openssh.com", "posix-rename@openssh.com", "statvfs@openssh.com"} {
		if slices.Contains(all, e) {
			name, _, _ := strings.Cut(e, "@")
			out = append(out, "`"+name+"`")
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
