// Package page answers people with pages made by the server. The pages are complete
// without a script. A script of our own reloads them when something happens.
package page

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/schema"
)

//go:embed templates/*.html static/*
var files embed.FS

// pages answers requests. It keeps no state: each answer is read afresh.
type pages struct {
	Options
	slots     chan struct{} // for answers that compile plans
	fetches   chan struct{} // for answers that read from destinations; separate, so that a destination that hangs blocks no plan's page
	templates map[string]*template.Template
	version   string // a digest of the static files
}

// New returns the pages of a server. An [access.Guard] must stand in front of them. It
// puts the caller into the request's context; without a caller only the static files
// are answered. New relies on the guard for what the guard handles, such as forged
// forms and headers.
func New(o Options) (http.Handler, error) {
	p := &pages{Options: o, slots: make(chan struct{}, 2), fetches: make(chan struct{}, 2), templates: map[string]*template.Template{}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+StaticPath, p.static())
	mux.HandleFunc("GET "+events, p.news)
	for pattern, r := range p.routes() {
		mux.Handle(pattern, p.answering(r))
	}
	return mux, nil
}

// StaticPath is the path of the style and the script, which need no login.
const StaticPath = "/static/"

// route is a page with the least role that may see it.
type route struct {
	least  access.Role
	answer func(r *http.Request, who access.Sight) (answer, error)
}

// longest is the time limit of an answer. A comparison takes longer, because it reads
// from destinations.
func longest(r *http.Request) time.Duration {
	if strings.HasSuffix(r.URL.Path, "/diff") {
		return 5 * time.Minute
	}
	return 30 * time.Second
}

func (p *pages) routes() map[string]route {
	return map[string]route{
		"GET /{$}":                     {access.Viewer, p.overview},
		"GET /runs":                    {access.Viewer, p.runs},
		"GET /runs/{run}":              {access.Viewer, p.run},
		"GET /runs/{run}/cancel":       {access.Operator, p.askCancel},
		"POST /runs/{run}/cancel":      {access.Operator, p.cancel},
		"GET /runs/{run}/timeline":     {access.Viewer, p.timeline},
		"GET /nights":                  {access.Viewer, p.nights},
		"GET /device":                  {access.Viewer, p.device},
		"GET /sets":                    {access.Viewer, p.sets},
		"GET /sets/{set}":              {access.Viewer, p.set},
		"POST /sets/{set}/diff":        {access.Operator, p.diff},
		"GET /plans":                   {access.Viewer, p.plans},
		"GET /plan":                    {access.Viewer, p.plan},
		"GET /plan/run":                {access.Operator, p.askStart},
		"POST /plan/run":               {access.Operator, p.start},
		"GET /schedules":               {access.Viewer, p.schedules},
		"GET /pending":                 {access.Viewer, p.pending},
		"GET /pending/acknowledge":     {access.Operator, p.askAcknowledge},
		"POST /pending/acknowledge":    {access.Operator, p.acknowledge},
		"POST /recover":                {access.Operator, p.bringBack},
		"POST /hold":                   {access.Operator, p.hold},
		"POST /pause":                  {access.Operator, p.pause},
		"GET /pause/lift":              {access.Operator, p.askLift},
		"POST /pause/lift":             {access.Operator, p.lift},
		"GET /hold/release":            {access.Admin, p.askRelease},
		"POST /hold/release":           {access.Admin, p.release},
		"GET /approvals":               {access.Viewer, p.approvals},
		"GET /approvals/{id}":          {access.Operator, p.askApprove},
		"POST /approvals/{id}/approve": {access.Operator, p.approve},
		"POST /approvals/{id}/refuse":  {access.Operator, p.refuse},
		"GET /evidence":                {access.Viewer, p.evidence},
	}
}

// answer is a page, or the path to open instead.
type answer struct {
	Title string
	page  string // the template
	Data  any
	// Events is the path of the stream that reloads the page; empty: the page is not
	// reloaded.
	Events string
	status int    // 0: 200
	to     string // the path to open instead, with status 303
}

// at returns a path with a query made of pairs of names and values. It leaves out empty
// values.
func at(to string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return to
	}
	return to + "?" + q.Encode()
}

// shown is the data of the layout.
type shown struct {
	answer
	Now     time.Time
	Who     access.Principal
	Version string
	Path    string
	Done    string // what was done just now
	// Can says by role what the person may do: the page offers nothing else. All says
	// whether that includes what concerns every gateway.
	Can map[string]bool
	All bool
}

// dones are the texts about what was done. The address selects one of them and cannot
// supply other text.
var dones = map[string]string{
	"recover":     "The recovery has ended. What must still be undone is listed below.",
	"recovering":  "What we quiesced is being brought back. This page says when it is.",
	"hold":        "Nothing new is quiesced now. What is quiesced comes back as planned.",
	"release":     "The hold is released.",
	"pause":       "Nothing new is started now, not even after a restart of the server. Runs under way go on.",
	"lift":        "Plans are started again when they are due.",
	"waits":       "Nothing is done yet: a second person must approve it. It is listed below.",
	"approve":     "It is approved, and done in both your names.",
	"refuse":      "It is refused or withdrawn. The record has your name.",
	"acknowledge": "It is acknowledged. The record has your name.",
	"cancel":      "The run was asked to stop. It brings back what it has quiesced first.",
}

func (p *pages) answering(of route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, is := access.From(r.Context())
		var a answer
		err := errors.New("log in first")
		switch {
		case !is:
			a.status = http.StatusUnauthorized
		case !who.May(of.least):
			a.status, err = http.StatusForbidden, fmt.Errorf("this needs the role %s, and you have %s", of.least, who.Role)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
			ctx, end := context.WithTimeout(r.Context(), longest(r))
			defer end()
			r = r.WithContext(ctx)
			var sees access.Sight
			if sees, err = p.sight(r.Context(), who); err == nil {
				a, err = of.answer(r, sees)
			}
		}
		if err != nil {
			a = p.refusal(r, err, a.status)
		}
		if a.to != "" {
			http.Redirect(w, r, a.to, http.StatusSeeOther)
			return
		}
		p.write(w, r, who, a)
	})
}

// notFound reports something that does not exist or that the person may not see. Both
// look the same.
type notFound string

func (n notFound) Error() string { return string(n) }

// refusal returns the page for an error.
func (p *pages) refusal(r *http.Request, err error, status int) answer {
	unknown, told := notFound(""), new(runner.Error)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		status, err = http.StatusServiceUnavailable, errors.New("it took too long, and was given up: try again later")
	}
	if status == 0 {
		status = http.StatusInternalServerError
		switch code := runner.CodeOf(err); {
		case errors.As(err, &unknown) || code == runner.ExitUsage:
			status = http.StatusNotFound
		case code == runner.ExitRunning || code == runner.ExitOwed:
			status = http.StatusConflict
		case code == runner.ExitInvalid:
			status = http.StatusUnprocessableEntity
		}
	}
	if status == http.StatusInternalServerError {
		p.Log.Error("a page could not be made", "path", r.URL.Path, "error", err)
		if !errors.As(err, &told) { // nobody has checked that it may be shown
			err = errors.New("something went wrong in the server; its log says what")
		}
	}
	return answer{Title: map[int]string{401: "Not logged in", 403: "Not allowed", 404: "Not found"}[status], page: "refusal.html", status: status, Data: report.Plain(err)}
}

func (p *pages) write(w http.ResponseWriter, r *http.Request, who access.Principal, a answer) {
	a.Title = cmp.Or(a.Title, "That did not work")
	var b bytes.Buffer
	s := shown{answer: a, Now: p.Now(), Who: who, Version: p.version, Path: r.URL.Path, Done: dones[r.URL.Query().Get("done")], Can: map[string]bool{}, All: access.Sight{Who: who}.All()}
	for _, role := range access.Roles() {
		s.Can[string(role)] = who.May(role)
	}
	if err := p.templates[a.page].Execute(&b, s); err != nil {
		p.Log.Error("a page could not be made", "path", r.URL.Path, "error", err)
		http.Error(w, "This page could not be made. The server's log says why; dprun owed and dprun recover work without it.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, _ = w.Write(clean(b.Bytes()))
}

// clean replaces control characters and those that reverse the direction of writing,
// because pages hold text from devices and scripts.
func clean(page []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && schema.Steers(r) {
			return unicode.ReplacementChar
		}
		return r
	}, page)
}

// parse reads the templates, each with the layout and the shared parts.
func (p *pages) parse() error {
	shared, err := template.New("layout.html").Funcs(p.funcs()).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return err
	}
	all, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return err
	}
	for _, name := range all {
		t, err := shared.Clone()
		if err == nil {
			t, err = t.ParseFS(files, name)
		}
		if err != nil {
			return err
		}
		p.templates[path.Base(name)] = t
	}
	sum := sha256.New()
	for _, name := range []string{"style.css", "page.js"} {
		b, err := files.ReadFile("static/" + name)
		if err != nil {
			return err
		}
		sum.Write(b)
	}
	p.version = hex.EncodeToString(sum.Sum(nil))[:12]
	return nil
}

// static serves the style and the script. Their address changes when they change.
func (p *pages) static() http.Handler {
	serve := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		if r.URL.RawQuery == p.version {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		serve.ServeHTTP(w, r)
	})
}
