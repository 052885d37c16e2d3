package journal

import (
	"encoding/json"
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
