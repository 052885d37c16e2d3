package view

import (
	"fmt"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

// nightStamp is a time as somebody reads it who was written it in cron.
const nightStamp = "Mon 2006-01-02 15:04:05 MST"

// Schedule implements [View].
func (h *Human) Schedule(s report.Schedule) {
	h.print(func(b *strings.Builder, p painter) {
		if len(s.Rules) == 0 {
			fmt.Fprintf(b, "%s: no schedule; it runs when somebody runs it.\n", Clean(s.Plan))
			return
		}
		for _, r := range s.Rules {
			fmt.Fprintf(b, "%s: %s (%s)", p.paint(bold, Clean(s.Plan)), Clean(r.Cron), Clean(r.Timezone))
			if r.Jitter > 0 {
				fmt.Fprintf(b, ", put off by up to %s", strings.TrimSuffix(span(r.Jitter), "00s"))
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
	})
}
