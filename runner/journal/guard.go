package journal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/pending"
)

// Guard bounds how many devices may be quiesced at once, over all runs that
// share the journal. It is asked in the transaction that enters the new
// obligation, so two runs cannot both take the last slot. A slot is free when
// the unquiesce is paid: when the return was verified.
type Guard struct {
	// MaxDevices bounds the devices; 0: no bound. Several domains of a device count once.
	MaxDevices int
	// Group are the names of the devices of the same group, MaxPerGroup how
	// many of them may be quiesced at once (0: no bound), and Settle how long
	// ago another one must have come back.
	Group       []string
	MaxPerGroup int
	Settle      time.Duration
}

// Denial is why a guard refuses.
type Denial string

// The denials.
const (
	DeniedBreaker Denial = "breaker" // a device did not come back
	DeniedDevices Denial = "max_devices"
	DeniedGroup   Denial = "max_per_group"
	DeniedSettle  Denial = "settle"
)

// GuardError says that a device must not be quiesced now.
type GuardError struct {
	Denial  Denial
	Devices []string  // the devices on whose account
	Until   time.Time // of DeniedSettle: when to ask again
}

func (e *GuardError) Error() string {
	on := strings.Join(e.Devices, ", ")
	switch e.Denial {
	case DeniedBreaker:
		return fmt.Sprintf("no device may be quiesced: %s did not come back; look at it, then `dprun recover` or `dprun recover --ack DEVICE`", on)
	case DeniedSettle:
		return fmt.Sprintf("no other device of the group may be quiesced before %s: %s came back only just", e.Until.Format(time.RFC3339), on)
	case DeniedGroup:
		return fmt.Sprintf("no other device of the group may be quiesced: %s already is", on)
	}
	return fmt.Sprintf("no other device may be quiesced: %s already is", on)
}

// box is a device as a physical thing: by its identity where that is known.
type box struct{ name, identity string }

func (b box) is(o pending.Obligation) bool {
	return b.name == o.Device || b.identity != "" && b.identity == o.Identity
}

// ask refuses every unquiesce to be owed that would pass a bound.
func (g *Guard) ask(t *transaction, now time.Time, owe []pending.Obligation) error {
	for _, o := range owe {
		if o.Kind != pending.Unquiesce {
			continue
		}
		if err := g.askFor(t, now, o); err != nil {
			return err
		}
	}
	return nil
}

func (g *Guard) askFor(t *transaction, now time.Time, o pending.Obligation) error {
	tripped, err := boxes(t, "SELECT name, identity, 0 FROM devices WHERE breaker_since > 0 ORDER BY name")
	if err != nil {
		return err
	}
	if len(tripped) > 0 {
		return &GuardError{Denial: DeniedBreaker, Devices: names(tripped)}
	}
	down, err := boxes(t, "SELECT DISTINCT device, identity, 0 FROM obligations WHERE paid_at = 0 AND kind = 'unquiesce' ORDER BY device")
	if err != nil {
		return err
	}
	down = slices.DeleteFunc(down, func(b seenBox) bool { return b.is(o) })
	group := slices.DeleteFunc(slices.Clone(down), func(b seenBox) bool { return !slices.Contains(g.Group, b.name) })
	if g.MaxDevices > 0 && distinct(down) >= g.MaxDevices {
		return &GuardError{Denial: DeniedDevices, Devices: names(down)}
	}
	if g.MaxPerGroup > 0 && distinct(group) >= g.MaxPerGroup {
		return &GuardError{Denial: DeniedGroup, Devices: names(group)}
	}
	if g.Settle <= 0 {
		return nil
	}
	back, err := boxes(t, `SELECT device, identity, max(paid_at) FROM obligations WHERE kind = 'unquiesce' AND paid_at > ?
		GROUP BY device, identity ORDER BY 3 DESC`, stamp(now.Add(-g.Settle)))
	if err != nil {
		return err
	}
	for _, b := range back {
		if slices.Contains(g.Group, b.name) && !b.is(o) {
			return &GuardError{Denial: DeniedSettle, Devices: []string{b.name}, Until: b.at.Add(g.Settle)}
		}
	}
	return nil
}

// seenBox is a box and a time at which something was seen of it.
type seenBox struct {
	box
	at time.Time
}

func boxes(t *transaction, query string, args ...any) ([]seenBox, error) {
	rows, err := t.query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []seenBox
	for rows.Next() {
		var b seenBox
		if err := rows.Scan(&b.name, &b.identity, moment{&b.at}); err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, rows.Err()
}

func names(boxes []seenBox) []string {
	var out []string
	for _, b := range boxes {
		out = append(out, b.name)
	}
	return slices.Compact(out)
}

// distinct counts boxes: two names of one identity are one.
func distinct(boxes []seenBox) int {
	seen := map[string]bool{}
	for _, b := range boxes {
		if b.identity != "" {
			seen["identity "+b.identity] = true
		} else {
			seen["name "+b.name] = true
		}
	}
	return len(seen)
}
