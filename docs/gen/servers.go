package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dprun/dprun/testfixtures/servers/results"
)

const serversIntro = `For people who choose a server for backups. dprun is tested against the real servers below. The tables are what these tests saw, not what manuals say: each server ran with
dprun's plugin over loopback, stored files from 1 byte to 20 MB with ` + "`verify = \"read_back\"`" + `, and was asked request by request
what it does. Another version or another configuration of a server may differ: ` + "`dprun plan`" + ` tries the destination before a run.

`

const serversMeaning = `
- **Stored**: files that stood there whole, were read back and had the right SHA-256.
- **Durable**: the server flushes a file and its name to disk when it is asked to. Where it says no, a power cut of the server soon
  after a backup can lose a copy that was verified; dprun says so with the task and in the manifest. A yes is the server's word:
  willscott/go-nfs [gives it without flushing](../findings/go-nfs-file-sync-without-fsync.sh).
- **Mode kept**: the stored files have the mode that dprun asks for. Where it says no, others on the server may be able to read the
  exports, which hold secrets; dprun says so with the task and in the manifest. Let nobody else enter the directory (mode 0700 of the
  directory, or of one above it).
- **Room**: the server tells how much is free, so that ` + "`min_free`" + ` works.
- **Set**: arguments of the destination beyond those that every server needs.

Another test runs a whole backup to all the packaged servers at once, and kills each in the middle of a store; three of them, NFS-Ganesha
among them, stay away for 30 seconds. The run succeeds, every copy is whole, and no part of a file is left behind. Servers marked "built" are compiled or
come from npm: ` + "`make test-servers`" + ` tests them, the others are tested with every change.
`

const s3Intro = `
## S3 servers

[` + "`examples/plugins/s3`" + `](../examples/plugins/s3/README.md) against servers that ` + "`make test-servers`" + ` compiles. It is for none of them in
particular: what it relies on, it tries out before it stores. Amazon's own service was not reachable from these tests.

`

const s3Meaning = `
- Nothing but a condition that holds keeps two stores from replacing each other. All servers here keep to it, in both places.
- A ` + "`DELETE`" + ` that is answered with "ok, hidden" took nothing away: a marker stands before the object, which is locked. The plugin looks at the
  lock first, and says until when.
- "And is not listed": the object is there for who knows its name. The plugin refuses to store below an object, or over a directory.
`

// s3Servers renders what was seen of S3 servers: a column for each.
func s3Servers(b *bytes.Buffer, all []results.S3) {
	b.WriteString(s3Intro)
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
	b.WriteString(s3Meaning)
}

// serversPage renders what was seen of each server.
func serversPage(b *bytes.Buffer, all []results.Result, s3 []results.S3) {
	generated(b, "Servers")
	b.WriteString(serversIntro)
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
	b.WriteString(serversMeaning)
	b.WriteString(`
## What SFTP servers answer

Requests as the protocol's third version has them. dprun works with every answer that stands here; it is of use to somebody who
writes another client, or wonders about a server's log.

| Server | Banner | READ of 255 KiB gives | Longest WRITE tried that it takes | OPEN with EXCL of a file that exists | RENAME over a file that exists | LSTAT of a missing name | Keepalive of SSH | Extensions that dprun uses |
|---|---|---|---|---|---|---|---|---|
`)
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
