package runner

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/state"
)

// commands are what to type by hand, on the appliance and then here. They are
// meant to be copied as they stand, so the one that nothing checks is a
// comment; the last one has dprun see for itself.
func (r *Runner) commands(o pending.Obligation) []string {
	var out []string
	switch o.Kind {
	case pending.Unquiesce:
		back := "appliance-unquiesce"
		if o.Domain != "" {
			back = "domain-unquiesce " + o.Domain
		}
		out = append(out, fmt.Sprintf("on %s: configure terminal; %s; show domains", o.Device, back))
	case pending.Discard:
		out = append(out, fmt.Sprintf("on %s: configure terminal; rmdir %s, and answer y", o.Device, o.Token))
	case pending.PostScript:
		out = append(out, "by hand, if it cannot be run any more: what script "+o.Script+" does for "+o.Where())
	}
	if elsewhere, err := state.Dir("", r.unset(state.EnvDir)); err != nil || elsewhere != r.StateDir {
		out = append(out, "export "+state.EnvDir+"="+quoted(r.StateDir))
	}
	if o.Device == "" {
		out = append(out, "# only if dprun cannot run it, and what it does is done by hand: dprun recover --ack "+quoted(o.Run))
	} else {
		out = append(out, "# only if dprun cannot reach it, and all that it owes is done by hand: dprun recover --ack "+quoted(o.Device))
	}
	return append(out, "dprun recover")
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
