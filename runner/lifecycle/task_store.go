package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// beginStore hands the whole set to every destination that passed its
// pre-check. The slots of the device and of the run are free from here on.
func (t *Task) beginStore() {
	t.left = t.now
	for _, d := range t.dests {
		if d.state == copyIdle {
			d.on(copyBegins)
			d.store = first(t.now)
			t.enter(status.StoreStarted, "destination %s: %s", d.spec.Name, t.setAt(d))
		}
	}
}

// destination finds a destination of the task, or nil.
func (t *Task) destination(name string) *destination {
	for _, d := range t.dests {
		if d.spec.Name == name {
			return d
		}
	}
	return nil
}

// setAt is the set's directory at a destination.
func (t *Task) setAt(d *destination) string {
	if t.prepared == nil {
		return ""
	}
	return t.prepared.Sets[d.spec.Name]
}

func (t *Task) advanceStore() {
	if t.course == courseAbandoned {
		t.toPostScript()
		return
	}
	if !slices.ContainsFunc(t.dests, (*destination).open) {
		t.toPostScript()
	}
}

// open reports whether something is still to be stored there.
func (d *destination) open() bool {
	return d.waits() || d.state == copyStoring || d.state == copyPausing
}

// waits reports whether the destination waits for a place.
func (d *destination) waits() bool {
	return d.state == copyQueued || d.state == copyAway || d.state == copyAgain
}

// stores reports whether the task wants to store at a destination now.
func (t *Task) stores(name string) bool {
	if t.phase != PhaseStore || t.course == courseAbandoned {
		return false
	}
	d := t.destination(name)
	return d != nil && (d.waits() || d.state == copyStoring)
}

// letStore says that a store at a destination may begin; its time-out counts
// from the first one.
func (t *Task) letStore(name string, now time.Time) {
	d := t.destination(name)
	if d.state == copyQueued {
		d.since = now
	}
	d.on(copyAdmitted)
}

// away notes that a destination which the task waits for does not answer. That
// time counts for the time-out; time in the queue does not.
func (t *Task) away(name string, now time.Time) {
	if d := t.destination(name); d.state == copyQueued {
		d.on(copyLeaves)
		d.since = now
	}
}

// back notes that such a destination answers again.
func (t *Task) back(name string) {
	if d := t.destination(name); d.state == copyAway {
		d.on(copyReturns)
	}
}

func (t *Task) pendingStore(add func(Action)) {
	for _, d := range t.dests {
		if !d.open() {
			continue
		}
		if d.state != copyQueued && t.spec.Timeouts.Store > 0 {
			add(Action{ActionID: ActionID{Kind: ActStoreTimer, Target: d.spec.Name}, Destination: d.spec.Name, NotBefore: d.since.Add(t.spec.Timeouts.Store)})
		}
		if d.state == copyPausing {
			add(Action{ActionID: ActionID{Kind: ActAgainTimer, Target: d.spec.Name, Attempt: d.store.attempt}, Destination: d.spec.Name, NotBefore: d.store.notBefore})
			continue
		}
		a := Action{ActionID: ActionID{Kind: ActManifest, Target: d.spec.Name, Attempt: d.store.attempt}, Destination: d.spec.Name}
		if d.variant < len(t.captures) {
			a.Kind, a.Variant = ActStore, t.captures[d.variant].variant
		}
		add(a)
	}
}

// onStored: one variant follows the other, and then the manifest, which shows
// that the set is whole.
func (t *Task) onStored(a Action, r *sdk.StoreReport, f *failure.Error) {
	d := t.destination(a.Destination)
	if d == nil {
		return
	}
	t.heard = append(t.heard, heard{d.spec.Name, ActStore, f})
	if f != nil {
		t.onStoreFailed(d, a, f)
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
	d.store, d.last = first(t.now), nil
	if a.Kind == ActStore {
		d.variant++
		d.on(copyVariant)
		return
	}
	d.on(copyStores)
	t.enter(status.StoreDone, "destination %s: %s", d.spec.Name, t.stored(d))
}

// onStoreFailed: a failure that may pass is tried again until the time-out.
// Meanwhile the capture stays staged, and is not made again.
func (t *Task) onStoreFailed(d *destination, a Action, f *failure.Error) {
	d.last = f
	d.store.failed++
	if !mayPass(f, d.store.failed) || t.spec.Timeouts.Store <= 0 {
		d.on(copyFails)
		t.fail(rankStore, storeCode(f), fmt.Sprintf("destination %s: %s", d.spec.Name, f.Error()))
		return
	}
	d.store.again(t.now, growing(t.spec.Seed, t.id+"/"+a.String(), d.store.failed, storeMost))
	d.on(copyPauses)
	if !d.told {
		d.told = true
		t.enter(status.StoreWaiting, "destination %s: %s; it is tried again, for %s at most", d.spec.Name, f.Error(), t.spec.Timeouts.Store.Round(time.Second))
	}
}

// refuseStore gives up a destination that refused the login, and does not ask it
// again.
func (t *Task) refuseStore(now time.Time, name string, f *failure.Error) []event.Status {
	return t.step(now, func() {
		d := t.destination(name)
		d.on(copyFails)
		t.fail(rankStore, storeCode(f), fmt.Sprintf("destination %s: another task was refused there: %s", name, f.Error()))
	})
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
	if i >= len(t.captures) || t.captures[i].state != captureDone {
		return nil
	}
	return t.captures[i].captured.Artifacts
}

func (t *Task) onStoreTimeout(d *destination) {
	message := fmt.Sprintf("destination %s: not stored within %s; the files stay in staging", d.spec.Name, t.spec.Timeouts.Store.Round(time.Second))
	if d.last != nil {
		message += fmt.Sprintf("; tried %d times, the last time: %s", d.store.failed, d.last.Error())
	}
	d.on(copyFails)
	t.fail(rankStore, status.StoreTimeoutOccurred, message)
}

func (t *Task) anyStored() bool {
	return slices.ContainsFunc(t.dests, func(d *destination) bool { return d.state == copyStored })
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

// Unstored names the destinations at which a store began and is not known to
// have ended well.
func (t *Task) Unstored() (out []string) {
	for _, d := range t.dests {
		switch d.state {
		case copyStoring, copyPausing, copyAgain, copyFailed:
			out = append(out, d.spec.Name)
		}
	}
	return out
}

// Locations returns where the copies are, file by file, in the destinations' own
// words.
func (t *Task) Locations() []string {
	if t.work == idle {
		return t.files
	}
	var out []string
	for _, d := range t.dests {
		for i, r := range d.reports {
			at := r.Location
			of := t.artifacts(i)
			if len(of) < 2 || !strings.HasSuffix(at, "/") { // else at is the set's directory
				out = append(out, at)
				continue
			}
			end := ""
			if len(d.spec.Recipients) > 0 {
				end = backups.AgeSuffix
			}
			for _, a := range of {
				out = append(out, at+a.File+end)
			}
		}
	}
	return out
}

// summary is the message of a success.
func (t *Task) summary() string {
	files := 0
	for _, c := range t.Captured() {
		files += len(c.Artifacts)
	}
	var at []string
	for _, d := range t.dests {
		if d.state == copyStored {
			at = append(at, d.spec.Name)
		}
	}
	text := fmt.Sprintf("%d file(s), %s, verified at %s", files, size(t.Bytes()), strings.Join(at, ", "))
	if n := t.Withheld(); n > 0 {
		text += fmt.Sprintf("; without %d file(s) that the device does not export (keys, certificates, secrets; the manifest names them)", n)
	}
	return text
}

// toPostScript: all work is done or given up, and the script is told the
// outcome.
func (t *Task) toPostScript() { t.to(phaseEnding) }

func (t *Task) advancePostScript() {
	code, _ := t.outcome()
	if s := t.spec.Activity.PostScript; s.due(code != status.Success) && !t.post.ended() {
		if t.post.state == scriptIdle {
			t.post.on(scriptDue)
			t.enter(status.WaitingForPostScript, "script %s", s.Address)
		}
		return
	}
	t.end(t.outcome())
}
