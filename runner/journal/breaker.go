package journal

import (
	"context"
	"fmt"
	"time"
)

// Breaker forbids quiesces until it is closed. It is open because a device did
// not come back, or because a person set a hold (a breaker without a device).
type Breaker struct {
	Device      string
	Environment string // label=value: dprun quiesces none of these devices; empty: no device at all
	Since       time.Time
	Reason      string
	Run         string // the run that saw it
	By          string // who set a hold: user@host

	Closed   time.Time // zero: open
	ClosedBy string    // the person or the process that closed it
}

// String tells an operator since when the breaker is open, and why.
func (b Breaker) String() string {
	s := "since " + b.Since.Format(time.RFC3339)
	if b.By != "" {
		s += " by " + b.By
	}
	if b.Run != "" {
		s += " in run " + b.Run
	}
	if b.Reason != "" {
		s += ": " + b.Reason
	}
	return s
}

const breakerColumns = "device, environment, since, reason, run, opened_by, closed, closed_by"

func scanBreaker(s scanner) (b Breaker, err error) {
	return b, s.Scan(&b.Device, &b.Environment, moment{&b.Since}, &b.Reason, &b.Run, &b.By, moment{&b.Closed}, &b.ClosedBy)
}

// write opens a breaker. A breaker that is open already keeps its first reason.
// If b names no environment, write takes it from the device's open obligation.
func (b Breaker) write(t *transaction) error {
	if b.Environment == "" && b.Device != "" {
		if err := t.row(`SELECT coalesce(max(environment), '') FROM obligations WHERE run = ? AND device = ? AND paid_at = 0 AND kind = 'unquiesce'`,
			b.Run, b.Device).Scan(&b.Environment); err != nil {
			return err
		}
	}
	_, err := t.exec(`INSERT INTO breakers (device, environment, since, reason, run, opened_by) VALUES (?,?,max(?,1),?,?,?) ON CONFLICT DO NOTHING`,
		b.Device, b.Environment, stamp(b.Since), b.Reason, b.Run, b.By)
	return err
}

// OpenBreaker opens a breaker, or sets a hold if b has no device.
func (j *Journal) OpenBreaker(ctx context.Context, b Breaker) error {
	return j.write(ctx, "stop quiesces", b.write)
}

// CloseBreaker enters that a device is back, or ends the hold if device is empty.
// It returns [ErrNotFound] if no such breaker is open.
func (j *Journal) CloseBreaker(ctx context.Context, device, by string, at time.Time) error {
	what := "the breaker of " + device
	if device == "" {
		what = "the hold"
	}
	return j.write(ctx, "close "+what, func(t *transaction) error {
		res, err := t.exec("UPDATE breakers SET closed = max(?,1), closed_by = ? WHERE device = ? AND closed = 0", stamp(at), by, device)
		return touched(res, err, what)
	})
}

// Breakers lists the open breakers, the oldest first. With a run, it lists all
// breakers that the run has opened, including closed ones.
func (j *Journal) Breakers(ctx context.Context, run string) ([]Breaker, error) {
	if run != "" {
		return list(ctx, j, "list the breakers of run "+run, scanBreaker, "SELECT "+breakerColumns+" FROM breakers WHERE run = ? ORDER BY since", run)
	}
	return list(ctx, j, "list the breakers", scanBreaker, "SELECT "+breakerColumns+" FROM breakers WHERE closed = 0 ORDER BY since")
}

// Member is a device of a group, as a plan declares it.
type Member struct {
	Group, Device string
	Plan, Origin  string
	// Endpoint is the way to reach the device, plugin and configuration: it holds references in the
	// place of secrets.
	Endpoint []byte
}

// SetMembers replaces the groups that a plan has declared before.
func (j *Journal) SetMembers(ctx context.Context, plan, origin string, members []Member) error {
	return j.write(ctx, "note the groups of plan "+plan, func(t *transaction) error {
		if _, err := t.exec("DELETE FROM members WHERE plan = ? AND origin = ?", plan, origin); err != nil {
			return err
		}
		for _, m := range members {
			if _, err := t.exec("INSERT INTO members (plan, origin, device, grp, endpoint) VALUES (?,?,?,?,?)", plan, origin, m.Device, m.Group, string(m.Endpoint)); err != nil {
				return fmt.Errorf("device %s: %w", m.Device, err)
			}
		}
		return nil
	})
}

// Members lists the devices of all groups of all plans.
func (j *Journal) Members(ctx context.Context) ([]Member, error) {
	return list(ctx, j, "list the groups", func(s scanner) (m Member, err error) {
		return m, s.Scan(&m.Group, &m.Device, &m.Plan, &m.Origin, &m.Endpoint)
	}, "SELECT grp, device, plan, origin, endpoint FROM members ORDER BY grp, device, origin, plan")
}
