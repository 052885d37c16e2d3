package lifecycle

import (
	"fmt"
	"slices"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// beginCaptures goes from the quiesce to the captures.
func (t *Task) beginCaptures() {
	t.to(phaseCaptures)
	for _, v := range t.checked.Variants {
		t.captures = append(t.captures, &capture{variant: v})
	}
	t.warnings = append(t.warnings, t.checked.Warnings...)
	if t.spec.Activity.Quiesce != QuiesceNone && !t.quiesces() {
		inService := "the default domain cannot be quiesced: it was exported in service"
		if t.spec.Activity.Quiesce == QuiesceDevice {
			inService = fmt.Sprintf("device %s has no domain but default, which cannot be quiesced: it was backed up in service", t.spec.Device)
		}
		t.warnings = append(t.warnings, inService)
	}
}

// advanceCapture captures one variant after the other. The first failure ends
// forward work, so that no part of a half set is published.
func (t *Task) advanceCapture() {
	for _, c := range t.captures {
		if c.state == captureLeft {
			t.beginUndo() // the device has done its part: it need not stay down for the download
		}
		if t.debt.Returned() {
			t.rejoined()
		}
		if t.stopped() || c.state == captureFailed {
			t.toUndo()
			return
		}
		if c.state == captureDone {
			continue
		}
		if c.state == captureIdle {
			c.attempts = first(t.now)
			c.on(captureBegins)
			t.enter(startedCode(c.variant), "%s", t.target())
		}
		return
	}
	t.toUndo()
}

func (t *Task) pendingCapture(add func(Action)) {
	for _, c := range t.captures {
		if c.open() {
			add(Action{ActionID: ActionID{Kind: ActCapture, Variant: c.variant, Attempt: c.attempt}, NotBefore: c.notBefore})
		}
	}
}

// capture finds the capture of a variant.
func (t *Task) capture(variant string) *capture {
	for _, c := range t.captures {
		if c.variant == variant {
			return c
		}
	}
	return nil
}

func (t *Task) onCaptured(a Action, r *event.Captured, f *failure.Error) {
	c := t.capture(a.Variant)
	if f == nil && (r == nil || len(r.Artifacts) == 0) {
		f = failure.New(failure.Internal, failure.Protocol, "capture of %s (%s) ended without a file", t.target(), a.Variant)
	}
	if f != nil {
		if c.failed++; !a.Once() && fewTimes(f, c.failed) {
			c.on(captureAgain)
			c.again(t.now, backoff(t.spec.Seed, t.id+"/"+a.String(), c.failed))
			return
		}
		message := f.Error()
		if kept := t.Captured(); len(kept) > 0 {
			message += fmt.Sprintf("; the %s export is good and stays in staging: %s", kept[0].Variant, kept[0].Artifacts[0].Staged)
		}
		c.on(captureFails)
		t.fail(rankFirst, captureCode(c.variant, f), message)
		return
	}
	c.on(captureEnds)
	c.captured = r
	c.deposit.may(r.Token)
	t.warnings = append(t.warnings, r.Warnings...)
	var total int64
	for _, x := range r.Artifacts {
		total += x.Size
	}
	t.shrunk()
	t.enter(doneCode(c.variant), "%s: %d file(s), %s, staged and verified", t.target(), len(r.Artifacts), size(total))
}

// whole reports whether every variant stands in staging.
func (t *Task) whole() bool {
	for _, c := range t.captures {
		if c.state != captureDone {
			return false
		}
	}
	return len(t.captures) > 0
}

// Withheld counts the files that the device has and does not export.
func (t *Task) Withheld() int {
	if t.work == idle {
		return t.withheld
	}
	var out []string
	for _, c := range t.Captured() {
		out = append(out, c.Withheld...)
	}
	slices.Sort(out)
	return len(slices.Compact(out))
}

// muchSmaller is the factor by which a backup must be smaller than the last good
// one to deserve a look: the last one may have held an export of unsaved changes
// too.
const muchSmaller = 3

// shrunk warns when everything is captured and it is much less than the last
// time.
func (t *Task) shrunk() {
	if now := t.Bytes(); t.whole() && now*muchSmaller < t.lastSize {
		t.warnings = append(t.warnings, fmt.Sprintf("this backup has %s, and the last good one had %s; see whether something is missing on the device before you rely on it",
			size(now), size(t.lastSize)))
	}
}

// pendingDiscard removes what a finished capture left on the device.
func (t *Task) pendingDiscard(add func(Action)) {
	for _, c := range t.captures {
		if d := c.deposit; d.state == depositRemoving {
			add(Action{ActionID: ActionID{Kind: ActDiscard, Variant: c.variant, Attempt: d.attempt}, Token: d.token, NotBefore: d.notBefore})
		}
	}
}

// onDiscarded: a device that is still busy with the backup is asked again, for
// as long as the task waits for a device to come back.
func (t *Task) onDiscarded(a Action, f *failure.Error) {
	d := &t.capture(a.Variant).deposit
	if d.since.IsZero() {
		d.since = t.now
	}
	limit := t.spec.Timeouts.Unquiesce + t.spec.Timeouts.Grace
	if f != nil && f.Kind.Retryable() && t.cancels < 2 && t.now.Sub(d.since) < limit {
		d.on(depositAgain)
		d.again(t.now, backoff(t.spec.Seed, t.id+"/"+a.String(), d.attempt))
		return
	}
	t.discarded(d, f)
}

// discarded ends the removal of files from the device.
func (t *Task) discarded(d *deposit, f *failure.Error) {
	if f == nil {
		d.on(depositRemoves)
		return
	}
	d.on(depositFails)
	t.warnings = append(t.warnings, fmt.Sprintf("files of this backup are still on the device: %s", f.Error()))
}

func startedCode(variant string) status.Code {
	switch variant {
	case sdk.VariantRunning:
		return status.ExportNonPersistedStarted
	case sdk.VariantSecureBackup:
		return status.SecureBackupStarted
	}
	return status.ExportPersistedStarted
}

func doneCode(variant string) status.Code {
	switch variant {
	case sdk.VariantRunning:
		return status.ExportNonPersistedDone
	case sdk.VariantSecureBackup:
		return status.SecureBackupDone
	}
	return status.ExportPersistedDone
}

// Captured lists what stands in staging for the task.
func (t *Task) Captured() []event.Captured {
	var out []event.Captured
	for _, c := range t.captures {
		if c.captured != nil {
			out = append(out, *c.captured)
		}
	}
	return out
}

// Bytes is the size of what was captured.
func (t *Task) Bytes() (n int64) {
	if t.work == idle {
		return t.bytes
	}
	for _, c := range t.Captured() {
		for _, a := range c.Artifacts {
			n += a.Size
		}
	}
	return n
}
