package page

import (
	"io"
	"net/http"
	"time"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// events is the path of the stream that makes pages reload.
const events = "/news"

// beat is how long a stream is silent before it sends a sign of life.
const beat = 15 * time.Second

// news tells a browser that something happened, without saying what. The browser then
// asks for its page again, which shows what the person may see. The stream ends with
// the session, because its context does.
func (p *pages) news(w http.ResponseWriter, r *http.Request) {
	if who, is := access.From(r.Context()); !is || !who.May(access.Viewer) {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // stops proxies from holding events back
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
			return // the browser connects again
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
