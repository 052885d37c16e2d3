package datapower

import (
	"context"
	"fmt"
	"slices"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
)

// busyAt is the percentage of processors or capacity at which a gateway is too busy to be quiesced: the members
// of its group that take over would be too busy as well. IBM's model calls a load above 90 "at or near capacity".
const busyAt = 90

// The values of active_users.
const (
	usersWait   = "wait"
	usersIgnore = "ignore"
)

// connections are the ways in which administrators log in, by the names of the
// command line. Other connections are the gateway's own services.
var connections = map[string]string{
	"serial-port": "the serial port", "telnet": "telnet", "secure-shell": "SSH", "web-gui": "the web interface",
	"saml-artifact": "the XML management interface", "rest-mgmt": "the REST management interface",
}

// busy reads what else the gateway does: its load, and who is logged in. If that
// cannot be read, it returns a warning; if the plan asks to wait for
// administrators, it returns a reason to wait.
func (s *source) busy(ctx context.Context, c *classes, limits throttle, out *sdk.CheckReport) error {
	if err := s.load(ctx, c, limits, out); err != nil || s.users.policy == usersIgnore {
		return err
	}
	users, err := rowsOf(ctx, c, s.client.ActiveUsers)
	var logged []string
	switch {
	case err == nil:
		logged = s.users.administrators(users)
	case !answered(err):
		return s.failed(err, "check: read who is logged in")
	default:
		logged = []string{"it could not be read whether administrators are logged in: " + s.failed(err, "check: read who is logged in").Error()}
	}
	out.BusyWith = append(out.BusyWith, logged...)
	if s.users.policy == usersWait {
		out.Busy = out.Busy || len(logged) > 0
		return nil
	}
	out.Warnings = append(out.Warnings, logged...)
	return nil
}

// load reads how much of the gateway's processors, memory and capacity is used. Memory counts from where the gateway itself turns traffic
// away.
func (s *source) load(ctx context.Context, c *classes, limits throttle, out *sdk.CheckReport) error {
	for _, part := range []struct {
		read func(context.Context) (int, error)
		what string
		from int
	}{
		{s.client.CPU, "its processors were used in the last minute", busyAt},
		{s.client.SystemLoad, "its capacity is used", busyAt},
		{s.client.Memory, "its memory is used", 100 - limits.memory},
	} {
		percent, err := again(func() (int, error) { return part.read(ctx) })
		if err = c.known(ctx, err); err != nil {
			if !answered(err) {
				return s.failed(err, "check: read its load")
			}
			out.Warnings = append(out.Warnings, "it could not be read whether the gateway is busy: "+s.failed(err, "check: read its load").Error())
			continue
		}
		if percent >= part.from {
			out.Busy = true
			out.BusyWith = append(out.BusyWith, fmt.Sprintf("%d%% of %s", percent, part.what))
		}
	}
	return nil
}

// users is what the plan says about administrators who are logged in.
type users struct {
	own    string // the account of dprun
	policy string
	ignore []string
}

// administrators lists who is logged in, one sentence for each.
func (u users) administrators(rows []soma.User) (out []string) {
	for _, r := range rows {
		by, ok := connections[r.Connection]
		switch {
		case r.Connection == "saml-artifact" && r.Name == u.own, slices.Contains(u.ignore, r.Name) && r.Name != "":
			continue
		case !ok && (r.Connection == "system" || r.Connection == "apic-gw-service"):
			continue
		case !ok:
			by = archive.Printable(r.Connection)
		}
		text := fmt.Sprintf("administrator %s is logged in by %s", orNone(r.Name), orNone(by))
		if r.Address != "" {
			text += " from " + archive.Printable(r.Address)
		}
		if r.Login != "" {
			text += " since " + archive.Printable(r.Login)
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}
