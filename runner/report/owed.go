package report

import (
	"slices"
	"time"
)

// Owed is one obligation that is still pending.
type Owed struct {
	Run    string    `json:"run"`
	Task   string    `json:"task"`
	Plan   string    `json:"plan,omitempty"`
	ID     string    `json:"id"`
	Kind   string    `json:"kind"` // unquiesce, discard, post_script, drop_domain, restore
	Device string    `json:"device"`
	Domain string    `json:"domain,omitempty"`
	Since  time.Time `json:"since"`
	// DueBack is when the target should be back at the latest, whoever works on it.
	DueBack   time.Time `json:"due_back_by,omitzero"`
	LastError string    `json:"last_error,omitempty"`
	// HeldBy is the live process that works on it. Held says that it is not overdue:
	// the target is down because that process needs it so.
	HeldBy string `json:"held_by,omitempty"`
	Held   bool   `json:"held"`
	// GuardedBy is the guard process of the run. It brings the target back when the run
	// is gone. NextTry is when it tries again, if that is known.
	GuardedBy string    `json:"guarded_by,omitempty"`
	NextTry   time.Time `json:"next_try,omitzero"`
	// DeviceCommands are the commands to type on the appliance. Note is advice that no
	// command expresses.
	DeviceCommands []string `json:"device_commands,omitempty"`
	Note           string   `json:"note,omitempty"`
	// Commands are the commands to type here afterwards.
	Commands []string `json:"commands"`
	// Acknowledge is the command to type instead, only if everything was done by hand
	// and dprun cannot see that.
	Acknowledge string `json:"acknowledge"`
}

// Pending is everything that must still be undone.
type Pending struct {
	ExitCode int      `json:"exit_code"` // the exit code that follows from it
	Owed     []Owed   `json:"owed"`
	Stops    []Stop   `json:"stops,omitempty"`   // what forbids quiesces
	Unknown  *Failure `json:"unknown,omitempty"` // what else may be pending but cannot be listed
}

// Unheld returns the obligations that no live process keeps.
func Unheld(owed []Owed) []Owed {
	return slices.DeleteFunc(slices.Clone(owed), func(o Owed) bool { return o.Held })
}

// Acknowledged is what somebody took responsibility for, on a device or for a run.
type Acknowledged struct {
	Device      string `json:"device"` // empty: Run is set
	Run         string `json:"run,omitempty"`
	Obligations int    `json:"obligations"`
	// Journal is the suffix of a lost journal's files that were put aside for a new
	// one.
	Journal string `json:"journal,omitempty"`
}

// LookCommand is the command that shows the result on the appliance.
const LookCommand = "show domains"

// OnDevice returns the commands to type on one device for all its obligations: each
// command once, and the one that shows the result last.
func OnDevice(owed []Owed) (commands []string) {
	look := false
	for _, o := range owed {
		for _, c := range o.DeviceCommands {
			switch {
			case c == LookCommand:
				look = true
			case !slices.Contains(commands, c):
				commands = append(commands, c)
			}
		}
	}
	if look {
		commands = append(commands, LookCommand)
	}
	return commands
}
