// Package layering lists which of our packages may import which, and asserts that the
// code agrees. docs/packages.md prints the table.
package layering

// Row is one package and what it may import directly, of ours.
type Row struct {
	Floor   int
	Package string
	Holds   string
	Imports []string
}

// Rows are all packages of the product and the SDK, the lowest floor first. A
// package imports from lower floors only, and what is listed here only.
func Rows() []Row {
	return []Row{
		{0, "runner/listen", "calls a function for what comes out of a channel", nil},
		{0, "sdk/prose", "reads texts for people, which are kept in files beside the code", nil},
		{0, "sdk/failure", "kinds of failures", nil},
		{0, "sdk/dirsync", "the syncs of a directory, shared", nil},
		{0, "sdk/internal/offspring", "processes end with what they started", nil},
		{0, "sdk/proto", "the protocol as text", nil},
		{0, "sdk/proto/dprun/plugin/v1", "the protocol, generated", nil},
		{0, "sdk/schema", "what a plugin offers and takes", nil},
		{0, "sdk/script", "what a script is told of its run, as every hook gets it", nil},
		{1, "plan/diag", "diagnostics and their catalogue", []string{"sdk/prose"}},
		{0, "plan/pattern", "patterns of names", nil},
		{0, "plan/recipient", "for whom files are encrypted: public keys of age", nil},
		{0, "plan/secret", "references of secrets", nil},
		{0, "plan/window", "maintenance windows", nil},
		{0, "runner/clock", "time as a parameter", nil},
		{0, "runner/redact", "takes secrets out of texts", nil},
		{1, "runner/status", "the catalogue of status codes: names, classes, meaning, what to do", []string{"sdk/prose"}},
		{0, "runner/state", "the state directory", nil},
		{0, "runner/metrics", "which metrics there are, and their text", nil},
		{0, "runner/retention", "which backups are kept: a policy and sets in, a verdict on each out", nil},
		{0, "runner/signing", "signatures in the form of `ssh-keygen -Y`: made, and judged by the keys that count", nil},
		{0, "runner/skeleton", "the files of a plugin to begin with", nil},
		{0, "plugins/datapower/archive", "verifies exports and secure backups", nil},
		{0, "plugins/datapower/soma", "the management protocol", nil},
		{0, "plugins/nfs/nfsclient", "the NFS protocol", nil},
		{1, "sdk/internal/wire", "messages to structs and back", []string{"sdk/failure", "sdk/proto/dprun/plugin/v1", "sdk/schema"}},
		{1, "plan/cron", "when a schedule is due, over both changes of the clocks", []string{"plan/window"}},
		{2, "plan/inventory", "device lists in CSV, YAML, JSON", []string{"plan/diag"}},
		{0, "runner/mirror", "plugins as they lie in a directory to install from, and installing them", nil},
		{1, "runner/evidence", "records of runs, chained by their digests, and the verification of a chain", []string{"runner/signing"}},
		{1, "runner/lock", "locks between processes", []string{"sdk/failure"}},
		{1, "runner/secret", "reads secrets", []string{"plan/secret", "runner/redact"}},
		{2, "runner/schedule", "which times of a plan's schedules are run, and why the others are not", []string{"plan/cron", "plan/window"}},
		{2, "runner/backups", "what is stored: sets, their copies, and their manifests, read without trust", []string{"runner/evidence", "runner/signing", "sdk/schema"}},
		{2, "sdk", "what a plugin author imports; `schema` and `failure` are leaves without gRPC", []string{"sdk/failure", "sdk/internal/offspring", "sdk/internal/wire", "sdk/proto/dprun/plugin/v1", "sdk/schema"}},
		{3, "plan/function", "the functions of the language", []string{"plan/inventory", "plan/secret"}},
		{3, "sdk/client", "the host's end of the protocol", []string{"sdk", "sdk/failure", "sdk/internal/offspring", "sdk/internal/wire", "sdk/proto/dprun/plugin/v1", "sdk/schema"}},
		{3, "sdk/store", "keeps files at a destination, all or nothing, over a few operations on whole files", []string{"sdk", "sdk/failure", "sdk/schema"}},
		{4, "plan", "the language: text in, compiled plan and diagnostics out; no network, no clock, no process", []string{"plan/cron", "plan/diag", "plan/function", "plan/inventory", "plan/pattern", "plan/recipient", "plan/secret", "plan/window", "sdk/schema", "sdk/script"}},
		{3, "runner/cipher", "encrypts and decrypts files with age; reads identities", []string{"plan/recipient", "runner/backups"}},
		{3, "runner/drill", "decides what a drill imports, and what that proves", []string{"plan/pattern", "runner/backups", "sdk", "sdk/failure"}},
		{3, "runner/event", "what machines, journal and views share", []string{"runner/backups", "sdk", "sdk/failure"}},
		{3, "runner/staging", "captured files on their way", []string{"sdk", "sdk/dirsync", "sdk/failure"}},
		{3, "runner/restore", "decides what happens in a restore after every answer, and how it ends; no I/O, no clock", []string{"sdk", "sdk/failure"}},
		{3, "plugins/datapower", "gateways", []string{"plugins/datapower/archive", "plugins/datapower/soma", "sdk", "sdk/failure", "sdk/schema"}},
		{3, "plugins/exec", "scripts", []string{"sdk", "sdk/failure", "sdk/schema"}},
		{3, "plugins/mail", "mails", []string{"sdk", "sdk/failure", "sdk/schema", "sdk/script"}},
		{3, "plugins/syslog", "lines of syslog", []string{"sdk", "sdk/failure", "sdk/schema", "sdk/script"}},
		{3, "plugins/webhook", "posts to a URL", []string{"sdk", "sdk/failure", "sdk/schema", "sdk/script"}},
		{4, "sdk/conformance", "what every plugin must do", []string{"sdk/prose", "sdk", "sdk/client", "sdk/failure", "sdk/schema"}},
		{4, "runner/lifecycle", "the machines (task, run, debt); no I/O, no goroutine, no clock", []string{"plan/pattern", "plan/window", "runner/backups", "runner/event", "runner/status", "sdk", "sdk/failure", "sdk/schema"}},
		{4, "runner/pluginhost", "starts plugins and watches them", []string{"sdk", "sdk/client", "sdk/failure", "sdk/schema"}},
		{4, "runner/report", "what the use cases answer: the structs that both views show", []string{"plan/diag", "plugins/datapower/archive", "runner/event", "runner/evidence", "sdk"}},
		{4, "plugins/file", "directories", []string{"sdk", "sdk/dirsync", "sdk/failure", "sdk/schema", "sdk/store"}},
		{4, "plugins/nfs", "NFS servers", []string{"plugins/nfs/nfsclient", "sdk", "sdk/failure", "sdk/schema", "sdk/store"}},
		{4, "plugins/sftp", "SFTP servers", []string{"sdk", "sdk/failure", "sdk/schema", "sdk/store"}},
		{5, "runner/engine", "drives the machines: starts what they want in flight, journals what came back, publishes", []string{"runner/clock", "runner/event", "runner/lifecycle", "sdk", "sdk/failure"}},
		{5, "runner/graph", "the steps of a run and what waits for what", []string{"runner/lifecycle", "runner/report", "sdk/schema"}},
		{5, "runner/pending", "what must be undone: one file for each obligation, which alone decides", []string{"runner/lifecycle"}},
		{6, "runner/execute", "does one action: calls of plugins, staging, locks; decides nothing", []string{"plan", "plan/recipient", "runner/backups", "runner/cipher", "runner/clock", "runner/engine", "runner/event", "runner/lifecycle", "runner/redact", "runner/signing", "runner/staging", "sdk", "sdk/client", "sdk/failure", "sdk/script"}},
		{6, "runner/journal", "history: runs, events, statuses, output, obligations; SQLite", []string{"runner/backups", "runner/event", "runner/evidence", "runner/pending"}},
		{6, "cmd/dprun/view", "the human and the JSON view: two implementations of one interface over the same reports and events", []string{"plan/diag", "plugins/datapower/archive", "runner/event", "runner/evidence", "runner/lifecycle", "runner/report", "runner/status", "sdk", "sdk/schema"}},
		{7, "runner/serve", "a process that runs plans when they are due, or when somebody asks for it", []string{"runner/clock", "runner/journal", "runner/report", "runner/schedule"}},
		{7, "runner/record", "what a run is written down as, and read back from: the run, sealed; what each obligation needs; the history", []string{"plan", "plan/diag", "runner/engine", "runner/event", "runner/evidence", "runner/execute", "runner/journal", "runner/lifecycle", "runner/pending", "runner/redact", "runner/secret", "runner/signing", "runner/status", "sdk", "sdk/failure", "sdk/script"}},
		{8, "runner/settle", "undoes what is pending, from the pending files alone: who is at it, gateways, scripts, restores", []string{"runner/listen", "runner/clock", "runner/engine", "runner/event", "runner/execute", "runner/journal", "runner/lifecycle", "runner/lock", "runner/pending", "runner/pluginhost", "runner/record", "runner/redact", "runner/restore", "runner/status", "sdk", "sdk/failure"}},
		{8, "runner/permit", "what is allowed over all runs: the right to quiesce, the use of a credential", []string{"runner/clock", "runner/event", "runner/execute", "runner/journal", "runner/pending", "runner/record", "sdk/failure", "sdk/schema"}},
		{9, "runner", "the use cases (init, validate, format, preview, apply, recover, guard, acknowledge, owed, runs, prune, backups, restore, sweep, graph, verify, explain, check, test and skeleton of a plugin): a request in, a report out", []string{"runner/listen", "sdk/prose", "plan", "plan/diag", "plan/pattern", "plan/recipient", "plan/window", "plugins/datapower/archive", "runner/backups", "runner/cipher", "runner/clock", "runner/drill", "runner/engine", "runner/event", "runner/evidence", "runner/execute", "runner/graph", "runner/journal", "runner/lifecycle", "runner/lock", "runner/metrics", "runner/mirror", "runner/pending", "runner/permit", "runner/pluginhost", "runner/record", "runner/redact", "runner/report", "runner/restore", "runner/retention", "runner/schedule", "runner/secret", "runner/serve", "runner/settle", "runner/signing", "runner/skeleton", "runner/staging", "runner/state", "runner/status", "sdk", "sdk/conformance", "sdk/failure", "sdk/schema", "sdk/script"}},
		{1, "cmd/dprun/web/access", "who asks the server, and what he may do", []string{"plan/pattern"}},
		{10, "cmd/dprun/web/api", "what programs are answered: REST as OpenAPI 3.1 describes it, from the same use cases as the command line", []string{"cmd/dprun/web/access", "plan/diag", "runner", "runner/event", "runner/report", "sdk/schema"}},
		{10, "cmd/dprun/web/page", "pages for people, made by the server", []string{"cmd/dprun/view", "cmd/dprun/web/access", "plan/diag", "runner", "runner/event", "runner/report", "runner/status", "sdk/schema"}},
		{11, "cmd/dprun/web", "what a server answers by HTTP", []string{"cmd/dprun/web/access", "cmd/dprun/web/api", "cmd/dprun/web/page", "runner", "runner/report"}},
		{10, "cmd/dprun/remote", "asks a server what the command line asks a state directory otherwise", []string{"plan/diag", "runner", "runner/event", "runner/report", "runner/status"}},
		{12, "cmd/dprun", "the command line: flags in, one use case, its report handed to a view", []string{"cmd/dprun/remote", "cmd/dprun/view", "cmd/dprun/web", "runner/listen", "sdk/prose", "plan", "plan/diag", "plugins/datapower", "plugins/exec", "plugins/file", "plugins/mail", "plugins/nfs", "plugins/sftp", "plugins/syslog", "plugins/webhook", "runner", "runner/event", "runner/report", "sdk", "sdk/schema"}},
	}
}
