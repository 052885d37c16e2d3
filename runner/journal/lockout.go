package journal

import (
	"context"
	"errors"
	"time"
)

// Lockout is a credential that a device refused: it is not used for a while, so
// that the account is not locked.
type Lockout struct {
	Credential string // an opaque name of it, no part of it
	Device     string // that refused it
	Since      time.Time
	Until      time.Time
}

// LockOut enters that a credential was refused. A later refusal lasts from then.
func (j *Journal) LockOut(ctx context.Context, l Lockout) error {
	return j.exec(ctx, "note that a credential was refused",
		`INSERT INTO lockouts (credential, device, since, until) VALUES (?1,?2,?3,?4)
			ON CONFLICT (credential) DO UPDATE SET device = ?2, since = ?3, until = ?4`, l.Credential, l.Device, stamp(l.Since), stamp(l.Until))
}

// LockedOut gives the refusal because of which a credential is not used now, if there is one.
func (j *Journal) LockedOut(ctx context.Context, credential string, now time.Time) (*Lockout, error) {
	return only(list(ctx, j, "look whether a credential may be used", func(s scanner) (l Lockout, err error) {
		return l, s.Scan(&l.Credential, &l.Device, moment{&l.Since}, moment{&l.Until})
	}, "SELECT credential, device, since, until FROM lockouts WHERE credential = ? AND until > ?", credential, stamp(now)))
}

// EndLockouts lets the credentials be used again that a device refused. Without
// one it is [ErrNotFound].
func (j *Journal) EndLockouts(ctx context.Context, device string, now time.Time) error {
	err := j.write(ctx, "let the credential of "+device+" be used", func(t *transaction) error {
		res, err := t.exec("DELETE FROM lockouts WHERE device = ? AND until > ?", device, stamp(now))
		return touched(res, err, "a refused credential of "+device)
	})
	if errors.Is(err, ErrNotFound) {
		return ErrNotFound
	}
	return err
}
