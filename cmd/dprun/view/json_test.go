package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestJSONIsOneObjectALineWithItsTypeFirst(t *testing.T) {
	t.Parallel()
	var s stage
	j := NewJSON(Options{Stdout: &s.out, Stderr: &s.err}, report.Version{Dprun: "1.2.3", Format: 1, PluginProtocol: 1, Go: "go1.26", OS: "linux", Arch: "amd64"})
	j.Diagnostics(diag.List{{Severity: diag.Warning, Code: diag.NoMatch, Summary: "s", Detail: "a < b"}})
	j.Run(event.RunInfo{Run: "01R", Plan: "nightly", Started: start})
	j.Status(entry("", "RUN_STARTED", 0, false))
	j.Status(entry("domains/fra-1/orders", "SUCCESS", 0, true))
	j.Progress(event.Progress{Run: "01R", Task: "t", Action: "capture/persisted/1", Bytes: 5, Time: start})
	j.Log(event.Log{Run: "01R", Task: "t", Time: start, Stream: "stdout", Text: "x\x1b"})
	j.Summary(event.Summary{Run: "01R", Plan: "nightly", Code: "SUCCESS", Started: start, Ended: start})
	j.Show([]report.Owed{{Run: "01R", Kind: "unquiesce", Device: "fra-1", Since: start, Commands: []string{"dprun recover"}}})
	j.Fail(report.Failure{Message: "no", ExitCode: 12})
	need.Done(t, j.Close())
	same(t, "standard output", s.out.String(), `{"type":"version","dprun":"1.2.3","format":1,"plugin_protocol":1,"go":"go1.26","os":"linux","arch":"amd64"}
{"type":"diagnostic","severity":"warning","code":"pattern-without-match","summary":"s","detail":"a < b"}
{"type":"run","run":"01R","plan":"nightly","started":"2026-11-23T21:40:00Z"}
{"type":"run_status","v":1,"run":"01R","seq":0,"plan":"nightly","code":"RUN_STARTED","final":false,"time":"2026-11-23T21:40:00Z"}
{"type":"task_status","v":1,"run":"01R","task":"domains/fra-1/orders","seq":0,"plan":"nightly","activity":"domains","device":"fra-1","domain":"orders","code":"SUCCESS","final":true,"time":"2026-11-23T21:40:00Z"}
{"type":"progress","run":"01R","task":"t","action":"capture/persisted/1","bytes":5,"time":"2026-11-23T21:40:00Z"}
{"type":"log","run":"01R","task":"t","time":"2026-11-23T21:40:00Z","stream":"stdout","text":"x\u001b"}
{"type":"summary","run":"01R","plan":"nightly","code":"SUCCESS","message":"","exit_code":0,"started":"2026-11-23T21:40:00Z","ended":"2026-11-23T21:40:00Z","succeeded":0,"failed":0,"cancelled":0,"skipped":0,"bytes":0,"tasks":0}
{"type":"owed","run":"01R","task":"","id":"","kind":"unquiesce","device":"fra-1","since":"2026-11-23T21:40:00Z","held":false,"commands":["dprun recover"],"acknowledge":""}
{"type":"error","message":"no","exit_code":12}
`)
	same(t, "standard error", s.err.String(), "")
}

func TestEveryResultIsValidJSONWithAType(t *testing.T) {
	t.Parallel()
	var s stage
	j := NewJSON(Options{Stdout: &s.out, Stderr: &s.err}, report.Version{})
	j.Show(report.Validation{})
	j.Show(report.Format{})
	j.Show(report.Preview{})
	j.Graph(report.Graph{}, GraphDOT)
	j.Show(report.Acknowledged{})
	j.Show([]report.Run{{}})
	j.Show(report.RunDetail{Run: report.Run{ID: "x"}, Details: tasks(report.Task{})})
	j.Show([]event.Log{{}})
	j.Show([]report.Backup{{}})
	j.Show(report.BackupDetail{Backup: report.Backup{Copies: []report.BackupCopy{}}})
	j.Show(report.Imported{})
	j.Show(report.BackupFault{})
	j.Show(report.CheckedDestination{})
	j.Show(report.FetchedBackup{})
	j.Show([]report.EvidenceRecord{{}})
	j.Show(report.EvidenceDetail{})
	j.Show(report.ExportedEvidence{})
	j.Show(report.VerifiedEvidence{Chains: []report.EvidenceChain{}})
	j.Show(report.Pack{})
	j.Show(report.Coverage{Subjects: []report.CoverageSubject{{}}})
	j.Show(report.Schedule{})
	j.Show(report.Drill{Left: map[string]int{}, Sets: []report.DrilledSet{{}}})
	j.Show(report.Firings{})
	j.Show(report.PrunedBackups{Sets: []report.PrunedSet{{Why: []string{"last"}}}})
	j.Show(report.Rehearsal{})
	j.Show(report.Restore{Steps: []report.RestoreStep{{}}})
	j.Show(report.Pruned{})
	j.Show(report.Swept{Destination: "d", Removed: []string{}})
	j.Show(report.Archive{Report: &archive.Report{}})
	j.Show(report.Diff{A: report.DiffSide{Domains: []string{}}, B: report.DiffSide{Domains: []string{}}, Differences: []archive.Difference{{}}})
	j.Show(report.Drift{})
	j.Show([]report.Explanation{{}})
	j.Show([]report.Plugin{{}})
	j.Show(schema.Plugin{})
	j.Show(report.NewPlugin{Files: []string{}})
	j.Show(report.PluginRule{})
	j.Show(report.PluginTest{})
	need.Done(t, j.Close())
	if out := s.out.String(); strings.Contains(out, ":null") {
		t.Errorf("null in the place of a list:\n%s", out)
	}
	var types []string
	for l := range strings.Lines(s.out.String()) {
		var o struct{ Type string }
		if err := json.Unmarshal([]byte(l), &o); err != nil {
			t.Errorf("%q: %v", l, err)
		}
		types = append(types, o.Type)
	}
	want := []string{"version", "validation", "format", "preview", "graph", "acknowledged", "run", "run", "task_detail", "log", "backup", "backup_detail", "imported", "backup_fault", "checked_destination", "fetched_backup", "evidence", "evidence_record", "exported_evidence", "verified_evidence", "pack", "coverage_subject", "coverage", "schedule", "drilled_set", "drill", "firings", "pruned_backups", "rehearsal", "restore", "pruned", "swept", "archive", "difference", "diff", "drift", "code", "plugin", "plugin_schema", "new_plugin", "plugin_rule", "plugin_test"}
	if d := cmp.Diff(want, types); d != "" {
		t.Errorf("types (-want +got):\n%s", d)
	}
}

// JSON allows characters to stand as they are that a terminal takes for a
// command or that turn the text around.
func TestJSONHoldsNothingThatSteersATerminal(t *testing.T) {
	t.Parallel()
	const evil = "a\u009b31m\u202eb\u2066c\x7fd"
	var out, log bytes.Buffer
	j := NewJSON(Options{Stdout: &out, Stderr: &log}, report.Version{})
	j.Fail(report.Failure{Message: evil, ExitCode: 1})
	slog.New(slog.NewJSONHandler(j.LogWriter(), nil)).Warn(evil)
	for where, text := range map[string]string{"standard output": out.String(), "log": log.String()} {
		if strings.ContainsAny(text, "\u009b\u202e\u2066\x7f") || !strings.Contains(text, `a\u009b31m\u202eb\u2066c\u007fd`) {
			t.Errorf("%s: %q", where, text)
		}
	}
	var back struct{ Message string }
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &back); err != nil || back.Message != evil {
		t.Errorf("read back: %q, %v", back.Message, err)
	}
}

// systemd's journal cuts lines at 48 KiB.
func TestNoLineOfASummaryIsTooLongForALog(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 10_000)
	sum := event.Summary{Run: "01R", Plan: "nightly", Code: "SUCCESS"}
	for i := range 300 {
		sum.Tasks = append(sum.Tasks, event.TaskResult{Task: fmt.Sprintf("domains/fra-1/%d", i), Code: "SUCCESS", Message: long})
	}
	worst := &sum.Tasks[7]
	for range 1000 {
		worst.Files = append(worst.Files, "sftp://vault.example.net/srv/backups/"+strings.Repeat("f", 200))
		worst.Causes = append(worst.Causes, event.Cause{Code: "EXECUTION_STORE_ERROR", Message: long})
		worst.Warnings = append(worst.Warnings, long)
	}
	var s stage
	j := NewJSON(Options{Stdout: &s.out}, report.Version{})
	j.Summary(sum)
	n := 0
	for l := range strings.Lines(s.out.String()) {
		if n++; len(l) > 44<<10 {
			t.Errorf("line %d has %d bytes: %.200s", n, len(l), l)
		}
	}
	if n != 302 || !strings.Contains(s.out.String(), `"omitted":2910`) || !strings.HasSuffix(s.out.String(), `"tasks":300}`+"\n") {
		t.Errorf("%d lines; the last ones: %s", n, s.out.String()[max(0, s.out.Len()-300):])
	}
}
