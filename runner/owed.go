package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
)

// outstanding is an obligation that is not done: its pending file, its row in
// the journal, or both, and who is at it.
type outstanding struct {
	journal.Obligation
	filed  bool      // it has a pending file
	holder lock.Info // of its run's lock
	live   bool      // the holder is at work
}

// overdue reports whether the target should be back by now, whoever is at it.
func (o outstanding) overdue(now time.Time) bool {
	return o.Kind == pending.Unquiesce && !o.DueBack.IsZero() && now.After(o.DueBack)
}

// left reports whether an obligation is left to a process at work: the target
// is down for its sake, and not yet overdue.
func (o outstanding) left(now time.Time) bool { return o.live && !o.overdue(now) }

// outstanding lists what is not done, the oldest first. The pending files are
// the truth. A row without a file is listed too: somebody has to look. The
// error is that of the files; without a journal they are all.
func (r *operation) outstanding(ctx context.Context) ([]outstanding, error) {
	files, _, err := r.pending.List()
	if err != nil {
		return nil, &Error{ExitOwed, err}
	}
	rows := map[pending.Key]journal.Obligation{}
	if r.journal != nil {
		owed, err := r.journal.Owed(ctx)
		if err != nil {
			r.Log.Error("the journal cannot be read: what is pending is known from its files alone", "error", err)
		}
		for _, o := range owed {
			rows[o.Key] = o
		}
	}
	var out []outstanding
	for _, f := range files {
		o := outstanding{Obligation: journal.Obligation{Obligation: f}, filed: true}
		if row, there := rows[f.Key]; there {
			o.Attempts, o.LastError, o.NextTry = row.Attempts, row.LastError, row.NextTry
			delete(rows, f.Key)
		}
		if why := r.troubles[f.Key]; why != "" {
			o.LastError = why
		}
		out = append(out, o)
	}
	for _, row := range slices.SortedFunc(maps.Values(rows), func(a, b journal.Obligation) int {
		return strings.Compare(a.String(), b.String())
	}) {
		out = append(out, outstanding{Obligation: row})
	}
	slices.SortStableFunc(out, func(a, b outstanding) int { return a.Since.Compare(b.Since) })
	holders := map[string]outstanding{}
	for i, o := range out {
		h, asked := holders[o.Run]
		if !asked {
			h.holder, h.live = r.holder(ctx, o.Run)
			holders[o.Run] = h
		}
		out[i].holder, out[i].live = h.holder, h.live
	}
	return out, nil
}

// Owed lists everything that is not undone, with who is at it, and says what
// else may be owed: a pending file that cannot be read, a run that the journal
// has forgotten.
func (r *Runner) Owed(ctx context.Context) report.Pending { return r.begin(Operation{}).owed(ctx) }

func (r *operation) owed(ctx context.Context) report.Pending {
	all, err := r.outstanding(ctx)
	if err != nil {
		return pendingOf(nil, err)
	}
	now := r.Clock.Now()
	var out []report.Owed
	for _, o := range all {
		item := report.Owed{Run: o.Run, Task: o.Task, Plan: o.Plan, Kind: string(o.Kind), ID: o.ID, Device: o.Device, Domain: o.Domain, Since: o.Since, DueBack: o.DueBack,
			LastError: o.LastError, Held: o.left(now)}
		r.byHand(&item, o.Obligation.Obligation)
		if o.live {
			item.HeldBy = o.holder.String()
			if stopped(o.holder.PID) {
				item.HeldBy += fmt.Sprintf(" (it is stopped: kill -CONT %[1]d lets it go on; or kill -KILL %[1]d, then dprun recover)", o.holder.PID)
			}
		}
		out = append(out, item)
	}
	return pendingOf(out, r.unknown(ctx))
}

// pendingOf adds the exit code that a list calls for: a device that may be
// quiesced decides it, then traffic that may be led away.
func pendingOf(owed []report.Owed, unknown error) report.Pending {
	p := report.Pending{Owed: owed, ExitCode: owedExit(owed)}
	if e := new(Error); errors.As(unknown, &e) {
		p.Unknown = &report.Failure{Message: e.Error(), ExitCode: e.ExitCode}
		p.ExitCode = graverExit(p.ExitCode, e.ExitCode)
	}
	return p
}

// unknown is an error about what may be owed and cannot be listed.
func (r *operation) unknown(ctx context.Context) error {
	exit := ExitOwed
	var says []string
	_, damaged, err := r.pending.List()
	if err != nil {
		says = append(says, err.Error())
	}
	for _, d := range damaged {
		says = append(says, d.Error())
	}
	forgotten, err := r.forgotten(ctx)
	if err != nil {
		says = append(says, err.Error())
	}
	for _, f := range forgotten {
		says = append(says, f.String())
	}
	if lost := new(Error); errors.As(r.lost, &lost) {
		if len(says) == 0 {
			exit = lost.ExitCode
		}
		says = append(says, lost.Error())
	}
	if len(says) == 0 {
		return nil
	}
	return errorf(exit, "%s", strings.Join(says, "\n"))
}

// noteOwed puts what is still owed into a result.
func (r *operation) noteOwed(ctx context.Context, res *report.Result) {
	left := r.owed(context.WithoutCancel(ctx))
	res.Owed, res.Unknown, res.ExitCode = left.Owed, left.Unknown, graverExit(res.ExitCode, left.ExitCode)
}

// noteProcess puts into a summary with what code the process ends, and why,
// where something else than the run decides about it.
func (r *operation) noteProcess(ctx context.Context, s *event.Summary) {
	left := report.Result{ExitCode: s.ExitCode}
	r.noteOwed(ctx, &left)
	if left.ExitCode == s.ExitCode {
		return
	}
	s.ProcessExit = left.ExitCode
	i := slices.IndexFunc(left.Owed, func(o report.Owed) bool { return owedExit([]report.Owed{o}) == left.ExitCode })
	if i < 0 {
		s.ProcessWhy, _, _ = strings.Cut(left.Unknown.Message, ": ") // all of it comes last
		return
	}
	s.ProcessWhy = fmt.Sprintf("run %s still owes something to device %s: dprun owed", left.Owed[i].Run, left.Owed[i].Device)
}

// owedExit is the exit code that what is owed calls for.
func owedExit(owed []report.Owed) int {
	exit := 0
	for _, o := range owed {
		switch {
		case o.Held:
		case o.Kind == string(pending.Unquiesce):
			return ExitOwed
		case o.ID == lifecycle.OwedAfterUnquiesce:
			exit = ExitAway
		}
	}
	return exit
}

// quiescedByLiveRuns lists what runs at work have quiesced and bring back by
// themselves.
func quiescedByLiveRuns(all []outstanding, now time.Time) []outstanding {
	return slices.DeleteFunc(slices.Clone(all), func(o outstanding) bool {
		return o.Kind != pending.Unquiesce || !o.left(now) || o.holder.Recovery
	})
}

// keeps returns the live run that currently keeps the target of an unquiesce
// quiesced for itself, or nothing.
func keeps(quiesced []outstanding, o outstanding) string {
	for _, q := range quiesced {
		box := q.Device == o.Device || q.Identity != "" && q.Identity == o.Identity
		if o.Kind == pending.Unquiesce && q.Run != o.Run && box && (q.Domain == o.Domain || q.Domain == "" || o.Domain == "") {
			return q.Run
		}
	}
	return ""
}

// blocked says of devices that something is owed to why a new run must not
// use them: by name, and by the identity of the box.
func (r *operation) blocked(ctx context.Context) (names, boxes map[string]string, err error) {
	all, err := r.outstanding(ctx)
	if err != nil {
		return nil, nil, err
	}
	names, boxes = map[string]string{}, map[string]string{}
	for _, o := range all {
		if o.Kind == pending.PostScript {
			continue
		}
		why := "bring it back with dprun recover"
		if o.left(r.Clock.Now()) {
			if !o.holder.Recovery {
				continue // a run at work: the device's lock and state decide
			}
			why = "it is being recovered just now: wait for that to end"
		}
		says := fmt.Sprintf("an earlier run (%s) still owes it: %s since %s; %s", o.Run, o.Kind, o.Since.Format(time.RFC3339), why)
		names[o.Device] = says
		if o.Identity != "" {
			boxes[o.Identity] = says
		}
	}
	return names, boxes, nil
}
