package report

import (
	"slices"
	"time"
)

// Owed is one obligation that is not paid.
type Owed struct {
	Run    string    `json:"run"`
	Task   string    `json:"task"`
	Plan   string    `json:"plan,omitempty"`
	ID     string    `json:"id"`
	Kind   string    `json:"kind"` // unquiesce, discard, post_script, drop_domain, restore
	Device string    `json:"device"`
	Domain string    `json:"domain,omitempty"`
	Since  time.Time `json:"since"`
	// DueBack is when the target should be back at the latest, whoever is at it.
	DueBack   time.Time `json:"due_back_by,omitzero"`
	LastError string    `json:"last_error,omitempty"`
	// HeldBy is the live process that is at it. Held says that it is not overdue:
	// the target is down for the sake of that process.
	HeldBy string `json:"held_by,omitempty"`
	Held   bool   `json:"held"`
	// GuardedBy is the guard process of the run: when the run is gone, it brings
	// the target back. NextTry is when it tries again, where that is known.
	GuardedBy string    `json:"guarded_by,omitempty"`
	NextTry   time.Time `json:"next_try,omitzero"`
	// DeviceCommands are what to type on the appliance, Note what no command says.
	DeviceCommands []string `json:"device_commands,omitempty"`
	Note           string   `json:"note,omitempty"`
	// Commands are what to type here after that.
	Commands []string `json:"commands"`
	// Acknowledge is what to type instead, only when all is done by hand and
	// dprun cannot see for itself.
	Acknowledge string `json:"acknowledge"`
}

// Pending is everything that is not undone.
type Pending struct {
	ExitCode int      `json:"exit_code"` // that it calls for
	Owed     []Owed   `json:"owed"`
	Stops    []Stop   `json:"stops,omitempty"`   // what forbids quiesces
	Unknown  *Failure `json:"unknown,omitempty"` // what else may be owed: it cannot be listed
}

// Unheld are those of a list that are left to no process at work.
func Unheld(owed []Owed) []Owed {
	return slices.DeleteFunc(slices.Clone(owed), func(o Owed) bool { return o.Held })
}

// Acknowledged is what somebody took responsibility for: of a device, or of a run.
type Acknowledged struct {
	Device      string `json:"device"` // empty: Run is set
	Run         string `json:"run,omitempty"`
	Obligations int    `json:"obligations"`
	// Journal is how the names of a lost journal's files end that were put aside
	// for a new one.
	Journal string `json:"journal,omitempty"`
}

// LookCommand is how one sees on the appliance that it worked.
const LookCommand = "show domains"

// OnDevice is what to type on one device for all that it owes: each command
// once, and the look at the result last.
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
