package page

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner/report"
)

// overviewPage answers the five questions.
type overviewPage struct {
	report.Overview
	Glance  []glance
	Owners  []owner
	Back    map[string]string // by the name of an owner: who or what brings it back
	OnHold  bool              // somebody has stopped new quiesces
	Waiting []report.Approval // for a second person
	Outside int               // pending recoveries that are hidden from the person
}

// glance is a question with its answer in a few words. ID names the part of the page
// with the details.
type glance struct {
	ID, Question string
	Tone         tone
	Word         string // the tone in a word
	Answer       string
	More         string
}

func (p *pages) overview(r *http.Request, who access.Sight) (answer, error) {
	var sees func(plan, device string) bool
	if !who.All() {
		sees = who.Device
	}
	o := p.Desk.OverviewFor(r.Context(), sees)
	v := overviewPage{Overview: o, Back: map[string]string{}}
	if !who.All() {
		v.Outside = max(0, len(p.Reads.Owed(r.Context()).Owed)-len(o.Down.Owed))
	}
	var owed []report.Owed
	for _, x := range o.Down.Owed {
		owed = append(owed, x.Owed)
	}
	v.Owners = owners(owed)
	for _, x := range o.Down.Owed {
		if name := ownerOf(x.Owed); v.Back[name] == "" {
			v.Back[name] = x.BringsBack
		}
	}
	v.OnHold = slices.ContainsFunc(o.Down.Stops, func(s report.Stop) bool { return s.Device == "" && s.Environment == "" && s.Closed.IsZero() })
	now := p.Now()
	all, err := p.approvalsFor(r, who)
	v.Waiting = waiting(all)
	v.Glance = []glance{down(o, v.Outside, now), work(o.Work, now), coverage(o.Coverage), failures(o.Failures), truth(o.Truth, who.All(), now)}
	if n := len(v.Waiting); n > 0 || err != nil { // the page answers also when this cannot be read
		w, text := &v.Glance[1], count(n, "request waits", "requests wait")+" for a second person. "
		if err != nil {
			text = "It is not known whether anything waits for a second person. "
		}
		w.More = text + w.More
		if w.Tone == good || w.Tone == calm {
			w.Tone, w.Word = warn, "Look"
		}
	}
	title := "Overview"
	if o.State == report.OverviewIsDown {
		title = "DOWN: overview"
	}
	return answer{Title: title, page: "overview.html", Data: v, Events: events}, nil
}

// down answers whether anything is down because of us.
func down(o report.Overview, outside int, now time.Time) glance {
	g := glance{ID: "down", Question: "Is anything down because of us?", More: "Checked " + ago(now, o.At) + "."}
	var lost, held, other int
	var oldest, latest time.Time
	for _, x := range o.Down.Owed {
		switch {
		case x.Kind != "unquiesce":
			if !x.Held {
				other++
			}
		case x.Held:
			held++
			if x.DueBack.After(latest) {
				latest = x.DueBack
			}
		default:
			if lost++; oldest.IsZero() || x.Since.Before(oldest) {
				oldest = x.Since
			}
		}
	}
	switch {
	case o.Down.Unknown != "":
		g.Tone, g.Word, g.Answer = alarm, "Unknown", "Some of it cannot be read: "+o.Down.Unknown
	case lost > 0:
		g.Tone, g.Word = alarm, "Act now"
		g.Answer = fmt.Sprintf("%s may be down because of us, since %s (%s).", count(lost, "device or domain", "devices and domains"), clock(oldest), view.Span(now.Sub(oldest)))
	case outside > 0:
		g.Tone, g.Word = warn, "Look"
		g.Answer = fmt.Sprintf("Nothing that you may see is left down. %s to plans that you may not see.", belong(outside))
	case other > 0:
		g.Tone, g.Word = warn, "Look"
		g.Answer = fmt.Sprintf("Nothing is left down. %s still to be done.", isAre(other, "other thing", "other things"))
		if held > 0 {
			g.Answer = fmt.Sprintf("%s quiesced by a run at work. %s still to be done.", isAre(held, "device or domain", "devices and domains"), isAre(other, "other thing", "other things"))
		}
	case held > 0:
		g.Tone, g.Word = calm, "At work"
		g.Answer = fmt.Sprintf("%s quiesced by a run at work", isAre(held, "device or domain", "devices and domains"))
		if !latest.IsZero() {
			g.Answer += ", back by " + clock(latest)
		}
		g.Answer += "."
	default:
		g.Tone, g.Word, g.Answer = good, "Good", "Nothing is quiesced because of us."
	}
	if text := broughtBack(o.Down.Recovered, now); text != "" {
		g.More = text + " " + g.More
	}
	if n := len(o.Down.Stops); n > 0 {
		g.More = "Quiesces are stopped. " + g.More
		if g.Tone == good || g.Tone == calm {
			g.Tone, g.Word = warn, "Look"
		}
	}
	return g
}

// broughtBack tells what was brought back automatically during the last day; empty:
// nothing.
func broughtBack(all []report.RecoveredRun, now time.Time) string {
	runs, left := 0, 0
	var last time.Time
	for _, run := range all {
		switch {
		case !run.Final:
			left++
		case now.Sub(run.Ended) < 24*time.Hour:
			runs++
			if run.Ended.After(last) {
				last = run.Ended
			}
		}
	}
	switch {
	case left > 0:
		return fmt.Sprintf("%s had died, and %s not finished yet.", count(left, "run", "runs"), map[bool]string{true: "is", false: "are"}[left == 1])
	case runs > 0:
		return fmt.Sprintf("%s had died, and %s finished without a person, the last one %s.", count(runs, "run", "runs"), map[bool]string{true: "was", false: "were"}[runs == 1], ago(now, last))
	}
	return ""
}

// work answers what runs and what comes next.
func work(w report.OverviewWork, now time.Time) glance {
	g := glance{ID: "work", Question: "What runs, or will be quiesced?", Tone: good, Word: "Good"}
	dead, quiesced := 0, 0
	closes := time.Time{}
	for _, r := range w.Runs {
		quiesced += r.Quiesced
		if !r.Alive {
			dead++
		}
		if c := r.WindowCloses; !c.IsZero() && (closes.IsZero() || c.Before(closes)) {
			closes = c
		}
	}
	switch n := len(w.Runs); {
	case w.Unknown != "":
		g.Tone, g.Word, g.Answer = bad, "Unknown", "It is not known: "+w.Unknown
	case dead > 0:
		g.Tone, g.Word = bad, "Look"
		g.Answer = fmt.Sprintf("%s left by a process that is gone. It is recovered within five minutes, or by “bring back”.", isAre(dead, "run", "runs"))
	case n == 0:
		g.Answer = "Nothing runs."
	default:
		g.Tone, g.Word = calm, "At work"
		g.Answer = fmt.Sprintf("%s under way, %d quiesced now.", isAre(n, "run", "runs"), quiesced)
		if !closes.IsZero() {
			g.Answer += fmt.Sprintf(" The window closes in %s.", view.Span(closes.Sub(now)))
		}
	}
	for _, x := range w.Next {
		if x.Outside {
			continue
		}
		g.More = fmt.Sprintf("Next: %s %s (in %s)", x.Plan, clock(x.Start), view.Span(x.Start.Sub(now)))
		if n := len(x.Quiesces); n > 0 {
			g.More += fmt.Sprintf(", quiesces on %s", count(n, "device", "devices"))
		}
		g.More += "."
		break
	}
	if g.More == "" && w.Unknown == "" {
		g.More = "No plan is due."
	}
	if x := w.Paused; x != nil {
		g.More = fmt.Sprintf("Nothing new is started: %s asked for that %s ago.", x.By, view.Span(now.Sub(x.Since)))
		if g.Tone == good || g.Tone == calm {
			g.Tone, g.Word = warn, "Look"
		}
	}
	return g
}

// coverage answers which subjects have no good set within their goal.
func coverage(c report.OverviewCoverage) glance {
	g := glance{ID: "coverage", Question: "What has no good backup?", Tone: good, Word: "Good"}
	expected, stale, none, unknown := 0, 0, 0, 0
	var over, left time.Duration
	for _, p := range c.Plans {
		expected, stale, none = expected+p.Expected, stale+p.Stale, none+p.None
		if p.Unknown != "" {
			unknown++
			continue
		}
		over = max(over, -p.Waits)
		if p.Waits > 0 && (left == 0 || p.Waits < left) {
			left = p.Waits
		}
	}
	switch {
	case c.Unknown != "":
		g.Tone, g.Word, g.Answer = bad, "Unknown", "It is not known: "+c.Unknown
	case none > 0:
		g.Tone, g.Word = bad, "Look"
		g.Answer = fmt.Sprintf("%d of %d have no good set at all, %d an old one.", none, expected, stale)
		g.More = "It cannot wait for another night."
	case stale > 0:
		g.Tone, g.Word = bad, "Look"
		g.Answer = fmt.Sprintf("%d of %d have no good set within the goal.", stale, expected)
		g.More = fmt.Sprintf("The goal passed %s ago.", view.Span(over))
	case unknown > 0:
		g.Tone, g.Word = warn, "Unknown"
		g.Answer = fmt.Sprintf("Unknown for %s.", count(unknown, "plan", "plans"))
	case len(c.Plans) == 0:
		g.Tone, g.Word, g.Answer = warn, "Look", "No plan is served: nothing is backed up by itself."
	default:
		g.Answer = fmt.Sprintf("All %d have a good set within the goal.", expected)
		g.More = fmt.Sprintf("The first goal passes in %s.", view.Span(left))
	}
	return g
}

// failures answers what failed tonight, and whether that needs somebody now.
func failures(f report.OverviewFailures) glance {
	g := glance{ID: "failures", Question: "What failed tonight?", Tone: good, Word: "Good"}
	urgent, tasks := 0, 0
	for _, c := range f.Causes {
		tasks += c.Tasks
		if c.Now {
			urgent++
		}
	}
	switch n := len(f.Causes); {
	case f.Unknown != "":
		g.Tone, g.Word, g.Answer = bad, "Unknown", "It is not known: "+f.Unknown
	case urgent > 0:
		g.Tone, g.Word = alarm, "Act now"
		g.Answer = fmt.Sprintf("%d failed, by %s; %d of them cannot wait.", tasks, count(n, "cause", "causes"), urgent)
		g.More = f.Causes[0].Meaning
	case n > 0:
		g.Tone, g.Word = warn, "At 08:00"
		g.Answer = fmt.Sprintf("%d failed, by %s. It can wait until 08:00.", tasks, count(n, "cause", "causes"))
		g.More = f.Causes[0].Meaning
	default:
		g.Answer = "Nothing failed since " + clock(f.Since) + "."
	}
	return g
}

// truth answers whether the page is true. If access is limited, it names no invalid
// files, and so it does not say that all are valid either.
func truth(t report.OverviewTruth, all bool, now time.Time) glance {
	g := glance{ID: "truth", Question: "Is this page true?", Tone: good, Word: "Good"}
	full := 0
	for _, d := range t.Destinations {
		if d.Full {
			full++
		}
	}
	var doubts []string
	doubt := func(n int, one, many string) {
		if n > 0 {
			doubts = append(doubts, count(n, one, many))
		}
	}
	doubt(len(t.Broken), "plan file is not valid", "plan files are not valid")
	doubt(full, "destination fills", "destinations fill")
	doubt(len(t.Notices), "notification failed", "notifications failed")
	switch {
	case t.Unknown != "":
		g.Tone, g.Word, g.Answer = bad, "Unknown", "It is not known: "+t.Unknown
	case t.Server == nil || !t.Server.Running:
		g.Tone, g.Word, g.Answer = bad, "Look", "The scheduler does not run: no plan is started by itself."
	case t.Late:
		g.Tone, g.Word, g.Answer = bad, "Look", fmt.Sprintf("The scheduler has not moved for %s.", view.Span(now.Sub(t.Server.Beat)))
	case len(doubts) > 0:
		g.Tone, g.Word, g.Answer = warn, "Look", "It is, and "+strings.Join(doubts, ", ")+"."
	case !all:
		g.Answer = "It is, as far as you may see. The scheduler moves, destinations have room. Whether your plans are valid is under Plans."
	default:
		g.Answer = "It is. The scheduler moves, plans are valid, destinations have room."
	}
	if t.Server != nil {
		g.More = "The scheduler moved " + ago(now, t.Server.Beat) + "."
	}
	return g
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func isAre(n int, one, many string) string {
	if n == 1 {
		return "1 " + one + " is"
	}
	return fmt.Sprintf("%d %s are", n, many)
}

func belong(n int) string {
	if n == 1 {
		return "1 thing that must be undone belongs"
	}
	return fmt.Sprintf("%d things that must be undone belong", n)
}

// clock is the short form of a time within a day or two.
func clock(t time.Time) string { return t.Local().Format("Mon 15:04 MST") }

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if d := now.Sub(t); d >= time.Second {
		return view.Span(d.Truncate(time.Second)) + " ago"
	}
	return "just now"
}
