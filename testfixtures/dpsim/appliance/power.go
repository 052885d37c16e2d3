package appliance

import (
	"context"
	"time"
)

// OnPower sets what is called, without any lock held, when the gateway goes
// down or comes up.
func (a *Appliance) OnPower(f func(up bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.onPower = f
}

// Session is a context that ends when the gateway goes down: work that was
// under way is lost then.
func (a *Appliance) Session() context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.session
}

// Up reports whether the gateway's listener is open.
func (a *Appliance) Up() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.up
}

// SetUp opens or closes the listener. The state stays: the gateway is only
// out of reach.
func (a *Appliance) SetUp(up bool) {
	a.mu.Lock()
	if a.up == up {
		a.mu.Unlock()
		return
	}
	a.up = up
	if up {
		a.session, a.endSession = context.WithCancel(context.Background())
	} else {
		a.endSession()
	}
	notify := a.onPower
	a.mu.Unlock()
	if up {
		a.Groups.back(a, "down", a.groups("")...)
	} else {
		a.Groups.leave(a, "down", a.groups("")...)
	}
	notify(up)
}

// Reboot drops all connections and what a restart forgets: quiesce states,
// running commands, unsaved changes and temporary:. The gateway comes back
// after outage (its boot time if 0), unless ctx ends before.
func (a *Appliance) Reboot(ctx context.Context, outage time.Duration) {
	if outage == 0 {
		outage = a.times.boot
	}
	a.SetUp(false)
	a.Groups.back(a, "quiesced", a.groups("")...)
	a.mu.Lock()
	now := a.Clock.Now()
	back := now.Add(outage)
	a.booted = back
	for _, d := range a.domains {
		d.settle(now)
		d.become(now, Normal)
		d.restart()
		d.objectsDown = time.Time{}
		clear(d.runUntil)
	}
	a.forgetUnsaved()
	for domain, files := range a.files {
		for name := range files {
			if storeOf(name) == "temporary" {
				delete(files, name)
			}
		}
		for dir := range a.dirs[domain] {
			if storeOf(dir) == "temporary" {
				delete(a.dirs[domain], dir)
			}
		}
	}
	a.mu.Unlock()
	go func() {
		if a.Clock.WaitUntil(ctx, back) == nil {
			a.SetUp(true)
		}
	}()
}
