package view

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

// nightStamp is the time format for people who write times in cron notation.
const nightStamp = "Mon 2006-01-02 15:04:05 MST"

func (h *Human) showSchedule(b *strings.Builder, p painter, s report.Schedule) {
	if len(s.Rules) == 0 {
		fmt.Fprintf(b, "%s: no schedule; it runs when somebody runs it.\n", Clean(s.Plan))
		return
	}
	for _, r := range s.Rules {
		fmt.Fprintf(b, "%s: %s (%s)", p.paint(bold, Clean(s.Plan)), Clean(r.Cron), Clean(r.Timezone))
		if r.Jitter > 0 {
			fmt.Fprintf(b, ", put off by up to %s", strings.TrimSuffix(Span(r.Jitter), "00s"))
		}
		if r.Missed == "skip" {
			b.WriteString(", a missed run is left out\n")
		} else {
			b.WriteString(", a missed run is made up for within its window\n")
		}
	}
	t := table{head: []string{"DUE", "STARTS", "NOTE"}}
	for _, n := range s.Next {
		start, note := "", ""
		if !n.Start.Equal(n.Due) {
			start = n.Start.Format(nightStamp)
		}
		if n.Outside {
			note = "outside the window: it is not started"
		}
		t.add(text(n.Due.Format(nightStamp)), text(start), text(note))
	}
	t.write(b, p, "  ")
}

func (h *Human) showFirings(b *strings.Builder, p painter, f report.Firings) {
	switch s := f.Server; {
	case s == nil:
		b.WriteString("No dprun serve has worked on this state directory.\n")
	case s.Running:
		fmt.Fprintf(b, "dprun serve runs on %s as process %d, with the plans of %s.\n", Clean(s.Host), s.PID, Clean(s.Plans))
	case !s.Stopped.IsZero():
		fmt.Fprintf(b, "%s: dprun serve was stopped %s. Nothing starts plans.\n", p.paint(yellow, "Not running"), stamp(s.Stopped))
	default:
		fmt.Fprintf(b, "%s: dprun serve has died after %s. Start it again: it first brings back what earlier runs left.\n", p.paint(alarm, "Not running"), stamp(s.Beat))
	}
	if s := f.Paused; s != nil {
		fmt.Fprintf(b, "%s: nothing new is started, as asked %s\n", p.paint(yellow, "Paused"), Clean(askedBy(s.Since, s.By, s.Change, s.Reason)))
	}
	if f.Server != nil {
		for _, x := range f.Server.Broken {
			is := "it is not served"
			if x.LastGood {
				is = "the last good one is served"
			}
			fmt.Fprintf(b, "%s: %s, since %s: %s: %s\n", p.paint(alarm, "Not valid"), Clean(x.Path), stamp(x.Since), is, Clean(x.Why))
		}
	}
	t := table{head: []string{"DUE", "PLAN", "VERDICT", "EXIT", "RUN", "NOTE"}}
	for _, x := range f.Due {
		verdict, exit := toned(x.Verdict, red), ""
		switch {
		case x.Verdict == "outside":
			verdict = text(x.Verdict)
		case x.Verdict == "run" && x.Ended.IsZero():
			verdict = toned("running", green)
		case x.Verdict == "run":
			exit = fmt.Sprint(x.ExitCode)
			if verdict = toned("run", green); x.ExitCode != 0 {
				verdict = toned("run", red)
			}
		}
		t.add(text(stamp(x.Due)), text(x.Plan), verdict, number(exit), text(x.Run), text(x.Message))
	}
	if len(t.rows) > 0 {
		t.write(b, p, "")
	}
}
