package runner

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
)

// book writes one run's batches into the journal. It implements
// engine.Journal and is called from the goroutine that owns the machine.
type book struct {
	journal *journal.Journal
	run     string
	machine *lifecycle.Run
	record  record
	plan    *planned // nil while a run is being recovered
}

// Append enters a batch, with one self-contained row for every obligation.
func (b *book) Append(ctx context.Context, in engine.Batch) error {
	out := journal.Batch{Events: in.Events, Statuses: in.Statuses}
	for _, o := range in.Owe {
		row, err := b.row(o)
		if err != nil {
			return err
		}
		if n := len(in.Events); n > 0 {
			row.Since = in.Events[n-1].Time
		}
		out.Owe = append(out.Owe, row)
	}
	for _, o := range in.Pay {
		out.Pay = append(out.Pay, journal.ObligationID{Run: b.run, Task: o.Task, ID: o.ID})
	}
	for _, e := range in.Events {
		if e.Result == nil || e.Result.Inspection == nil {
			continue
		}
		a := lifecycle.DeviceOf(e.Action)
		facts, err := json.Marshal(e.Result.Inspection.Facts)
		if err != nil {
			return fmt.Errorf("encode the facts of %s: %w", a, err)
		}
		out.Devices = append(out.Devices, journal.Device{Name: a, Identity: e.Result.Inspection.Facts.Identity, Facts: facts, Seen: e.Time})
	}
	for _, s := range in.Statuses {
		b.note(s, &out)
	}
	_, err := b.journal.Append(ctx, b.run, out)
	return err
}

// note enters what later runs want to know of a status.
func (b *book) note(s event.Status, out *journal.Batch) {
	switch lifecycle.Code(s.Code) {
	case lifecycle.UnquiesceTimeoutOccurred, lifecycle.UnquiesceOnErrorTimeoutOccurred:
		if !s.Final {
			out.Trip = append(out.Trip, journal.Breaker{Device: s.Device, Since: s.Time, Reason: s.Message, Run: b.run})
		}
	case lifecycle.Success:
		t := b.machine.Task(s.Task)
		if t == nil {
			return
		}
		var total int64
		for _, c := range t.Captured() {
			for _, a := range c.Artifacts {
				total += a.Size
			}
		}
		out.Sizes = append(out.Sizes, journal.Size{Device: s.Device, Activity: s.Activity, Domain: s.Domain, Bytes: total, At: s.Time})
	}
}

// row makes an obligation payable without the plan.
func (b *book) row(o lifecycle.Obligation) (journal.Obligation, error) {
	row := journal.Obligation{
		ObligationID: journal.ObligationID{Run: b.run, Task: o.Task, ID: o.ID},
		Kind:         journal.Kind(o.Kind), Device: o.Device, Domain: o.Domain, Token: o.Token, Script: o.Script,
	}
	if f := b.machine.Facts(o.Device); f != nil {
		row.Identity = f.Identity
	}
	var s sealed
	switch {
	case o.Kind != lifecycle.OwePostScript:
		s = b.record.Devices[o.Device]
	case b.plan != nil:
		at := execute.Scope{Run: b.run, Plan: b.record.Spec.Plan, Device: o.Device, Domain: o.Domain}
		if t := b.machine.Task(o.Task); t != nil {
			at.Activity = t.Spec().Activity.Name
			if p := t.Prepared(); p != nil {
				at.Stamp = p.Stamp
			}
		}
		e, dpod, err := b.plan.script(o.Script, at)
		if err != nil {
			break // the script will fail by itself and say so
		}
		if s, err = seal(e.Type, e.Config); err != nil {
			return row, err
		}
		s.Dpod = dpod
	}
	body, err := json.Marshal(s)
	if err != nil {
		return row, fmt.Errorf("encode what is owed to %s: %w", o.Device, err)
	}
	row.Endpoint = body
	return row, nil
}
