package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/golden"
	"github.com/dprun/dprun/testfixtures/need"
)

// start is when everything in these tests begins.
var start = time.Date(2026, 11, 23, 21, 40, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

// stage is a view with what it wrote and its clock.
type stage struct {
	out, err bytes.Buffer
	now      time.Time
}

func (s *stage) human(change func(*Options)) *Human {
	o := Options{Stdout: &s.out, Stderr: &s.err, Now: func() time.Time { return s.now }, Manual: true}
	s.now = start
	if change != nil {
		change(&o)
	}
	return NewHuman(o)
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func entry(task, code string, after time.Duration, final bool) event.Status {
	s := event.Status{V: 1, Run: "01R", Task: task, Plan: "nightly", Code: code, Time: at(after), Final: final}
	if task != "" {
		parts := strings.Split(task, "/")
		s.Activity, s.Device = parts[0], parts[1]
		if len(parts) > 2 {
			s.Domain = parts[2]
		}
	}
	return s
}

func TestOffATerminalATaskTakesFewLinesUnlessAllIsAskedFor(t *testing.T) {
	t.Parallel()
	for told, file := range map[Told]string{Steps: "steps", All: "all", Failures: "failures"} {
		var s stage
		h := s.human(func(o *Options) { o.Told = told })
		h.Run(event.RunInfo{Run: "01R", Plan: "nightly", Started: start})
		h.Status(entry("", "RUN_STARTED", 0, false))
		h.Status(entry("domains/fra-1/orders", "SENT_TO_MDB", 0, false))
		began := entry("domains/fra-1/orders", "EXECUTION_STARTED", time.Second, false)
		began.Message = "go"
		h.Status(began)
		h.Log(event.Log{Run: "01R", Task: "domains/fra-1/orders", Time: at(time.Second), Stream: "stderr", Text: "draining\n"})
		waits := entry("domains/fra-1/orders", "EXECUTION_WAITING_FOR_QUIESCE_GUARD", time.Second, false)
		waits.Message = "fra-2 is quiesced"
		h.Status(waits)
		h.Status(entry("domains/fra-1/orders", "EXECUTION_QUIESCE_STARTED", 2*time.Second, false))
		h.Status(entry("domains/fra-1/orders", "EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED", 3*time.Second, false))
		h.Status(entry("domains/fra-1/orders", "EXECUTION_UNQUIESCE_DONE", 4*time.Second, false))
		final := entry("domains/fra-1/orders", "SUCCESS", 5*time.Second, true)
		final.Message = "2 files"
		h.Status(final)
		final = entry("domains/fra-1/pay", "EXECUTION_STORE_ERROR", 5*time.Second, true)
		final.Message = "disk full"
		h.Status(final)
		s.now = at(time.Hour)
		if told == Failures {
			h.Tick()
		}
		need.Done(t, h.Close())
		golden.Same(t, "testdata/task-lines-"+file+".txt", s.err.String())
		same(t, "standard output", s.out.String(), "")
		for code, kept := range map[string]bool{"EXECUTION_STORE_ERROR: disk full": true, "SUCCESS": told != Failures, "SENT_TO_MDB": told == All} {
			if strings.Contains(s.err.String(), code) != kept {
				t.Errorf("%s: a line with %s, want %v", file, code, kept)
			}
		}
	}
}

func TestTasksThatASignalCancelsAreOneLineAndNotDone(t *testing.T) {
	t.Parallel()
	var s stage
	h := s.human(nil)
	h.Run(event.RunInfo{Run: "01R", Plan: "nightly", Started: start})
	sum := event.Summary{Run: "01R", Plan: "nightly", Code: "PLAN_CANCELED_BY_USER", Message: "12 of 108 tasks succeeded, 96 cancelled", ExitCode: 130, Started: start, Ended: at(time.Minute)}
	for i := range 12 {
		task := fmt.Sprintf("domains/fra-1/d%03d", i)
		h.Status(entry(task, "SUCCESS", time.Second, true))
		sum.Tasks = append(sum.Tasks, event.TaskResult{Task: task, Activity: "domains", Device: "fra-1", Code: "SUCCESS", Duration: time.Duration(i) * time.Second, Bytes: 1000, Files: []string{"/b/" + task}})
	}
	s.err.Reset()
	calledOff := entry("domains/fra-2/d000", "EXECUTION_CANCELED_BY_USER", 2*time.Second, false)
	h.Status(calledOff) // what it has quiesced is brought back before it ends
	for i := range 96 {
		st := entry(fmt.Sprintf("domains/fra-2/d%03d", i), "EXECUTION_CANCELED_BY_USER", 2*time.Second, true)
		st.Message = "cancelled by SIGINT"
		h.Status(st)
		sum.Tasks = append(sum.Tasks, event.TaskResult{Task: st.Task, Activity: "domains", Device: "fra-2", Code: st.Code, Message: st.Message})
	}
	same(t, "before it is known how many", s.err.String(), "")
	s.now = at(30 * time.Second)
	h.Tick()
	h.Tick()
	if got := s.err.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "96 tasks EXECUTION_CANCELED_BY_USER") {
		t.Errorf("it is not one line: %s", got)
	}
	same(t, "how it stands", h.track.overall(s.now), "12 of 108 tasks done · 96 cancelled · 30s")
	h.Summary(sum)
	golden.Same(t, "testdata/canceled.txt", s.err.String()+s.out.String())
}

func TestQuietSaysOnlyWhatDoesNotGoWell(t *testing.T) {
	t.Parallel()
	quiet := func(o *Options) { o.Told = Failures }
	good := event.Summary{Run: "01R", Plan: "nightly", Code: "SUCCESS", Tasks: []event.TaskResult{{Task: "domains/fra-1/orders", Code: "SUCCESS"}}}
	var s stage
	h := s.human(quiet)
	h.Summary(good)
	same(t, "a good run", s.out.String()+s.err.String(), "")
	good.Tasks[0].Warnings = []string{"unsaved changes"}
	h.Summary(good)
	if out := s.out.String(); !strings.Contains(out, "domains/fra-1/orders: unsaved changes") || !strings.Contains(out, "nightly: SUCCESS") {
		t.Errorf("a warning is kept back:\n%s", out)
	}
	s.out.Reset()
	h.Summary(summary())
	if out := s.out.String(); !strings.Contains(out, "connection refused") || strings.Contains(out, "ACTIVITY") || strings.Contains(out, "Files") {
		t.Errorf("not what went wrong alone:\n%s", out)
	}
}

func TestASilentRunGivesASignOfLifeEveryHalfMinute(t *testing.T) {
	t.Parallel()
	var s stage
	h := s.human(nil)
	h.Run(event.RunInfo{Run: "01R", Plan: "nightly", Started: start})
	h.Status(entry("domains/fra-1/orders", "EXECUTION_STARTED", 0, false))
	h.Progress(event.Progress{Run: "01R", Task: "domains/fra-1/orders", Action: "capture/persisted/1", Bytes: 1000, Total: 1_000_000_000, Time: at(20 * time.Second)})
	h.Progress(event.Progress{Run: "01R", Task: "domains/fra-1/orders", Action: "capture/persisted/1", Bytes: 50_001_000, Total: 1_000_000_000, Time: at(25 * time.Second)})
	s.err.Reset()
	s.now = at(29 * time.Second)
	h.Tick()
	same(t, "before it is time", s.err.String(), "")
	s.now = at(30 * time.Second)
	h.Tick()
	h.Tick()
	same(t, "after half a minute", s.err.String(),
		"2026-11-23T21:40:30Z still running: 0 of 1 task done · 1 under way · 5.0 MB/s · 30s; domains/fra-1/orders capturing for 30s (50.0 MB of 1.0 GB, 5.0 MB/s)\n")
	s.err.Reset()
	s.now = at(45 * time.Second)
	h.Status(entry("domains/fra-1/orders", "EXECUTION_EXPORT_DOMAIN_STARTED", 45*time.Second, false))
	s.err.Reset()
	s.now = at(60 * time.Second)
	h.Tick()
	same(t, "15 s after a line", s.err.String(), "")
}

func TestOnATerminalOnlyResultsStayAndTheRestIsRedrawn(t *testing.T) {
	t.Parallel()
	var s stage
	h := s.human(func(o *Options) { o.Live, o.Size = true, func() (int, int) { return 70, 24 } })
	h.Run(event.RunInfo{Run: "01R", Plan: "nightly", Started: start})
	h.Status(entry("domains/fra-1/orders", "EXECUTION_STARTED", 0, false))
	h.Status(entry("domains/fra-1/pay", "EXECUTION_STARTED", 0, false))
	s.err.Reset()
	s.now = at(10 * time.Second)
	h.Tick()
	drawn := s.err.String()
	for _, want := range []string{"  domains/fra-1/orders  starting  10s\x1b[K\n", "nightly: 0 of 2 tasks done · 2 under way · 10s\x1b[K\n"} {
		if !strings.Contains(drawn, want) {
			t.Errorf("%q is not drawn in %q", want, drawn)
		}
	}
	s.err.Reset()
	h.Status(entry("domains/fra-1/orders", "SUCCESS", 10*time.Second, true))
	same(t, "a result", s.err.String(), "\x1b[3A\r\x1b[J2026-11-23T21:40:10Z domains/fra-1/orders SUCCESS\n"+
		"  domains/fra-1/pay  starting  10s\x1b[K\nnightly: 1 of 2 tasks done · 1 under way · 10s · about 10s left\x1b[K\n")
	s.err.Reset()
	need.Done(t, h.Close())
	same(t, "the end", s.err.String(), "\x1b[2A\r\x1b[J")
}

func TestTheScreenNeverGrowsBeyondTheTerminal(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{1, 3, 6, 50} {
		var s stage
		h := s.human(func(o *Options) { o.Live, o.Size = true, func() (int, int) { return 40, rows } })
		h.Run(event.RunInfo{Run: "01R", Plan: "nightly", Started: start})
		for _, d := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
			h.Status(entry("domains/a-device-with-a-rather-long-name/"+d, "EXECUTION_STARTED", 0, false))
		}
		s.err.Reset()
		h.screen.drawn = 0
		h.Tick()
		lines := strings.Split(strings.TrimSuffix(s.err.String(), "\n"), "\n")
		if most := max(1, min(10, rows-2)); len(lines) > most {
			t.Errorf("%d rows: %d lines are drawn, want at most %d", rows, len(lines), most)
		}
		for _, l := range lines {
			if w := width(strings.TrimSuffix(l, "\x1b[K")); w > 39 {
				t.Errorf("%d rows: a line takes %d of 40 columns: %q", rows, w, l)
			}
		}
	}
}

func summary() event.Summary {
	return event.Summary{
		Run: "01R", Plan: "nightly", Code: "RUN_PARTLY_FAILED", Message: "1 of 3 task(s) succeeded", ExitCode: 3, Started: start, Ended: at(123 * time.Second),
		Bytes: 4_200_000, Succeeded: 1, Failed: 1, Skipped: 1,
		Tasks: []event.TaskResult{
			{Task: "domains/fra-1/orders", Activity: "domains", Device: "fra-1", Domain: "orders", Code: "SUCCESS", Duration: 12 * time.Second, Bytes: 4_200_000,
				Files: []string{"sftp://vault/srv/fra-1/orders.zip"}, Warnings: []string{"unsaved changes"}},
			{Task: "domains/fra-1/zahlung-übersee", Activity: "domains", Device: "fra-1", Domain: "zahlung-übersee", Code: "EXECUTION_PRE_CHECKS_DEVICE_NOT_AVAILABLE", Duration: 1500 * time.Millisecond,
				Message: "connection refused", Causes: []event.Cause{{Code: "FAILED_NO_FILES_DOWNLOADED", Message: "nothing was captured"}}},
			{Task: "domains/fra-2", Activity: "domains", Device: "fra-2", Code: "SKIPPED_DEVICE_NOT_AVAILABLE"},
		},
	}
}

// In a log that holds both streams the line of a task that failed stands once.
func TestWhatWasSaidAtTheSamePlaceIsNotSaidAgain(t *testing.T) {
	t.Parallel()
	failed := func(task, message string) event.Status {
		st := entry(task, "STORE_FAILED", 0, true)
		st.Message = message
		return st
	}
	sum := event.Summary{Run: "01R", Plan: "nightly", Code: "PLAN_COMPLETED", ExitCode: 1, Started: start, Ended: start, Tasks: []event.TaskResult{
		{Task: "d/a/one", Code: "STORE_FAILED", Message: "no room"},
		{Task: "d/a/two", Code: "STORE_FAILED", Message: "no room either"},
		{Task: "d/a/three", Code: "STORE_FAILED", Message: "no room", Causes: []event.Cause{{Code: "POST_SCRIPT_ERROR"}}},
	}}
	const (
		one   = "  d/a/one  STORE_FAILED\n    no room\n"
		two   = "  d/a/two  STORE_FAILED\n    no room either\n    stderr| full\n"
		three = "  d/a/three  STORE_FAILED\n    no room\n    also POST_SCRIPT_ERROR\n"
		last  = "  dprun explain CODE says what a code means and what to do.\n"
		title = "\nWhat went wrong\n"
	)
	for want, o := range map[string]Options{
		title + one + two + three + last:       {Told: Failures},
		title + two + three + last:             {Told: Failures, Together: true},
		title + one + two + three + last + " ": {Told: Failures, Together: true, Live: true},
	} {
		var s stage
		h := s.human(func(to *Options) { to.Told, to.Together, to.Live = o.Told, o.Together, o.Live })
		h.Run(event.RunInfo{Run: "01R", Plan: "nightly", Started: start})
		h.Log(event.Log{Run: "01R", Task: "d/a/two", Time: start, Stream: "stderr", Text: "full"})
		h.Status(failed("d/a/one", "no room"))
		h.Status(failed("d/a/two", "no room either"))
		h.Status(failed("d/a/three", "no room"))
		h.Summary(sum)
		got, _, _ := strings.Cut(s.out.String(), "\nnightly:")
		same(t, "the section", got, strings.TrimSuffix(want, " "))
	}
}

func TestASummaryTellsTheExitCodeOfTheProcessAndWhy(t *testing.T) {
	t.Parallel()
	sum := event.Summary{Run: "02R", Plan: "nightly", Code: "PLAN_COMPLETED", Started: start, Ended: start, ProcessExit: 16, ProcessWhy: "the journal does not know run 01R"}
	for _, told := range []Told{Steps, Failures} {
		var s stage
		s.human(func(o *Options) { o.Told = told }).Summary(sum)
		same(t, "the last line", s.out.String(), "\nnightly: PLAN_COMPLETED, in 0ms (run 02R, exit code 16 instead of 0, as the journal does not know run 01R)\n")
	}
}

func TestASummarySaysEverythingOnceMore(t *testing.T) {
	t.Parallel()
	var s stage
	h := s.human(nil)
	h.Run(event.RunInfo{Run: "01R", Plan: "nightly", Started: start})
	h.Log(event.Log{Run: "01R", Task: "domains/fra-1/zahlung-übersee", Time: start, Stream: "stderr", Text: "no route"})
	h.Summary(summary())
	golden.Same(t, "testdata/summary.txt", s.out.String())
}

func TestWhatIsOwedComesLast(t *testing.T) {
	t.Parallel()
	owed := report.Owed{Run: "01R", Task: "domains/fra-1/orders", Kind: "unquiesce", Device: "fra-1", Domain: "orders", Since: at(-time.Minute),
		LastError: "no answer", DeviceCommands: []string{"domain-unquiesce orders"}, Commands: []string{"dprun recover"}}
	sum := summary()
	sum.Owed = []string{"domain orders of fra-1: dprun recover"}
	t.Run("from the obligation", func(t *testing.T) {
		t.Parallel()
		var s stage
		h := s.human(nil)
		h.Summary(sum)
		h.Show([]report.Owed{owed})
		need.Done(t, h.Close())
		_, last, _ := strings.Cut(s.out.String(), "exit code 3)\n")
		golden.Same(t, "testdata/summary-owed.txt", last)
		if !strings.Contains(last, "domain-unquiesce orders\n") || !strings.HasSuffix(last, "dprun recover\n") {
			t.Errorf("it does not say what to type: %s", last)
		}
	})
	t.Run("from the run's own words", func(t *testing.T) {
		t.Parallel()
		var s stage
		h := s.human(nil)
		h.Summary(sum)
		need.Done(t, h.Close())
		_, last, _ := strings.Cut(s.out.String(), "exit code 3)\n")
		golden.Same(t, "testdata/summary-owed-briefly.txt", last)
		if !strings.HasSuffix(last, "domain orders of fra-1: dprun recover\n") {
			t.Errorf("it does not end with what to type: %s", last)
		}
	})
}

func TestTextFromOutsideCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	evil := "a\x1b[2J\x9b1mb\u202ec\rd\ne\x07\u2028f"
	var s stage
	h := s.human(nil)
	h.Run(event.RunInfo{Run: evil, Plan: evil, Started: start})
	st := entry("a/"+evil+"/"+evil, evil, 0, true)
	st.Message = evil
	h.Status(st)
	h.Log(event.Log{Run: evil, Task: evil, Stream: evil, Text: evil})
	h.Progress(event.Progress{Task: st.Task, Action: "store/" + evil})
	h.Summary(event.Summary{Run: evil, Plan: evil, Code: evil, Message: evil, Owed: []string{evil}, Tasks: []event.TaskResult{{Task: evil, Activity: evil, Device: evil,
		Domain: evil, Code: evil, Message: evil, Files: []string{evil}, Warnings: []string{evil}, Causes: []event.Cause{{Code: evil, Message: evil}}}}})
	h.Diagnostics(diag.List{{Severity: diag.Error, Code: diag.Syntax, Summary: evil, Detail: evil, Range: &diag.Range{Filename: evil}}})
	h.Show(report.Preview{Plan: evil, Window: evil, Destinations: map[string]*sdk.DestinationReport{evil: {Location: evil, Warnings: []string{evil}}},
		Tasks: []report.PreviewTask{{Task: evil, Activity: evil, Device: evil, Domain: evil, Code: evil, Message: evil, Disruptive: evil, Paths: map[string]string{evil: evil}}}})
	h.Show([]report.Owed{{Run: evil, Task: evil, Kind: evil, Device: evil, Domain: evil, LastError: evil, Commands: []string{evil}}})
	h.Show([]report.Run{{ID: evil, Plan: evil, Code: evil}})
	h.Show(report.RunDetail{Run: report.Run{ID: evil}, History: []event.Status{st}, Details: tasks(report.Task{Task: evil, Code: evil, Files: []string{evil},
		History: []event.Status{{Code: evil, Message: evil, Causes: []event.Cause{{Code: evil, Message: evil}}, Warnings: []string{evil}}}}),
		Staged: []report.Staged{{Run: evil, Task: evil, Path: evil}}})
	h.Show([]event.Log{{Task: evil, Stream: evil, Text: evil}})
	set := report.Backup{Set: evil, Plan: evil, Run: evil, Task: evil, Activity: evil, ActivityType: evil, Device: evil, Domain: evil, Origin: evil,
		Copies: []report.BackupCopy{{Destination: evil, Root: evil, Path: evil, State: evil, Verified: evil}, {State: "whole", Destination: evil}}}
	h.Show([]report.Backup{set})
	h.Show(report.BackupDetail{Backup: set, Identity: evil, StateID: evil, SHA256: evil, Files: []report.BackupFile{{File: evil, Variant: evil, SHA256: evil}},
		Withheld: []string{evil}, Warnings: []string{evil}, Imports: []report.Proof{{Set: evil, Device: evil, Why: evil}}, Facts: need.Value(json.Marshal(map[string]string{"firmware": evil, "model": evil}))(t)})
	h.Show(report.Rehearsal{Device: evil, Domain: evil, Archive: evil, Findings: []sdk.Finding{{Check: evil, Level: sdk.LevelError, Subject: evil, Message: evil, Remedy: evil}},
		Changes: []sdk.Change{{Effect: sdk.EffectNew, Class: evil, Name: evil}}})
	h.Show(report.Restore{Run: evil, Device: evil, Domain: evil, Archive: evil, WayBack: evil, By: evil, Reason: evil, End: evil, Why: evil,
		Steps: []report.RestoreStep{{Phase: evil, Answer: evil, Why: evil}}})
	h.Show(report.Imported{Destination: evil, Root: evil, Refused: []report.RefusedManifest{{Path: evil, Why: evil}}, Error: evil})
	h.Show(report.BackupFault{Destination: evil, Kind: evil, Set: evil, Device: evil, Domain: evil, Path: evil, Why: evil, Remedy: evil})
	h.Show(report.CheckedDestination{Destination: evil, Root: evil})
	for _, existed := range []bool{false, true} {
		h.Show(report.Pack{Device: evil, Dir: evil, Sets: []report.PackedSet{{Set: evil, Domain: evil, Activity: evil, Dir: evil}}, Missing: []report.Unpacked{{Domain: evil, Activity: evil, Why: evil}}})
		h.Show(report.FetchedBackup{Set: evil, Device: evil, Domain: evil, Captured: evil, Destination: evil, Dir: evil, Files: []string{evil}, Existed: existed})
	}
	h.Show([]report.EvidenceRecord{{Kind: evil, User: evil, Host: evil, Change: evil, Plan: evil, Run: evil, Code: evil}})
	h.Show(report.EvidenceDetail{Record: evidence.Record{Kind: evil, User: evil, Host: evil, Change: evil, Plan: evil, Run: evil, Code: evil, Previous: evil,
		Program: evidence.Program{Version: evil}, Plugins: []evidence.Program{{Name: evil, SHA256: evil}}, Files: []evidence.File{{File: evil, SHA256: evil}},
		Outages: []evidence.Outage{{Device: evil, Domain: evil}}, Tasks: []evidence.Task{{Task: evil, Code: evil}}, Copies: []evidence.Copy{{Set: evil, Destination: evil, Root: evil, Path: evil}},
		Actions: []evidence.Action{{Device: evil, Domain: evil, Run: evil, Set: evil, Destination: evil, Outcome: evil, Why: evil}}}})
	h.Show(report.ExportedEvidence{Dir: evil})
	h.Show(report.VerifiedEvidence{Chains: []report.EvidenceChain{{StateID: evil, Keys: []string{evil}}}, Faults: []report.EvidenceFault{{Kind: evil, File: evil, Why: evil}}})
	h.Show(report.Coverage{Plan: evil, Subjects: []report.CoverageSubject{{Activity: evil, Device: evil, Domain: evil, State: "none", Code: evil, Why: evil},
		{Activity: evil, Device: evil, Domain: evil, State: "excluded", Why: evil}, {Device: evil, Domain: evil, State: "stale", Proof: evil, Origin: evil, Set: evil, Import: &report.Proof{Set: evil, Device: evil, Why: evil}}}})
	h.Show(report.Firings{Server: &report.Server{Host: evil, Plans: evil, Running: true, Broken: []report.BrokenPlan{{Path: evil, Why: evil}}}, Due: []report.Firing{{Plan: evil, Verdict: evil, Run: evil, Message: evil}}})
	h.Show(report.Schedule{Plan: evil})
	h.Show(report.Schedule{Plan: evil, Rules: []report.ScheduleRule{{Cron: evil, Timezone: evil}}, Next: []report.DueTime{{Outside: true}}})
	h.Show(report.DrilledSet{Set: evil, Device: evil, Domain: evil, As: evil, Verdict: "failed", Why: []string{evil}, Left: evil, Running: true})
	h.Show(report.Drill{Plan: evil, Drill: evil, Device: evil, Stopped: evil, Sets: []report.DrilledSet{{Set: evil, Device: evil, Domain: evil, Activity: evil}}})
	h.Show(report.Pruned{Runs: []string{evil}, Kept: []report.KeptRun{{Run: evil}}, Staged: []report.Staged{{Task: evil}}})
	h.Show(report.Archive{File: evil, Error: evil, Report: &archive.Report{Domains: []string{evil}, Made: evil, Device: archive.Device{Name: evil}, Findings: []archive.Finding{{Entry: evil, Text: evil}}}})
	side := report.DiffSide{File: evil, Domains: []string{evil}, Device: archive.Device{Name: evil}, Made: evil}
	h.Show(report.Diff{A: side, B: side, Differences: []archive.Difference{{Domain: evil, What: archive.WhatObject, Change: archive.Changed, Class: evil, Name: evil,
		Properties: []archive.Property{{Path: evil, Change: archive.Changed, Old: evil, New: evil}}}, {What: archive.WhatFile, Change: archive.Added, Name: evil, Text: evil}}})
	h.Show(report.Drift{Device: evil, Domain: evil, State: report.DriftUnknown, Why: evil})
	h.Show([]report.Plugin{{Name: evil, Version: evil, Sources: []string{evil}}})
	h.Show(schema.Plugin{Name: evil, Version: evil, Doc: evil, Env: []string{evil}, Hooks: []schema.HookType{{Name: evil, Doc: evil,
		Config: schema.Block{Attributes: []schema.Attribute{{Name: evil, Doc: evil, Default: evil, OneOf: []string{evil}, Deprecated: evil}}}}}})
	h.Show(report.Validation{Valid: true, Labels: []report.LabelCount{{Label: evil, Value: evil}}, Plans: []report.PlanCount{{Plan: evil}}, Groups: map[string]int{evil: 1}, Single: []string{evil}})
	h.Show(report.Format{File: evil, Changed: true})
	h.Show(report.Format{File: evil, Changed: true, Diff: "+" + evil})
	h.Show(report.Explanation{Code: evil, Meaning: evil})
	h.Show([]report.Explanation{{Code: evil, Meaning: evil}})
	h.Show(report.PrunedBackups{Destination: evil, Root: evil, Retention: evil, Error: evil,
		Sets: []report.PrunedSet{{Set: evil, Device: evil, Domain: evil, Activity: evil, Outcome: report.Outcome(evil), Why: []string{evil}, Error: evil}}})
	h.Show(report.Swept{Destination: evil, Removed: []string{evil}, Error: evil})
	h.Fail(report.Failure{Message: evil})
	need.Value(h.LogWriter().Write([]byte(evil)))(t)
	need.Done(t, h.Close())
	for name, got := range map[string]string{"standard output": s.out.String(), "standard error": s.err.String()} {
		if got == "" {
			t.Errorf("%s is empty", name)
		}
		for _, r := range got {
			if r != '\n' && Clean(string(r)) != string(r) {
				t.Errorf("%s holds %q", name, r)
			}
		}
	}
}

// tasks are the details of a run.
func tasks(all ...report.Task) iter.Seq2[report.Task, error] {
	return func(yield func(report.Task, error) bool) {
		for _, t := range all {
			if !yield(t, nil) {
				return
			}
		}
		yield(report.Task{Task: "no task"}, errors.New("the journal is damaged from here on"))
	}
}

func TestATimelineSaysWhenAndHowLong(t *testing.T) {
	t.Parallel()
	var s stage
	h := s.human(nil)
	code := 0
	last := entry("domains/fra-1/orders", "SUCCESS", 3500*time.Millisecond, true)
	last.Message, last.Warnings = "1 file", []string{"unsaved changes"}
	h.Show(report.RunDetail{
		Run:     report.Run{ID: "01R", Plan: "nightly", Code: "SUCCESS", Final: true, ExitCode: &code, Started: start, Ended: at(4 * time.Second), Tasks: 1, Succeeded: 1},
		History: []event.Status{entry("", "SUCCESS", 4*time.Second, true)},
		Details: tasks(report.Task{Task: "domains/fra-1/orders", Code: "SUCCESS", Final: true, Files: []string{"/b/orders.zip"}, History: []event.Status{
			entry("domains/fra-1/orders", "WAITING_FOR_PRE_VALIDATION", 0, false), entry("domains/fra-1/orders", "EXECUTION_STARTED", time.Second, false), last,
		}}),
		Staged: []report.Staged{{Run: "01R", Task: "domains/fra-1/pay", Path: "01R/x", Files: 1, Bytes: 1234}},
	})
	golden.Same(t, "testdata/timeline.txt", s.out.String())
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = &json.UnsupportedValueError{Str: "no space"}

func TestALostResultIsReported(t *testing.T) {
	t.Parallel()
	j := NewJSON(Options{Stdout: full{}, Stderr: &bytes.Buffer{}}, report.Version{})
	if err := j.Close(); err != errFull {
		t.Errorf("JSON: got %v", err)
	}
	h := NewHuman(Options{Stdout: full{}, Stderr: &bytes.Buffer{}, Manual: true})
	h.Show(report.Version{})
	if err := h.Close(); err != errFull {
		t.Errorf("human: got %v", err)
	}
}

func TestColourIsOnlyThereWhenAskedFor(t *testing.T) {
	t.Parallel()
	var s stage
	h := s.human(func(o *Options) { o.ColorStdout = true })
	h.Summary(summary())
	h.Diagnostics(diag.List{{Severity: diag.Error, Summary: "x"}})
	if !strings.Contains(s.out.String(), "\x1b[32mSUCCESS\x1b[0m") {
		t.Errorf("no colour on standard output: %q", s.out.String())
	}
	if strings.Contains(s.err.String(), "\x1b") {
		t.Errorf("colour on standard error: %q", s.err.String())
	}
}

func TestNothingToRecoverIsSaidToAPersonOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Options)
		said   bool
	}{
		"a scheduler": {nil, false},
		"a terminal":  {func(o *Options) { o.Size = func() (int, int) { return 80, 24 } }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s stage
			h := s.human(c.change)
			h.NothingToRecover()
			need.Done(t, h.Close())
			same(t, "standard output", s.out.String(), "")
			if got := s.err.String(); strings.Contains(got, "othing to recover") != c.said || !c.said && got != "" {
				t.Errorf("it says %q", got)
			}
		})
	}
}

func TestAReportNamesTheManifestThatASetWasComparedWith(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	writeReport(&b, painter(false), &archive.Report{Kind: archive.KindSecureBackup, AsListedIn: []string{"gw-secure-backup.dprun.json"}})
	if want := "  as listed in gw-secure-backup.dprun.json\n"; !strings.Contains(b.String(), want) {
		t.Errorf("%q lacks %q", b.String(), want)
	}
}

func TestARunsWarningsAreShownWhenItStarts(t *testing.T) {
	t.Parallel()
	s := &stage{}
	h := s.human(nil)
	h.Status(event.Status{Run: "r", Plan: "p", Code: "PLAN_STARTED", Time: start, Message: "1 task(s), 1 to run", Warnings: []string{"destination sftp.vault: copies have mode 0644\x1b"}})
	if got := s.err.String(); !strings.Contains(got, "1 to run\n  warning: destination sftp.vault: copies have mode 0644") || strings.Contains(got, "\x1b") {
		t.Errorf("it shows %q", got)
	}
}
