package lifecycle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// validating reports whether the task still waits for the device's answer.
func (t *Task) validating() bool { return t.phase == PhaseValidate && t.validate.asking() }

func (t *Task) pendingValidation(add func(Action)) {
	if t.validate.asking() {
		add(Action{ActionID: ActionID{Kind: ActValidate, Attempt: t.validate.attempt}, NotBefore: t.validate.notBefore})
	}
}

// onValidated ends a task that cannot work on this device: wrong mode, no
// certificate, no room. A trouble that may have passed when the task runs (the
// device is busy or away, somebody else makes a backup) is left to the checks of
// that time.
func (t *Task) onValidated(a Action, r *sdk.CheckReport, f *failure.Error) {
	t.settle(&t.validate, a, f)
	if !t.validate.done() {
		return
	}
	if f := t.validate.failure; f != nil {
		code := checkCode(f)
		if e, _ := status.Lookup(code); e.Class == status.ClassInvalid && e.Halts(false) {
			t.end(code, f.Error())
		}
		return
	}
	if short := t.shortOnDevice(r); short != "" {
		t.end(status.NotEnoughFreeSpaceOnDevice, short)
	}
}

// shortOnDevice returns how far the device falls short of the room that this
// backup needs, or nothing. A device that cannot tell counts as having room.
func (t *Task) shortOnDevice(r *sdk.CheckReport) string {
	if r == nil {
		return ""
	}
	need := max(r.Estimate, t.lastSize*3/2)
	var what, where string
	switch s := r.Space; {
	case s.FreeTemporary >= 0 && s.FreeTemporary-r.KeepTemporary < need:
		what, where = size(s.FreeTemporary)+" free in temporary:", "temporary: on the device"
		if r.KeepTemporary > 0 {
			what += fmt.Sprintf(", of which %s must stay free (its throttle settings: below that it turns traffic away and restarts)", size(r.KeepTemporary))
		}
	case s.TotalInternal > 0 && s.FreeInternal >= 0 && s.FreeInternal < need && !slices.Contains(r.Variants, sdk.VariantSecureBackup):
		what, where = size(s.FreeInternal)+" free in its internal storage, where it makes exports", "the device"
	default:
		return ""
	}
	left := ""
	if len(r.Leftovers) > 0 {
		left = "; it still holds " + strings.Join(r.Leftovers, " and ")
	}
	return fmt.Sprintf("device %s has %s, and this backup needs about %s%s; remove files from %s", t.spec.Device, what, size(need), left, where)
}
