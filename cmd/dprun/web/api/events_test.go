package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

func liveDesk() *desk {
	d := newDesk()
	status := func(seq int64, run, task, device string) report.LiveEvent {
		return report.LiveEvent{Seq: seq, Kind: "status", Run: run, Status: &event.Status{Run: run, Task: task, Device: device, Code: "SUCCESS", Message: "two\nlines\x1b[2J"}}
	}
	d.events = []report.LiveEvent{
		{Seq: 7, Kind: "run", Run: "01JDLIVE", Begun: &event.RunInfo{Run: "01JDLIVE", Plan: "night"}},
		status(8, "01JDLIVE", "all/gw-1", "gw-1"), status(9, "01JDLIVE", "all/gw-2", "gw-2"), status(10, "01JDRUN2", "all/gw-3", "gw-3"), status(11, "01JDUNKNOWN", "t", "gw-9"),
		{Kind: "progress", Run: "01JDLIVE", Progress: &event.Progress{Task: "all/gw-2", Bytes: 5}},
		{Kind: "log", Run: "01JDLIVE", Log: &event.Log{Text: "of the run"}},
		{Kind: report.LiveBeat},
		{Kind: "summary", Run: "01JDLIVE", Summary: &event.Summary{Run: "01JDLIVE", Tasks: []event.TaskResult{{Device: "gw-1"}, {Device: "gw-2"}}, Owed: []string{"gw-2 is down"}}},
	}
	return d
}

func TestAStreamTellsEventsByNumberAndBeginsAfterTheLastOneThatIsKnown(t *testing.T) {
	t.Parallel()
	d := liveDesk()
	w := ask(t, d.api(t), &admin, http.MethodGet, Base+"/events", "", "Last-Event-ID", "6")
	text := w.Body.String()
	for _, want := range []string{"retry: 3000\n\n", "id: 7\nevent: run\ndata: {\"seq\":7,", "\n\nevent: progress\ndata: {", ": beat\n\n", `two\nlines\u001b[2J`} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	if h := w.Header(); h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || h.Get("X-Accel-Buffering") != "no" || !w.Flushed {
		t.Errorf("%v", h)
	}
	ask(t, d.api(t), &admin, http.MethodGet, Base+"/runs/01JDRUN3/events", "")
	if a, b := d.followed[0], d.followed[1]; a.After != 6 || a.Run != "" || a.Beat != heartbeat || b.After != -1 || b.Run != "01JDRUN3" {
		t.Errorf("%+v %+v", a, b)
	}
	for target, status := range map[string]int{"/runs/01JDNONE/events": 404, "/events": 422} {
		if w := ask(t, d.api(t), &admin, http.MethodGet, Base+target, "", "Last-Event-ID", "x"); w.Code < 400 || target == "/events" && w.Code != status {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

func TestAStreamLeavesOutWhatItsCallerDoesNotSee(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		who        access.Principal
		has, lacks []string
	}{
		{access.Principal{Name: "n", Key: "n", Role: access.Viewer, Plans: []string{"night"}}, []string{"gw-1", "gw-2", "of the run", "is down"}, []string{"gw-3", "gw-9"}},
		{access.Principal{Name: "o", Key: "o", Role: access.Viewer, Plans: []string{"other"}}, []string{"gw-3", ": beat"}, []string{"gw-1", "gw-2", "01JDLIVE", "gw-9"}},
		{access.Principal{Name: "f", Key: "f", Role: access.Viewer, Labels: map[string]string{"site": "fra"}}, []string{"gw-1", "id: 7", "summary"}, []string{"gw-2", "gw-3", "of the run", "gw-9"}},
	} {
		text := ask(t, liveDesk().api(t), &c.who, http.MethodGet, Base+"/events", "").Body.String()
		for _, x := range c.has {
			if !strings.Contains(text, x) {
				t.Errorf("%s lacks %s:\n%s", c.who.Name, x, text)
			}
		}
		for _, x := range c.lacks {
			if strings.Contains(text, x) {
				t.Errorf("%s has %s:\n%s", c.who.Name, x, text)
			}
		}
	}
}

func TestWhoDoesNotKeepUpIsToldAndCutOff(t *testing.T) {
	t.Parallel()
	d := liveDesk()
	d.fail = &runner.Error{ExitCode: runner.ExitRunning, Err: report.TooSlow}
	if text := ask(t, d.api(t), &admin, http.MethodGet, Base+"/events", "").Body.String(); !strings.HasSuffix(text, ": too_slow\n\n") {
		t.Errorf("the end of the stream: %s", text)
	}
}
