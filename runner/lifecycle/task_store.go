package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// beginStore hands the whole set to every destination that passed its
// pre-check. The device's slot is free from here on.
func (t *Task) beginStore() {
	t.storeSince = t.now
	for _, d := range t.dests {
		if d.usable {
			d.store.begin()
			t.enter(StoreStarted, "destination %s: %s", d.spec.Name, t.setAt(d))
		}
	}
}

// setAt is the set's directory at a destination.
func (t *Task) setAt(d *destination) string {
	if t.prepared == nil {
		return ""
	}
	return t.prepared.Sets[d.spec.Name]
}

func (t *Task) advanceStore() {
	if t.abandon {
		t.toPostScript()
		return
	}
	for _, d := range t.dests {
		if d.usable && !d.stored && !d.failed {
			return
		}
	}
	t.toPostScript()
}

func (t *Task) pendingStore(add func(Action)) {
	waiting := false
	for _, d := range t.dests {
		if !d.usable || d.stored || d.failed {
			continue
		}
		waiting = true
		a := Action{Kind: ActManifest, Destination: d.spec.Name, NotBefore: d.store.notBefore}
		if d.variant < len(t.captures) {
			a.Kind, a.Variant = ActStore, t.captures[d.variant].variant
			a.ID = fmt.Sprintf("store/%s/%s/%d", d.spec.Name, a.Variant, d.store.attempt)
		} else {
			a.ID = fmt.Sprintf("manifest/%s/%d", d.spec.Name, d.store.attempt)
		}
		add(a)
	}
	if waiting && t.spec.Timeouts.Store > 0 {
		add(Action{ID: "timer/store", Kind: ActTimer, NotBefore: t.storeSince.Add(t.spec.Timeouts.Store)})
	}
}

// onStored: one variant after the other, then the manifest, whose presence
// says that the set is whole.
func (t *Task) onStored(a Action, r *sdk.StoreReport, f *failure.Error) {
	i := slices.IndexFunc(t.dests, func(d *destination) bool { return d.spec.Name == a.Destination })
	if i < 0 {
		return
	}
	d := t.dests[i]
	t.settle(&d.store, a.ID, f)
	if !d.store.done {
		return
	}
	if f := d.store.failure; f != nil {
		d.failed = true
		t.fail(rankStore, storeCode(f), fmt.Sprintf("destination %s: %s", d.spec.Name, f.Error()))
		return
	}
	if r != nil && a.Kind == ActStore {
		d.reports = append(d.reports, *r)
		if !r.Durable {
			t.warn("destination %s could not be asked to make the copy durable", d.spec.Name)
		}
		for _, w := range r.Warnings {
			t.warn("destination %s: %s", d.spec.Name, w)
		}
	}
	d.store = call{attempt: 1}
	if a.Kind == ActStore {
		d.variant++
		return
	}
	d.stored = true
	t.enter(StoreDone, "destination %s: %s", d.spec.Name, t.stored(d))
}

// stored says where a destination's copies stand. Its reports are in the order
// of the captures.
func (t *Task) stored(d *destination) string {
	var out []string
	for i, r := range d.reports {
		at := r.Location
		if of := t.artifacts(i); len(of) > 1 {
			var total int64
			for _, a := range of {
				total += a.Size
			}
			at = fmt.Sprintf("%s (%d files, %s)", at, len(of), size(total))
		}
		out = append(out, at)
	}
	return strings.Join(out, ", ")
}

// artifacts are the files of the i-th capture.
func (t *Task) artifacts(i int) []event.Artifact {
	if i >= len(t.captures) || t.captures[i].captured == nil {
		return nil
	}
	return t.captures[i].captured.Artifacts
}

func (t *Task) onStoreTimeout() {
	for _, d := range t.dests {
		if d.usable && !d.stored && !d.failed {
			d.failed = true
			t.fail(rankStore, StoreTimeoutOccurred, fmt.Sprintf(
				"destination %s: not stored within %s; the files stay in staging", d.spec.Name, t.spec.Timeouts.Store.Round(time.Second)))
		}
	}
}

func (t *Task) anyStored() bool {
	return slices.ContainsFunc(t.dests, func(d *destination) bool { return d.stored })
}

// Stored lists the reports on the copies at a destination, in the order of the captures.
func (t *Task) Stored(name string) []sdk.StoreReport {
	for _, d := range t.dests {
		if d.spec.Name == name {
			return slices.Clone(d.reports)
		}
	}
	return nil
}

// Locations is where the copies stand, file by file, as the destinations name
// them.
func (t *Task) Locations() []string {
	var out []string
	for _, d := range t.dests {
		for i, r := range d.reports {
			at := r.Location
			of := t.artifacts(i)
			if len(of) < 2 || !strings.HasSuffix(at, "/") { // else at is the set's directory
				out = append(out, at)
				continue
			}
			for _, a := range of {
				out = append(out, at+a.File)
			}
		}
	}
	return out
}

// summary is the message of a success.
func (t *Task) summary() string {
	var total int64
	files := 0
	for _, c := range t.Captured() {
		for _, a := range c.Artifacts {
			total += a.Size
			files++
		}
	}
	var at []string
	for _, d := range t.dests {
		if d.stored {
			at = append(at, d.spec.Name)
		}
	}
	return fmt.Sprintf("%d file(s), %s, verified at %s", files, size(total), strings.Join(at, ", "))
}

// toPostScript: all work is done or given up; the script is told the outcome.
func (t *Task) toPostScript() { t.phase = PhasePostScript }

func (t *Task) advancePostScript() {
	code, _ := t.outcome()
	if s := t.spec.Activity.PostScript; s.due(code != Success) && !t.post.done {
		if !t.post.begun {
			t.post.begun = true
			t.enter(WaitingForPostScript, "script %s", s.Address)
		}
		return
	}
	t.end(t.outcome())
}
