package api

import (
	"context"
	"iter"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

// Reads are the use cases that read what is known. *[runner.Runner] implements them.
type Reads interface {
	Runs(ctx context.Context, q runner.RunsRequest) iter.Seq2[report.Run, error]
	Run(ctx context.Context, ref string) (report.RunDetail, error)
	Logs(ctx context.Context, q runner.LogsRequest) iter.Seq2[event.Log, error]
	Backups(ctx context.Context, q runner.BackupsRequest) iter.Seq2[report.Backup, error]
	Backup(ctx context.Context, ref string) (report.BackupDetail, error)
	Owed(ctx context.Context) report.Pending
	Nights(ctx context.Context, q runner.NightsRequest) (report.Nights, error)
	Outcomes(ctx context.Context, q runner.OutcomesRequest) (report.Outcomes, error)
	Timeline(ctx context.Context, q runner.TimelineRequest) (report.Timeline, error)
	Firings(ctx context.Context, limit int) (report.Firings, error)
	Evidence() iter.Seq2[report.EvidenceRecord, error]
	EvidenceRecord(ref string) (report.EvidenceDetail, error)
}

// Desk are the further use cases of a server. *[runner.Service] implements them.
type Desk interface {
	OverviewFor(ctx context.Context, sees func(plan, device string) bool) report.Overview
	Plans(ctx context.Context) ([]report.ServedPlan, error)
	Source(file string) (runner.Source, error)
	Start(ctx context.Context, q runner.StartRequest) (report.Started, error)
	Started(ctx context.Context, run string) (report.Started, error)
	Cancel(ctx context.Context, q runner.CancelRequest) error
	BringBack(ctx context.Context, by string) (*report.Result, error)
	Events(ctx context.Context, q runner.EventsRequest) iter.Seq2[report.LiveEvent, error]
	Hold(ctx context.Context, q runner.HoldRequest) (report.Hold, error)
	Pause(ctx context.Context, q runner.PauseRequest) (*report.Pause, error)
	Approvals(ctx context.Context) ([]report.Approval, error)
	Decide(ctx context.Context, q runner.DecideRequest) (report.Approval, error)
	Acknowledge(ctx context.Context, q runner.AcknowledgeRequest) (report.Acknowledged, error)
}

// Fresh are the use cases that compile a plan. A *[runner.Runner] that is closed
// afterwards implements them.
type Fresh interface {
	Coverage(ctx context.Context, q runner.CoverageRequest) (*report.Coverage, *report.Result, error)
	Preview(ctx context.Context, q runner.PreviewRequest) (*report.Preview, *report.Result, error)
	Close() error
}
