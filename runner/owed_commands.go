package runner

import (
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/state"
)

// looks is how one sees on the appliance that it worked.
const looks = "show domains"

// OnDevice is what to type on one device for all that it owes: each command
// once, and the look at the result last.
func OnDevice(owed []Owed) (commands []string) {
	look := false
	for _, o := range owed {
		for _, c := range o.DeviceCommands {
			switch {
			case c == looks:
				look = true
			case !slices.Contains(commands, c):
				commands = append(commands, c)
			}
		}
	}
	if look {
		commands = append(commands, looks)
	}
	return commands
}

// byHand fills in what to type by hand: on the appliance, then here. Every
// command may be copied as it stands; the last one has dprun see for itself.
func (r *Runner) byHand(item *Owed, o pending.Obligation) {
	switch o.Kind {
	case pending.Unquiesce:
		back := "appliance-unquiesce"
		if o.Domain != "" {
			back = "domain-unquiesce " + o.Domain
		}
		item.DeviceCommands = []string{"configure terminal", back, looks}
	case pending.Discard:
		item.DeviceCommands, item.Note = []string{"configure terminal", "rmdir " + o.Token}, "answer y to rmdir"
	case pending.PostScript:
		item.Note = "by hand, if it cannot be run any more: what script " + o.Script + " does for " + o.Where()
	}
	if elsewhere, err := state.Dir("", r.unset(state.EnvDir)); err != nil || elsewhere != r.StateDir {
		item.Commands = append(item.Commands, "export "+state.EnvDir+"="+quoted(r.StateDir))
	}
	item.Commands = append(item.Commands, "dprun recover")
	name := o.Device
	if name == "" {
		name = o.Run
	}
	item.Acknowledge = "dprun recover --ack " + quoted(name)
}

// unset looks up the environment as it is without one variable: that of
// somebody who types a command later.
func (r *Runner) unset(variable string) func(string) string {
	return func(name string) string {
		if name == variable {
			return ""
		}
		for i := len(r.Environ) - 1; i >= 0; i-- {
			if k, v, ok := strings.Cut(r.Environ[i], "="); ok && k == name {
				return v
			}
		}
		return ""
	}
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./:@%+=,", c)
	}
	if word != "" && strings.IndexFunc(word, func(c rune) bool { return !plain(c) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
