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

// ClearBreaker enters that a device is back. One that is not tripped is ErrNotFound.
func (j *Journal) ClearBreaker(ctx context.Context, device string) error {
	return j.write(ctx, "clear the breaker of "+device, func(t *transaction) error {
		res, err := t.exec("UPDATE devices SET breaker_since = 0, breaker_reason = '', breaker_run = '' WHERE name = ? AND breaker_since > 0", device)
		return touched(res, err, "a breaker of "+device)
	})
}
