package lifecycle

import (
	"fmt"
	"slices"

	"github.com/dprun/dprun/runner/status"
)

// The exit codes of a run. 2 is never used on purpose.
const (
	exitOK            = 0
	exitFailed        = 1
	exitPartly        = 3
	exitOutsideWindow = 13
	exitNothing       = 14
	exitPlanCheck     = 15
	exitStillQuiesced = 16
	exitTrafficAway   = 17
	exitInternal      = 70
	exitInterrupt     = 130
	exitTerminate     = 143
)

// advancePostScript runs the plan's post-script, if its pre-script was passed
// or there was none and a task ran, then ends the run.
func (r *Run) advancePostScript() {
	if !r.allFinal() {
		r.dismissForStop()
		if !r.allFinal() {
			r.to(stageBack) // they still undo and finish
			return
		}
	}
	code, message, exit := r.judge()
	began := r.ran || r.pre.ran()
	if s := r.spec.PostScript; began && s.due(code != status.Success) && !r.post.ended() {
		if r.post.state == scriptIdle {
			r.post.on(scriptDue)
			r.enter(status.RunWaitingForPostScript, "script "+s.Address)
		}
		return
	}
	if r.postFailure != "" && exit == exitOK {
		code, message, exit = status.RunPostScriptError, r.postFailure, exitPartly
	}
	r.end(code, message, exit)
}

// judge returns the run's result as far as it is known.
func (r *Run) judge() (status.Code, string, int) {
	var n Tally
	var down, unwell, away int
	for _, t := range r.tasks {
		if t.MayBeDown() {
			down++
		}
		if t.debt.Unwell() {
			unwell++
		}
		if t.OwesRejoin() {
			away++
		}
		if t.final != nil {
			n.Add(status.Code(t.final.Code))
		}
	}
	summary := n.String()
	switch {
	case unwell > 0 && unwell == down:
		return status.RunDeviceStillQuiesced, fmt.Sprintf("%s; %d did not come back healthy: dprun recover", summary, unwell), exitStillQuiesced
	case down > 0:
		return status.RunDeviceStillQuiesced, fmt.Sprintf("%s; %d may have left a device or domain quiesced: dprun recover", summary, down), exitStillQuiesced
	case away > 0 && r.allFinal():
		return status.RunTrafficLedAway, fmt.Sprintf("%s; traffic may still be led around %d device(s) or domain(s): dprun owed", summary, away), exitTrafficAway
	case r.stop == stopFaulted:
		return status.FailedWithInternalException, r.fault, exitInternal
	case r.interrupted:
		return status.RunInterrupted, summary, exitFailed
	case r.stop == stopCancelled:
		exit := exitTerminate
		if r.cancelled == "SIGINT" || r.cancelled == "interrupt" {
			exit = exitInterrupt
		}
		return status.RunCanceledByUser, summary, exit
	case slices.ContainsFunc(r.tasks, func(t *Task) bool { return t.has(status.CanceledJournalFailed) }):
		return status.RunFailed, summary, exitInternal
	case r.gateFailed != "":
		return status.PlanFailedPreScript, r.gateFailed, exitPlanCheck
	}
	exit := n.Exit()
	switch {
	case exit == exitOK:
		return status.Success, summary, exit
	case exit == exitPartly:
		return status.RunPartlyFailed, summary, exit
	case exit == exitNothing:
		return status.RunAllTasksSkipped, summary, exit
	case !r.ran && r.allOf(status.CanceledBecauseADayPassed):
		return status.RunADayPassed, summary, exit
	}
	return status.RunFailed, summary, exit
}

// Tally counts how the tasks of a run end.
type Tally struct{ Good, Bad, Cancelled, Skipped, Neutral int }

// Add counts a task by its final code.
func (n *Tally) Add(c status.Code) {
	e, _ := status.Lookup(c)
	switch {
	case e.Neutral:
		n.Neutral++
	case e.Class == status.ClassSuccess:
		n.Good++
	case e.Class == status.ClassSkipped:
		n.Skipped++
	case e.Class == status.ClassCancelled:
		n.Cancelled++
	default:
		n.Bad++
	}
}

// Exit is the exit code of a run in which only these tasks ended.
func (n Tally) Exit() int {
	switch {
	case n.Good > 0 && n.Bad+n.Cancelled+n.Skipped == 0:
		return exitOK
	case n.Good > 0:
		return exitPartly
	case n.Bad+n.Cancelled > 0:
		return exitFailed
	}
	return exitNothing
}

// String counts in words, and leaves out what there is none of.
func (n Tally) String() string {
	all := n.Good + n.Bad + n.Cancelled + n.Skipped + n.Neutral
	tasks := "tasks"
	if all == 1 {
		tasks = "task"
	}
	s := fmt.Sprintf("%d of %d %s succeeded", n.Good, all, tasks)
	for _, part := range []struct {
		n    int
		what string
	}{{n.Bad, "failed"}, {n.Cancelled, "cancelled"}, {n.Skipped + n.Neutral, "skipped"}} {
		if part.n > 0 {
			s += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return s
}

func (r *Run) allOf(c status.Code) bool {
	for _, t := range r.tasks {
		if t.final == nil || status.Code(t.final.Code) != c {
			return false
		}
	}
	return len(r.tasks) > 0
}

// end closes the run's history.
func (r *Run) end(c status.Code, message string, exit int) {
	s := r.enter(c, message)
	s.Final = true
	v := *s
	r.verdict, r.exit = &v, exit
	r.to(stageEnds)
}
