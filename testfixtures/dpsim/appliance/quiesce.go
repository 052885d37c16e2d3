package appliance

import (
	"context"
	"slices"
	"time"
)

// MinQuiesceTimeout is the shortest timeout the gateway's model allows.
const MinQuiesceTimeout = time.Minute

// Quiesce starts to take one domain out of service and returns at once. The
// default domain never goes down: for it this does nothing.
func (a *Appliance) Quiesce(ctx context.Context, name string, timeout, delay time.Duration) error {
	a.mu.Lock()
	d := a.domain(name)
	if d == nil {
		a.mu.Unlock()
		return refuse("Domain '%s' does not exist", name)
	}
	return a.quiesceAll(ctx, []*domain{d}, "do-action/DomainQuiesce", timeout, delay)
}

// QuiesceAll starts to take all domains but default out of service.
func (a *Appliance) QuiesceAll(ctx context.Context, timeout, delay time.Duration) error {
	a.mu.Lock()
	return a.quiesceAll(ctx, a.domains, "do-action/QuiesceDP", timeout, delay)
}

// quiesceAll quiesces domains; a.mu is held, and released.
func (a *Appliance) quiesceAll(ctx context.Context, domains []*domain, op string, timeout, delay time.Duration) error {
	hold, err := a.startQuiesce(domains, op, timeout, delay)
	a.mu.Unlock()
	if err != nil {
		return err
	}
	return a.Clock.Sleep(ctx, hold)
}

// startQuiesce tells how long the answer is held back.
func (a *Appliance) startQuiesce(domains []*domain, op string, timeout, delay time.Duration) (hold time.Duration, err error) {
	if err := checkTimeout(timeout, delay); err != nil {
		return 0, err
	}
	var names []string
	for _, d := range domains {
		names = append(names, d.name)
	}
	late := a.takeFault("quiesce_late", op, names...)
	now := a.Clock.Now()
	for _, d := range domains {
		d.settle(now)
		if late != nil && (late.Domain == "" || late.Domain == d.name) {
			a.quiesceLate(d, late, timeout)
			continue
		}
		if err := a.quiesce(d, op, timeout, delay); err != nil {
			return 0, err
		}
	}
	if late != nil && late.Hold {
		hold = late.lateness()
	}
	a.Groups.leave(a, "quiesced", a.groupsOf(domains)...)
	return hold, nil
}

// lateness is how long after its request a late quiesce begins.
func (f *Fault) lateness() time.Duration {
	if f.after == 0 {
		return 45 * time.Second
	}
	return f.after
}

// quiesceLate lets a quiesce begin later than its request, whatever is asked
// for until then.
func (a *Appliance) quiesceLate(d *domain, f *Fault, timeout time.Duration) {
	if d.name == "default" {
		return
	}
	d.late = append(d.late, arrival{at: a.Clock.Now().Add(f.lateness()), lasts: a.lasts(d, timeout)})
	slices.SortStableFunc(d.late, func(x, y arrival) int { return x.at.Compare(y.at) })
}

// lasts is how long a domain takes to go down.
func (a *Appliance) lasts(d *domain, timeout time.Duration) time.Duration {
	if d.busy {
		return timeout // connections are waited for, then cut
	}
	return min(a.times.quiesce, timeout)
}

func checkTimeout(timeout, delay time.Duration) error {
	if timeout < MinQuiesceTimeout || timeout > 65535*time.Second {
		return refuse("Value '%d' for parameter timeout is out of range (60 - 65535)", int(timeout.Seconds()))
	}
	if delay < 0 || delay > time.Minute {
		return refuse("Value '%d' for parameter delay is out of range (0 - 60)", int(delay.Seconds()))
	}
	return nil
}

func (a *Appliance) quiesce(d *domain, op string, timeout, delay time.Duration) error {
	if d.name == "default" {
		return nil
	}
	now := a.Clock.Now()
	if d.state == Quiesced || d.state == Quiescing {
		if f := a.takeFault("second_quiesce_refused", op, d.name); f != nil {
			return refuse("%s", f.text("Domain '"+d.name+"' is already quiesced"))
		}
	}
	if d.state == Quiesced {
		return nil
	}
	if f := a.takeFault("quiesce_refused", op, d.name); f != nil {
		return refuse("%s", f.text("Domain '"+d.name+"' cannot be quiesced"))
	}
	if f := a.takeFault("quiesce_stuck", op, d.name); f != nil {
		if f.after == 0 {
			d.pass(now, Quiescing, Quiescing, time.Time{})
		} else {
			d.pass(now, Quiescing, Broken, now.Add(f.after))
		}
		return nil
	}
	if f := a.takeFault("quiesce_error", op, d.name); f != nil {
		d.pass(now, Quiescing, f.text(Broken), now.Add(a.times.quiesce))
		return nil
	}
	d.pass(now, Quiescing, Quiesced, now.Add(delay+a.lasts(d, timeout)))
	return nil
}

// Unquiesce starts to put one domain back into service.
func (a *Appliance) Unquiesce(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.domain(name)
	if d == nil {
		return refuse("Domain '%s' does not exist", name)
	}
	if err := a.unquiesce(d, "do-action/DomainUnquiesce"); err != nil {
		return err
	}
	a.Groups.back(a, "quiesced", a.groups(name)...)
	return nil
}

// UnquiesceAll starts to put all domains back into service.
func (a *Appliance) UnquiesceAll() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.Clock.Now()
	for _, d := range a.domains {
		d.settle(now)
		if err := a.unquiesce(d, "do-action/UnquiesceDP"); err != nil {
			return err
		}
	}
	a.Groups.back(a, "quiesced", a.groups("")...)
	return nil
}

// groupsOf are the groups that a quiesce of domains takes the gateway out of:
// all of them where it is one of the whole gateway.
func (a *Appliance) groupsOf(domains []*domain) []string {
	if len(domains) == 1 && domains[0].name != "default" {
		return a.groups(domains[0].name)
	}
	return a.groups("")
}

func (a *Appliance) unquiesce(d *domain, op string) error {
	if d.name == "default" {
		return nil
	}
	if f := a.takeFault("unquiesce_refused", op, d.name); f != nil {
		return refuse("%s", f.text("Domain '"+d.name+"' cannot be unquiesced"))
	}
	if a.takeFault("unquiesce_ignored", op, d.name) != nil || d.state == Normal {
		return nil
	}
	now := a.Clock.Now()
	if f := a.takeFault("unquiesce_stuck", op, d.name); f != nil {
		if f.after == 0 {
			d.pass(now, Unquiescing, Unquiescing, time.Time{})
		} else {
			d.pass(now, Unquiescing, Normal, now.Add(f.after))
		}
		return nil
	}
	if f := a.takeFault("unquiesce_error", op, d.name); f != nil {
		d.pass(now, Unquiescing, f.text(Broken), now.Add(a.times.unquiesce))
		return nil
	}
	d.pass(now, Unquiescing, Normal, now.Add(a.times.unquiesce))
	if f := a.takeFault("objects_down", op, d.name); f != nil {
		d.objectsDown = now.Add(a.times.unquiesce + f.after)
		if f.after == 0 {
			d.objectsDown = now.Add(100 * 365 * 24 * time.Hour)
		}
	}
	return nil
}
