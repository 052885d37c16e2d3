package lifecycle

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// The hooks of a task, as their actions and scripts name them.
const (
	hookPre    = "pre"             // before anything is done to the device
	hookBefore = "before_quiesce"  // right before the quiesce: drains traffic
	hookAfter  = "after_unquiesce" // once the target is back: lets traffic in again
	hookPost   = "post"            // at the end, told the outcome
)

// The hooks of a run.
const (
	hookPlanPre  = "plan_pre"
	hookPlanPost = "plan_post"
)

// hook is the state of a hook, and what its failure means.
func (t *Task) hook(name string) (state *script, code status.Code, rk rank) {
	switch name {
	case hookBefore:
		return &t.before, status.BeforeQuiesceScriptError, rankFirst
	case hookAfter:
		return &t.after, status.AfterUnquiesceScriptError, rankFirst
	case hookPost:
		return &t.post, status.PostScriptError, rankPostScript
	}
	return &t.pre, status.PreScriptError, rankFirst
}

// advancePreScript runs the pre-script.
func (t *Task) advancePreScript() {
	if t.stopped() {
		t.toUndo()
		return
	}
	if t.spec.Activity.PreScript != nil && !t.pre.ended() {
		if t.pre.state == scriptIdle {
			t.pre.on(scriptDue)
			t.enter(status.WaitingForPreScript, "script %s", t.spec.Activity.PreScript.Address)
		}
		return
	}
	if t.has(status.PreScriptError) {
		t.toUndo()
		return
	}
	t.to(phasePrepared)
}

// drained reports whether before_quiesce is done, and begins it.
func (t *Task) drained() bool {
	s := t.spec.Activity.BeforeQuiesce
	if s == nil || t.before.ended() {
		return true
	}
	if t.before.state == scriptIdle {
		t.before.on(scriptDue)
		t.enter(status.WaitingForBeforeQuiesceScript, "script %s", s.Address)
	}
	return false
}

// rejoined reports whether after_unquiesce is done or not due, and begins it. It
// is due when before_quiesce was started or a quiesce was sent, and the target
// is in service. It is not run for a target that did not come back.
func (t *Task) rejoined() bool {
	s := t.spec.Activity.AfterUnquiesce
	if s == nil || t.after.ended() || !t.before.ran() && t.debt == nil {
		return true
	}
	if t.MayBeDown() {
		if t.debt.GaveUp() {
			t.after.on(scriptDrops)
			t.warnings = append(t.warnings, fmt.Sprintf("script %s was not run, because %s: dprun recover runs it when it has", s.Address, t.notBack()))
			return true
		}
		return false
	}
	if t.after.state == scriptIdle {
		t.after.on(scriptDue)
		t.enter(status.WaitingForAfterUnquiesceScript, "script %s", s.Address)
	}
	return false
}

// OwesRejoin reports whether after_unquiesce is owed: until it has worked,
// traffic may be led around a gateway that is in service.
func (t *Task) OwesRejoin() bool {
	return t.spec.Activity.AfterUnquiesce != nil && (t.before.ran() || t.debt != nil) && t.after.state != scriptWorked
}

func (t *Task) pendingScript(add func(Action), hook string, s *Script) {
	state, _, _ := t.hook(hook)
	if s == nil || !state.pending() {
		return
	}
	a := Action{ActionID: ActionID{Kind: ActScript, Target: hook}, Script: s.Address, Hook: hook, Timeout: s.Timeout}
	if hook == hookPost {
		a.Outcome, a.OutcomeMessage = t.outcome()
	}
	add(a)
}

// onScript ends a script: a return code above zero, or a script that could
// not be run, is a failure.
func (t *Task) onScript(a Action, r *sdk.RunReport, f *failure.Error) {
	state, code, rk := t.hook(a.Hook)
	state.finish(f != nil || r != nil && r.ExitCode != 0)
	switch {
	case f != nil:
		t.fail(rk, code, fmt.Sprintf("script %s: %s", a.Script, f.Error()))
	case r != nil && r.ExitCode != 0:
		t.fail(rk, code, scriptReturned(a, r))
	}
}

// scriptReturned is the message of a failed script: what it complained about,
// what that means for the person who reads it at night, and what to do.
func scriptReturned(a Action, r *sdk.RunReport) string {
	remedy := "mend what it complains of, or the script, and run the plan again"
	switch a.Hook {
	case hookPlanPre:
		remedy = "no task was begun; " + remedy
	case hookPre:
		remedy = "nothing was quiesced or captured; " + remedy
	case hookBefore:
		remedy = "no quiesce was sent; " + remedy
	case hookAfter:
		remedy = "the target is back in service, but traffic may still be led around it; mend what the script complains of, then type dprun recover, which runs it again"
	case hookPost, hookPlanPost:
		remedy = "the backup itself may be complete; do by hand what the script left undone, and mend what it complains of"
	}
	return fmt.Sprintf("script %s returned %d%s; %s", a.Script, r.ExitCode, LastLine(r.Tail), remedy)
}

// LastLine adds the last line of what a script printed to a message.
func LastLine(tail string) string {
	tail = strings.TrimSpace(tail)
	if tail == "" {
		return ""
	}
	return ": " + tail[strings.LastIndexByte(tail, '\n')+1:]
}
