package page

import (
	"net/http"
	"time"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// timelinePage shows the course of a run as a picture and as text.
type timelinePage struct {
	report.Timeline
	Picture picture
	Next    string
}

// rowsDrawn is the highest number of tasks in a picture.
const rowsDrawn = 100

func (p *pages) timeline(r *http.Request, who access.Sight) (answer, error) {
	q := runner.TimelineRequest{Run: r.PathValue("run"), After: r.FormValue("after"), Limit: rowsDrawn}
	if !who.All() {
		q.Sees = who.Device
	}
	t, err := p.Reads.Timeline(r.Context(), q)
	if err != nil {
		return answer{}, err
	}
	if !who.Plan(t.Run.Plan) {
		return answer{}, notFound("there is no run " + r.PathValue("run"))
	}
	v := timelinePage{Timeline: t, Picture: draw(t, p.Now())}
	if t.Next != "" {
		v.Next = at("/runs/"+t.Run.ID+"/timeline", "after", t.Next)
	}
	a := answer{Title: "Timeline of a run of " + t.Run.Plan, page: "timeline.html", Data: v}
	if !t.Run.Final {
		a.Events = at(events, "run", t.Run.ID)
	}
	return a, nil
}

// The measures of a picture, in its own units.
const (
	rowHigh  = 18
	labelled = 300 // where the bars begin
	drawn    = 700 // the width of the time axis
)

// picture is the data of a timeline's SVG.
type picture struct {
	Width, Height int
	Rows          []pictureRow
	Ticks         []tick
}

// pictureRow is one device, domain or task.
type pictureRow struct {
	Y     int // the baseline of its text
	Label string
	Bars  []bar
}

// bar is a stretch of time.
type bar struct {
	X, Y, Width, Height int
	Class               string // "out", or a tone
	Text                string
}

// tick is a time on the axis.
type tick struct {
	X    int
	Text string
}

// draw places the times of a run: first those out of service, then the tasks.
func draw(t report.Timeline, now time.Time) picture {
	begin, end := t.Run.Started, t.Run.Ended
	if end.IsZero() {
		end = now
	}
	for _, o := range t.Out {
		if o.End.After(end) {
			end = o.End
		}
	}
	whole := max(end.Sub(begin), time.Second)
	x := func(at time.Time) int { return labelled + int(min(max(at.Sub(begin), 0), whole)*drawn/whole) }
	pic := picture{Width: labelled + drawn + 40}
	row := func(label string) *pictureRow {
		pic.Rows = append(pic.Rows, pictureRow{Y: rowHigh*len(pic.Rows) + 2*rowHigh - 5, Label: short(label)})
		return &pic.Rows[len(pic.Rows)-1]
	}
	put := func(r *pictureRow, from, to time.Time, class, text string) {
		if to.IsZero() {
			to = end
		}
		r.Bars = append(r.Bars, bar{X: x(from), Y: r.Y - rowHigh + 8, Width: max(x(to)-x(from), 2), Height: rowHigh - 6, Class: class, Text: text})
	}
	for _, o := range t.Out {
		name := o.Device
		if o.Domain != "" {
			name += " " + o.Domain
		}
		put(row("out: "+name), o.Begin, o.End, "out", name+" is out of service")
	}
	for _, task := range t.Tasks {
		r := row(task.Task)
		for _, s := range task.Steps {
			put(r, s.Begin, s.End, string(toneOf(s.Code)), s.Code)
		}
	}
	for i := range 5 {
		at := begin.Add(whole * time.Duration(i) / 4)
		pic.Ticks = append(pic.Ticks, tick{x(at), at.Local().Format("15:04:05")})
	}
	pic.Height = rowHigh*len(pic.Rows) + rowHigh + 8
	return pic
}

// short shortens a label to the room beside its bar.
func short(label string) string {
	const most = 42
	if r := []rune(label); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return label
}
