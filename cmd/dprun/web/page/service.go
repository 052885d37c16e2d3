package page

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// Options are what the pages need.
type Options struct {
	Desk  Desk
	Reads Reads
	Open  func() (Fresh, error) // opens the state directory a further time
	Now   func() time.Time
	Log   *slog.Logger
}

// Desk are the use cases of a server. *[runner.Service] implements them.
type Desk interface {
	// OverviewFor answers the five questions, as far as the person may see.
	OverviewFor(ctx context.Context, sees func(plan, device string) bool) report.Overview
	// Plans returns the served plans, and the files that are not valid.
	Plans(ctx context.Context) ([]report.ServedPlan, error)
	// Source returns the source of a served plan. It refuses other files.
	Source(file string) (runner.Source, error)
	Start(ctx context.Context, q runner.StartRequest) (report.Started, error)
	// Started returns a run that somebody asked for, even before it has begun.
	Started(ctx context.Context, run string) (report.Started, error)
	// Events yields the events of runs as they happen.
	Events(ctx context.Context, q runner.EventsRequest) iter.Seq2[report.LiveEvent, error]
	Cancel(ctx context.Context, q runner.CancelRequest) error
	BringBack(ctx context.Context, by string) (*report.Result, error)
	Hold(ctx context.Context, q runner.HoldRequest) (report.Hold, error)
	Pause(ctx context.Context, q runner.PauseRequest) (*report.Pause, error)
	Approvals(ctx context.Context) ([]report.Approval, error)
	Decide(ctx context.Context, q runner.DecideRequest) (report.Approval, error)
	Acknowledge(ctx context.Context, q runner.AcknowledgeRequest) (report.Acknowledged, error)
}

// Reads are the use cases that read. *[runner.Runner] implements them.
type Reads interface {
	Runs(ctx context.Context, q runner.RunsRequest) iter.Seq2[report.Run, error]
	Run(ctx context.Context, ref string) (report.RunDetail, error)
	Timeline(ctx context.Context, q runner.TimelineRequest) (report.Timeline, error)
	Nights(ctx context.Context, q runner.NightsRequest) (report.Nights, error)
	Outcomes(ctx context.Context, q runner.OutcomesRequest) (report.Outcomes, error)
	Backups(ctx context.Context, q runner.BackupsRequest) iter.Seq2[report.Backup, error]
	Backup(ctx context.Context, ref string) (report.BackupDetail, error)
	Owed(ctx context.Context) report.Pending
	Firings(ctx context.Context, limit int) (report.Firings, error)
	Evidence() iter.Seq2[report.EvidenceRecord, error]
}

// Fresh are the use cases that compile a plan. A *[runner.Runner] that is closed
// afterwards implements them, so that the plugins and secrets of one plan do not serve
// another.
type Fresh interface {
	Coverage(ctx context.Context, q runner.CoverageRequest) (*report.Coverage, *report.Result, error)
	Preview(ctx context.Context, q runner.PreviewRequest) (*report.Preview, *report.Result, error)
	DiffSets(ctx context.Context, q runner.DiffSetsRequest) (*report.Diff, *report.Result, error)
	Close() error
}

// fresh calls do with use cases that compile plans. At most as many calls run at once
// as there are slots.
func (p *pages) fresh(ctx context.Context, slots chan struct{}, do func(Fresh) error) error {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	f, err := p.Open()
	if err != nil {
		return err
	}
	return errors.Join(do(f), f.Close())
}

// sight returns what somebody may see.
func (p *pages) sight(ctx context.Context, who access.Principal) (access.Sight, error) {
	s := access.Sight{Who: who}
	if len(who.Labels) == 0 {
		return s, nil
	}
	all, err := p.Desk.Plans(ctx)
	s.Fleet = access.Fleet{}
	for _, plan := range all {
		s.Fleet.Add(plan.Plan, plan.Devices)
	}
	return s, err
}
