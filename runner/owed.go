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

// Owed lists everything that must still be undone, with the process that works on
// it. It also says what cannot be listed: a damaged pending file, or a run that
// the journal has forgotten.
func (r *Runner) Owed(ctx context.Context) report.Pending { return r.begin(Operation{}).owed(ctx) }

// outstanding lists what must still be undone. The error is an *[Error].
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
			LastError: o.LastError, Held: o.Left(now) && !(o.Holder.Recovery && o.Attempts > 0)} // a recovery that has failed before promises nothing this time
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
				item.HeldBy += fmt.Sprintf(" (it is stopped: kill -CONT %[1]d lets it continue; or kill -KILL %[1]d, then dprun recover)", o.Holder.PID)
			}
		}
		out = append(out, item)
	}
	p := pendingOf(out, r.unknown(ctx))
	if p.Stops, err = stops(ctx, r.journal, ""); err != nil {
		r.Log.Error("the journal cannot be read, so it is not known what forbids quiesces", "error", err)
	}
	return p
}

// pendingOf adds the exit code to a list: first a device that may be quiesced
// decides it, then traffic that may be led away.
func pendingOf(owed []report.Owed, unknown error) report.Pending {
	p := report.Pending{Owed: owed, ExitCode: owedExit(owed)}
	if e := new(Error); errors.As(unknown, &e) {
		p.Unknown = &report.Failure{Message: e.Error(), ExitCode: e.ExitCode}
		p.ExitCode = graverExit(p.ExitCode, e.ExitCode)
	}
	return p
}

// unknown returns an error about things that may have to be undone and cannot be
// listed.
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

// noteOwed enters in a result what must still be undone.
func (r *operation) noteOwed(ctx context.Context, res *report.Result) {
	left := r.owed(context.WithoutCancel(ctx))
	res.Owed, res.Unknown, res.ExitCode = left.Owed, left.Unknown, graverExit(res.ExitCode, left.ExitCode)
}

// noteProcess enters in a summary the exit code of the process and its reason, if
// something other than the run decides it.
func (r *operation) noteProcess(ctx context.Context, s *event.Summary) {
	left := report.Result{ExitCode: s.ExitCode}
	r.noteOwed(ctx, &left)
	if left.ExitCode == s.ExitCode {
		return
	}
	s.ProcessExit = left.ExitCode
	i := slices.IndexFunc(left.Owed, func(o report.Owed) bool { return owedExit([]report.Owed{o}) == left.ExitCode })
	if i < 0 {
		s.ProcessWhy, _, _ = strings.Cut(left.Unknown.Message, ": ") // the full text comes last
		return
	}
	s.ProcessWhy = fmt.Sprintf("something of run %s must still be undone on device %s: dprun owed", left.Owed[i].Run, left.Owed[i].Device)
}

// owedExit returns the exit code for pending obligations. A domain that a drill
// left counts like a quiesced one, because something may be at work in it.
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

// HoldRequest asks to stop every quiesce, or to allow quiesces again.
type HoldRequest struct {
	Reason  string // for whoever finds the hold
	Release bool
	By      string // the person who asks; empty: the user that dprun runs as
	Who     string // as in [StartRequest]; empty: nobody asked a server
	Change  string // a change number
}

// Hold stops every quiesce of the state directory until it is released. Quiesced
// targets are brought back, and tasks without a quiesce continue. The report says
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

// stops lists what forbids quiesces now. With a run, it lists what the run has
// opened, closed or not.
func stops(ctx context.Context, j *journal.Journal, run string) ([]report.Stop, error) {
	if j == nil {
		return nil, nil // callers report a journal that cannot be opened themselves
	}
	open, err := j.Breakers(ctx, run)
	var out []report.Stop
	for _, b := range open {
		out = append(out, report.Stop{Device: b.Device, Environment: b.Environment, Since: b.Since, Reason: b.Reason, Run: b.Run, By: b.By, Closed: b.Closed, ClosedBy: b.ClosedBy})
	}
	return out, err
}

// whoami returns the user and the host, for the record of manual actions.
func whoami() string {
	host, _ := os.Hostname()
	return username() + "@" + host
}

// username returns the name of the user that dprun runs as; empty: the user has
// no name.
func username() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// byHand fills in the commands for a person: first those for the appliance, then
// those for this host. Every command can be copied as it is; the last one makes
// dprun verify the result.
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
		item.Note = "a drill has made this domain: nothing in it is needed, and until it is removed something in it may be at work"
	case pending.Restore:
		item.Note = restoreNote(o)
	case pending.PostScript:
		item.Note = "if it cannot run any more, do by hand what script " + o.Script + " does for " + o.Where()
	}
	if elsewhere, err := state.Dir("", r.unset(state.EnvDir)); err != nil || elsewhere != r.StateDir {
		item.Commands = append(item.Commands, "export "+state.EnvDir+"="+quoted(r.StateDir))
	}
	item.Commands = append(item.Commands, "dprun recover")
	item.Acknowledge = "dprun recover --ack " + quoted(acknowledgedBy(o))
}

// restoreNote says what a person can do about a restore that is not proven.
func restoreNote(o pending.Obligation) string {
	r, err := record.RestoreOf(o)
	if err != nil || r.WayBackSet == "" {
		return "look at " + o.Where() + ": it is no longer known here what was restored there, and what was there before"
	}
	again := func(what string) string {
		return "dprun restore PLAN " + quoted(what) + " --device " + quoted(o.Device) + " --domain " + quoted(o.Domain) + " --unsaved"
	}
	note := "to go back to what was there before: " + again(r.WayBackSet)
	if r.Set != "" {
		note += "; to restore again: " + again(r.Set)
		if r.Policy != "" { // without the policy, dprun would import other things
			note += " --policy " + quoted(r.Policy)
		}
		for _, name := range slices.Sorted(maps.Keys(r.Variables)) { // names only, because the values may be secret
			note += " --policy-var " + quoted(name) + "=VALUE"
		}
		if r.RewriteLocalIP {
			note += " --rewrite-local-ip"
		}
	}
	return note + "; if it is as it should be and only not saved, save it on the gateway (switch domain " + o.Domain + ", configure terminal, write memory)"
}

// unset returns a lookup in the environment without one variable. It is the
// environment of a person who types a command later.
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

// quoted returns a word in the form that a shell reads.
func quoted(word string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./:@%+=,", c)
	}
	if word != "" && strings.IndexFunc(word, func(c rune) bool { return !plain(c) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
