package appliance

import "time"

// MinQuiesceTimeout is the shortest timeout the gateway's model allows.
const MinQuiesceTimeout = time.Minute

// Quiesce starts to take one domain out of service and returns at once. The
// default domain never goes down: for it this does nothing.
func (a *Appliance) Quiesce(name string, timeout, delay time.Duration) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := checkTimeout(timeout, delay); err != nil {
		return err
	}
	d := a.domain(name)
	if d == nil {
		return refuse("Domain '%s' does not exist", name)
	}
	return a.quiesce(d, "do-action/DomainQuiesce", timeout, delay)
}

// QuiesceAll starts to take all domains but default out of service.
func (a *Appliance) QuiesceAll(timeout, delay time.Duration) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := checkTimeout(timeout, delay); err != nil {
		return err
	}
	now := a.Clock.Now()
	for _, d := range a.domains {
		d.settle(now)
		if err := a.quiesce(d, "do-action/QuiesceDP", timeout, delay); err != nil {
			return err
		}
	}
	return nil
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
			d.pass(Quiescing, Quiescing, time.Time{})
		} else {
			d.pass(Quiescing, Broken, now.Add(f.after))
		}
		return nil
	}
	if f := a.takeFault("quiesce_error", op, d.name); f != nil {
		d.pass(Quiescing, f.text(Broken), now.Add(a.times.quiesce))
		return nil
	}
	lasts := min(a.times.quiesce, timeout)
	if d.busy {
		lasts = timeout // connections are waited for, then cut
	}
	d.pass(Quiescing, Quiesced, now.Add(delay+lasts))
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
	return a.unquiesce(d, "do-action/DomainUnquiesce")
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
	return nil
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
			d.pass(Unquiescing, Unquiescing, time.Time{})
		} else {
			d.pass(Unquiescing, Normal, now.Add(f.after))
		}
		return nil
	}
	if f := a.takeFault("unquiesce_error", op, d.name); f != nil {
		d.pass(Unquiescing, f.text(Broken), now.Add(a.times.unquiesce))
		return nil
	}
	d.pass(Unquiescing, Normal, now.Add(a.times.unquiesce))
	if f := a.takeFault("objects_down", op, d.name); f != nil {
		d.objectsDown = now.Add(a.times.unquiesce + f.after)
		if f.after == 0 {
			d.objectsDown = now.Add(100 * 365 * 24 * time.Hour)
		}
	}
	return nil
}
