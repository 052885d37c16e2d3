package plan

import (
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/dprun/dprun/plan/cron"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/window"
)

// What happens to a start that was missed.
const (
	RunOnce = "run_once"
	Skip    = "skip"
)

// maxJitter keeps a start within the night that it belongs to.
const maxJitter = 12 * time.Hour

// Schedule is one schedule of a plan. It says when `dprun serve` starts the
// plan.
type Schedule struct {
	Cron     string
	Timezone string // an IANA zone
	Times    *cron.Times
	Jitter   time.Duration // a start is delayed by at most this
	Missed   string        // [RunOnce] or [Skip]
	Range    Range
}

// schedules reads the schedule blocks of a plan. They are read after the plan's
// window.
func (c *compiler) schedules(p *Plan, b *hclsyntax.Body, ctx *hcl.EvalContext) {
	var open *window.Schedule
	if p.Window != nil {
		open, _ = p.Window.Compile() // its errors were reported at the window
	}
	for _, n := range b.Blocks {
		if n.Type != "schedule" {
			continue
		}
		s := &Schedule{Timezone: "UTC", Jitter: c.duration(n.Body, "jitter", ctx, 0, 0), Missed: c.word(n.Body, "missed", ctx, RunOnce, RunOnce, Skip), Range: *rangeOf(n.DefRange())}
		if p.Window != nil {
			s.Timezone = p.Window.Timezone
		}
		if s.Jitter > maxJitter {
			c.add(diag.InvalidValue, n.Body.Attributes["jitter"].Expr.Range(), "\"jitter\" must be at most \"12h\".")
			continue
		}
		zone, given := c.text(n.Body, "timezone", ctx)
		if given {
			s.Timezone = zone
		}
		if _, err := (window.Window{Timezone: s.Timezone}).Compile(); err != nil {
			if given {
				c.add(diag.InvalidValue, n.Body.Attributes["timezone"].Expr.Range(),
					"%q is not the name of a zone in the IANA database. Write one such as \"Europe/Berlin\" or \"UTC\".", zone).Suggestion = window.NearZone(zone)
			}
			continue
		}
		var ok bool
		if s.Cron, ok = c.text(n.Body, "cron", ctx); !ok {
			continue
		}
		r := n.Body.Attributes["cron"].Expr.Range()
		var err error
		if s.Times, err = cron.Parse(s.Cron, s.Timezone); err != nil {
			c.add(diag.InvalidSchedule, r, "%q is not usable: %s.", s.Cron, err)
			continue
		}
		if open != nil && !c.in.Now.IsZero() && s.Times.Meets(open, c.in.Now).IsZero() {
			d := c.add(diag.ScheduleOutsideWindow, r, "%q (%s) is never within the window %q, so this schedule never starts the plan. Choose a time within the window.", s.Cron, s.Timezone, p.Window.Name)
			d.Related = related("The schedule belongs to this plan.", hclRange(p.Range))
			continue
		}
		p.Schedules = append(p.Schedules, s)
	}
}
