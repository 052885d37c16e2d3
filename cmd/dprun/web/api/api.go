// Package api answers programs over REST, described in OpenAPI 3.1. It uses the same
// use cases and the same structs as the command line. Its operations are the registered
// routes. Each route has the least role that it needs and a time limit. The limits of a
// caller's access decide what the caller sees of an answer (see sees).
package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner/report"
)

// Version is the version of the API itself. Additions raise it. Removing a field or
// changing its meaning needs a new base path.
const Version = "1.0"

// Base is the path of the API.
const Base = "/api/v1"

// Options are what the API needs.
type Options struct {
	Reads Reads
	Desk  Desk
	Open  func() (Fresh, error) // opens the state directory a further time
	// Check checks the text of a plan that was sent. It must not use up the resources
	// of this process.
	Check func(ctx context.Context, text string) (report.Posted, error)
	Log   *slog.Logger
}

// api holds the routes while they are registered.
type api struct {
	Options
	huma   huma.API
	mux    *http.ServeMux
	routes map[string]Route // by method and path
	wrong  []error
}

// Route is an operation with the least role that may call it.
type Route struct {
	Method, Path string
	Least        access.Role
	Summary      string
	pace         pace
}

// pace is the time limit of a route, and the number of its calls that may run at once.
type pace struct {
	most  time.Duration // zero: the call ends with the session
	slots chan struct{} // nil: any number
}

// The paces of routes that read the journal, compile plans, contact devices and
// destinations, and follow runs.
var (
	quick    = func() pace { return pace{most: 10 * time.Second} }
	compiles = func() pace { return pace{most: 30 * time.Second, slots: make(chan struct{}, 4)} }
	contacts = func() pace { return pace{most: 5 * time.Minute, slots: make(chan struct{}, 2)} }
	follows  = pace{slots: make(chan struct{}, 500)} // shared by all servers of a process, of which there is one
	recovers = func() pace { return pace{most: 30 * time.Minute} }
)

// New returns the handler of everything below /api/ and /op/. It takes the caller from
// the request's context. It fails if a route has no role.
func New(o Options) (http.Handler, error) {
	a := assemble(o)
	for path, item := range a.huma.OpenAPI().Paths {
		for method := range operations(item) {
			if _, ok := a.routes[method+" "+path]; !ok {
				a.wrong = append(a.wrong, fmt.Errorf("%s %s was registered without a role", method, path))
			}
		}
	}
	if len(a.wrong) > 0 {
		return nil, errors.Join(a.wrong...)
	}
	return a, nil
}

func assemble(o Options) *api {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	a := &api{Options: o, mux: http.NewServeMux(), routes: map[string]Route{}}
	info := &huma.Info{Title: "dprun", Version: Version, Description: "What `dprun serve` answers programs. The page docs/rest.md says how to use it.",
		License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}}
	a.huma = humago.New(a.mux, huma.Config{OpenAPI: &huma.OpenAPI{OpenAPI: "3.1.0", Info: info,
		Servers: []*huma.Server{{URL: "/"}},
		Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", nameOf),
			SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", Description: "A token of the server's configuration"},
				"session": {Type: "apiKey", In: "cookie", Name: "__Host-dprun", Description: "The session of somebody who has logged in with a browser"}}},
		Security: []map[string][]string{{"token": {}}, {"session": {}}}},
		Formats: map[string]huma.Format{"application/json": format, "json": format}, DefaultFormat: "application/json"})
	a.reads()
	a.backups()
	a.plans()
	a.actions()
	a.approvals()
	a.events()
	a.nights()
	a.reference()
	a.describes()
	return a
}

// register adds a route. do receives what the caller may see.
func register[I, O any](a *api, least access.Role, p pace, op huma.Operation, do func(ctx context.Context, s sees, in *I) (*O, error)) {
	if !slices.Contains(access.Roles(), least) {
		a.wrong = append(a.wrong, fmt.Errorf("%s %s has no role: say who may call it", op.Method, op.Path))
		return
	}
	a.routes[op.Method+" "+op.Path] = Route{Method: op.Method, Path: op.Path, Least: least, Summary: op.Summary, pace: p}
	op.MaxBodyBytes = cmp.Or(op.MaxBodyBytes, 16<<10)
	op.RejectUnknownQueryParameters = true
	op.Errors = append(op.Errors, 400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 502, 503)
	op.Description = strings.TrimSpace(op.Description + "\n\nLeast role: " + string(least) + ".")
	op.Middlewares = huma.Middlewares{func(c huma.Context, next func(huma.Context)) {
		who, ok := access.From(c.Context())
		if ok && who.May(least) {
			next(c)
			return
		}
		status := http.StatusForbidden
		if strings.HasPrefix(op.Path, referenceBase) {
			status = http.StatusUnauthorized // as huma's own handler does
		}
		_ = huma.WriteErr(a.huma, c, status, fmt.Sprintf("This needs the role %s, and %s has %s.", least, who.Name, who.Role))
	}}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		s, err := a.sight(ctx)
		if err != nil {
			return nil, problem(a.Log, err)
		}
		out, err := do(ctx, s, in)
		if err != nil {
			return nil, problem(a.Log, err)
		}
		return out, nil
	})
}

// Reply is a reply with a body.
type Reply[T any] struct{ Body T }

// get registers a route that reads one thing.
func get[I, T any](a *api, least access.Role, p pace, path, id, summary string, do func(ctx context.Context, s sees, in *I) (T, error)) {
	register(a, least, p, huma.Operation{Method: http.MethodGet, Path: Base + path, OperationID: id, Summary: summary, Tags: []string{tag(path)}},
		func(ctx context.Context, s sees, in *I) (*Reply[T], error) {
			body, err := do(ctx, s, in)
			return &Reply[T]{body}, err
		})
}

// tag returns the first part of a path.
func tag(path string) string { return strings.SplitN(strings.TrimPrefix(path, "/"), "/", 2)[0] }

// nameOf returns the name of a schema: that of its type, with the package in front
// unless it is package report or this one.
func nameOf(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := t.Name()
	if name == "" {
		return hint
	}
	if outer, inner, generic := strings.Cut(strings.TrimSuffix(name, "]"), "["); generic {
		return inner[strings.LastIndexByte(inner, '.')+1:] + outer
	}
	switch pkg := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]; pkg {
	case "report", "api", "":
		return strings.ToUpper(name[:1]) + name[1:]
	default:
		return strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
}

func operations(p *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{http.MethodGet: p.Get, http.MethodPost: p.Post, http.MethodPut: p.Put, http.MethodDelete: p.Delete, http.MethodPatch: p.Patch,
		http.MethodHead: p.Head, http.MethodOptions: p.Options, http.MethodTrace: p.Trace}
	for method, op := range all {
		if op == nil {
			delete(all, method)
		}
	}
	return all
}

// Describe returns the description of the API as JSON, and its routes in order.
func Describe() ([]byte, []Route, error) {
	h, err := New(Options{})
	if err != nil {
		return nil, nil, err
	}
	a := h.(*api)
	text, err := json.MarshalIndent(a.huma.OpenAPI(), "", "  ")
	routes := slices.SortedFunc(maps.Values(a.routes), func(x, y Route) int { return strings.Compare(x.Path+" "+x.Method, y.Path+" "+y.Method) })
	return append(text, '\n'), routes, err
}

// describes registers the route of the description.
func (a *api) describes() {
	var text []byte
	register(a, access.Viewer, quick(), huma.Operation{Method: http.MethodGet, Path: Base + "/openapi.json", OperationID: "openapi", Summary: "This description", Tags: []string{"openapi"}},
		func(context.Context, sees, *struct{}) (*Reply[map[string]any], error) {
			out := map[string]any{}
			return &Reply[map[string]any]{out}, json.Unmarshal(text, &out)
		})
	text, _ = json.Marshal(a.huma.OpenAPI())
}
