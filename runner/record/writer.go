package record

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk/failure"
)

// Writer writes the batches of one run into the journal. It implements engine.Journal.
// Only the goroutine that owns the machine may call it.
type Writer struct {
	Journal *journal.Journal
	Pending *pending.Dir
	Log     *slog.Logger
	Machine *lifecycle.Run
	Record  Run
	Plan    *CompiledPlan // nil while a run is being recovered

	Succeeded func(task string) // called when the journal has the success of a task; nil: not needed

	owe     []pending.Obligation       // of the batch that is being written
	outputs map[string]json.RawMessage // of scripts, so far
	scripts map[pending.Key]string     // what was written down about pending scripts
}

// Owe writes the pending file of every new obligation of a batch. It also rewrites the
// files of scripts whose configuration has changed because more is known now.
func (b *Writer) Owe(in engine.Batch) error {
	b.owe = nil
	known := b.learn(in.Events)
	for _, o := range in.Owe {
		row, err := b.Row(o)
		if err != nil {
			return err
		}
		if n := len(in.Events); n > 0 {
			row.Since = in.Events[n-1].Time
		}
		b.owe = append(b.owe, row)
	}
	if known {
		again, err := b.scriptsAgain()
		if err != nil {
			return err
		}
		b.owe = append(b.owe, again...)
	}
	for _, row := range b.owe {
		if err := b.Pending.Put(row); err != nil {
			return err
		}
	}
	return nil
}

// Paid removes the pending files of the obligations that a batch has settled.
func (b *Writer) Paid(in engine.Batch) {
	for _, o := range in.Pay {
		if err := b.Pending.Remove(pending.Key{Run: b.Record.Spec.ID, Task: o.Task, ID: o.ID}); err != nil {
			b.Log.Error("something that was undone is still listed; the next dprun recover looks and removes it from the list", "error", err)
		}
	}
}

// Append writes a batch, with one self-contained row for every obligation.
func (b *Writer) Append(ctx context.Context, in engine.Batch) error {
	out := journal.Batch{Events: in.Events, Statuses: in.Statuses, Owe: b.owe}
	if n := len(in.Events); n > 0 {
		out.Time = in.Events[n-1].Time
	}
	for _, o := range in.Pay {
		id := pending.Key{Run: b.Record.Spec.ID, Task: o.Task, ID: o.ID}
		out.Pay = append(out.Pay, id)
		delete(b.scripts, id)
	}
	for _, e := range in.Events {
		if e.Result == nil || e.Result.Inspection == nil && (e.Result.Destination == nil || e.Task != "") {
			continue
		}
		id, err := lifecycle.ParseActionID(e.Action)
		if err != nil {
			return err
		}
		if d := e.Result.Destination; d != nil {
			out.Rooms = append(out.Rooms, journal.Room{Destination: id.Target, Root: d.Location, Free: d.Free, Total: d.Total, At: e.Time})
			continue
		}
		facts, err := json.Marshal(e.Result.Inspection.Facts)
		if err != nil {
			return fmt.Errorf("encode the facts of %s: %w", id.Target, err)
		}
		out.Devices = append(out.Devices, journal.Device{Name: id.Target, Identity: e.Result.Inspection.Facts.Identity, Facts: facts, Seen: e.Time})
	}
	for _, s := range in.Statuses {
		b.note(s, &out)
	}
	out.Scripts = ScriptsOf(in.Events)
	if err := b.Journal.Append(ctx, b.Record.Spec.ID, out); err != nil {
		return err
	}
	for _, s := range in.Statuses {
		if s.Final && s.Task != "" && s.Code == string(status.Success) && b.Succeeded != nil {
			b.Succeeded(s.Task)
		}
	}
	return nil
}

// ScriptsOf returns which scripts have begun. A script whose command could not be
// started has not.
func ScriptsOf(events []event.Event) (out []journal.Script) {
	for _, e := range events {
		if (e.Kind == event.Started || e.Kind == event.Finished) && strings.HasPrefix(e.Action, string(lifecycle.ActScript)+"/") {
			out = append(out, journal.Script{Task: e.Task, Action: e.Action, Begun: e.Failure == nil || e.Failure.Reason != failure.NotExecutable})
		}
	}
	return out
}

// note adds to the batch what later runs need to know of a status.
func (b *Writer) note(s event.Status, out *journal.Batch) {
	switch status.Code(s.Code) {
	case status.UnquiesceTimeoutOccurred, status.UnquiesceOnErrorTimeoutOccurred, status.UnquiesceNotHealthy:
		if !s.Final {
			out.Trip = append(out.Trip, journal.Breaker{Device: s.Device, Since: s.Time, Reason: s.Message, Run: b.Record.Spec.ID})
		}
	case status.Success:
		t := b.Machine.Task(s.Task)
		if t == nil {
			return
		}
		out.Good = append(out.Good, journal.Good{Task: s.Task, Bytes: t.Bytes(), Took: t.Spent()})
	}
}

// Row returns an obligation in a form that can be settled without the plan.
func (b *Writer) Row(o lifecycle.Obligation) (pending.Obligation, error) {
	if o.Kind != lifecycle.OwePostScript {
		return b.Record.DeviceRow(o, b.identity(o.Device))
	}
	row := b.Record.row(o, b.identity(o.Device))
	body, err := b.scriptBody(o)
	if err != nil {
		return row, fmt.Errorf("encode what must be undone on %s: %w", o.Device, err)
	}
	b.remember(row.Key, body)
	row.Endpoint = body
	return row, nil
}

func (b *Writer) identity(device string) string {
	if f := b.Machine.Facts(device); f != nil {
		return f.Identity
	}
	return ""
}

func (b *Writer) scriptBody(o lifecycle.Obligation) ([]byte, error) {
	s, err := b.script(o)
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

func (b *Writer) remember(id pending.Key, body []byte) {
	if b.scripts == nil {
		b.scripts = map[pending.Key]string{}
	}
	b.scripts[id] = string(body)
}

// learn remembers the outputs of scripts, and reports whether there are new ones.
func (b *Writer) learn(events []event.Event) bool {
	known := false
	for _, e := range events {
		if e.Kind != event.Finished || e.Result == nil || e.Result.Script == nil || len(e.Result.Script.Outputs) == 0 {
			continue
		}
		known = true
		if b.outputs == nil {
			b.outputs = map[string]json.RawMessage{}
		}
		maps.Copy(b.outputs, e.Result.Script.Outputs)
	}
	return known
}

// scriptsAgain returns new rows for the pending scripts whose configuration has changed
// because more is known now.
func (b *Writer) scriptsAgain() ([]pending.Obligation, error) {
	if b.Plan == nil {
		return nil, nil
	}
	tasks := map[string]bool{}
	for id := range b.scripts {
		tasks[id.Task] = true
	}
	var owed []lifecycle.Obligation
	for _, task := range slices.Sorted(maps.Keys(tasks)) { // "" is the run itself
		owed = append(owed, b.Machine.Obligations(task)...)
	}
	var out []pending.Obligation
	for _, o := range owed {
		id := pending.Key{Run: b.Record.Spec.ID, Task: o.Task, ID: o.ID}
		before, isScript := b.scripts[id]
		if !isScript {
			continue
		}
		row, err := b.Row(o)
		if err != nil {
			return nil, err
		}
		if string(row.Endpoint) != before {
			out = append(out, row)
		}
	}
	return out, nil
}
