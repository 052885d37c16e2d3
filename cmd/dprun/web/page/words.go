package page

import (
	"cmp"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
)

// tone is how something looks. A word beside it always says the same.
type tone string

// The tones.
const (
	good  tone = "good"
	warn  tone = "warn"
	bad   tone = "bad"
	alarm tone = "alarm" // somebody is needed now
	calm  tone = "calm"
)

// toneOf returns the tone of a status code.
func toneOf(code string) tone { return tone(view.Look(code)) }

// adviceFor tells what a status code means and what to do about it.
func adviceFor(code string) string {
	e, _ := status.Lookup(status.Code(code))
	return strings.TrimSpace(e.Meaning + " " + e.Action)
}

// timeShown is the format of times: the day first, and always with the zone.
const timeShown = "2006-01-02 15:04:05 MST"

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(timeShown)
}

// owner is a device, or a run without a device, with all its pending recoveries.
type owner struct {
	Name   string // "device gw-a", "run 01…"
	Target string // the name to acknowledge
	Plan   string
	Owed   []report.Owed
	ByHand []string // commands on the device
	Notes  []string
	Here   []string // commands for dprun
	Held   bool     // live processes are working on all of it
}

// ownerOf names the device or run that an obligation belongs to.
func ownerOf(o report.Owed) string {
	if o.Device == "" {
		return "run " + o.Run
	}
	return "device " + o.Device
}

// owners groups obligations by owner. Owners that may be out of service come first.
func owners(owed []report.Owed) (out []owner) {
	owed = slices.SortedStableFunc(slices.Values(owed), func(a, b report.Owed) int {
		down := func(o report.Owed) int {
			if o.Kind == "unquiesce" {
				return 0
			}
			return 1
		}
		return cmp.Compare(down(a), down(b))
	})
	for _, o := range owed {
		name, target := ownerOf(o), cmp.Or(o.Device, o.Run)
		i := slices.IndexFunc(out, func(x owner) bool { return x.Name == name })
		if i < 0 {
			i = len(out)
			out = append(out, owner{Name: name, Target: target, Plan: o.Plan, Held: true})
		}
		x := &out[i]
		x.Owed = append(x.Owed, o)
		if o.Held {
			continue
		}
		x.Held = false
		x.Notes, x.Here = add(x.Notes, o.Note), add(x.Here, o.Commands...)
	}
	for i := range out {
		out[i].ByHand = report.OnDevice(report.Unheld(out[i].Owed))
	}
	return out
}

// add appends texts that are neither empty nor present.
func add(to []string, more ...string) []string {
	for _, m := range more {
		if m != "" && !slices.Contains(to, m) {
			to = append(to, m)
		}
	}
	return to
}

// link is an entry in the list of pages.
type link struct {
	To, Text string
	Here     bool
}

func (p *pages) funcs() template.FuncMap {
	return template.FuncMap{
		"tone":      toneOf,
		"nighttone": nightTone,
		"adviceof":  adviceFor,
		"stamp":     stamp,
		"iso":       func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"span":      view.Span,
		"size":      view.Size,
		"ago":       func(t time.Time) string { return ago(p.Now(), t) },
		"clock":     clock,
		"until":     func(t time.Time) string { return view.Span(t.Sub(p.Now())) },
		"took":      func(from, to time.Time) string { return view.Span(to.Sub(from)) },
		"title":     view.OwedTitle,
		"around":    view.Circumstances,
		"proof":     view.ProofText,
		"origin":    view.OriginText,
		"at":        at,
		"since":     func(t time.Time) time.Duration { return p.Now().Sub(t) },
		"last":      lastOf,
		"list":      func(of ...any) []any { return of },
		"pair": func(here, to, text string) link {
			return link{to, text, here == to || to != "/" && strings.HasPrefix(here, to+"/")}
		},
		"arg": shellWord,
	}
}

// shellWord quotes a text as one word of a shell's command line.
func shellWord(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@", r))
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
