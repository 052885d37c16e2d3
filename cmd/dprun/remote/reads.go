package remote

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

// pageSize is how many items one call asks for.
const pageSize = 500

// page is a part of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// pages yields the items of a list, up to limit; 0: all of them.
func pages[T any](ctx context.Context, c *Client, doing, path string, query url.Values, limit int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		before := ""
		for given := 0; ; {
			size := pageSize
			if limit > 0 {
				size = min(size, limit-given)
			}
			query.Set("limit", strconv.Itoa(size))
			var p page[T]
			if err := c.call(ctx, request{doing: doing, method: http.MethodGet, path: path, query: query, into: &p, holds: "items"}); err != nil {
				yield(none, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
				if given++; given == limit {
					return
				}
			}
			switch {
			case p.Next == "":
				return
			case p.Next == before:
				yield(none, c.failed(doing, errors.New("it gives the same part of the list again"), c.otherVersion()))
				return
			}
			before = p.Next
			query.Set("cursor", p.Next)
		}
	}
}

func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// Runs works like [runner.History.Runs].
func (c *Client) Runs(ctx context.Context, q runner.RunsRequest) iter.Seq2[report.Run, error] {
	return pages[report.Run](ctx, c, "list the runs", "/runs", query("plan", q.Plan), q.Limit)
}

// Run works like [runner.History.Run].
func (c *Client) Run(ctx context.Context, ref string) (report.RunDetail, error) {
	var d report.RunDetail
	err := c.call(ctx, request{doing: "look at run " + ref, method: http.MethodGet, path: runPath(ref), into: &d, holds: "run"})
	if err != nil {
		return d, err
	}
	d.Details = pages[report.Task](ctx, c, "look at the tasks of run "+d.ID, runPath(d.ID)+"/tasks", url.Values{}, 0)
	return d, nil
}

func runPath(ref string) string { return "/runs/" + url.PathEscape(ref) }

// Logs works like [runner.History.Logs].
func (c *Client) Logs(ctx context.Context, q runner.LogsRequest) iter.Seq2[event.Log, error] {
	lines := pages[event.Log](ctx, c, "read what was printed in run "+q.Run, runPath(q.Run)+"/logs", query("task", q.Task), 0)
	if q.Limit == 0 {
		return lines
	}
	return func(yield func(event.Log, error) bool) { // keeps the last lines of each task
		var held []event.Log
		flush := func() bool {
			for _, l := range held[max(0, len(held)-q.Limit):] {
				if !yield(l, nil) {
					return false
				}
			}
			held = nil
			return true
		}
		for l, err := range lines {
			if err != nil {
				yield(l, err)
				return
			}
			if len(held) > 0 && held[0].Task != l.Task && !flush() {
				return
			}
			held = append(held, l)
		}
		flush()
	}
}

// Backups works like [runner.History.Backups].
func (c *Client) Backups(ctx context.Context, q runner.BackupsRequest) iter.Seq2[report.Backup, error] {
	v := query("plan", q.Plan, "device", q.Device, "domain", q.Domain)
	if q.Latest {
		v.Set("latest", "true")
	}
	return pages[report.Backup](ctx, c, "list the backups", "/backups", v, q.Limit)
}

// Owed works like [runner.Runner.Owed].
func (c *Client) Owed(ctx context.Context) (report.Pending, error) {
	var p report.Pending
	return p, c.call(ctx, request{doing: "ask what must still be undone", method: http.MethodGet, path: "/pending", into: &p, holds: "owed"})
}

// Recover makes the server undo what dead runs left.
func (c *Client) Recover(ctx context.Context) (*report.Result, error) {
	res := &report.Result{}
	if err := c.call(ctx, request{doing: "bring back what dead runs have left", method: http.MethodPost, path: "/recover", into: res, holds: "exit_code", most: recoverPatience}); err != nil {
		return nil, err
	}
	return res, nil
}

// CoverageRequest asks which subjects of a plan have a good backup that is young
// enough.
type CoverageRequest struct {
	PlanRef
	MaxAge time.Duration
}

// Coverage works like [runner.Runner.Coverage].
func (c *Client) Coverage(ctx context.Context, q CoverageRequest) (*report.Coverage, *report.Result, error) {
	res := &report.Result{}
	p, err := c.plan(ctx, q.PlanRef)
	if err != nil {
		return nil, res, err
	}
	var found struct {
		report.Coverage
		Subjects []report.CoverageSubject `json:"subjects"`
	}
	v := query("file", p.File, "max_age", q.MaxAge.String())
	err = c.call(ctx, request{doing: "ask for the backups of plan " + p.Plan, method: http.MethodGet, path: "/plans/" + url.PathEscape(p.Plan) + "/coverage", query: v, into: &found, holds: "exit_code"})
	if r := (*refused)(nil); errors.As(err, &r) && r.ExitCode == runner.ExitInvalid {
		res.Diagnostics, res.ExitCode = r.Diagnostics, runner.ExitInvalid
	}
	if err != nil {
		return nil, res, err
	}
	out := &found.Coverage
	out.Subjects, res.ExitCode = found.Subjects, out.ExitCode
	return out, res, nil
}

// PlanRef names a plan of a server.
type PlanRef struct {
	Name string // the plan's name, or the path of its file at the server
	Plan string // the plan's name if Name is a file that holds several; empty: the only one
}

// plan finds a plan among those that the server serves.
func (c *Client) plan(ctx context.Context, ref PlanRef) (found report.ServedPlan, err error) {
	var all page[report.ServedPlan]
	if err := c.call(ctx, request{doing: "look for plan " + ref.Name, method: http.MethodGet, path: "/plans", into: &all, holds: "items"}); err != nil {
		return found, err
	}
	n := 0
	var names []string
	for _, p := range all.Items {
		if p.Plan == "" {
			continue
		}
		names = append(names, p.Plan)
		if (p.Plan == ref.Name || p.File == ref.Name) && (ref.Plan == "" || p.Plan == ref.Plan) {
			found, n = p, n+1
		}
	}
	switch {
	case n == 1:
		return found, nil
	case n > 1:
		return found, misused("server %s serves %d plans that %q may mean; give the path of the file there, and --plan where it holds several", c.Server(), n, ref.Name)
	}
	if s := diag.Suggest(ref.Name, names); s != "" {
		return found, misused("server %s serves no plan %q; did you mean %q?", c.Server(), ref.Name, s)
	}
	return found, misused("server %s serves no plan %q, or you may not see it: name a plan that it serves, or the path of its file there; `dprun apply FILE` without --server runs a file of this machine", c.Server(), ref.Name)
}
