// Package site simulates a server with fixed answers, from which pages can be made. It
// has no runner and no gateways.
package site

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

// Names are what a device, domain, plan or file may be called.
type Names struct{ Device, Domain, Plan, File string }

// What things are called at a site.
var (
	Plain   = Names{"gw-a", "app01", "nightly", "/etc/dprun/plans/nightly.hcl"}
	Hostile = Names{`<img src=x onerror=alert(1)>"'`, `</td><script>alert(1)</script>`, `a"b' onmouseover="x`, "/p/<b>\u202egnp.hcl"}
	Long    = Names{strings.Repeat("d", 300), strings.Repeat("very-", 60), strings.Repeat("p", 200), "/" + strings.Repeat("f", 400)}
)

// Now is when all of it is so.
var Now = time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)

// Site is a server whose answers are given; nothing stands behind it.
type Site struct {
	Names
	Empty bool // it has nothing
	Rows  int  // how long its lists are; 0: 4

	mu    sync.Mutex
	asked []any
	fails error
}

// Asked is what the site was asked to do, by name or by request.
func (s *Site) Asked() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Fail makes everything that the site is asked to do fail.
func (s *Site) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

func (s *Site) call(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails == nil {
		s.asked = append(s.asked, v)
	}
	return s.fails
}

func (s *Site) Plans(context.Context) ([]report.ServedPlan, error) {
	if s.Empty {
		return nil, nil
	}
	last := s.someRun("SUCCESS", true)
	return []report.ServedPlan{
		{Plan: s.Plan, File: s.File, Rules: []report.ScheduleRule{{Cron: "30 2 * * *", Timezone: "Europe/Berlin", Jitter: time.Minute, Missed: "run_once"}},
			Next: &report.DueTime{Due: Now.Add(time.Hour), Start: Now.Add(61 * time.Minute)}, Window: "night", FourEyes: true, Devices: map[string]map[string]string{s.Device: {"site": "fra"}}, Running: "01RUNNING", LastRun: &last},
		{File: s.File + "x", Broken: &report.BrokenPlan{Path: s.File + "x", Since: Now.Add(-time.Hour), Why: "line 3: " + s.Plan}},
	}, nil
}
func (s *Site) Source(string) (runner.Source, error) { return runner.Source{}, nil }
func (s *Site) Start(_ context.Context, q runner.StartRequest) (report.Started, error) {
	return report.Started{Run: "01RUNNING"}, s.call(q)
}
func (s *Site) Started(_ context.Context, run string) (report.Started, error) {
	if run != "01ASKED" {
		return report.Started{}, &runner.Error{ExitCode: runner.ExitUsage, Err: report.NotServed}
	}
	return report.Started{Run: run, Plan: s.Plan, By: "anna", At: Now}, nil
}
func (s *Site) Cancel(_ context.Context, q runner.CancelRequest) error { return s.call(q) }
func (s *Site) BringBack(_ context.Context, by string) (*report.Result, error) {
	return nil, s.call(by)
}
func (s *Site) Hold(_ context.Context, q runner.HoldRequest) (report.Hold, error) {
	return report.Hold{}, s.call(q)
}
func (s *Site) Pause(_ context.Context, q runner.PauseRequest) (*report.Pause, error) {
	return nil, s.call(q)
}
func (s *Site) Approvals(context.Context) ([]report.Approval, error) {
	if s.Empty {
		return nil, nil
	}
	a := report.Approval{ID: "01WAITS", Action: report.ActionStart, Plan: s.Plan, File: s.File, Only: "device=" + s.Device, Plans: []string{s.Plan}, Since: Now.Add(-10 * time.Minute), Until: Now.Add(20 * time.Minute),
		By: "berta" + s.Domain, Reason: s.Domain, Change: s.Plan, State: "waiting", Who: "sub-berta"}
	release := a
	release.ID, release.Action, release.Plan, release.Plans = "01RELEASE", report.ActionRelease, "", nil
	over := a
	over.ID, over.State, over.Run, over.Decided, over.DecidedBy, over.Why, over.Message = "01OVER", "approved", "01RUNNING", Now.Add(-time.Minute), "otto"+s.Domain, s.Domain, s.Domain
	return []report.Approval{a, release, over}, nil
}
func (s *Site) Decide(_ context.Context, q runner.DecideRequest) (report.Approval, error) {
	return report.Approval{ID: q.ID, Run: "01RUNNING"}, s.call(q)
}
func (s *Site) Acknowledge(_ context.Context, q runner.AcknowledgeRequest) (report.Acknowledged, error) {
	return report.Acknowledged{}, s.call(q)
}

func (s *Site) rows() int { return cmp.Or(s.Rows, 4) }

func (s *Site) someRun(code string, final bool) report.Run {
	exit := 3
	r := report.Run{ID: "01RUNNING", Plan: s.Plan, Code: code, Final: final, Started: Now.Add(-20 * time.Minute), Tasks: 3, Succeeded: 1, Narrowed: true, Only: "device=" + s.Device}
	if final {
		r.ID, r.ExitCode, r.Ended = "01ENDED", &exit, Now.Add(-time.Minute)
	}
	return r
}

func (s *Site) Runs(_ context.Context, q runner.RunsRequest) iter.Seq2[report.Run, error] {
	return func(yield func(report.Run, error) bool) {
		for i := 0; !s.Empty && i < s.rows(); i++ {
			r := s.someRun("PLAN_PARTLY_FAILED", i > 0)
			if q.Plan != "" && q.Plan != r.Plan {
				continue
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (s *Site) Run(_ context.Context, ref string) (report.RunDetail, error) {
	if s.Empty || ref == "none" || ref == "01ASKED" {
		return report.RunDetail{}, &runner.Error{ExitCode: runner.ExitUsage, Err: errors.New("there is no run " + ref)}
	}
	d := report.RunDetail{Run: s.someRun("PLAN_STARTED", ref == "01ENDED"), History: []event.Status{{Code: "PLAN_STARTED", Time: Now.Add(-20 * time.Minute), Warnings: []string{s.Device}}},
		Rooms: []report.Room{{Destination: s.File, Free: 10, Total: 100, At: Now, FillsIn: time.Hour}, {Destination: "x", Free: -1, Total: -1, At: Now}},
		Stops: []report.Stop{{Device: s.Device, Since: Now, Environment: "env=prod"}}}
	d.Details = func(yield func(report.Task, error) bool) {
		for _, code := range []string{"SUCCESS", "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR", "EXECUTION_STARTED"} {
			t := report.Task{Task: s.Device + "/" + code, Device: s.Device, Domain: s.Domain, Code: code, Final: code != "EXECUTION_STARTED", Files: []string{s.File},
				History: []event.Status{{Code: "READY_FOR_EXECUTION", Time: Now.Add(-time.Minute)}, {Code: code, Time: Now, Message: s.Domain, Causes: []event.Cause{{Code: "X", Message: s.Device}}}}}
			if !yield(t, nil) {
				return
			}
		}
	}
	return d, nil
}

// Timeline gives tasks of a run that has not ended.
func (s *Site) Timeline(context.Context, runner.TimelineRequest) (report.Timeline, error) {
	ago := func(m int) time.Time { return Now.Add(-time.Duration(m) * time.Minute) }
	return report.Timeline{Run: s.someRun("PLAN_STARTED", false), Next: s.Device, Tasks: []report.TimelineTask{{Task: s.Device + "/" + s.Domain, Device: s.Device, Domain: s.Domain, Steps: []report.Step{
		{Code: "READY_FOR_EXECUTION", Doing: "waits", Begin: ago(20), End: ago(15)}, {Code: "EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED", Doing: "captures", Begin: ago(15), End: ago(5)}, {Code: "SUCCESS", Begin: ago(5)}}}},
		Out: []report.OutOfService{{Task: "t", Device: s.Device, Domain: s.Domain, Begin: ago(15), End: ago(6)}, {Task: "t", Device: s.Device, Begin: ago(4)}}}, nil
}

// Nights gives a night of each kind.
func (s *Site) Nights(_ context.Context, q runner.NightsRequest) (report.Nights, error) {
	n := report.Nights{Zone: "Europe/Berlin"}
	if s.Empty {
		return n, nil
	}
	states := []report.NightState{report.NightRunning, report.NightGood, report.NightPartly, report.NightFailed, report.NightMissed, report.NightNothing}
	row := report.NightsPlan{Plan: s.Plan, File: s.File}
	for i := range q.Nights {
		n.Nights = append(n.Nights, Now.AddDate(0, 0, -i))
		c := report.Night{State: states[i%len(states)], Tasks: 12, Good: 10, Failed: 2}
		if c.State != report.NightMissed && c.State != report.NightNothing {
			c.Runs = []string{"01ENDED"}
		}
		row.Cells = append(row.Cells, c)
	}
	n.Plans = []report.NightsPlan{row}
	return n, nil
}

// Outcomes gives a good one and a bad one.
func (s *Site) Outcomes(_ context.Context, q runner.OutcomesRequest) (o report.Outcomes, err error) {
	if !s.Empty {
		o.Next = "01ENDED"
		o.Items = []report.TaskOutcome{{Run: "01ENDED", Plan: s.Plan, Started: Now, Activity: "domains", Device: q.Device, Domain: s.Domain, Code: "SUCCESS", Final: true, Good: true, Set: "01SETA", SetState: "whole"},
			{Run: "01ENDED", Plan: s.Plan, Started: Now, Activity: "domains", Device: q.Device, Code: "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR", Final: true, Message: s.Domain, Set: "01SETB", SetState: "altered", Narrowed: true}}
	}
	return o, nil
}

func (s *Site) someSet(id string) report.Backup {
	return report.Backup{Set: id, Captured: Now.Add(-time.Hour), Plan: s.Plan, Run: "01ENDED", Task: "t", Activity: "domains", ActivityType: "export_domain", Device: s.Device, Domain: s.Domain,
		Bytes: 12345, Origin: "foreign", Untrusted: s.Device, Copies: []report.BackupCopy{{Destination: "file.local", Root: s.File, Path: s.Device, State: "missing", Stored: Now, EncryptedFor: []string{s.Domain}}}}
}

func (s *Site) Backups(context.Context, runner.BackupsRequest) iter.Seq2[report.Backup, error] {
	return func(yield func(report.Backup, error) bool) {
		for i := 0; !s.Empty && i < s.rows(); i++ {
			if !yield(s.someSet([]string{"01SETA", "01SETB"}[i%2]), nil) {
				return
			}
		}
	}
}

func (s *Site) Backup(_ context.Context, ref string) (report.BackupDetail, error) {
	if s.Empty {
		return report.BackupDetail{}, &runner.Error{ExitCode: runner.ExitUsage, Err: errors.New("there is no set " + ref)}
	}
	return report.BackupDetail{Backup: s.someSet(ref), Files: []report.BackupFile{{File: s.File, Size: 1, SHA256: "00"}}, Withheld: []string{s.Device}, Warnings: []string{s.Domain},
		Imports: []report.Proof{{Set: ref, Verdict: "failed", Why: s.Device, At: Now}}}, nil
}

func (s *Site) DiffSets(_ context.Context, q runner.DiffSetsRequest) (*report.Diff, *report.Result, error) {
	q.Failed(report.BackupFault{})
	return &report.Diff{A: report.DiffSide{File: "set 01SETB"}, B: report.DiffSide{File: s.File}, Changed: 1, Added: 1, Withheld: 2, Differences: []archive.Difference{
		{Domain: s.Domain, What: archive.WhatObject, Class: "HTTPSourceProtocolHandler", Name: s.Device, Change: archive.Changed, Properties: []archive.Property{{Path: "LocalPort", Change: archive.Changed, Old: "80", New: s.Device}, {Path: "Password", Hidden: true, Change: archive.Changed}}},
		{What: archive.WhatFile, Name: s.File, Change: archive.Added, NewSize: 5}}}, &report.Result{}, nil
}

func (s *Site) owed() []report.Owed {
	if s.Empty {
		return nil
	}
	return []report.Owed{
		{Run: "01ENDED", Task: "t", Plan: s.Plan, ID: "u", Kind: "unquiesce", Device: s.Device, Domain: s.Domain, Since: Now.Add(-2 * time.Hour), DueBack: Now.Add(-time.Hour), LastError: s.Domain,
			DeviceCommands: []string{"domain-unquiesce " + s.Domain, report.LookCommand}, Note: s.Device, Commands: []string{"dprun recover"}, Acknowledge: "dprun recover --ack " + s.Device},
		{Run: "01RUNNING", Task: "t", Plan: s.Plan, ID: "u", Kind: "unquiesce", Device: "gw-held", Domain: s.Domain, Since: Now.Add(-time.Minute), DueBack: Now.Add(time.Hour), Held: true, HeldBy: "process 7"},
		{Run: "01ENDED", Plan: s.Plan, ID: "after_unquiesce", Kind: "post_script", Since: Now.Add(-time.Minute), Commands: []string{"dprun recover"}},
	}
}

func (s *Site) Owed(context.Context) report.Pending {
	p := report.Pending{Owed: s.owed()}
	if !s.Empty {
		p.Unknown = &report.Failure{Message: "pending/" + s.Device}
		p.Stops = []report.Stop{{Since: Now, By: s.Plan, Reason: s.Domain}, {Device: s.Device, Environment: s.Domain, Since: Now}}
	}
	return p
}

func (s *Site) Coverage(context.Context, runner.CoverageRequest) (*report.Coverage, *report.Result, error) {
	return &report.Coverage{Plan: s.Plan, MaxAge: 24 * time.Hour, Fresh: 1, Stale: 1, None: 1, Failed: 1, Subjects: []report.CoverageSubject{
		{Activity: "domains", Device: s.Device, Domain: s.Domain, State: report.CoverageStale, Set: "01SETA", Captured: Now, Age: 48 * time.Hour, Copies: 1, Places: 2, Code: "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR", Why: s.Device,
			Import: &report.Proof{Verdict: "failed", Why: s.Domain}},
		{Activity: "domains", Device: s.Device, State: report.CoverageNone}}}, &report.Result{Diagnostics: diag.List{{Severity: diag.Warning, Summary: s.Plan, Detail: s.Domain, Range: &diag.Range{Filename: s.File}}}}, nil
}

func (s *Site) Preview(context.Context, runner.PreviewRequest) (*report.Preview, *report.Result, error) {
	return &report.Preview{Plan: s.Plan, Window: "closed", Tasks: []report.PreviewTask{{Task: s.Device, Device: s.Device, Disruptive: "domain " + s.Domain}}}, &report.Result{}, nil
}

func (s *Site) Firings(context.Context, int) (f report.Firings, err error) {
	if !s.Empty {
		f.Server = &report.Server{Host: "host", PID: 7, Plans: "/etc/dprun/plans", Running: true, Beat: Now, Started: Now, Broken: []report.BrokenPlan{{Path: s.File, Why: s.Plan, Since: Now, LastGood: true}}}
		f.Due = []report.Firing{{Plan: s.Plan, Due: Now, Verdict: "missed", Message: s.Plan}, {Plan: s.Plan, Due: Now, Verdict: "run", Run: "01ENDED", Ended: Now, ExitCode: 3}, {Plan: s.Plan, Verdict: "outside"}}
	}
	return f, nil
}

func (s *Site) Evidence() iter.Seq2[report.EvidenceRecord, error] {
	return func(yield func(report.EvidenceRecord, error) bool) {
		for i := 0; !s.Empty && i < s.rows(); i++ {
			if !yield(report.EvidenceRecord{Sequence: int64(s.rows() - i), Kind: "apply", User: s.Device, Change: s.Domain, Plan: s.Plan, Run: "01ENDED", Code: "PLAN_PARTLY_FAILED", Written: Now, Digest: "00"}, nil) {
				return
			}
		}
	}
}

// Events gives none, and ends with ctx.
func (s *Site) Events(ctx context.Context, _ runner.EventsRequest) iter.Seq2[report.LiveEvent, error] {
	return func(func(report.LiveEvent, error) bool) { <-ctx.Done() }
}

// Close ends nothing.
func (s *Site) Close() error { return nil }

// OverviewFor gives an overview with something of everything.
func (s *Site) OverviewFor(context.Context, func(plan, device string) bool) report.Overview {
	o := report.Overview{At: Now.Add(-2 * time.Second), State: report.OverviewGood, Truth: report.OverviewTruth{Server: &report.Server{Running: true, Beat: Now.Add(-12 * time.Second), Host: "h", Started: Now}}}
	if s.Empty {
		return o
	}
	o.State = report.OverviewIsDown
	for _, x := range s.owed() {
		o.Down.Owed = append(o.Down.Owed, report.OverviewOwed{Owed: x, BringsBack: "Its guard tries again. " + s.Device})
	}
	o.Down.Stops = []report.Stop{{Since: Now, By: s.Plan, Reason: s.Domain}}
	out := []report.OutOfService{{Device: s.Device, Domain: s.Domain, Begin: Now.Add(-50 * time.Minute), End: Now.Add(-45 * time.Minute)}}
	o.Down.Recovered = []report.RecoveredRun{{Run: "01ENDED", Plan: s.Plan, File: s.File, Started: Now.Add(-time.Hour), Ended: Now.Add(-44 * time.Minute), Code: "PLAN_PARTLY_FAILED", Final: true, Out: out}}
	o.Work = report.OverviewWork{Runs: []report.OverviewRun{{Run: s.someRun("PLAN_STARTED", false), File: s.File, Alive: true, Holder: "process 7", Quiesced: 1, WindowCloses: Now.Add(time.Hour), WindowOpen: true}},
		Next:   []report.OverviewNext{{Plan: s.Plan, File: s.File, Due: Now.Add(time.Hour), Start: Now.Add(time.Hour), Quiesces: []string{s.Device}, WindowCloses: Now.Add(2 * time.Hour)}},
		Paused: &report.Pause{Since: Now.Add(-time.Hour), By: s.Plan, Reason: s.Domain, Change: s.Device}}
	o.Coverage = report.OverviewCoverage{Plans: []report.OverviewPlan{{Plan: s.Plan, File: s.File, Goal: 24 * time.Hour, Expected: 120, Fresh: 117, Stale: 2, None: 1}},
		Worst: []report.OverviewSubject{{Plan: s.Plan, Activity: "domains", Device: s.Device, Domain: s.Domain, State: report.CoverageNone, Code: "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR"}}, More: 2}
	o.Failures = report.OverviewFailures{Since: Now.Add(-9 * time.Hour), Causes: []report.OverviewCause{{Code: "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR", Meaning: "The export failed.", Action: "Look. " + s.Device, Tasks: 2, MadeUp: 1, Message: s.Domain, Plans: []string{s.Plan}, Devices: []string{s.Device},
		Runs: []string{"01ENDED"}, Now: true, Why: "It cannot wait."}}}
	o.Truth.Broken = []report.BrokenPlan{{Path: s.File, Why: s.Plan, Since: Now}}
	o.Truth.Destinations = []report.OverviewDestination{{Room: report.Room{Destination: s.File, Free: 1, Total: 100, At: Now, FillsIn: time.Hour}, Full: true}}
	o.Truth.Notices = []report.OverviewNotice{{Run: "01ENDED", Time: Now, Text: s.Domain}}
	return o
}

// Addresses are those of every page, by its name.
func (n Names) Addresses() map[string]string {
	at := func(to string, pairs ...string) string {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return to + "?" + q.Encode()
	}
	return map[string]string{
		"overview": "/", "done": "/?done=recover", "runs": "/runs", "runs of a plan": at("/runs", "plan", n.Plan), "run": "/runs/01RUNNING", "ended run": "/runs/01ENDED", "asked run": "/runs/01ASKED",
		"timeline": "/runs/01RUNNING/timeline", "nights": "/nights", "device": at("/device", "device", n.Device), "domain": at("/device", "device", n.Device, "domain", n.Domain),
		"cancel": "/runs/01RUNNING/cancel", "sets": "/sets", "sets of a device": at("/sets", "device", n.Device, "domain", n.Domain, "latest", "yes"), "set": "/sets/01SETA",
		"plans": "/plans", "plan": at("/plan", "file", n.File, "plan", n.Plan), "broken plan": at("/plan", "file", n.File+"x"), "start": at("/plan/run", "file", n.File, "plan", n.Plan),
		"schedules": "/schedules", "pending": "/pending", "acknowledge": at("/pending/acknowledge", "target", n.Device), "release": "/hold/release", "lift": "/pause/lift", "evidence": "/evidence",
		"approvals": "/approvals", "approval": "/approvals/01WAITS", "approval of a release": "/approvals/01RELEASE", "approval that is over": "/approvals/01OVER",
	}
}
