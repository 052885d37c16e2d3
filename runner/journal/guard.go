package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/pending"
)

// Guard bounds what may be quiesced at once, over all runs that share the
// journal. It is asked in the transaction that enters the new obligation, so two
// runs cannot both take the last slot. A slot is free when the unquiesce is
// paid: when the return was verified.
type Guard struct {
	// MaxDevices bounds the devices; 0: no bound. Several domains of a device count once.
	MaxDevices int
	// Group holds the names of the devices of the same group, MaxPerGroup how
	// many of them may be quiesced at once (0: no bound), and Settle how long
	// ago another one must have come back. Devices that plans have added to the
	// group Named since then belong to it too.
	Group       []string
	Named       string
	MaxPerGroup int
	Settle      time.Duration
	// Environment is what the device belongs to, as label=value: a device that did
	// not return stops the quiesces of its environment. Empty: of all devices.
	Environment string
}

// Denial is why a guard refuses.
type Denial string

// The denials.
const (
	DeniedHold    Denial = "hold"    // somebody has stopped every quiesce
	DeniedBreaker Denial = "breaker" // a device did not come back
	DeniedDevices Denial = "max_devices"
	DeniedGroup   Denial = "max_per_group"
	DeniedSettle  Denial = "settle"
)

// Passes reports whether a denial ends by itself.
func (d Denial) Passes() bool { return d != DeniedHold && d != DeniedBreaker }

// GuardError says that a device must not be quiesced now: an answer, and no
// fault of the journal.
type GuardError struct {
	Denial  Denial
	Devices []string  // the devices on whose account
	Until   time.Time // of DeniedSettle: when to ask again
	Why     string    // of DeniedHold and DeniedBreaker: what was noted
}

func (e *GuardError) Error() string {
	on := strings.Join(e.Devices, ", ")
	switch e.Denial {
	case DeniedHold:
		return fmt.Sprintf("every quiesce is on hold: %s; `dprun hold --release` ends that", e.Why)
	case DeniedBreaker:
		return fmt.Sprintf("%s did not come back (%s); look at it, then `dprun recover`, or `dprun recover --ack DEVICE` if you have brought it back yourself", on, e.Why)
	case DeniedSettle:
		return fmt.Sprintf("%s of the same group came back only just; asked again at %s", on, e.Until.Format(time.RFC3339))
	case DeniedGroup:
		return fmt.Sprintf("%s of the same group is quiesced, and quiesce_guard allows no more of it", on)
	}
	return fmt.Sprintf("%s is quiesced, and quiesce_guard allows no more devices", on)
}

// Grant enters that a quiesce is about to be sent, if the guard allows it. With
// a *[GuardError] it does not, and nothing was entered. Asked again for the same
// device it allows what it has allowed.
func (j *Journal) Grant(ctx context.Context, now time.Time, g Guard, o pending.Obligation) error {
	return j.write(ctx, "ask for the quiesce of "+o.Where(), func(t *transaction) error {
		if err := g.ask(t, now, o); err != nil {
			return err
		}
		if err := writeObligations(t, o.Run, now, []pending.Obligation{o}, nil); err != nil {
			return err
		}
		_, err := t.exec("UPDATE obligations SET environment = ? WHERE run = ? AND task = ? AND id = ?", g.Environment, o.Run, o.Task, o.ID)
		return err
	})
}

// Confirm reports, with a *[GuardError], what has come to forbid every quiesce
// of an environment, be it granted or not.
func (j *Journal) Confirm(ctx context.Context, now time.Time, g Guard, o pending.Obligation) error {
	return j.write(ctx, "ask again for the quiesce of "+o.Where(), func(t *transaction) error { return g.stopped(t, now, o) })
}

// Withdraw takes back what was granted and not used.
func (j *Journal) Withdraw(ctx context.Context, id pending.Key) error {
	return j.exec(ctx, "take back "+id.String(),
		"DELETE FROM obligations WHERE run = ? AND task = ? AND id = ? AND paid_at = 0", id.Run, id.Task, id.ID)
}

const (
	// A restore takes its target out of service as a quiesce does.
	selectDown = "SELECT device, 0 FROM obligations WHERE paid_at = 0 AND kind IN ('unquiesce', 'restore') AND device <> ? GROUP BY device"
	selectBack = "SELECT device, max(paid_at) FROM obligations WHERE kind IN ('unquiesce', 'restore') AND paid_at > ? AND device <> ? GROUP BY device ORDER BY 2 DESC"
)

func (g *Guard) ask(t *transaction, now time.Time, o pending.Obligation) error {
	if err := g.stopped(t, now, o); err != nil {
		return err
	}
	down, err := boxes(t, selectDown, o.Device)
	if err != nil {
		return err
	}
	members := g.Group
	if g.Named != "" {
		declared, err := rowsOf(t, func(s scanner) (name string, err error) { return name, s.Scan(&name) }, "SELECT device FROM members WHERE grp = ?", g.Named)
		if err != nil {
			return err
		}
		members = append(declared, members...)
	}
	group := slices.DeleteFunc(slices.Clone(down), func(b seenBox) bool { return !slices.Contains(members, b.name) })
	if g.MaxDevices > 0 && len(down) >= g.MaxDevices {
		return &GuardError{Denial: DeniedDevices, Devices: names(down)}
	}
	if g.MaxPerGroup > 0 && len(group) >= g.MaxPerGroup {
		return &GuardError{Denial: DeniedGroup, Devices: names(group)}
	}
	if g.Settle <= 0 {
		return nil
	}
	back, err := boxes(t, selectBack, stamp(now.Add(-g.Settle)), o.Device)
	if err != nil {
		return err
	}
	for _, b := range back {
		if slices.Contains(members, b.name) {
			return &GuardError{Denial: DeniedSettle, Devices: []string{b.name}, Until: b.at.Add(g.Settle)}
		}
	}
	return nil
}

// stopped refuses everything while a breaker of the environment is open, a hold
// is set, or another device should have been back by now.
func (g *Guard) stopped(t *transaction, now time.Time, o pending.Obligation) error {
	open, err := rowsOf(t, scanBreaker, "SELECT "+breakerColumns+" FROM breakers WHERE closed = 0 ORDER BY device, since")
	if err != nil {
		return err
	}
	for _, b := range open {
		switch {
		case b.Device == "":
			return &GuardError{Denial: DeniedHold, Why: b.String()}
		case meet(g.Environment, b.Environment):
			return &GuardError{Denial: DeniedBreaker, Devices: []string{b.Device}, Why: Breaker{Since: b.Since, Run: b.Run}.String()}
		}
	}
	late, err := rowsOf(t, func(s scanner) (r lateBox, err error) {
		return r, s.Scan(&r.name, moment{&r.at}, &r.environment)
	}, "SELECT device, due_back, environment FROM obligations WHERE paid_at = 0 AND kind = 'unquiesce' AND due_back > 0 AND due_back < ? AND device <> ? ORDER BY device", stamp(now), o.Device)
	if err != nil {
		return err
	}
	for _, b := range late {
		if meet(g.Environment, b.environment) {
			return &GuardError{Denial: DeniedBreaker, Devices: []string{b.name}, Why: "it should have been back at " + b.at.Format(time.RFC3339) + ": `dprun owed` says who is at it"}
		}
	}
	return nil
}

// lateBox is a box that should have been back at a time.
type lateBox struct {
	seenBox
	environment string
}

// meet reports whether two environments may have a device in common: only two
// values of one label certainly have none.
func meet(a, b string) bool {
	label, value, known := strings.Cut(a, "=")
	other, its, alsoKnown := strings.Cut(b, "=")
	return !known || !alsoKnown || label != other || value == its
}

// seenBox is a device and a time at which something was seen of it. Its name
// counts: gateways that share a certificate may tell the same identity, and one
// that has two names is only waited for.
type seenBox struct {
	name string
	at   time.Time
}

func boxes(t *transaction, query string, args ...any) ([]seenBox, error) {
	return rowsOf(t, func(s scanner) (b seenBox, err error) { return b, s.Scan(&b.name, moment{&b.at}) }, query, args...)
}

// rowsOf reads rows into values, within a transaction.
func rowsOf[T any](t *transaction, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.query(query, args...)
	return collect(rows, err, scan)
}

func names(boxes []seenBox) []string {
	var out []string
	for _, b := range boxes {
		out = append(out, b.name)
	}
	return out
}
