package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/pending"
)

// Guard limits how many gateways may be quiesced at once, over all runs that
// share the journal. The journal checks it in the transaction that enters the new
// obligation, so two runs cannot both take the last slot. A slot becomes free
// when the return of its gateway has been verified.
type Guard struct {
	// MaxDevices is the most devices that may be quiesced at once; 0: no limit.
	// Several domains of a device count once.
	MaxDevices int
	// Group holds the names of the devices of the same group. MaxPerGroup is the
	// most of them that may be quiesced at once (0: no limit). Settle is the time
	// that must pass after one of them has come back. Devices that plans have since
	// added to the group Named belong to it too.
	Group       []string
	Named       string
	MaxPerGroup int
	Settle      time.Duration
	// Environment is the environment of the device, as label=value. A device that
	// did not come back stops the quiesces of its environment. Empty: of all
	// devices.
	Environment string
}

// Denial is the reason for which a guard refuses a quiesce.
type Denial string

// The denials.
const (
	DeniedHold    Denial = "hold"    // a person has stopped every quiesce
	DeniedBreaker Denial = "breaker" // a device did not come back
	DeniedDevices Denial = "max_devices"
	DeniedGroup   Denial = "max_per_group"
	DeniedSettle  Denial = "settle"
)

// Passes reports whether the reason goes away without a person.
func (d Denial) Passes() bool { return d != DeniedHold && d != DeniedBreaker }

// GuardError says that a device must not be quiesced now. It is an answer, and
// not a fault of the journal.
type GuardError struct {
	Denial  Denial
	Devices []string  // the devices that cause the denial
	Until   time.Time // with DeniedSettle: when to ask again
	Why     string    // with DeniedHold and DeniedBreaker: the reason that was noted
}

func (e *GuardError) Error() string {
	on := strings.Join(e.Devices, ", ")
	switch e.Denial {
	case DeniedHold:
		return fmt.Sprintf("every quiesce is on hold: %s; `dprun hold --release` ends that", e.Why)
	case DeniedBreaker:
		return fmt.Sprintf("%s did not come back (%s); look at it, then `dprun recover`, or `dprun recover --ack DEVICE` if you have brought it back yourself", on, e.Why)
	case DeniedSettle:
		return fmt.Sprintf("%s of the same group came back only a moment ago; dprun asks again at %s", on, e.Until.Format(time.RFC3339))
	case DeniedGroup:
		return fmt.Sprintf("%s of the same group is quiesced, and quiesce_guard allows no more in this group", on)
	}
	return fmt.Sprintf("%s is quiesced, and quiesce_guard allows no more devices", on)
}

// Grant enters the obligation of a quiesce that is about to be sent, if the guard
// allows the quiesce. Otherwise it returns a *[GuardError] and enters nothing.
// The device's own open obligation does not count, so a repeated request is
// granted.
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

// Confirm checks again whether anything now forbids every quiesce of the device's
// environment, even one that was granted. If so, it returns a *[GuardError].
func (j *Journal) Confirm(ctx context.Context, now time.Time, g Guard, o pending.Obligation) error {
	return j.write(ctx, "ask again for the quiesce of "+o.Where(), func(t *transaction) error { return g.stopped(t, now, o) })
}

// Withdraw removes an obligation that was granted and not used.
func (j *Journal) Withdraw(ctx context.Context, id pending.Key) error {
	return j.exec(ctx, "take back "+id.String(),
		"DELETE FROM obligations WHERE run = ? AND task = ? AND id = ? AND paid_at = 0", id.Run, id.Task, id.ID)
}

const (
	// A restore takes its target out of service like a quiesce.
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

// stopped refuses every quiesce while a breaker of the environment is open, a
// hold is set, or another device is overdue.
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
			return &GuardError{Denial: DeniedBreaker, Devices: []string{b.name}, Why: "it should have been back at " + b.at.Format(time.RFC3339) + ": `dprun owed` says which process works on it"}
		}
	}
	return nil
}

// lateBox is a device, and the time by which it should have been back.
type lateBox struct {
	seenBox
	environment string
}

// meet reports whether two environments may share a device. They certainly share
// none only if they give one label two different values.
func meet(a, b string) bool {
	label, value, known := strings.Cut(a, "=")
	other, its, alsoKnown := strings.Cut(b, "=")
	return !known || !alsoKnown || label != other || value == its
}

// seenBox is a device and the time of an observation. Its name identifies it:
// gateways that share a certificate may report one identity. A gateway with two
// names counts twice, and the worst of that is a longer wait.
type seenBox struct {
	name string
	at   time.Time
}

func boxes(t *transaction, query string, args ...any) ([]seenBox, error) {
	return rowsOf(t, func(s scanner) (b seenBox, err error) { return b, s.Scan(&b.name, moment{&b.at}) }, query, args...)
}

// rowsOf reads the rows of a query within a transaction.
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
