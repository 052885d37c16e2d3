package runner

import (
	"maps"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/state"
)

// byHand fills in what to type by hand: on the appliance, then here. Every
// command may be copied as it stands; the last one has dprun see for itself.
func (r *Runner) byHand(item *report.Owed, o pending.Obligation) {
	switch o.Kind {
	case pending.Unquiesce:
		back := "appliance-unquiesce"
		if o.Domain != "" {
			back = "domain-unquiesce " + o.Domain
		}
		item.DeviceCommands = []string{"configure terminal", back, report.LookCommand}
	case pending.Discard:
		item.DeviceCommands, item.Note = []string{"configure terminal", "rmdir " + o.Token}, "answer y to rmdir"
	case pending.DropDomain:
		item.DeviceCommands = []string{"configure terminal", "no domain " + o.Domain, "exit", "show domains"}
		item.Note = "a drill has made this domain: nothing in it is needed, and something in it may be at work until it is gone"
	case pending.Restore:
		item.Note = restoreNote(o)
	case pending.PostScript:
		item.Note = "by hand, if it cannot be run any more: what script " + o.Script + " does for " + o.Where()
	}
	if elsewhere, err := state.Dir("", r.unset(state.EnvDir)); err != nil || elsewhere != r.StateDir {
		item.Commands = append(item.Commands, "export "+state.EnvDir+"="+quoted(r.StateDir))
	}
	item.Commands = append(item.Commands, "dprun recover")
	item.Acknowledge = "dprun recover --ack " + quoted(acknowledgedBy(o))
}

// restoreNote says what a person does about a restore that is not proven.
func restoreNote(o pending.Obligation) string {
	r, err := record.RestoreOf(o)
	if err != nil || r.WayBackSet == "" {
		return "look at " + o.Where() + ": what was restored there, and what was there before, is not known here any more"
	}
	again := func(what string) string {
		return "dprun restore PLAN " + quoted(what) + " --device " + quoted(o.Device) + " --domain " + quoted(o.Domain) + " --unsaved"
	}
	note := "to go back to what was there before: " + again(r.WayBackSet)
	if r.Set != "" {
		note += "; to restore again: " + again(r.Set)
		if r.Policy != "" { // without it other things would be imported
			note += " --policy " + quoted(r.Policy)
		}
		for _, name := range slices.Sorted(maps.Keys(r.Variables)) { // their values may be secret
			note += " --policy-var " + quoted(name) + "=VALUE"
		}
		if r.RewriteLocalIP {
			note += " --rewrite-local-ip"
		}
	}
	return note + "; where it is as it should be and only not saved: save it on the gateway (switch domain " + o.Domain + ", configure terminal, write memory)"
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
