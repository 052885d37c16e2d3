package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// Problem is the answer to a request that failed (RFC 9457). It also holds the exit
// code that dprun would have ended with, and advice on what to do.
type Problem struct {
	Title       string    `json:"title" doc:"The status in words"`
	Status      int       `json:"status" doc:"The HTTP status"`
	Detail      string    `json:"detail" doc:"What was attempted, and why it was not done"`
	ExitCode    int       `json:"exit_code" doc:"What dprun would have ended with; see the page on exit codes"`
	Action      string    `json:"action,omitempty" doc:"What to do"`
	ID          string    `json:"id,omitempty" doc:"Of an internal error: the server's log has it beside what happened"`
	Faults      []Fault   `json:"faults,omitempty" doc:"What is wrong with the request"`
	Diagnostics diag.List `json:"diagnostics,omitempty" doc:"What is wrong with the plan"`

	header http.Header
}

// Fault is one mistake in a request. It does not repeat the value, which may be a
// secret in the wrong place.
type Fault struct {
	Place   string `json:"place,omitempty" doc:"Such as query.limit or body.plan"`
	Message string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements [huma.StatusError].
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements [huma.HeadersError].
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements [huma.ContentTypeFilter].
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// problemOf returns a problem that no use case caused.
func problemOf(status int, detail, action string) *Problem {
	p := &Problem{Title: http.StatusText(status), Status: status, Detail: detail, ExitCode: runner.ExitUsage, Action: action}
	switch status {
	case http.StatusUnauthorized:
		p.header = http.Header{"Www-Authenticate": {`Bearer realm="dprun"`}}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		p.ExitCode, p.header = 1, http.Header{"Retry-After": {"5"}}
	case http.StatusInternalServerError:
		p.ExitCode = runner.ExitBug
	}
	return p
}

// init makes the library report mistakes in a request in our form. The library takes
// that function only from a global variable. Nothing else here uses that variable.
func init() {
	huma.DefaultArrayNullable = false // see filled
	huma.NewError = func(status int, message string, faults ...error) huma.StatusError {
		p := problemOf(status, message, "Correct the request; /api/v1/openapi.json describes it.")
		if message == "validation failed" {
			p.Detail = "The request is not as the description asks for: nothing was done."
		}
		for _, f := range faults {
			if d := (huma.ErrorDetailer)(nil); errors.As(f, &d) {
				p.Faults = append(p.Faults, Fault{Place: d.ErrorDetail().Location, Message: d.ErrorDetail().Message})
			}
		}
		if len(p.Faults) > faultsTold {
			p.Faults = p.Faults[:faultsTold]
		}
		return p
	}
}

// faultsTold is the highest number of faults that are reported for one request.
const faultsTold = 20

// statusOf returns the HTTP status for an exit code.
func statusOf(exit int) int {
	switch exit {
	case runner.ExitUsage, runner.ExitInvalid, runner.ExitNothing:
		return http.StatusUnprocessableEntity
	case runner.ExitRunning, runner.ExitOwed, runner.ExitAway:
		return http.StatusConflict
	case runner.ExitPlugin:
		return http.StatusServiceUnavailable
	case runner.ExitBug:
		return http.StatusInternalServerError
	}
	return http.StatusBadGateway // something that was contacted for the request refused or failed
}

// problem returns the problem for a use case's error. It hides the text of errors that
// are not a *runner.Error, because nobody has checked that it may be shown. The log has
// that text.
func problem(log *slog.Logger, err error) *Problem {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return late()
	}
	e := new(runner.Error)
	if !errors.As(err, &e) {
		return internal(log, err)
	}
	status := statusOf(e.ExitCode)
	if errors.Is(err, report.NotReady) {
		status = http.StatusServiceUnavailable
	}
	if errors.Is(err, report.SamePerson) {
		status = http.StatusForbidden
	}
	p := problemOf(status, report.Plain(e), "")
	p.ExitCode = e.ExitCode
	exits := runner.Exits()
	if i := slices.IndexFunc(exits, func(x runner.Exit) bool { return x.Code == e.ExitCode }); i >= 0 && e.ExitCode != runner.ExitUsage {
		p.Action = exits[i].Action
	}
	if p.Status == http.StatusInternalServerError {
		p.ID = newID()
		log.Error("a request failed", "id", p.ID, "error", err)
	}
	return p
}

// internal reports a fault of this server, with an ID by which its log can be searched.
func internal(log *slog.Logger, err error) *Problem {
	p := problemOf(http.StatusInternalServerError, "Something went wrong in the server.", "Look for the ID in the server's log, and report it.")
	p.ID = newID()
	log.Error("a request failed", "id", p.ID, "error", err)
	return p
}

func late() *Problem {
	return problemOf(http.StatusServiceUnavailable, "It took too long, and was given up.", "Ask again later, or for less.")
}

func newID() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// missing turns an error about a name in the path into the answer that it does not
// exist.
func missing(err error) error {
	if e := new(runner.Error); errors.As(err, &e) && e.ExitCode == runner.ExitUsage {
		return problemOf(http.StatusNotFound, e.Error(), "")
	}
	return err
}

// notThere is the answer about something that does not exist or that the caller may not
// see. Nobody can tell the two apart.
func notThere(what, name string) error {
	return problemOf(http.StatusNotFound, "There is no "+what+" "+quoted(name)+", or it is outside the limits of your access.", "")
}
