package page

import (
	"io"
	"net/http"
	"time"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// events is the stream that has pages renewed.
const events = "/news"

// beat is after how long without news a stream says that it is there.
const beat = 15 * time.Second

// news says that something has happened, and not what: a page is asked for then, by
// whoever may see it. It ends with the session, as its context does.
func (p *pages) news(w http.ResponseWriter, r *http.Request) {
	if who, is := access.From(r.Context()); !is || !who.May(access.Viewer) {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy that would hold it back
	say := func(text string) bool {
		_, err := io.WriteString(w, text+"\n\n")
		return err == nil && http.NewResponseController(w).Flush() == nil
	}
	if !say(": here") {
		return
	}
	for e, err := range p.Desk.Events(r.Context(), runner.EventsRequest{After: -1, Run: r.FormValue("run"), Beat: beat}) {
		text := "event: news\ndata:"
		switch {
		case err != nil:
			return // the browser comes again
		case e.Kind == report.LiveBeat:
			text = ": here"
		case e.Progress != nil || e.Log != nil:
			continue // no page shows it
		}
		if !say(text) {
			return
		}
	}
}
