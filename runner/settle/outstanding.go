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

// Outstanding is an obligation that is not settled: its pending file, its row in the
// journal, or both, and the process that works on it.
type Outstanding struct {
	journal.Obligation
	Filed  bool      // it has a pending file
	Noted  bool      // it has an open row in the journal
	Holder lock.Info // of the lock of its run
	Live   bool      // the holder is at work
}

// Overdue reports whether the target should be back by now, whoever works on it.
func (o Outstanding) Overdue(now time.Time) bool {
	return o.Kind == pending.Unquiesce && !o.DueBack.IsZero() && now.After(o.DueBack)
}

// Left reports whether an obligation is left to a live process: that process needs the
// target down, and the target is not overdue.
func (o Outstanding) Left(now time.Time) bool { return o.Live && !o.Overdue(now) }

// Outstanding lists the obligations that are not settled, the oldest first, and who
// works on them. Its error is that of reading the pending files. Without a journal, the
// files are the whole list.
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
	now := s.Clock.Now() // an unused permit that is kept too long blocks all others, so the list names its process
	return slices.DeleteFunc(out, func(o Outstanding) bool { return o.Unused() && !o.Overdue(now) }), nil
}

// Unused reports whether a live run has a permit to quiesce but has sent nothing: there
// is no file, so nothing must be brought back. For a process that recovers the run it
// returns false, also in that process itself, because it has to look.
func (o Outstanding) Unused() bool { return o.Live && !o.Holder.Recovery && !o.Filed }

// Note enters obligations in the journal that only pending files know, because the
// journal was lost and a new one was begun. The quiesce guard counts what is down from
// the journal.
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
		s.Log.Warn("something that must be undone could not be entered in the journal: the quiesce guard does not count it", "error", err)
	}
}

// listed combines files and rows, the oldest first. The pending files are the truth. A
// row without a file is listed too, because somebody has to look. troubles are the
// reasons why obligations could not be settled just now.
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

// quiescedByLiveRuns lists what live runs have quiesced and bring back by themselves.
func quiescedByLiveRuns(all []Outstanding, now time.Time) []Outstanding {
	return slices.DeleteFunc(slices.Clone(all), func(o Outstanding) bool {
		return o.Kind != pending.Unquiesce || !o.Left(now) || o.Holder.Recovery
	})
}

// keeps returns the live run that currently keeps the target of an unquiesce quiesced
// for itself, or nothing.
func keeps(quiesced []Outstanding, o Outstanding) string {
	for _, q := range quiesced {
		box := q.Device == o.Device || q.Identity != "" && q.Identity == o.Identity
		if o.Kind == pending.Unquiesce && q.Run != o.Run && box && (q.Domain == o.Domain || q.Domain == "" || o.Domain == "") {
			return q.Run
		}
	}
	return ""
}

// Blocked returns the devices with pending recoveries and why a new run must not use
// them, by name and by the identity of the box.
func Blocked(all []Outstanding, now time.Time) (names, boxes map[string]string) {
	names, boxes = map[string]string{}, map[string]string{}
	for _, o := range all {
		if o.Kind == pending.PostScript || o.Kind == pending.Restore { // such a device is backed up as it is
			continue
		}
		why := "bring it back with dprun recover"
		if o.Left(now) {
			if !o.Holder.Recovery {
				continue // a live run: the device's lock and state decide
			}
			why = "it is being recovered just now: wait for that to end"
		}
		says := fmt.Sprintf("an earlier run (%s) left something that must be undone: %s since %s; %s", o.Run, o.Kind, o.Since.Format(time.RFC3339), why)
		names[o.Device] = says
		if o.Identity != "" {
			boxes[o.Identity] = says
		}
	}
	return names, boxes
}
