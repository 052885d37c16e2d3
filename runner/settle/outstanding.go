package settle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
)

// Outstanding is an obligation that is not done: its pending file, its row in
// the journal, or both, and who is at it.
type Outstanding struct {
	journal.Obligation
	Filed  bool      // it has a pending file
	Noted  bool      // it has a row in the journal that is not paid
	Holder lock.Info // of its run's lock
	Live   bool      // the holder is at work
}

// Overdue reports whether the target should be back by now, whoever is at it.
func (o Outstanding) Overdue(now time.Time) bool {
	return o.Kind == pending.Unquiesce && !o.DueBack.IsZero() && now.After(o.DueBack)
}

// Left reports whether an obligation is left to a process at work: the target
// is down for its sake, and not yet overdue.
func (o Outstanding) Left(now time.Time) bool { return o.Live && !o.Overdue(now) }

// Outstanding lists what is not done, the oldest first, and who is at it. The
// error is that of the pending files; without a journal they are all.
func (s *Settler) Outstanding(ctx context.Context) ([]Outstanding, error) {
	files, _, err := s.Pending.List()
	if err != nil {
		return nil, err
	}
	var rows []journal.Obligation
	if s.Journal != nil {
		if rows, err = s.Journal.Owed(ctx); err != nil {
			s.Log.Error("the journal cannot be read: what is pending is known from its files alone", "error", err)
		}
	}
	s.mu.Lock()
	out := listed(files, rows, s.troubles)
	s.mu.Unlock()
	holders := map[string]Outstanding{}
	for i, o := range out {
		h, asked := holders[o.Run]
		if !asked {
			h.Holder, h.Live = s.Holder(ctx, o.Run)
			holders[o.Run] = h
		}
		out[i].Holder, out[i].Live = h.Holder, h.Live
	}
	now := s.Clock.Now() // a right that is kept too long stops all others: its process is named
	return slices.DeleteFunc(out, func(o Outstanding) bool { return o.Unused() && !o.Overdue(now) }), nil
}

// Unused reports whether a run at work has the right to quiesce, and has sent
// nothing: it has no file. Nothing is to be brought back. Whoever recovers a run
// has to look: also this process, while it holds the lock.
func (o Outstanding) Unused() bool { return o.Live && !o.Holder.Recovery && !o.Filed }

// Note enters in the journal what only pending files tell: the journal was lost
// and begun anew. The quiesce guard counts what is down from there.
func (s *Settler) Note(ctx context.Context, all []Outstanding) {
	var unknown []pending.Obligation
	for _, o := range all {
		if o.Filed && !o.Noted {
			unknown = append(unknown, o.Obligation.Obligation)
		}
	}
	if s.Journal == nil || len(unknown) == 0 {
		return
	}
	if err := s.Journal.Remember(ctx, unknown...); err != nil {
		s.Log.Warn("what is owed could not be entered in the journal: the quiesce guard does not count it", "error", err)
	}
}

// listed puts files and rows together, the oldest first. The pending files are
// the truth. A row without a file is listed too: somebody has to look. troubles
// are why something could not be settled just now.
func listed(files []pending.Obligation, owed []journal.Obligation, troubles map[pending.Key]string) []Outstanding {
	rows := map[pending.Key]journal.Obligation{}
	for _, o := range owed {
		rows[o.Key] = o
	}
	var out []Outstanding
	for _, f := range files {
		o := Outstanding{Obligation: journal.Obligation{Obligation: f}, Filed: true}
		if row, there := rows[f.Key]; there {
			o.Attempts, o.LastError, o.NextTry, o.Noted = row.Attempts, row.LastError, row.NextTry, true
			delete(rows, f.Key)
		}
		if why := troubles[f.Key]; why != "" {
			o.LastError = why
		}
		out = append(out, o)
	}
	for _, row := range slices.SortedFunc(maps.Values(rows), func(a, b journal.Obligation) int {
		return strings.Compare(a.String(), b.String())
	}) {
		out = append(out, Outstanding{Obligation: row, Noted: true})
	}
	slices.SortStableFunc(out, func(a, b Outstanding) int { return a.Since.Compare(b.Since) })
	return out
}

// quiescedByLiveRuns lists what runs at work have quiesced and bring back by
// themselves.
func quiescedByLiveRuns(all []Outstanding, now time.Time) []Outstanding {
	return slices.DeleteFunc(slices.Clone(all), func(o Outstanding) bool {
		return o.Kind != pending.Unquiesce || !o.Left(now) || o.Holder.Recovery
	})
}

// keeps returns the live run that currently keeps the target of an unquiesce
// quiesced for itself, or nothing.
func keeps(quiesced []Outstanding, o Outstanding) string {
	for _, q := range quiesced {
		box := q.Device == o.Device || q.Identity != "" && q.Identity == o.Identity
		if o.Kind == pending.Unquiesce && q.Run != o.Run && box && (q.Domain == o.Domain || q.Domain == "" || o.Domain == "") {
			return q.Run
		}
	}
	return ""
}

// Blocked says of devices that something is owed to why a new run must not use
// them: by name, and by the identity of the box.
func Blocked(all []Outstanding, now time.Time) (names, boxes map[string]string) {
	names, boxes = map[string]string{}, map[string]string{}
	for _, o := range all {
		if o.Kind == pending.PostScript || o.Kind == pending.Restore { // what may be imported or not is backed up as it is
			continue
		}
		why := "bring it back with dprun recover"
		if o.Left(now) {
			if !o.Holder.Recovery {
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
	return names, boxes
}
