package view

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sync"
	"unicode/utf8"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/schema"
)

// JSON writes one object a line to standard output. The first line is the
// version's.
type JSON struct {
	mu     sync.Mutex
	out    io.Writer
	stderr io.Writer
	quiet  bool
	err    error
}

// NewJSON makes a JSON view and writes its first line.
func NewJSON(o Options, v report.Version) *JSON {
	j := &JSON{out: o.Stdout, stderr: o.Stderr, quiet: o.Told == Failures}
	j.Version(v)
	return j
}

// line writes one object with its type first.
func line[T any](j *JSON, typ string, v T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	b, err := typed(typ, v)
	if err == nil {
		_, err = j.out.Write(b)
	}
	if err != nil && j.err == nil {
		j.err = err
	}
}

// typed is the JSON form of a struct with a type before its fields, and a line feed.
func typed(typ string, v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"type":"` + typ + `",`)
	at := b.Len()
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(filled(v)); err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", typ, err)
	}
	out := b.Bytes()
	if len(out) < at+2 || out[at] != '{' || out[at+1] == '}' {
		return nil, fmt.Errorf("write %s as JSON: it has no fields", typ)
	}
	return harmless(append(out[:at], out[at+1:]...)), nil
}

// harmless escapes what JSON allows to stand as it is and a terminal takes for a
// command, or that turns the direction of writing around.
func harmless(b []byte) []byte {
	if !bytes.ContainsFunc(b, steers) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for _, r := range string(b) {
		if steers(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

func steers(r rune) bool { return r != '\n' && schema.Steers(r) }

// harmlessWriter is harmless for what others write.
type harmlessWriter struct{ to io.Writer }

func (p harmlessWriter) Write(b []byte) (int, error) {
	_, err := p.to.Write(harmless(b))
	return len(b), err
}

// filled puts empty lists in the place of those that are nil: a list is never
// null to a reader.
func filled(v any) any {
	in := reflect.ValueOf(v)
	if in.Kind() != reflect.Struct {
		return v
	}
	out := reflect.New(in.Type()).Elem()
	out.Set(in)
	for i := range out.NumField() {
		if f := out.Field(i); f.Kind() == reflect.Slice && f.IsNil() && f.CanSet() {
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		}
	}
	return out.Interface()
}

// Version implements [View].
func (j *JSON) Version(v report.Version) { line(j, "version", v) }

// Diagnostics implements [View].
func (j *JSON) Diagnostics(l diag.List) {
	for _, d := range l {
		line(j, "diagnostic", d)
	}
}

// Init implements [View].
func (j *JSON) Init(i report.Init) { line(j, "init", i) }

// Validation implements [View].
func (j *JSON) Validation(v report.Validation) { line(j, "validation", v) }

// Format implements [View].
func (j *JSON) Format(f report.Format) { line(j, "format", f) }

// Preview implements [View]. Its tasks follow, an object each: lines stay short
// enough for a log.
func (j *JSON) Preview(p *report.Preview) {
	line(j, "preview", previewed{p, len(p.Tasks)})
	for _, t := range p.Tasks {
		line(j, "preview_task", t)
	}
}

// Check implements [View]. Its findings come before it, an object each.
func (j *JSON) Check(c *report.Check) {
	for _, s := range c.Subjects {
		for _, f := range s.Findings {
			line(j, "check_finding", checkFinding{s.Kind, s.Name, f})
		}
	}
	line(j, "check", checked{c, len(c.Subjects)})
}

// Graph implements [View].
func (j *JSON) Graph(g report.Graph, _ GraphFormat) { line(j, "graph", g) }

// Owed implements [View].
func (j *JSON) Owed(owed []report.Owed) {
	for _, o := range owed {
		line(j, "owed", o)
	}
}

// Hold implements [View].
func (j *JSON) Hold(h report.Hold) {
	for _, s := range h.Stops {
		line(j, "quiesce_stop", s)
	}
}

// NothingToRecover implements [View]. No object says the same.
func (j *JSON) NothingToRecover() {}

// Paying implements [View]. What is left of it comes as objects at the end.
func (j *JSON) Paying([]report.Owed, string) {}

// Stopping implements [View]. The statuses tell.
func (j *JSON) Stopping(string, bool) {}

// Acknowledged implements [View].
func (j *JSON) Acknowledged(a report.Acknowledged) { line(j, "acknowledged", a) }

// Runs implements [View].
func (j *JSON) Runs(rows []report.Run) {
	for _, r := range rows {
		line(j, "run", r)
	}
}

// RunDetail implements [View]. Its tasks follow, an object each.
func (j *JSON) RunDetail(r report.RunDetail) {
	line(j, "run", r)
	for t := range details(r) {
		line(j, "task_detail", t)
	}
}

// Logs implements [View].
func (j *JSON) Logs(logs []event.Log) {
	for _, l := range logs {
		line(j, "log", l)
	}
}

// Backups implements [View].
func (j *JSON) Backups(sets []report.Backup) {
	for _, s := range sets {
		line(j, "backup", s)
	}
}

// Backup implements [View].
func (j *JSON) Backup(b report.BackupDetail) { line(j, "backup_detail", b) }

// Imported implements [View].
func (j *JSON) Imported(i report.Imported) { line(j, "imported", i) }

// Coverage implements [View]. What is covered comes before, an object each.
func (j *JSON) Coverage(c *report.Coverage) {
	for _, s := range c.Subjects {
		line(j, "coverage_subject", s)
	}
	line(j, "coverage", c)
}

// Schedule implements [View].
func (j *JSON) Schedule(s report.Schedule) { line(j, "schedule", s) }

// DrilledSet implements [View].
func (j *JSON) DrilledSet(s report.DrilledSet) { line(j, "drilled_set", s) }

// Drill implements [View].
func (j *JSON) Drill(d *report.Drill) {
	for _, s := range d.Sets {
		if s.Verdict == "" { // the others were told when they were drilled
			line(j, "drilled_set", s)
		}
	}
	line(j, "drill", d)
}

// Firings implements [View].
func (j *JSON) Firings(f report.Firings) { line(j, "firings", f) }

// PrunedBackups implements [View].
func (j *JSON) PrunedBackups(p report.PrunedBackups) { line(j, "pruned_backups", p) }

// Rehearsal implements [View].
func (j *JSON) Rehearsal(r report.Rehearsal) { line(j, "rehearsal", r) }

// Restore implements [View].
func (j *JSON) Restore(r report.Restore) { line(j, "restore", r) }

// Swept implements [View].
func (j *JSON) Swept(s report.Swept) { line(j, "swept", s) }

// BackupFault implements [View].
func (j *JSON) BackupFault(f report.BackupFault) { line(j, "backup_fault", f) }

// CheckedDestination implements [View].
func (j *JSON) CheckedDestination(d report.CheckedDestination) { line(j, "checked_destination", d) }

// FetchedBackup implements [View].
func (j *JSON) FetchedBackup(f report.FetchedBackup) { line(j, "fetched_backup", f) }

// Pack implements [View].
func (j *JSON) Pack(p report.Pack) { line(j, "pack", p) }

// Evidence implements [View].
func (j *JSON) Evidence(records []report.EvidenceRecord) {
	for _, r := range records {
		line(j, "evidence", r)
	}
}

// EvidenceRecord implements [View].
func (j *JSON) EvidenceRecord(d report.EvidenceDetail) { line(j, "evidence_record", d) }

// ExportedEvidence implements [View].
func (j *JSON) ExportedEvidence(e report.ExportedEvidence) { line(j, "exported_evidence", e) }

// VerifiedEvidence implements [View].
func (j *JSON) VerifiedEvidence(v report.VerifiedEvidence) { line(j, "verified_evidence", v) }

// Pruned implements [View].
func (j *JSON) Pruned(p report.Pruned) { line(j, "pruned", p) }

// Archive implements [View].
func (j *JSON) Archive(a report.Archive) { line(j, "archive", a) }

// Diff implements [View].
func (j *JSON) Diff(d report.Diff) {
	for _, x := range d.Differences {
		line(j, "difference", x)
	}
	line(j, "diff", d)
}

// Drift implements [View].
func (j *JSON) Drift(d report.Drift) { line(j, "drift", d) }

// Codes implements [View].
func (j *JSON) Codes(all []report.Explanation) {
	for _, e := range all {
		j.Explanation(e)
	}
}

// Explanation implements [View].
func (j *JSON) Explanation(e report.Explanation) { line(j, "code", e) }

// Plugins implements [View].
func (j *JSON) Plugins(all []report.Plugin) {
	for _, p := range all {
		line(j, "plugin", p)
	}
}

// Plugin implements [View].
func (j *JSON) Plugin(p schema.Plugin) { line(j, "plugin_schema", p) }

// NewPlugin implements [View].
func (j *JSON) NewPlugin(p report.NewPlugin) { line(j, "new_plugin", p) }

// PluginRule implements [View].
func (j *JSON) PluginRule(r report.PluginRule) { line(j, "plugin_rule", r) }

// PluginTest implements [View].
func (j *JSON) PluginTest(t report.PluginTest) { line(j, "plugin_test", t) }

// Fail implements [View].
func (j *JSON) Fail(f report.Failure) { line(j, "error", f) }

// Run implements [event.Sink].
func (j *JSON) Run(r event.RunInfo) { line(j, "run", r) }

// Status implements [event.Sink].
func (j *JSON) Status(s event.Status) { j.Statuses([]event.Status{s}) }

// Statuses implements [event.StatusesSink]: many are written at once.
func (j *JSON) Statuses(all []event.Status) {
	if j.quiet { // the results come with the summary
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var text []byte
	for i, s := range all {
		typ := "task_status"
		if s.Task == "" {
			typ = "run_status"
		}
		b, err := typed(typ, s)
		if text = append(text, b...); len(text) > writtenAtOnce || i == len(all)-1 {
			_, failed := j.out.Write(text)
			text, err = text[:0], cmp.Or(err, failed)
		}
		if err != nil && j.err == nil {
			j.err = err
		}
	}
}

// writtenAtOnce is about how many bytes of statuses are written in one go.
const writtenAtOnce = 32 << 10

// Progress implements [event.Sink].
func (j *JSON) Progress(p event.Progress) {
	if !j.quiet {
		line(j, "progress", p)
	}
}

// Log implements [event.Sink].
func (j *JSON) Log(l event.Log) {
	if !j.quiet {
		line(j, "log", l)
	}
}

// Summary implements [event.Sink]. The result of every task comes before it,
// an object each: lines stay short enough for a log.
func (j *JSON) Summary(s event.Summary) {
	for _, t := range s.Tasks {
		line(j, "task_summary", summarized(s.Run, t))
	}
	line(j, "summary", runSummary{s, len(s.Tasks)})
}

// Settled implements [event.Sink].
func (j *JSON) Settled(s event.Settled) { line(j, "settled", s) }

// LogWriter implements [View].
func (j *JSON) LogWriter() io.Writer { return harmlessWriter{j.stderr} }

// Close implements [View].
func (j *JSON) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}
