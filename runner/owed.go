package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/runner/state"
)

// Owed lists everything that is not undone, with who is at it, and says what
// else may be owed: a pending file that cannot be read, a run that the journal
// has forgotten.
func (r *Runner) Owed(ctx context.Context) report.Pending { return r.begin(Operation{}).owed(ctx) }

// outstanding lists what is not done. The error is an *[Error].
func (r *operation) outstanding(ctx context.Context) ([]settle.Outstanding, error) {
	all, err := r.settler.Outstanding(ctx)
	if err != nil {
		return nil, &Error{ExitOwed, err}
	}
	return all, nil
}

func (r *operation) owed(ctx context.Context) report.Pending {
	all, err := r.outstanding(ctx)
	if err != nil {
		return pendingOf(nil, err)
	}
	now := r.Clock.Now()
	var out []report.Owed
	for _, o := range all {
		item := report.Owed{Run: o.Run, Task: o.Task, Plan: o.Plan, Kind: string(o.Kind), ID: o.ID, Device: o.Device, Domain: o.Domain, Since: o.Since, DueBack: o.DueBack,
			LastError: o.LastError, Held: o.Left(now) && !(o.Holder.Recovery && o.Attempts > 0)} // a recovery that has failed before says nothing of this time
		if held, by, err := r.locks.Held(lock.GuardKey(o.Run)); o.Kind == pending.Unquiesce && err == nil && held && by.PID > 0 {
			item.GuardedBy = fmt.Sprintf("process %d", by.PID)
			if !o.Live && o.NextTry.After(now) {
				item.NextTry = o.NextTry
			}
		}
		r.byHand(&item, o.Obligation.Obligation)
		if o.Live {
			item.HeldBy = o.Holder.String()
			if settle.Stopped(o.Holder.PID) {
				item.HeldBy += fmt.Sprintf(" (it is stopped: kill -CONT %[1]d lets it go on; or kill -KILL %[1]d, then dprun recover)", o.Holder.PID)
			}
		}
		out = append(out, item)
	}
	p := pendingOf(out, r.unknown(ctx))
	if p.Stops, err = stops(ctx, r.journal, ""); err != nil {
		r.Log.Error("the journal cannot be read: what forbids quiesces is not known", "error", err)
	}
	return p
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

// owedExit is the exit code that what is owed calls for. In a domain that a drill
// has left something may be at work.
func owedExit(owed []report.Owed) int {
	exit := 0
	for _, o := range owed {
		switch {
		case o.Held:
		case o.Kind == string(pending.Unquiesce), o.Kind == string(pending.DropDomain), o.Kind == string(pending.Restore):
			return ExitOwed
		case o.ID == lifecycle.OwedAfterUnquiesce:
			exit = ExitAway
		}
	}
	return exit
}

// HoldRequest asks to stop every quiesce, or to allow them again.
type HoldRequest struct {
	Reason  string // for whoever finds the hold
	Release bool
	By      string // who asks; empty: the user that dprun runs as
}

// Hold stops every quiesce of the state directory until it is released. What is
// quiesced is brought back, and tasks without a quiesce go on. The report says
// what stops quiesces now. The error is an *[Error].
func (r *Runner) Hold(ctx context.Context, q HoldRequest) (report.Hold, error) {
	k := r.kept.Load()
	if k.journal == nil {
		return report.Hold{}, k.lost
	}
	var err error
	now, by := r.Clock.Now(), cmp.Or(q.By, whoami())
	if q.Release {
		err = k.journal.CloseBreaker(ctx, "", by, now)
		if errors.Is(err, journal.ErrNotFound) {
			return report.Hold{}, errorf(ExitUsage, "quiesces are not on hold: nothing to release")
		}
	} else {
		err = k.journal.OpenBreaker(ctx, journal.Breaker{Since: now, Reason: q.Reason, By: by})
	}
	if err != nil {
		return report.Hold{}, &Error{ExitBug, err}
	}
	stops, err := stops(ctx, k.journal, "")
	if err != nil {
		return report.Hold{}, &Error{ExitBug, err}
	}
	return report.Hold{Released: q.Release, Stops: stops}, nil
}

// stops lists what forbids quiesces now; with a run, what it has opened, closed or not.
func stops(ctx context.Context, j *journal.Journal, run string) ([]report.Stop, error) {
	if j == nil {
		return nil, nil // that is told by itself
	}
	open, err := j.Breakers(ctx, run)
	var out []report.Stop
	for _, b := range open {
		out = append(out, report.Stop{Device: b.Device, Environment: b.Environment, Since: b.Since, Reason: b.Reason, Run: b.Run, By: b.By, Closed: b.Closed, ClosedBy: b.ClosedBy})
	}
	return out, err
}

// whoami is the user and the host, for the record of what somebody did by hand.
func whoami() string {
	host, _ := os.Hostname()
	return username() + "@" + host
}

// username is the user that dprun runs as; empty: it has no name.
func username() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// byHand fills in what to type by hand: on the appliance, then here. Every
// command may be copied as it stands; the last one has dprun see for itself.
func (r *Runner) byHand(item *report.Owed, o pending.Obligation) {
	switch o.Kind {
	case pending.Unquiesce:
		back := "appliance-unquiesce"
		if o.Domain != "" {
			back = "domain-unquiesce " + o.Domain
		}
		item.DeviceCommands = []string{"configure terminal", back, report.LookCommand}
	case pending.Discard:
		item.DeviceCommands, item.Note = []string{"configure terminal", "rmdir " + o.Token}, "answer y to rmdir"
	case pending.DropDomain:
		item.DeviceCommands = []string{"configure terminal", "no domain " + o.Domain, "exit", "show domains"}
		item.Note = "a drill has made this domain: nothing in it is needed, and something in it may be at work until it is gone"
	case pending.Restore:
		item.Note = restoreNote(o)
	case pending.PostScript:
		item.Note = "by hand, if it cannot be run any more: what script " + o.Script + " does for " + o.Where()
	}
	if elsewhere, err := state.Dir("", r.unset(state.EnvDir)); err != nil || elsewhere != r.StateDir {
		item.Commands = append(item.Commands, "export "+state.EnvDir+"="+quoted(r.StateDir))
	}
	item.Commands = append(item.Commands, "dprun recover")
	item.Acknowledge = "dprun recover --ack " + quoted(acknowledgedBy(o))
}

// restoreNote says what a person does about a restore that is not proven.
func restoreNote(o pending.Obligation) string {
	r, err := record.RestoreOf(o)
	if err != nil || r.WayBackSet == "" {
		return "look at " + o.Where() + ": what was restored there, and what was there before, is not known here any more"
	}
	again := func(what string) string {
		return "dprun restore PLAN " + quoted(what) + " --device " + quoted(o.Device) + " --domain " + quoted(o.Domain) + " --unsaved"
	}
	note := "to go back to what was there before: " + again(r.WayBackSet)
	if r.Set != "" {
		note += "; to restore again: " + again(r.Set)
		if r.Policy != "" { // without it other things would be imported
			note += " --policy " + quoted(r.Policy)
		}
		for _, name := range slices.Sorted(maps.Keys(r.Variables)) { // their values may be secret
			note += " --policy-var " + quoted(name) + "=VALUE"
		}
		if r.RewriteLocalIP {
			note += " --rewrite-local-ip"
		}
	}
	return note + "; where it is as it should be and only not saved: save it on the gateway (switch domain " + o.Domain + ", configure terminal, write memory)"
}

// unset looks up the environment as it is without one variable: that of
// somebody who types a command later.
func (r *Runner) unset(variable string) func(string) string {
	return func(name string) string {
		if name == variable {
			return ""
		}
		for i := len(r.Environ) - 1; i >= 0; i-- {
			if k, v, ok := strings.Cut(r.Environ[i], "="); ok && k == name {
				return v
			}
		}
		return ""
	}
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./:@%+=,", c)
	}
	if word != "" && strings.IndexFunc(word, func(c rune) bool { return !plain(c) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
