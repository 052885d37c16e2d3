package journal

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Device is what was last seen of a device.
type Device struct {
	Name     string
	Identity string
	Facts    json.RawMessage
	Seen     time.Time
}

func (d Device) write(t *transaction) error {
	_, err := t.exec(`INSERT INTO devices (name, identity, facts, seen) VALUES (?1,?2,?3,?4)
		ON CONFLICT (name) DO UPDATE SET identity = ?2, facts = ?3, seen = ?4`, d.Name, d.Identity, string(d.Facts), stamp(d.Seen))
	return err
}

// Devices lists every device that was ever seen, by name.
func (j *Journal) Devices(ctx context.Context) ([]Device, error) {
	return list(ctx, j, "list the devices", func(s scanner) (d Device, err error) {
		var facts []byte
		err = s.Scan(&d.Name, &d.Identity, &facts, moment{&d.Seen})
		d.Facts = orNil(facts)
		return d, err
	}, "SELECT name, identity, facts, seen FROM devices WHERE seen > 0 ORDER BY name")
}

// Breaker is a device that did not come back: nothing is quiesced until it is cleared.
type Breaker struct {
	Device string
	Since  time.Time
	Reason string
	Run    string // the run that saw it
}

// write trips the breaker; one that is tripped keeps its first reason.
func (b Breaker) write(t *transaction) error {
	if b.Device == "" {
		return errors.New("a breaker without a device")
	}
	_, err := t.exec(`INSERT INTO devices (name, breaker_since, breaker_reason, breaker_run) VALUES (?1,max(?2,1),?3,?4)
		ON CONFLICT (name) DO UPDATE SET breaker_since = max(?2,1), breaker_reason = ?3, breaker_run = ?4 WHERE breaker_since = 0`,
		b.Device, stamp(b.Since), b.Reason, b.Run)
	return err
}

// Breakers lists the breakers that are tripped, the oldest first.
func (j *Journal) Breakers(ctx context.Context) ([]Breaker, error) {
	return list(ctx, j, "list the breakers", func(s scanner) (b Breaker, err error) {
		return b, s.Scan(&b.Device, moment{&b.Since}, &b.Reason, &b.Run)
	}, "SELECT name, breaker_since, breaker_reason, breaker_run FROM devices WHERE breaker_since > 0 ORDER BY breaker_since, name")
}

// ClearBreaker enters that a device is back. One that is not tripped is ErrNotFound.
func (j *Journal) ClearBreaker(ctx context.Context, device string) error {
	return j.write(ctx, "clear the breaker of "+device, func(t *transaction) error {
		res, err := t.exec("UPDATE devices SET breaker_since = 0, breaker_reason = '', breaker_run = '' WHERE name = ? AND breaker_since > 0", device)
		return touched(res, err, "a breaker of "+device)
	})
}

// Lockout is a credential that a device refused: it is not used before Until.
type Lockout struct {
	// Credential is a hash that stands for it; never the credential.
	Credential string
	Since      time.Time
	Until      time.Time
	Reason     string
}

func (l Lockout) write(t *transaction) error {
	_, err := t.exec(`INSERT INTO lockouts (credential, since, until, reason) VALUES (?1,?2,?3,?4)
		ON CONFLICT (credential) DO UPDATE SET since = ?2, until = max(until, ?3), reason = ?4`, l.Credential, stamp(l.Since), stamp(l.Until), l.Reason)
	return err
}

// Lockouts lists the credentials that must not be used at a time.
func (j *Journal) Lockouts(ctx context.Context, now time.Time) ([]Lockout, error) {
	return list(ctx, j, "list the refused credentials", func(s scanner) (l Lockout, err error) {
		return l, s.Scan(&l.Credential, moment{&l.Since}, moment{&l.Until}, &l.Reason)
	}, "SELECT credential, since, until, reason FROM lockouts WHERE until > ? ORDER BY until, credential", stamp(now))
}

// LockOut enters a refused credential at once, outside a run's batch.
func (j *Journal) LockOut(ctx context.Context, l Lockout) error {
	return j.write(ctx, "enter a refused credential", l.write)
}

// ClearLockout enters that a credential may be used again. None there is fine.
func (j *Journal) ClearLockout(ctx context.Context, credential string) error {
	return j.write(ctx, "clear a refused credential", func(t *transaction) error {
		_, err := t.exec("DELETE FROM lockouts WHERE credential = ?", credential)
		return err
	})
}
