package lifecycle

import (
	"time"
)

// Obligations returns what the task must still undo or do in the outside world.
func (t *Task) Obligations() []Obligation {
	var os []Obligation
	if t.MayBeDown() {
		os = append(os, t.oweUnquiesce(t.debt.Spec()))
	}
	for _, c := range t.captures {
		if c.deposit.owed() {
			os = append(os, Obligation{ID: owedDiscard(c.variant), Kind: OweDiscard, Task: t.id, Device: t.spec.Device, Token: c.deposit.token})
		}
	}
	if t.OwesRejoin() {
		os = append(os, Obligation{ID: OwedAfterUnquiesce, Kind: OwePostScript, Task: t.id, Device: t.spec.Device, Domain: t.domain, Script: t.spec.Activity.AfterUnquiesce.Address})
	}
	if t.owesPostScript() && t.final == nil {
		os = append(os, Obligation{ID: OwedPostScript, Kind: OwePostScript, Task: t.id, Device: t.spec.Device, Domain: t.domain, Script: t.spec.Activity.PostScript.Address})
	}
	return os
}

// oweUnquiesce is the obligation to bring the target back.
func (t *Task) oweUnquiesce(debt DebtSpec) Obligation {
	return Obligation{ID: OwedUnquiesce, Kind: OweUnquiesce, Task: t.id, Device: t.spec.Device, Domain: debt.Domain, Debt: &debt, DueBack: t.dueBack()}
}

// dueBack returns when the task's target should be back at the latest, whatever
// happens. After that, something is wrong with the process that works on it.
func (t *Task) dueBack() time.Time {
	return t.started.Add(t.waited() + t.spec.Timeouts.Run + t.spec.Timeouts.Unquiesce + t.spec.Timeouts.Grace + arrivesWithin + t.spec.Timeouts.Healthy)
}

// owesPostScript reports whether the post-script must run even if the run is
// interrupted, because it ends what a pre-script began.
func (t *Task) owesPostScript() bool {
	p := t.spec.Activity.PostScript
	return p != nil && p.When != OnSuccess && t.pre.ran() && !t.post.ended()
}
