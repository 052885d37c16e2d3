package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

// heartbeat is the longest silence of a stream of events. Proxies cut silent
// connections.
const heartbeat = 15 * time.Second

// Last says after which event a stream begins.
type Last struct {
	ID string `header:"Last-Event-ID" maxLength:"20" pattern:"^[0-9]*$" doc:"The id of the last event that is known; browsers send it by themselves when they come again"`
}

func (a *api) events() {
	type allRequest struct{ Last }
	stream(a, "/events", "followEvents", "Follow all runs", func(in *allRequest) (Last, string) { return in.Last, "" })
	type runRequest struct {
		RunPath
		Last
	}
	stream(a, "/runs/{run}/events", "followRun", "Follow one run", func(in *runRequest) (Last, string) { return in.Last, in.Run })
}

// stream registers a stream of events. of returns where it begins and which run it is
// about; no run means all.
func stream[I any](a *api, path, id, summary string, of func(*I) (Last, string)) {
	item := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[report.LiveEvent](), true, "")
	op := huma.Operation{Method: http.MethodGet, Path: Base + path, OperationID: id, Summary: summary, Tags: []string{tag(path)},
		Description: "It begins with what comes from now on, and with Last-Event-ID with what was after it; 0 gives all that is kept. Server-sent events: `event` is the kind, `data` a LiveEvent, `id` its number where it has one. A `gap` says that something is not kept any more: look at everything anew. " +
			"Whoever does not keep up is cut off, and comes again with Last-Event-ID. Silence is broken by a comment every 15 seconds.",
		Responses: map[string]*huma.Response{"200": {Description: "Events, until the caller goes or his right to see them ends", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: item}}}}}
	register(a, access.Viewer, follows, op, func(ctx context.Context, s sees, in *I) (*huma.StreamResponse, error) {
		last, run := of(in)
		q := runner.EventsRequest{After: -1, Beat: heartbeat}
		if run != "" {
			d, err := a.run(ctx, s, run)
			if err != nil {
				return nil, err
			}
			q.Run = d.ID
		}
		if last.ID != "" {
			var err error
			if q.After, err = strconv.ParseInt(last.ID, 10, 64); err != nil {
				return nil, problemOf(http.StatusUnprocessableEntity, "Last-Event-ID is none that was given.", "Leave it out, and look at everything anew.")
			}
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			_, w := humago.Unwrap(c)
			a.follow(ctx, s, q, w)
		}}, nil
	})
}

// follow writes events until the caller disconnects or does not keep up.
func (a *api) follow(ctx context.Context, s sees, q runner.EventsRequest, w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // stops proxies from collecting events
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	if _, err := fmt.Fprint(w, "retry: 3000\n\n"); err != nil || flush() != nil {
		return
	}
	narrow := &narrowing{api: a, sees: s, looked: time.Now(), runs: map[string]*followed{}}
	for e, err := range a.Desk.Events(ctx, q) {
		if err != nil {
			fmt.Fprintf(w, ": %s\n\n", strings.ReplaceAll(string(harmless([]byte(problem(a.Log, err).Detail))), "\n", " "))
			_ = flush()
			return
		}
		text, err := narrow.frame(ctx, e)
		if err != nil {
			a.Log.Error("an event cannot be told", "run", e.Run, "kind", e.Kind, "error", err)
			return
		}
		if len(text) == 0 {
			continue
		}
		if _, err := w.Write(text); err != nil || flush() != nil {
			return
		}
	}
}

// narrowing removes from a stream what its caller may not see.
type narrowing struct {
	*api
	sees
	looked time.Time // when the caller's sight was last determined
	runs   map[string]*followed
}

// look determines the caller's sight again, because plans and labels change during a
// stream: at the beginning of a run, and otherwise once a heartbeat.
func (n *narrowing) look(ctx context.Context, e report.LiveEvent) (err error) {
	if len(n.Who.Labels) > 0 && (e.Begun != nil || time.Since(n.looked) >= heartbeat) {
		n.sees, err = n.sight(ctx)
		n.looked = time.Now()
	}
	return err
}

// followed is what is known of a run in a stream.
type followed struct {
	plan    string
	devices map[string]string // by task
}

// frame encodes an event for the stream. It returns nothing for an event that the
// caller may not see.
func (n *narrowing) frame(ctx context.Context, e report.LiveEvent) ([]byte, error) {
	if e.Kind == report.LiveBeat {
		return []byte(": beat\n\n"), nil
	}
	if !n.All() && e.Kind != report.LiveGap {
		if e.Run == "" {
			return nil, nil
		}
		if err := n.look(ctx, e); err != nil {
			return nil, err
		}
		var shown bool
		if e, shown = n.narrow(ctx, e); !shown {
			return nil, nil
		}
	}
	text, err := encode(e)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if e.Seq > 0 {
		fmt.Fprintf(&b, "id: %d\n", e.Seq)
	}
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", e.Kind, bytes.TrimSpace(text))
	return b.Bytes(), nil
}

// followed returns what is known of the run of an event. The event itself takes
// precedence, because the journal may not hold it yet.
func (n *narrowing) followed(ctx context.Context, e report.LiveEvent) *followed {
	f := n.runs[e.Run]
	if f == nil {
		f = &followed{devices: map[string]string{}}
		if d, err := n.Reads.Run(ctx, e.Run); err == nil && d.ID == e.Run {
			f.plan = d.Plan
			for t, err := range d.Details {
				if err != nil {
					f.plan = "" // unknown: nobody can tell whose run it is
					break
				}
				f.devices[t.Task] = t.Device
			}
		}
		n.runs[e.Run] = f
	}
	if e.Begun != nil {
		f.plan = e.Begun.Plan
	}
	if st := e.Status; st != nil && st.Task != "" && st.Device != "" {
		f.devices[st.Task] = st.Device
	}
	return f
}

// narrow removes from an event what its caller may not see. It returns false if nothing
// may be shown.
func (n *narrowing) narrow(ctx context.Context, e report.LiveEvent) (report.LiveEvent, bool) {
	f := n.followed(ctx, e)
	if f.plan == "" || !n.Plan(f.plan) {
		return e, false
	}
	if len(n.Who.Labels) == 0 {
		return e, true
	}
	whole := func() bool {
		for _, device := range f.devices { // the run may have other devices than its plan has now
			if !n.device(f.plan, device) {
				return false
			}
		}
		return n.Whole(f.plan)
	}
	mine := func(task string) bool {
		return task != "" && f.devices[task] != "" && n.device(f.plan, f.devices[task])
	}
	switch {
	case e.Status != nil && e.Status.Task == "":
		if !whole() {
			own := wordless(*e.Status)
			e.Status = &own
		}
		return e, true
	case e.Status != nil:
		return e, mine(e.Status.Task)
	case e.Progress != nil:
		return e, mine(e.Progress.Task)
	case e.Log != nil:
		return e, e.Log.Task == "" && whole() || mine(e.Log.Task)
	case e.Settled != nil:
		return e, n.device(f.plan, e.Settled.Device)
	case e.Summary != nil && whole():
		return e, true
	case e.Summary != nil:
		own := *e.Summary
		own.Tasks, own.Owed, own.Warnings, own.ProcessWhy = []event.TaskResult{}, nil, nil, ""
		for _, t := range e.Summary.Tasks {
			if n.device(f.plan, t.Device) {
				own.Tasks = append(own.Tasks, t)
			}
		}
		e.Summary = &own
		return e, true
	}
	if e.Begun != nil && !whole() {
		own := *e.Begun
		own.Only, e.Begun = "", &own
	}
	return e, e.Begun != nil || e.End != nil
}
